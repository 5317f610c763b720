# `queue work` as a user types it.
load helper
load lock_helper
load queue_helper

setup() {
  clean_environment
  start_server
}
teardown() {
  end_background
  stop_server
}

# work OPTION... -- COMMAND...: on queue q.
work() { run_split dcoord queue work q "$@"; }
# Starts one in the background, on queue q: sets JOB.
start_work() { background "$DCOORD" queue work q "$@"; }

@test "work: each item on standard input, byte for byte, once, in order" {
  printf 'one\0two words\0\0line\nline\0' | dcoord queue push q -0
  work --until-empty -- sh -c "cat >>'$BATS_TEST_TMPDIR/got'; printf '|' >>'$BATS_TEST_TMPDIR/got'"
  expect_code 0
  expect_out ""
  expect_err ""
  [[ $(<"$BATS_TEST_TMPDIR/got") == $'one|two words||line\nline|' ]]
  has q 'done' 4
  has q in_flight 0
}

@test "work: an item of a mebibyte arrives whole" {
  head -c 1048576 /dev/urandom >"$BATS_TEST_TMPDIR/bytes"
  dcoord queue push q --whole <"$BATS_TEST_TMPDIR/bytes"
  work --until-empty -- cmp - "$BATS_TEST_TMPDIR/bytes"
  expect_code 0
  has q 'done' 1
}

@test "work: {} in the arguments is the item, and standard input is empty then" {
  dcoord queue push q 'a b' '$(id)'
  work --until-empty -- sh -c 'printf "%s:%s\n" "$1" "$(cat)"' sh '<{}>{}'
  expect_code 0
  expect_out $'<a b>a b:\n<$(id)>$(id):'
}

@test "work: with -c an item is no part of the program" {
  dcoord queue push q 'x; echo injected'
  run_split dcoord queue work q --until-empty -c 'echo {}; cat'
  expect_out $'{}\nx; echo injected'
}

@test "work: what cannot be an argument is dead, not run" {
  printf 'a\0b' | dcoord queue push q --whole
  head -c 200000 /dev/zero | tr '\0' x | dcoord queue push q --whole
  work --until-empty -- echo {}
  expect_code 1
  has q dead 2
  run_split dcoord queue dead list q --json
  expect_out_has "NUL byte"
  expect_out_has "too long"
}

@test "work: the command is told queue, id, attempt and receipt" {
  dcoord queue push q x
  work --until-empty -- sh -c 'echo "$DCOORD_QUEUE $DCOORD_ATTEMPT $DCOORD_ITEM_ID"; "$0" queue extend "$DCOORD_RECEIPT" && echo ours' "$DCOORD"
  expect_code 0
  [[ $out == "q 1 "[0-9]*$'\nours' ]]
}

@test "work: a failure is tried again after a growing delay, then dead with exit code and the end of stderr" {
  dcoord queue push q bad good
  work --until-empty --max-attempts 3 --retry-delay 50ms --backoff 2 -- sh -c '
    read -r item; [ "$item" = bad ] || exit 0
    echo "attempt $DCOORD_ATTEMPT" >&2; exit 7'
  expect_code 1
  expect_err_has $'attempt 1\n'
  expect_err_has "attempt 3"
  expect_err_has "is dead after attempt 3: exit code 7"
  has q 'done' 1
  has q dead 1
  has q returned 2
  run_split dcoord queue dead list q --json
  expect_out_has '"exit_code":7'
  expect_out_has 'attempt 3'
  dcoord queue dead retry q
  work --until-empty -- true
  expect_code 0
  has q 'done' 2
}

@test "work: a death by signal is a failure with 128+N" {
  dcoord queue push q x
  work --until-empty --max-attempts 1 -- sh -c 'kill -SEGV $$'
  expect_code 1
  [[ $(dcoord queue dead list q --json) == *'"exit_code":139'* ]]
}

@test "work --dead-on and --retry-on: which exit codes give an item up" {
  dcoord queue push q 3 64 70
  work --until-empty --dead-on 3,64-69 --max-attempts 2 --retry-delay 0 -- sh -c 'read -r code; exit "$code"'
  expect_code 1
  has q dead 3
  has q returned 1
  run_split dcoord queue dead purge q --yes
  dcoord queue push q 3 64
  work --until-empty --retry-on 64 --max-attempts 2 --retry-delay 0 -- sh -c 'read -r code; exit "$code"'
  has q dead 2
  has q returned 2
}

@test "work: what is typed wrong is told before anything is taken" {
  dcoord queue push q x
  local bad
  for bad in '--dead-on 0' '--dead-on 3-' '--retry-on x' '--backoff 0.5' '--lease 0' '--lease 2s -k 2s' '--concurrency 0'; do
    # shellcheck disable=SC2086 # words
    work $bad -- true
    expect_code 64
  done
  has q ready 1
}

@test "work: a command that cannot be run ends it and gives the item back untried" {
  dcoord queue push q x
  work --until-empty -- /nowhere/command
  expect_code 127
  has q ready 1
  has q returned 0
  [[ $(dcoord queue pop q --json) == *'"attempt":1'* ]]
}

