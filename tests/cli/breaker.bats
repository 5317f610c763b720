# Circuit breakers as a user types them.
load helper
load lock_helper

setup() {
  clean_environment
  start_server
}
teardown() {
  end_background
  stop_server
}

# run ARGS... -- COMMAND: on breaker 'api'.
api() { run_split "$DCOORD" breaker run api "$@"; }
fail() {
  for _ in $(seq "$1"); do "$DCOORD" breaker run api "${@:2}" -- false 2>/dev/null || true; done
}
status_is() {
  local code=0
  "$DCOORD" breaker status "$1" >/dev/null 2>&1 || code=$?
  [[ $code == "$2" ]]
}
field() { "$DCOORD" breaker status "$1" --json | grep -o "\"$2\":[^,]*" | head -n 1 | cut -d: -f2 | tr -d '"'; }
lines() { [[ -e $1 ]] && [[ $(wc -l <"$1") == "$2" ]]; }

@test "run: the command's own code passes; the failure that opens it says so; then it is not run, 75" {
  api --failure-threshold 3 -- sh -c 'echo out; exit 9'
  expect_code 9
  expect_out out
  expect_err ""
  api -- sh -c 'exit 9'
  api -- sh -c 'exit 9'
  expect_code 9
  expect_err_has "breaker 'api' is open now: 3 of 3 calls within 5m failed; next try in"
  api -- touch "$BATS_TEST_TMPDIR/ran"
  expect_code 75
  expect_err_has "breaker 'api' has been open for"
  expect_err_has "3 of 3 calls within 5m failed"
  expect_err_has "next try in"
  api -E 11 -- true
  expect_code 11
  api -E 0 -- true
  expect_code 0
  expect_err ""
  [[ ! -e $BATS_TEST_TMPDIR/ran ]]
}

@test "run: --fallback runs instead, its code is the answer, and it is told" {
  fail 1 --failure-threshold 1
  api --fallback 'echo "$DCOORD_BREAKER $DCOORD_BREAKER_STATE"; [ "$DCOORD_BREAKER_RETRY_MS" -gt 0 ] || exit 1; exit 6' -- echo no
  expect_code 6
  expect_out "api open"
  run_split "$DCOORD" breaker run other --fallback 'echo no' -- sh -c 'echo "$DCOORD_BREAKER $DCOORD_BREAKER_STATE"'
  expect_out "other closed"
}

@test "run: one probe at a time decides; it closes it, or opens it again" {
  fail 1 --failure-threshold 1 --recovery-timeout 1ms
  wait_until 20 status_is api 2
  local go=$BATS_TEST_TMPDIR/go started=$BATS_TEST_TMPDIR/started
  "$DCOORD" breaker run api -- sh -c "echo >$started; while [ ! -e $go ]; do sleep 0.02; done" 3>&- &
  BACKGROUND+=("$!")
  wait_until 20 test -e "$started"
  api -- true
  expect_code 75
  expect_err_has "is half-open and others probe it (1 of 1 calls within 5m failed); next try in"
  touch "$go"
  wait "${BACKGROUND[-1]}"
  status_is api 0
  fail 1
  wait_until 20 status_is api 2
  api -- false
  expect_code 1
  expect_err_has "breaker 'api' is open now: a probe failed; next try in"
  [[ $(field api why) == "a probe failed" ]]
}

@test "run: a hundred processes: it opens at exactly the threshold" {
  local pids=()
  for _ in $(seq 100); do
    "$DCOORD" breaker run api --failure-threshold 50 -- false 3>&- 2>>"$BATS_TEST_TMPDIR/err" &
    pids+=($!)
  done
  BACKGROUND+=("${pids[@]}")
  wait "${pids[@]}" || true
  status_is api 1
  [[ $(field api why) == "50 of 50 calls within 5m failed" ]]
  [[ $(field api all_failures) == 50 ]]
  [[ $(grep -c "is open now" "$BATS_TEST_TMPDIR/err") == 1 ]]
}

@test "run: a hundred processes: never more probes than allowed" {
  local pids=() go=$BATS_TEST_TMPDIR/go ran=$BATS_TEST_TMPDIR/ran
  fail 1 --failure-threshold 1 --recovery-timeout 1ms --probes 3
  wait_until 20 status_is api 2
  for _ in $(seq 100); do
    "$DCOORD" breaker run api -t 10m -- sh -c "echo >>$ran; while [ ! -e $go ]; do sleep 0.05; done" 3>&- 2>/dev/null &
    pids+=($!)
  done
  BACKGROUND+=("${pids[@]}")
  # All but the probes end, refused.
  ended() { local pid left=0; for pid in "${pids[@]}"; do kill -0 "$pid" 2>/dev/null && left=$((left + 1)); done; ((left == 3)); }
  wait_until 60 ended
  wait_until 20 lines "$ran" 3
  [[ $(field api probes_out) == 3 ]]
  status_is api 2
  touch "$go"
  local refused=0 pid code
  for pid in "${pids[@]}"; do
    code=0
    wait "$pid" || code=$?
    [[ $code == 0 || $code == 75 ]]
    [[ $code == 0 ]] || refused=$((refused + 1))
  done
  [[ $refused == 97 ]]
  status_is api 0
}

