#!/bin/bash
# peer-frr.sh - an FRR router (zebra and chosen daemons) per namespace, side by side.
#
#   peer-frr.sh start NAME NS CONFFILE|- [DAEMON...]   (default: zebra staticd ospfd)
#   peer-frr.sh vtysh NAME [-c COMMAND]...
#   peer-frr.sh dir NAME                               where the daemons' sockets are
#   peer-frr.sh stop|kill NAME                         orderly, or at once
#
# All paths are private (zserv socket, vty sockets, pid files, configuration); nothing in /etc/frr
# is read. The daemons drop to user frr, which Debian's build wants in group frrvty, so their
# directory belongs to frr.
set -eu
. "$(dirname "$(readlink -f "$0")")/lablib.sh"
CMD=$1 NAME=$2
D=$LABRUN/frr-$NAME
SPACE=$(echo "lab-$LABRUN-$NAME" | tr -c "A-Za-z0-9\n" -) # mgmtd has its sockets in /run/frr/SPACE

daemon_start() { # daemon_start NS DAEMON
	local x=()
	[ "$2" != zebra ] || x=(-s 16777216) # netlink buffer
	: >"$D/$2.conf"
	# FRR 10: mgmtd reads the configuration of some
	! "/usr/lib/frr/$2" --help | grep -c -e --config_file >/dev/null || x+=(-f "$D/$2.conf")
	[ ! -x /usr/lib/frr/mgmtd ] || x+=(-N "$SPACE")
	chown -R frr:frr "$D"
	chgrp frrvty "$D/vty"
	# BFD at 100 ms on a busy machine: routers get the processor first, they are not under test
	ip netns exec "$1" nice -n -12 "/usr/lib/frr/$2" -d -u frr -g frr -z "$D/zserv.api" \
		--vty_socket "$D/vty" -i "$D/$2.pid" --log "file:$D/$2.log" \
		--log-level "${FRRLOG:-informational}" -A 127.0.0.1 -P 0 "${x[@]}" \
		>"$D/$2.out" 2>&1 </dev/null &
	echo $! >"$D/$2.first" # the process that the daemon leaves behind names a directory
	wait $! || {
		cat "$D/$2.out" >&2
		die "$2 did not start"
	}
	autogroup_first "$(cat "$D/$2.pid")"
	[ "$2" != zebra ] || wait_for 5 test -S "$D/zserv.api" || die "zebra does not listen"
}

case $CMD in
start)
	NS=$3 CONF=$4
	shift 4
	[ $# -gt 0 ] || set -- zebra staticd ospfd
	"$0" stop "$NAME"
	rm -rf "$D"
	mkdir -p "$D/vty"
	if [ -x /usr/lib/frr/mgmtd ]; then
		install -d -o frr -g frr "/run/frr/$SPACE"
		set -- mgmtd "$@"
	fi
	for d in "$@"; do daemon_start "$NS" "$d"; done
	[ "$CONF" = - ] || {
		cp "$CONF" "$D/frr.conf"
		vtysh --vty_socket "$D/vty" -f "$D/frr.conf" >"$D/load.out" 2>&1 || {
			cat "$D/load.out" >&2
			die "configuration rejected"
		}
	}
	;;
vtysh)
	shift 2
	vtysh --vty_socket "$D/vty" "$@"
	;;
dir) echo "$D/vty" ;;
stop | kill)
	for p in "$D"/*.pid; do "pid_$CMD" "$p"; done
	for p in "$D"/*.first; do # of the log's buffers, for a crash
		[ ! -s "$p" ] || rm -rf "/var/tmp/frr/$(basename "$p" .first).$(cat "$p")"
	done
	rm -rf "/run/frr/$SPACE"
	;;
*) die "unknown command $CMD" ;;
esac
