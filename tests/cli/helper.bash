# For every *.bats file: `load helper` gives it the functions below.
#
# DCOORD              the binary; the newest of the build directories by default
# DCOORD_TEST_SERVER  redis-server (default) or valkey-server, or a path

if [[ -z ${DCOORD:-} ]]; then
  DCOORD=$(ls -t "$BATS_TEST_DIRNAME"/../../build/*/dcoord 2>/dev/null | head -n 1)
fi
DCOORD=$(realpath "$DCOORD") || { echo "no dcoord binary: set DCOORD" >&2; exit 1; }
SERVER_PROGRAM=${DCOORD_TEST_SERVER:-redis-server}

# The tests see none of the caller's settings: no DCOORD_*, no Redis variables, no files.
clean_environment() {
  local name
  for name in $(compgen -e); do
    case $name in
      DCOORD | DCOORD_TEST_*) ;;
      DCOORD_* | REDIS_URL | REDISCLI_AUTH | VALKEYCLI_AUTH | NO_COLOR | FORCE_COLOR | CLICOLOR_FORCE) unset "$name" ;;
    esac
  done
  export HOME=$BATS_TEST_TMPDIR/home XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/home/.config LC_ALL=C
  mkdir -p "$XDG_CONFIG_HOME/dcoord"
  CONFIG=$XDG_CONFIG_HOME/dcoord/config.toml
}

dcoord() { "$DCOORD" "$@"; }

# wait_until SECONDS COMMAND...: until it succeeds.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || { echo "not in time: $*" >&2; return 1; }
    sleep 0.02
  done
}

# A port that nobody listens on; below those that the system gives to whoever connects.
free_port() {
  local port
  while port=$((10000 + RANDOM % 22000)); do
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# A server of one's own on a unix socket, without persistence; `start_server "requirepass x"` adds lines to its
# configuration. Sets SERVER_SOCKET and SERVER_PID, and DCOORD_URL for dcoord. Socket paths must be short, hence /tmp.
start_server() {
  SERVER_DIR=$(mktemp -d /tmp/dcoord-bats-XXXXXX)
  SERVER_SOCKET=$SERVER_DIR/s
  printf '%s\n' "port 0" "unixsocket $SERVER_SOCKET" "dir $SERVER_DIR" 'save ""' "daemonize no" "$@" >"$SERVER_DIR/conf"
  # Descriptor 3 is bats's own: a server that kept it would make bats wait for it.
  "$SERVER_PROGRAM" "$SERVER_DIR/conf" >"$SERVER_DIR/log" 2>&1 3>&- &
  SERVER_PID=$!
  export DCOORD_URL=unix://$SERVER_SOCKET
  wait_until 30 server_listens || { cat "$SERVER_DIR/log" >&2; return 1; }
}

server_listens() { grep -qi "ready to accept connections" "$SERVER_DIR/log" && [[ -S $SERVER_SOCKET ]]; }

# Ends the server that start_server started, by its pid; nothing if there is none.
stop_server() {
  [[ -n ${SERVER_PID:-} ]] || return 0
  kill -CONT "$SERVER_PID" 2>/dev/null || true
  kill -KILL "$SERVER_PID" 2>/dev/null || true
  wait "$SERVER_PID" 2>/dev/null || true
  rm -rf "$SERVER_DIR"
  unset SERVER_PID
}

# redis ARGS...: a command to that server.
redis() { redis-cli -s "$SERVER_SOCKET" "$@"; }

# Runs a command with stdout in $out, stderr in $err, status in $code; stdin is empty.
run_split() {
  code=0
  "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || code=$?
  out=$(<"$BATS_TEST_TMPDIR/out")
  err=$(<"$BATS_TEST_TMPDIR/err")
}

# expect_code N, expect_out TEXT, expect_err TEXT: exactly; *_has: somewhere.
expect_code() { [[ $code == "$1" ]] || explain "exit code $code, not $1"; }
expect_out() { [[ $out == "$1" ]] || explain "stdout is not: $1"; }
expect_err() { [[ $err == "$1" ]] || explain "stderr is not: $1"; }
expect_out_has() { [[ $out == *"$1"* ]] || explain "stdout has no: $1"; }
expect_err_has() { [[ $err == *"$1"* ]] || explain "stderr has no: $1"; }
explain() {
  printf '%s\n' "$1" "--- code $code, stdout:" "$out" "--- stderr:" "$err" >&2
  return 1
}
