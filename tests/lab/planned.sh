#!/bin/bash
# planned.sh [-n SWITCHOVERS] [-r PPS] - planned switchovers (`redundancy force-switchover`) of the
# stateful pair, from each box in turn, under numbered traffic both ways: packets lost and the longest
# silence per direction. Needs root; the figures are also the machine's.
#   TANDEM_BUILD  build directory (default build)
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
need jq vtysh

ROUNDS=6 PPS=1000
while getopts n:r: o; do
	case $o in
	n) ROUNDS=$OPTARG ;;
	r) PPS=$OPTARG ;;
	*) exit 2 ;;
	esac
done

# drops_of NODE: counters of packets that a switchover can cost
drops_of() {
	cli "$1" "show dataplane drops" | awk '$2 + 0 > 0 {
		printf "%s%s=%s", n++ ? " " : "", $1, $2 }'
}

PAIR_PREEMPT="" PAIR_PRIO_A=100 TRAFFIC_GAP=5
pair_topology
# shellcheck disable=SC2119
stateful_start
wait_event 20 eval "pair_settled a || pair_settled b"
act=a
pair_settled a || act=b
wait_event 30 rin_adjacent_both
# shellcheck disable=SC2119
pair_spoke_start
wait_event 15 ss_init spk pair
wait_event 15 ping_works hin 6.6.2.4
wait_event 20 hot "$act"

printf '%3s %-4s %8s %9s %7s %8s\n' "" from in:lost in:gap/ms out:lost out:gap/ms
for ((i = 1; i <= ROUNDS; i++)); do
	std=$(pair_other "$act")
	traffic_start "$PPS"
	sleep 1 # some traffic before the event
	wait_event 5 eval 'cli "$act" "redundancy force-switchover" >/dev/null 2>&1'
	wait_event 10 pair_settled "$std"
	wait_event 20 hot "$std"
	sleep 0.5 # and after it
	traffic_stop
	printf '%3d %-4s %8s %9s %7s %8s\n' "$i" "$act" "$(traffic_get in lost)" "$(traffic_get in gap_ms)" \
		"$(traffic_get out lost)" "$(traffic_get out gap_ms)"
	echo "    $act: $(drops_of "$act")"
	echo "    $std: $(drops_of "$std")"
	act=$std
done
