# Elections as a user types them.
load helper
load lock_helper
load elect_helper

setup() {
  clean_environment
  start_server
}
teardown() {
  end_background
  stop_server
}

@test "run: the command is told its election, candidate, term and fence, and its code passes" {
  run_split "$DCOORD" elect run 'an election' --candidate me -- sh -c 'env; exit 7'
  expect_code 7
  expect_out_has "DCOORD_ELECTION=an election"
  expect_out_has "DCOORD_CANDIDATE=me"
  expect_out_has "DCOORD_TERM=1"
  [[ $(grep -c '^DCOORD_FENCE=[0-9]\{16\}$' <<<"$out") == 1 ]]
  expect_err ""
  run_split "$DCOORD" elect 'an election' -- sh -c 'echo $DCOORD_TERM'
  expect_out 2
}

@test "show: 0 with a leader, 1 without; candidates in order" {
  run_split "$DCOORD" elect show x
  expect_code 1
  expect_out "x: free"
  lead x a --proposal 'version 7'
  wait_until 20 story_has "a leads 1"
  lead x b
  wait_until 20 standing_by x 1
  lead x c
  wait_until 20 standing_by x 2
  run_split "$DCOORD" elect show x
  expect_code 0
  expect_out_has "x: led, term 1, 2 standing by"
  expect_out_has "version 7"
  [[ $out == *b*c* ]]
  run_split "$DCOORD" elect list -o plain
  expect_code 0
  expect_out_has $'x\tled\ta\t1\t'
}

@test "TERM: the leader resigns and leaves, the next one leads" {
  lead x a
  wait_until 20 story_has "a leads 1"
  local first=$LEADER
  lead x b
  wait_until 20 standing_by x 1
  kill -TERM "$first"
  wait_until 20 story_has "b leads 2"
  [[ $(<"$BATS_TEST_TMPDIR/story") == $'a leads 1\na stops\nb leads 2' ]]
  code=0
  wait "$first" || code=$?
  [[ $code == 0 ]]
}

@test "TERM while standing by leaves the line" {
  lead x a
  wait_until 20 story_has "a leads 1"
  lead x b
  wait_until 20 standing_by x 1
  kill -TERM "$LEADER"
  code=0
  wait "$LEADER" || code=$?
  [[ $code == 143 ]]
  standing_by x 0
}

@test "resign: the command is stopped first, the named candidate is next, and the old leader campaigns again" {
  lead x a
  wait_until 20 story_has "a leads 1"
  lead x b
  wait_until 20 standing_by x 1
  lead x c
  wait_until 20 standing_by x 2
  run_split "$DCOORD" elect resign x --to nobody
  expect_code 1
  expect_err_has "no candidate 'nobody' stands by in election 'x'"
  run_split "$DCOORD" elect resign x --to a
  expect_code 1
  expect_err_has "a leads election 'x' already"
  leads x a
  run_split "$DCOORD" elect resign x --to c
  expect_code 0
  expect_err_has "told a to step down; c leads when its command has stopped"
  wait_until 20 story_has "c leads 2"
  [[ $(<"$BATS_TEST_TMPDIR/story") == $'a leads 1\na stops\nc leads 2' ]]
  wait_until 20 standing_by x 2
  run_split "$DCOORD" elect resign x --json
  expect_code 0
  [[ $out == '{"name":"x","leader":"c","term":2,"waiting":2,"lease_ms":'*'}' ]]
  wait_until 20 story_has "b leads 3"
  run_split "$DCOORD" elect resign y
  expect_code 1
  expect_err_has "nobody leads election 'y'"
}

@test "--once: a lost leadership ends with 79" {
  "$DCOORD" elect run x --once -- sh -c "echo >$BATS_TEST_TMPDIR/started; exec sleep 1000" 3>&- 2>"$BATS_TEST_TMPDIR/messages" &
  local pid=$!
  BACKGROUND+=("$pid")
  wait_until 20 test -e "$BATS_TEST_TMPDIR/started"
  "$DCOORD" elect resign x --anyway
  code=0
  wait "$pid" || code=$?
  [[ $code == 79 ]]
  grep -q "taken away by an operator" "$BATS_TEST_TMPDIR/messages"
}

