#!/bin/bash
# The replication link over the kernel's SCTP, which a user-mode Linux guest has: with the other box
# in user space (each side connects once), and between two kernels' ends.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/_link.sh"

ns_add h
ns_ip h link add gv type veth peer name gp
for i in gv gp; do
	offload_off "$(nsname h)" $i
	ns_ip h link set $i up
done
for a in 10.0.0.1 10.0.0.4 10.1.0.1 10.1.0.4; do ns_ip h addr add $a/24 dev gv; done
guest_start g h gp veth,af_packet,sctp
in_guest g sh -c 'ip link set vec0 up
	for a in 10.0.0.2 10.0.0.3 10.1.0.2 10.1.0.3; do ip addr add $a/24 dev vec0; done'

common=(hb=400 rto-min=100 rto-max=1000 path=3 assoc=8 "secret=$LINK_KEY")
# guest_link NAME NETNS|- PARAMETER...: an end in the guest, its log where the host's ends have theirs
guest_link() {
	local name=$1 in=$2
	shift 2
	[ "$in" = - ] && in="" || in="ip netns exec $in"
	guest bg g bash -c "echo \$\$ >'$TMP/$name.pid'; exec $in \"\$@\" >>'$TMP/$name.log' 2>&1" \
		"$name" "$LINK_PEER" stdin=no "${common[@]}" "$@"
}
guest_kill() { in_guest g kill -9 "$(cat "$TMP/$1.pid")"; }
runs='send 1 2000 900;send 16 100 32768;info'
complete() { # complete NAME [TIMES]: all that the other end sends when it comes up
	link_has "$1" '^received stream=1 count=2000 ' "${2:-1}" &&
		link_has "$1" '^received stream=16 count=100 ' "${2:-1}"
}

step "kernel listens, user space connects"
guest_link k - local=10.0.0.2,10.1.0.2 remote=10.0.0.1,10.1.0.1 "up=$runs"
link_start u h local=10.0.0.1,10.1.0.1 remote=10.0.0.2,10.1.0.2 "${common[@]}" driver=user "up=$runs"
wait_event 20 complete u
wait_event 20 complete k
link_has k '^up 1 driver=kernel security="TLS 1.3 PSK"' || fail "$(cat "$TMP/k.log")"
for v in paths=2 locals=2 rto_min=100 rto_max=1000 rto_initial=100 path=3 assoc=8 path_hb=400 sack=10; do
	link_has k "^info .* $v " || fail "not set in the kernel: $v"
done
wait_event 5 link_is u paths_up 2
link_has k 'LINK_GUARD.*no nf_tables for IPv4.: they are bound to vec0' ||
	in_guest g nft list ruleset | has 'table ip tandem_link_' || fail "neither rules nor a word about them"

step "strangers' associations by the thousand: refused, and the link stays up"
in_guest g ip route add 9.2.0.0/16 via 10.0.0.1
k_rss() { in_guest g awk '/^VmRSS/ {print $2}' "/proc/$(cat "$TMP/k.pid")/status"; }
before=$(k_rss)
in_ns h python3 "$NETNS_DIR/sctp_flood.py" gv 10.0.0.2 5000 2000 >"$TMP/flood.log"
cat "$TMP/flood.log"
num "associations refused" "$(sed -n 's/.*aborted=\([0-9]*\)$/\1/p' "$TMP/flood.log")" -ge 1000
wait_event 10 link_has k 'LINK_REFUSED.*association of 9[.]2[.]'
num "lines about refused ones" "$(link_count k LINK_REFUSED)" -le 60
num "memory in KiB" "$(k_rss)" -le $((before + 8000))
eq "associations with the other box that ended" "$(link_count u '^down: ')/$(link_count k '^down: ')" 0/0

step "the kernel's end is killed and started again"
guest_kill k
wait_event 10 link_has u '^down: '
guest_link k - local=10.0.0.2,10.1.0.2 remote=10.0.0.1,10.1.0.1 "up=$runs"
wait_event 20 complete u 2

step "the end in user space is killed and started again"
link_kill u
link_start u h local=10.0.0.1,10.1.0.1 remote=10.0.0.2,10.1.0.2 "${common[@]}" driver=user
wait_event 20 complete u 3
link_quit u
wait_event 10 link_has k '^down: ' 2
guest_kill k

step "user space listens, kernel connects"
link_start v h local=10.0.0.4,10.1.0.4 remote=10.0.0.3,10.1.0.3 "${common[@]}" driver=user "up=$runs"
guest_link l - local=10.0.0.3,10.1.0.3 remote=10.0.0.4,10.1.0.4 "up=$runs" driver=kernel
wait_event 20 complete v
wait_event 20 complete l
link_quit v
wait_event 10 link_has l '^down: '
guest_kill l

step "a way beside its interface is not taken"
in_guest g bash -c 'ip link add d0 type veth peer name d1 && ip link set d0 up && ip link set d1 up
	ip addr add 9.1.0.2/24 dev d0
	ip neigh replace 9.1.0.9 lladdr 2:0:0:0:0:9 dev d0 && ip route add default via 9.1.0.9
	tcpdump -n -l -i d1 proto 132 >"$0" 2>&1 &' "$TMP/way.log"
wait_event 10 grep -q '^listening' "$TMP/way.log"
# listening, it would answer by any way; connecting, it would begin by any
guest_link m - local=10.0.0.2 remote=10.0.0.1
guest_link n - local=10.0.0.3 remote=10.0.0.4 lport=5001 rport=5001
link_start w h local=10.0.0.1 remote=10.0.0.2 "${common[@]}" driver=user
wait_event 20 link_has m '^up '
in_guest g ip link set vec0 down
wait_event 20 link_has m '^down: '
in_guest g ping -c 1 -W 1 10.0.0.1 >"$TMP/ping.log" || true
in_guest g sleep 3 # several retransmissions
eq "SCTP that left there" "$(grep -c ' IP .*sctp' "$TMP/way.log" || true)" 0
guest_kill m
guest_kill n
link_quit w
in_guest g bash -c 'ip link del d0; ip link set vec0 up'

step "kernel and kernel; one of two paths is lost"
in_guest g bash -c '. tests/lab/lablib.sh; ns_make ka kb 2>/dev/null
	veth ka e0 10.2.0.1/24 kb e0 10.2.0.2/24
	veth ka e1 10.3.0.1/24 kb e1 10.3.0.2/24'
guest_link kb kb local=10.2.0.2,10.3.0.2 remote=10.2.0.1,10.3.0.1 "up=$runs"
guest_link ka ka local=10.2.0.1,10.3.0.1 remote=10.2.0.2,10.3.0.2 "up=send 1 2000 900;send 16 100 32768"
wait_event 20 complete ka
wait_event 20 complete kb
in_guest g ip -n ka link set e0 down
in_guest g sleep 3 # more heartbeats than may be missed
in_guest g ip -n ka link set e1 down
wait_event 20 link_has ka '^down: the other box is silent'
eq "associations" "$(link_ups ka)/$(link_ups kb)" 1/1
in_guest g ip -n ka link set e1 up
wait_event 20 complete kb 2
link_no_faults
link_has ka 'driver=kernel' || fail "not the kernel's SCTP"
