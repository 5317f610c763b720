# Watching values, for the *.bats files about them.

PIDS=()
remember() { PIDS+=("$1"); }
pid() { echo "${PIDS[$1]}"; }
end_background() {
  local pid
  for pid in "${PIDS[@]:-}"; do
    if [[ -n $pid ]]; then kill -KILL "$pid" 2>/dev/null || true; fi
  done
}

# Starts `dcoord state watch ARGS` in the background, its output to a new file, WATCHED.
watch_it() {
  WATCHED=$BATS_TEST_TMPDIR/watched.${#PIDS[@]}
  "$DCOORD" state watch "$@" >"$WATCHED" 3>&- &
  remember $!
}
has_line() { grep -qF -- "$1" "$WATCHED"; }
gone() { ! dcoord state get "$1" >/dev/null; }