@test "a killed leader: the next one leads when the lease has ended, and its term is larger" {
  lead x a -t 1s
  wait_until 20 story_has "a leads 1"
  local first=$LEADER
  lead x b -t 1s
  wait_until 20 standing_by x 1
  kill -KILL "$first"
  wait_until 20 story_has "b leads 2"
}

@test "a stopped server: the command ends before the lease, --on-lost runs, and it campaigns again" {
  "$DCOORD" elect run x -t 2s --on-lost "echo lost \$DCOORD_TERM: \$DCOORD_LOST_REASON >>$BATS_TEST_TMPDIR/story" -- \
    sh -c "echo leads \$DCOORD_TERM >>$BATS_TEST_TMPDIR/story; exec sleep 1000" 3>&- 2>"$BATS_TEST_TMPDIR/messages" &
  BACKGROUND+=("$!")
  wait_until 20 story_has "leads 1"
  kill -STOP "$SERVER_PID"
  wait_until 20 grep -q "^lost 1: it could not be renewed in time" "$BATS_TEST_TMPDIR/story"
  kill -CONT "$SERVER_PID"
  wait_until 30 story_has "leads 2"
}

@test "--restart: by the command's outcome, within the same term" {
  run_split "$DCOORD" elect run x --restart on-failure -- sh -c "echo \$DCOORD_TERM >>$BATS_TEST_TMPDIR/story; test -e $BATS_TEST_TMPDIR/second || { touch $BATS_TEST_TMPDIR/second; exit 3; }"
  expect_code 0
  expect_err_has "the command ended (exit 3) while leading election 'x'"
  [[ $(<"$BATS_TEST_TMPDIR/story") == $'1\n1' ]]
  lead x a --restart always
  wait_until 20 story_has "a leads 2"
  kill -TERM "$LEADER"
  code=0
  wait "$LEADER" || code=$?
  [[ $code == 0 ]]
}

@test "a loss while the command waits to be run again is heard of" {
  "$DCOORD" elect run x --once --restart always -- false 3>&- 2>"$BATS_TEST_TMPDIR/messages" &
  local pid=$!
  BACKGROUND+=("$pid")
  # The pauses grow, so that one is long enough.
  wait_until 30 grep -q "running it again in 4s" "$BATS_TEST_TMPDIR/messages"
  "$DCOORD" elect resign x --anyway
  code=0
  wait "$pid" || code=$?
  [[ $code == 79 ]]
}

@test "--on-acquired runs first, under the lease; its failure is told" {
  run_split "$DCOORD" elect run x --on-acquired 'echo acquired $DCOORD_TERM; exit 1' -- echo command
  expect_code 0
  expect_out $'acquired 1\ncommand'
  expect_err_has "the --on-acquired command failed (exit 1); the command itself runs all the same"
}

@test "TERM while --on-acquired runs: no command is started" {
  "$DCOORD" elect run x --on-acquired "echo >$BATS_TEST_TMPDIR/hook; exec sleep 1000" -- touch "$BATS_TEST_TMPDIR/ran" 3>&- 2>"$BATS_TEST_TMPDIR/messages" &
  local pid=$!
  BACKGROUND+=("$pid")
  wait_until 20 test -e "$BATS_TEST_TMPDIR/hook"
  kill -TERM "$pid"
  code=0
  wait "$pid" || code=$?
  [[ $code == 143 ]]
  [[ ! -e $BATS_TEST_TMPDIR/ran && ! -s $BATS_TEST_TMPDIR/messages ]]
  run_split "$DCOORD" elect show x
  expect_out "x: free, term 1"
}

@test "a HUP that the command lives on with is not the end of the campaign" {
  "$DCOORD" elect run x --candidate a -- sh -c "echo leads \$DCOORD_TERM >>$BATS_TEST_TMPDIR/story
    trap 'echo reloads >>$BATS_TEST_TMPDIR/story' HUP; while :; do sleep 0.02; done" 3>&- 2>"$BATS_TEST_TMPDIR/messages" &
  local pid=$!
  BACKGROUND+=("$pid")
  wait_until 20 story_has "leads 1"
  kill -HUP "$pid"
  wait_until 20 story_has reloads
  "$DCOORD" elect resign x --anyway
  wait_until 20 story_has "leads 2"
}

