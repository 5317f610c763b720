# Shared values as a user types them.
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

@test "get: exactly the bytes that were set; exit 1 if there are none" {
  run_split dcoord state get k
  expect_code 1
  expect_out ""
  expect_err ""
  printf 'a\0b\n\n\xff' >"$BATS_TEST_TMPDIR/bytes"
  dcoord state set k - <"$BATS_TEST_TMPDIR/bytes"
  dcoord state get k >"$BATS_TEST_TMPDIR/got"
  cmp "$BATS_TEST_TMPDIR/bytes" "$BATS_TEST_TMPDIR/got"
  dcoord state set k --file "$BATS_TEST_TMPDIR/bytes"
  dcoord state get k | cmp "$BATS_TEST_TMPDIR/bytes"
  run_split dcoord state get k --json
  expect_out_has '"value_base64":"YQBiCgr/"'
  dcoord state set k ''
  run_split dcoord state get k --default x
  expect_code 0
  expect_out ""
  dcoord state set k -- -5
  run_split dcoord state get k --json
  expect_out_has '"key":"k","value":"-5","version":'
  run_split dcoord state get other --default x
  expect_code 0
  expect_out x
}

@test "set: the conditions, and the current version when they do not hold" {
  run_split dcoord state set k a --if-version 0 --json
  expect_code 0
  version=${out##*:}
  version=${version%\}}
  run_split dcoord state set k b --if-absent
  expect_code 75
  expect_err_has "$version"
  run_split dcoord state set k b --if-version 1
  expect_code 75
  expect_err_has "its version is $version"
  run_split dcoord state set k b --if-value x
  expect_code 75
  expect_err_has "value 'k' is 'a': its version is $version"
  dcoord state set k b --if-version "$version"
  dcoord state set k c --if-value b
  [[ $(dcoord state get k) == c ]]
  run_split dcoord state delete k --if-value b
  expect_code 75
  dcoord state delete k
  run_split dcoord state delete k
  expect_code 1
  dcoord state set k d --if-absent
}

@test "set --fenced and --while-locked: only the current holder writes" {
  run_split dcoord lock run x -- "$DCOORD" state set k a --fenced
  expect_code 0
  run_split dcoord state set k b --fence 5
  expect_code 79
  expect_err_has "newer fencing token"
  run_split dcoord state set k b --fenced
  expect_code 64
  run_split dcoord state set k b --while-locked x
  expect_code 79
  run_split dcoord lock run x -- "$DCOORD" state set k c --while-locked x
  expect_code 0
  run_split dcoord lock run x -- "$DCOORD" state incr n --while-locked y
  expect_code 79
  # The environment of a holder that holds no more.
  held=$(dcoord lock run x -- sh -c 'echo "$DCOORD_HELD"')
  run_split env DCOORD_HELD="$held" "$DCOORD" state set k d --while-locked x
  expect_code 79
  [[ $(dcoord state get k) == c ]]
}

@test "set --ttl: gone after it" {
  dcoord state set k a --ttl 100ms
  wait_until 20 gone k
  run_split dcoord state set k a --ttl inf
  expect_code 64
}

@test "set --json-merge: merges, also when eight do at once" {
  local i
  dcoord state set k '{"a":{"b":1},"z":0}'
  dcoord state set k '{"a":{"b":null,"c":2}}' --json-merge
  [[ $(dcoord state get k) == '{"a":{"c":2},"z":0}' ]]
  for i in 1 2 3 4 5 6 7 8; do
    "$DCOORD" state set k "{\"n$i\":$i}" --json-merge 3>&- &
    remember $!
  done
  for i in 0 1 2 3 4 5 6 7; do wait "$(pid "$i")"; done
  [[ $(dcoord state get k | grep -o '"n[1-8]":[1-8]' | sort -u | wc -l) == 8 ]]
  run_split dcoord state set k '{' --json-merge
  expect_code 65
  expect_err_has "the value given is no JSON"
}

@test "incr: counts exactly, from many processes too, and stops at bounds" {
  local i
  run_split dcoord state incr n --by 5
  expect_out 5
  for i in 1 2 3 4 5 6 7 8; do
    (for _ in 1 2 3 4 5; do "$DCOORD" state incr n >/dev/null; done) 3>&- &
    remember $!
  done
  for i in 0 1 2 3 4 5 6 7; do wait "$(pid "$i")"; done
  [[ $(dcoord state get n) == 45 ]]
  run_split dcoord state incr n --by -50 --min 0
  expect_code 75
  expect_err_has "is 45"
  run_split dcoord state incr n --max 45
  expect_code 75
  dcoord state set n 9223372036854775807
  run_split dcoord state incr n
  expect_code 65
  dcoord state set n abc
  run_split dcoord state incr n
  expect_code 65
  run_split dcoord state incr n --by NaN
  expect_code 64
  run_split dcoord state incr n --by 9223372036854775808
  expect_code 64
}

@test "--request-id: asked again, it is done once" {
  run_split dcoord state incr n --request-id r1
  run_split dcoord state incr n --request-id r1
  expect_out 1
  dcoord state set k a --request-id r2
  dcoord state set k b
  dcoord state set k a --request-id r2
  [[ $(dcoord state get k) == b ]]
}

