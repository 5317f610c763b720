# Many commands in one process.
load helper

setup() {
  clean_environment
  start_server
}
teardown() { stop_server; }

@test "a line of JSON for each command, in order, with its own result or its error" {
  cat >"$BATS_TEST_TMPDIR/b" <<'END'
# what a shell would take as a comment
state set a 'two words'     # and here
state get a
state set b "it's" --if-absent
state set b other --if-absent

state incr n --by 5
queue push q x y
lock acquire m1 -t 10m
state get nothing
event publish t hello
END
  run_split dcoord batch "$BATS_TEST_TMPDIR/b"
  expect_code 75
  [[ $(grep -o '"line":[0-9]*,"code":[0-9]*' <<<"$out" | sed 's/"line"://; s/"code"://' | tr '\n' ' ') == \
    "2,0 3,0 4,0 5,75 7,0 8,0 9,0 10,1 11,0 " ]] || explain "other lines"
  expect_out_has '"line":3,"code":0,"result":{"key":"a","value":"two words"'
  expect_out_has '"line":5,"code":75,"error":{"kind":"exists","message":"there is a value'
  expect_out_has '"line":7,"code":0,"result":{"key":"n","value":5,"version":'
  expect_out_has '"line":8,"code":0,"result":[{"id":'
  expect_out_has '"name":"m1","token":"'
  expect_out_has '"line":11,"code":0,"result":{"topic":"t","id":"'
  run_split dcoord lock show m1
  expect_code 0
}

@test "what waits or runs a command is refused with its line, before anything is sent" {
  local line
  for line in 'lock run x -- true' 'queue pop q' 'state watch a' 'lock acquire x -w 5s' 'state set k -' 'nonsense a' \
    'event subscribe t' 'locks list --watch' 'job run a --run 1 -- true' 'job wait a --run 1' 'breaker run x -- true' \
    'elect run x -- true' 'state set k "open' 'state set k $HOME' 'state set a b | cat' 'batch' 'local stop'; do
    printf 'state set a 1\n\n%s\n' "$line" >"$BATS_TEST_TMPDIR/b"
    run_split dcoord batch "$BATS_TEST_TMPDIR/b"
    expect_code 64 || explain "$line"
    expect_err_has "line 3: "
    expect_out ""
    code=0
    dcoord batch <"$BATS_TEST_TMPDIR/b" >"$BATS_TEST_TMPDIR/o" 2>&1 || code=$?
    [[ $code == 64 ]]
    (cat "$BATS_TEST_TMPDIR/b") | dcoord batch >"$BATS_TEST_TMPDIR/o" 2>&1 || true
    grep -q "line 3: " "$BATS_TEST_TMPDIR/o"
  done
  [[ $(redis DBSIZE) == 0 ]]
}

@test "jobs, breakers, and what there is of every noun" {
  printf '%s\n' 'job mark build succeeded --run 7' 'job show build --run 7' 'job list --run 7' 'job list' 'job graph --run 7' \
    'job reset build --run 7' 'job show build --run 7' 'breaker allow api' 'breaker record api failure' 'breaker status api' \
    'breaker trip api' 'breaker list' 'breaker reset api' 'breaker hold-open api 1h' 'breaker hold-open api soon' \
    'queue push q x y' 'queue peek q' 'queue list' 'lock acquire m -t 10m' 'elect list' 'locks list' \
    'locks list --stale --held' 'breaker status api' >"$BATS_TEST_TMPDIR/b"
  run_split dcoord batch "$BATS_TEST_TMPDIR/b"
  expect_code 1
  [[ $(grep -o '^{"line":[0-9]*,"code":[0-9]*' <<<"$out" | sed 's/.*://' | tr '\n' ' ') == \
    "0 0 0 0 0 0 1 0 0 0 0 0 0 0 64 0 0 0 0 0 0 64 1 " ]] || explain "other codes"
  expect_out_has '"line":2,"code":0,"result":{"run":"7","name":"build","state":"succeeded"'
  expect_out_has '"line":3,"code":0,"result":[{"run":"7","name":"build"'
  expect_out_has '"line":4,"code":0,"result":[{"run":"7","name":"build"'
  expect_out_has '"line":5,"code":0,"result":{"run":"7"'
  expect_out_has '"line":8,"code":0,"result":{"name":"api","permit":"'
  expect_out_has '"line":9,"code":0,"result":{"name":"api","counted":true'
  expect_out_has '"line":12,"code":0,"result":[{"name":"api","state":"open"'
  expect_out_has '"line":17,"code":0,"result":[{"id":'
  expect_out_has '"line":18,"code":0,"result":[{"name":"q","ready":2'
  expect_out_has '"line":20,"code":0,"result":[]'
  expect_out_has '"line":21,"code":0,"result":[{"kind":"breaker","name":"api"'
  expect_out_has '"kind":"lock","name":"m"'
}

