#!/bin/bash
# Stateful switchover end to end, with a stock spoke and numbered traffic: the standby box has every SA
# before it needs it; the active one is killed, frozen, cut off, handed over by hand, its gateway process
# alone restarted. The spoke negotiates nothing, TCP goes on, traffic is back, each box is active in turn,
# and after all of it the pair is as it was at the start.
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
need jq vtysh tcpdump iperf3

same() { # same WHAT: the spoke's SAs are those of the beginning
	eq "the spoke's SAs after $1" "$(spoke_sas)" "$SAS"
}
after() { # after NODE WHAT
	wait_event 10 pair_is "$1" Active
	wait_event 10 ping_works hsp 6.6.16.4
	wait_event 10 ping_works hin 6.6.2.4
	same "$2"
	invariants_hold a b
}
# together ACTIVE: both boxes are there again and could change at any moment
together() { wait_event 20 hot "$1"; }

PAIR_PREEMPT="" PAIR_PRIO_A=100
pair_topology
step "both boot, the spoke connects"
stateful_start
wait_event 20 eval "pair_settled a || pair_settled b"
act=a
pair_settled a || act=b
wait_event 30 rin_adjacent_both
pair_spoke_start
wait_event 15 ss_init spk pair
wait_event 15 ping_works hin 6.6.2.4
together $act
SAS=$(spoke_sas)
[ -n "$SAS" ] || fail "the spoke shows no SAs"
eq "IPsec SAs at the standby box" "$(sa_count "$(pair_other $act)" in)" 1
capture_start wire-a wan wa
capture_start wire-b wan wb
traffic_start 300
tcp_start 120 2

for round in 1 2; do
	for what in kill freeze poweroff; do
		step "$what of $act, round $round"
		std=$(pair_other $act)
		at=$(now_ms)
		case $what in
		kill) pair_kill $act ;;
		freeze) pair_freeze $act ;;
		poweroff) pair_poweroff $act ;;
		esac
		after $std "$what"
		echo "   back after $(($(now_ms) - at)) ms at most"
		case $what in
		kill) pair_launch $act ;;
		freeze) pair_thaw $act ;;
		poweroff) pair_poweron $act && pair_launch $act ;;
		esac
		gateway_wait $act
		act=$std
		together $act
		after $act "$what, rejoined"
	done
done