@test "bad input is refused and changes nothing" {
  run_split dcoord state set k
  expect_code 64
  run_split dcoord state set k a b
  expect_code 64
  run_split dcoord state set '' a
  expect_code 64
  run_split dcoord state set k a --file /etc/passwd
  expect_code 64
  run_split dcoord state set k --file /nowhere
  expect_code 64
  run_split dcoord state set k abc --max-size 2
  expect_code 65
  expect_err_has "larger than 2 bytes"
  run_split dcoord state set k a --fence x
  expect_code 64
  run_split dcoord state set k a --if-version -1
  expect_code 64
  run_split dcoord state get
  expect_code 64
  expect_err_has "missing argument KEY"
  [[ $(redis DBSIZE) == 0 ]]
}

@test "list: what is in names comes out whole in every form, of many values too" {
  dcoord state set 'a "b" \ ü' 1
  dcoord state set zz 2 -t 1h
  run_split dcoord state list --json
  expect_out_has '[{"key":"a \"b\" \\ ü","version":'
  [[ $out =~ \"time\":\"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:]{8}\.[0-9]{3}Z\" ]] || explain "no time"
  [[ $out =~ \"writer\":\"[^\"]+:[0-9]+\",\"ttl_ms\":null},\{\"key\":\"zz\" ]] || explain "no writer, or another order"
  [[ $out =~ \"ttl_ms\":3[56][0-9]{5}\}\]$ ]] || explain "no time that is left"
  run_split dcoord state list
  [[ $out =~ ^KEY\ +VERSION\ +TIME\ +WRITER\ +TTL ]] || explain "other columns"
  [[ $out =~ zz\ +[0-9]{16}\ .*\ (59m|1h)[0-9.ms]*$ ]] || explain "no duration"
  seq 2000 | sed 's/.*/state set many\/& &/' | dcoord batch >/dev/null
  dcoord state list many/ --json >"$BATS_TEST_TMPDIR/json"
  [[ $(wc -l <"$BATS_TEST_TMPDIR/json") == 1 ]]
  diff <(grep -o '"key":"[^"]*"' "$BATS_TEST_TMPDIR/json" | cut -d'"' -f4) <(seq 2000 | sed 's/^/many\//' | LC_ALL=C sort)
  diff <(dcoord state list many/ -o plain | cut -f1) <(seq 2000 | sed 's/^/many\//' | LC_ALL=C sort)
}

@test "list and get --all: by prefix" {
  dcoord state set b/2 two
  dcoord state set b/1 one
  dcoord state set c three --ttl 1h
  run_split dcoord state list -o plain
  [[ $(cut -f1 <<<"$out" | tr '\n' ' ') == "b/1 b/2 c " ]] || explain "another list"
  run_split dcoord state list c --json
  expect_out_has '"ttl_ms":3'
  run_split dcoord state get --all b/ -o plain
  expect_out $'b/1\tone\nb/2\ttwo'
  run_split dcoord state get --all nothing
  expect_code 1
}

@test "watch: the value there is, then each change as a line; a restart misses nothing" {
  dcoord state set k a
  watch_it k
  wait_until 20 has_line '"value":"a"'
  dcoord state set k b
  wait_until 20 has_line '"value":"b"'
  kill -TERM "$(pid 0)"
  code=0
  wait "$(pid 0)" || code=$?
  [[ $code == 143 ]] || explain "not the signal"
  version=$(tail -n 1 "$WATCHED" | grep -o '"version":[0-9]*' | cut -d: -f2)
  dcoord state set k c
  dcoord state set k d
  watch_it k --since "$version"
  wait_until 20 has_line '"value":"d"'
  ! has_line '"value":"b"' || false
  dcoord state delete k
  wait_until 20 has_line '"change":"deleted"'
}

@test "watch --until and -w: a wait" {
  dcoord state set k 1
  watch_it k --until 3
  dcoord state set k 2
  dcoord state set k 3
  wait "$(pid 0)"
  run_split dcoord state watch k --until 4 -w 0.1
  expect_code 124
  expect_err_has "did not become '4'"
}

@test "watch: a command for each change, with what changed in its environment" {
  watch_it k --until end -- sh -c 'echo "$DCOORD_KEY $DCOORD_CHANGE $DCOORD_VALUE"'
  dcoord state set k 'a value'
  wait_until 20 has_line 'k set a value'
  dcoord state delete k
  wait_until 20 has_line 'k deleted '
  dcoord state set k end
  wait "$(pid 0)"
  has_line 'k set end'
  run_split dcoord state watch k -- no-such-command
  expect_code 127
}

@test "progress: until the total is there" {
  dcoord state set n 1
  "$DCOORD" state progress n --total 3 2>"$BATS_TEST_TMPDIR/bar" 3>&- &
  remember $!
  wait_until 20 grep -q '1/3' "$BATS_TEST_TMPDIR/bar"
  dcoord state incr n --by 2
  wait "$(pid 0)"
  grep -q '100%  3/3' "$BATS_TEST_TMPDIR/bar"
  run_split dcoord state progress n --total 5 -w 0.1
  expect_code 124
  dcoord state set n x
  run_split dcoord state progress n
  expect_code 65
}
