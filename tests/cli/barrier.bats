# The barrier as a user types it.
load helper
load barrier_helper

setup() {
  clean_environment
  start_server
}
teardown() {
  end_background
  stop_server
}

@test "wait: nobody passes before the last has arrived; each prints an index of its own" {
  local i
  for i in 1 2 3 4; do wait_at x --parties 5; done
  wait_until 20 is_field x arrived 4
  [[ -z $(cat "$BATS_TEST_TMPDIR"/out.*) ]]
  run_split dcoord barrier wait x --parties 5
  expect_code 0
  expect_out 4
  for i in 0 1 2 3; do
    finish "$i"
    expect_code 0
    expect_err ""
  done
  [[ $(sort "$BATS_TEST_TMPDIR"/out.* | tr -d '\n') == 0123 ]]
  is_field x generation 2
}

@test "wait --leader-exit: exactly one of them" {
  local i leaders=0
  for i in 1 2 3; do wait_at x --parties 4 --leader-exit 10; done
  wait_until 20 is_field x arrived 3
  run_split dcoord barrier wait x --parties 4 --leader-exit 10
  [[ $code == 0 || $code == 10 ]]
  leaders=$((code / 10))
  for i in 0 1 2; do
    finish "$i"
    [[ $code == 0 || $code == 10 ]] || explain "not an exit code of a barrier"
    leaders=$((leaders + code / 10))
  done
  [[ $leaders == 1 ]]
}

@test "wait -w: leaves with 124, and the others wait on" {
  wait_at x --parties 3
  wait_until 20 is_field x arrived 1
  run_split dcoord barrier wait x --parties 3 -w 0.2
  expect_code 124
  expect_out ""
  expect_err_has "gave up at barrier 'x' after"
  expect_err_has "2 of 3 had arrived"
  is_field x arrived 1
  run_split dcoord barrier wait x --parties 3 -w 0
  expect_code 124
  is_field x arrived 1
}

@test "wait: a signal makes it leave, then die of it" {
  local signal n=0
  for signal in TERM HUP INT QUIT; do
    # A background process has SIGINT and SIGQUIT ignored: env gives them back.
    env --default-signal="$signal" "$DCOORD" barrier wait x --parties 3 2>/dev/null 3>&- &
    remember $!
    wait_until 20 is_field x arrived 1
    kill -"$signal" "$(pid "$n")"
    code=0
    wait "$(pid "$n")" || code=$?
    [[ $code == $((128 + $(kill -l "$signal"))) ]] || explain "$signal"
    is_field x arrived 0
    n=$((n + 1))
  done
}

@test "wait --break: giving up ends it for all, and says who did" {
  wait_at x --parties 3
  wait_until 20 is_field x arrived 1
  run_split dcoord barrier wait x --parties 3 -w 0.1 --break
  expect_code 124
  finish 0
  expect_code 124
  expect_err_has "barrier 'x' was broken: "
  expect_err_has " gave up"
  is_field x last '"broken"'
  wait_at x --parties 3
  wait_at x --parties 3 --break
  wait_until 20 is_field x arrived 2
  kill -TERM "$(pid 2)"
  finish 1
  expect_code 124
  expect_err_has " was ended"
  finish 2
  expect_code 143
}

@test "wait: one that was killed is not counted when its lease is over, and the same id is the same party" {
  wait_at x --parties 2 --id a
  wait_until 20 is_field x arrived 1
  kill -KILL "$(pid 0)"
  wait_at x --parties 2 --id a
  wait_until 20 is_party x "$(pid 1)"
  is_field x arrived 1
  run_split dcoord barrier wait x --parties 2 --id b
  expect_code 0
  expect_out 1
  finish 1
  expect_out 0
}

@test "arrive: counts without waiting, and once for each id; the one that waits may come last" {
  run_split dcoord barrier arrive x --parties 2 --id a
  expect_code 0
  expect_out 0
  run_split dcoord barrier arrive x --parties 2 --id a
  expect_out 0
  run_split dcoord barrier arrive x --parties 2 --id b --json
  expect_out '{"name":"x","generation":1,"index":1,"arrived":2,"parties":2}'
  run_split dcoord barrier arrive x --parties 2 --id c
  expect_code 75
  expect_err_has "all 2 parties of barrier 'x' have arrived"
  run_split dcoord barrier wait x --parties 2 --no-arrive
  expect_code 0
  expect_out ""
  run_split dcoord barrier wait x --parties 2 --no-arrive -w 0
  expect_code 124
}

@test "wait --no-arrive: passes when the others have arrived" {
  wait_at x --parties 2 --no-arrive --json
  wait_until 20 is_field x only_waiting 1
  is_field x arrived 0
  dcoord barrier arrive x --parties 2
  dcoord barrier arrive x --parties 2
  finish 0
  expect_code 0
  expect_out_has '{"name":"x","generation":1,"index":null,"leader":false,"parties":2,"waited_ms":'
}

