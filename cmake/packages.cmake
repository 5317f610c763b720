# What is installed where, and the packages: `cpack --preset deb` and so on, in CMakePresets.json. The times in them are
# SOURCE_DATE_EPOCH, so that the same sources give the same bytes.
include(GNUInstallDirs)

install(TARGETS dcoord RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(DIRECTORY "${CMAKE_BINARY_DIR}/man/man1" "${CMAKE_BINARY_DIR}/man/man5" "${CMAKE_BINARY_DIR}/man/man7"
  DESTINATION "${CMAKE_INSTALL_MANDIR}")
install(FILES "${completions}/dcoord.bash" RENAME dcoord
  DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
install(FILES "${completions}/dcoord.fish" DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
# Debian's zsh looks in vendor-completions, all others in site-functions.
if(EXISTS /etc/debian_version)
  set(DCOORD_ZSH_COMPLETIONS "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions" CACHE STRING "Where _dcoord goes")
else()
  set(DCOORD_ZSH_COMPLETIONS "${CMAKE_INSTALL_DATADIR}/zsh/site-functions" CACHE STRING "Where _dcoord goes")
endif()
install(FILES "${completions}/_dcoord" DESTINATION "${DCOORD_ZSH_COMPLETIONS}")
install(DIRECTORY "${CMAKE_SOURCE_DIR}/packaging/examples" DESTINATION "${CMAKE_INSTALL_DOCDIR}"
  USE_SOURCE_PERMISSIONS)

set(CPACK_PACKAGE_VENDOR "The dcoord authors")
set(CPACK_PACKAGE_CONTACT "The dcoord authors <dcoord@example.com>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "coordinate shell scripts, cron jobs and pipelines over Redis")
set(CPACK_PACKAGE_DESCRIPTION "Locks, leader election, barriers, job dependencies, queues and shared
values from the shell, for commands on any number of machines, over a Redis or
Valkey server. A command that runs under a lock is dead before anybody else can
have the lock.")
set(CPACK_RESOURCE_FILE_LICENSE "${CMAKE_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_THREADS 0)

# What every Debian package has: its licence, its changes, compressed without the time of doing so.
if(EXISTS /etc/debian_version)
  find_program(GZIP_PROGRAM gzip)
  set(doc "${CMAKE_BINARY_DIR}/doc")
  configure_file("${CMAKE_SOURCE_DIR}/packaging/debian/copyright" "${doc}/copyright" COPYONLY)
  configure_file("${CMAKE_SOURCE_DIR}/packaging/debian/changelog" "${doc}/changelog.Debian" @ONLY)
  configure_file("${CMAKE_SOURCE_DIR}/CHANGELOG.md" "${doc}/changelog" COPYONLY)
  execute_process(COMMAND "${GZIP_PROGRAM}" -9nf "${doc}/changelog.Debian" "${doc}/changelog" COMMAND_ERROR_IS_FATAL ANY)
  install(FILES "${doc}/copyright" "${doc}/changelog.gz" "${doc}/changelog.Debian.gz"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/dcoord")
  install(FILES "${CMAKE_SOURCE_DIR}/packaging/debian/lintian-overrides"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/lintian/overrides" RENAME dcoord)
else()
  install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" "${CMAKE_SOURCE_DIR}/CHANGELOG.md" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
endif()

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Loaded when a TLS connection is made.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libssl3 | libssl3t64")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "redis-server | valkey-server")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_LICENSE MIT)
set(CPACK_RPM_PACKAGE_SUGGESTS "valkey")
set(CPACK_RPM_SPEC_MORE_DEFINE "%define use_source_date_epoch_as_buildtime 1
%define clamp_mtime_to_source_date_epoch 1
%define _buildhost dcoord
%define _build_id_links none")

include(CPack)
