# Where options come from.
load helper

setup() { clean_environment; }
teardown() { stop_server; }

# setting NAME: "VALUE<tab>ORIGIN" of it.
setting() {
  local name=$1
  shift
  dcoord config show --origin -o plain "$@" | sed -n "s/^$name\t//p"
}

@test "flag, variable, profile, file, REDIS_URL, default" {
  [[ $(setting url) == $'redis://127.0.0.1:6379/0\tdefault' ]]
  export REDIS_URL=redis://app
  [[ $(setting url) == $'redis://app\tREDIS_URL' ]]
  printf '%s\n' '# comment' 'url = "redis://file"' '[profile.ci]' 'url = "redis://profile"' >"$CONFIG"
  [[ $(setting url) == "redis://file"$'\t'"$CONFIG:2: url" ]]
  [[ $(setting url --profile ci) == "redis://profile"$'\t'"$CONFIG:4: profile.ci.url" ]]
  [[ $(DCOORD_PROFILE=ci setting url) == "redis://profile"* ]]
  sed -i '1i profile = "ci"' "$CONFIG"
  [[ $(setting url) == "redis://profile"* ]]
  export DCOORD_URL=redis://variable
  [[ $(setting url) == $'redis://variable\tDCOORD_URL' ]]
  [[ $(setting url -u redis://flag) == $'redis://flag\t--url' ]]
  [[ $(DCOORD_URL='' setting url) == "redis://profile"* ]]
}

@test "without XDG_CONFIG_HOME the file is in ~/.config, and HOME may be unset" {
  unset XDG_CONFIG_HOME
  echo 'db = 5' >"$HOME/.config/dcoord/config.toml"
  [[ $(setting db) == "5"* ]]
  XDG_CONFIG_HOME=relative run_split setting db
  [[ $out == "5"* ]]
  unset HOME
  run_split dcoord config show
  expect_code 0
}

@test "--config replaces the other files and must exist" {
  echo 'db = 5' >"$CONFIG"
  echo 'port = 7000' >"$BATS_TEST_TMPDIR/other"
  [[ $(setting port --config "$BATS_TEST_TMPDIR/other") == "7000"* ]]
  [[ $(setting db --config "$BATS_TEST_TMPDIR/other") == "" || $(setting db --config "$BATS_TEST_TMPDIR/other") == $'\t' ]]
  [[ $(DCOORD_CONFIG=$BATS_TEST_TMPDIR/other setting port) == "7000"* ]]
  run_split dcoord --config /nonexistent/file config show
  expect_code 78
  expect_err "dcoord: error: cannot read the configuration file /nonexistent/file: No such file or directory"
  run_split dcoord --config "$BATS_TEST_TMPDIR" config show
  expect_code 78
}

@test "mistakes in a file are 78 with file and line" {
  printf '\nulr = "x"\n' >"$CONFIG"
  run_split dcoord config show
  expect_code 78
  expect_err "dcoord: error: $CONFIG:2: unknown key 'ulr'"$'\n'"dcoord: hint: did you mean 'url'?"
  printf '[lock]\nttl = "1x"\n' >"$CONFIG"
  run_split dcoord lock run x -- true
  expect_code 78
  expect_err_has "$CONFIG:2: lock.ttl: invalid duration '1x'"
  printf '[lock]\ntlt = "10s"\n' >"$CONFIG"
  run_split dcoord config show
  expect_code 78
  expect_err_has "$CONFIG:2: unknown key 'tlt'"
  printf 'url = redis://h\n' >"$CONFIG"
  run_split dcoord config show
  expect_code 78
  expect_err_has "$CONFIG:1: a text needs quotes"
  run_split dcoord --version
  expect_code 0
  run_split dcoord version
  expect_code 0
  run_split dcoord --profile nosuch config show
  expect_code 78
}

@test "a flag hides a file's bad value" {
  printf '[lock]\nttl = "1x"\n' >"$CONFIG"
  run_split dcoord lock run x --ttl 10s --host 127.0.0.1 -p 1 --connect-timeout 100ms -- true
  expect_code 69
}

@test "a file with a password that others can read is warned of" {
  echo 'url = "redis://:p%23w@127.0.0.1:1"' >"$CONFIG"
  chmod 644 "$CONFIG"
  run_split dcoord config show
  expect_code 0
  expect_err "dcoord: warning: others can read the password in $CONFIG: chmod 600 it"
  expect_out_has "redis://:***@127.0.0.1:1"
  [[ $out != *'p%23w'* ]]
  chmod 600 "$CONFIG"
  run_split dcoord config show
  expect_err ""
}

@test "config show in its forms" {
  run_split dcoord config show
  expect_code 0
  [[ $(head -n 1 <<<"$out") =~ ^OPTION\ +VALUE$ ]]
  run_split dcoord config show --origin --no-headers
  [[ $(head -n 1 <<<"$out") =~ ^server\ +redis://127.0.0.1:6379(/0)?\ +default$ ]]
  run_split dcoord config show --origin --json --db 3
  expect_out_has '"option":"db"'
  expect_out_has '"origin":"--db"'
}

@test "-u and --host exclude each other; a variable's host does not bend -u" {
  run_split dcoord -u redis://a --host b config show
  expect_code 64
  expect_err "dcoord: error: --url and --host exclude each other"
  [[ $(DCOORD_HOST=b setting server -u redis://a) == "redis://a:6379/0"* ]]
  run_split dcoord -u redis://a --host b -u redis://c config show
  expect_code 64
}

@test "passwords: file, variables, and who comes first" {
  start_server "requirepass sesame"
  run_split dcoord locks list
  expect_code 77
  printf 'sesame\n' >"$BATS_TEST_TMPDIR/pw"
  chmod 600 "$BATS_TEST_TMPDIR/pw"
  run_split dcoord locks list --pass-file "$BATS_TEST_TMPDIR/pw"
  expect_code 0
  expect_err ""
  DCOORD_PASS_FILE=$BATS_TEST_TMPDIR/pw DCOORD_PASSWORD=wrong run_split dcoord locks list
  expect_code 0
  DCOORD_PASSWORD=sesame REDISCLI_AUTH=wrong run_split dcoord locks list
  expect_code 0
  VALKEYCLI_AUTH=sesame REDISCLI_AUTH=wrong run_split dcoord locks list
  expect_code 0
  REDISCLI_AUTH=sesame run_split dcoord locks list
  expect_code 0
  REDISCLI_AUTH=wrong run_split dcoord locks list
  expect_code 77
  chmod 644 "$BATS_TEST_TMPDIR/pw"
  run_split dcoord locks list --pass-file "$BATS_TEST_TMPDIR/pw"
  expect_code 0
  expect_err_has "warning: others can read the password file"
  run_split dcoord locks list --pass-file /nonexistent
  expect_code 78
  expect_err_has "cannot read the password file /nonexistent (from --pass-file)"
  run_split dcoord locks list --pass-file <(echo sesame)
  expect_code 0
}

@test "--askpass asks on the terminal, not on stdin, and shows nothing" {
  start_server "requirepass sesame"
  ask() { python3 "$BATS_TEST_DIRNAME/askpass.py" "$1" "$DCOORD" --askpass locks list; }
  run_split ask $'sesame\r'
  expect_code 0
  [[ $out == *"Redis password: "* && $out != *sesame* ]]
  run_split ask $'sesamx\x7fe\r'
  expect_code 0
  run_split ask $'wrong\r'
  expect_code 77
  run_split ask $'\x03'
  expect_code 64
  expect_out_has "no password was entered"
  run_split setsid "$DCOORD" --askpass locks list
  expect_code 64
  expect_err_has "--askpass needs a terminal"
}

@test "config show knows the nouns' options: those that are set, or all of one noun" {
  printf '[lock]\nttl = "1m"\n[profile.ci.lock]\nwait = "5m"\n' >"$CONFIG"
  [[ $(setting lock.ttl) == "1m"$'\t'"$CONFIG:2: lock.ttl" ]]
  [[ $(setting lock.wait --profile ci) == "5m"$'\t'"$CONFIG:4: profile.ci.lock.wait" ]]
  [[ $(DCOORD_LOCK_TTL=2m setting lock.ttl) == $'2m\tDCOORD_LOCK_TTL' ]]
  [[ -z $(setting lock.shared) ]]
  run_split dcoord config show lock --origin -o plain
  expect_out_has $'lock.ttl\t1m\t'
  expect_out_has $'lock.shared\tfalse\tdefault'
  [[ $out != *connect-timeout* && $out != *elect.* ]]
  run_split dcoord config show lokc
  expect_code 64
}

@test "a misspelt variable is warned of, whatever else is said" {
  DCOORD_LOCK_TLT=5m run_split dcoord config show
  expect_code 0
  expect_err "dcoord: warning: DCOORD_LOCK_TLT is no option, did you mean 'DCOORD_LOCK_TTL'?"
  DCOORD_LOCK_NONSENSE=1 run_split dcoord config show
  expect_err "dcoord: warning: DCOORD_LOCK_NONSENSE is no option"
  DCOORD_TERM=3 DCOORD_CANDIDATE=x DCOORD_WRITER=y run_split dcoord config show
  expect_err ""
}

@test "a value that is not acceptable: 64 from a variable, 78 from a file; a wrong URL is 78 from anywhere" {
  DCOORD_CONNECT_TIMEOUT=soon run_split dcoord config show
  expect_code 64
  expect_err_has "for DCOORD_CONNECT_TIMEOUT"
  echo 'connect-timeout = "soon"' >"$CONFIG"
  run_split dcoord config show
  expect_code 78
  rm "$CONFIG"
  DCOORD_URL=http://x run_split dcoord config show
  expect_code 78
  run_split dcoord -u http://x config show
  expect_code 78
}
