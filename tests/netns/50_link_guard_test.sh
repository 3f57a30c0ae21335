#!/bin/bash
# The replication link stays on its interfaces: a box that has another way to the other one (its
# default route) never sends the association's packets there, with one address, with two, and with an
# address that moves to another interface.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/_link.sh"
need tcpdump

# e0, e1: between the boxes. d0: the way of the default route, by a router that knows both.
ns_add a b r
link_add a e0 10.0.0.1/24 b e0 10.0.0.2/24
link_add a e1 10.1.0.1/24 b e1 10.1.0.2/24
link_add a d0 9.1.0.1/24 r d0 9.1.0.9/24
link_add b d0 9.2.0.2/24 r d1 9.2.0.9/24
in_ns r sysctl -qw net.ipv4.ip_forward=1
ns_ip a route add default via 9.1.0.9
ns_ip b route add default via 9.2.0.9
for n in a b; do
	in_ns $n sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.d0.rp_filter=0
done
ns_ip r route add 10.0.0.2/32 via 9.2.0.2
ns_ip r route add 10.0.0.1/32 via 9.1.0.1

common=("driver=$LINK_DRIVER" hb=$((200 * ${TANDEM_SLOW:-1})) rto-min=100 rto-max=400 path=3 assoc=8 "secret=$LINK_KEY")
# watch NAME NS IF: SCTP that passes there
watch() {
	spawn "watch-$1" "$2" tcpdump -n -l -i "$3" proto 132
	wait_event 5 grep -q '^listening' "$TMP/watch-$1.log"
}
seen() { grep -c ' IP .*sctp' "$TMP/watch-$1.log" || true; }
dropped() { in_ns "$1" nft list ruleset | sed -n 's/.* packets \([0-9]*\) .* drop$/\1/p' | awk '{n += $1} END {print n + 0}'; }

step "two addresses: the path whose interface is down does not take the default route"
watch a a d0
watch b b d0
link_start b b local=10.0.0.2,10.1.0.2 remote=10.0.0.1,10.1.0.1 "${common[@]}"
link_start a a local=10.0.0.1,10.1.0.1 remote=10.0.0.2,10.1.0.2 "${common[@]}"
wait_event 10 link_has a '^up '
wait_event 10 link_has b '^up '
wait_event 5 link_is a paths_up 2
ns_ip a link set e0 down
in_ns a ping -c 1 -W 2 10.0.0.2 >/dev/null || fail "the default route does not lead there"
link_exchange a b 1 200 900
link_exchange b a 1 200 900
wait_event 10 link_is a paths_up 1
wait_event 10 link_is b paths_up 1
num "held back by a" "$(dropped a)" -gt 0

step "both are down: the association ends, and nothing tries the other way"
ns_ip a link set e1 down
wait_event 10 link_has a '^down: '
wait_event 10 link_has b '^down: '
wait_event 10 link_is a trouble "the other box does not answer"
eq "SCTP on a's way out" "$(seen a)" 0
eq "SCTP on b's way out" "$(seen b)" 0
ns_ip a link set e0 up
ns_ip a link set e1 up
wait_event 10 link_has a '^up ' 2
wait_event 10 link_has b '^up ' 2

step "an address moves to another interface: the association follows it"
link_do a "again 10.0.0.1 10.0.0.2"
link_do b "again 10.0.0.2 10.0.0.1"
wait_event 10 link_has a '^up ' 3
wait_event 10 link_has b '^up ' 3
link_exchange a b 1 100 900
ns_ip a addr del 10.0.0.1/24 dev e0
ns_ip a addr add 10.0.0.1/32 dev d0
ns_ip b route add 10.0.0.1/32 via 9.2.0.9
wait_event 10 link_has a '^down: ' 2 # its own default route leads there now, b's packets stay
ns_ip b addr del 10.0.0.2/24 dev e0
ns_ip b addr add 10.0.0.2/32 dev d0
wait_event 20 link_has a '^up ' 4
link_exchange a b 1 100 900
link_exchange b a 1 100 900
num "SCTP on a's way" "$(seen a)" -gt 0

step "nobody else can take the rules away, and they go with the process"
in_ns a nft flush ruleset
in_ns a nft list ruleset | grep 'table ip tandem_link_' >/dev/null || fail "flushed"
link_no_faults
link_quit a
link_kill b
for n in a b; do
	eq "rules left in $n" "$(in_ns $n nft list ruleset | grep -c tandem_link || true)" 0
done