@test "run: a probe that was killed frees its permit" {
  fail 1 --failure-threshold 1 --recovery-timeout 1ms
  wait_until 20 status_is api 2
  "$DCOORD" breaker run api -t 1s -- sh -c "echo >$BATS_TEST_TMPDIR/started; exec sleep 1000" 3>&- &
  local probe=$!
  BACKGROUND+=("$probe")
  wait_until 20 test -e "$BATS_TEST_TMPDIR/started"
  kill -KILL "$probe"
  closes() { "$DCOORD" breaker run api -- true 2>/dev/null; }
  wait_until 20 closes
  status_is api 0
}

@test "run: an ended probe gives its permit back at once, and dies of the signal" {
  fail 1 --failure-threshold 1 --recovery-timeout 1ms
  wait_until 20 status_is api 2
  "$DCOORD" breaker run api -t 10m -- sh -c "echo >$BATS_TEST_TMPDIR/started; exec sleep 1000" 3>&- &
  local probe=$!
  BACKGROUND+=("$probe")
  wait_until 20 test -e "$BATS_TEST_TMPDIR/started"
  kill -TERM "$probe"
  code=0
  wait "$probe" || code=$?
  [[ $code == 143 ]]
  api -- true
  expect_code 0
  status_is api 0
}

@test "run: what is a failure: --fail-on, --ignore, --slow, --max-time; not what cannot be started" {
  api --fail-on 5,28,50-60 -- sh -c 'exit 6'
  expect_code 6
  api --fail-on 5,28,50-60 -- sh -c 'exit 55'
  expect_code 55
  [[ $(field api calls) == 2 && $(field api failures) == 1 ]]
  api --ignore 3,4 -- sh -c 'exit 4'
  expect_code 4
  [[ $(field api calls) == 2 ]]
  api --slow 1ms -- sleep 0.05
  expect_code 0
  expect_err_has "longer than --slow 1ms: a failure for breaker 'api'"
  [[ $(field api failures) == 2 ]]
  api --max-time 50ms -- sleep 1000
  expect_code 124
  [[ $(field api failures) == 3 ]]
  api -- sh -c 'kill -KILL $$'
  expect_code 137
  [[ $(field api failures) == 4 ]]
  api -- /nowhere/to/be/found
  expect_code 127
  [[ $(field api calls) == 5 && $(field api failures) == 4 ]]
}

@test "run: --min-reporters: one host alone does not open it" {
  fail 3 --failure-threshold 2 --min-reporters 2 --reporter a
  status_is api 0
  fail 1 --reporter b
  status_is api 1
  [[ $(field api reporters) == 2 ]]
}

@test "run: the settings of the first use count; others warn; --reconfigure changes those given" {
  api --failure-threshold 7 --recovery-timeout 2m -- true
  expect_err ""
  api -- true
  expect_err ""
  api --failure-threshold 3 --probes 1 -- true
  expect_code 0
  expect_err "dcoord: warning: breaker 'api' is in use with --failure-threshold 7, not 3: what is stored counts
dcoord: hint: --reconfigure changes it"
  DCOORD_BREAKER_SAMPLING_DURATION=1m api -- true
  expect_err_has "--sampling-duration 5m, not 1m"
  api --failure-threshold 3 --reconfigure -- true
  expect_err ""
  [[ $(field api failure_threshold) == 3 && $(field api recovery_timeout_ms) == 120000 ]]
}

@test "run: Redis away: the command runs all the same, or with --if-unavailable fail it does not" {
  kill -STOP "$SERVER_PID"
  api --command-timeout 200ms -- sh -c 'exit 5'
  expect_code 5
  expect_err_has "going on without breaker 'api'"
  kill -KILL "$SERVER_PID"
  api -- sh -c 'exit 5'
  expect_code 5
  expect_err_has "going on without breaker 'api'"
  api --if-unavailable fail -- touch "$BATS_TEST_TMPDIR/ran"
  expect_code 69
  [[ ! -e $BATS_TEST_TMPDIR/ran ]]
  run_split sh -c "eval \"\$($DCOORD breaker allow api)\" && echo go; $DCOORD breaker record api failure; echo \$?"
  expect_out $'go\n0'
}

@test "run: Redis goes away while the command runs: its code passes, and a line says so" {
  api --command-timeout 200ms -- sh -c "kill -KILL $SERVER_PID; exit 3"
  expect_code 3
  expect_err_has "could not tell breaker 'api' how the command ended"
}

