# Locks and elections that five independent servers keep together.
load helper
load lock_helper
load servers_helper
load elect_helper

setup() { setup_servers; }
teardown() { teardown_servers; }

# start_quorum LINE...: servers 0 to 4. They were started only now, which but for its own test shall not matter.
start_quorum() {
  local i
  for i in 0 1 2 3 4; do server "$i" 0 "$@"; done
  DCOORD_URL=$(printf "unix://$DIR/%s/s " 0 1 2 3 4)
  export DCOORD_URL DCOORD_LOCK_NO_RESTART_GUARD=1 DCOORD_ELECT_NO_RESTART_GUARD=1
}
stop_servers() { for i in "$@"; do kill -STOP "${PIDS[$i]}"; done; }
continue_servers() { for i in "$@"; do kill -CONT "${PIDS[$i]}"; done; }
# On how many servers somebody holds the lock, or leads.
held_on() {
  local i n=0
  for i in 0 1 2 3 4; do
    [[ $("$DCOORD" -u "unix://$DIR/$i/s" "$1" show "$2" --json) != *'"state":"'@(held|led)'"'* ]] || n=$((n + 1))
  done
  echo "$n"
}
is_held_on() { [[ $(held_on "$1" "$2") == "$3" ]]; }

@test "a lock: held by a majority, waited for, handed on, free" {
  start_quorum
  run_split dcoord lock run x -- sh -c 'echo $DCOORD_FENCE'
  expect_code 0
  expect_err ""
  local first=$out
  [[ $first -gt 1000000000000000 ]]
  hold x
  is_held_on lock x 5
  is_state x held
  run_split dcoord lock run x -n -- true
  expect_code 75
  expect_err_has "lock 'x' is held by"
  run_split dcoord lock run x -w 0.3 -- true
  expect_code 75
  expect_err_has "gave up on lock 'x' after"
  "$DCOORD" lock run x -- sh -c 'echo $DCOORD_FENCE' >"$BATS_TEST_TMPDIR/next" 3>&- &
  local waiter=$!
  BACKGROUND+=("$waiter")
  wait_until 30 waiting x 1
  let_go
  wait "$waiter"
  [[ $(<"$BATS_TEST_TMPDIR/next") -gt $first ]]
  wait_until 30 is_state x free
  run_split dcoord lock forget x
  expect_code 0
}

@test "acquire, renew, release, an operator's release; readers together" {
  start_quorum
  eval "$(dcoord lock acquire x -t 1m)"
  run_split dcoord lock renew x -t 2m
  expect_code 0
  run_split dcoord lock release x
  expect_code 0
  run_split dcoord lock renew x
  expect_code 1
  run_split dcoord lock release x
  expect_code 0
  hold x
  run_split dcoord lock release x --force --holder "$(dcoord lock show x --json | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')"
  expect_code 0
  wait "$HOLDER" || code=$?
  [[ $code == 79 ]]
  hold x -s
  run_split dcoord lock run x -s -n -- echo read
  expect_out read
  run_split dcoord lock run x -n -- true
  expect_code 75
  bash -c "eval \"\$('$DCOORD' lock acquire y --bind-pid \$\$)\"; '$DCOORD' lock show y >/dev/null && echo >$BATS_TEST_TMPDIR/bound"
  [[ -e $BATS_TEST_TMPDIR/bound ]]
  wait_until 30 is_state y free
}

@test "with two of five away work goes on" {
  start_quorum
  hold x -t 6
  end_server 0
  stop_servers 1
  run_split dcoord lock run y -- echo held
  expect_code 0
  expect_out held
  eval "$(dcoord lock acquire z)"
  # Through some renewals of a lease that both have a part in.
  wait_until 30 renewed_often 2
  kill -0 "$HOLDER"
  let_go
  continue_servers 1
  wait_until 30 is_state x free
}
# The holder of x has renewed at least five times there.
renewed_often() { [[ $(at "$1" info commandstats | sed -n 's/^cmdstat_evalsha:calls=\([0-9]*\).*/\1/p') -gt 12 ]]; }

@test "with three of five away nobody leads, and what ran is stopped; then it goes on, in a later term" {
  start_quorum
  lead x a -t 3
  wait_until 30 story_has "a leads 1"
  lead x b -t 3
  wait_until 30 standing_by x 1
  stop_servers 0 1
  end_server 2
  wait_until 30 story_has "a stops"
  wait_until 30 grep -q "lost election 'x' (term 1): it could not be renewed in time: no quorum for election 'x': 2 of 5 servers count, 3 have to" "$BATS_TEST_TMPDIR/messages"
  run_split dcoord lock run y -n --command-timeout 1s -- true
  expect_code 69
  expect_err_has "dcoord: error: no quorum for lock 'y': 2 of 5 servers count, 3 have to; unix://$DIR/0/s"
  [[ $(grep -c leads "$BATS_TEST_TMPDIR/story") == 1 ]]
  continue_servers 0 1
  wait_until 60 story_has '[ab] leads 2'
}

