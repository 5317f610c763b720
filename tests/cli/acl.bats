# `config acl`: what it prints is enough, and nothing of it is too much.
load helper
load lock_helper

setup() {
  clean_environment
  start_server "enable-debug-command yes"
  TOKEN=0123456789abcdef0123456789abcdef
}
teardown() {
  end_background
  stop_server
}

# What a user of each noun does, a line each, N of them having nothing to do with what is there already. NAME is new.
tour() {
  cat <<T
lock run NAME -- true
lock acquire NAME --request-id $TOKEN
lock renew NAME --token $TOKEN
lock show NAME
lock release NAME --token $TOKEN
lock forget NAME
lock run NAME-slots --slots 2 -- true
locks list
elect run NAME -- true
elect show NAME
elect list
elect watch NAME -w 0.2
barrier arrive NAME --parties 2 --id one
barrier wait NAME --parties 2 -w 5
barrier show NAME
barrier reset NAME
barrier list
state set NAME value
state get NAME
state incr NAME-n
state list
state watch NAME -w 0.2
state delete NAME
job run NAME --run NAME -- true
job show NAME --run NAME
job list --run NAME
queue push NAME item item2
queue peek NAME
queue show NAME
queue pop NAME --lease 1m
queue pop NAME
queue list
queue purge NAME
T
}
# as_user NAME: the tour as user `ci`; each command's line and code. Stops at the first that is not permitted.
as_user() {
  local line before after
  while read -r line; do
    before=$(redis debug digest)
    # shellcheck disable=SC2086 # words
    run_split dcoord --user ci ${line//NAME/$1}
    if [[ $code == 77 ]]; then
      after=$(redis debug digest)
      # To stand in line is done, if not to wait there for a message.
      [[ $before == "$after" || $1 == without-blpop ]] || explain "half done: $line"
      return 77
    fi
    [[ $code == [01] || $code == 124 ]] || explain "$line: code $code"
  done < <(tour)
}

@test "the user that it makes can do everything, and for some nouns only what those need" {
  # shellcheck disable=SC2046 # words
  redis $(dcoord config acl --user ci) nopass >/dev/null
  DCOORD_PASSWORD=any as_user a
  redis $(dcoord config acl --user some lock elect) nopass >/dev/null
  DCOORD_PASSWORD=any run_split dcoord --user some lock run x -- echo held
  expect_out held
  DCOORD_PASSWORD=any run_split dcoord --user some elect run x -- echo led
  expect_out led
  DCOORD_PASSWORD=any run_split dcoord --user some queue push q item
  expect_code 77
  expect_err_has "user 'some' may not run '"
  run_split dcoord config acl nonsense
  expect_code 64
  run_split dcoord config acl --namespace other --json lock
  expect_out_has '"keys":"~other:*"'
}

@test "without any one of the permissions: an error that names it, and nothing written" {
  local rules rule missing=0 spare=
  rules="$(dcoord config acl --json | sed 's/.*"rules":"\([^"]*\)".*/\1/') "
  export DCOORD_PASSWORD=any
  for rule in $rules; do
    # shellcheck disable=SC2046,SC2086 # words
    redis acl setuser ci reset on nopass '~dcoord:*' resetchannels -@all ${rules/$rule /} >/dev/null
    code=0
    as_user "without-${rule#+}" || code=$?
    if [[ $code == 77 ]]; then
      missing=$((missing + 1))
      [[ $err == *"${rule#+}"* || $err == *"$(tr '|' ' ' <<<"${rule#+}")"* ]] || explain "$rule is not named"
    else
      [[ $code == 0 ]] || return 1
      spare+=" $rule"
    fi
  done
  ((missing > 25))
  # What is asked for only where there is more than this tour shows: a hint for a migrating slot, replicas, a name for
  # CLIENT LIST, the eviction policy, and what is done when thousands are in line.
  echo "not missed:$spare" >&2
}

@test "a key of another namespace is not touched" {
  # shellcheck disable=SC2046 # words
  redis $(dcoord config acl --user ci) nopass >/dev/null
  DCOORD_PASSWORD=any run_split dcoord --user ci --namespace other lock run x -- true
  expect_code 77
  [[ -z $(redis --scan --pattern 'other:*') ]]
}
