# Jobs as a user types them.
load helper
load lock_helper

setup() {
  clean_environment
  start_server
  export DCOORD_RUN=r
}
teardown() {
  end_background
  stop_server
}

state_of() { "$DCOORD" job show "$1" --json 2>/dev/null | sed 's/.*"state":"\([a-z]*\)".*/\1/'; }
has_state() { [[ $(state_of "$1") == "$2" ]]; }
# How many clients wait for a message.
blocked() { redis info clients | grep -q "^blocked_clients:$1"; }
# start NAME ARGS...: in the background, with a line in the story when it runs.
start() {
  local name=$1
  shift
  "$DCOORD" job run "$name" --progress none "$@" -- sh -c "echo $name >>$BATS_TEST_TMPDIR/story" 3>&- 2>>"$BATS_TEST_TMPDIR/messages" &
  STARTED=$!
  BACKGROUND+=("$STARTED")
}

@test "run: after what it depends on, started in any order" {
  start c --after a,b
  local c=$STARTED
  wait_until 20 has_state c waiting
  start b --after a
  local b=$STARTED
  wait_until 20 has_state b waiting
  run_split "$DCOORD" job run a -- sh -c "echo a >>$BATS_TEST_TMPDIR/story; echo \$DCOORD_RUN \$DCOORD_JOB \$DCOORD_ATTEMPT"
  expect_code 0
  expect_out "r a 1"
  wait "$b" "$c"
  [[ $(<"$BATS_TEST_TMPDIR/story") == $'a\nb\nc' ]]
  run_split "$DCOORD" job list -o plain
  [[ $(cut -f2,3 <<<"$out") == $'a\tsucceeded\nb\tsucceeded\nc\tsucceeded' ]]
}

@test "run: silent while the command runs, however long that is" {
  run_split "$DCOORD" job run a -- sleep 1.5
  expect_code 0
  expect_err ""
}

@test "run: once in its run; --again runs it again; another run is another job" {
  run_split "$DCOORD" job run a -- echo first
  expect_out first
  run_split "$DCOORD" job run a -- echo second
  expect_code 0
  expect_out ""
  expect_err ""
  run_split "$DCOORD" job run a -v -- echo second
  expect_err_has "dcoord: job 'a' of run 'r' is done: it succeeded"
  run_split script -qec "$DCOORD job run a -- echo second" /dev/null
  expect_out_has "dcoord: job 'a' of run 'r' is done: it succeeded"
  run_split "$DCOORD" job run a --again -- echo third
  expect_out third
  run_split "$DCOORD" job run a --run other -- echo fourth
  expect_out fourth
}

@test "run: the command's code passes, is recorded, and ends its dependents with 76" {
  run_split "$DCOORD" job run a -- sh -c 'exit 9'
  expect_code 9
  run_split "$DCOORD" job run b --after a -- touch "$BATS_TEST_TMPDIR/ran"
  expect_code 76
  expect_err_has "job 'b' of run 'r' does not run: 'a', which it depends on, failed with 9"
  run_split "$DCOORD" job run c --after b --on-dependency-failure skip -- touch "$BATS_TEST_TMPDIR/ran"
  expect_code 0
  [[ ! -e $BATS_TEST_TMPDIR/ran ]]
  run_split "$DCOORD" job run d --after-failure a -- echo cleanup
  expect_out cleanup
  run_split "$DCOORD" job run a -- true
  expect_code 0
  [[ $(state_of a) == succeeded ]]
}

@test "run: a dependent that waits is told at once that it will not run" {
  start b --after a
  wait_until 20 has_state b waiting
  "$DCOORD" job run a -- false || true
  code=0
  wait "$STARTED" || code=$?
  [[ $code == 76 ]]
}

@test "run: a second start is refused with 75; --join returns the first one's code" {
  "$DCOORD" job run a -- sh -c "echo >$BATS_TEST_TMPDIR/started; while [ ! -e $BATS_TEST_TMPDIR/go ]; do sleep 0.02; done; exit 5" 3>&- &
  local first=$!
  BACKGROUND+=("$first")
  wait_until 20 test -e "$BATS_TEST_TMPDIR/started"
  run_split "$DCOORD" job run a -- true
  expect_code 75
  expect_err_has "job 'a' of run 'r' runs already"
  run_split "$DCOORD" job run a -E 0 -- echo never
  expect_code 0
  expect_out ""
  expect_err ""
  "$DCOORD" job run a --join --progress none -- true 3>&- &
  local second=$!
  BACKGROUND+=("$second")
  wait_until 20 blocked 1
  touch "$BATS_TEST_TMPDIR/go"
  code=0
  wait "$first" || code=$?
  [[ $code == 5 ]]
  code=0
  wait "$second" || code=$?
  [[ $code == 5 ]]
}

