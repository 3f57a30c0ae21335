#!/bin/bash
# The replication link over IPv6, SCTP in user space: both directions on every stream, one of two paths
# lost, the guard's rules (its interfaces only, an address that moves, a flood by another interface
# and by its own), and an address that nobody can use yet.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/_link.sh"
need tcpdump python3 jq

# e0, e1: between the boxes. d0: the way of the default route, by a router that knows both.
ns_add a b r
for n in a b r; do
	in_ns $n sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 \
		net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
done
link_add a e0 - b e0 -
link_add a e1 - b e1 -
link_add a d0 - r d0 -
link_add b d0 - r d1 -
v6() { ns_ip "$1" addr add "$3" dev "$2" nodad; } # v6 NS IF ADDRESS
v6 a e0 fd00::1/64
v6 b e0 fd00::2/64
v6 a e1 fd01::1/64
v6 b e1 fd01::2/64
# more than the association has, and the kernel's first choice for a source
for n in a b; do
	for i in 0 1; do v6 $n e$i "fd0$i::$([ $n = a ] && echo 71 || echo 72)/64"; done
done
v6 a d0 fd91::1/64
v6 r d0 fd91::9/64
v6 b d0 fd92::2/64
v6 r d1 fd92::9/64
ns_ip a route add default via fd91::9
ns_ip b route add default via fd92::9
# an address whose own interface is down is still somebody's for the router
ns_ip r route add fd00::2/128 via fd92::2
ns_ip r route add fd00::1/128 via fd91::1

common=("driver=$LINK_DRIVER" hb=$((200 * ${TANDEM_SLOW:-1})) rto-min=100 rto-max=400 path=3 assoc=8 "secret=$LINK_KEY")
watch() { # watch NAME NS IF: SCTP that passes there
	spawn "watch-$1" "$2" tcpdump -n -l -i "$3" ip6 proto 132
	wait_event 5 grep -q '^listening' "$TMP/watch-$1.log"
}
seen() { grep -c ' IP6 .*sctp' "$TMP/watch-$1.log" || true; }
dropped() { in_ns "$1" nft list ruleset | sed -n 's/.* packets \([0-9]*\) .* drop$/\1/p' | awk '{n += $1} END {print n + 0}'; }

step "addresses that this link cannot have"
link_start x a local=fe80::1 remote=fd00::2 "${common[@]}"
wait_event 5 link_has x 'no link: fe80::1 is no local address'

step "two addresses: every stream, both directions"
watch a a d0
watch b b d0
link_start b b local=fd00::2,fd01::2 remote=fd00::1,fd01::1 "${common[@]}"
link_start a a local=fd00::1,fd01::1 remote=fd00::2,fd01::2 "${common[@]}"
wait_event 10 link_has a '^up '
wait_event 10 link_has b '^up '
for n in a b; do
	in_ns $n nft list ruleset | has 'table ip6 tandem_link_' || fail "$n has no rules"
	eq "complaints of $n" "$(link_count $n LINK_GUARD)" 0
	wait_event 5 link_is $n paths_up 2
	eq "own addresses of $n" "$(link_info $n locals)" 2
done
eq "where a's packets would come from" "$(ns_ip a -j route get fd00::2 | jq -r '.[0].prefsrc')" fd00::71
for s in 0 1 16; do
	link_exchange a b $s 1000 900
	link_exchange b a $s 200 32768
done
eq "the primary path of a" "$(link_info a primary)" fd00::2

step "the path whose interface is down does not take the default route"
ns_ip a link set e0 down
# an interface that goes down loses its IPv6 addresses, an active box's too
link_exchange a b 1 200 900
link_exchange b a 1 200 900
wait_event 10 link_is b paths_up 1
eq "associations so far" "$(link_ups a)/$(link_ups b)" 1/1

step "both are down: the association ends, and nothing tries the other way"
ns_ip a link set e1 down
wait_event 10 link_has a '^down: '
wait_event 10 link_has b '^down: '
in_ns b ping -c 1 -W 1 fd00::1 >/dev/null || true
eq "SCTP on a's way out" "$(seen a)" 0
eq "SCTP on b's way out" "$(seen b)" 0

step "interfaces and addresses are back: so is the link"
for i in 0 1; do
	ns_ip a link set e$i up
	ns_ip a addr replace fd0$i::1/64 dev e$i nodad
	v6 a e$i fd0$i::71/64
done
wait_event 20 link_has a '^up ' 2
wait_event 20 link_has b '^up ' 2
link_exchange a b 1 100 900

step "floods of forged packets, by another interface and by its own"
flood() { # flood NS IF: from there
	local before
	before=$(dropped b)
	in_ns "$1" python3 "$NETNS_DIR/sctp_forge.py" "$2" fd00::2 fd00::1 5000 20000 fd92:: >"$TMP/forge.log"
	cat "$TMP/forge.log"
	num "dropped by b of what came from $1" $(($(dropped b) - before)) -ge 5000
	link_exchange a b 1 1000 900
	link_exchange b a 1 1000 900
}
flood r d1
flood a e0
eq "associations" "$(link_ups a)/$(link_ups b)" 2/2

step "an address moves to another interface: the association follows it"
link_do a "again fd00::1 fd00::2"
link_do b "again fd00::2 fd00::1"
wait_event 10 link_has a '^up ' 3
wait_event 10 link_has b '^up ' 3
ns_ip a addr flush dev e0 scope global
v6 a d0 fd00::1/128
ns_ip b route add fd00::1/128 via fd92::9
wait_event 10 link_has a '^down: ' 2 # its own default route leads there now, b's packets stay
ns_ip b addr flush dev e0 scope global
v6 b d0 fd00::2/128
wait_event 20 link_has a '^up ' 4
link_exchange a b 1 100 900
link_exchange b a 1 100 900
num "SCTP on a's way" "$(seen a)" -gt 0
link_no_faults
link_quit a
link_quit b
for n in a b; do
	eq "rules left in $n" "$(in_ns $n nft list ruleset | grep -c tandem_link || true)" 0
done
