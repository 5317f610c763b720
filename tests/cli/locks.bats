# All locks, as an operator sees and repairs them.
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

id_of() { dcoord lock show "$1" --json | sed 's/.*"holders":\[{"id":"\([0-9a-f]*\)".*/\1/'; }
# Times, hosts, pids, fences and ids stand for what differs from run to run.
golden() {
  sed -E "s/$(hostname):[0-9]+/HOST:PID/g; s/[0-9]{16}/FENCE/g; s/\b([0-9]+(ms|s|m|h))+\b/TIME/g; s/id [0-9a-f]{12}/id ID/" |
    sed -E 's/ +/ /g; s/ $//'
}
in_terminal() { python3 "$BATS_TEST_DIRNAME/in_terminal.py" "$@"; }
# Takes a lock whose supervisor and guard are then killed, both at once; its command too unless `survives` is given.
abandon() {
  local name=$1 command=$BATS_TEST_TMPDIR/pid.$RANDOM
  shift
  "$DCOORD" lock run "$name" "$@" -- sh -c "echo \$\$ >$command; exec sleep 1000" 3>&- 2>/dev/null &
  local supervisor=$! guard
  BACKGROUND+=("$supervisor")
  wait_until 20 test -s "$command"
  COMMAND_PID=$(<"$command")
  guard=$(awk '{print $4}' "/proc/$COMMAND_PID/stat")
  kill -STOP "$supervisor" "$guard"
  kill -KILL "$supervisor" "$guard"
  wait "$supervisor" 2>/dev/null || true
  wait_until 20 is_dead "$guard"
}
is_dead() { ! kill -0 "$1" 2>/dev/null || [[ $(awk '{print $3}' "/proc/$1/stat") == Z ]]; }

