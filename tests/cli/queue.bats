# The queue as a user types it.
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

@test "push and pop: arguments in order, one a call, exit 1 when there is none" {
  run_split dcoord queue push q one 'two words' -- --three ''
  expect_code 0
  expect_out ""
  expect_err ""
  local want
  for want in one 'two words' --three ''; do
    run_split dcoord queue pop q
    expect_code 0
    expect_out "$want"
  done
  run_split dcoord queue pop q
  expect_code 1
  expect_out ""
  has q 'done' 4
}

@test "push: a line each of input, the last one without an end too; empty lines are items" {
  printf 'a\n\nb' | dcoord queue push q
  dcoord queue pop q --count 9 >"$BATS_TEST_TMPDIR/got"
  [[ $(<"$BATS_TEST_TMPDIR/got") == $'a\n\nb' ]]
}

@test "push -0 and --whole: bytes arrive as they were" {
  head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/bytes"
  dcoord queue push q --whole <"$BATS_TEST_TMPDIR/bytes"
  dcoord queue pop q --raw | cmp - "$BATS_TEST_TMPDIR/bytes"
  printf 'a\nb\0c\0' | dcoord queue push q -0
  [[ $(dcoord queue pop q) == $'a\nb' ]]
  [[ $(dcoord queue pop q) == c ]]
  has q pushed 3
}

@test "push: a hundred thousand lines of a file come out in order" {
  seq 100000 >"$BATS_TEST_TMPDIR/lines"
  dcoord queue push q --file "$BATS_TEST_TMPDIR/lines"
  has q ready 100000
  dcoord queue pop q --count 100000 | cmp - "$BATS_TEST_TMPDIR/lines"
  has q 'done' 100000
}

@test "push: what a slow producer has is there before it ends" {
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  background sh -c 'exec "$0" queue push q <"$1"' "$DCOORD" "$BATS_TEST_TMPDIR/pipe"
  exec 7>"$BATS_TEST_TMPDIR/pipe"
  echo first >&7
  wait_until 20 has q ready 1
  echo second >&7
  exec 7>&-
  wait "$JOB"
  has q ready 2
}

@test "push --json-lines: the line is told, and nothing of what was read with it is sent" {
  printf '{"a":1}\n[2]\n{no\n' >"$BATS_TEST_TMPDIR/lines"
  run_split dcoord queue push q --json-lines --file "$BATS_TEST_TMPDIR/lines"
  expect_code 65
  expect_err_has "line 3 is not JSON"
  expect_err_has "nothing was pushed"
  [[ -z $(redis --scan) ]]
}

@test "push --max-size: a byte over is refused before anything is sent" {
  head -c 1048576 /dev/zero | dcoord queue push q --whole
  run_split sh -c 'head -c 1048577 /dev/zero | "$0" queue push q --whole' "$DCOORD"
  expect_code 65
  expect_err_has "--max-size"
  has q ready 1
  head -c 1048577 /dev/zero | dcoord queue push q --whole --max-size 2MiB
  has q ready 2
}

@test "push --max-length: as many as fit, then 75, and how to go on; -w waits for room" {
  seq 10 >"$BATS_TEST_TMPDIR/lines"
  run_split dcoord queue push q --max-length 4 --request-id batch --file "$BATS_TEST_TMPDIR/lines"
  expect_code 75
  expect_err_has "4 items were pushed"
  expect_err_has "--resume-from 4"
  background "$DCOORD" queue push q --max-length 4 -w 20 --request-id batch --resume-from 4 --file "$BATS_TEST_TMPDIR/lines"
  : >"$BATS_TEST_TMPDIR/got"
  for _ in $(seq 10); do dcoord queue pop q -w 20 >>"$BATS_TEST_TMPDIR/got"; done
  wait "$JOB"
  cmp "$BATS_TEST_TMPDIR/got" "$BATS_TEST_TMPDIR/lines"
}

@test "push --request-id: the same again pushes nothing twice, however it is cut" {
  seq 5000 | dcoord queue push q --request-id nightly
  seq 6000 | dcoord queue push q --request-id nightly --batch-size 7
  has q ready 6000
  seq 6000 | cmp - <(dcoord queue pop q --count 6000)
}