@test "servers that are restarted one after the other, empty, cost nobody the lead" {
  start_quorum
  lead x a -t 6
  wait_until 30 story_has "a leads 1"
  lead x b -t 6
  wait_until 30 standing_by x 1
  local i
  for i in 0 1 2 3 4; do
    restart "$i"
    wait_until 30 is_held_on elect x 5
  done
  [[ $(<"$BATS_TEST_TMPDIR/story") == "a leads 1" ]]
  kill -TERM "${BACKGROUND[0]}"
  wait_until 30 story_has "b leads 2"
}

@test "servers that are restarted with their data go on where they were" {
  start_quorum "appendonly yes" "appendfsync always"
  unset DCOORD_LOCK_NO_RESTART_GUARD
  hold x
  local i
  for i in 0 1 2 3 4; do restart "$i"; done
  is_held_on lock x 5
  run_split dcoord lock run x -n -- true
  expect_code 75
  let_go
  wait_until 30 is_state x free
  run_split dcoord lock run x -- echo held
  expect_out held
}

@test "a server that may have forgotten a lease does not count" {
  start_quorum
  unset DCOORD_LOCK_NO_RESTART_GUARD
  run_split dcoord lock run x -t 1h -n -- true
  expect_code 69
  expect_err_has "no quorum for lock 'x': 0 of 5 servers count, 3 have to; unix://$DIR/0/s: it was started"
  expect_err_has "hint: servers with appendfsync always count at once; --no-restart-guard counts all"
  is_held_on lock x 0
  # It waits until they count.
  run_split dcoord lock run y -t 1 -- echo held
  expect_code 0
  expect_out held
  run_split dcoord lock run y -t 1h --no-restart-guard -n -- echo held
  expect_out held
  # The longest lease that they may have forgotten is what counts, also somebody else's.
  run_split dcoord lock run y -t 1 -n -- true
  expect_code 69
}

@test "a majority that forgot a lease gives it to nobody else, but for who says that it may" {
  start_quorum
  unset DCOORD_LOCK_NO_RESTART_GUARD
  run_split dcoord lock acquire x -t 1h --no-restart-guard
  expect_code 0
  local i
  for i in 0 1 2; do restart "$i"; done
  is_held_on lock x 2
  run_split dcoord lock run x -t 1h -n -- echo two
  expect_code 69
  expect_err_has "0/s: it was started"
  expect_out ""
  run_split dcoord lock run x -t 1h -n --no-restart-guard -- echo two
  expect_code 0
  expect_out two
}

@test "the same servers, in the same words" {
  start_quorum
  local some=(-u "unix://$DIR/0/s" -u "unix://$DIR/1/s" -u "unix://$DIR/2/s")
  hold x
  run_split dcoord "${some[@]}" lock run x -n -- true
  expect_code 78
  expect_err_has "lock 'x' is in use and kept by unix://$DIR/0/s"
  run_split dcoord -u "unix://$DIR/0/s" lock run x -n -- true
  expect_code 78
  expect_err_has "lock 'x' is in use and kept by several servers together, not by this server alone"
  let_go
  run_split dcoord "${some[@]}" lock run x -n -- echo held
  expect_out held
  run_split dcoord "${some[@]}" -u "unix://$DIR/0/s" lock run x -- true
  expect_code 64
  expect_err_has "names unix://$DIR/0/s twice"
  ln -s "$DIR/0/s" "$DIR/same"
  run_split dcoord "${some[@]}" -u "unix://$DIR/same" lock run x -- true
  expect_code 78
  expect_err_has "are the same server"
}

@test "what several servers cannot keep is refused" {
  start_quorum
  local verb
  for verb in "locks why x" "locks stats" "locks release-stale" "metrics" "top --batch" "trace x" "queue list" "queue push q" "state get v" "barrier wait b --parties 2" "locks list" "elect watch x" "elect list"; do
    # shellcheck disable=SC2086 # words
    run_split dcoord $verb
    expect_code 64
    expect_err_has "several servers keep locks and elections alone"
    expect_err_has "name one of them, as in \`dcoord -u unix://$DIR/0/s ...\`"
  done
  for verb in "--slots 2" "--pool a,b" "--reentrant" "--replicas 1"; do
    # shellcheck disable=SC2086 # words
    run_split dcoord lock run x $verb -- true
    expect_code 64
  done
  run_split dcoord lock run x --min-nodes 6 -- true
  expect_code 64
  expect_err_has "5 servers are named, and --min-nodes is 6"
  run_split dcoord -u "unix://$DIR/0/s" -u "unix://$DIR/1/s" lock run x -- true
  expect_code 64
  DCOORD_ELECT_REQUIRE_QUORUM=1 run_split dcoord -u "unix://$DIR/0/s" elect run x -- true
  expect_code 64
  expect_err_has "1 server is named, and --min-nodes is 3"
  run_split dcoord -u "unix://$DIR/0/s" -u redis+sentinel://a/b -u redis://c lock run x -- true
  expect_code 64
  for i in 0 1 2 3 4; do [[ $(at "$i" dbsize) == 0 ]]; done
}