@test "order holds, whatever the sizes and whether scripts are loaded or not" {
  local size i
  for size in 1 7 50 1000; do
    redis flushall
    redis script flush
    for i in {1..100}; do
      echo "state set k $i"
      echo "state incr k"
      echo "state get k"
      echo "queue push q $i"
    done >"$BATS_TEST_TMPDIR/b"
    run_split dcoord batch "$BATS_TEST_TMPDIR/b" --batch-size "$size"
    expect_code 0
    [[ $(grep -o '"value":"[0-9]*"' <<<"$out" | tr -dc '0-9\n') == "$(seq 2 101)" ]] || explain "another order"
    [[ $(dcoord queue pop q --count 100) == "$(seq 100)" ]]
  done
}

@test "a command of several steps has those before it done, and those behind it wait" {
  printf '%s\n' "state set k '{\"a\":1}'" "state set k '{\"b\":2}' --json-merge" 'state get k' 'state list' \
    'state delete k' >"$BATS_TEST_TMPDIR/b"
  run_split dcoord batch "$BATS_TEST_TMPDIR/b"
  expect_code 0
  expect_out_has '"value":"{\"a\":1,\"b\":2}"'
  expect_out_has '"line":4,"code":0,"result":[{"key":"k"'
}

@test "--fail-fast: nothing behind one that failed; the code is the first one's" {
  printf '%s\n' 'state set a 1' 'state get nothing' 'state set b 1' 'state incr a --by x' >"$BATS_TEST_TMPDIR/b"
  run_split dcoord batch "$BATS_TEST_TMPDIR/b" --fail-fast
  expect_code 1
  [[ $(wc -l <<<"$out") == 2 ]]
  run_split dcoord state get b
  expect_code 1
  run_split dcoord batch "$BATS_TEST_TMPDIR/b"
  expect_code 1
  expect_out_has '"line":4,"code":64,"error":'
}

@test "a key of another kind is its command's error alone" {
  for i in {1..20}; do echo "state set k$i $i"; done >"$BATS_TEST_TMPDIR/b"
  run_split dcoord batch "$BATS_TEST_TMPDIR/b"
  expect_code 0
  key=$(redis --scan --pattern '*:state:k7')
  redis del "$key" >/dev/null
  redis set "$key" x >/dev/null
  run_split dcoord batch "$BATS_TEST_TMPDIR/b"
  expect_code 65
  [[ $(grep -c '"code":0' <<<"$out") == 19 ]] || explain "others failed, too"
  expect_out_has '"line":7,"code":65,"error":{"kind":"wrong_type"'
}

@test "commands come one by one: each is run without waiting for more" {
  mkfifo "$BATS_TEST_TMPDIR/in"
  "$DCOORD" batch --batch-timeout 10ms <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/o" 3>&- &
  pid=$!
  exec 7>"$BATS_TEST_TMPDIR/in"
  echo 'state set a 1' >&7
  wait_until 20 grep -q '"line":1,"code":0' "$BATS_TEST_TMPDIR/o"
  echo 'state incr a' >&7
  wait_until 20 grep -q '"line":2,"code":0' "$BATS_TEST_TMPDIR/o"
  exec 7>&-
  wait "$pid"
}

@test "a server that cannot be reached: each command says so" {
  stop_server
  printf 'state get a\nstate get b\n' >"$BATS_TEST_TMPDIR/b"
  run_split dcoord batch "$BATS_TEST_TMPDIR/b" --connect-timeout 0.2
  expect_code 69
  [[ $(grep -c '"code":69,"error":{"kind":"unreachable"' <<<"$out") == 2 ]] || explain "not both"
}
