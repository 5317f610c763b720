# Completion: what `dcoord __complete` answers, and the adaptors in real shells with real TABs.
load helper

setup() {
  clean_environment
  start_server
  local name
  for name in release db:main:1 'my value' "it's" '$HOME'; do dcoord state set "$name" 1; done
}
teardown() { stop_server; }

# candidates SHELL-WORD...: what may stand in place of the last word, without what it is.
candidates() { dcoord __complete zsh "$@" | tail -n +2 | cut -f 1; }

# A place where `dcoord` records its arguments, but for completion, and a command with a completion of its own.
make_place() {
  [[ $SERVER_PROGRAM == redis-server ]] || skip "shells do not care which server it is"
  PLACE=$BATS_TEST_TMPDIR/place
  mkdir -p "$PLACE/bin" "$PLACE/home" "$PLACE/functions" "$PLACE/work"
  cat >"$PLACE/bin/dcoord" <<END
#!/bin/sh
case \$1 in __complete | completion) exec "$DCOORD" "\$@" ;; esac
{ printf '%s|' "\$@"; echo; } >> "$PLACE/ran"
END
  printf '#!/bin/sh\n' >"$PLACE/bin/greetings"
  chmod +x "$PLACE/bin/dcoord" "$PLACE/bin/greetings"
  touch "$PLACE/work/some-file"
  export PATH=$PLACE/bin:$PATH HOME=$PLACE/home ZDOTDIR=$PLACE/home XDG_CONFIG_HOME=$PLACE/home TERM=vt100
  cd "$PLACE/work" || return
}

# What all three shells shall make of it.
cases() {
  cat <<'END'
dcoord ele<TAB>sho<TAB>x => elect|show|x|
dcoord state get rel<TAB> => state|get|release|
dcoord state get db<TAB> => state|get|db:main:1|
dcoord state get db:ma<TAB> => state|get|db:main:1|
dcoord state get my<TAB> => state|get|my value|
dcoord state get my\ v<TAB> => state|get|my value|
dcoord state get 'my<TAB> => state|get|my value|
dcoord state get "my v<TAB> => state|get|my value|
dcoord state get it<TAB> => state|get|it's|
dcoord state get "it<TAB> => state|get|it's|
dcoord state get \$<TAB> => state|get|$HOME|
dcoord state set x 1 --while<TAB>l1 => state|set|x|1|--while-locked|l1|
dcoord lock run x --tree wa<TAB>-- ls => lock|run|x|--tree|wait|--|ls|
dcoord lock run x --tree=ki<TAB>-- ls => lock|run|x|--tree=kill|--|ls|
dcoord --pass-file some<TAB>locks li<TAB> => --pass-file|some-file|locks|list|
dcoord --pass-file=some<TAB>locks li<TAB> => --pass-file=some-file|locks|list|
dcoord lock run x <TAB> ls => lock|run|x|--|ls|
dcoord lock run x -- greeti<TAB>y => lock|run|x|--|greetings|y|
dcoord lock run x -- ls some-f<TAB> => lock|run|x|--|ls|some-file|
dcoord lock run x -- greetings he<TAB> => lock|run|x|--|greetings|hello|
dcoord lock run x -- dcoord lock rel<TAB>y => lock|run|x|--|dcoord|lock|release|y|
dcoord state get nothing-like-it<TAB> => state|get|nothing-like-it|
END
}

@test "bash: TABs" {
  make_place
  cat >"$PLACE/rc" <<'END'
PS1='READY>'
source <(dcoord completion bash)
_greet() { COMPREPLY=(hello); }
complete -F _greet greetings
END
  cases | python3 "$BATS_TEST_DIRNAME/tabs.py" "$PLACE" bash --noprofile --rcfile "$PLACE/rc" -i
}

@test "bash: TABs with the package bash-completion, where there is one" {
  local package=/usr/share/bash-completion/bash_completion
  [[ -e $package ]] || skip "no bash-completion here"
  make_place
  cat >"$PLACE/rc" <<END
PS1='READY>'
source $package
source <(dcoord completion bash)
_greet() { COMPREPLY=(hello); }
complete -F _greet greetings
END
  cases | python3 "$BATS_TEST_DIRNAME/tabs.py" "$PLACE" bash --noprofile --rcfile "$PLACE/rc" -i
}

@test "zsh: TABs" {
  make_place
  dcoord completion zsh >"$PLACE/functions/_dcoord"
  printf '#compdef greetings\ncompadd hello\n' >"$PLACE/functions/_greetings"
  cat >"$PLACE/home/.zshrc" <<END
PS1='READY>'
fpath=("$PLACE/functions" \$fpath)
autoload -U compinit
compinit -u -d "$PLACE/dump"
END
  cases | python3 "$BATS_TEST_DIRNAME/tabs.py" "$PLACE" zsh -d -i
}

