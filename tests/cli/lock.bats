# The lock as a user types it.
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

@test "run: silent, and the command's output and input are its own" {
  run_split sh -c 'echo in | "$0" lock run x -- cat' "$DCOORD"
  expect_code 0
  expect_out in
  expect_err ""
  [[ $(state x) == free ]]
}

@test "run: every exit status passes unchanged" {
  local n got
  for n in $(seq 0 255); do
    got=0
    "$DCOORD" lock run x -- sh -c "exit $n" || got=$?
    [[ $got == "$n" ]] || { echo "exit $n became $got" >&2; return 1; }
  done
}

@test "run: a command that dies of a signal makes dcoord die of it" {
  local signal
  for signal in HUP INT QUIT TERM KILL USR1 ALRM PIPE; do
    run_split "$DCOORD" lock run x -- sh -c "kill -$signal \$\$"
    expect_code $((128 + $(kill -l "$signal")))
    [[ $(state x) == free ]]
  done
}

@test "run: a command that cannot be run is 127 or 126, and the lock is free again" {
  run_split dcoord lock run x -- no-such-command
  expect_code 127
  expect_err_has "cannot run 'no-such-command'"
  run_split dcoord lock run x -- /etc/passwd
  expect_code 126
  [[ $(state x) == free ]]
}

@test "run: the command is told name, token, fence and holds" {
  run_split dcoord lock run 'a name' -- env
  expect_code 0
  expect_out_has $'\nDCOORD_LOCK_NAME=a name'
  expect_out_has "DCOORD_HELD=a%20name="
  [[ $(grep -c '^DCOORD_\(TOKEN\|OWNER\)=[0-9a-f]\{32\}$' <<<"$out") == 2 ]]
  [[ $(grep -c '^DCOORD_FENCE=[0-9]\{16\}$' <<<"$out") == 1 ]]
}

@test "run: descriptors of the caller pass through, none of dcoord's do" {
  run_split sh -c 'exec 7</etc/passwd; ls /proc/self/fd; echo --; "$0" lock run x -- ls /proc/self/fd' "$DCOORD"
  [[ ${out%%--*} == *$'\n7\n'* ]]
  [[ ${out%%--*} == "${out##*--$'\n'}"$'\n' ]] || explain "the command has other descriptors"
}

@test "run: closed standard descriptors do not become a socket" {
  run_split bash -c '"$0" lock run x -- sh -c "ls -l /proc/\$\$/fd >$1" <&- >&- 2>&-' "$DCOORD" "$BATS_TEST_TMPDIR/fds"
  expect_code 0
  ! grep -q socket "$BATS_TEST_TMPDIR/fds" || false
}

@test "run -n: refused at once with 75, or as -E says; -E 0 skips in silence" {
  hold x --label nightly
  run_split dcoord lock run -n x -- touch "$BATS_TEST_TMPDIR/ran"
  expect_code 75
  expect_err_has "lock 'x' is held by"
  expect_err_has "(nightly)"
  run_split dcoord lock run -n -E 9 x -- touch "$BATS_TEST_TMPDIR/ran"
  expect_code 9
  run_split dcoord lock run -n -E 0 x -- touch "$BATS_TEST_TMPDIR/ran"
  expect_code 0
  expect_err ""
  run_split dcoord lock run -w 0 x -- touch "$BATS_TEST_TMPDIR/ran"
  expect_code 75
  [[ ! -e $BATS_TEST_TMPDIR/ran ]]
}

@test "run -w: gives up with 75 and leaves the line; so does --max-retries" {
  hold x
  run_split dcoord lock run -w 0.2 x -- touch "$BATS_TEST_TMPDIR/ran"
  expect_code 75
  expect_err_has "gave up on lock 'x' after"
  waiting x 0
  run_split dcoord lock run --retry-delay 50ms --max-retries 3 x -- touch "$BATS_TEST_TMPDIR/ran"
  expect_code 75
  waiting x 0
  [[ ! -e $BATS_TEST_TMPDIR/ran ]]
}

@test "run: waiters get the lock in the order in which they came" {
  local i waiters=()
  hold x
  for i in 1 2 3 4 5 6; do
    "$DCOORD" lock run x -- sh -c "echo $i >>$BATS_TEST_TMPDIR/order" 3>&- &
    waiters+=($!)
    wait_until 20 waiting x "$i"
  done
  let_go
  wait "${waiters[@]}"
  [[ $(tr -d '\n' <"$BATS_TEST_TMPDIR/order") == 123456 ]]
}