@test "--min-tenure: nobody else leads sooner, and the process does not wait for it" {
  run_split "$DCOORD" elect run x --min-tenure 1h -- true
  expect_code 0
  run_split "$DCOORD" elect show x
  expect_code 1
  expect_out_has "x: resting, term 1, nobody leads for another 59m"
  local wait
  for wait in 0.2 0; do
    run_split "$DCOORD" elect run x -w $wait -- true
    expect_code 75
    expect_err_has "not elected in election 'x': nobody leads for another 59m"
    [[ $err != *" leads"[!\ ]* && $err != *" leads" ]] || explain "somebody is said to lead"
  done
}

@test "watch: from the current leader on, over a lost connection, as JSON Lines" {
  run_split "$DCOORD" elect run x --candidate past -- true
  lead x a --proposal p1
  wait_until 20 story_has "a leads 2"
  "$DCOORD" elect watch x --json --count 4 >"$BATS_TEST_TMPDIR/changes" 3>&- 2>"$BATS_TEST_TMPDIR/watch-messages" &
  local watch=$!
  BACKGROUND+=("$watch")
  wait_until 20 grep -q '"change":"elected","term":2' "$BATS_TEST_TMPDIR/changes"
  redis client kill type normal skipme yes >/dev/null
  kill -TERM "$LEADER"
  wait "$LEADER" || true
  run_split "$DCOORD" elect run x --candidate b -- true
  wait "$watch"
  [[ $(sed 's/.*"change":"\([a-z]*\)","term":\([0-9]*\).*"candidate":"\([a-z]*\)".*/\1 \2 \3/' "$BATS_TEST_TMPDIR/changes") == \
    $'elected 2 a\nresigned 2 a\nelected 3 b\nresigned 3 b' ]]
  run_split "$DCOORD" elect watch x -w 0.2
  expect_code 124
  expect_out ""
}

@test "watch: a lease that ended with nobody else there is told" {
  lead x a -t 1s
  wait_until 20 story_has "a leads 1"
  "$DCOORD" elect watch x --count 2 >"$BATS_TEST_TMPDIR/changes" 3>&- &
  local watch=$!
  BACKGROUND+=("$watch")
  wait_until 20 test -s "$BATS_TEST_TMPDIR/changes"
  kill -KILL "$LEADER"
  wait "$watch"
  [[ $(cut -f2,3,5 "$BATS_TEST_TMPDIR/changes") == $'elected\t1\ta\nlost\t1\ta' ]]
}

@test "the service manager is told: ready, status, watchdog, stopping; the command is not" {
  start_manager
  NOTIFY_SOCKET=$MANAGER WATCHDOG_USEC=200000 "$DCOORD" elect run x --candidate a -- \
    sh -c "env | grep -c 'NOTIFY_SOCKET\|WATCHDOG' >$BATS_TEST_TMPDIR/seen; exec sleep 1000" 3>&- &
  local pid=$!
  BACKGROUND+=("$pid")
  wait_until 20 grep -q "^WATCHDOG=1" "$BATS_TEST_TMPDIR/told"
  NOTIFY_SOCKET=$MANAGER "$DCOORD" elect run x --candidate b --progress none -- true 3>&- &
  BACKGROUND+=("$!")
  wait_until 20 grep -q "^STATUS=standby in election 'x', place 1 of 1, leader a" "$BATS_TEST_TMPDIR/told"
  [[ $(<"$BATS_TEST_TMPDIR/seen") == 0 ]]
  kill -TERM "$pid"
  wait_until 20 grep -q "^STOPPING=1" "$BATS_TEST_TMPDIR/told"
  grep -q "^STATUS=leading election 'x', term 1" "$BATS_TEST_TMPDIR/told"
  [[ $(grep -c "^READY=1" "$BATS_TEST_TMPDIR/told") -ge 2 ]]
}

@test "bad input changes nothing" {
  run_split "$DCOORD" elect shw x
  expect_code 64
  expect_err_has "'shw' is no verb of 'dcoord elect'; did you mean 'show'?"
  run_split "$DCOORD" elect rnu -- true
  expect_code 64
  run_split "$DCOORD" elect run '' -- true
  expect_code 64
  run_split "$DCOORD" elect run x --proposal "$(printf '%0201d' 0)" -- true
  expect_code 64
  expect_err_has "--proposal has 201 bytes"
  run_split "$DCOORD" elect run x --restart sometimes -- true
  expect_code 64
  run_split "$DCOORD" elect run x --min-tenure inf -- true
  expect_code 64
  run_split "$DCOORD" elect run x
  expect_code 64
  [[ $(redis dbsize) == 0 ]]
}