@test "--request-id: asked again, a request is done once" {
  run_split dcoord barrier arrive x --parties 3 --request-id r1
  run_split dcoord barrier arrive x --parties 3 --request-id r1
  expect_out 0
  is_field x arrived 1
  dcoord barrier reset x --request-id r2
  dcoord barrier arrive x --parties 3
  dcoord barrier reset x --request-id r2
  is_field x arrived 1
  run_split dcoord barrier wait x --parties 2 -w 0 --request-id r3
  run_split dcoord barrier wait x --parties 3 -w 0 --request-id r3
  run_split dcoord barrier wait x --parties 3 --request-id r3
  expect_code 124
  expect_err_has "is over: it gave up"
}

@test "another --parties is refused with both numbers" {
  dcoord barrier arrive x --parties 3
  run_split dcoord barrier wait x --parties 4
  expect_code 65
  expect_err_has "--parties 3, not with --parties 4"
  run_split dcoord barrier arrive x --parties 2
  expect_code 65
  dcoord barrier reset x
  run_split dcoord barrier arrive x --parties 2
  expect_code 0
}

@test "bad input is 64 and changes nothing" {
  local bad
  for bad in "--parties 0" "--parties -1" "--parties 10001" "--parties x" "--parties 2.5" "--parties" ""; do
    # shellcheck disable=SC2086 # several words
    run_split dcoord barrier arrive x $bad
    expect_code 64
  done
  run_split dcoord barrier arrive "" --parties 2
  expect_code 64
  run_split dcoord barrier arrive x --parties 2 --id ""
  expect_code 64
  run_split dcoord barrier wait x --parties 2 --id a --no-arrive
  expect_code 64
  run_split dcoord barrier wait x --parties 2 --leader-exit 256
  expect_code 64
  [[ $(redis DBSIZE) == 0 ]]
}

@test "show, list and reset" {
  run_split dcoord barrier show x
  expect_code 1
  wait_at x --parties 3 --id 'an id'
  wait_until 20 is_field x arrived 1
  dcoord barrier arrive y --parties 2
  run_split dcoord barrier show x
  expect_code 0
  expect_out_has "an id"
  run_split dcoord barrier show x --json
  expect_out_has '"state":"waiting","generation":1,"parties":3,"arrived":1,"waiting":1,"only_waiting":0'
  expect_out_has '"members":[{"index":0,"id":"an id","arrived":true,"stays":false,"waits":true,'
  run_split dcoord barrier list -o plain
  [[ $(cut -f1,2,4,5 <<<"$out") == $'x\twaiting\t3\t1\ny\twaiting\t2\t1' ]] || explain "another list"
  run_split dcoord barrier list --json
  expect_out_has '"name":"y"'
  run_split dcoord barrier reset x --json
  expect_out '{"name":"x","generation":1,"arrived":1}'
  finish 0
  expect_code 124
  expect_err_has "barrier 'x' was reset by"
  run_split dcoord barrier show x
  expect_code 1
}

@test "wait: over a second of waiting is explained, once, where there is no terminal" {
  wait_at x --parties 2
  wait_until 20 test -s "$BATS_TEST_TMPDIR/err.0"
  dcoord barrier wait x --parties 2
  finish 0
  expect_code 0
  [[ $(wc -l <"$BATS_TEST_TMPDIR/err.0") == 1 ]]
  expect_err_has "dcoord: waiting for barrier 'x': 1 of 2 arrived, generation 1, waited 1s"
}

@test "wait: a party that was stopped while the others passed passes with them" {
  wait_at x --parties 2
  wait_until 20 is_field x arrived 1
  kill -STOP "$(pid 0)"
  run_split dcoord barrier wait x --parties 2
  expect_code 0
  wait_at x --parties 2
  wait_until 20 is_field x arrived 1
  kill -CONT "$(pid 0)"
  finish 0
  expect_code 0
  expect_out 0
  is_field x arrived 1
}

@test "wait: a server that forgot all is told again, and that is no reason to pass" {
  wait_at x --parties 2
  wait_until 20 is_field x arrived 1
  redis FLUSHALL
  redis CLIENT KILL TYPE normal || true
  wait_until 20 is_field x arrived 1
  run_split dcoord barrier wait x --parties 2
  expect_code 0
  finish 0
  expect_code 0
}

@test "wait: 20 processes go through ten generations together" {
  local i
  for i in $(seq 20); do
    (
      for generation in $(seq 10); do
        echo "in $generation" >>"$BATS_TEST_TMPDIR/log"
        "$DCOORD" barrier wait x --parties 20 >/dev/null || exit
        echo "out $generation" >>"$BATS_TEST_TMPDIR/log"
      done
    ) 3>&- &
    remember $!
  done
  for i in $(seq 0 19); do wait "$(pid "$i")"; done
  # Nobody is out of a generation before all are in.
  awk '$1 == "in" { come[$2]++ } $1 == "out" && come[$2] != 20 { exit 1 } END { exit NR != 400 }' "$BATS_TEST_TMPDIR/log"
  is_field x generation 11
}