@test "run: over a second of waiting is explained, once, where there is no terminal" {
  hold x --label nightly
  "$DCOORD" lock run x -- true 2>"$BATS_TEST_TMPDIR/err" 3>&- &
  waiter=$!
  wait_until 20 test -s "$BATS_TEST_TMPDIR/err"
  let_go
  wait "$waiter"
  [[ $(wc -l <"$BATS_TEST_TMPDIR/err") == 1 ]]
  grep -q "dcoord: waiting for lock 'x': held by .* \[nightly\], place 1 of 1, waited 1s" "$BATS_TEST_TMPDIR/err"
}

@test "run: readers overlap, a writer does not" {
  hold x -s
  run_split dcoord lock run -n -s x -- true
  expect_code 0
  run_split dcoord lock run -n x -- true
  expect_code 75
  let_go
  hold x
  run_split dcoord lock run -n -s x -- true
  expect_code 75
}

@test "run --slots: N at once, each told its slot; another N is refused with both numbers" {
  hold x --slots 2
  run_split dcoord lock run -n --slots 2 x -- sh -c 'echo $DCOORD_SLOT'
  expect_out 1
  hold x --slots 2
  run_split dcoord lock run -n --slots 2 x -- true
  expect_code 75
  run_split dcoord lock run -n --slots 5 x -- true
  expect_code 65
  expect_err_has "--slots 2, not with --slots 5"
  run_split dcoord lock run -n --slots 5 --resize x -- sh -c 'echo $DCOORD_SLOT'
  expect_code 0
  expect_out 2
}

@test "run --pool: each holder is told its resource" {
  hold x --pool db1,db2
  run_split dcoord lock run -n --pool db1,db2 x -- sh -c 'echo $DCOORD_RESOURCE $DCOORD_SLOT'
  expect_out "db2 1"
  run_split dcoord lock run -n --pool db1,db3 x -- true
  expect_code 65
  expect_err_has "--pool db1,db2, not with --pool db1,db3"
}

@test "run: nesting without --reentrant is refused with the hint; with it, it works to any depth" {
  run_split dcoord lock run x -- "$DCOORD" lock run x -- true
  expect_code 64
  expect_err_has "waiting would never end"
  expect_err_has "--reentrant"
  run_split dcoord lock run x -- "$DCOORD" lock run --reentrant x -- "$DCOORD" lock run --reentrant x -- \
    sh -c '"$0" lock run -n --reentrant x -- echo deep; "$0" lock show x --json | grep -o "\"nested\":true" | wc -l' "$DCOORD"
  expect_code 0
  expect_out $'deep\n2'
  [[ $(state x) == free ]]
}

@test "run: two commands under one outer lock do not share another lock" {
  run_split dcoord lock run outer -- sh -c '
    "$0" lock run inner -- sh -c "echo >$1/in; while [ ! -e $1/tried ]; do sleep 0.02; done" &
    while [ ! -s $1/in ]; do sleep 0.02; done
    "$0" lock run -n --reentrant inner -- true; echo $?; touch $1/tried; wait' "$DCOORD" "$BATS_TEST_TMPDIR"
  expect_out 75
}

@test "run: a reader turns into the writer inside its own hold" {
  run_split dcoord lock run -s x -- sh -c '
    read_fence=$DCOORD_FENCE
    "$0" lock run --reentrant x -- sh -c "test \$DCOORD_FENCE -gt $read_fence && \"$0\" lock run -n -s x -- true; echo \$?" ' "$DCOORD"
  expect_out 64
}

@test "run --max-time: the command is stopped, 124" {
  run_split dcoord lock run --max-time 0.3 x -- sleep 100
  expect_code 124
  expect_err_has "--max-time 300ms"
  [[ $(state x) == free ]]
}

@test "run --min-hold: the process ends at once, the lock stays taken" {
  run_split dcoord lock run --min-hold 1.5s x -- true
  expect_code 0
  [[ $(state x) == held ]]
  run_split dcoord lock run -n x -- true
  expect_code 75
  run_split dcoord lock run -w 20 x -- true
  expect_code 0
}