@test "run --join: when the first one dies, waiting or running, the second takes its place" {
  start b --after a
  local first=$STARTED
  wait_until 20 has_state b waiting
  "$DCOORD" job run b --join --progress none -- sh -c 'exit 6' 3>&- &
  local second=$!
  BACKGROUND+=("$second")
  wait_until 20 blocked 2
  kill -TERM "$first"
  wait_until 20 blocked 1
  "$DCOORD" job run a -- true
  code=0
  wait "$second" || code=$?
  [[ $code == 6 ]]
  "$DCOORD" job run c -t 1s -- sh -c "echo >$BATS_TEST_TMPDIR/started; exec sleep 1000" 3>&- &
  first=$!
  BACKGROUND+=("$first")
  wait_until 20 test -e "$BATS_TEST_TMPDIR/started"
  kill -KILL "$first"
  run_split "$DCOORD" job run c --join --progress none -- echo mine
  expect_code 0
  expect_out mine
}

@test "run: its run is kept for as long as its command runs, however short --keep is" {
  "$DCOORD" job run a -t 1s --keep 1s -- sh -c "echo >$BATS_TEST_TMPDIR/started; while [ ! -e $BATS_TEST_TMPDIR/go ]; do sleep 0.02; done" 3>&- &
  local pid=$!
  BACKGROUND+=("$pid")
  wait_until 20 test -e "$BATS_TEST_TMPDIR/started"
  sleep 3  # thrice as long as it would be kept
  touch "$BATS_TEST_TMPDIR/go"
  wait "$pid"
}

@test "run: DCOORD_JOB_RUN and the configuration name the run, too; its command is in the run that it was given" {
  unset DCOORD_RUN
  export DCOORD_JOB_RUN=fromenv
  run_split "$DCOORD" job run outer --run given -- "$DCOORD" job run inner -- sh -c 'echo $DCOORD_RUN'
  expect_out given
  run_split "$DCOORD" job run a -- sh -c 'echo $DCOORD_RUN'
  expect_out fromenv
  run_split "$DCOORD" job run a --once-per 1h -- echo ran
  expect_out ran
  unset DCOORD_JOB_RUN
  printf '[job]\nrun = "fromfile"\n' >"$CONFIG"
  run_split "$DCOORD" job run a -- sh -c 'echo $DCOORD_RUN'
  expect_out fromfile
}

@test "list: only what is still waited for; graph --json" {
  "$DCOORD" job run a -- true
  start c --after a,b --after-any d
  wait_until 20 has_state c waiting
  run_split "$DCOORD" job list --json
  expect_out_has '"waits_for":"b, d (any end)"'
  run_split "$DCOORD" job show c --json
  expect_out_has '"waits_for":"b, d (any end)"'
  expect_out_has '"after":"a, b, d (any end)"'
  run_split "$DCOORD" job graph --json
  python3 - "$out" <<'P'
import json, sys
graph = json.loads(sys.argv[1])
assert graph["run"] == "r"
jobs = {job["name"]: job for job in graph["jobs"]}
assert [jobs[name]["state"] for name in "abcd"] == ["succeeded", "not announced", "waiting", "not announced"]
assert jobs["c"]["after"] == [{"name": "a", "want": "success"}, {"name": "b", "want": "success"}, {"name": "d", "want": "end"}]
P
  run_split "$DCOORD" job graph --json --as dot
  expect_code 64
}

@test "run: cycles are refused with their path; waiting runs out with 124, and the edge stays" {
  run_split "$DCOORD" job run b --after a -w 0.2 -- true
  expect_code 124
  expect_err_has "nobody has announced a"
  run_split "$DCOORD" job run a --after b -- true
  expect_code 65
  expect_err_has "a -> b -> a"
  run_split "$DCOORD" job run a --after a -- true
  expect_code 65
  run_split "$DCOORD" job show a
  expect_code 1
  run_split "$DCOORD" job graph
  expect_out $'a  not announced\n  b  waiting'
}

@test "run: interrupted while waiting, it dies of the signal and never starts" {
  start b --after a
  wait_until 20 has_state b waiting
  kill -TERM "$STARTED"
  code=0
  wait "$STARTED" || code=$?
  [[ $code == 143 ]]
  run_split "$DCOORD" job run b --after a -w 0.2 -- true
  expect_code 124
}

