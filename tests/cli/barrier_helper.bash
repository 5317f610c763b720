# Waiting at barriers, for the *.bats files about them.

PIDS=()
remember() { PIDS+=("$1"); }
pid() { echo "${PIDS[$1]}"; }
end_background() {
  local pid
  for pid in "${PIDS[@]:-}"; do
    if [[ -n $pid ]]; then kill -KILL "$pid" 2>/dev/null || true; fi
  done
}

# Starts `dcoord barrier wait ARGS` in the background; its index goes to $BATS_TEST_TMPDIR/out.N, messages to err.N,
# N counting from 0.
wait_at() {
  local n=${#PIDS[@]}
  "$DCOORD" barrier wait "$@" >"$BATS_TEST_TMPDIR/out.$n" 2>"$BATS_TEST_TMPDIR/err.$n" 3>&- &
  remember $!
}
# Sets code to the exit code of the Nth.
finish() {
  code=0
  wait "${PIDS[$1]}" || code=$?
  out=$(<"$BATS_TEST_TMPDIR/out.$1")
  err=$(<"$BATS_TEST_TMPDIR/err.$1")
}
field() { dcoord barrier show "$1" --json | grep -o "\"$2\":[^,]*" | head -n 1 | cut -d: -f2; }
is_party() { dcoord barrier show "$1" --json | grep -q "\"pid\":$2,"; }
is_field() { [[ $(field "$1" "$2") == "$3" ]]; }