@test "work --max-time: an item that takes too long is stopped, and has failed with 124" {
  dcoord queue push q x
  work --until-empty --max-time 100ms --max-attempts 1 -- sleep 60
  expect_code 1
  [[ $(dcoord queue dead list q --json) == *'"exit_code":124'* ]]
}

@test "work: the lease is renewed while the command runs" {
  dcoord queue push q x
  start_work --lease 1s --until-empty -- sh -c "echo >'$BATS_TEST_TMPDIR/begun'; until [ -e '$BATS_TEST_TMPDIR/go' ]; do sleep 0.05; done"
  wait_until 20 test -e "$BATS_TEST_TMPDIR/begun"
  local since=$SECONDS
  # Over three leases long, nobody else gets it.
  while ((SECONDS < since + 4)); do ! dcoord queue pop q >/dev/null || return 1; sleep 0.2; done
  touch "$BATS_TEST_TMPDIR/go"
  wait "$JOB"
  has q 'done' 1
  has q returned 0
}

@test "work: a delivery that is lost ends the command and its tree, and is not acknowledged" {
  dcoord queue push q x
  start_work --lease 2s -- sh -c "setsid sleep 300 & echo \$! >'$BATS_TEST_TMPDIR/pid'; wait"
  wait_until 20 test -s "$BATS_TEST_TMPDIR/pid"
  local receipt
  receipt=$(redis hkeys "$(redis keys '*:queueb:q')" | head -n 1)
  # As if the lease had been over and somebody else had the item.
  dcoord queue nack "$receipt:q" --delay 1h
  wait_until 20 not_alive "$(<"$BATS_TEST_TMPDIR/pid")"
  has q 'done' 0
  has q delayed 1
  kill "$JOB"
  wait "$JOB" || true
}

@test "work: killed with -9, its command dies, and the item comes to others with its attempt counted" {
  dcoord queue push q x
  start_work --lease 1s -- sh -c "echo \$\$ >'$BATS_TEST_TMPDIR/pid'; exec sleep 300"
  wait_until 20 test -s "$BATS_TEST_TMPDIR/pid"
  kill -KILL "$JOB"
  wait "$JOB" || true
  wait_until 20 not_alive "$(<"$BATS_TEST_TMPDIR/pid")"
  run_split dcoord queue pop q -w 20 --json
  expect_code 0
  expect_out_has '"attempt":2'
}

@test "work: TERM lets the command finish, takes nothing new, and ends by TERM" {
  dcoord queue push q a b
  start_work -- sh -c "echo >'$BATS_TEST_TMPDIR/begun'; until [ -e '$BATS_TEST_TMPDIR/go' ]; do sleep 0.05; done"
  wait_until 20 test -e "$BATS_TEST_TMPDIR/begun"
  kill "$JOB"
  touch "$BATS_TEST_TMPDIR/go"
  job_ends 143
  has q 'done' 1
  has q ready 1
}

@test "work: a second TERM stops the command and gives the item back untried" {
  dcoord queue push q a
  start_work -- sh -c "echo \$\$ >'$BATS_TEST_TMPDIR/pid'; exec sleep 300"
  wait_until 20 test -s "$BATS_TEST_TMPDIR/pid"
  kill "$JOB"
  # Two signals of a kind at once are one.
  while alive "$(<"$BATS_TEST_TMPDIR/pid")"; do kill "$JOB" 2>/dev/null || break; sleep 0.1; done
  job_ends 143
  has q ready 1
  has q returned 0
}

@test "work: TERM while it waits in line ends it at once and leaves the line" {
  start_work -- true
  dcoord queue push q a
  wait_until 20 has q 'done' 1
  wait_until 20 has q waiting 1
  kill "$JOB"
  job_ends 143
  has q waiting 0
}

@test "work --concurrency: so many at the same time, each once" {
  seq 12 | dcoord queue push q
  work --concurrency 4 --until-empty -- sh -c "
    read -r n; mkdir '$BATS_TEST_TMPDIR/run.'\$n
    i=0; while [ \$i -lt 200 ] && [ \$(ls -d '$BATS_TEST_TMPDIR'/run.* | wc -l) -lt 4 ]; do i=\$((i + 1)); sleep 0.05; done
    [ \$i -lt 200 ] && echo \$n >>'$BATS_TEST_TMPDIR/done'"
  expect_code 0
  [[ $(sort -n "$BATS_TEST_TMPDIR/done") == "$(seq 12)" ]]
  has q 'done' 12
}

