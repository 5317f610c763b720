# Holding and watching locks, for the *.bats files about them.

BACKGROUND=()

# Starts `dcoord lock run NAME ARGS` in the background, its command one that runs until `let_go`, and returns when it
# holds the lock. Sets HOLDER.
hold() {
  local name=$1 ready=$BATS_TEST_TMPDIR/ready.$RANDOM
  shift
  "$DCOORD" lock run "$name" "$@" -- sh -c "echo >$ready; exec sleep 1000" 3>&- &
  HOLDER=$!
  BACKGROUND+=("$HOLDER")
  wait_until 20 test -s "$ready"
}
let_go() {
  kill -TERM "$HOLDER"
  wait "$HOLDER" || true
}
end_background() {
  local pid
  for pid in "${BACKGROUND[@]:-}"; do
    if [[ -n $pid ]]; then kill -KILL "$pid" 2>/dev/null || true; fi
  done
}
waiting() { [[ $(dcoord lock show "$1" --json | grep -o '"waiting":[0-9]*') == "\"waiting\":$2" ]]; }
state() { dcoord lock show "$1" --json | sed 's/.*"state":"\([a-z]*\)".*/\1/'; }
is_state() { [[ $(state "$1") == "$2" ]]; }

# The key of a lock.
key_of() {
  redis --scan --pattern "dcoord:*:lock:$1" | head -n 1 | grep . ||
    { dcoord lock run "$1" -- true && redis --scan --pattern "dcoord:*:lock:$1" | head -n 1 && dcoord lock forget "$1"; }
}
# Kills the server and starts it again with its directory and settings.
restart_server() {
  kill -KILL "$SERVER_PID"
  wait "$SERVER_PID" 2>/dev/null || true
  rm -f "$SERVER_SOCKET" "$SERVER_DIR/log"
  "$SERVER_PROGRAM" "$SERVER_DIR/conf" >"$SERVER_DIR/log" 2>&1 3>&- &
  SERVER_PID=$!
  wait_until 30 server_listens
}
