# Locks on the master that sentinels name, as a user meets them.
load helper
load lock_helper
load servers_helper
load elect_helper

setup() { setup_servers; }
teardown() { teardown_servers; }

# A master, a replica, and a sentinel that fails over by itself; further lines are the sentinel's.
start_group() {
  start_servers
  start_sentinel "$@"
}
start_servers() {
  server master "$(free_port)" "repl-diskless-sync-delay 0" "$@"
  server replica "$(free_port)" "replicaof 127.0.0.1 ${PORTS[master]}" "$@"
  MASTER=${PORTS[master]}
  wait_until 30 replicates replica
}
start_sentinel() {
  SENTINEL=$(free_port)
  server sentinel "$SENTINEL" --sentinel "sentinel monitor main 127.0.0.1 $MASTER 1" \
    "sentinel down-after-milliseconds main 1500" "sentinel failover-timeout main 5000" "$@"
  export DCOORD_URL=redis+sentinel://127.0.0.1:$SENTINEL/main
}
offset() { at "$1" info replication | sed -n 's/^master_repl_offset:\([0-9]*\).*/\1/p'; }
# The replica has all that the master had written when this began.
caught_up() {
  local written
  written=$(offset master)
  [[ $(offset replica) -ge $written ]]
}
watched() { at sentinel sentinel master main | grep -A1 num-slaves | grep -qx 1; }

@test "a lock is held on through a failover, and the next in line gets it from the new master" {
  start_group
  wait_until 30 watched
  hold x -t 20 --renew-every 500ms
  "$DCOORD" lock run x -w 120 -- echo next >"$BATS_TEST_TMPDIR/next" 3>&- &
  local waiter=$!
  BACKGROUND+=("$waiter")
  wait_until 30 waiting x 1
  wait_until 30 caught_up
  is_master master
  end_server master
  wait_until 30 is_master replica
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
  at replica replicaof 127.0.0.1 1
  run_split dcoord lock run x -t 60 --renew-every 500ms -- sh -c "kill -KILL ${PIDS[master]}; sleep 1000"
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
  [[ $(grep -c 127.0.0.1:"${PORTS[replica]}" <<<"$out") -ge 1 ]]
  run_split dcoord health -u "redis+sentinel://127.0.0.1:$SENTINEL/other"
  expect_code 2
  expect_out_has "it knows no master 'other'"
  run_split dcoord health --ignore persistence -u "redis+sentinel://127.0.0.1:$SENTINEL,127.0.0.1:1/main"
  expect_code 1
  expect_out_has "warning   sentinel"
}

@test "an election goes on through a failover, in rising terms" {
  start_group
  wait_until 30 watched
  lead x a -t 20 --renew-every 500ms
  wait_until 30 story_has "a leads 1"
  lead x b -t 20
  wait_until 30 standing_by x 1
  wait_until 30 caught_up
  end_server master
  wait_until 30 is_master replica
  wait_until 30 leads x a
  kill -TERM "${BACKGROUND[0]}"
  wait_until 30 story_has "b leads 2"
  [[ $(<"$BATS_TEST_TMPDIR/story") == $'a leads 1\na stops\nb leads 2' ]]
}

@test "an election that the new master never heard of: the command is stopped, then a later fence leads" {
  start_group
  wait_until 30 watched
  at replica replicaof 127.0.0.1 1
  "$DCOORD" elect run x -t 60 --renew-every 500ms --candidate a --progress none -- sh -c "echo \$DCOORD_FENCE >>$BATS_TEST_TMPDIR/fences
    trap 'echo a stops >>$BATS_TEST_TMPDIR/story; exit 0' TERM; kill -KILL ${PIDS[master]}; sleep 1000 & wait" 3>&- 2>>"$BATS_TEST_TMPDIR/messages" &
  BACKGROUND+=("$!")
  wait_until 60 story_has "a stops"
  wait_until 60 grep -q "lost election 'x' (term 1)" "$BATS_TEST_TMPDIR/messages"
  wait_until 60 led_again
  sort -n -c -u "$BATS_TEST_TMPDIR/fences"
}
led_again() { [[ $(wc -l <"$BATS_TEST_TMPDIR/fences") == 2 ]]; }

@test "sentinels and servers over TLS, through a failover" {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$DIR/key" -out "$DIR/cert" -days 2 -subj /CN=127.0.0.1 \
    -addext "subjectAltName=IP:127.0.0.1" 2>/dev/null
  local tls=("tls-cert-file $DIR/cert" "tls-key-file $DIR/key" "tls-ca-cert-file $DIR/cert" "tls-auth-clients no"
    "tls-replication yes" "repl-diskless-sync-delay 0")
  local master replica sentinel
  master=$(free_port) replica=$(free_port) sentinel=$(free_port)
  server master 0 "tls-port $master" "${tls[@]}"
  server replica 0 "tls-port $replica" "${tls[@]}" "replicaof 127.0.0.1 $master"
  wait_until 30 replicates replica
  server sentinel 0 --sentinel "tls-port $sentinel" "${tls[@]:0:5}" "sentinel monitor main 127.0.0.1 $master 1" \
    "sentinel down-after-milliseconds main 1500" "sentinel failover-timeout main 5000"
  wait_until 30 watched
  export DCOORD_URL=rediss+sentinel://127.0.0.1:$sentinel/main
  run_split dcoord lock run x -- true
  expect_code 77
  expect_err_has "certificate"
  export DCOORD_CACERT=$DIR/cert
  lead x a -t 20 --renew-every 500ms
  wait_until 30 story_has "a leads 1"
  wait_until 30 caught_up
  end_server master
  wait_until 30 is_master replica
  wait_until 30 leads x a
  kill -TERM "$LEADER"
  wait_until 30 story_has "a stops"
}
