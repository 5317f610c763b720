# The command line as such: help, mistakes, --, output streams. No server is needed.
load helper

setup() { clean_environment; }

@test "dcoord alone and a noun alone explain themselves on stdout" {
  run_split dcoord
  expect_code 0
  expect_err ""
  expect_out_has "examples:"
  expect_out_has $'\nCOORDINATE\n  lock '
  expect_out_has "dcoord --help"
  run_split dcoord lock
  expect_code 0
  expect_out_has "verbs:"
}

@test "help in every spelling, and it wins over mistakes" {
  dcoord lock run --help >"$BATS_TEST_TMPDIR/expected"
  for words in "lock run -h" "-h lock run" "help lock run" "lock run --bogus x y --help" "lock -h run"; do
    # shellcheck disable=SC2086
    run_split dcoord $words
    expect_code 0
    expect_out "$(<"$BATS_TEST_TMPDIR/expected")"
    expect_err ""
  done
  [[ $(head -n 1 "$BATS_TEST_TMPDIR/expected") == "usage: dcoord lock run NAME [OPTIONS] -- COMMAND [ARG...]" ]]
  run_split dcoord --help
  expect_out_has "--connect-timeout"
}

@test "help after -- belongs to the command" {
  run_split dcoord lock run x --url redis://127.0.0.1:1 --connect-timeout 100ms -- true --help
  expect_code 69
}

@test "redis-cli's -h HOST gets help and the right option" {
  run_split dcoord -h db1 locks list
  expect_code 0
  expect_err "dcoord: hint: -h is help: use --host db1"
}

@test "the version in every spelling" {
  for words in "--version" "-V" "version" "lock run -V"; do
    # shellcheck disable=SC2086
    run_split dcoord $words
    expect_code 0
    [[ $out =~ ^dcoord\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
  done
}

@test "mistyped commands and options are 64 with a suggestion" {
  run_split dcoord lokc
  expect_code 64
  expect_out ""
  expect_err $'dcoord: error: unknown command \'lokc\'\ndcoord: hint: did you mean \'lock\'?'
  run_split dcoord lock rnu x
  expect_err $'dcoord: error: unknown command \'lock rnu\'\ndcoord: hint: did you mean \'lock run\'?'
  run_split dcoord lock run x --nonblok -- true
  expect_code 64
  expect_err $'dcoord: error: unknown option \'--nonblok\'\ndcoord: hint: did you mean \'--nonblock\'?'
}

@test "a command without -- is 64 and the corrected line, which a shell reads back" {
  run_split dcoord lock run deploy --ttl 10s make "a b" -t -j4
  expect_code 64
  expect_err $'dcoord: error: a command must follow \'--\'\ndcoord: hint: dcoord lock run deploy --ttl 10s -- make \'a b\' -t -j4'
  run_split dcoord lock run deploy
  expect_code 64
  expect_err_has "hint: dcoord lock run deploy -- COMMAND [ARG...]"
  run_split dcoord lock run deploy --
  expect_code 64
}

@test "missing and superfluous arguments are named, with the usage" {
  run_split dcoord lock run -- true
  expect_code 64
  expect_err_has "missing argument NAME"
  expect_err_has "hint: usage: dcoord lock run NAME"
  run_split dcoord lock show a b
  expect_code 64
  expect_err_has "unexpected argument 'b'"
  run_split dcoord lock show a -- b
  expect_code 64
  run_split dcoord lock run a --ttl
  expect_code 64
  expect_err_has "--ttl needs a value"
}

@test "values are checked and their source is named" {
  run_split dcoord lock run x --ttl 1x -- true
  expect_code 64
  expect_err "dcoord: error: invalid duration '1x' for --ttl (try 30s, 5m, 1h30m)"
  DCOORD_LOCK_TTL=-5 run_split dcoord lock run x -- true
  expect_code 64
  expect_err_has "invalid duration '-5' for DCOORD_LOCK_TTL"
  run_split dcoord -p 70000 locks list
  expect_code 64
  expect_err_has "for --port (a whole number from 1 to 65535)"
  run_split dcoord -o xml locks list
  expect_code 64
  expect_err_has "(one of table, plain, json)"
}

@test "an unset variable in quotes eats no argument" {
  run_split dcoord lock run --label= x -c true --bogus
  expect_err_has "unknown option '--bogus'"
  run_split dcoord lock run --ttl="" x -- true
  expect_code 64
  expect_err_has "invalid duration '' for --ttl"
}

@test "errors under --json are one line of JSON on stderr" {
  for words in "--json lokc" "lock rnu -o json" "lock run x --format=json" "-ojson locks list --bogus"; do
    # shellcheck disable=SC2086
    run_split dcoord $words
    expect_code 64
    expect_out ""
    [[ $(wc -l <"$BATS_TEST_TMPDIR/err") == 1 ]]
    [[ $err == '{"error":{"code":64,"kind":"usage","message":"'*'}}' ]]
  done
}

@test "-q leaves errors and silences hints" {
  run_split dcoord -q lokc
  expect_code 64
  expect_err "dcoord: error: unknown command 'lokc'"
}

@test "colour goes by the option, the variables, the stream" {
  run_split dcoord lokc --color always
  expect_err_has $'\e['
  FORCE_COLOR=1 run_split dcoord lokc
  expect_err_has $'\e['
  FORCE_COLOR=1 NO_COLOR=1 run_split dcoord lokc
  [[ $err != *$'\e['* ]]
  run_split dcoord lokc
  [[ $err != *$'\e['* ]]
}

@test "control characters in a name do not reach the terminal" {
  run_split dcoord $'lo\e[2Jck'
  expect_code 64
  expect_err_has 'lo\x1b[2Jck'
}

@test "output that cannot be written is an error, not silence" {
  code=0
  dcoord --help >/dev/full 2>"$BATS_TEST_TMPDIR/err" || code=$?
  [[ $code == 74 ]]
  [[ $(<"$BATS_TEST_TMPDIR/err") == "dcoord: error: cannot write to standard output: No space left on device" ]]
}

@test "a reader that goes away is met with silence" {
  (
    set +o pipefail
    dcoord --help 2>"$BATS_TEST_TMPDIR/err" | true
  )
  [[ ! -s $BATS_TEST_TMPDIR/err ]]
  (
    trap '' PIPE
    { sleep 0.1; dcoord --help; } 2>"$BATS_TEST_TMPDIR/err" | true
  ) || true
  [[ ! -s $BATS_TEST_TMPDIR/err ]]
}

@test "closed standard descriptors do no harm" {
  dcoord --help <&- >&- 2>&-
}

@test "a password in argv is warned of and cannot be seen" {
  run_split dcoord -a hush --connect-timeout 100ms --host 127.0.0.1 -p 1 locks list
  expect_code 69
  expect_err_has "warning: a password on the command line can be seen by others"
  [[ $err != *hush* ]]
  run_split dcoord -a hush lock run x make
  expect_err_has "-a '***' lock run x -- make"
}
