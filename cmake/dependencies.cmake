# What dcoord is built with, as targets dcoord::NAME. The system's packages first; where they are missing,
# the same sources from upstream at a pinned commit.
include(CheckLinkerFlag)
include(CheckPIESupported)
include(FetchContent)
find_package(Threads REQUIRED)
find_package(PkgConfig)

add_library(dcoord_flags INTERFACE)
add_library(dcoord::flags ALIAS dcoord_flags)
target_link_libraries(dcoord_flags INTERFACE Threads::Threads)
target_compile_options(dcoord_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -Wno-missing-field-initializers)
if(DCOORD_WERROR)
  target_compile_options(dcoord_flags INTERFACE -Werror)
endif()
if(DCOORD_SANITIZE)
  target_compile_options(dcoord_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer)
  target_link_options(dcoord_flags INTERFACE -fsanitize=address,undefined)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(dcoord_flags INTERFACE -ffunction-sections -fdata-sections -fstack-protector-strong)
  target_compile_definitions(dcoord_flags INTERFACE _FORTIFY_SOURCE=2)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # They find things that are not there in std::string once it is inlined.
    target_compile_options(dcoord_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow)
  endif()
endif()

# How the program itself is linked: the C++ runtime and hiredis inside it, because finding and relocating
# shared libraries at every start costs several times what the whole command does.
add_library(dcoord_link INTERFACE)
add_library(dcoord::link ALIAS dcoord_link)
if(NOT DCOORD_SANITIZE)
  target_link_options(dcoord_link INTERFACE -static-libstdc++ -static-libgcc)
  if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT APPLE)
    # The C++ runtime mentions libm here and there; taken from the archive, what is not used is dropped, which of optimized
    # code is everything. By its file's name: g++ takes an -lm to the end of the line, behind its own -Bdynamic.
    target_link_libraries(dcoord_link INTERFACE -Wl,--push-state,-Bstatic -lstdc++ -l:libm.a -Wl,--pop-state)
  endif()
endif()
check_pie_supported()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(DCOORD_STATIC)
  # The code itself stays position-independent: without, g++ 12 makes coroutine templates that do not link.
  target_link_options(dcoord_link INTERFACE -static -no-pie)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  # Packed, relocating the tables of the C++ runtime at each start is less work (glibc 2.36).
  check_linker_flag(CXX -Wl,-z,pack-relative-relocs DCOORD_PACKED_RELOCATIONS)
  if(DCOORD_PACKED_RELOCATIONS AND NOT DCOORD_STATIC)
    target_link_options(dcoord_link INTERFACE -Wl,-z,pack-relative-relocs)
  endif()
  target_link_options(dcoord_link INTERFACE -Wl,--gc-sections -Wl,--as-needed -Wl,-z,relro,-z,now -Wl,--hash-style=gnu -s)
endif()

# A static archive where there is one, else the shared library.
function(prefer_static variable name)
  find_library(${variable} NAMES lib${name}.a ${name})
  if(NOT ${variable})
    set(${variable} "" PARENT_SCOPE)
  endif()
endfunction()

# Only the headers: libssl is loaded when a TLS connection wants it (src/redis/openssl.h says why).
add_library(dcoord_openssl INTERFACE)
add_library(dcoord::openssl ALIAS dcoord_openssl)
set(OPENSSL_USE_STATIC_LIBS ${DCOORD_STATIC})
find_package(OpenSSL 3 REQUIRED)
if(DCOORD_STATIC)
  target_compile_definitions(dcoord_openssl INTERFACE DCOORD_LINK_OPENSSL)
  target_link_libraries(dcoord_openssl INTERFACE OpenSSL::SSL OpenSSL::Crypto)
else()
  target_include_directories(dcoord_openssl SYSTEM INTERFACE ${OPENSSL_INCLUDE_DIR})
endif()
target_link_libraries(dcoord_openssl INTERFACE ${CMAKE_DL_LIBS})

add_library(dcoord_hiredis INTERFACE)
add_library(dcoord::hiredis ALIAS dcoord_hiredis)
find_path(HIREDIS_INCLUDE hiredis/hiredis.h)
prefer_static(HIREDIS_LIBRARY hiredis)
if(HIREDIS_INCLUDE AND HIREDIS_LIBRARY)
  target_include_directories(dcoord_hiredis SYSTEM INTERFACE "${HIREDIS_INCLUDE}")
  target_link_libraries(dcoord_hiredis INTERFACE "${HIREDIS_LIBRARY}")
else()
  set(DISABLE_TESTS ON)
  set(BUILD_SHARED_LIBS OFF)
  FetchContent_Declare(hiredis GIT_REPOSITORY https://github.com/redis/hiredis.git
    GIT_TAG 29ea2791c1)
  FetchContent_MakeAvailable(hiredis)
  # Its headers lie in its top folder; ours are included as <hiredis/...>.
  file(CREATE_LINK "${hiredis_SOURCE_DIR}" "${CMAKE_BINARY_DIR}/_deps/include/hiredis" SYMBOLIC)
  target_include_directories(dcoord_hiredis SYSTEM INTERFACE "${CMAKE_BINARY_DIR}/_deps/include")
  target_link_libraries(dcoord_hiredis INTERFACE hiredis)
endif()

# Compiled once and linked in: Debian ships only a shared library, which every start would load, and the header-only form
# costs every source file seconds.
add_library(dcoord_fmt INTERFACE)
add_library(dcoord::fmt ALIAS dcoord_fmt)
find_package(fmt 9 QUIET)
if(fmt_FOUND)
  add_library(dcoord_fmt_compiled STATIC "${CMAKE_CURRENT_LIST_DIR}/fmt.cc")
  target_include_directories(dcoord_fmt_compiled SYSTEM PUBLIC
    $<TARGET_PROPERTY:fmt::fmt-header-only,INTERFACE_INCLUDE_DIRECTORIES>)
  target_link_libraries(dcoord_fmt_compiled PRIVATE dcoord::flags)
  target_link_libraries(dcoord_fmt INTERFACE dcoord_fmt_compiled)
else()
  set(BUILD_SHARED_LIBS OFF)
  FetchContent_Declare(fmt GIT_REPOSITORY https://github.com/fmtlib/fmt.git
    GIT_TAG 60ccad511f)
  FetchContent_MakeAvailable(fmt)
  target_link_libraries(dcoord_fmt INTERFACE fmt::fmt)
endif()

add_library(dcoord_json INTERFACE)
add_library(dcoord::json ALIAS dcoord_json)
find_package(nlohmann_json 3.11 QUIET)
if(NOT nlohmann_json_FOUND)
  FetchContent_Declare(nlohmann_json GIT_REPOSITORY https://github.com/nlohmann/json.git
    GIT_TAG 9cca280a4d)
  FetchContent_MakeAvailable(nlohmann_json)
endif()
target_link_libraries(dcoord_json INTERFACE nlohmann_json::nlohmann_json)

add_library(dcoord_cli11 INTERFACE)
add_library(dcoord::cli11 ALIAS dcoord_cli11)
find_package(CLI11 2.1 QUIET)
if(NOT CLI11_FOUND)
  FetchContent_Declare(CLI11 GIT_REPOSITORY https://github.com/CLIUtils/CLI11.git
    GIT_TAG c1cfe00d2f)
  FetchContent_MakeAvailable(CLI11)
endif()
target_link_libraries(dcoord_cli11 INTERFACE CLI11::CLI11)
