#!/bin/bash
# audit.sh [-r PPS] [-c cbc|gcm] [-k REPLAYS] [EVENT...] - an observer on the outer link of the stateful pair: over
# all of the events, does any outbound sequence number or IV of a SA occur twice? Then, REPLAYS times
# (5): packets recorded before a take-over are sent again after it; how many of them are accepted inside?
# Needs root. Ends with exit status 0 only if no number was used twice and the capture was complete.
#   -r PPS        sealed packets per second towards the spoke (50000)
#   EVENT         kill freeze cut-outside cut-inside poweroff planned crash rekey
#                 (default: kill planned freeze planned kill rekey poweroff planned)
#   -o FILE       the audit's JSON
#   TANDEM_BUILD  build directory (default build)
# What is sealed at that rate is thrown away behind the observer: no spoke in user space opens so much.
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
. "$REPO/tests/lab/auditlib.sh"
need jq vtysh iperf3 nft tcpdump

PPS=50000 CIPHER=cbc REPLAYS=5 OUT=$TMP/audit.json
while getopts r:c:k:o: o; do
	case $o in
	r) PPS=$OPTARG ;;
	c) CIPHER=$OPTARG ;;
	k) REPLAYS=$OPTARG ;;
	o) OUT=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- kill planned freeze planned kill rekey poweroff planned

PAIR_PREEMPT="" PAIR_PRIO_A=100 TRAFFIC_GAP=20
audit_cipher "$CIPHER"
pair_topology
stateful_start
wait_event 40 either_settled
wait_event 40 rin_adjacent_both
stateful_spoke "${AUDIT_CONN[@]}"
SAS=$(spoke_sas)
audit_start
bulk_start "$PPS"
traffic_start 1000
for f; do
	wait_event 40 settled "$ACT"
	wait_event 40 rin_adjacent_both
	sleep 1 # traffic between two events
	before=$(bulk_sent "$ACT")
	new=$(pair_other "$ACT")
	T=$(now_ms)
	case $f in
	crash) new=$ACT ;;
	rekey) new=$ACT ;;
	esac
	if [ "$f" = rekey ]; then
		peer ctl spk --rekey --child pair >>"$TMP/ss-init.log" 2>&1
	else
		fault "$f" "$ACT"
	fi
	wait_event 20 pair_is "$new" Active
	wait_event 20 ping_works hin 6.6.2.4
	echo "$f of $ACT: passes again after $(($(now_ms) - T)) ms; it had sealed $before packets"
	[ "$f" = rekey ] || mend "$f" "$ACT"
	wait_event 60 hot "$new"
	invariants_hold a b
	ACT=$new
	sleep 1
done
bulk_stop
traffic_stop
audit_stop
jq -c 'del(.list)' "$TMP/audit.json"
jq -r '.list[] | "   SPI \(.spi): \(.packets) packets, highest number \(.highest)"' "$TMP/audit.json"
[ "$TMP/audit.json" = "$OUT" ] || cp "$TMP/audit.json" "$OUT"
case " $* " in *" rekey "*) ;; *) eq "renegotiated" "$(renegotiated "$SAS")" 0 ;; esac

step "replays"
worst=0
for ((i = 1; i <= REPLAYS; i++)); do
	wait_event 40 settled "$ACT"
	wait_event 40 rin_adjacent_both
	replay_after_kill "$ACT" $((i % 2 ? 1000 : 10000))
	worst=$((REPLAY_ACCEPTED > worst ? REPLAY_ACCEPTED : worst))
done
echo "worst: $worst accepted twice"
audit_good "$TMP/audit.json"