@test "list: every kind by one mechanism, each as --kind asks" {
  hold "a lock"
  dcoord queue push jobs item
  dcoord barrier arrive phase --parties 3 --id one
  "$DCOORD" job run build --run 7 -- sleep 1000 3>&- &
  BACKGROUND+=($!)
  "$DCOORD" elect run leader -- sleep 1000 3>&- &
  BACKGROUND+=($!)
  wait_until 20 dcoord elect show leader
  has_job() { dcoord job list --run 7 -o plain | grep -q running; }
  wait_until 20 has_job
  dcoord breaker run api --failure-threshold 1 -- false 2>/dev/null || true
  dcoord breaker run fine -- true
  run_split dcoord locks list
  expect_code 0
  [[ $(golden <<<"$out") == "NAME STATE MODE HOLDER AGE LEASE WAITERS FENCE
7/build held job HOST:PID TIME TIME left 0 -
a lock held exclusive HOST:PID TIME TIME left 0 FENCE
api held breaker open: 1 of 1 calls failed TIME TIME left 0 -
fine free breaker closed - - 0 -
jobs free queue 1 ready - - 0 -
leader held elect HOST:PID TIME TIME left 0 FENCE
phase held barrier 1 of 3 arrived - - 0 -" ]] || explain "another list"
  local kind
  for kind in lock elect job barrier queue; do
    [[ $(dcoord locks list --kind "$kind" --json | grep -o '"kind":"[a-z]*"') == "\"kind\":\"$kind\"" ]]
  done
  [[ $(dcoord locks list --kind job --kind queue -o plain | wc -l) == 2 ]]
  [[ $(dcoord locks list --kind breaker --held -o plain | cut -f1) == api ]]
  for kind in 7/build jobs phase api; do
    run_split dcoord locks why "$kind"
    expect_code 0
    run_split dcoord locks why "$kind" --json
    [[ $(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["name"])' "$out") == "$kind" ]]
  done
  run_split dcoord locks why api
  expect_out_has "breaker 'api': open: 1 of 1 calls failed"
  expect_out_has "the next call is let through in"
  run_split dcoord locks list --kind breaker_or_so
  expect_code 64
  expect_err_has "lock, elect, job, barrier, queue or breaker"
}

@test "list: patterns, states and order" {
  local name
  for name in b-1 b-2 c; do dcoord lock run "$name" -- true; done
  hold b-2
  "$DCOORD" lock run b-2 -- true 3>&- &
  BACKGROUND+=($!)
  wait_until 20 waiting b-2 1
  names() { dcoord locks list "$@" -o plain | cut -f1 | paste -sd' '; }
  [[ $(names) == "b-1 b-2 c" ]]
  [[ $(names 'b-*') == "b-1 b-2" ]]
  [[ $(names 'b-?' --held) == "b-2" ]]
  [[ $(names --contended) == "b-2" ]]
  [[ $(names --sort waiters) == "b-2 b-1 c" ]]
  [[ -z $(names --stale) ]]
  run_split dcoord locks list --stale --held
  expect_code 64
}

@test "list: a stale one says why: its lease is over, or its process is gone" {
  dcoord lock acquire short -t 1s >/dev/null
  stale() { dcoord locks list --stale -o plain | grep -q "^$1"; }
  wait_until 20 stale short
  run_split dcoord locks list short --json
  [[ $out =~ \"why\":\"lease\ over\ for ]]
  abandon killed -t 10m
  kill -KILL "$COMMAND_PID" 2>/dev/null || true
  wait_until 20 stale killed
  run_split dcoord locks list killed
  expect_out_has "process gone on this host"
  # The same on a host that was started anew since, going by its name: shown, and that is all.
  hold rebooted -t 10m
  redis hget "$(key_of rebooted)" s >/dev/null
  local field
  field=$(redis hkeys "$(key_of rebooted)" | grep ^h)
  redis eval "local k, f, boot = KEYS[1], ARGV[1], ARGV[2]; local v = redis.call('HGET', k, f)
    local at = string.find(v, boot, 1, true); redis.call('HSET', k, f, string.sub(v, 1, at - 1) .. string.rep('0', #boot) ..
    string.sub(v, at + #boot))" 1 "$(key_of rebooted)" "$field" "$(</proc/sys/kernel/random/boot_id)"
  run_split dcoord locks list rebooted -o plain
  expect_out_has "host rebooted"
  [[ $(cut -f2 <<<"$out") == held ]]
}

@test "list --watch: each thing once, then a line for what changes, as JSON Lines too" {
  hold x
  "$DCOORD" locks list --watch --interval 100ms --json >"$BATS_TEST_TMPDIR/lines" 3>&- &
  BACKGROUND+=($!)
  lines() { [[ $(wc -l <"$BATS_TEST_TMPDIR/lines") -ge $1 ]]; }
  wait_until 20 lines 1
  let_go
  wait_until 20 lines 2
  hold x
  wait_until 20 lines 3
  [[ $(grep -o '"state":"[a-z]*"' "$BATS_TEST_TMPDIR/lines" | head -n 3 | paste -sd' ') == '"state":"held" "state":"free" "state":"held"' ]]
  python3 -c 'import json,sys; [json.loads(l) for l in open(sys.argv[1])]' "$BATS_TEST_TMPDIR/lines"
  run_split dcoord locks list --watch --count 1
  expect_code 0
  expect_out_has "x "
}

@test "names with wide characters, escapes and 255 bytes break no table and no terminal" {
  local wide long bar
  wide='日本語-ロック' long=$(printf 'x%.0s' $(seq 255)) bar=$'bi\u202edi'
  dcoord lock run "$wide" --label $'\e[31mred\e[0m\x07' -- true
  dcoord lock run "$long" -- true
  dcoord lock run "$bar" -- true
  hold "$wide" --label $'\e]0;title\x07'
  run_split dcoord locks list
  [[ $out != *$'\e'* && $out != *$'\x07'* ]]
  # Columns stand under each other: STATE begins at the same column in each line, counted in cells.
  python3 - <<'PY' "$out"
import sys, unicodedata
lines = sys.argv[1].split("\n")
cells = lambda s: sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in s)
at = {cells(l[:l.index(w)]) for l in lines for w in ("STATE", " held ", " free ") if w in l
      for l in [l] if True}
starts = {cells(l[:l.index(w)]) + (1 if w[0] == " " else 0) for l in lines for w in ("STATE", " held ", " free ") if w in l}
assert len(starts) == 1, (starts, lines)
PY
  run_split in_terminal 60 "$DCOORD" locks list
  expect_code 0
  python3 - <<'PY' "$out"
import sys, unicodedata
for line in sys.argv[1].split("\n"):
    width = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
    assert width <= 60, (width, line)
PY
  for words in "why $wide" "graph" "graph --as dot" "graph --as mermaid" "stats" "list --json"; do
    # shellcheck disable=SC2086
    run_split dcoord locks $words
    [[ $out != *$'\e'* && $out != *$'\x07'* ]] || explain "escapes get through $words"
  done
}

@test "why: the story of a lock" {
  run_split dcoord locks why never-used
  expect_code 1
  expect_err_has "nothing is known of 'never-used'"
  dcoord lock run x -- true
  CI_JOB_URL=https://ci/7 hold x --label nightly
  "$DCOORD" lock run x -- true 3>&- &
  BACKGROUND+=($!)
  wait_until 20 waiting x 1
  run_split dcoord locks why x
  expect_code 0
  [[ $(golden <<<"$out" | sed "s/user $(id -un)/user USER/; s/: longer than usual//") == "lock 'x': held
held by HOST:PID (nightly), user USER, exclusive
 for TIME (usually p50 TIME, p95 TIME); its lease has TIME left
 see https://ci/7
 id ID
fence FENCE: nobody has got it since
1 waiting:
 1. HOST:PID (true) for TIME, exclusive
latest first:
 HOST:PID (true) held it for TIME, released TIME ago" ]] || explain "another story"
  run_split dcoord locks why x --json
  python3 -c 'import json,sys; s=json.loads(sys.argv[1]); assert s["holders"][0]["link"]=="https://ci/7"; assert s["events"][0]["event"]=="released"; assert len(s["waiters"])==1' "$out"
}

# Two scripts that take two locks in opposite order.
crosswise() {
  local one=$1 two=$2
  "$DCOORD" lock run "$one" -- sh -c "echo >$BATS_TEST_TMPDIR/has.$one; until [ -e $BATS_TEST_TMPDIR/has.$two ]; do sleep 0.02; done; $DCOORD lock run $two -- true" 3>&- 2>/dev/null &
  BACKGROUND+=($!)
}

@test "deadlocks: a circle is shown with who waits for what, exit 1; why and graph know it" {
  run_split dcoord locks deadlocks
  expect_code 0
  expect_out ""
  hold quiet
  crosswise a b
  crosswise b a
  wait_until 20 waiting a 1
  wait_until 20 waiting b 1
  run_split dcoord locks deadlocks
  expect_code 1
  [[ $(golden <<<"$out") == "deadlock 1 of 1:
 HOST:PID (true) waits for lock 'a' for TIME, held by HOST:PID (sh -c"*" waits for lock 'b' for TIME, held by HOST:PID (sh -c"* ]] ||
    explain "another deadlock"
  run_split dcoord locks deadlocks --json
  expect_code 1
  [[ $(python3 -c 'import json,sys; d=json.loads(sys.argv[1]); print(len(d), sorted(w["name"] for w in d[0]["waits"]))' "$out") == "1 ['a', 'b']" ]]
  run_split dcoord locks why a
  expect_out_has "deadlock over lock 'a', lock 'b'"
  run_split dcoord locks graph --as dot
  expect_out_has "color=red"
  run_split dcoord locks graph --as mermaid
  expect_out_has "==>|waits for|"
  run_split dcoord locks graph
  expect_out_has "(deadlock)"
  expect_out_has "lock 'quiet'"
}

@test "deadlocks: a job that comes after one that wants what is held around it; who waits at a barrier is told of" {
  "$DCOORD" lock run l -- "$DCOORD" job run late --run 1 --after early -- true 3>&- 2>/dev/null &
  BACKGROUND+=($!)
  wait_until 20 is_state l held
  "$DCOORD" job run early --run 1 -- "$DCOORD" lock run l -- true 3>&- 2>/dev/null &
  BACKGROUND+=($!)
  "$DCOORD" lock run m -- "$DCOORD" barrier wait phase --parties 2 3>&- 2>/dev/null &
  BACKGROUND+=($!)
  wait_until 20 waiting l 1
  at_barrier() { dcoord locks list phase --contended -o plain | grep -q .; }
  wait_until 20 at_barrier
  run_split dcoord locks deadlocks
  expect_code 1
  expect_out_has "deadlock 1 of 1:"
  expect_out_has "waits to run job '1/late' for"
  expect_out_has "after job '1/early', run by"
  run_split dcoord locks deadlocks --json
  [[ $(python3 -c 'import json,sys; d=json.loads(sys.argv[1]); print([w.get("after") for w in sorted(d[0]["waits"], key=lambda w: w["name"])])' "$out") == "['1/early', None]" ]] ||
    explain "another circle"
  run_split dcoord locks why 1/late
  expect_out_has "after job '1/early', run by"
  expect_out_has "deadlock over"
  run_split dcoord locks why m
  expect_out_has "waits at barrier 'phase' for"
  run_split dcoord locks graph --json
  python3 -c 'import json,sys; g=json.loads(sys.argv[1]); ids={n["id"] for n in g["nodes"]}; assert all(e["from"] in ids and e["to"] in ids for e in g["edges"]); assert {"after","runs"} <= {e["what"] for e in g["edges"]}; assert any(e["deadlock"] for e in g["edges"])' "$out"
}

@test "deadlocks: siblings under one outer lock, and a wait that will end, are none" {
  "$DCOORD" lock run outer -- sh -c "$DCOORD lock run inner -- sh -c 'echo >$BATS_TEST_TMPDIR/in; sleep 1000' & \
    until [ -e $BATS_TEST_TMPDIR/in ]; do sleep 0.02; done; $DCOORD lock run inner -- true; wait" 3>&- 2>/dev/null &
  BACKGROUND+=($!)
  wait_until 20 waiting inner 1
  run_split dcoord locks deadlocks
  expect_code 0
}

@test "stats: counts and percentiles, a warning for long waits, and --reset" {
  dcoord lock run x -- true
  hold x
  "$DCOORD" lock run x -- true 3>&- &
  local waiter=$!
  wait_until 20 waiting x 1
  let_go
  wait "$waiter"
  run_split dcoord locks stats x
  expect_code 0
  expect_err ""
  expect_out_has "WAIT P50/95/99/MAX"
  [[ $(golden <<<"$out") == *"x lock 3 33% TIME / TIME / TIME / TIME TIME / TIME / TIME / TIME 0 0 0" ]] || explain "other counts"
  run_split dcoord locks stats x --warn-wait 0
  expect_err_has "lock 'x': those that waited did so for"
  run_split in_terminal 120 "$DCOORD" locks stats x
  expect_out_has "waits  "
  expect_out_has "█"
  run_split dcoord locks stats x --json
  python3 -c 'import json,sys; s=json.loads(sys.argv[1])[0]; assert s["acquired"]==3 and s["contended"]==1; assert sum(c["count"] for c in s["hold_histogram"])==3; assert s["hold_max_ms"]>=s["hold_p50_ms"]' "$out"
  run_split dcoord locks stats --reset
  expect_code 64
  run_split dcoord locks stats x --reset
  expect_code 0
  run_split dcoord locks stats x --json
  expect_out_has '"acquired":0'
  run_split dcoord locks stats nothing
  expect_code 1
}

@test "release-stale: what is provably left behind, and nothing else" {
  hold live -t 10m
  dcoord lock acquire manual -t 10m >/dev/null
  run_split dcoord locks release-stale --yes
  expect_code 0
  expect_out ""
  expect_err "dcoord: nothing is provably stale"
  abandon killed -t 10m
  # Should its command live on, its token tells.
  if kill -0 "$COMMAND_PID" 2>/dev/null && ! is_dead "$COMMAND_PID"; then
    kill -KILL "$COMMAND_PID"
    wait_until 20 is_dead "$COMMAND_PID"
  fi
  "$DCOORD" lock run killed -- touch "$BATS_TEST_TMPDIR/next" 3>&- &
  local next=$!
  wait_until 20 waiting killed 1
  run_split dcoord locks release-stale --dry-run
  expect_code 0
  expect_out_has "process gone on this host"
  [[ $(grep -c . <<<"$out") == 2 ]]
  is_state killed held
  run_split dcoord locks release-stale
  expect_code 64
  expect_err_has "--yes"
  run_split dcoord locks release-stale --older-than 1h --yes
  expect_err_has "nothing is provably stale"
  run_split dcoord locks release-stale 'kil*' --yes
  expect_code 0
  expect_out_has "released, handed to the next in line"
  wait "$next"
  [[ -e $BATS_TEST_TMPDIR/next ]]
  is_state live held
  is_state manual held
  run_split dcoord locks why killed
  expect_out_has "had left it behind"
}

@test "release-stale: a command that outlived supervisor and guard keeps its lock until the lease's end" {
  # A grandchild in a session of its own, which nothing ends once both are killed.
  "$DCOORD" lock run x -t 10m -- sh -c "setsid sh -c 'echo \$\$ >$BATS_TEST_TMPDIR/survivor; exec sleep 1000' & wait" 3>&- 2>/dev/null &
  local supervisor=$! survivor guard
  BACKGROUND+=("$supervisor")
  wait_until 20 test -s "$BATS_TEST_TMPDIR/survivor"
  survivor=$(<"$BATS_TEST_TMPDIR/survivor")
  BACKGROUND+=("$survivor")
  guard=$(tr -d " " <"/proc/$supervisor/task/$supervisor/children")
  kill -STOP "$supervisor" "$guard"
  kill -KILL "$supervisor" "$guard"
  wait "$supervisor" 2>/dev/null || true
  wait_until 20 is_dead "$guard"
  run_split dcoord locks release-stale --yes
  expect_err_has "nothing is provably stale"
  kill -KILL "$survivor"
  wait_until 20 is_dead "$survivor"
  run_split dcoord locks release-stale --yes
  expect_out_has "released"
  [[ $(state x) == free ]]
}

@test "release --break: over at once, with a warning of what that risks, and a trace" {
  hold x -t 10m
  run_split dcoord lock release x --break
  expect_code 64
  run_split dcoord lock release x --break --holder "$(id_of x)" --trace-file "$BATS_TEST_TMPDIR/trace"
  expect_code 0
  grep -q '"event":"reclaimed"' "$BATS_TEST_TMPDIR/trace"
  expect_err_has "dcoord: warning: took lock 'x' from"
  expect_err_has "fencing token"
  [[ $(state x) == free ]]
  local got=0
  wait "$HOLDER" || got=$?
  [[ $got == 79 ]]
  run_split dcoord locks why x
  expect_out_has "took it away by force"
}

@test "elect resign --break: another leads at once; the leader's command is stopped" {
  "$DCOORD" elect run e --once -t 10m -- sleep 1000 3>&- 2>"$BATS_TEST_TMPDIR/leader" &
  HOLDER=$!
  BACKGROUND+=("$HOLDER")
  wait_until 20 dcoord elect show e
  run_split dcoord elect resign e --break
  expect_code 64
  run_split dcoord elect resign e --break --holder "$(dcoord elect show e --json | sed 's/.*"leader":{"candidate":"[^"]*","id":"\([0-9a-f]*\)".*/\1/')"
  expect_code 0
  expect_err_has "took election 'e' from"
  local got=0
  wait "$HOLDER" || got=$?
  [[ $got == 79 ]]
  run_split dcoord locks why e
  grep -q "lost election 'e': it was taken away at once by .*:[0-9]" "$BATS_TEST_TMPDIR/leader" ||
    explain "the leader says $(cat "$BATS_TEST_TMPDIR/leader")"
  run_split dcoord locks why e
  expect_out_has "election 'e': free"
  expect_out_has "took it away by force"
}

@test "what people type instead is answered with what they mean" {
  run_split dcoord lock list
  expect_code 64
  expect_err_has "did you mean 'locks list'?"
  run_split dcoord locks show x
  expect_err_has "did you mean 'lock show'?"
  run_split dcoord run x -- true
  expect_code 64
  expect_err_has "did you mean 'lock run'?"
  run_split dcoord deadlocks
  expect_err_has "did you mean 'locks deadlocks'?"
}