@test "health: each server is tried, and one that is down is a warning while there are enough" {
  start_quorum "appendonly yes"
  run_split dcoord health --ignore replicas --ignore persistence --ignore eviction --limit 20s
  expect_code 0
  [[ $(grep -c "ok  *lock " <<<"$out") == 5 ]] || explain "not a lock on each"
  expect_out_has "5 of 5 servers answer, 3 have to"
  end_server 4
  run_split dcoord health --ignore replicas --ignore persistence --ignore eviction --limit 20s
  expect_code 1
  expect_out_has "unix://$DIR/4/s"
  expect_out_has "4 of 5 servers answer, 3 have to"
  end_server 3
  end_server 2
  run_split dcoord health --limit 20s --json
  expect_code 2
  [[ $(python3 -c 'import json,sys; print([f["finding"] for f in json.loads(sys.argv[1])["findings"] if f["check"] == "quorum"])' "$out") == "['2 of 5 servers answer, 3 have to']" ]] ||
    explain "another quorum"
}

@test "the list of servers comes from the configuration, too" {
  start_quorum
  # shellcheck disable=SC2086 # words
  printf '[profile.quorum]\nurl = [%s]\n[lock]\nrequire-quorum = true\n' "$(printf '"%s", ' $DCOORD_URL)" >"$CONFIG"
  unset DCOORD_URL
  run_split dcoord lock run x -- true
  expect_code 64
  run_split dcoord --profile quorum lock run x -- echo held
  expect_out held
  run_split dcoord --profile quorum config show -o plain
  expect_out_has "unix://$DIR/0/s unix://$DIR/1/s"
}

# contend N: comes and goes N times; two at once is written down.
contend() {
  local i
  for ((i = 0; i < $1; i++)); do
    "$DCOORD" lock run x -t 3 -w 60 --progress none -- sh -c "mkdir $BATS_TEST_TMPDIR/inside || echo two >>$BATS_TEST_TMPDIR/overlaps
      echo \$DCOORD_FENCE >>$BATS_TEST_TMPDIR/fences; rmdir $BATS_TEST_TMPDIR/inside" 2>>"$BATS_TEST_TMPDIR/messages" || true
  done
}

@test "many contend while servers stop and restart: never two, and fences rise" {
  start_quorum
  local i contenders=()
  for i in 1 2 3 4; do
    contend 6 3>&- &
    contenders+=($!)
  done
  for i in 0 1 2 3 4; do
    stop_servers "$i"
    "$DCOORD" lock run y -- true
    continue_servers "$i"
    end_server $(((i + 2) % 5))
    "$DCOORD" lock run y -- true
    run_server $(((i + 2) % 5))
  done
  wait "${contenders[@]}"
  [[ ! -e $BATS_TEST_TMPDIR/overlaps ]]
  [[ $(wc -l <"$BATS_TEST_TMPDIR/fences") -ge 20 ]]
  sort -n -u -c "$BATS_TEST_TMPDIR/fences"
}

@test "a leader that is cut off from a majority is stopped, and another one leads; healed, never two" {
  local ns=dq$$ i net
  net=10.$((100 + RANDOM % 100)).$((RANDOM % 256))
  ip netns add "$ns" 2>/dev/null || skip "this machine allows no network namespaces"
  ip link add "$ns" type veth peer name e netns "$ns"
  ip addr add "$net.1/24" dev "$ns"
  ip link set "$ns" up
  ip -n "$ns" addr add "$net.99/24" dev e
  ip -n "$ns" link set e up
  export DCOORD_ELECT_NO_RESTART_GUARD=1 DCOORD_URL=
  for i in 0 1 2 3 4; do
    ip addr add "$net.1$i/32" dev "$ns"
    server "$i" "$(free_port)" "bind 127.0.0.1 $net.1$i" "protected-mode no"
    DCOORD_URL+=" redis://$net.1$i:${PORTS[$i]}"
  done
  "$DCOORD" elect run x --candidate a --progress none -t 3 -- true
  ip netns exec "$ns" "$DCOORD" elect run x --candidate a --progress none -t 3 -- sh -c "echo a leads \$DCOORD_TERM >>$BATS_TEST_TMPDIR/story
    trap 'echo a stops >>$BATS_TEST_TMPDIR/story; exit 0' TERM; sleep 1000 & wait" 3>&- 2>>"$BATS_TEST_TMPDIR/messages" &
  BACKGROUND+=("$!")
  wait_until 30 story_has "a leads 2"
  lead x b -t 3
  wait_until 30 standing_by x 1
  for i in 0 1 2; do ip -n "$ns" route add blackhole "$net.1$i/32"; done
  wait_until 60 story_has "b leads 3"
  [[ $(<"$BATS_TEST_TMPDIR/story") == $'a leads 2\na stops\nb leads 3' ]]
  for i in 0 1 2; do ip -n "$ns" route del blackhole "$net.1$i/32"; done
  kill -TERM "$LEADER"
  wait_until 60 story_has "a leads 4"
  [[ $(<"$BATS_TEST_TMPDIR/story") == $'a leads 2\na stops\nb leads 3\nb stops\na leads 4' ]]
  end_background
  ip netns del "$ns"
}
