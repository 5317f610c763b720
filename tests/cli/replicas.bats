# What holders ask of the servers that remember what they hold: replicas that have it, no eviction.
load helper
load lock_helper

setup() { clean_environment; }
teardown() {
  end_background
  if [[ -n ${REPLICA_PID:-} ]]; then kill -KILL "$REPLICA_PID"; wait "$REPLICA_PID" 2>/dev/null || true; fi
  rm -rf "${REPLICA_DIR:-}"
  stop_server
}

# A server with one replica.
start_with_replica() {
  local port
  port=$(free_port)
  start_server "port $port" "bind 127.0.0.1" "repl-diskless-sync-delay 0"
  REPLICA_DIR=$(mktemp -d /tmp/dcoord-bats-XXXXXX)
  printf '%s\n' "port 0" "unixsocket $REPLICA_DIR/s" "dir $REPLICA_DIR" 'save ""' "replicaof 127.0.0.1 $port" >"$REPLICA_DIR/conf"
  "$SERVER_PROGRAM" "$REPLICA_DIR/conf" >"$REPLICA_DIR/log" 2>&1 3>&- &
  REPLICA_PID=$!
  wait_until 30 replicated
}
replicated() { redis-cli -s "$REPLICA_DIR/s" info replication 2>/dev/null | grep -q master_link_status:up; }

@test "a grant counts when enough replicas have it" {
  start_with_replica
  run_split dcoord lock run x --replicas 1 --replica-timeout 5s -- echo held
  expect_code 0
  expect_out held
  expect_err ""
  run_split dcoord lock run x --replicas 2 --replica-timeout 200ms -- echo held
  expect_code 69
  expect_out ""
  expect_err_has "dcoord: error: lock 'x' was granted, but only 1 of 2 replicas acknowledged it; it was released again"
  is_state x free
  kill -STOP "$REPLICA_PID"
  DCOORD_LOCK_REPLICAS=1 run_split dcoord lock acquire x --replica-timeout 200ms
  kill -CONT "$REPLICA_PID"
  expect_code 69
  expect_err_has "only 0 of 1 replicas acknowledged it"
  is_state x free
  # Who is refused waits for no replica.
  hold x
  kill -STOP "$REPLICA_PID"
  run_split dcoord lock run x -n --replicas 1 -- true
  expect_code 75
  kill -CONT "$REPLICA_PID"
  let_go
  run_split dcoord lock run x -t 3 --replicas 1 --replica-timeout 1s -- true
  expect_code 64
  expect_err_has "--replica-timeout 1s does not fit into --ttl 3s"
}

@test "a renewal that no replica has does not lengthen the lease" {
  start_with_replica
  run_split dcoord lock run x -t 9 --replicas 1 --replica-timeout 1500ms -- sh -c "kill -STOP $REPLICA_PID; sleep 1000"
  expect_code 79
  expect_err_has "it could not be renewed in time: only 0 of 1 replicas acknowledged it"
}

@test "a server that drops keys when its memory is full is refused" {
  start_server "maxmemory 100mb" "maxmemory-policy allkeys-lru"
  run_split dcoord lock run x -- true
  expect_code 78
  expect_err_has "may drop what is held when its memory is full: maxmemory-policy is allkeys-lru"
  expect_err_has "hint: set maxmemory-policy noeviction there, or give --allow-eviction"
  [[ -z $(redis --scan) ]]
  run_split dcoord lock acquire x
  expect_code 78
  run_split dcoord lock show x
  expect_code 1
  run_split dcoord lock run x --allow-eviction -- echo held
  expect_out held
  redis config set maxmemory-policy noeviction
  run_split dcoord lock run x -- echo held
  expect_out held
  redis config set maxmemory-policy volatile-ttl maxmemory 0
  run_split dcoord lock run x -- echo held
  expect_out held
  redis config set maxmemory 100mb
  run_split dcoord lock run x -- true
  expect_code 78
}
