# `dcoord metrics`, read by the Prometheus project's own parser.
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

# parsed FILE CODE: the metrics in FILE go through the parser, and then Python CODE looks at them:
# value(NAME, label=...) is that of one series, names has all families.
parsed() {
  /usr/bin/python3 - "$1" <<PY
import sys
from prometheus_client.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(open(sys.argv[1]).read()))
names = [f.name for f in families]
samples = {}
for family in families:
    assert family.documentation, family.name
    assert family.type in ("gauge", "counter", "histogram"), family.name
    for s in family.samples:
        key = (s.name, tuple(sorted(s.labels.items())))
        assert key not in samples, key
        samples[key] = s.value
assert len(names) == len(set(names))
# Of a histogram the counts only grow, and the last one is the count.
for (name, labels), n in samples.items():
    if not name.endswith("_count"):
        continue
    base = name[:-len("_count")]
    bounds = sorted((float(dict(l)["le"]), v) for (m, l), v in samples.items()
                    if m == base + "_bucket" and tuple(sorted((k, x) for k, x in l if k != "le")) == labels)
    assert bounds[-1] == (float("inf"), n), (name, bounds)
    assert [v for _, v in bounds] == sorted(v for _, v in bounds)
def value(metric, **labels):
    return samples[(metric, tuple(sorted(labels.items())))]
$2
PY
}

@test "locks: held, waited for, and how long it took, as the parser of Prometheus reads them" {
  dcoord lock run free -- true
  hold busy
  "$DCOORD" lock run busy -- true 3>&- &
  BACKGROUND+=($!)
  wait_until 20 waiting busy 1
  run_split dcoord metrics
  expect_code 0
  expect_err ""
  printf '%s\n' "$out" >"$BATS_TEST_TMPDIR/m"
  parsed "$BATS_TEST_TMPDIR/m" '
assert value("dcoord_up") == 1
assert value("dcoord_lock_holders", name="busy") == 1
assert value("dcoord_lock_waiters", name="busy") == 1
assert value("dcoord_lock_holders", name="free") == 0
assert value("dcoord_lock_acquired_total", name="free") == 1
assert 0 < value("dcoord_lock_lease_remaining_seconds", name="busy") <= 30
assert value("dcoord_lock_hold_seconds_count", name="free") == 1
assert 0 <= value("dcoord_lock_hold_seconds_sum", name="free") < 60
assert value("dcoord_things", kind="lock", state="held") == 1
assert value("dcoord_things", kind="lock", state="free") == 1
assert value("dcoord_things_left_out") == 0'
}

@test "elections, queues, barriers, breakers and jobs, each under its own name" {
  dcoord elect run e -- true
  dcoord queue push q a b c
  dcoord queue pop q >/dev/null
  dcoord barrier wait b --parties 1
  dcoord job run j --run r -- true
  dcoord breaker run open --failure-threshold 2 -- false || true
  dcoord breaker run open -- false 2>/dev/null || true
  dcoord breaker run closed -- true
  dcoord breaker hold-open stays inf
  dcoord metrics >"$BATS_TEST_TMPDIR/m"
  parsed "$BATS_TEST_TMPDIR/m" '
assert value("dcoord_election_acquired_total", name="e") == 1
assert value("dcoord_queue_items", name="q", state="ready") == 2
assert value("dcoord_queue_pushed_total", name="q") == 3
assert value("dcoord_queue_done_total", name="q") == 1
assert value("dcoord_queue_oldest_ready_seconds", name="q") >= 0
assert value("dcoord_barrier_tripped_total", name="b") == 1
assert value("dcoord_things", kind="job", state="succeeded") == 1
states = lambda name: [value("dcoord_breaker_state", name=name, state=s) for s in ("closed", "open", "half_open")]
assert states("open") == [0, 1, 0] and states("closed") == [1, 0, 0]
assert value("dcoord_breaker_failures_total", name="open") == 2
assert value("dcoord_breaker_opened_total", name="open") == 1
assert 0 < value("dcoord_breaker_next_try_seconds", name="open") <= 60
assert value("dcoord_breaker_next_try_seconds", name="stays") == float("inf")
assert value("dcoord_breaker_reporters", name="open") == 1
assert value("dcoord_breaker_window_calls", name="closed") == 1
assert value("dcoord_breaker_window_failures", name="closed") == 0
assert value("dcoord_things", kind="breaker", state="open") == 2'
}

@test "names that would break a line are labels all the same" {
  name='a"b\c{d="e"} é 漢'
  dcoord lock run "$name" -- true
  dcoord metrics >"$BATS_TEST_TMPDIR/m"
  # shellcheck disable=SC1003 # Python's backslashes
  parsed "$BATS_TEST_TMPDIR/m" '
assert value("dcoord_lock_acquired_total", name="a\"b\\c{d=\"e\"} é 漢") == 1'
}

@test "--max-series: what matters most comes first, whole or not at all, and the rest is told" {
  for name in a b c; do dcoord lock run $name -- true; done
  hold z
  run_split dcoord metrics --max-series 50
  expect_code 0
  expect_err_has "3 things have no series"
  printf '%s\n' "$out" >"$BATS_TEST_TMPDIR/m"
  parsed "$BATS_TEST_TMPDIR/m" '
assert value("dcoord_lock_holders", name="z") == 1
assert value("dcoord_things_left_out") == 3
assert len([k for k in samples if k[0] == "dcoord_lock_holders"]) == 1
assert value("dcoord_things", kind="lock", state="free") == 3'
}

@test "--outfile: replaced at once, readable by all, and it says so when Redis is away" {
  file=$BATS_TEST_TMPDIR/dcoord.prom
  echo old >"$file"
  inode=$(stat -c %i "$file")
  (umask 077 && dcoord metrics --outfile "$file")
  [[ $(stat -c %a "$file") == 644 ]]
  [[ $(stat -c %i "$file") != "$inode" ]]
  parsed "$file" 'assert value("dcoord_up") == 1'
  [[ $(ls "$BATS_TEST_TMPDIR"/dcoord.prom*) == "$file" ]]
  run_split dcoord metrics --outfile "$file" --connect-timeout 200ms -u "unix://$BATS_TEST_TMPDIR/none"
  expect_code 69
  parsed "$file" 'assert value("dcoord_up") == 0 and names == ["dcoord_up"]'
  run_split dcoord metrics --outfile /nonexistent/m
  expect_code 78
  expect_err_has "--outfile /nonexistent/m: cannot be made"
}
