# Several servers of one's own, for the *.bats files about clusters, sentinels and quorums. Needs lock_helper.

# Servers by number or name: PIDS and PORTS; all they write is in DIR. Socket paths must be short, hence /tmp.
setup_servers() {
  clean_environment
  declare -gA PIDS=() PORTS=()
  DIR=$(mktemp -d /tmp/dcoord-bats-XXXXXX)
}
teardown_servers() {
  end_background
  local name
  for name in "${!PIDS[@]}"; do end_server "$name"; done
  rm -rf "$DIR"
}

# server NAME PORT [--sentinel] LINE...: one more, on that port of 127.0.0.1, or with 0 on $DIR/NAME/s alone.
server() {
  local name=$1 port=$2
  shift 2
  mkdir "$DIR/$name"
  PORTS[$name]=$port
  echo "${1:-}" | grep -x -- --sentinel >"$DIR/$name/mode" && shift
  printf '%s\n' "port $port" "bind 127.0.0.1" "unixsocket $DIR/$name/s" "dir $DIR/$name" "logfile $DIR/$name/log" 'save ""' "$@" >"$DIR/$name/conf"
  run_server "$name"
}
# Starts it (again), with its directory and lines.
run_server() {
  local mode
  mode=$(<"$DIR/$1/mode")
  "$SERVER_PROGRAM" "$DIR/$1/conf" ${mode:+"$mode"} >/dev/null 2>&1 3>&- &
  PIDS[$1]=$!
  wait_until 30 answers "$1" || { tail "$DIR/$1/log" >&2; return 1; }
}
# Descriptor 3 is bats's own, and -s also works where the port speaks TLS.
at() { redis-cli -s "$DIR/$1/s" "${@:2}"; }
answers() { [[ $(at "$1" ping 2>&1) == *@(PONG|NOAUTH)* ]]; }
end_server() {
  kill -KILL "${PIDS[$1]}" 2>/dev/null || true
  wait "${PIDS[$1]}" 2>/dev/null || true
}
restart() {
  end_server "$1"
  run_server "$1"
}
is_master() { [[ $(at "$1" role | head -n 1) == master ]]; }
replicates() { at "$1" info replication | grep -q master_link_status:up; }
