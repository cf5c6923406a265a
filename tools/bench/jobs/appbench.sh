#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Guest job: servers beside a batch load, under EEVDF, scx_simple and scx_affinity in turn,
# each time started anew and asked the same number of requests. Lines of JSON to the harness,
# for appreport.
#
# The last CPU is the world outside: the clients run there, and all else that is neither
# server nor batch load, and neither of those does. So what user space accesses on the other
# CPUs is the server's: the batch load accesses no memory.
#
# A server's files come to memory with it, as from a disk: it copies them, from where
# it runs, before it starts.
#
# On the kernel's command line: NN_APPS, which servers, of "redis nginx postgresql"; NN_SCHEDULERS;
# NN_NODE, the node of the server's layer; NN_HOGS, how many batch tasks, as many as CPUs if not
# given; NN_CLIENTS, how many connections; NN_REQUESTS, for ten times fewer requests 1; NN_PACE, see
# appwatch.

apps=${NN_APPS:-redis nginx postgresql}
schedulers=${NN_SCHEDULERS:-eevdf simple affinity}
node=${NN_NODE:-1}
clients=${NN_CLIENTS:-4}
tenths=${NN_REQUESTS:-10}
pace=${NN_PACE:-500}
out=${NN_OUT:?not set: run this under nnboot}
trees=/nn/apps
data=/tmp/pgdata
server=/sys/fs/cgroup/server
batch=/sys/fs/cgroup/batch
# shellcheck source=tools/guest/scheduler.sh
. /nn/lib/scheduler.sh

if [ -z "$NN_OUTSIDE" ]; then
	export NN_OUTSIDE=$(($(nproc) - 1))
	exec within -e -c $NN_OUTSIDE /bin/sh "$0"
fi
outside=$NN_OUTSIDE
inside=0-$((outside - 1))
hogs=${NN_HOGS:-$outside}

die() {
	echo "Bail out! $*"
	tail -n 20 /tmp/server.log /tmp/client.log /tmp/scx.log 2>/dev/null | sed 's/^/# /'
	exit 1
}

say() {
	echo "# $(cut -d' ' -f1 /proc/uptime) s: $*"
}

# --- what the server's layer runs: within its cgroup and off the last CPU

in_layer() {
	within -c "$inside" -g $server "$@"
}

# The server's root, empty before.
unpack() { # APP
	mount -t tmpfs srv /srv || die "no tmpfs"
	in_layer cp -a $trees/"$1"/. /srv/ || die "cannot copy $1"
	mount -t proc proc /srv/proc
	mount -t devtmpfs dev /srv/dev
}

serve() { # OPTION-OF-WITHIN... COMMAND...
	within -c $inside -g $server -r /srv "$@" >/tmp/server.log 2>&1 &
}

start_server() { # APP
	case $1 in
	redis)
		serve redis-server --bind 127.0.0.1 --port 6379 --save '' --appendonly no --ignore-warnings ARM64-COW-BUG
		;;
	nginx)
		mkdir /srv/www
		in_layer dd if=/dev/urandom of=/srv/www/file bs=4096 count=1 2>/dev/null
		cat >/srv/etc/nginx.conf <<-END
		daemon off;
		user root;
		worker_processes 2;
		pid /tmp/nginx.pid;
		error_log stderr;
		events { worker_connections 128; }
		http {
			access_log off;
			sendfile on;
			keepalive_requests 100000000;
			server { listen 127.0.0.1:8080; root /www; }
		}
		END
		serve nginx -c /etc/nginx.conf
		;;
	postgresql)
		in_layer cp -a $data /srv/data || die "cannot copy the database"
		serve -u 26 postgres -D /data -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
			-c shared_buffers=32MB -c huge_pages=off -c dynamic_shared_memory_type=mmap -c fsync=off \
			-c autovacuum=off
		;;
	esac
}

# --- clients, on the last CPU; what comes before them on the command line is run with them

# client APP REQUESTS [COMMAND...]
client() {
	app=$1 nr=$2
	shift 2
	case $app in
	redis)
		"$@" within -r $trees/redis redis-benchmark -h 127.0.0.1 -c "$clients" -n $((nr / 2)) -r 10000 -d 256 \
			-t set,get -q
		;;
	nginx)
		"$@" httpload -c "$clients" -n "$nr" 8080 /file
		;;
	postgresql)
		"$@" within -r $trees/postgresql pgbench -h 127.0.0.1 -U postgres -n -S -M prepared -c "$clients" \
			-t $((nr / clients)) postgres
		;;
	esac
}

# Before the server listens redis-benchmark would wait for ever.
listens() { # PORT
	grep -q "^ *[0-9]*: 0100007F:$(printf %04X "$1") 00000000:0000 0A" /proc/net/tcp
}

# Until the server answers; then what it is asked for is there, and was asked for.
warm_up() { # APP REQUESTS
	case $1 in
	redis) port=6379 ;;
	nginx) port=8080 ;;
	postgresql) port=5432 ;;
	esac
	tries=0
	until listens "$port" && client "$1" "$clients" >/tmp/client.log 2>&1; do
		[ $tries -lt 100 ] || die "$1 does not answer"
		tries=$((tries + 1))
		usleep 200000
	done
	if [ "$1" = redis ]; then
		within -r $trees/redis redis-benchmark -h 127.0.0.1 -c "$clients" -P 16 -n 20000 -r 10000 -d 256 -t set -q \
			>/tmp/client.log 2>&1 || die "redis takes no data"
	fi
	client "$1" "$2" >/tmp/client.log 2>&1 || die "$1 stopped to answer"
}

