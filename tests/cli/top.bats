# `dcoord top` in a real terminal, which tmux is; each look waits for what is to be seen, with a deadline.
load helper
load lock_helper

setup() {
  clean_environment
  start_server
  export TERM=xterm-256color
  TMUX_SOCKET=$BATS_TEST_TMPDIR/tmux
}
teardown() {
  tmux -S "$TMUX_SOCKET" kill-server 2>/dev/null || true
  end_background
  stop_server
}

mux() { LC_ALL=C.UTF-8 tmux -u -S "$TMUX_SOCKET" "$@"; }
# A shell in a terminal of 100 columns and 14 lines.
terminal() {
  mux -f /dev/null new-session -d -x 100 -y 14 "exec env -u TMUX PS1='ready> ' LC_ALL=C.UTF-8 bash --norc --noprofile" 3>&-
  wait_until 20 sees 'ready>'
}
keys() { mux send-keys "$@"; }
screen() { mux capture-pane -p; }
sees() { screen | grep -qF -- "$1"; }
sees_not() { ! sees "$1"; }
top() {
  keys "$DCOORD top --interval 200ms $*; echo \"left \$?\"" Enter
  wait_until 20 sees "[locks"
}
# The state of the terminal, once the shell has it back.
is_restored() {
  wait_until 20 sees "left $1"
  keys "stty -a > '$BATS_TEST_TMPDIR/stty'; echo told" Enter
  wait_until 20 sees told
  grep -q ' echo ' "$BATS_TEST_TMPDIR/stty"
  grep -q ' icanon ' "$BATS_TEST_TMPDIR/stty"
  [[ $(mux display-message -p '#{alternate_on} #{cursor_flag}') == "0 1" ]]
}

@test "locks, and what changes on them; q leaves, and the terminal is as it was" {
  terminal
  hold alpha
  top
  wait_until 20 sees "alpha"
  sees "held"
  [[ $(mux display-message -p '#{alternate_on} #{cursor_flag}') == "1 0" ]]
  hold beta
  wait_until 20 sees "beta"
  sees "[locks 2]"
  keys q
  is_restored 0
  sees_not "[locks"
}

@test "tab, s, /, ?, space and arrows" {
  dcoord queue push crowd a b
  dcoord breaker hold-open api inf
  for name in one two three; do dcoord lock run $name -- true; done
  terminal
  top
  wait_until 20 sees "[locks 3]"
  sees "order: waiters"
  keys s
  wait_until 20 sees "order: age"
  keys / t w
  wait_until 20 sees "/tw_"
  keys Enter
  wait_until 20 sees "only: tw"
  wait_until 20 sees_not "three"
  sees "two"
  keys Escape
  wait_until 20 sees "three"
  keys '?'
  wait_until 20 sees "Nothing is changed from here"
  keys '?'
  wait_until 20 sees_not "Nothing is changed"
  keys Tab
  wait_until 20 sees "[elections 0]"
  keys Tab
  wait_until 20 sees "[queues 1]"
  wait_until 20 sees "no workers"
  keys Tab
  wait_until 20 sees "[breakers 1]"
  wait_until 20 sees "when it is reset"
  keys Tab
  wait_until 20 sees "[locks 3]"
  keys Space
  wait_until 20 sees "PAUSED"
  dcoord lock run four -- true
  keys Down Down Up
  keys Space
  wait_until 20 sees "[locks 4]"
  selected() { mux capture-pane -p -e | grep -c $'\e\\[7m'; }
  [[ $(selected) == 1 ]]
  keys C-c
  is_restored 0
}

@test "a row is selected by arrows, and the page follows it" {
  for name in n1 n2 n3 n4 n5; do dcoord lock run $name -- true; done
  terminal
  mux resize-window -x 100 -y 8
  top
  keys s s
  wait_until 20 sees "n4"
  sees "n1"
  sees_not "n5"
  keys End
  wait_until 20 sees "n5"
  sees_not "n1"
  keys Home
  wait_until 20 sees "n1"
  keys NPage
  wait_until 20 sees "n5"
  keys q
  is_restored 0
}

@test "it takes the size that the terminal gets" {
  dcoord lock run a-name-that-is-longer-than-a-small-terminal-is-wide -- true
  terminal
  top
  wait_until 20 sees "ACQUIRED"
  mux resize-window -x 40 -y 8
  wait_until 20 sees "…"
  wait_until 20 sees_not "ACQUIRED"
  mux resize-window -x 120 -y 20
  wait_until 20 sees "ACQUIRED"
  keys q
  is_restored 0
}

@test "the terminal is given back after signals, a fault, and ^Z" {
  terminal
  top
  pid() { pgrep -P "$(mux display-message -p '#{pane_pid}')" -f "top --interval"; }
  kill -TERM "$(pid)"
  is_restored 143
  keys clear Enter
  top
  kill -SEGV "$(pid)"
  is_restored 139
  keys clear Enter
  wait_until 20 sees_not left
  top
  keys C-z
  wait_until 20 sees "Stopped"
  [[ $(mux display-message -p '#{alternate_on} #{cursor_flag}') == "0 1" ]]
  keys fg Enter
  wait_until 20 sees "[locks"
  keys q
  wait_until 20 sees_not "[locks"
}

@test "a server that goes away is told of; it goes on when it is there again" {
  terminal
  hold x
  top --command-timeout 500ms --connect-timeout 500ms
  wait_until 20 sees "held"
  kill -STOP "$SERVER_PID"
  wait_until 20 sees "trying again"
  sees "held"
  kill -CONT "$SERVER_PID"
  wait_until 20 sees_not "trying again"
  keys q
  is_restored 0
}

@test "names cannot act on the terminal" {
  redis del none >/dev/null
  dcoord lock run "$(printf 'wide漢字 name')" -- true
  terminal
  top
  wait_until 20 sees "wide漢字 name"
  keys q
  is_restored 0
}

@test "--batch: text for a log, and one pipeline for each look after the first" {
  hold x
  dcoord queue push q a
  dcoord breaker run api -- false || true
  run_split dcoord top --batch --iterations 2 --interval 100ms -vv
  expect_code 0
  [[ $(grep -c "^locks: 1" <<<"$out") == 2 && $(grep -c "^queues: 1" <<<"$out") == 2 ]]
  [[ $out != *$'\e'* ]]
  expect_out_has "no workers"
  [[ $out == *"breakers: 1"*"api "*"closed"*"100%"*"1/1"* ]] || explain "no breaker"
  expect_err_has "top: 2 pipelines"
  expect_err_has "top: 1 pipelines"
  run_split dcoord top
  expect_code 64
  expect_err_has "use --batch"
}