@test "push goes on over a server that is killed and comes back" {
  stop_server
  start_server 'appendonly yes' 'appendfsync always'
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  background sh -c 'exec "$0" queue push q --command-timeout 30s <"$1"' "$DCOORD" "$BATS_TEST_TMPDIR/pipe"
  exec 7>"$BATS_TEST_TMPDIR/pipe"
  seq 1 1000 >&7
  wait_until 20 has q ready 1000
  restart_server 7>&-  # or it would keep the pipe open
  seq 1001 2000 >&7
  exec 7>&-
  wait "$JOB"
  seq 2000 | cmp - <(dcoord queue pop q --count 2000)
}

@test "push: out of memory in the stream: what was pushed is told, and can be gone on from" {
  seq 3 | dcoord queue push q --request-id r
  redis config set maxmemory 1mb >/dev/null
  run_split sh -c 'seq 6 | "$0" queue push q --request-id r --resume-from 3' "$DCOORD"
  expect_code 69
  redis config set maxmemory 0 >/dev/null
  seq 6 | dcoord queue push q --request-id r --resume-from 3
  seq 6 | cmp - <(dcoord queue pop q --count 9)
}

@test "push --json prints ids; --id pushes one item once" {
  run_split dcoord queue push q a b --json
  [[ $(grep -c '^{"id":"[0-9]\{16\}"}$' <<<"$out") == 2 ]] || explain "no two ids"
  dcoord queue push q c --id 7
  run_split dcoord queue push q c --id 7 --json
  expect_code 0
  expect_out '{"id":null,"duplicate":true}'
  has q ready 3
}

@test "push --priority, --delay, --to: who comes first, and who gets it" {
  dcoord queue push q normal
  dcoord queue push q urgent --priority 9
  dcoord queue push q mine --to w1
  dcoord queue push q later --delay 1h
  [[ $(dcoord queue pop q) == urgent ]]
  [[ $(dcoord queue pop q --worker w1) == mine ]]
  [[ $(dcoord queue pop q) == normal ]]
  dcoord queue push q theirs --to w2
  run_split dcoord queue pop q
  expect_code 1
  [[ $(dcoord queue pop q --steal) == theirs ]]
  has q delayed 1
}

@test "pop -w: waits, is woken by a push, and runs out with 124" {
  run_split dcoord queue pop q -w 0.2
  expect_code 124
  background "$DCOORD" queue pop q -w 60 >"$BATS_TEST_TMPDIR/got"
  wait_until 20 has q waiting 1
  dcoord queue push q x
  wait "$JOB"
  [[ $(<"$BATS_TEST_TMPDIR/got") == x ]]
}

@test "pop -w: a signal ends it, and its place is given up" {
  dcoord queue push q x
  dcoord queue pop q
  background "$DCOORD" queue pop q -w 60
  wait_until 20 has q waiting 1
  kill -TERM "$JOB"
  ! wait "$JOB" || false
  has q waiting 0
}

@test "pop: what could not be printed is there still" {
  dcoord queue push q x
  run_split sh -c '"$0" queue pop q >/dev/full' "$DCOORD"
  expect_code 74
  wait_until 20 sh -c '"$0" queue pop q | grep -q x' "$DCOORD"
}

@test "pop --lease: a receipt for ack, nack, extend; a stale one is refused with 1" {
  dcoord queue push 'a queue' 'two words'
  read -r receipt item < <(dcoord queue pop 'a queue' --lease 1m)
  [[ $item == 'two words' ]]
  has 'a queue' in_flight 1
  dcoord queue extend "$receipt" --lease 5m
  dcoord queue nack "$receipt"
  run_split dcoord queue ack "$receipt"
  expect_code 1
  expect_err_has "this delivery of queue 'a queue' is over"
  run_split dcoord queue extend "$receipt"
  expect_code 1
  read -r receipt item < <(dcoord queue pop 'a queue' --lease 1m)
  dcoord queue ack "$receipt" --request-id one
  dcoord queue ack "$receipt" --request-id one
  run_split dcoord queue ack nonsense
  expect_code 64
  has 'a queue' 'done' 1
}

