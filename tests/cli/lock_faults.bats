# The lock when things go wrong: killed and stopped processes, a server that hangs, dies, forgets.
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

# The text of a workload that nothing but KILL ends: it, and a grandchild in a session of its own, write the time to
# FILE again and again. Only bash builtins, so that hundreds of beats a second cost little.
stubborn() {
  cat <<S
beat() { while :; do printf '%s\n' "\$EPOCHREALTIME" >>$1; read -rt 0.01 <> <(:) || :; done; }
trap '' TERM HUP INT QUIT
export -f beat
setsid bash -c "trap '' TERM HUP INT QUIT; : $2; beat" &
: $2
beat
S
}
# A mark that no other process's command line has.
mark() { echo "mark-$$-$RANDOM$RANDOM"; }
alive() { pgrep -f -- "$1" | grep -v "^$$\$" || true; }
beats() { [[ -e $1 && $(wc -l <"$1") -gt $2 ]]; }
micros() { tr -d . <<<"$1"; }

# Starts a stubborn workload under the lock x with a TTL of 2 s, and a contender that notes when it got in and what
# of the workload it still saw. Sets SUPERVISOR, CONTENDER, MARK.
start_stubborn_and_contender() {
  MARK=$(mark)
  stubborn "$BATS_TEST_TMPDIR/beats" "$MARK" >"$BATS_TEST_TMPDIR/workload"
  setsid "$DCOORD" lock run -t 2 "$@" x -- bash "$BATS_TEST_TMPDIR/workload" "$MARK" 2>"$BATS_TEST_TMPDIR/holder.err" 3>&- &
  wait_until 20 beats "$BATS_TEST_TMPDIR/beats" 20
  SUPERVISOR=$(dcoord lock show x --json | sed 's/.*"pid":\([0-9]*\).*/\1/' | head -n 1)
  BACKGROUND+=("$SUPERVISOR")
  "$DCOORD" lock run x -- bash -c "echo \$EPOCHREALTIME >$BATS_TEST_TMPDIR/entered; pgrep -f -- '^bash .*$MARK' | grep -vx \$\$ >$BATS_TEST_TMPDIR/seen" 3>&- &
  CONTENDER=$!
  BACKGROUND+=("$CONTENDER")
  wait_until 20 waiting x 1
  GUARD=$(pgrep -P "$SUPERVISOR" | head -n 1)
}

# The contender got in, and before that the whole workload was dead.
expect_no_overlap() {
  wait "$CONTENDER" || true
  [[ -s $BATS_TEST_TMPDIR/entered ]] || { echo "the contender never got in" >&2; return 1; }
  [[ ! -s $BATS_TEST_TMPDIR/seen ]] || { echo "still alive: $(<"$BATS_TEST_TMPDIR/seen")" >&2; return 1; }
  local last entered
  last=$(tail -n 1 "$BATS_TEST_TMPDIR/beats")
  entered=$(<"$BATS_TEST_TMPDIR/entered")
  (($(micros "$last") < $(micros "$entered"))) || { echo "beat at $last, entered at $entered" >&2; return 1; }
}

@test "50 processes, 20 rounds each: no update of an unprotected counter is lost" {
  echo 0 >"$BATS_TEST_TMPDIR/counter"
  local i workers=()
  for i in $(seq 50); do
    bash -c 'for i in $(seq 20); do "$0" lock run count -- bash -c "read -r n <\$0; echo \$((n + 1)) >\$0" "$1" || exit; done' \
      "$DCOORD" "$BATS_TEST_TMPDIR/counter" 3>&- &
    workers+=($!)
  done
  for i in "${workers[@]}"; do wait "$i"; done
  [[ $(<"$BATS_TEST_TMPDIR/counter") == 1000 ]]
  [[ $(dcoord lock show count --json) == *'"acquired":1000,'*'"lost":0'* ]]
}

@test "a waiter killed in the middle of the line costs its place, nothing else" {
  hold x
  local i waiters=()
  for i in 1 2 3 4 5; do
    "$DCOORD" lock run x -- sh -c "echo $i >>$BATS_TEST_TMPDIR/order" 3>&- &
    waiters+=($!)
    wait_until 20 waiting x "$i"
  done
  kill -KILL "${waiters[2]}"
  let_go
  for i in 0 1 3 4; do wait "${waiters[i]}"; done
  [[ $(tr -d '\n' <"$BATS_TEST_TMPDIR/order") == 1245 ]]
}

@test "the supervisor killed: its tree is dead before the next one gets in" {
  start_stubborn_and_contender
  kill -KILL "$SUPERVISOR"
  expect_no_overlap
}

@test "the supervisor stopped: its tree is dead before the next one gets in" {
  start_stubborn_and_contender
  kill -STOP "$SUPERVISOR"
  expect_no_overlap
}

@test "the guard killed: the command is ended, 79, and the next one gets in" {
  start_stubborn_and_contender
  kill -KILL "$GUARD"
  expect_no_overlap
  grep -q "lost lock 'x'" "$BATS_TEST_TMPDIR/holder.err"
}

@test "the guard stopped, and both stopped: dead before the next one gets in" {
  start_stubborn_and_contender
  kill -STOP "$GUARD"
  kill -STOP "$SUPERVISOR"
  expect_no_overlap
}