@test "run --no-renew: the command is stopped when the TTL is over, 79, and --on-lost is run" {
  run_split dcoord lock run --no-renew -t 1 --on-lost "echo \$DCOORD_LOCK_NAME: \$DCOORD_LOST_REASON >$BATS_TEST_TMPDIR/lost" x -- sleep 100
  expect_code 79
  expect_err_has "lost lock 'x': its time was over"
  grep -q "^x: its time was over" "$BATS_TEST_TMPDIR/lost"
  ! is_state x held || false
}

@test "run: a renewed lease lasts for as long as the command, whatever its TTL" {
  run_split dcoord lock run -t 1 x -- sh -c 'sleep 2.5; "$0" lock show x --json' "$DCOORD"
  expect_code 0
  expect_out_has '"state":"held"'
  expect_out_has '"lost":0'
}

@test "run: --kill-after and --renew-every that do not fit name the TTL that would do" {
  run_split dcoord lock run -t 10 -k 8s x -- true
  expect_code 64
  expect_err_has "--kill-after 8s does not fit into --ttl 10s"
  expect_err_has "--ttl 25s"
  run_split dcoord lock run -t 25 -k 8s x -- true
  expect_code 0
  run_split dcoord lock run -t 3 --renew-every 2s x -- true
  expect_code 64
  run_split dcoord lock run -t 0.5 x -- true
  expect_code 64
  run_split dcoord lock run -t inf x -- true
  expect_code 64
  expect_err_has "--ttl must end some time"
}

@test "run --if-unavailable: fail, skip, or run without a lock and without a fence" {
  stop_server
  run_split dcoord lock run --connect-timeout 0.3 x -- true
  expect_code 69
  expect_err_has "cannot connect to Redis at"
  run_split dcoord lock run --connect-timeout 0.3 --if-unavailable skip x -- touch "$BATS_TEST_TMPDIR/ran"
  expect_code 0
  [[ ! -e $BATS_TEST_TMPDIR/ran ]]
  DCOORD_FENCE=5 run_split dcoord lock run --connect-timeout 0.3 --if-unavailable run x -- \
    sh -c 'echo "$DCOORD_UNPROTECTED:$DCOORD_FENCE"; exit 3'
  expect_code 3
  expect_out "1:"
  expect_err_has "running without lock 'x'"
}

@test "run --tree: what is left behind is left, waited for, or killed" {
  run_split dcoord lock run x -- sh -c "sleep 0.5 && touch $BATS_TEST_TMPDIR/left & exit 4"
  expect_code 4
  [[ ! -e $BATS_TEST_TMPDIR/left ]]
  wait_until 20 test -e "$BATS_TEST_TMPDIR/left"
  run_split dcoord lock run --tree wait x -- sh -c "sleep 0.5 && touch $BATS_TEST_TMPDIR/waited & exit 5"
  expect_code 5
  [[ -e $BATS_TEST_TMPDIR/waited ]]
  run_split dcoord lock run --tree kill x -- sh -c "setsid sleep 1000 & echo \$! >$BATS_TEST_TMPDIR/pid; exit 6"
  expect_code 6
  ! kill -0 "$(<"$BATS_TEST_TMPDIR/pid")" 2>/dev/null || false
}

@test "run --status-fd: dcoord's outcome apart from the command's" {
  status_of() { { "$DCOORD" lock run --status-fd 9 "$@" 9>&1 >/dev/null 2>&1; } || true; }
  [[ $(status_of x -- sh -c 'exit 75') == "command 75" ]]
  [[ $(status_of x -- no-such-command) == "not-started 127" ]]
  [[ $(status_of --no-renew -t 1 x -- sleep 100) == "lost 79" ]]
  hold x
  [[ $(status_of -n x -- true) == "refused 75" ]]
}

@test "run --scrub-env: no URL or password reaches the command" {
  export REDIS_URL=redis://:secret@other
  run_split dcoord lock run --scrub-env x -- env
  expect_code 0
  [[ $out != *secret* && $out != *DCOORD_URL* ]]
  [[ $out == *DCOORD_FENCE=* ]]
}

@test "run -c: a shell command" {
  run_split dcoord lock run x -c 'echo a | tr a b'
  expect_out b
}

