# lablib.sh - what the lab's peer scripts share: namespaces, links, waiting, stopping.
# Source it. Works on the host and inside a user-mode Linux guest, whose root is the host's files.
# State and logs of a run: $LABRUN (the caller's, one per run, so that runs live side by side).
LABDIR=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
LABRUN=${LABRUN:-/tmp/tandem-lab}
export PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
mkdir -p "$LABRUN"

die() { echo "$(basename "$0"): $*" >&2; exit 1; }
now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }

# autogroup_first PID: where the kernel groups by session (sched_autogroup), nice values weigh within
# one only: that process's session goes before others, such as a build beside it.
autogroup_first() {
	{ echo -15 >"/proc/$1/autogroup"; } 2>/dev/null || true
}

# ns_make NS...: namespaces with lo up, forwarding on, no reverse-path filter, no redirects, no IPv6
ns_make() {
	local n
	for n in "$@"; do
		ip netns add "$n" || return
		ip -n "$n" link set lo up
		ip netns exec "$n" sysctl -qw net.ipv4.ip_forward=1 \
			net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
			net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.all.send_redirects=0 \
			net.ipv4.conf.default.send_redirects=0 net.ipv6.conf.all.disable_ipv6=1 \
			net.ipv6.conf.default.disable_ipv6=1
	done
}

# veth NS1 IF1 CIDR1 NS2 IF2 CIDR2: a veth pair with all offloads off; "-" for a CIDR = no address.
# A kernel that offloads hands a DPDK port frames with unfinished checksums and 64 KiB segments.
veth() {
	ip link add "$2" netns "$1" type veth peer name "$5" netns "$4"
	if_up "$1" "$2" "$3"
	if_up "$4" "$5" "$6"
}
if_up() {
	offload_off "$1" "$2"
	[ "$3" = - ] || ip -n "$1" addr add "$3" dev "$2"
	ip -n "$1" link set "$2" up
}
offload_off() {
	ip netns exec "$1" ethtool -K "$2" tx off rx off tso off gso off gro off sg off \
		tx-sctp-segmentation off tx-udp-segmentation off >/dev/null 2>&1 || true
}

# pid_end PID [SECONDS]: TERM, wait, KILL. Only ever a pid that the caller started.
pid_end() {
	local end=$(($(now_ms) + ${2:-5} * 1000))
	kill "$1" 2>/dev/null || return 0
	while kill -0 "$1" 2>/dev/null; do
		[ "$(now_ms)" -lt $end ] || { kill -9 "$1" 2>/dev/null; break; }
		sleep 0.05
	done
}
pid_stop() { # pid_stop PIDFILE
	[ -s "$1" ] || return 0
	pid_end "$(cat "$1")"
	rm -f "$1"
}
pid_kill() { # pid_kill PIDFILE: at once, for what has nothing more to say
	[ -s "$1" ] || return 0
	kill -9 "$(cat "$1")" 2>/dev/null || true
	rm -f "$1"
}
# wait_for SECONDS CMD...: until CMD succeeds
wait_for() {
	local end=$(($(now_ms) + $1 * 1000))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt $end ] || return 1
		sleep 0.05
	done
}
