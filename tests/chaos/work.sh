#!/bin/bash
# A workload that says when it lives: work.sh HISTORY TENTHS. Its last line tells when it was last alive, however it ended.
history=$1 id=$$.${RANDOM}${RANDOM}
now() { echo "${EPOCHREALTIME/./}"; }
echo "begin $id $PPID hold $(now) mode=x fence=$DCOORD_FENCE" >>"$history"
for ((i = 0; i < $2 * 5; i++)); do
  sleep 0.02
  echo "end $id $(now) done" >>"$history"
done
