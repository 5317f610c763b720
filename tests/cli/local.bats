# `local:` through the program. Its directory follows from the user id alone, so these tests run in a mount namespace
# with a /var/tmp of their own, in which only the server under test is installed.
load helper

setup() {
  clean_environment
  export DCOORD_URL=local:
  local other hidden user=() pipe=$BATS_TEST_TMPDIR/end
  ((EUID == 0)) || user=(--user --map-root-user)
  for other in redis-server valkey-server; do
    [[ $other == "$SERVER_PROGRAM" ]] || hidden=$(realpath "$(type -P "$other")") || hidden=/dev/null
  done
  mkfifo "$pipe"
  unshare "${user[@]}" --mount sh -c '
    mount -t tmpfs -o mode=1777 tmpfs /var/tmp && mount --bind /dev/null "$1" && echo ready && read -r _ <"$2"' \
    sh "$hidden" "$pipe" >"$BATS_TEST_TMPDIR/namespace" 2>&1 3>&- &
  NAMESPACE=$!
  wait_until 10 grep -q . "$BATS_TEST_TMPDIR/namespace"
  if ! grep -q ready "$BATS_TEST_TMPDIR/namespace"; then
    wait "$NAMESPACE" || true
    unset NAMESPACE
    skip "no mount namespace to be had here"
  fi
  ENTER=(nsenter --target "$NAMESPACE" --mount)
  ((EUID == 0)) || ENTER+=(--user --preserve-credentials)
  DIRECTORY=/var/tmp/dcoord-$("${ENTER[@]}" id -u)
}

teardown() {
  [[ -n ${NAMESPACE:-} ]] || return 0
  inside chmod 700 "$DIRECTORY" 2>/dev/null || true
  dcoord local stop -q
  echo >"$BATS_TEST_TMPDIR/end"
  wait "$NAMESPACE" || true
}

# In the namespace; descriptor 3 is bats's own.
inside() { "${ENTER[@]}" "$@" 3>&-; }
dcoord() { inside "$DCOORD" "$@"; }
server_pid() { dcoord local status --json | sed -n 's/.*"pid":\([0-9]*\).*/\1/p'; }

@test "local: starts with its first user and is there for the next" {
  run_split dcoord local status
  expect_code 1
  expect_out_has "no"
  run_split dcoord local status --json
  expect_code 1
  expect_out_has '"running":false'
  run_split inside test -e "$DIRECTORY"
  expect_code 1

  run_split dcoord lock run deploy -- echo "done"
  expect_code 0
  expect_out "done"
  expect_err ""
  run_split dcoord local status
  expect_code 0
  expect_out_has "${SERVER_PROGRAM%-server} "
  expect_out_has "$DIRECTORY/socket"
  local pid
  pid=$(server_pid)
  dcoord lock run deploy -- true
  [[ $(server_pid) == "$pid" ]]
}

@test "local: works with nothing in the environment, and is the same server" {
  dcoord lock run deploy -- true
  local pid
  pid=$(server_pid)
  run_split inside env -i "$DCOORD" -u local: local status --json
  expect_out_has "\"pid\":$pid,"
  dcoord local stop
  run_split inside env -i "$DCOORD" -u local: lock run deploy -- /bin/echo "done"
  expect_code 0
  expect_out "done"
}

@test "local: many first users get one server, and its locks exclude" {
  local i users=() counter=$BATS_TEST_TMPDIR/counter
  echo 0 >"$counter"
  for i in 1 2 3 4 5 6 7 8; do
    dcoord lock run count -w 60 -- sh -c 'n=$(cat "$1"); echo $((n + 1)) >"$1"' sh "$counter" &
    users+=($!)
  done
  for i in "${users[@]}"; do wait "$i"; done
  [[ $(<"$counter") == 8 ]]
  [[ $(inside grep -c "eady to accept connections" "$DIRECTORY/log") == 1 ]]
}

@test "local: a stop keeps what was there; stopping twice is no failure" {
  dcoord lock acquire deploy -t 1h >/dev/null
  run_split dcoord local stop
  expect_code 0
  expect_out ""
  expect_err ""
  run_split dcoord local stop
  expect_code 0
  expect_err "dcoord: the server of local: was not running"
  run_split dcoord lock show deploy
  expect_out_has "held"
}

@test "local: a holder starts a killed server again and holds on; ending it leaves the server alone" {
  # The command kills the server and ends once there is another, which only its own supervisor can have started.
  run_split dcoord lock run deploy -t 6s --tree kill -- sh -c '
    pid=$("$1" local status --json | sed "s/.*\"pid\":\([0-9]*\).*/\1/")
    kill -KILL "$pid"
    until "$1" local status >/dev/null; do sleep 0.02; done
    echo again' sh "$DCOORD"
  expect_code 0
  expect_out again
  run_split dcoord local status
  expect_code 0
  run_split dcoord lock show deploy
  expect_out_has "free"
}

@test "local: a directory that others may enter is refused" {
  dcoord lock run deploy -- true
  inside chmod 755 "$DIRECTORY"
  run_split dcoord lock run deploy -- true
  expect_code 77
  expect_err_has "dcoord: error: local: $DIRECTORY is open to other users"
}

@test "local: without a server says what to install" {
  inside mount --bind /dev/null "$(realpath "$(type -P "$SERVER_PROGRAM")")"
  run_split dcoord lock run deploy -- true
  expect_code 69
  expect_err_has "dcoord: error: local: needs redis-server or valkey-server, and neither is installed"
  expect_err_has "dcoord: hint: install the package redis-server or valkey-server"
}

@test "local: a server that a command is the first to need is none of what the command leaves behind" {
  local pid tree inner=(sh -c '"$1" -u local: lock run inner -- true' sh "$DCOORD")
  start_server
  for tree in wait kill; do
    dcoord local stop -q
    run_split timeout 20 "${ENTER[@]}" "$DCOORD" lock run outer --tree "$tree" -- "${inner[@]}" 3>&-
    expect_code 0
    pid=$(server_pid)
    [[ -n $pid ]]
  done
  # Nor of what is ended with it.
  dcoord local stop -q
  run_split timeout 20 "${ENTER[@]}" "$DCOORD" lock run outer --max-time 1s --kill-after 1s -- \
    sh -c '"$1" -u local: lock run inner -- true; trap "" TERM; sleep 60 & wait; sleep 60' sh "$DCOORD" 3>&-
  expect_code 124
  [[ -n $(server_pid) ]]
  stop_server
}