@test "allow and record: for scripts that cannot be wrapped" {
  run_split sh -c "
    for i in 1 2; do
      eval \"\$($DCOORD breaker allow api --failure-threshold 2)\" || exit
      $DCOORD breaker record api failure
    done
    eval \"\$($DCOORD breaker allow api 2>/dev/null)\" || exit
    echo not reached"
  expect_code 75
  expect_out ""
  expect_err_has "breaker 'api' is open now"
  run_split "$DCOORD" breaker allow api -E 7
  expect_code 7
  expect_out "(exit 7)"
  run_split "$DCOORD" breaker allow new -o plain
  local permit=$out
  run_split "$DCOORD" breaker allow new --json
  expect_out_has '"state":"closed"'
  run_split "$DCOORD" breaker record new failure --permit "$permit" --json
  expect_out_has '"counted":true'
  "$DCOORD" breaker record new failure --permit "$permit"
  [[ $(field new failures) == 1 ]]
  "$DCOORD" breaker record new success
  [[ $(field new calls) == 2 ]]
  "$DCOORD" breaker trip new
  run_split "$DCOORD" breaker record new failure --json
  expect_out_has '"counted":false'
  run_split "$DCOORD" breaker record other failure --permit "$permit"
  expect_code 64
  expect_err_has "the permit is of breaker 'new', not 'other'"
}

@test "allow: a name with spaces and quotes comes through eval and back" {
  local name="it's a \"b\" \$x"
  eval "$("$DCOORD" breaker allow "$name")"
  "$DCOORD" breaker record "$name" failure
  [[ $(field "$name" failures) == 1 ]]
}

@test "trip, hold-open, reset, status, list" {
  run_split "$DCOORD" breaker status api
  expect_code 0
  expect_err_has "has not been used yet"
  run_split "$DCOORD" breaker reset api
  expect_code 1
  "$DCOORD" breaker trip api
  run_split "$DCOORD" breaker status api
  expect_code 1
  expect_out_has "tripped by"
  [[ $out =~ FAILURE\ THRESHOLD\ +not\ set\ yet ]] || explain "settings are shown that nobody has made"
  [[ $out =~ NEXT\ TRY\ +[0-9]+[sm] && $out != *" MS "* ]] || explain "durations are not shown as such"
  run_split "$DCOORD" breaker status api --json
  expect_out_has '"failure_threshold":null,"failure_rate":null,"min_calls":null,"sampling_duration_ms":null,"recovery_timeout_ms":null,"recovery_max_ms":null,"probes":null,"min_reporters":null'
  "$DCOORD" breaker reset api
  status_is api 0
  "$DCOORD" breaker run stored --failure-threshold 0 -- true
  run_split "$DCOORD" breaker status stored --json
  expect_out_has '"failure_threshold":0,"failure_rate":0,"min_calls":10,"sampling_duration_ms":300000'
  "$DCOORD" breaker hold-open api inf
  api -- true
  expect_code 75
  expect_err_has "until \`dcoord breaker reset api\`"
  "$DCOORD" breaker run b -- true
  run_split "$DCOORD" breaker list -o plain
  [[ $(cut -f1,2 <<<"$out") == $'api\topen\nb\tclosed\nstored\tclosed' ]]
  run_split "$DCOORD" breaker list --json
  expect_out_has '"next_try_ms":null'
}

@test "bad input: exit code, a message that names the culprit, and nothing changed" {
  run_split "$DCOORD" breaker run api
  expect_code 64
  run_split "$DCOORD" breaker run '' -- true
  expect_code 64
  local bad
  for bad in "--failure-threshold -1" "--failure-threshold many" "--failure-rate 101" "--min-calls 0" "--probes 0" \
    "--probes 101" "--min-reporters 0" "--sampling-duration 10ms" "--sampling-duration inf" "--recovery-timeout 0" \
    "--recovery-timeout 2m --recovery-max 1m" "--recovery-max inf" "--slow 0" "--max-time 0" "--ttl 10ms" "--ttl inf" \
    "--fail-on 0" "--fail-on 256" "--fail-on 1,,2" "--fail-on 9-5" "--fail-on x" "--fail-on 1-9 --ignore 5" \
    "--if-unavailable skip" "--reconfigure"; do
    # shellcheck disable=SC2086
    api $bad -- true
    expect_code 64
    expect_err_has "${bad%% *}"
  done
  run_split "$DCOORD" breaker record api maybe
  expect_code 64
  expect_err_has "success, failure or ignored, not 'maybe'"
  run_split "$DCOORD" breaker record api success --permit nonsense
  expect_code 64
  for bad in 0 -5m soon 400d; do
    run_split "$DCOORD" breaker hold-open api "$bad"
    expect_code 64
  done
  [[ $(redis dbsize) == 0 ]]
}
