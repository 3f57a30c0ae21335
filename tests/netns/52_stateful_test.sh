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
}
# together ACTIVE: both boxes are there again and could change at any moment
together() { wait_event 20 hot "$1"; }

PAIR_PRIO_A=100
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
eq "packets sealed before the other box knew the SA" "$(drop_count $act esp-lim)" 0
SAS=$(spoke_sas)
[ -n "$SAS" ] || fail "the spoke shows no SAs"
eq "IPsec SAs at the standby box" "$(sa_count "$(pair_other $act)" in)" 1
capture_start wire-a wan wa
capture_start wire-b wan wb
traffic_start 300
tcp_start 600 2

# fault WHAT NODE, mend WHAT NODE
fault() {
	case $1 in
	kill) pair_kill "$2" ;;
	freeze) pair_freeze "$2" ;;
	poweroff) pair_poweroff "$2" ;;
	cut-*) pair_cut "${1#cut-}" "$2" ;;
	esac
}
mend() {
	case $1 in
	kill) pair_launch "$2" && gateway_wait "$2" ;;
	freeze) pair_thaw "$2" ;;
	poweroff) pair_poweron "$2" && pair_launch "$2" && gateway_wait "$2" ;;
	cut-*) pair_heal "${1#cut-}" "$2" ;;
	esac
}
# settled NODE: all of it is that box's, the other one is ready
settled() { pair_settled "$1" && hot "$1"; }
# through BEST FAULT...: each fault hits BEST; the other box goes on; mended, BEST preempts
through() {
	local best=$1 std what at
	std=$(pair_other "$best")
	for what in "${@:2}"; do
		step "$what of $best"
		at=$(now_ms)
		fault "$what" "$best"
		after "$std" "$what"
		echo "   pings pass after $(($(now_ms) - at)) ms"
		mend "$what" "$best"
		wait_event 20 settled "$best"
		invariants_hold a b
		after "$best" "$what, rejoined"
	done
}
# equal priorities: the higher address
wait_event 20 settled b
through b kill freeze cut-outside poweroff
step "a gets the higher priority"
pair_priority a 110
cli a "write memory" >/dev/null
wait_event 20 settled a
after a "the change of priority"
through a kill cut-inside freeze
act=a

for round in 1 2 3; do
	step "planned switchover $round"
	wait_event 5 eval 'cli $act "redundancy force-switchover" >/dev/null 2>&1' # HSRP knows the other
	act=$(pair_other $act)
	after $act "the planned switchover"
	wait_event 20 settled $act
done

step "the replication link alone fails"
pair_cut replication a
wait_event 10 eval '[ "$(rf $act .alone)" = true ]'
after $act "the loss of the replication link"
pair_heal replication a
together $act

step "traffic over all of it"
tcp_lives
traffic_stop
for d in in out; do
	echo "   $d: lost $(traffic_get $d lost) of $(traffic_get $d sent), duplicated $(traffic_get $d duplicated), longest silence $(traffic_get $d gap_ms) ms"
	eq "duplicates $d" "$(traffic_get $d duplicated)" 0
done
capture_stop wire-a
capture_stop wire-b
for n in a b; do
	eq "clear packets outside at $n" "$(capture_filter wire-$n "net 6.6.16.0/24 and net 6.6.2.0/24")" 0
done
same "everything"
