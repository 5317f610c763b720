# What packaging/ has beside packages, as far as it can be tried here.
load helper

setup() {
  clean_environment
  PACKAGING=$BATS_TEST_DIRNAME/../../packaging
  mkdir -p "$BATS_TEST_TMPDIR/bin"
  ln -s "$DCOORD" "$BATS_TEST_TMPDIR/bin/dcoord"
  PATH=$BATS_TEST_TMPDIR/bin:$PATH
}
teardown() { stop_server; }

@test "systemd takes the units" {
  command -v systemd-analyze >/dev/null || skip "no systemd-analyze here"
  cp "$PACKAGING"/examples/systemd/* "$BATS_TEST_TMPDIR"
  cd "$BATS_TEST_TMPDIR"
  # That is where the packages have it, and the tests do not.
  sed -i "s#/usr/bin/dcoord#$DCOORD#" ./*.service
  mv dcoord-elect@.service dcoord-elect@x.service
  run systemd-analyze verify --man=no ./dcoord-elect@x.service ./dcoord-nightly.timer ./dcoord-nightly.service
  printf '%s\n' "$output"
  [[ $status == 0 && $output != *dcoord-* ]]
}

@test "the lines of cron.d are understood, and take turns" {
  start_server
  printf '#!/bin/sh\necho "$0" >> "%s/ran"\nsleep 1\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/bin/report"
  chmod +x "$BATS_TEST_TMPDIR/bin/report"
  cp "$BATS_TEST_TMPDIR/bin/report" "$BATS_TEST_TMPDIR/bin/nightly"
  cp "$BATS_TEST_TMPDIR/bin/report" "$BATS_TEST_TMPDIR/bin/rotate"
  local line
  while read -r line; do
    # Twice, as two hosts would.
    bash -c "$line" 3>&- &
    bash -c "$line" 3>&-
    wait $!
  done < <(sed -nE 's/^([0-9*][^ ]* ){1}([^ ]+ ){4}app //p' "$PACKAGING/examples/cron.d/dcoord")
  [[ $(sort "$BATS_TEST_TMPDIR/ran" | uniq -c | awk '{ print $1 }' | tr -d '\n') == 111 ]]
}

# action MODE [VARIABLE=VALUE...]: a step of a job.
action() {
  local mode=$1
  shift
  env LOCK_MODE="$mode" LOCK_NAME=deploy LOCK_RUN='' LOCK_URL="$DCOORD_URL" LOCK_WAIT='' LOCK_TTL=10s LOCK_SLOTS='' \
    GITHUB_REPOSITORY=me/it GITHUB_WORKFLOW=ci GITHUB_RUN_NUMBER=7 GITHUB_ENV="$BATS_TEST_TMPDIR/env" \
    GITHUB_OUTPUT="$BATS_TEST_TMPDIR/output" "$@" "$PACKAGING/github-action/lock.sh"
}

@test "the GitHub action runs a command under the lock, and fails as it does" {
  start_server
  run_split action run LOCK_RUN=$'dcoord lock show deploy\nfalse\ntouch "$BATS_TEST_TMPDIR/reached"'
  expect_code 1
  expect_out_has "me/it ci #7"
  [[ ! -e $BATS_TEST_TMPDIR/reached ]]
  grep -qx 'fence=[0-9]\{16\}' "$BATS_TEST_TMPDIR/output"
  run_split action nonsense
  expect_code 64
}

@test "the GitHub action holds the lock over steps, until its release or the end of the job" {
  start_server
  # The worker, whose children the steps are.
  export -f action
  export BATS_TEST_TMPDIR PACKAGING
  run_split bash -c 'action acquire; dcoord lock show deploy; . <(sed "s/^/export /" "$BATS_TEST_TMPDIR/env"); action release'
  expect_code 0
  expect_out_has held
  [[ $(dcoord lock show deploy) == *free* ]]
  run_split bash -c 'action acquire; dcoord lock show deploy'
  expect_out_has held
  wait_until 20 eval '[[ $(dcoord lock show deploy) == *free* ]]'
}
