# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2034  # pid is for the job
#
# Sourced by jobs that run sched_ext schedulers, as /nn/lib/scheduler.sh.

scx_is() { # STATE
	[ "$(cat /sys/kernel/sched_ext/state)" = "$1" ]
}

# Half a minute is plenty, also on a debug kernel.
scx_wait() { # STATE
	tries=0
	until scx_is "$1"; do
		[ $tries -lt 300 ] || return 1
		tries=$((tries + 1))
		usleep 100000
	done
}

# Returns when the scheduler schedules, $pid is its loader then.
scx_start() { # LOG COMMAND...
	scx_log=$1
	shift
	"$@" >"$scx_log" 2>&1 &
	pid=$!
	scx_wait enabled && return
	kill -9 "$pid"
	return 1
}

# Returns how the loader ended, 99 if the scheduler outlived it.
scx_stop() {
	kill -INT "$pid"
	wait "$pid"
	scx_rc=$?
	scx_wait disabled || return 99
	return $scx_rc
}
