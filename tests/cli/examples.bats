# What the documentation shows is what works.
load helper

setup() {
  clean_environment
  start_server
}
teardown() { stop_server; }

@test "every example of README, manual and --help" {
  local root=$BATS_TEST_DIRNAME/../..
  "$root/man/build" "$DCOORD" "$BATS_TEST_TMPDIR/man"
  python3 "$BATS_TEST_DIRNAME/examples.py" "$DCOORD" --help "$root/README.md" "$BATS_TEST_TMPDIR"/man/man?/*
}

@test "an example that is wrong is found" {
  printf '    dcoord lock run x --no-such-option -- true\n\n    dcoord lock run y -- no-such-command\n' >"$BATS_TEST_TMPDIR/readme"
  run_split python3 "$BATS_TEST_DIRNAME/examples.py" "$DCOORD" "$BATS_TEST_TMPDIR/readme"
  expect_code 1
  expect_out_has "exit 64: dcoord lock run x"
  expect_out_has "exit 127: dcoord lock run y"
}
