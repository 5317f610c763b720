# Locks on the master that sentinels name, as a user meets them.
load helper
load lock_helper

setup() {
  clean_environment
  PIDS=()
  DIR=$(mktemp -d /tmp/dcoord-bats-XXXXXX)
}
teardown() {
  end_background
  local pid
  for pid in "${PIDS[@]:-}"; do
    if [[ -n $pid ]]; then kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi
  done
  rm -rf "$DIR"
}

free_port() {
  local port
  while port=$((20000 + RANDOM % 20000)); do
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}
# server NAME PORT [--sentinel] LINE...: a server on that port, its directory $DIR/NAME. Its process id is the last of PIDS.
server() {
  local name=$1 port=$2 sentinel=()
  shift 2
  if [[ ${1:-} == --sentinel ]]; then
    sentinel=(--sentinel)
    shift
  fi
  mkdir "$DIR/$name"
  printf '%s\n' "port $port" "bind 127.0.0.1" "dir $DIR/$name" "logfile $DIR/$name/log" 'save ""' "$@" >"$DIR/$name/conf"
  "$SERVER_PROGRAM" "$DIR/$name/conf" "${sentinel[@]}" >/dev/null 2>&1 3>&- &
  PIDS+=($!)
  wait_until 30 answers "$port"
}
answers() { [[ $(redis-cli -p "$1" ping 2>/dev/null) == PONG || $(redis-cli -p "$1" ping 2>&1) == *NOAUTH* ]]; }
# MASTER, REPLICA and SENTINEL are ports; the sentinel fails over by itself.
start_group() {
  MASTER=$(free_port) REPLICA=$(free_port) SENTINEL=$(free_port)
  server master "$MASTER" "repl-diskless-sync-delay 0"
  server replica "$REPLICA" "replicaof 127.0.0.1 $MASTER"
  server sentinel "$SENTINEL" --sentinel "sentinel monitor main 127.0.0.1 $MASTER 1" \
    "sentinel down-after-milliseconds main 1500" "sentinel failover-timeout main 5000" "$@"
  wait_until 30 replicated
  export DCOORD_URL=redis+sentinel://127.0.0.1:$SENTINEL/main
}
replicated() { redis-cli -p "$REPLICA" info replication | grep -q master_link_status:up; }
offset() { redis-cli -p "$1" info replication | grep master_repl_offset; }
caught_up() { [[ $(offset "$MASTER") == "$(offset "$REPLICA")" ]]; }
watched() { redis-cli -p "$SENTINEL" sentinel master main | grep -A1 num-slaves | grep -qx 1; }
is_master() { [[ $(redis-cli -p "$1" role | head -n 1) == master ]]; }

@test "a lock is held on through a failover, and the next in line gets it from the new master" {
  start_group
  wait_until 30 watched
  hold x -t 20 --renew-every 500ms
  "$DCOORD" lock run x -w 120 -- echo next >"$BATS_TEST_TMPDIR/next" 3>&- &
  local waiter=$!
  BACKGROUND+=("$waiter")
  wait_until 30 waiting x 1
  wait_until 30 caught_up
  is_master "$MASTER"
  kill -KILL "${PIDS[0]}"
  wait_until 30 is_master "$REPLICA"
  wait_until 30 is_state x held
  [[ ! -s $BATS_TEST_TMPDIR/next ]]
  kill -0 "$HOLDER"
  let_go
  wait "$waiter"
  [[ $(<"$BATS_TEST_TMPDIR/next") == next ]]
}

@test "a new master that never heard of the lock ends the command in time" {
  start_group
  wait_until 30 watched
  redis-cli -p "$REPLICA" replicaof 127.0.0.1 1
  run_split dcoord lock run x -t 60 --renew-every 500ms -- sh -c "kill -KILL ${PIDS[0]}; sleep 1000"
  expect_code 79
  expect_err_has "dcoord: error: lost lock 'x': the server no longer knows the lease; the command was stopped"
}

@test "the sentinels have credentials of their own" {
  start_group "requirepass sekret"
  run_split dcoord lock run x -- true
  expect_code 77
  expect_err_has "dcoord: error: the sentinel at 127.0.0.1:$SENTINEL does not let us in: NOAUTH"
  expect_err_has "hint: the sentinels' password comes from --sentinel-pass-file"
  DCOORD_SENTINEL_PASSWORD=sekret run_split dcoord lock run x -- echo in
  expect_code 0
  expect_out in
  expect_err ""
  (umask 077 && echo sekret >"$BATS_TEST_TMPDIR/pass")
  run_split dcoord lock run x --sentinel-pass-file "$BATS_TEST_TMPDIR/pass" -- echo in
  expect_code 0
  DCOORD_SENTINEL_PASSWORD=wrong run_split dcoord lock run x -- true
  expect_code 77
  DCOORD_SENTINEL_PASSWORD=sekret run_split dcoord config show --origin -o plain
  expect_out_has $'sentinel-password\t***\tDCOORD_SENTINEL_PASSWORD'
  [[ $out != *sekret* ]]
  DCOORD_SENTINEL_PASSWORD=sekret run_split dcoord lock run x --scrub-env -- sh -c 'echo ${DCOORD_SENTINEL_PASSWORD-gone}'
  expect_out gone
}

@test "what is wrong with the URL or the sentinels is said" {
  start_group
  run_split dcoord -u "redis+sentinel://127.0.0.1:$SENTINEL" lock run x -- true
  expect_code 78
  expect_err_has "-u: 'redis+sentinel://127.0.0.1:$SENTINEL': the name of the master is missing"
  run_split dcoord -u "redis+sentinel://127.0.0.1:$SENTINEL/other" lock run x -- true
  expect_code 69
  expect_err_has "no sentinel names a master 'other': 127.0.0.1:$SENTINEL: it knows no master of that name"
  run_split dcoord -u "redis+sentinel://al:pass@127.0.0.1:$SENTINEL/main" config show --origin -o plain
  expect_out_has $'server\tredis+sentinel://al@127.0.0.1:'"$SENTINEL/main/0"$'\t-u'
  expect_out_has $'url\tredis+sentinel://al:***@127.0.0.1:'"$SENTINEL/main"$'\t--url'
  run_split dcoord --port 1 lock run x -- true
  expect_code 64
  expect_err_has "--port does not fit the URL of several servers"
  run_split dcoord -u "redis://127.0.0.1:$MASTER" --sentinel-user al lock run x -- true
  expect_code 64
  expect_err_has "--sentinel-user needs sentinels to log in to"
  run_split dcoord --host 127.0.0.1 --port "$MASTER" lock run x -- echo direct
  expect_code 0
}

@test "health: the master that the sentinels name, its replica, and their quorum" {
  start_group
  wait_until 30 watched
  run_split dcoord health --deep --ignore persistence
  expect_code 0
  expect_out_has "1 sentinel, with a quorum for failover"
  expect_out_has "replication"
  [[ $(grep -c 127.0.0.1:"$REPLICA" <<<"$out") -ge 1 ]]
  run_split dcoord health -u "redis+sentinel://127.0.0.1:$SENTINEL/other"
  expect_code 2
  expect_out_has "it knows no master 'other'"
  run_split dcoord health --ignore persistence -u "redis+sentinel://127.0.0.1:$SENTINEL,127.0.0.1:1/main"
  expect_code 1
  expect_out_has "warning   sentinel"
}
