#!/bin/bash
# A workload that says when it lives: work.sh HISTORY TENTHS. Its last line tells when it was last alive, however it ended.
history=$1 id=$$.${RANDOM}${RANDOM}
now() { echo "${EPOCHREALTIME/./}"; }
# Killed before it is heard of again, it lived at least at its beginning: one write says both.
printf 'begin %s %s hold %s mode=x fence=%s\nend %s %s done\n' "$id" "$PPID" "$(now)" "$DCOORD_FENCE" "$id" "$(now)" >>"$history"
for ((i = 0; i < $2 * 5; i++)); do
  sleep 0.02
  echo "end $id $(now) done" >>"$history"
done
