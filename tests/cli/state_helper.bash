# Following values and events in the background, for the *.bats files about them.

PIDS=()
remember() { PIDS+=("$1"); }
pid() { echo "${PIDS[$1]}"; }
end_background() {
  local pid
  for pid in "${PIDS[@]:-}"; do
    if [[ -n $pid ]]; then kill -KILL "$pid" 2>/dev/null || true; fi
  done
}

# Starts `dcoord ARGS` in the background, its output to a new file, WATCHED, its messages to WATCHED.err.
follow() {
  WATCHED=$BATS_TEST_TMPDIR/watched.${#PIDS[@]}
  "$DCOORD" "$@" >"$WATCHED" 2>"$WATCHED.err" 3>&- &
  remember $!
}
watch_it() { follow state watch "$@"; }
subscribe_it() { follow event subscribe "$@"; }
has_line() { grep -qF -- "$1" "$WATCHED"; }
gone() { ! dcoord state get "$1" >/dev/null; }
