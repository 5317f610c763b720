# `dcoord help`, and the manual that it opens.
load helper

setup() { clean_environment; }

# An installed dcoord with its manual, and a `man` that only says what it would show.
install_manual() {
  mkdir -p "$BATS_TEST_TMPDIR/bin"
  cp "$DCOORD" "$BATS_TEST_TMPDIR/bin/dcoord"
  "$BATS_TEST_DIRNAME/../../man/build" "$DCOORD" "$BATS_TEST_TMPDIR/share/man"
  printf '#!/bin/sh\necho "shown: $*"\n' >"$BATS_TEST_TMPDIR/bin/man"
  chmod +x "$BATS_TEST_TMPDIR/bin/man"
  export PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

# on_terminal COMMAND: what it shows there.
on_terminal() { script -qec "$1" /dev/null; }

@test "help NOUN opens the manual on a terminal, and prints the short help elsewhere" {
  unset -f dcoord
  install_manual
  run_split on_terminal "dcoord help lock"
  expect_out_has "shown: $BATS_TEST_TMPDIR/share/man/man1/dcoord-lock.1.gz"
  run_split on_terminal "dcoord help lock run"
  expect_out_has "usage: dcoord lock run"
  run_split "$BATS_TEST_TMPDIR/bin/dcoord" help lock
  expect_out_has "verbs:"
  rm -r "$BATS_TEST_TMPDIR/share"
  run_split on_terminal "dcoord help lock"
  expect_out_has "verbs:"
}

@test "help TOPIC" {
  install_manual
  run_split "$BATS_TEST_TMPDIR/bin/dcoord" help guarantees
  expect_out "shown: $BATS_TEST_TMPDIR/share/man/man7/dcoord-guarantees.7.gz"
  run_split dcoord help guarantees
  expect_code 1
  expect_err_has "dcoord-guarantees.7 cannot be shown"
  run_split dcoord help exit-codes
  expect_code 0
  expect_out_has "    75  "
  run_split dcoord help no-such-topic
  expect_code 64
}

@test "the check of the manual finds what is not documented, and what is not there" {
  local root=$BATS_TEST_DIRNAME/../.. fake=$BATS_TEST_TMPDIR/fake
  "$root/tests/lint/manual" "$root" "$DCOORD"
  # without [OPTION]: a dcoord whose tree lacks what matches.
  without() { printf '#!/bin/sh\n"%s" "$@" | grep -v -- "%s"\n' "$DCOORD" "$1" >"$fake"; chmod +x "$fake"; }
  without "^option.min-hold"
  run_split "$root/tests/lint/manual" "$root" "$fake"
  expect_code 1
  expect_out_has "dcoord-recipes.7: there is no option --min-hold"
  without "^told.DCOORD_SLOT"
  run_split "$root/tests/lint/manual" "$root" "$fake"
  expect_code 1
  expect_out_has "DCOORD_SLOT is in the sources and no option"
  without "^exit.75"
  run_split "$root/tests/lint/manual" "$root" "$fake"
  expect_out_has "exit code 75 is not in"
}
