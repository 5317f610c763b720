# For the *.bats files about queues, after helper and lock_helper.

# background COMMAND...: sets JOB.
background() {
  "$@" 3>&- &
  JOB=$!
  BACKGROUND+=("$JOB")
}
# job_ends CODE: waits for JOB.
job_ends() {
  local got=0
  wait "$JOB" || got=$?
  [[ $got == "$1" ]] || { echo "ended with $got, not $1" >&2; return 1; }
}
# field QUEUE NAME, has QUEUE NAME N: what `queue show` says.
field() { dcoord queue show "$1" --json | grep -o "\"$2\":[0-9]*" | head -n 1 | cut -d: -f2; }
has() { [[ $(field "$1" "$2") == "$3" ]]; }
# Neither running nor stopped; a zombie is dead.
alive() { [[ -e /proc/$1/stat && $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) != Z* ]]; }
not_alive() { ! alive "$1"; }
