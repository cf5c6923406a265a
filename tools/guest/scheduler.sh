# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2034,SC2154  # pid and what driven() sets are for the job, which sets log
#
# Sourced by jobs that run sched_ext schedulers, as /nn/lib/scheduler.sh.

scx_is() { # STATE
	[ "$(cat /sys/kernel/sched_ext/state)" = "$1" ]
}

# Loading is some 1.5 billion instructions for the verifier: seconds on a quiet host, two
# minutes were seen on a busy one.
scx_wait() { # STATE
	tries=0
	until scx_is "$1"; do
		[ $tries -lt 3000 ] || return 1
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

# layer_value KEY LAYER: what the status of scx_affinity has of a layer
layer_value() {
	scx_affinity status --json >/tmp/status.json || return
	awk -v key="\"$1\":" -v layer="\"$2\"," '
		$1 == "\"name\":" { here = $2 == layer }
		here && $1 == key { sub(/,$/, "", $2); gsub(/"/, "", $2); print $2; exit }' /tmp/status.json
}

# driven MB OPTION...: a task whose memory is far, and which is driven to node 1 when that has
# come. Sets settled (the most that was local, percent), home and end (nodes), local (percent)
# and moved (pages); what is not known is "-" or the worst.
driven() {
	settled=0 home=- end=- local=0 moved=$(($1 * 256)) driven_mb=$1
	shift
	numa_place --memory "$driven_mb" --roam --drive 1 --until 95 "$@" >/tmp/place.out 2>&1
	driven_rc=$?
	cat /tmp/place.out >>"$log"
	settled=$(awk '$1 ~ /^[0-9]+$/ && NF == 10 && $3 > max { max = $3 } END { print int(max) }' /tmp/place.out)
	# shellcheck disable=SC2046  # words
	set -- $(sed -n 's/^driven from node \([0-9]*\) to node [0-9]*: ended on node \([0-9]*\), \([0-9.]*\) % local, \([0-9]*\) .*/\1 \2 \3 \4/p' /tmp/place.out)
	[ $# = 4 ] && home=$1 end=$2 local=${3%.*} moved=$4
	return $driven_rc
}
