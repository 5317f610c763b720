# Locks in a cluster, as a user meets them.
load helper
load lock_helper

setup() {
  clean_environment
  PIDS=() PORTS=()
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
at() { redis-cli -p "${PORTS[$1]}" "${@:2}"; }
pings() { [[ $(redis-cli -p "$1" ping 2>/dev/null) == PONG ]]; }
is_up() { at "$1" cluster info | grep -q cluster_state:ok; }
replicates() { at "$1" info replication | grep -q master_link_status:up; }
is_master() { [[ $(at "$1" role | head -n 1) == master ]]; }
# start_cluster MASTERS REPLICAS: nodes 0 ... are the masters; the replicas behind them are all of node 0.
start_cluster() {
  local i port bus buses=() masters=$1 all=$(($1 + $2)) id
  for ((i = 0; i < all; i++)); do
    port=$(free_port) bus=$(free_port)
    mkdir "$DIR/$i"
    printf '%s\n' "port $port" "bind 127.0.0.1" "dir $DIR/$i" "logfile $DIR/$i/log" 'save ""' "cluster-enabled yes" \
      "cluster-port $bus" "cluster-node-timeout 1200" "repl-diskless-sync-delay 0" >"$DIR/$i/conf"
    "$SERVER_PROGRAM" "$DIR/$i/conf" >/dev/null 2>&1 3>&- &
    PIDS+=($!) PORTS+=("$port") buses+=("$bus")
    wait_until 30 pings "$port"
    ((i >= masters)) || at "$i" cluster addslotsrange $((16384 * i / masters)) $((16384 * (i + 1) / masters - 1))
    ((i == 0)) || at 0 cluster meet 127.0.0.1 "$port" "$bus"
  done
  for ((i = 0; i < all; i++)); do wait_until 30 is_up "$i"; done
  id=$(at 0 cluster myid)
  for ((i = masters; i < all; i++)); do
    wait_until 30 replicate "$i" "$id"
    wait_until 30 replicates "$i"
  done
  export DCOORD_URL=redis-cluster://127.0.0.1:${PORTS[0]}
}
# Whoever holds something has asked where all slots are: so it knows more nodes than one.
has_map() { at 0 info commandstats | grep -q 'cmdstat_cluster|slots'; }
caught_up() { [[ $(at 0 dbsize) == "$(at 3 dbsize)" ]]; }
replicate() { [[ $(at "$1" cluster replicate "$2") == OK ]]; }
# A lock whose slot is in the first third or so.
name_on_first() {
  local i key
  for i in {1..100}; do
    dcoord lock run "l$i" -- true
    key=$(at 0 --scan --pattern "dcoord:*:lock:l$i")
    [[ -z $key ]] || break
  done
  echo "l$i"
}

@test "locks on every node, one list of them, and a hand-over" {
  start_cluster 3 0
  local i
  for i in {1..12}; do
    run_split dcoord lock run "lock $i" -- echo "held $i"
    expect_code 0
    expect_out "held $i"
    expect_err ""
  done
  for i in 0 1 2; do [[ -n $(at "$i" --scan --pattern 'dcoord:*:lock:*') ]] || return 1; done
  run_split dcoord locks list -o plain --no-headers
  expect_code 0
  [[ $(cut -f1 <<<"$out" | sort) == "$(printf 'lock %s\n' {1..12} | sort)" ]]
  hold "lock 1"
  "$DCOORD" lock run "lock 1" -w 60 -- echo next >"$BATS_TEST_TMPDIR/next" 3>&- &
  local waiter=$!
  wait_until 30 waiting "lock 1" 1
  let_go
  wait "$waiter"
  [[ $(<"$BATS_TEST_TMPDIR/next") == next ]]
  eval "$(dcoord lock acquire "lock 2" --bind-pid $$)"
  dcoord lock release "lock 2"
}

@test "values on every node: a batch over all of them, one list, conditions, watching, locks of the same name" {
  start_cluster 3 0
  local i watcher
  for i in {1..12}; do printf '%s\n' "state set k$i $i" "state incr k$i"; done >"$DIR/commands"
  run_split dcoord batch "$DIR/commands"
  expect_code 0
  [[ $(grep -o '"line":[0-9]*,"code":0' <<<"$out" | wc -l) == 24 ]]
  [[ $(grep -o '"value":[0-9]*' <<<"$out" | cut -d: -f2) == "$(seq 2 13)" ]]
  for i in 0 1 2; do [[ -n $(at "$i" --scan --pattern 'dcoord:*:state:*') ]] || return 1; done
  run_split dcoord state list -o plain
  [[ $(cut -f1 <<<"$out" | sort) == "$(printf 'k%s\n' {1..12} | sort)" ]] || explain "another list"
  "$DCOORD" state watch k3 --until done 3>&- >"$DIR/watched" &
  watcher=$!
  wait_until 30 grep -q '"value":"4"' "$DIR/watched"
  dcoord state set k3 done --if-value 4
  wait "$watcher"
  run_split dcoord lock run k5 -- "$DCOORD" state set k5 mine --while-locked k5
  expect_code 0
  for i in {1..12}; do
    run_split dcoord lock run k5 -- "$DCOORD" state set "k$i" mine --while-locked k5
    ((code == 0)) || break
  done
  expect_code 64
  expect_err_has "different slots of the cluster"
}

@test "events on every node: many topics and a pattern over one subscription, and a group" {
  start_cluster 3 0
  local i topics=() one all members=()
  for i in {1..12}; do topics+=("t$i"); done
  "$DCOORD" event subscribe "${topics[@]}" --since start --count 24 -o plain 3>&- >"$DIR/named" &
  one=$!
  "$DCOORD" event subscribe --pattern 't*' --since start --count 24 -o plain 3>&- >"$DIR/matching" &
  all=$!
  for i in {1..12}; do dcoord event publish "t$i" "$i" >/dev/null; done
  wait_until 30 eval '[[ $(wc -l <"$DIR/named") == 12 && $(wc -l <"$DIR/matching") == 12 ]]'
  # Now all of them wait, a connection a slot.
  for i in {13..24}; do dcoord event publish "t$((i - 12))" "$i" >/dev/null; done
  wait "$one" "$all"
  sort -n "$DIR/named" | cmp - <(seq 24)
  sort -n "$DIR/matching" | cmp - <(seq 24)
  for i in 1 2; do
    "$DCOORD" event subscribe "${topics[@]}" --group g --since start -w 4s -- sh -c 'cat; echo' 3>&- >"$DIR/member.$i" &
    members+=($!)
  done
  wait_until 30 eval '[[ $(cat "$DIR"/member.* | grep -c .) == 24 ]]'
  for i in "${members[@]}"; do wait "$i" || true; done
  cat "$DIR"/member.* | grep . | sort -n | cmp - <(seq 24)
}

@test "a lock is held on when its master is killed and a replica takes over" {
  start_cluster 3 1
  local name
  name=$(name_on_first)
  at 0 config resetstat
  hold "$name" -t 30 --renew-every 500ms
  wait_until 30 has_map
  wait_until 30 caught_up
  kill -KILL "${PIDS[0]}"
  export DCOORD_URL=redis-cluster://127.0.0.1:${PORTS[0]},127.0.0.1:${PORTS[1]}
  wait_until 30 is_master 3
  wait_until 30 is_state "$name" held
  kill -0 "$HOLDER"
  let_go
  wait_until 30 is_state "$name" free
}

@test "--cluster, and what is said without it" {
  start_cluster 2 0
  local node=127.0.0.1:${PORTS[0]} i
  unset DCOORD_URL
  for i in {1..8}; do dcoord -u "redis://$node" --cluster lock run "l$i" -- true; done
  for i in {1..8}; do
    run_split dcoord -u "redis://$node" lock run "l$i" -- true
    ((code == 0)) || break
  done
  expect_code 78
  expect_err_has "Redis at $node is a node of a cluster, and the key is on another: MOVED"
  expect_err_has "dcoord: hint: add --cluster, or give a URL like redis-cluster://"
  run_split dcoord -u "redis://al:pass@$node" --cluster config show --origin -o plain
  expect_out_has $'server\tredis-cluster://al@'"$node"$'/0\t-u'
  [[ $out != *pass@* ]]
  DCOORD_CLUSTER=1 run_split dcoord -u "redis://$node" lock run "l$i" -- true
  expect_code 78
  DCOORD_CLUSTER=1 DCOORD_URL="redis://$node" run_split dcoord lock run "l$i" -- true
  expect_code 0
  run_split dcoord --socket /s --cluster lock show x
  expect_code 64
  expect_err_has "--cluster does not fit unix:///s"
  run_split dcoord -u redis+sentinel://h/main --cluster lock show x
  expect_code 64
  expect_err_has "--cluster does not fit the URL of sentinels"
  run_split dcoord -u "redis-cluster://$node/1" lock show x
  expect_code 78
}

@test "health: every master is tried, and one that is down is a finding" {
  start_cluster 3 1
  run_split dcoord health --ignore persistence --ignore replicas
  expect_code 0
  expect_out_has "3 masters, all slots served"
  [[ $(grep -c "ok  *lock  *127" <<<"$out") == 3 ]] || explain "not a lock on each master"
  kill -KILL "${PIDS[2]}"
  run_split dcoord health --ignore persistence --ignore replicas --limit 3s
  expect_code 2
  expect_out_has "critical"
  expect_out_has "127.0.0.1:${PORTS[2]}"
}
