# `config acl`: what it prints is enough, and whoever lacks something of it is told before anything is written.
load helper
load lock_helper

setup() {
  clean_environment
  start_server "enable-debug-command yes"
  TOKEN=0123456789abcdef0123456789abcdef
  export DCOORD_PASSWORD=any
}
teardown() {
  end_background
  stop_server
}

# What a user of each noun does, a line each, those that need most first. NAME is new.
tour() {
  cat <<T
queue push NAME item item2 --priority 3
lock run NAME -- true
queue peek NAME
queue show NAME
state set NAME value
state incr NAME-n
job run NAME --run NAME -- true
job show NAME --run NAME
breaker run NAME -- true
event publish NAME one
event subscribe NAME --group g --since start --count 1 -w 5
event subscribe --pattern NAME* --group h --count 1 -w 0.1
lock acquire NAME --request-id $TOKEN
lock run NAME -w 0.2 -- true
lock renew NAME --token $TOKEN
lock show NAME
lock release NAME --token $TOKEN
lock forget NAME
lock run NAME-slots --slots 2 -- true
elect run NAME -- true
elect list
elect watch NAME -w 0.2
event subscribe NAME --since start --count 1
event subscribe --pattern NAME* --count 1 -w 0.1
event list
event forget NAME
barrier arrive NAME --parties 2 --id one
barrier wait NAME --parties 2 -w 5
barrier show NAME
barrier reset NAME
state get NAME
state delete NAME
state watch NAME -w 0.2
state list
queue pop NAME --lease 1m
queue pop NAME
queue pop NAME -w 0.2
queue list
queue purge NAME --yes
breaker status NAME
locks list
locks stats
T
}
# as_user NAME [PATTERN]: the tour as user `ci`, or those lines of it. Stops at the first line that is not permitted.
as_user() {
  local line before after
  after=$(redis debug digest)
  while read -r line; do
    before=$after
    # shellcheck disable=SC2086 # words
    run_split dcoord --user ci ${line//NAME/$1}
    after=$(redis debug digest)
    if [[ $code == 77 ]]; then
      [[ $before == "$after" ]] || explain "half done: $line" || return 1
      return 77
    fi
    [[ $code == [01] || $code == 75 || $code == 124 ]] || explain "$line" || return 1
  done < <(tour | grep -- "${2:-.}")
}

@test "the user that it makes can do everything, and for some nouns only what those need" {
  # shellcheck disable=SC2046 # words
  redis $(dcoord config acl --user ci) nopass >/dev/null
  as_user a
  # Nothing was tried that is not allowed, and looked over.
  [[ -z $(redis acl log) ]] || { redis acl log >&2; return 1; }
  run_split dcoord --user ci --namespace other lock run x -- true
  expect_code 77
  [[ -z $(redis --scan --pattern 'other:*') ]]
  # shellcheck disable=SC2046 # words
  redis $(dcoord config acl --user some lock elect) nopass >/dev/null
  run_split dcoord --user some lock run x -- echo held
  expect_out held
  run_split dcoord --user some elect run x -- echo led
  expect_out led
  run_split dcoord --user some queue push q item
  expect_code 77
  expect_err_has "user 'some' may not run '"
  expect_err_has "\`dcoord config acl\` prints all that is needed"
  run_split dcoord config acl nonsense
  expect_code 64
  run_split dcoord config acl --namespace other --json lock
  expect_out_has '"keys":"~other:*"'
}

# That each script is refused for want of each of its commands is in tests/redis/login_test.cc.
@test "without a permission: an error that names it and how to grant it, and nothing written" {
  local rules rule lines missed=" "
  rules="$(dcoord config acl --json | sed 's/.*"rules":"\([^"]*\)".*/\1/') "
  for rule in $rules; do
    # Else those that others loaded will do.
    [[ $rule != "+script|load" ]] || redis script flush >/dev/null
    # shellcheck disable=SC2086 # words
    redis acl setuser ci reset on nopass '~dcoord:*' resetchannels -@all ${rules/$rule /} >/dev/null
    lines="^queue push\|^lock run NAME --"
    [[ $rule != +xread ]] || lines="^elect watch"
    code=0
    as_user "without-${rule#+}" "$lines" || code=$?
    [[ $code == 77 ]] || continue
    [[ $err == *"user 'ci' may not run '${rule#+}'"*"ACL SETUSER ci $rule; "* ]] || explain "$rule is not named"
    missed+="$rule "
  done
  for rule in evalsha 'script|load' blpop hset hget rpush xread zadd zrange; do
    [[ $missed == *" +$rule "* ]] || explain "not missed: $rule"
  done
}