# --- schedulers

start_scheduler() { # SCHEDULER
	case $1 in
	eevdf) return ;;
	simple)
		for scx in /nn/sched-*/scx_simple; do :; done
		set -- "$scx"
		;;
	affinity)
		cat >/tmp/layers.json <<-END
		{
		  "layers": [
		    { "name": "server", "match": [ { "cgroup_prefix": "/server" } ], "policy": "confined", "nodes": [ $node ],
		      "preempt": true, "slice_us": 3000, "weight": 400 },
		    { "name": "batch", "match": [ { "cgroup_prefix": "/batch" } ], "policy": "open", "weight": 30 },
		    { "name": "rest", "match": [ {} ], "policy": "open" }
		  ]
		}
		END
		set -- scx_affinity run -f /tmp/layers.json
		;;
	esac
	scx_start /tmp/scx.log "$@" || die "$1 is not enabled"
}

# Was it there all the time?
stop_scheduler() { # SCHEDULER
	if [ "$1" = eevdf ]; then
		scx_is disabled || die "some scheduler is there"
		return
	fi
	scx_is enabled && [ "$(cat /sys/kernel/sched_ext/root/ops)" = "$1" ] || die "$1 did not last"
	scx_stop || die "$1 ended with $?"
}

end_all() { # CGROUP
	echo 1 >"$1/cgroup.kill"
	while grep -q 'populated 1' "$1/cgroup.events"; do usleep 20000; done
}

# measure APP SCHEDULER REQUESTS
measure() {
	say "$1 under $2"
	start_scheduler "$2"
	i=0
	while [ $i -lt "$hogs" ]; do
		within -c $inside -g $batch spin &
		i=$((i + 1))
	done
	unpack "$1"
	start_server "$1"
	say "warming up"
	warm_up "$1" $(($3 / 2))
	# Else it would be the size of the node that is measured.
	free=$(awk '/MemFree/ { print int($4 / 1024) }' "/sys/devices/system/node/node$node/meminfo")
	[ "$free" -ge 64 ] || die "node $node has $free MB left, the server's memory may be elsewhere for want of it"
	say "measuring, $free MB are free on node $node"
	said=$(client "$1" "$3" appwatch --cgroup $server --batch $batch --label "$1,$2" --pace "$pace" -- 2>/tmp/client.log) ||
		die "$1 under $2 was not measured"
	printf '{"app":"%s","scheduler":"%s","node":%d,"outside":%d,"hogs":%d,"clients":%d,"requests":%d,"result":%s}\n' \
		"$1" "$2" "$node" "$outside" "$hogs" "$clients" "$3" "$said" >"$out"
	[ "$2" != affinity ] || scx_affinity status | sed 's/^/# /'
	end_all $server
	end_all $batch
	umount /srv/dev /srv/proc /srv || die "cannot unmount the root of $1"
	stop_scheduler "$2"
	say "$said"
}

# The database, made once and copied for each server.
make_database() {
	mount -t proc proc $trees/postgresql/proc
	mount -t devtmpfs dev $trees/postgresql/dev
	mount --bind /tmp $trees/postgresql/tmp
	# initdb wants a shell
	mkdir -p $trees/postgresql/bin $data
	cp /bin/busybox $trees/postgresql/bin/sh
	chown 26:26 $data
	chmod 700 $data
	within -r $trees/postgresql -u 26 initdb -D $data --no-locale -E UTF8 -A trust --wal-segsize=1 -N >/tmp/server.log 2>&1 ||
		die "initdb failed"
	within -r $trees/postgresql -u 26 postgres -D $data -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
		-c dynamic_shared_memory_type=mmap -c fsync=off >/tmp/server.log 2>&1 &
	postgres=$!
	tries=0
	until within -r $trees/postgresql pgbench -h 127.0.0.1 -U postgres -q -i -s 1 -I dtGvp postgres >/tmp/client.log 2>&1; do
		[ $tries -lt 100 ] || die "there is no database"
		tries=$((tries + 1))
		usleep 200000
	done
	kill -INT $postgres
	wait $postgres || die "postgres ended with $?"
	(cd $trees/postgresql && umount tmp dev proc) || die "the database's root is busy"
}

[ -c "$out" ] || [ -f "$out" ] || die "no port for results: $out"
[ -d $trees ] || die "there are no servers on board"
ifconfig lo 127.0.0.1 up || die "no loopback"
mkdir -p /srv $server $batch

for app in $apps; do
	case $app in
	redis) requests=800 ;;
	nginx) requests=600 ;;
	postgresql)
		requests=200
		make_database
		say "the database is made"
		;;
	*) die "$app?" ;;
	esac
	for scheduler in $schedulers; do
		measure "$app" "$scheduler" $((requests * tenths))
	done
done
exit 0
