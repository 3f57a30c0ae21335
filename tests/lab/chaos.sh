#!/bin/bash
# chaos.sh [-m MINUTES] [-s SEED] - the real processes of the stateful pair under random events, one after the
# other, at random moments and of random length: kills and stops of either process of either box, power cuts, links
# cut, planned switchovers, configuration changes, rekeys. After each: traffic passes both ways, the spoke has
# the SAs that it had (but for a rekey), no invariant was found broken and the pair is STANDBY HOT again. In
# the end: no packet left in clear, no sequence number and no IV occurred twice, TCP lives. Prints the seed; the
# same seed is the same order of events (their timing is the machine's). Needs root.
#   TANDEM_BUILD  build directory (default build)
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
. "$REPO/tests/lab/auditlib.sh"
need jq vtysh iperf3 tcpdump

MINUTES=5 SEED=$((EPOCHSECONDS % 32768))
while getopts m:s: o; do
	case $o in
	m) MINUTES=$OPTARG ;;
	s) SEED=$OPTARG ;;
	*) exit 2 ;;
	esac
done
RANDOM=$SEED
echo "seed $SEED"

EVENTS=(kill freeze poweroff cut-outside cut-inside cut-replication planned crash standby kill-idle
	freeze-idle poweroff-idle standby-idle config rekey)
# the standby process of a box; tandemd starts another one
standby_kill() {
	local p
	for p in $(ip netns pids "$(nsname "gw$1")"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != tandem-standby ] || kill -9 "$p"
	done
}
pause() { sleep "$((RANDOM % $1 / 1000)).$(printf '%03d' $((RANDOM % 1000)))"; } # up to MS ms and a second
config_change() { # alike on both, as an operator would do it
	local n
	for n in a b; do
		cli $n "configure terminal" "ip access-list extended CHAOS" "permit ip host 6.6.1.$((COUNT % 250 + 1)) any" \
			"crypto isakmp keepalive $((10 + COUNT % 5)) 2 periodic" "end" >/dev/null
	done
}
run() { # run EVENT: sets NEW, the box that has to be active after it
	local idle
	idle=$(pair_other "$ACT")
	NEW=$ACT
	case $1 in
	*-idle | standby | crash | config | rekey | cut-replication) ;;
	*) NEW=$idle ;;
	esac
	# a restart that takes longer than the hold time is a fail-over
	[ "$1" != crash ] || NEW=$idle
	case $1 in
	standby) standby_kill "$ACT" ;;
	standby-idle) standby_kill "$idle" ;;
	config) config_change ;;
	rekey) peer ctl spk --rekey --child pair >>"$TMP/ss-init.log" 2>&1 ;;
	*-idle)
		fault "${1%-idle}" "$idle"
		pause 2000
		mend "${1%-idle}" "$idle"
		;;
	planned | crash)
		fault "$1" "$ACT"
		mend "$1" "$ACT"
		;;
	*)
		fault "$1" "$ACT"
		pause 2000
		mend "$1" "$ACT"
		;;
	esac
}

PAIR_PREEMPT="" PAIR_PRIO_A=100
audit_cipher cbc
pair_topology
stateful_start
wait_event 40 either_settled
wait_event 40 rin_adjacent_both
# shellcheck disable=SC2119
stateful_spoke
SAS=$(spoke_sas)
audit_start
ip netns exec "$(nsname wan)" tcpdump -Z root -i br0 -n -s 96 -U -w "$TMP/clear.pcap" \
	'net 6.6.16.0/24 and net 6.6.2.0/24' 2>"$TMP/clear.log" &
SPAWNED+=($!)
tcp_start 36000 2
traffic_start 1000
END=$(($(now_ms) + MINUTES * 60000)) COUNT=0
while [ "$(now_ms)" -lt $END ]; do
	COUNT=$((COUNT + 1))
	event=${EVENTS[RANDOM % ${#EVENTS[@]}]}
	pause 1500
	T=$(now_ms)
	echo "$COUNT: $event, $ACT is active"
	run "$event"
	# where it has to be; on a machine without time the role may have moved once more
	if wait_for 10 settled "$NEW"; then
		ACT=$NEW
	else
		wait_event 60 either_settled
		[ "$ACT" = "$NEW" ] || echo "   $ACT is active"
	fi
	wait_event 60 rin_adjacent_both
	wait_event 20 ping_works hin 6.6.2.4
	wait_event 20 ping_works hsp 6.6.16.4
	case $event in
	rekey)
		SAS=$(spoke_sas)
		;;
	*) eq "renegotiated" "$(renegotiated "$SAS")" 0 ;;
	esac
	invariants_hold a b
	eq "clear packets outside" "$(capture_filter clear "ip")" 0
done
tcp_lives
traffic_stop
audit_stop
for d in in out; do
	echo "$d: lost $(traffic_get $d lost) of $(traffic_get $d sent), duplicated $(traffic_get $d duplicated), longest silence $(traffic_get $d gap_ms) ms"
	eq "duplicated" "$(traffic_get $d duplicated)" 0
done
jq -c 'del(.list)' "$TMP/audit.json"
audit_good "$TMP/audit.json"
echo "$COUNT events, seed $SEED: good"