@test "run: options from the environment and the configuration file" {
  DCOORD_LOCK_TTL=7 run_split dcoord lock run x -- "$DCOORD" lock show x
  expect_out_has "6s left"
  printf '[lock]\nttl = "90s"\n' >"$CONFIG"
  run_split dcoord lock run x -- "$DCOORD" lock show x
  expect_out_has "1m29s left"
}

@test "run: interrupted while waiting, it leaves the line, dies of the signal, and never starts the command" {
  local signal waiter got
  hold x
  for signal in TERM HUP INT; do
    # A shell without job control would have INT ignored.
    setsid -w bash -c 'trap - INT; "$0" lock run x -- touch "$1" & echo $! >"$2"; wait $!; exit $?' "$DCOORD" \
      "$BATS_TEST_TMPDIR/ran" "$BATS_TEST_TMPDIR/waiter" 3>&- &
    wait_until 20 waiting x 1
    waiter=$(<"$BATS_TEST_TMPDIR/waiter")
    [[ $signal == INT ]] && kill -TERM "$waiter" || kill -"$signal" "$waiter"
    got=0
    wait $! || got=$?
    [[ $signal == INT && $got == 143 || $got == $((128 + $(kill -l "$signal"))) ]]
    waiting x 0
  done
  [[ ! -e $BATS_TEST_TMPDIR/ran ]]
}

@test "run: signals are forwarded, and the exit status is what the command makes of them" {
  local signal got
  for signal in TERM HUP USR1 USR2; do
    rm -f "$BATS_TEST_TMPDIR/ready"
    "$DCOORD" lock run x -- bash -c "trap 'exit 42' $signal; echo >$BATS_TEST_TMPDIR/ready; while :; do sleep 0.05; done" 3>&- &
    wait_until 20 test -s "$BATS_TEST_TMPDIR/ready"
    kill -"$signal" $!
    got=0
    wait $! || got=$?
    [[ $got == 42 ]]
  done
}

@test "acquire, renew, release: a script's own steps" {
  eval "$(dcoord lock acquire x -t 5)"
  [[ $DCOORD_LOCK_NAME == x && $DCOORD_TOKEN =~ ^[0-9a-f]{32}$ && $DCOORD_FENCE =~ ^[0-9]{16}$ ]]
  run_split dcoord lock renew x -t 60
  expect_code 0
  run_split dcoord lock show x
  expect_code 0
  expect_out_has "59s left"
  run_split dcoord lock release x --token 00000000000000000000000000000000
  expect_code 1
  run_split dcoord lock release x
  expect_code 0
  run_split dcoord lock renew x
  expect_code 1
  run_split dcoord lock show x
  expect_code 1
}

@test "acquire: assignments survive any name, plain is the token, JSON an object" {
  local name="it's \$HOME; \"a\" \`b\` \\ {c}"
  eval "$(dcoord lock acquire "$name")"
  [[ $DCOORD_LOCK_NAME == "$name" ]]
  dcoord lock release "$name"
  run_split dcoord lock acquire x -o plain
  [[ $out =~ ^[0-9a-f]{32}$ ]]
  run_split dcoord lock acquire y --json
  expect_out_has '"name":"y","token":"'
  expect_out_has '"lease_ms":'
}

@test "acquire: a failure makes eval fail, whatever failed" {
  hold x
  failing() { (eval "$("$DCOORD" lock acquire "$@" 2>/dev/null)"; echo $?); }
  [[ $(failing x -n) == 75 ]]
  [[ $(failing x -n -E 3) == 3 ]]
  [[ $(failing x --no-such-option) == 64 ]]
  [[ $(failing '') == 64 ]]
  [[ $(failing x -t 0.1) == 64 ]]
  stop_server
  [[ $(failing x --connect-timeout 0.3) == 69 ]]
}

@test "acquire --request-id: asked again it is the same hold; given up it is never granted late" {
  first=$(dcoord lock acquire x --request-id build-77 --json)
  again=$(dcoord lock acquire x --request-id build-77 --json)
  [[ $(grep -o '"fence":[0-9]*' <<<"$first") == "$(grep -o '"fence":[0-9]*' <<<"$again")" ]]
  dcoord lock release x --token build-77
  run_split dcoord lock acquire x --request-id build-77
  expect_code 79
  [[ $(state x) == free ]]
}

