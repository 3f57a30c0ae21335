#!/bin/bash
# uml.sh - user-mode Linux guests: a kernel with ESP, netfilter and VRF on any machine.
#
#   uml.sh start NAME [options]    boot; returns when the guest takes commands (2-4 s)
#   uml.sh exec  NAME CMD [ARGS]   run a command in it: its output and exit status
#   uml.sh bg    NAME CMD [ARGS]   start a command in it
#   uml.sh stop  NAME              power off
# options:
#   -m MB     memory (256)
#   -n NS     namespace of the host that holds its network devices
#   -d SPEC   a device: -d vec0:transport=packet,ifname=IF,depth=128 (uml-netfd.py)
#   -M a,b    kernel modules to load
# The guest's root is the host's file system; /run and /dev/shm are its own. One CPU.
set -eu
. "$(dirname "$(readlink -f "$0")")/lablib.sh"
MODS=veth,af_packet,tun,esp4,xfrm_user,dummy,authenc,gcm,ccm,cbc

start() {
	local mb=256 ns="" devs=() pre=""
	NAME=$1
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		-m) mb=$2 ;;
		-n) ns=$2 ;;
		-d) devs+=("$2") ;;
		-M) MODS=$2 ;;
		*) die "option $1" ;;
		esac
		shift 2
	done
	D=$LABRUN/uml-$NAME
	[ ! -s "$D/pid" ] || stop "$NAME"
	rm -rf "$D"
	mkdir -p "$D"
	mkfifo "$D/ctl"
	[ -z "$ns" ] || pre="ip netns exec $ns"
	# fd 3 is the command line to the guest (its ttyS0), opened for both so it never ends
	(
		exec 3<>"$D/ctl"
		echo "$BASHPID" >"$D/pid"
		exec setsid $pre nice -n -12 "$LABDIR/uml-netfd.py" linux.uml mem="${mb}M" root=/dev/root \
			rootfstype=hostfs rw init="$LABDIR/uml-init.sh" umid="lab-$NAME-$$" \
			con=null con0=null,fd:1 ssl=null ssl0=fd:3,null quiet panic=1 "${devs[@]}" \
			LABAGENT="$D" LABMODS="$MODS" ipv6.disable=1 >"$D/console" 2>&1 </dev/null
	) &
	# A guest with too little time answers its peer's messages seconds late. Its nice value counts only where
	# the kernel does not group by session; there the group that setsid has made goes first.
	wait_for 5 test -s "$D/pid" && autogroup_first "$(cat "$D/pid")"
	wait_for 30 test -e "$D/ready" || { cat "$D/console" >&2; die "guest $NAME did not boot"; }
}
send() {
	D=$LABRUN/uml-$1
	shift
	ID=$$.$RANDOM
	{
		printf 'cd %q 2>/dev/null; export LABRUN=%q\n' "$PWD" "$LABRUN"
		printf '%q ' "$@"
		echo
	} >"$D/cmd.$ID"
	echo "$ID" >"$D/ctl"
}
exec_wait() {
	local rc
	send "$@"
	wait_for "${UML_TIMEOUT:-60}" test -e "$D/rc.$ID" || { cat "$D/out.$ID"; die "timeout in guest"; }
	cat "$D/out.$ID"
	rc=$(cat "$D/rc.$ID")
	rm -f "$D"/{cmd,out,rc}."$ID"
	return "$rc"
}
stop() {
	D=$LABRUN/uml-$1
	[ -s "$D/pid" ] || return 0
	local p w
	p=$(cat "$D/pid")
	echo halt >"$D/ctl" &
	w=$!
	wait_for 3 eval "! kill -0 $p" || true
	kill $w 2>/dev/null || true
	pid_stop "$D/pid"
}
c=$1
shift
case $c in
start) start "$@" ;;
exec) exec_wait "$@" ;;
bg) send "$@" ;;
stop) stop "$1" ;;
*) die "unknown command $c" ;;
esac