@test "the whole process group of the job killed: nothing outlives the lease" {
  start_stubborn_and_contender
  kill -KILL -- "-$(ps -o pgid= -p "$SUPERVISOR" | tr -d ' ')"
  expect_no_overlap
}

@test "the server hangs past the TTL: the command and its grandchildren are dead before the lease ends, 79" {
  start_stubborn_and_contender
  kill -STOP "$SERVER_PID"
  wait_until 20 test -s "$BATS_TEST_TMPDIR/holder.err"
  [[ -z $(alive "^bash .*$MARK") ]]
  kill -CONT "$SERVER_PID"
  expect_no_overlap
  grep -q "lost lock 'x': it could not be renewed in time" "$BATS_TEST_TMPDIR/holder.err"
}

@test "the server is gone: nothing waits for it beyond its limits" {
  hold x -t 2
  stop_server
  got=0
  wait "$HOLDER" || got=$?
  [[ $got == 79 ]]
  run_split dcoord lock show x --connect-timeout 0.3
  expect_code 69
}

@test "a server that hangs: a one-shot ends within its time-out" {
  kill -STOP "$SERVER_PID"
  run_split timeout 20 "$DCOORD" lock show x --command-timeout 0.5
  expect_code 69
  # Before it asks for the lock it asks whether the server evicts keys: nothing can have been done.
  run_split timeout 20 "$DCOORD" lock acquire x --command-timeout 0.5
  expect_code 69
  run_split timeout 20 "$DCOORD" lock acquire x --command-timeout 0.5 --allow-eviction
  expect_code 74
  expect_err_has "--request-id"
}

@test "a wait that runs out while the server hangs is unknown, 74, and is not granted later" {
  hold x -t 10m
  "$DCOORD" lock run x -w 1 --command-timeout 1s --progress none -- touch "$BATS_TEST_TMPDIR/ran" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
  local waiter=$!
  wait_until 20 waiting x 1
  kill -STOP "$SERVER_PID"
  got=0
  wait "$waiter" || got=$?
  [[ $got == 74 ]]
  grep -q -- "--request-id" "$BATS_TEST_TMPDIR/err"
  kill -CONT "$SERVER_PID"
  let_go
  # What it asked for last was to leave, and that the server ran by now.
  run_split dcoord lock run x -w 20 -- true
  expect_code 0
  [[ ! -e $BATS_TEST_TMPDIR/ran ]]
}

@test "an acquire that the hung server runs later is found again by its request id, and can be given up" {
  dcoord lock run other -- true  # the script is known to the server
  kill -STOP "$SERVER_PID"
  run_split timeout 20 "$DCOORD" lock acquire x -n --command-timeout 0.5 --allow-eviction --request-id r1
  expect_code 74
  kill -CONT "$SERVER_PID"
  wait_until 20 is_state x held
  run_split dcoord lock acquire x -n --request-id r1 --json
  expect_code 0
  run_split dcoord lock release x --token r1
  expect_code 0
  [[ $(state x) == free ]]
}

@test "the server killed and restarted with its data: holder and waiter go on" {
  stop_server
  start_server "appendonly yes" "appendfsync always"
  hold x -t 4
  "$DCOORD" lock run x -- touch "$BATS_TEST_TMPDIR/ran" 3>&- &
  local waiter=$!
  wait_until 20 waiting x 1
  restart_server
  wait_until 20 is_state x held
  [[ $(dcoord lock show x --json) == *'"lost":0'* ]]
  let_go
  wait "$waiter"
  [[ -e $BATS_TEST_TMPDIR/ran ]]
}

@test "scripts flushed and connections reset: holder and waiter go on" {
  local i
  hold x -t 1
  "$DCOORD" lock run x -- touch "$BATS_TEST_TMPDIR/ran" 3>&- &
  local waiter=$!
  wait_until 20 waiting x 1
  for i in $(seq 10); do
    redis script flush >/dev/null
    redis client kill type normal skipme yes >/dev/null
    sleep 0.2 # lets renewals fall between the resets; nothing is expected of the time itself
  done
  [[ $(dcoord lock show x --json) == *'"lost":0'* ]]
  waiting x 1
  let_go
  wait "$waiter"
  [[ -e $BATS_TEST_TMPDIR/ran ]]
}

@test "the server loses all data: the holder's command is stopped, 79" {
  hold x -t 2
  redis flushall >/dev/null
  got=0
  wait "$HOLDER" || got=$?
  [[ $got == 79 ]]
}

@test "no permission, wrong password, a key of another type: told, and nothing half done" {
  redis acl setuser limited on '>pw' '~dcoord:*' -@all +ping >/dev/null
  run_split env DCOORD_PASSWORD=pw "$DCOORD" --user limited lock run x -- true
  expect_code 77
  expect_err_has "evalsha"
  run_split env DCOORD_PASSWORD=no "$DCOORD" --user limited lock run x -- true
  expect_code 77
  [[ $(redis dbsize) == 0 ]]
  redis set "$(key_of x)" "somebody's" >/dev/null
  run_split dcoord lock run x -- true
  expect_code 65
  [[ $(redis get "$(key_of x)") == "somebody's" ]]
}

@test "out of memory: the release works, a new lock is refused with 69" {
  hold x
  redis config set maxmemory 1 >/dev/null
  let_go
  run_split dcoord lock run -n y -- true
  expect_code 69
  redis config set maxmemory 0 >/dev/null
  [[ $(state x) == free ]]
}