@test "zsh: what is sourced works as what is autoloaded" {
  make_place
  cat >"$PLACE/home/.zshrc" <<END
PS1='READY>'
autoload -U compinit
compinit -u -d "$PLACE/dump"
source <(dcoord completion zsh)
END
  head -n 3 <<<"$(cases)" | python3 "$BATS_TEST_DIRNAME/tabs.py" "$PLACE" zsh -d -i
}

@test "fish: TABs" {
  make_place
  mkdir -p "$PLACE/home/fish"
  cat >"$PLACE/home/fish/config.fish" <<'END'
function fish_prompt; echo 'READY>'; end
function fish_greeting; end
dcoord completion fish | source
complete -c greetings -f -a hello
END
  cases | python3 "$BATS_TEST_DIRNAME/tabs.py" "$PLACE" fish -i
}

@test "what is printed is what packages install" {
  local folder=$BATS_TEST_DIRNAME/../../completions
  dcoord completion bash | cmp - "$folder/dcoord.bash"
  dcoord completion zsh | cmp - "$folder/_dcoord"
  dcoord completion fish | cmp - "$folder/dcoord.fish"
}

@test "every noun and every verb is offered, with what it is" {
  local noun verb
  for noun in $(dcoord | awk '/^[A-Z]+$/ { on = 1; next } /^more/ { on = 0 } on && NF { print $1 }'); do
    candidates "" | grep -qx "$noun"
    for verb in $(dcoord "$noun" | sed -n '/^verbs:/,/^$/s/^  \([a-z-]*\)  .*/\1/p'); do
      candidates "$noun" "" | grep -qx -- "$verb"
    done
  done
  dcoord __complete zsh lock r | grep -q $'^run\trun a command while holding a lock$'
}

@test "options: each once, unless it may be repeated; the verb's own first" {
  [[ $(candidates lock run x -- | head -n 1) == --shared ]]
  candidates lock run x -s --slots 3 - >"$BATS_TEST_TMPDIR/offered"
  run grep -x -e --shared -e --slots "$BATS_TEST_TMPDIR/offered"
  [[ $status == 1 ]]
  grep -qx -e --resize "$BATS_TEST_TMPDIR/offered"
  grep -qx -e --url "$BATS_TEST_TMPDIR/offered"
  candidates -u local: - | grep -qx -e --url
  [[ $(candidates lock run x --color '') == $'auto\nalways\nnever' ]]
  [[ $(candidates locks list --tls=) == $'--tls=true\n--tls=false' ]]
  candidates lock run x -w '' | grep -qx 5m
}

@test "names are those of the server and namespace that the line, the variables and the files say" {
  dcoord --namespace other state set elsewhere 1
  [[ $(candidates --namespace other state get '') == elsewhere ]]
  [[ $(DCOORD_NAMESPACE=other candidates state get '') == elsewhere ]]
  printf '[profile.two]\nnamespace = "other"\n' >"$CONFIG"
  [[ $(candidates --profile '') == two ]]
  [[ $(candidates --profile two state get '') == elsewhere ]]
  [[ $(candidates --profile two state get '' --namespace) == *--namespace* ]]
}

@test "jobs are those of the run, in lists too; the holder of the lock, the candidates of the election" {
  dcoord job mark build succeeded --run 7
  dcoord job mark test failed --run 7
  [[ $(candidates job show --run '') == 7 ]]
  [[ $(candidates job show --run 7 '') == $'build\ntest' ]]
  [[ $(DCOORD_RUN=7 candidates job wait build,t) == build,test ]]
  [[ $(candidates job run x --run 7 --after build,'') == $'build,build\nbuild,test' ]]
  [[ $(candidates job mark build '') == $'succeeded\nfailed\nskipped' ]]
  eval "$(dcoord lock acquire held --label me)"
  [[ $(candidates lock release held --force --holder '') == "${DCOORD_TOKEN:0:12}" ]]
  dcoord lock release held
}

@test "no server, a hung one, a wrong password, a mistake: nothing, silently" {
  local words
  for words in "--socket /nonexistent state get x" "--host 192.0.2.1 state get x" "-u nonsense state get x" \
    "--askpass state get x" "--config /nonexistent state get x" "lokc run x"; do
    # shellcheck disable=SC2086
    run_split dcoord __complete zsh $words
    expect_code 0
    expect_out "words whole"
    expect_err ""
  done
  kill -STOP "$SERVER_PID"
  run_split dcoord __complete zsh state get x
  kill -CONT "$SERVER_PID"
  expect_code 0
  expect_out "words whole"
}

@test "a TAB does not start the server of local:" {
  [[ $(dcoord -u local: local status --json) == *'"running":false'* ]] || skip "this user's local server runs"
  run_split dcoord __complete zsh -u local: state get ''
  expect_out "words whole"
  [[ $(dcoord -u local: local status --json) == *'"running":false'* ]]
}

@test "after -- it is the command's own turn, and nothing where no command can be" {
  [[ $(dcoord __complete zsh lock run x -- make '') == "command whole" ]]
  [[ $(dcoord __complete zsh lock show x -- '') == "words whole" ]]
}
