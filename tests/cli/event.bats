# Events as a user publishes them and subscribes to them.
load helper
load state_helper

setup() {
  clean_environment
  start_server
}
teardown() {
  end_background
  stop_server
}

# all_data [FILE]: what was printed, in one line.
all_data() { grep -o '"data":"[^"]*"' "${1:-$WATCHED}" | cut -d'"' -f4 | tr '\n' ' '; }
lines_are() { [[ $(wc -l <"$WATCHED") == "$1" ]]; }
# blocked N: so many wait at the server.
blocked() { [[ $(redis info clients | tr -d '\r' | sed -n 's/^blocked_clients://p') == "$1" ]]; }

@test "publish and subscribe: ids that rise, bytes as they are, who and when" {
  run_split dcoord event publish t 'a b'
  expect_code 0
  [[ $out =~ ^[0-9]{13}-1$ ]] || explain "no id"
  run_split dcoord event publish t --json -- -x
  expect_out_has '"topic":"t","id":"'
  printf 'a\0\xff' | dcoord event publish t - --whole
  run_split dcoord event subscribe t --since start --count 3
  expect_code 0
  [[ $out == *'"data":"a b"'*'"data":"-x"'*'"data_base64":"YQD/"'* ]] || explain "other data"
  [[ $out =~ \"topic\":\"t\",\"time\":\"20[0-9-]+T[0-9:.]+Z\",\"publisher\":\"[^\"]+:[0-9]+\" ]] || explain "another form"
  run_split dcoord event subscribe t --since start --count 2 -o plain
  expect_out $'a b\n-x'
}

@test "publish -: an event a line, and only once under one request id" {
  seq 5000 | dcoord event publish t - --request-id r
  seq 5000 | dcoord event publish t - --request-id r
  run_split dcoord event subscribe t --since start --count 5000 -o plain
  [[ $out == "$(seq 5000)" ]] || explain "other events"
  run_split dcoord event show t --json
  expect_out_has '"published":5000'
  printf 'x\ny' | dcoord event publish t - --json >"$BATS_TEST_TMPDIR/ids"
  [[ $(grep -c '"id"' "$BATS_TEST_TMPDIR/ids") == 2 ]]
  run_split dcoord event publish t a --request-id one
  first=$out
  run_split dcoord event publish t a --request-id one
  expect_out "$first"
}

@test "subscribe: what comes from now on; over a server that goes away nothing is lost, and nothing comes twice" {
  dcoord event publish t before
  subscribe_it t --count 4
  wait_until 20 blocked 1
  dcoord event publish t 1
  wait_until 20 has_line '"data":"1"'
  redis client kill type normal
  dcoord event publish t 2
  dcoord event publish t 3
  wait_until 20 has_line '"data":"3"'
  redis client kill type normal
  dcoord event publish t 4
  wait "$(pid 0)"
  [[ $(all_data) == "1 2 3 4 " ]] || { cat "$WATCHED"; false; }
}

@test "subscribe --since: an id, a time; a restart goes on where it stood" {
  seq 10 | dcoord event publish t -
  run_split dcoord event subscribe t --since start --count 4
  id=$(tail -n 1 <<<"$out" | grep -o '"id":"[^"]*"' | cut -d'"' -f4)
  run_split dcoord event subscribe t --since "$id" --count 6 -o plain
  expect_out "$(seq 5 10)"
  run_split dcoord event subscribe t --since 1h --count 1 -o plain
  expect_out 1
  run_split dcoord event subscribe t u --since "$id" -w 1
  expect_code 64
  run_split dcoord event subscribe t --since tomorrow
  expect_code 64
  expect_err_has "tomorrow"
}

@test "what a topic does not keep any more is told, with how many" {
  seq 10 | dcoord event publish t -
  run_split dcoord event subscribe t --since start --count 2
  id=$(tail -n 1 <<<"$out" | grep -o '"id":"[^"]*"' | cut -d'"' -f4)
  dcoord event publish t 11 --keep 5
  run_split dcoord event subscribe t --since "$id" --count 1
  expect_out_has '"data":"7","missed":4'
  expect_err_has "missed 4 events of topic 't'"
  run_split dcoord event subscribe t --since start --count 1
  expect_out_has '"missed":0'
  redis flushall
  dcoord event publish t new
  run_split dcoord event subscribe t --since "$id" --count 1
  expect_out_has '"data":"new"'
  expect_err_has "began anew"
}

@test "several topics and patterns over one connection, topics that appear later too" {
  dcoord event publish build/a old
  subscribe_it --pattern 'build/*' 'x?' --count 5
  wait_until 20 blocked 1
  dcoord event publish build/a 1
  dcoord event publish build/b 2
  dcoord event publish other no
  dcoord event publish x1 3
  dcoord event publish x12 no
  # One of which nobody told.
  dcoord event publish build/c 4
  dcoord event publish build/a 5
  wait "$(pid 0)"
  [[ $(all_data | tr ' ' '\n' | sort | tr '\n' ' ') == *"1 2 3 4 5 " ]] || { cat "$WATCHED" "$WATCHED.err"; false; }
  [[ $(redis info stats | tr -d '\r' | sed -n 's/^total_connections_received://p') -lt 40 ]]
}

@test "events of several topics come in the order of their times" {
  local i
  for i in 1 2 3 4 5 6; do dcoord event publish "t$((i % 2))" "$i"; done
  subscribe_it t0 t1 --since start --count 6
  wait "$(pid 0)"
  [[ $(all_data) == "1 2 3 4 5 6 " ]]
}

@test "a command for each event: data on its stdin, the rest in its environment" {
  printf '1\n2\n' | dcoord event publish t -
  run_split dcoord event subscribe t --since start --count 2 -- sh -c 'echo "$(cat) $DCOORD_TOPIC $DCOORD_EVENT_ID $DCOORD_PUBLISHER"'
  expect_code 0
  [[ $out =~ ^"1 t "[0-9]+-1\ .+:[0-9]+$'\n'"2 t "[0-9]+-2\ .+$ ]] || explain "other output"
  # More than a pipe holds, and a command that does not read it.
  head -c 300000 /dev/zero | tr '\0' x | dcoord event publish big - --whole
  run_split dcoord event subscribe big --since start --count 1 -- wc -c
  expect_out_has 300000
  run_split dcoord event subscribe big --since start --count 1 -- true
  expect_code 0
  run_split dcoord event subscribe t --since start --count 1 -- no-such-command
  expect_code 127
}

@test "subscribe -w: over without an event is 124; a signal ends it as that signal" {
  run_split dcoord event subscribe t -w 0.1
  expect_code 124
  subscribe_it t
  wait_until 20 blocked 1
  kill -TERM "$(pid 0)"
  code=0
  wait "$(pid 0)" || code=$?
  [[ $code == 143 ]] || explain "not the signal"
}

@test "--group: each event goes to one member, in the end all of them, also those of one that was killed" {
  local i
  seq 60 | dcoord event publish t -
  for i in 1 2 3; do
    follow event subscribe t --group g --since start --lease 1s -w 6s -- sh -c 'cat; echo; [ "$DCOORD_ATTEMPT" -gt 1 ] || sleep 0.02'
    files[i]=$WATCHED
  done
  wait_until 20 grep -q . "${files[1]}"
  kill -KILL "$(pid 0)"
  handled() { dcoord event show t --json | grep -q '"handled":60'; }
  wait_until 30 handled
  # The killed one's last line may lack its end.
  grep -h . "${files[@]}" | sort -n | uniq >"$BATS_TEST_TMPDIR/all"
  seq 60 | cmp - "$BATS_TEST_TMPDIR/all"
  # Nothing twice but what the killed one had.
  [[ $(grep -h . "${files[@]}" | sort | uniq -d | wc -l) -le 1 ]]
}

@test "--group: an event whose command fails is given again; --max-attempts gives it up" {
  dcoord event publish t poison
  dcoord event publish t good
  run_split dcoord event subscribe t --group g --since start --retry-delay 10ms --max-attempts 3 -w 1s -- sh -c 'read -r x; echo "$x $DCOORD_ATTEMPT"; [ "$x" = good ]'
  expect_code 124
  [[ $(sort <<<"$out" | tr '\n' ' ') == "good 1 poison 1 poison 2 poison 3 " ]] || explain "other attempts"
  expect_err_has "gave up 1 event"
  run_split dcoord event show t --json
  expect_out_has '"handled":1,"returned":3,"given_up":1'
}

@test "--group --consumer: one that is started again gets back at once what it had" {
  dcoord event publish t 1
  follow event subscribe t --group g --consumer c --since start --lease 1h -- sh -c 'echo begun; sleep 60'
  wait_until 20 has_line begun
  kill -KILL "$(pid 0)"
  run_split dcoord event subscribe t --group g --consumer other -w 0.2s
  expect_code 124
  run_split dcoord event subscribe t --group g --consumer c --count 1
  expect_out_has '"data":"1","missed":0,"attempt":2'
}

@test "--group: what is printed is acknowledged, what is not is given back" {
  seq 10 | dcoord event publish t -
  run_split dcoord event subscribe t --group g --since start --count 3 -o plain
  expect_out $'1\n2\n3'
  run_split dcoord event subscribe t --group g --count 7 -o plain
  expect_out "$(seq 4 10)"
  # The group of a pattern begins for all its topics when its first member comes.
  run_split dcoord event subscribe --pattern 'p*' --group g -w 0.1s
  dcoord event publish p1 x
  run_split dcoord event subscribe --pattern 'p*' --group g --count 1 -w 20s -o plain
  expect_out x
}

@test "list, show, forget" {
  dcoord event publish a 1
  dcoord event publish b/1 1 --keep 1h
  run_split dcoord event list -o plain
  [[ $(cut -f1 <<<"$out" | tr '\n' ' ') == "a b/1 " ]] || explain "another list"
  run_split dcoord event list 'b/*' --json
  expect_out_has '"keep":"1h"'
  run_split dcoord event show nothing
  expect_code 1
  dcoord event forget a
  run_split dcoord event forget a
  expect_code 1
  run_split dcoord event list -o plain
  [[ $out == b/1* ]]
}

@test "bad input is refused and changes nothing" {
  run_split dcoord event publish
  expect_code 64
  run_split dcoord event publish t a b
  expect_code 64
  run_split dcoord event publish t a --keep 0
  expect_code 64
  expect_err_has "--keep"
  run_split dcoord event publish t abc --max-size 2
  expect_code 65
  run_split dcoord event subscribe
  expect_code 64
  run_split dcoord event subscribe t --consumer c
  expect_code 64
  run_split dcoord event subscribe t --count 0
  expect_code 64
  [[ $(redis DBSIZE) == 0 ]]
}
