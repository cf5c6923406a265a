#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scx_affinity on a kernel in which something fails: tasks are never handed to a CPU, so that
# the watchdog of sched_ext has to end it; there is no memory for a task's data. For
# MACHINE=spe, which has nn_break on board; while the watchdog waits RCU must be patient:
# rcupdate.rcu_cpu_stall_timeout=300.

log=/tmp/affinity.log
conf=/tmp/layers.json
log_lines=40
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh
# shellcheck source=tools/guest/scheduler.sh
. /nn/lib/scheduler.sh

break_it() { # FUNCTION
	insmod /nn/modules/nn_break.ko "func=$1"
}

echo "TAP version 13"
echo "1..4"
scx_affinity example >$conf
affload -n load 3000 >/dev/null &
load=$!

scx_start $log scx_affinity run -f $conf
started=$?
# Nothing runs from here on until the watchdog barks, this shell neither.
break_it scx_bpf_dsq_move_to_local___v2
wait "$pid"
rc=$?
rmmod nn_break
before=$(awk '{ print $14 }' /proc/$load/stat)
sleep 1
after=$(awk '{ print $14 }' /proc/$load/stat)
echo "# exit $rc: $(sed -n 's/^EXIT: //p' $log | head -n 1)"
[ $started = 0 ] && [ $rc = 3 ] && scx_is disabled && [ "$after" -gt "$before" ] &&
	grep -qE '^EXIT: .*(stall|watchdog)' $log && grep -q 'tasks are back in the fair class' $log
result $? "tasks that are not run: the watchdog ends it, it says so, all run in the fair class"

break_it bpf_task_storage_get
scx_affinity run -f $conf >$log 2>&1
rc=$?
rmmod nn_break
echo "# exit $rc: $(sed -n 's/^EXIT: //p' $log | head -n 1)"
# ENOMEM is 12
[ $rc = 3 ] && scx_wait disabled && kill -0 $load && grep -q '^EXIT: .*init_task() failed (-12)' $log &&
	grep -q 'tasks are back in the fair class' $log
result $? "no memory for tasks: the kernel ends it, it says so"

scx_start $log scx_affinity run -f $conf
result $? "after that it loads"
scx_stop
result $? "and unloads"
kill $load
# shellcheck disable=SC2154
exit $failed