@test "acquire --bind-pid: held and renewed until the process ends, then released" {
  cat >"$BATS_TEST_TMPDIR/script" <<'S'
eval "$("$DCOORD" lock acquire x -t 1s --bind-pid $$)" || exit
echo "$DCOORD_FENCE" >"$1/fence"
while [ ! -e "$1/go" ]; do sleep 0.02; done
S
  DCOORD=$DCOORD sh "$BATS_TEST_TMPDIR/script" "$BATS_TEST_TMPDIR" 3>&- &
  script=$!
  wait_until 20 test -s "$BATS_TEST_TMPDIR/fence"
  # Longer than its TTL, and nobody else gets in meanwhile.
  run_split dcoord lock run -w 2.5 x -- true
  expect_code 75
  touch "$BATS_TEST_TMPDIR/go"
  wait "$script"
  wait_until 20 is_state x free
  [[ $(dcoord lock show x --json) == *'"lost":0'* ]]
}

@test "acquire --bind-pid: the process is signalled when the lease is lost; a pid that is not there is told" {
  "$DCOORD" lock acquire x -n --bind-pid 999999999 >"$BATS_TEST_TMPDIR/out" 2>&1 && return 1
  grep -q "(exit 65)" "$BATS_TEST_TMPDIR/out"
  bash -c 'trap "exit 33" USR1; "$0" lock acquire x -t 1s --bind-pid $$ --on-lost-signal USR1 >"$1"; while :; do sleep 0.02; done' \
    "$DCOORD" "$BATS_TEST_TMPDIR/held" 3>&- &
  script=$!
  wait_until 20 is_state x held
  stop_server
  got=0
  wait "$script" || got=$?
  [[ $got == 33 ]]
}

# A script that holds lock x by --bind-pid, says when it is told to stop, and stops when it may.
bound_script() {
  cat >"$BATS_TEST_TMPDIR/bound" <<'S'
trap 'echo >"$1/told"' TERM
eval "$("$DCOORD" lock acquire x -t "$2" --bind-pid $$)" || exit
echo >"$1/holds"
while [ ! -e "$1/end" ]; do sleep 0.02; done
S
  DCOORD=$DCOORD sh "$BATS_TEST_TMPDIR/bound" "$BATS_TEST_TMPDIR" "$1" 3>&- &
  BOUND=$!
  BACKGROUND+=("$BOUND")
  wait_until 20 test -e "$BATS_TEST_TMPDIR/holds"
  dcoord lock release x --force --holder "$(dcoord lock show x --json | sed 's/.*"holders":\[{"id":"\([0-9a-f]*\)".*/\1/')"
  wait_until 20 test -e "$BATS_TEST_TMPDIR/told"
}

@test "acquire --bind-pid: taken away, the lock is free when the script has ended, not before" {
  bound_script 10m
  run_split dcoord lock run -n x -- true
  expect_code 75
  touch "$BATS_TEST_TMPDIR/end"
  wait "$BOUND"
  wait_until 20 is_state x free
}

@test "acquire --bind-pid: a script that goes on past the lease's end does not count as having released" {
  bound_script 2s
  wait_until 20 is_state x stale
  touch "$BATS_TEST_TMPDIR/end"
  wait "$BOUND"
  [[ $(state x) == stale ]]
}

@test "run --slots: one in line whose number is not the limit any more is refused, and leaves the line" {
  hold x --slots 2
  hold x --slots 2
  "$DCOORD" lock run x --slots 2 --progress none -- true 2>"$BATS_TEST_TMPDIR/err" 3>&- &
  local waiter=$!
  wait_until 20 waiting x 1
  run_split dcoord lock run x --slots 1 --resize -w 0.3 -- true
  expect_code 75
  got=0
  wait "$waiter" || got=$?
  [[ $got == 65 ]]
  grep -q "is in use with --slots 1, not with --slots 2" "$BATS_TEST_TMPDIR/err"
  waiting x 0
}

