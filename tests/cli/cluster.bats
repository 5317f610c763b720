# Locks in a cluster, as a user meets them.
load helper
load lock_helper
load servers_helper
load elect_helper

setup() { setup_servers; }
teardown() { teardown_servers; }

is_up() { at "$1" cluster info | grep -q cluster_state:ok; }
# start_cluster MASTERS REPLICAS: nodes 0 ... are the masters; the replicas behind them are all of node 0.
start_cluster() {
  local i bus buses=() masters=$1 all=$(($1 + $2)) id
  for ((i = 0; i < all; i++)); do
    bus=$(free_port)
    server "$i" "$(free_port)" "cluster-enabled yes" "cluster-port $bus" "cluster-node-timeout 1200" \
      "repl-diskless-sync-delay 0"
    buses+=("$bus")
    ((i >= masters)) || at "$i" cluster addslotsrange $((16384 * i / masters)) $((16384 * (i + 1) / masters - 1))
    ((i == 0)) || at 0 cluster meet 127.0.0.1 "${PORTS[$i]}" "$bus"
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
  # The operator's view and hand reach all nodes.
  [[ $(dcoord locks stats -o plain | wc -l) == 12 ]]
  for i in 1 2 3 4; do dcoord lock acquire "short $i" -t 1s >/dev/null; done
  all_stale() { [[ $(dcoord locks list 'short *' --stale -o plain | wc -l) == 4 ]]; }
  wait_until 30 all_stale
  run_split dcoord locks release-stale 'short *' --yes -o plain
  expect_code 0
  [[ $(cut -f6 <<<"$out" | sort -u) == released ]]
  [[ -z $(dcoord locks list --stale -o plain) ]]
  run_split dcoord locks why "short 1"
  expect_out_has "had left it behind"
  run_split dcoord locks deadlocks
  expect_code 0
}