@test "work --concurrency: one that is lost ends alone" {
  dcoord queue push q lost kept
  start_work --concurrency 2 --lease 2s --until-empty --json -- sh -c "
    read -r item; echo \$\$ >'$BATS_TEST_TMPDIR/'\$item; echo \"\$DCOORD_RECEIPT\" >'$BATS_TEST_TMPDIR/receipt.'\$item
    until [ -e '$BATS_TEST_TMPDIR/go' ]; do sleep 0.05; done"
  wait_until 20 test -s "$BATS_TEST_TMPDIR/receipt.kept" -a -s "$BATS_TEST_TMPDIR/receipt.lost"
  dcoord queue nack "$(<"$BATS_TEST_TMPDIR/receipt.lost")" --dead
  wait_until 20 not_alive "$(<"$BATS_TEST_TMPDIR/lost")"
  alive "$(<"$BATS_TEST_TMPDIR/kept")"
  touch "$BATS_TEST_TMPDIR/go"
  wait "$JOB"
  has q 'done' 1
  has q dead 1
}

@test "work --until-empty: waits for what others have in flight, and ends without a look in between" {
  dcoord queue push q x
  local receipt
  receipt=$(dcoord queue pop q --lease 1m)
  start_work --until-empty -- true
  wait_until 20 has q waiting 1
  dcoord queue ack "${receipt%% *}"
  local since=$SECONDS
  wait "$JOB"
  # By itself it would look ten seconds later.
  ((SECONDS - since < 8))
  has q waiting 0
  run_split dcoord queue work nothing --until-empty -- false
  expect_code 0
}

@test "work --until-empty: a delayed item is waited for" {
  dcoord queue push q --delay 1s later
  work --until-empty -- cat
  expect_code 0
  expect_out later
}

@test "work --worker and --steal: the own lane, then the shared one, then the longest other" {
  dcoord queue push q --to other o1 o2
  dcoord queue push q --to me m1
  dcoord queue push q s1
  start_work --worker me -- sh -c "cat >>'$BATS_TEST_TMPDIR/got'; echo >>'$BATS_TEST_TMPDIR/got'"
  wait_until 20 has q 'done' 2
  kill "$JOB"
  wait "$JOB" || true
  has q ready 2
  work --worker me --steal --until-empty -- sh -c "cat >>'$BATS_TEST_TMPDIR/got'; echo >>'$BATS_TEST_TMPDIR/got'"
  expect_code 0
  [[ $(<"$BATS_TEST_TMPDIR/got") == $'m1\ns1\no1\no2' ]]
}

@test "work goes on over a server that is killed and comes back" {
  stop_server
  start_server 'appendonly yes' 'appendfsync always'
  dcoord queue push q a
  start_work -- sh -c "cat >>'$BATS_TEST_TMPDIR/got'"
  wait_until 20 has q 'done' 1
  restart_server
  dcoord queue push q b
  wait_until 30 has q 'done' 2
  [[ $(<"$BATS_TEST_TMPDIR/got") == ab ]]
}

@test "work: no server at all is told soon, with 69" {
  stop_server
  run_split dcoord --connect-timeout 300ms --command-timeout 300ms queue work q -- true
  expect_code 69
}

@test "work --json: what it did, on one line" {
  dcoord queue push q a b
  run_split dcoord --json queue work q --until-empty --max-attempts 1 -- grep -q a
  expect_code 1
  expect_out_has '"queue":"q","done":1,"failed":0,"dead":1,"lost":0,"given_back":0,"elapsed_ms":'
}

@test "work: a guard that is killed takes its command with it, and the work goes on" {
  dcoord queue push q a
  start_work --lease 2s --retry-delay 0 -- sh -c "
    [ \$DCOORD_ATTEMPT -gt 1 ] && exit 0
    setsid sleep 300 & echo \$! >'$BATS_TEST_TMPDIR/pid'; wait"
  wait_until 20 test -s "$BATS_TEST_TMPDIR/pid"
  local guard
  for guard in $(pgrep -P "$JOB"); do kill -KILL "$guard"; done
  wait_until 20 not_alive "$(<"$BATS_TEST_TMPDIR/pid")"
  wait_until 20 has q 'done' 1
  kill "$JOB"
  wait "$JOB" || true
}

@test "work: stopped beyond its lease, its command is dead by then and others have the item" {
  dcoord queue push q a
  start_work --lease 1s -- sh -c "echo \$\$ >'$BATS_TEST_TMPDIR/pid'; exec sleep 300"
  wait_until 20 test -s "$BATS_TEST_TMPDIR/pid"
  kill -STOP "$JOB"
  run_split dcoord queue pop q -w 20 --json
  expect_out_has '"attempt":2'
  not_alive "$(<"$BATS_TEST_TMPDIR/pid")"
}

@test "work: what a command leaves in the background lives on, and the next one is run" {
  dcoord queue push q a b
  work --until-empty -- sh -c "sleep 300 >/dev/null 2>&1 & echo \$! >>'$BATS_TEST_TMPDIR/pids'"
  expect_code 0
  local pid
  for pid in $(<"$BATS_TEST_TMPDIR/pids"); do alive "$pid"; kill "$pid"; done
  [[ $(wc -l <"$BATS_TEST_TMPDIR/pids") == 2 ]]
  dcoord queue push q c
  work --until-empty --tree kill -- sh -c "sleep 300 >/dev/null 2>&1 & echo \$! >'$BATS_TEST_TMPDIR/pid'"
  not_alive "$(<"$BATS_TEST_TMPDIR/pid")"
}
