# Candidates and what they tell, for the *.bats files about elections.

# lead NAME CANDIDATE ARGS...: a campaign in the background, whose command runs until it is told to stop, and says so.
lead() {
  local name=$1 candidate=$2
  shift 2
  "$DCOORD" elect run "$name" --candidate "$candidate" --progress none "$@" -- sh -c "echo $candidate leads \$DCOORD_TERM >>$BATS_TEST_TMPDIR/story
    trap 'echo $candidate stops >>$BATS_TEST_TMPDIR/story; exit 0' TERM; sleep 1000 & wait" 3>&- 2>>"$BATS_TEST_TMPDIR/messages" &
  LEADER=$!
  BACKGROUND+=("$LEADER")
}
story_has() { grep -qx "$1" "$BATS_TEST_TMPDIR/story"; }
leader() { "$DCOORD" elect show "$1" --json | sed 's/.*"leader":{"candidate":"\([^"]*\)".*/\1/'; }
leads() { [[ $(leader "$1") == "$2" ]]; }
standing_by() { [[ $("$DCOORD" elect show "$1" --json) == *"\"waiting\":$2,"* ]]; }

# A service manager that writes down what it is told, in $BATS_TEST_TMPDIR/told. Sets MANAGER: its socket.
start_manager() {
  MANAGER=$(mktemp -u /tmp/dcoord-bats-XXXXXX)
  python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode(), flush=True)' "$MANAGER" >"$BATS_TEST_TMPDIR/told" 3>&- &
  BACKGROUND+=("$!")
  wait_until 20 test -S "$MANAGER"
}