@test "resign with nobody there to lead next: said, and nothing is changed" {
  lead x a
  wait_until 20 story_has "a leads 1"
  run_split "$DCOORD" elect resign x
  expect_code 1
  expect_err_has "nobody stands by in election 'x': a would only lead again"
  expect_err_has "hint: nothing was changed; --anyway has its command stopped and run again"
  [[ $(<"$BATS_TEST_TMPDIR/story") == "a leads 1" ]]
  run_split "$DCOORD" elect resign x --anyway
  expect_code 0
  expect_err_has "told a to step down; it leads again when its command has stopped"
  wait_until 20 story_has "a leads 2"
}

@test "--on-acquired is bounded in time: the command runs after it all the same" {
  run_split "$DCOORD" elect run x --on-acquired 'echo acquired; exec sleep 1000' -- echo command
  expect_code 0
  expect_out $'acquired\ncommand'
  expect_err_has "the --on-acquired command took over 10s"
}

@test "the watchdog is fed on after a loss, while it campaigns again" {
  start_manager
  NOTIFY_SOCKET=$MANAGER WATCHDOG_USEC=200000 "$DCOORD" elect run x --candidate a --progress none -- \
    sh -c "echo leads \$DCOORD_TERM >>$BATS_TEST_TMPDIR/story; exec sleep 1000" 3>&- 2>/dev/null &
  BACKGROUND+=("$!")
  wait_until 20 story_has "leads 1"
  lead x b
  wait_until 20 standing_by x 1
  "$DCOORD" elect resign x
  wait_until 20 story_has "b leads 2"
  wait_until 20 fed_on_standby
}
fed_on_standby() { sed '1,/leader b$/d' "$BATS_TEST_TMPDIR/told" | grep -q "^WATCHDOG=1"; }

@test "--status-fd tells how an election ended: command, lost, refused, interrupted" {
  run_split "$DCOORD" elect run x --status-fd 5 -- sh -c 'exit 7' 5>"$BATS_TEST_TMPDIR/status"
  expect_code 7
  [[ $(<"$BATS_TEST_TMPDIR/status") == "command 7" ]]
  "$DCOORD" elect run x --once --status-fd 5 -- sh -c "echo >$BATS_TEST_TMPDIR/started; exec sleep 1000" 5>"$BATS_TEST_TMPDIR/status" 3>&- 2>/dev/null &
  local pid=$!
  BACKGROUND+=("$pid")
  wait_until 20 test -e "$BATS_TEST_TMPDIR/started"
  "$DCOORD" elect resign x --anyway
  wait "$pid" || true
  [[ $(<"$BATS_TEST_TMPDIR/status") == "lost 79" ]]
  lead x a
  wait_until 20 story_has "a leads 3"
  run_split "$DCOORD" elect run x -w 0.2 --status-fd 5 -- true 5>"$BATS_TEST_TMPDIR/status"
  expect_code 75
  [[ $(<"$BATS_TEST_TMPDIR/status") == "refused 75" ]]
  "$DCOORD" elect run x --status-fd 5 --progress none -- true 5>"$BATS_TEST_TMPDIR/status" 3>&- &
  pid=$!
  BACKGROUND+=("$pid")
  wait_until 20 standing_by x 1
  kill -TERM "$pid"
  wait "$pid" || true
  [[ $(<"$BATS_TEST_TMPDIR/status") == "interrupted 143" ]]
}

@test "--heartbeat is the pace of renewals" {
  run_split "$DCOORD" elect run x -t 30 --heartbeat 200ms -- sh -c "redis-cli -s $SERVER_SOCKET config resetstat >/dev/null
    until redis-cli -s $SERVER_SOCKET info commandstats | grep -qE 'cmdstat_evalsha:calls=([3-9]|[0-9]{2,}),'; do sleep 0.02; done"
  expect_code 0
  run_split "$DCOORD" elect run x --heartbeat 1s --renew-every 1s -- true
  expect_code 64
  expect_err_has "--heartbeat and --renew-every are the same: give one of them"
  run_split "$DCOORD" elect run x --heartbeat 40s -- true
  expect_code 64
  expect_err_has "--heartbeat 40s does not fit into --ttl 30s"
}