@test "pop --json: id, attempt, payload, and base64 of what is not UTF-8" {
  printf '\377x' | dcoord queue push q --whole
  dcoord queue push q '"text"'
  run_split dcoord queue pop q --json
  expect_out_has '"attempt":1,"payload_base64":"/3g="}'
  run_split dcoord queue pop q --json
  expect_out_has '"payload":"\"text\""}'
}

@test "dead: list, show with the cause, retry, purge" {
  dcoord queue push q bad worse
  local receipt item
  for _ in 1 2; do
    read -r receipt item < <(dcoord queue pop q --lease 1m)
    dcoord queue nack "$receipt" --dead --reason "no such customer"
  done
  run_split dcoord queue dead list q
  expect_code 0
  expect_out_has "no such customer"
  id=$(dcoord queue dead list q --json | head -n 1 | grep -o '"id":"[0-9]*' | cut -d'"' -f4)
  run_split dcoord queue dead show q "$id"
  expect_out_has "--- item"$'\n'"bad"
  dcoord queue dead retry q "$id"
  [[ $(dcoord queue pop q) == bad ]]
  run_split dcoord queue dead purge q
  expect_code 64
  dcoord queue dead purge q --yes
  run_split dcoord queue dead list q
  expect_code 1
}

@test "list marks a queue that grows without workers; peek looks; purge needs --yes" {
  dcoord queue push q a b c
  run_split dcoord queue list
  expect_out_has "growing, and no workers"
  run_split dcoord queue peek q --count 2
  [[ $(wc -l <<<"$out") == 3 ]] || explain "not two items"
  run_split dcoord queue purge q
  expect_code 64
  has q ready 3
  dcoord queue purge q --yes
  has q ready 0
}

@test "usage: what contradicts itself is 64 and says why" {
  run_split dcoord queue push q a --file x
  expect_code 64
  run_split dcoord queue push q a b --id 1
  expect_code 64
  run_split dcoord queue push q a -w 3
  expect_code 64
  run_split dcoord queue push q a --priority 10
  expect_code 64
  run_split dcoord queue push q --file /no/such/file
  expect_code 64
  expect_err_has /no/such/file
}

@test "pop: TERM between the print and its acknowledgement does not give out again what was printed" {
  stop_server
  start_server 'appendonly yes' 'appendfsync always'
  seq 300000 300499 | sed 's/$/-'"$(printf '%0500d' 0)"'/' | dcoord queue push q
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  background sh -c 'exec "$0" queue pop q --count 250 >"$1"' "$DCOORD" "$BATS_TEST_TMPDIR/pipe"
  exec 7<"$BATS_TEST_TMPDIR/pipe"
  # It has taken, and stands at a pipe that is full. What it asks next cannot be answered.
  wait_until 20 has q in_flight 250
  restart_server 7<&-
  kill "$JOB"
  cat <&7 >"$BATS_TEST_TMPDIR/got"
  exec 7<&-
  job_ends 143
  [[ $(wc -l <"$BATS_TEST_TMPDIR/got") == 250 ]]
  has q 'done' 250
  has q ready 250
}

@test "pop --lease: TERM after the print leaves what was handed out with whoever has it" {
  seq 1 400 | sed 's/$/-'"$(printf '%0500d' 0)"'/' | dcoord queue push q
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  background sh -c 'exec "$0" queue pop q --count 250 --lease 1h >"$1"' "$DCOORD" "$BATS_TEST_TMPDIR/pipe"
  exec 7<"$BATS_TEST_TMPDIR/pipe"
  wait_until 20 has q in_flight 250
  kill "$JOB"
  cat <&7 >"$BATS_TEST_TMPDIR/got"
  exec 7<&-
  wait "$JOB" || true
  has q in_flight 250
}

@test "peek shows what pop takes, in its order" {
  dcoord queue push q a b
  dcoord queue push q --priority 9 first
  dcoord queue push q --priority 0 last
  dcoord queue pop q --count 2 --lease 1s >/dev/null
  wait_until 20 has q overdue 2
  dcoord queue peek q --json | sed 's/.*"payload":"\([^"]*\)".*/\1/' >"$BATS_TEST_TMPDIR/seen"
  dcoord queue pop q --count 10 | cmp - "$BATS_TEST_TMPDIR/seen"
}
