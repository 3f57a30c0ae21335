#!/bin/bash
# audit.sh [-r PPS] [-c cbc|gcm] [-n COUNT] [EVENT...] - an observer on the outer link of the stateful pair: over
# every kind of event, with either box active, does any outbound sequence number, any IV of a SA, any IV
# of a key occur twice? A table with a line for each event. What was seen is opened with the real
# keys, which the spoke's log has, by the observer and by tshark.
# Needs root. Ends with exit status 0 only if nothing was used twice and the capture was complete.
#   -r PPS        sealed packets per second towards the spoke (50000)
#   -n COUNT      each event so often (2), in turn with the one and the other box active
#   EVENT         kill freeze cut-outside cut-inside poweroff split planned rekey crash (default: all)
#                 crash: the gateway process alone, hold time 10 s; split: neither box hears the other one, both
#                 get all packets and seal them: sequence numbers may be used by both then, IVs not
#   -o FILE       the observer's JSON
#   TANDEM_BUILD  build directory (default build); PAIR_SPOKE=guest: the spoke is Linux kernel ESP
# What is sealed at that rate is thrown away behind the observer: no spoke in user space opens so much.
# Replays: replays.sh.
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
. "$REPO/tests/lab/auditlib.sh"
[ "${PAIR_SPOKE:-host}" = host ] || . "$REPO/tests/lab/guestspoke.sh"
need jq vtysh nft tcpdump tshark

PPS=50000 CIPHER=gcm COUNT=2 OUT=$TMP/audit.json
while getopts r:c:n:o: o; do
	case $o in
	r) PPS=$OPTARG ;;
	c) CIPHER=$OPTARG ;;
	n) COUNT=$OPTARG ;;
	o) OUT=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- kill freeze cut-outside cut-inside poweroff split planned rekey crash

FORMAT='%-12s %-6s %9s %9s %4s %10s %9s %7s\n'
phase_row() { # phase_row EVENT ACTIVE MS
	audit_phase
	row "$1" "$2" "$3" "$(jq .packets <<<"$PHASE")" "$(jq .sas <<<"$PHASE")" \
		"$(jq .duplicate_sequences <<<"$PHASE")" "$(jq .duplicate_ivs <<<"$PHASE")" "$(jq .rate <<<"$PHASE")"
	eq "IVs used twice" "$(jq .duplicate_ivs <<<"$PHASE")" 0
	[ "$1" = split ] || eq "sequence numbers used twice" "$(jq .duplicate_sequences <<<"$PHASE")" 0
}

ready() {
	wait_event 60 settled "$ACT"
	wait_event 40 rin_adjacent_both
}
event() { # event NAME: hits ACT; sets ACT
	local what=$1 node=$ACT new since moved
	new=$(pair_other "$node")
	case $what in crash | rekey) new=$node ;; esac
	[ "$what" != crash ] || timers_long
	ready
	sleep 1 # traffic between two events
	since=$(now_ms)
	case $what in
	rekey) peer ctl spk --rekey --child pair >>"$TMP/ss-init.log" 2>&1 ;;
	split)
		split_begin
		wait_event 20 both_active
		sleep 2 # both seal
		split_end
		wait_event 60 either_settled
		new=$ACT
		;;
	*) fault "$what" "$node" ;;
	esac
	moved=$new
	wait_for 20 pair_is "$new" Active || moved=""
	wait_event 20 ping_works hin 6.6.2.4
	since=$(($(now_ms) - since))
	case $what in
	rekey | split) ;;
	*) mend "$what" "$node" ;;
	esac
	# a machine that has no time for a box moves the role once more: this is about numbers, let it
	if [ -z "$moved" ] || ! wait_for 20 hot "$new"; then
		wait_event 60 either_settled
		new=$ACT
		echo "   $new is active"
	fi
	invariants_hold a b
	ACT=$new
	[ "$what" != crash ] || timers_short
	phase_row "$what" "$node" "$since"
}

AUDIT_SAMPLE=$TMP/sample.pcap
audit_pair "$CIPHER"
audit_start
bulk_start "$PPS"
row event active "back ms" packets SAs "twice: seq" "(SPI,IV)" rate
for f; do
	SAS=$(spoke_sas) first=""
	for ((i = 1; i <= COUNT; i++)); do
		# an event that leaves the role where it was comes to the other box by a planned switchover
		[ "$ACT" != "$first" ] || [ $((i % 2)) = 1 ] || event planned
		first=$ACT
		event "$f"
	done
	case $f in
	rekey | split) ;;
	*) eq "renegotiated" "$(renegotiated "$SAS")" 0 ;;
	esac
done
bulk_stop
audit_stop
jq -c 'del(.list)' "$TMP/audit.json"
jq -r '.list[] | "   SPI \(.spi): \(.packets) packets, highest number \(.highest)"' "$TMP/audit.json"
[ "$TMP/audit.json" = "$OUT" ] || cp "$TMP/audit.json" "$OUT"
audit_verify "$AUDIT_SAMPLE"
case " $* " in
*" split "*) audit_ivs_good "$TMP/audit.json" ;;
*) audit_good "$TMP/audit.json" ;;
esac