@test "release --force: the holder stops its command, and only then the next one gets in" {
  local id
  "$DCOORD" lock run x -- sh -c "trap 'sleep 0.3; date +%s%N >$BATS_TEST_TMPDIR/stopped; exit' TERM; echo >$BATS_TEST_TMPDIR/ready; while :; do sleep 0.02; done" \
    2>"$BATS_TEST_TMPDIR/err" 3>&- &
  HOLDER=$!
  wait_until 20 test -s "$BATS_TEST_TMPDIR/ready"
  "$DCOORD" lock run x -- sh -c "date +%s%N >$BATS_TEST_TMPDIR/next" 3>&- &
  NEXT=$!
  wait_until 20 waiting x 1
  run_split dcoord lock release x --force
  expect_code 64
  run_split dcoord lock release x --force --holder ffffffffffff
  expect_code 1
  id=$(dcoord lock show x --json | sed 's/.*"holders":\[{"id":"\([0-9a-f]*\)".*/\1/')
  run_split dcoord lock release x --force --holder "$id"
  expect_code 0
  got=0
  wait "$HOLDER" || got=$?
  [[ $got == 79 ]]
  grep -q "taken away by an operator" "$BATS_TEST_TMPDIR/err"
  wait "$NEXT"
  (($(<"$BATS_TEST_TMPDIR/stopped") < $(<"$BATS_TEST_TMPDIR/next")))
}

@test "show and list: who holds, who waits; exit 1 when free" {
  run_split dcoord lock show x
  expect_code 1
  hold x
  "$DCOORD" lock run x -- true 3>&- &
  waiter=$!
  wait_until 20 waiting x 1
  run_split dcoord lock show x
  expect_code 0
  expect_out_has "x: held, exclusive, fence "
  expect_out_has $'\nHOLDER '
  expect_out_has $'\nWAITER '
  run_split dcoord locks list
  expect_out_has "NAME  STATE  MODE       HOLDER"
  run_split dcoord locks list -o plain
  [[ $(cut -f1-3,7 <<<"$out") == $'x\theld\texclusive\t1' ]]
  run_split dcoord locks list --json
  local field
  for field in name state mode fence holders owner host pid user command since lease_ms slot waiters; do
    expect_out_has "\"$field\":"
  done
  let_go
  wait "$waiter"
}

@test "forget: refused while held, then nothing is left" {
  hold x
  run_split dcoord lock forget x
  expect_code 75
  let_go
  run_split dcoord lock forget x
  expect_code 0
  [[ -z $(dcoord locks list --no-headers) ]]
  # Only that the hold ended is kept, for two minutes.
  (($(redis ttl "$(redis --scan)") <= 120))
  run_split dcoord lock forget x
  expect_code 1
}

@test "bad input: exit code, a message that names the culprit, and nothing changed in Redis" {
  refused() {
    local want=$1 text=$2
    shift 2
    run_split dcoord "$@"
    expect_code "$want"
    expect_err_has "$text"
  }
  refused 64 "it is empty" lock run '' -- true
  refused 64 "it has 256 bytes" lock run "$(printf 'x%.0s' $(seq 256))" -- true
  refused 64 "control character" lock run $'a\nb' -- true
  refused 64 "not UTF-8" lock run $'a\xffb' -- true
  refused 64 "'-1'" lock run x -w -1 -- true
  refused 64 "'1x'" lock run x -w 1x -- true
  refused 64 "'99999999999999999999'" lock run x -w 99999999999999999999 -- true
  refused 64 "'5 m'" lock run x -t '5 m' -- true
  refused 64 "must follow '--'" lock run x true
  refused 64 "--no-such-flag" lock run x --no-such-flag -- true
  refused 64 "'0'" lock run x --slots 0 -- true
  refused 64 "'-3'" lock run x --slots -3 -- true
  refused 64 "contradict" lock run x --slots 2 -s -- true
  refused 64 "twice" lock run x --pool a,a -- true
  refused 64 "it is empty" lock run x --pool a,,b -- true
  refused 64 "'300'" lock run x -E 300 -- true
  refused 78 "http://nowhere" lock run x -u http://nowhere -- true
  refused 64 "no token" lock release x
  [[ $(redis dbsize) == 0 ]]
}

@test "a name of 255 bytes with braces, colons, globs and wide characters is a name" {
  local name
  name="{a}:*?[b] 名前/$(printf 'é%.0s' $(seq 115))"
  [[ $(printf %s "$name" | wc -c) -le 255 ]]
  run_split dcoord lock run "$name" -- sh -c 'printf %s "$DCOORD_LOCK_NAME"'
  expect_out "$name"
  run_split dcoord locks list -o plain
  expect_out_has "$name"
}