@test "run: a killed host's job is run again by another, and its dependents wait for it or give it up" {
  "$DCOORD" job run a -t 1s -- sh -c "echo >$BATS_TEST_TMPDIR/started; exec sleep 1000" 3>&- &
  local first=$!
  BACKGROUND+=("$first")
  wait_until 20 test -e "$BATS_TEST_TMPDIR/started"
  start patient --after a --lost-after 10m
  local patient=$STARTED
  wait_until 20 has_state patient waiting
  kill -KILL "$first"
  run_split "$DCOORD" job run impatient --after a -- true
  expect_code 76
  expect_err_has "is lost"
  run_split "$DCOORD" job run a -- true
  expect_code 0
  wait "$patient"
  [[ $(<"$BATS_TEST_TMPDIR/story") == patient ]]
}

@test "run: the server hangs past the lease: the command is stopped, 79" {
  "$DCOORD" job run a -t 2s -- sh -c "echo >$BATS_TEST_TMPDIR/started; exec sleep 1000" 3>&- 2>"$BATS_TEST_TMPDIR/messages" &
  local pid=$!
  BACKGROUND+=("$pid")
  wait_until 20 test -e "$BATS_TEST_TMPDIR/started"
  kill -STOP "$SERVER_PID"
  code=0
  wait "$pid" || code=$?
  kill -CONT "$SERVER_PID"
  [[ $code == 79 ]]
  grep -q "lost job 'a' of run 'r'" "$BATS_TEST_TMPDIR/messages"
}

@test "run --retry: a command that fails is run again under the same lease" {
  run_split "$DCOORD" job run a --retry 2 --retry-delay 0.05 -- sh -c "echo x >>$BATS_TEST_TMPDIR/tries; [ \$(wc -l <$BATS_TEST_TMPDIR/tries) = 3 ]"
  expect_code 0
  [[ $(state_of a) == succeeded ]]
  run_split "$DCOORD" job run b --retry 1 --retry-delay 0.05 -- sh -c 'exit 4'
  expect_code 4
  [[ $(state_of b) == failed ]]
}

@test "run --once-per: once in a window; a failure is tried again" {
  unset DCOORD_RUN
  run_split "$DCOORD" job run a --once-per 3650d -- sh -c 'exit 3'
  expect_code 3
  run_split "$DCOORD" job run a --once-per 3650d -- echo ran
  expect_out ran
  run_split "$DCOORD" job run a -v --once-per 3650d -- echo ran
  expect_code 0
  expect_out ""
  expect_err_has "is done: it succeeded"
}

@test "wait: 0, 76 and 124" {
  "$DCOORD" job run a -- true
  "$DCOORD" job run b -- false || true
  run_split "$DCOORD" job wait a
  expect_code 0
  run_split "$DCOORD" job wait a,b
  expect_code 76
  expect_err_has "job 'b' of run 'r' failed with 1"
  run_split "$DCOORD" job wait a,c -w 0.2
  expect_code 124
  "$DCOORD" job wait c --progress none 3>&- &
  local waiter=$!
  BACKGROUND+=("$waiter")
  "$DCOORD" job run c -- true
  wait "$waiter"
}

@test "mark and reset" {
  run_split "$DCOORD" job mark a skipped
  expect_code 0
  run_split "$DCOORD" job run b --after a -- echo b
  expect_out b
  run_split "$DCOORD" job reset b
  expect_code 0
  run_split "$DCOORD" job reset b
  expect_code 1
  run_split "$DCOORD" job run b -- echo b
  expect_out b
  run_split "$DCOORD" job mark a broken
  expect_code 64
}

@test "graph: as dot and mermaid, names quoted" {
  "$DCOORD" job run 'a "b"' -- true
  "$DCOORD" job run c --after 'a "b"' -- true
  run_split "$DCOORD" job graph --as dot
  expect_out_has '"a \"b\"" -> "c";'
  run_split "$DCOORD" job graph --as mermaid
  expect_out_has 'a &quot;b&quot;: succeeded'
}

@test "bad input: exit code, a message that names the culprit, and nothing changed" {
  run_split env -u DCOORD_RUN "$DCOORD" job run a -- true
  expect_code 64
  expect_err_has "--run, or DCOORD_RUN"
  run_split "$DCOORD" job run '' -- true
  expect_code 64
  run_split "$DCOORD" job run a --after b,,c -- true
  expect_code 64
  expect_err_has "--after"
  run_split "$DCOORD" job run a --after-some b -- true
  expect_code 64
  run_split "$DCOORD" job run a --run x --once-per 1h -- true
  expect_code 64
  run_split "$DCOORD" job run a --lost-after inf -- true
  expect_code 64
  run_split "$DCOORD" job run a
  expect_code 64
  [[ $(redis dbsize) == 0 ]]
}
