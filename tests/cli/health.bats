# `dcoord health`: what it finds, and how it says so.
load helper

setup() { clean_environment; }
teardown() {
  [[ -z ${REPLICA_PID:-} ]] || kill -KILL "$REPLICA_PID" 2>/dev/null || true
  stop_server
}

# The finding of a check: "LEVEL", then its text.
finding() { "$DCOORD" health -o plain "${@:2}" 2>/dev/null | awk -F'\t' -v check="$1" '$2 == check { print $1 " " $4 }'; }

@test "a server that keeps its data is healthy: 0, and nothing of the check stays in any list" {
  start_server "appendonly yes"
  run_split dcoord health
  expect_code 0
  expect_out_has "ok: unix://$SERVER_SOCKET (DCOORD_URL)"
  expect_out_has "lock         acquired in "
  expect_out_has "permissions  all commands that dcoord uses"
  [[ $out != *warning* && $out != *critical* ]]
  run_split dcoord locks list -o plain
  expect_out ""
  run_split dcoord health --deep
  expect_code 0
  expect_out_has "hand-over"
  [[ $(redis --scan --pattern '*mail*') == "" ]]
}

@test "a finding comes with its remedy, is 1 or 2, and can be ignored by name" {
  start_server
  run_split dcoord health
  expect_code 1
  expect_out_has "-> CONFIG SET appendonly yes"
  run_split dcoord health --ignore persistence
  expect_code 0
  expect_out_has "note      persistence"
  redis config set maxmemory 100mb >/dev/null
  redis config set maxmemory-policy allkeys-lru >/dev/null
  run_split dcoord health --ignore persistence
  expect_code 2
  expect_out_has "critical  eviction     maxmemory-policy is allkeys-lru"
  expect_out_has "-> CONFIG SET maxmemory-policy noeviction"
  run_split dcoord health --ignore persistance
  expect_code 64
  expect_err_has "there is no check 'persistance'"
}

@test "Nagios: one line with performance data, and a line a finding; -o and --as are the same" {
  start_server "appendonly yes"
  run_split dcoord health -o nagios
  expect_code 0
  number='[0-9]+\.[0-9]{6}'
  [[ $(head -n 1 <<<"$out") =~ ^DCOORD\ OK\ -\ [^\|]*\ \|(\ [a-z_]+=${number}s\;$number\;$number\;0)+$ ]] || explain "no Nagios line"
  expect_out_has " acquire="
  run_split dcoord health --as nagios -t 1m
  expect_out_has "s;1.000000;10.000000;0"
  redis config set appendonly no >/dev/null
  run_split dcoord health -o nagios
  expect_code 1
  [[ $(head -n 1 <<<"$out") == "DCOORD WARNING - persistence: "* ]]
  [[ $(sed -n 2p <<<"$out") == "warning persistence: "*" -> CONFIG SET appendonly yes"* ]]
  run_split dcoord health -o nagios --cacert "$BATS_TEST_TMPDIR/none" -u rediss://127.0.0.1:1
  expect_code 2
}

@test "JSON names every finding, and what was measured" {
  start_server
  run_split dcoord health --json
  expect_code 1
  python3 - "$out" <<'PY'
import json, sys
report = json.loads(sys.argv[1])
assert report["status"] == "warning", report["status"]
assert report["acquire_us"] > 0 and report["release_us"] > 0
assert report["servers"][0]["role"] == "master" and report["servers"][0]["reached"] is True
assert abs(report["servers"][0]["clock_ahead_ms"]) < 1000
checks = {f["check"]: f for f in report["findings"]}
assert checks["persistence"]["status"] == "warning" and checks["persistence"]["remedy"]
assert checks["lock"]["status"] == "ok"
PY
}

@test "a server that is not there, and one that hangs, are findings" {
  export DCOORD_URL=unix://$BATS_TEST_TMPDIR/none
  run_split dcoord health
  expect_code 2
  expect_out_has "critical  connect  cannot connect to Redis"
  run_split dcoord health -o nagios
  expect_code 2
  [[ $out == "DCOORD CRITICAL - connect: "* ]]
  start_server
  kill -STOP "$SERVER_PID"
  run_split timeout 60 "$DCOORD" health --limit 1s -o nagios
  kill -CONT "$SERVER_PID"
  expect_code 2
  expect_out_has "DCOORD CRITICAL - connect: no answer from Redis at $SERVER_SOCKET"
}

@test "permissions: each command that is missing, with the line that grants it; what may not be looked at is noted" {
  start_server "appendonly yes" "user u on >p ~dcoord:* &dcoord:* +@all -hincrby -xadd -blpop -config"
  export DCOORD_PASSWORD=p
  run_split dcoord health --user u
  expect_code 2
  expect_out_has "critical  permissions  not allowed: HINCRBY, XADD, BLPOP"
  expect_out_has "-> ACL SETUSER u +hincrby +xadd +blpop"
  expect_out_has "note      settings"
  redis acl setuser u +@all -@admin -@dangerous >/dev/null
  run_split dcoord health --user u --ignore permissions
  expect_code 0
  expect_out_has "note      info         not known: "
  redis acl setuser u -zadd >/dev/null
  run_split dcoord health --user u
  expect_code 2
  expect_out_has "critical  lock "
  expect_out_has "-> ACL SETUSER u +info +zadd"
}

@test "a replica is no server to lock on; a master tells of its replicas, with --deep each one does" {
  start_server "appendonly yes" "repl-diskless-sync-delay 0"
  port=$((20000 + RANDOM % 20000))
  mkdir "$SERVER_DIR/replica"
  redis config set port "$port" >/dev/null
  "$SERVER_PROGRAM" --port 0 --unixsocket "$SERVER_DIR/r" --dir "$SERVER_DIR/replica" --save '' --replicaof 127.0.0.1 "$port" \
    >/dev/null 2>&1 3>&- &
  REPLICA_PID=$!
  up() { redis info replication | grep -q state=online; }
  wait_until 30 up
  run_split dcoord health -u "unix://$SERVER_DIR/r"
  expect_code 2
  expect_out_has "critical  role     it is a replica of 127.0.0.1:$port"
  [[ $(finding replicas) == "ok 1 online"* ]]
  [[ $(finding replicas --replicas 2) == *"critical 1 of the 2 that --replicas asks for" ]]
  run_split dcoord health --deep
  # The replica has no port that could be connected to: that is found, and the master is still well.
  expect_code 2
  expect_out_has "ok        lock"
}
