#!/usr/bin/env bash
# What the action does; its inputs are LOCK_*.
set -euo pipefail

[[ -z $LOCK_URL ]] || export DCOORD_URL=$LOCK_URL
if ! command -v dcoord > /dev/null; then
  tools=$RUNNER_TEMP/dcoord
  mkdir -p "$tools"
  curl -fsSL --retry 3 -o "$tools/$LOCK_ARCHIVE" "$LOCK_RELEASE/$LOCK_ARCHIVE"
  curl -fsSL --retry 3 -o "$tools/SHA256SUMS" "$LOCK_RELEASE/SHA256SUMS"
  (cd "$tools" && grep -F " $LOCK_ARCHIVE" SHA256SUMS | sha256sum -c --quiet -)
  tar -xzf "$tools/$LOCK_ARCHIVE" -C "$tools" --strip-components 1
  bin=$(dirname "$(find "$tools" -name dcoord -type f -perm -u+x | head -n 1)")
  PATH=$bin:$PATH
  echo "$bin" >> "$GITHUB_PATH"
fi

options=(--ttl "$LOCK_TTL" --label "$GITHUB_REPOSITORY $GITHUB_WORKFLOW #$GITHUB_RUN_NUMBER")
[[ -z $LOCK_WAIT ]] || options+=(--wait "$LOCK_WAIT")
[[ -z $LOCK_SLOTS ]] || options+=(--slots "$LOCK_SLOTS")

case $LOCK_MODE in
  run)
    # shellcheck disable=SC2016 # for the shell that holds the lock
    dcoord lock run "$LOCK_NAME" "${options[@]}" -- bash -eo pipefail -c 'echo "fence=$DCOORD_FENCE" >> "$GITHUB_OUTPUT"
'"$LOCK_RUN"
    ;;
  acquire)
    # The runner's worker, whose child this step is, lives as long as the job: with it the lock goes.
    assignments=$(dcoord lock acquire "$LOCK_NAME" "${options[@]}" --bind-pid "$PPID")
    eval "$assignments"
    echo "::add-mask::$DCOORD_TOKEN"
    for name in DCOORD_LOCK_NAME DCOORD_TOKEN DCOORD_OWNER DCOORD_FENCE DCOORD_HELD; do
      echo "$name=${!name}" >> "$GITHUB_ENV"
    done
    echo "fence=$DCOORD_FENCE" >> "$GITHUB_OUTPUT"
    ;;
  release) dcoord lock release "$LOCK_NAME" ;;
  *)
    echo "::error::mode is run, acquire or release, not '$LOCK_MODE'"
    exit 64
    ;;
esac
