#!/usr/bin/env bash
# What SLURM starts: slurm.sh PYTHON LIST REQUEUES runs, in one process, the jobs on this array task's line of LIST; of
# students that train together, A:B:C, the first one's job is that of all.
# USR1 comes before the time limit: the jobs save, and the task is queued again. After TERM (scancel, preemption, a requeue
# by hand) they save too, but what comes next was already said by whoever sent it.
set -u
python=$1 list=$2 requeues=$3

read -ra names <<<"$(sed -n "s/^$SLURM_ARRAY_TASK_ID //p" "$list")"
jobs=()
for name in "${names[@]}"; do jobs+=("$(dirname "$list")/jobs/${name%%:*}.json"); done

(trap '' USR1; exec "$python" -P -m augdistill.stages "${jobs[@]}") &  # ignored until the jobs can listen
child=$!
at_limit='' ended='' signalled=''
trap 'signalled=yes at_limit=yes; (while kill -USR1 "$child"; do sleep 1; done) 2>/dev/null &' USR1
trap 'signalled=yes ended=yes; kill -TERM "$child" 2>/dev/null' TERM
while true; do
    wait "$child"
    code=$?
    [ "$signalled" ] || break
    signalled=''
done
if [ "$at_limit" ] && [ ! "$ended" ] && [ "$code" -gt 128 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "$requeues" ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$code"