@test "an operator sees every kind on every node: list, metrics, top, and a trace" {
  start_cluster 3 0
  local i kind
  export DCOORD_TRACE_STREAM=1
  for i in {1..6}; do
    dcoord queue push "n$i" item
    dcoord breaker trip "n$i"
    dcoord barrier arrive "n$i" --parties 2 --id one
    dcoord lock run "n$i" -- true
  done
  dcoord elect run n1 -- true
  for i in 0 1 2; do [[ -n $(at "$i" --scan --pattern 'dcoord:*:breaker:*') ]] || return 1; done
  for kind in queue breaker barrier lock; do
    [[ $(dcoord locks list --kind "$kind" -o plain | cut -f1 | sort) == "$(printf 'n%s\n' {1..6})" ]] || explain "not all of kind $kind"
  done
  run_split dcoord metrics
  [[ $(grep -c '^dcoord_breaker_state{.*state="open"} 1$' <<<"$out") == 6 ]] || explain "not all breakers"
  [[ $(grep -c '^dcoord_lock_acquired_total' <<<"$out") == 6 ]] || explain "not all locks"
  run_split dcoord top --batch --iterations 1
  for kind in "locks: 6" "elections: 1" "queues: 6" "breakers: 6"; do expect_out_has "$kind"; done
  # What is of one name may be on one node, and the name is all that one has to know.
  for i in {1..6}; do
    run_split dcoord trace "n$i" --json
    expect_code 0
    for kind in lock queue breaker barrier; do expect_out_has "\"kind\":\"$kind\""; done
  done
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
  "$DCOORD" state watch k3 --until "done" 3>&- >"$DIR/watched" &
  watcher=$!
  wait_until 30 grep -q '"value":"4"' "$DIR/watched"
  dcoord state set k3 "done" --if-value 4
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
  end_server 0
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

@test "queues: push, wait, work and a list over all nodes, while a queue's slot moves to another one" {
  start_cluster 3 0
  local name slot from to
  for name in a b c d e; do seq 20 | dcoord queue push "$name"; done
  [[ $(dcoord queue list --json | grep -o '"ready":20' | wc -l) == 5 ]]
  for name in b c d e; do
    dcoord queue work "$name" --until-empty --concurrency 2 -- sh -c "item=\$(cat); echo \"\$item\" >>'$DIR/$name.got'"
    [[ $(grep . "$DIR/$name.got" | sort -n) == "$(seq 20)" ]]
  done
  slot=$(at 0 cluster keyslot "$(for from in 0 1 2; do at "$from" --scan --pattern 'dcoord:*:queue:a'; done)")
  for from in 0 1 2; do [[ -n $(at "$from" cluster getkeysinslot "$slot" 1) ]] && break; done
  to=$(((from + 1) % 3))
  "$DCOORD" queue work a -- sh -c "cat >>'$DIR/a.got'; echo >>'$DIR/a.got'" 3>&- &
  local worker=$!
  BACKGROUND+=("$worker")
  at "$to" cluster setslot "$slot" importing "$(at "$from" cluster myid)"
  at "$from" cluster setslot "$slot" migrating "$(at "$to" cluster myid)"
  local key
  for key in $(at "$from" cluster getkeysinslot "$slot" 100); do
    at "$from" migrate 127.0.0.1 "${PORTS[$to]}" "$key" 0 5000
  done
  for key in 0 1 2; do at "$key" cluster setslot "$slot" node "$(at "$to" cluster myid)"; done
  echo 21 | dcoord queue push a
  wait_until 30 sh -c "[ \$(grep -c . '$DIR/a.got') -ge 21 ]"
  kill "$worker"
  wait "$worker" || true
  [[ $(grep . "$DIR/a.got" | sort -n) == "$(seq 21)" ]]
}

# Moves a slot from node 0 to node 1, with everything in it, a key at a time.
move_slot() {
  local slot=$1 from to key
  from=$(at 0 cluster myid) to=$(at 1 cluster myid)
  at 1 cluster setslot "$slot" importing "$from" >/dev/null
  at 0 cluster setslot "$slot" migrating "$to" >/dev/null
  while key=$(at 0 cluster getkeysinslot "$slot" 1) && [[ -n $key ]]; do
    at 0 migrate 127.0.0.1 "${PORTS[1]}" "$key" 0 5000 >/dev/null
  done
  local i
  for i in 1 0 2; do at "$i" cluster setslot "$slot" node "$to" >/dev/null; done
}
election_key() { at 0 --scan --pattern "dcoord:*:elect:$1" | head -n 1; }

@test "an election goes on while its slot moves to another node, and when that one hands over, terms rise" {
  start_cluster 3 0
  local name key
  for name in e{1..50}; do
    "$DCOORD" elect run "$name" -- true
    key=$(election_key "$name")
    [[ -z $key ]] || break
  done
  lead "$name" a -t 6 --renew-every 100ms
  wait_until 30 story_has "a leads 2"
  lead "$name" b -t 6
  wait_until 30 standing_by "$name" 1
  move_slot "$(at 0 cluster keyslot "$key")"
  [[ -z $(election_key "$name") && $(at 1 exists "$key") == 1 ]]
  leads "$name" a
  run_split dcoord elect resign "$name"
  expect_code 0
  wait_until 30 story_has "b leads 3"
  wait_until 30 standing_by "$name" 1
  kill -TERM "$LEADER"
  wait_until 30 story_has "a leads 4"
  [[ $(grep -c leads "$BATS_TEST_TMPDIR/story") == 3 ]]
}

@test "an election in a cluster goes on after a failover, in a later term or with the same leader" {
  start_cluster 3 1
  local name key
  for name in e{1..50}; do
    "$DCOORD" elect run "$name" -- true
    key=$(election_key "$name")
    [[ -z $key ]] || break
  done
  lead "$name" a -t 30 --renew-every 500ms
  wait_until 30 story_has "a leads 2"
  wait_until 30 caught_up
  export DCOORD_URL=redis-cluster://127.0.0.1:${PORTS[0]},127.0.0.1:${PORTS[1]}
  end_server 0
  wait_until 30 is_master 3
  wait_until 30 leads "$name" a
  lead "$name" b
  wait_until 30 standing_by "$name" 1
  kill -TERM "${BACKGROUND[0]}"
  wait_until 30 story_has "b leads 3"
}

@test "barriers, jobs and breakers on every node: waiting, wake-ups and lists" {
  start_cluster 3 0
  local i pids=()
  for i in {1..4}; do
    dcoord barrier wait "step $i" --parties 2 --progress none >/dev/null 3>&- &
    pids+=($!)
    dcoord job run last --run "run $i" --after first --progress none -- sh -c "echo 'last $i' >>$DIR/story" 3>&- &
    pids+=($!)
  done
  BACKGROUND+=("${pids[@]}")
  announced() { [[ $(dcoord job list -o plain | cut -f3) == "$(printf 'waiting\n%.0s' {1..4})" ]]; }
  wait_until 20 announced
  waiting_at() { dcoord barrier show "step $1" --json | grep -q '"waiting":1,'; }
  for i in {1..4}; do
    wait_until 20 waiting_at "$i"
    dcoord barrier wait "step $i" --parties 2 >/dev/null
    dcoord job run first --run "run $i" -- sh -c "echo 'first $i' >>$DIR/story"
    dcoord breaker run "api $i" --failure-threshold 1 -- false || true
  done
  wait "${pids[@]}"
  for i in {1..4}; do [[ $(grep " $i\$" "$DIR/story") == "first $i"$'\n'"last $i" ]]; done
  [[ $(dcoord job list -o plain | cut -f3 | sort | uniq -c | tr -s ' ') == " 8 succeeded" ]]
  [[ $(dcoord breaker list -o plain | cut -f1,2) == "$(printf 'api %d\topen\n' {1..4})" ]]
}
