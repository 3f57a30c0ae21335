#!/bin/bash
# replays.sh [-r "PPS..."] [-n COUNT] [-c cbc|gcm] [FAULT...] - what the spoke had sent before a take-over is sent again
# right after it, with nothing newer between: how many packets are accepted a second time? A line
# for each fault, rate and box. Needs root. Ends with exit status 0 only if it is never more than the bound: the
# replay interval of the configuration.
#   -r "PPS..."   packets/s inbound before the fault ("1000 10000 50000"); above 10000 they are sealed
#                 with the spoke's keys on its behalf
#   -n COUNT      each so often (2), in turn with the one and the other box active
#   FAULT         kill freeze poweroff planned cut-outside cut-inside crash (default: all)
#                 crash: the gateway process alone, hold time 10 s
#   TANDEM_BUILD  build directory (default build)
# Columns: sent, and accepted for the first time, before and after the fault; refused as replays;
# accepted twice at once; accepted twice in the end, with what the mended box forwards late.
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
. "$REPO/tests/lab/auditlib.sh"
need jq vtysh tcpdump capinfos

RATES="1000 10000 50000" COUNT=2 CIPHER=gcm BOUND=1000
while getopts r:n:c: o; do
	case $o in
	r) RATES=$OPTARG ;;
	n) COUNT=$OPTARG ;;
	c) CIPHER=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- kill freeze poweroff planned cut-outside cut-inside crash

FORMAT='%-12s %-6s %7s %8s %8s %8s %7s %7s\n'
# after sealed packets the spoke's own numbers are old: a SA of its own again
fresh_sa() {
	peer ctl spk --rekey --child pair >>"$TMP/ss-init.log" 2>&1
	wait_event 10 ping_works hsp 6.6.16.4
}
ready() {
	wait_event 60 settled "$ACT"
	wait_event 40 rin_adjacent_both
	fresh_sa
	wait_event 20 hot "$ACT"
}

audit_pair "$CIPHER"
row fault active rate sent first refused twice "in all"
worst=0
for f; do
	[ "$f" != crash ] || timers_long
	for rate in $RATES; do
		for ((i = 1; i <= COUNT; i++)); do
			ready
			node=$ACT
			replay_after "$f" "$node" "$rate"
			row "$f" "$node" "$REPLAY_RATE" "$REPLAY_FRAMES" "$REPLAY_RECEIVED" "$REPLAY_REFUSED" \
				"$REPLAY_ACCEPTED" "$REPLAY_LATE"
			worst=$((REPLAY_LATE > worst ? REPLAY_LATE : worst))
			invariants_hold a b
		done
	done
	[ "$f" != crash ] || timers_short
done
echo "worst: $worst accepted twice"
num "packets accepted twice" "$worst" -le $BOUND
