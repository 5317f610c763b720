#!/bin/bash
# A workload that says when it lives: work.sh HISTORY TENTHS KIND [KEY=VALUE...]. What it says last tells when it was last
# alive, however it ended. In the environment: WORK_ID (else one of its own), WORK_LAST (added to its very last line),
# WORK_EXIT.
history=$1 tenths=$2 kind=$3 id=${WORK_ID:-$$.${RANDOM}${RANDOM}}
shift 3
now() { echo "${EPOCHREALTIME/./}"; }
[[ -z ${DCOORD_SLOT:-} ]] || set -- "$@" "slot=$DCOORD_SLOT"
# Killed before it is heard of again, it lived at least at its beginning: one write says both.
printf 'begin %s %s %s %s fence=%s %s\nend %s %s done\n' "$id" "$PPID" "$kind" "$(now)" "${DCOORD_FENCE:-0}" "$*" "$id" "$(now)" \
  >>"$history"
for ((i = 0; i < tenths * 5; i++)); do
  sleep 0.02
  echo "end $id $(now) done" >>"$history"
done
[[ -z ${WORK_LAST:-} ]] || { at=$(now) && echo "end $id $at done ${WORK_LAST//NOW/$at}" >>"$history"; }
exit "${WORK_EXIT:-0}"
