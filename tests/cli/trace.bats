# --trace, --trace-file, --trace-stream and `dcoord trace`: what was decided, as it was decided.
load helper
load lock_helper

setup() {
  clean_environment
  start_server
  TRACE=$BATS_TEST_TMPDIR/trace
}
teardown() {
  end_background
  stop_server
}

# The events of lines of JSON, in order.
events() { python3 -c 'import json, sys; print(*[json.loads(line)["event"] for line in sys.stdin])'; }

@test "each decision of a lock is a line of JSON on stderr, or in a file that is appended to" {
  run_split dcoord --trace lock lock run x -- true
  expect_code 0
  [[ $(events <<<"$err") == "asked granted released" ]]
  python3 - "$err" <<'PY'
import json, sys
asked, granted, released = map(json.loads, sys.argv[1].splitlines())
assert asked["kind"] == "lock" and asked["name"] == "x" and asked["mode"] == "exclusive"
assert granted["fence"] > 1e15 and granted["lease_end"] > granted["server_time"]
assert len({e["id"] for e in (asked, granted, released)}) == 1 and ":" in granted["who"]
PY
  DCOORD_TRACE=lock run_split dcoord lock run x --trace-file "$TRACE" -- true
  expect_err ""
  DCOORD_TRACE_FILE=$TRACE run_split dcoord lock run x -- true
  [[ $(events <"$TRACE") == "asked granted released asked granted released" ]]
  [[ $(stat -c %a "$TRACE") == 644 ]]
}

@test "only the kinds that are asked for, and a word that is none is refused" {
  run_split dcoord --trace elect lock run x -- true
  expect_err ""
  run_split dcoord --trace elect,lock elect run x -- true
  [[ $err == *'"kind":"elect"'* && $err != *'"kind":"lock"'* ]]
  run_split dcoord --trace all queue push q item
  expect_err_has '"kind":"queue","name":"q","event":"push","result":"pushed"'
  run_split dcoord --trace lokc lock run x -- true
  expect_code 64
  expect_err_has "invalid kind 'lokc' for --trace"
  run_split dcoord --trace-file /nonexistent/f lock run x -- true
  expect_code 78
  expect_err_has "--trace-file /nonexistent/f: cannot be written"
}

@test "a renewal, a refusal, a place in line and a lost lease are decisions, too" {
  hold x --trace-file "$TRACE" -t 1.5
  renewed() { grep -q '"event":"renewed"' "$TRACE"; }
  wait_until 20 renewed
  run_split dcoord lock run -n x --trace-file "$TRACE.2" -- true
  expect_code 75
  [[ $(events <"$TRACE.2") == "asked refused" ]]
  "$DCOORD" lock run x --trace-file "$TRACE.3" -- true 3>&- &
  BACKGROUND+=($!)
  waiter=$!
  queued() { grep -q '"event":"queued"' "$TRACE.3"; }
  wait_until 20 queued
  redis flushall >/dev/null
  wait "$HOLDER" || true
  wait "$waiter"
  grep -q '"event":"lost"' "$TRACE"
}

@test "a server that does not answer is told of" {
  run_split dcoord --trace lock lock run x --connect-timeout 200ms -u "unix://$BATS_TEST_TMPDIR/none" -- true
  expect_code 69
  expect_err_has '"event":"failed"'
}

@test "the stream: recorded in the same step, read merged and in order; nothing without it" {
  run_split dcoord trace x
  expect_code 1
  expect_err_has "DCOORD_TRACE_STREAM=1"
  export DCOORD_TRACE_STREAM=1
  hold x
  "$DCOORD" lock run x -- true 3>&- &
  BACKGROUND+=($!)
  waiter=$!
  wait_until 20 waiting x 1
  let_go
  wait "$waiter"
  run_split dcoord trace x --json
  expect_code 0
  [[ $(events <<<"$out") == "granted queued released granted released" ]]
  python3 - "$out" <<'PY'
import json, sys
lines = [json.loads(line) for line in sys.argv[1].splitlines()]
times = [e["server_time"] for e in lines]
assert times == sorted(times) and len({e["who"] for e in lines}) == 2
first, second = [e for e in lines if e["event"] == "granted"]
assert second["fence"] > first["fence"]
PY
  run_split dcoord trace x
  expect_out_has "granted (claimed)"
  expect_err ""
  run_split dcoord trace x --since 0.001 --json
  expect_out ""
  run_split dcoord trace x --kind elect --json
  expect_out ""
  [[ $(redis pttl "$(redis --scan --pattern 'dcoord:*:trace:x')") -gt 600000000 ]]
}

@test "the stream: holds that overlapped, after writes were lost, are pointed out" {
  export DCOORD_TRACE_STREAM=1
  hold x
  redis del "$(key_of x)" >/dev/null
  run_split dcoord lock run x -- true
  expect_code 0
  run_split dcoord trace x
  expect_err_has "warning: lock 'x': "
  expect_err_has "had it with fence"
}

@test "the stream: every kind of script works inside the recording, and says what it says without" {
  export DCOORD_TRACE_STREAM=1
  [[ $(dcoord lock run x --slots 3 -- sh -c 'echo $DCOORD_SLOT') == 0 ]]
  dcoord elect run x -- true
  dcoord queue push x one two
  [[ $(dcoord queue pop x) == one ]]
  dcoord state set x 1
  [[ $(dcoord state incr x) == 2 ]]
  dcoord job run x --run x -- true
  dcoord barrier wait x --parties 1
  run_split dcoord trace x --json
  for kind in lock elect queue state job barrier; do expect_out_has "\"kind\":\"$kind\""; done
}
