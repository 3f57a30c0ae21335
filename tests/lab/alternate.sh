#!/bin/bash
# alternate.sh [-n COUNT] [-r PPS] [-o FILE] [FAULT...] - the stateful pair under every fault in turn: each
# hits whichever box is active, so the boxes change places from run to run. Numbered packets each way
# and one TCP stream all the time. A table of all runs, then median and worst of each fault. Needs root;
# the figures are also the machine's (columns `stall`: how long
# a processor was not to be had, ms; `spoke`: packets that strongSwan's sockets had no room for).
#   FAULT         kill freeze cut-outside cut-inside poweroff planned crash (default: all but crash)
#                 crash: tandemd alone is killed and started again at once, the hold time is longer than
#                 that (10 s); in a run of its own
#   -n COUNT      runs of each (10)         -r PPS   packets/s each way (1000)
#   -o FILE       rows are added to it, so that parts make one table in the end
#   PAIR_ADVERTISE  virtual address by which routers are told the spoke's network (6.6.146.99; empty: OSPF
#                 names the box, BGP the virtual address by a route map); PAIR_ROUTING="ospf bgp"
#   TANDEM_BUILD  build directory (default build); PAIR_SPOKE=guest: the spoke is Linux kernel ESP
#   AUDIT_LOGS    directory that keeps the logs of both boxes
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
[ "${PAIR_SPOKE:-host}" = host ] || . "$REPO/tests/lab/guestspoke.sh"
need jq vtysh iperf3

COUNT=10 PPS=1000 OUT=$TMP/rows GAP_GOAL=250
while getopts n:r:o: o; do
	case $o in
	n) COUNT=$OPTARG ;;
	r) PPS=$OPTARG ;;
	o) OUT=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
case " $* " in " crash ") ;; *" crash "*) fail "crash has timers of its own: run it alone" ;; esac
[ $# -gt 0 ] || set -- kill freeze cut-outside cut-inside poweroff planned
touch "$OUT"

# ---- one run ----------------------------------------------------------------------------------
# story NODE-INDEPENDENT: what both boxes logged since T, for runs that are worse than the goal
story() {
	local n
	for n in a b; do
		sed -nE "s/^\**([A-Z][a-z]{2} +[0-9]+ [0-9:.]+): (.*)/\1|$n \2/p" "$TMP/$n.log" |
			grep -aE 'STATECHANGE|REDUNDANCY|HA_STATUS|UPDOWN|ADJ|TRACK' | tail -60 |
			while IFS='|' read -r when what; do
				echo "$(($(date -d "$when" +%s%3N) - T)) $what"
			done
	done | awk '$1 >= -1000' | sort -n | sed 's/^/      /'
}
longer() { [ "$1" -gt "$2" ] && echo "$1" || echo "$2"; }
# the longest silence of a direction that ended after T, and how many of it were sent before T or after
# the end of the gap, the later one of both directions, and never came (no silence of 20 ms: T + 20 ms)
gap_of() { traffic_silence "$1" "$T"; }
gap_end() { longer "$(traffic_longest in "$T" "" .to)" "$(traffic_longest out "$T" "" .to)"; }
beyond() {
	jq --argjson t "$T" --argjson last "$(longer "$(gap_end)" $((T + 20)))" \
		'[.holes[] | select(.sent < $t - 1 or .sent > $last) | .missing] | add // 0' "$TMP/traffic-$1.json"
}
# drops NODE: what its counters of dropped packets say
drops() {
	[ -n "${GW_PID[$1]:-}" ] || return 0
	cli "$1" "show dataplane drops" 2>/dev/null | awk -v n="$1" '$2 + 0 > 0 { printf " %s:%s=%s", n, $1, $2 }'
}

ready() { # ready NODE: that box has everything, the other could take it at once
	wait_event 40 settled "$1"
	wait_event 40 rin_adjacent_both
	wait_event 20 ping_works hin 6.6.2.4
}
one() { # one FAULT NUMBER
	local what=$1 before full std new hot sas bytes in out lost stall tcp=yes back
	std=$(pair_other "$ACT") new=$std
	[ "$what" != crash ] || new=$ACT
	ready "$ACT"
	sas=$(spoke_sas)
	before="$(drops a)$(drops b)"
	full=$(peer_overflow)
	bytes=$(tcp_bytes)
	stall_start
	traffic_start "$PPS"
	sleep 0.7 # traffic before the event
	T=$(now_ms)
	fault "$what" "$ACT"
	wait_event 20 pair_is "$new" Active
	wait_event 20 ping_works hin 6.6.2.4
	back=$(now_ms)
	[ "$what" = planned ] || [ "$what" = crash ] || sleep 1 # a fault lasts
	mended=$(now_ms)
	mend "$what" "$ACT"
	wait_event 40 settled "$new"
	hot=$(($(now_ms) - mended))
	wait_event 20 ping_works hsp 6.6.16.4 # what was lost can be counted
	sleep 0.3
	traffic_stop
	stall=$(stall_stop)
	wait_for 10 tcp_passed $((bytes + 100000)) || tcp=no
	in=$(gap_of in) out=$(gap_of out)
	lost=$(($(traffic_get in lost) + $(traffic_get out lost)))
	row "$what" "$2" "$ACT" "$in" "$out" "$lost" "$(($(beyond in) + $(beyond out)))" \
		"$(($(traffic_get in duplicated) + $(traffic_get out duplicated)))" \
		"$(renegotiated "$sas")" $(($(peer_overflow) - full)) $tcp $hot "$stall"
	invariants_hold a b
	if [ -n "${AUDIT_VERBOSE:-}" ] || [ "$(longer "$in" "$out")" -gt $GAP_GOAL ] || { [ "$what" = planned ] && [ $lost -gt 0 ]; }; then
		echo "      worse than the goal: T = $(date -d "@${T%???}.${T: -3}" +%T.%3N), pings passed after $((back - T)) ms"
		echo "      dropped before:$before"
		echo "      dropped after:$(drops a)$(drops b)"
		jq -c .gaps,.holes "$TMP/traffic-in.json" "$TMP/traffic-out.json" | sed "s/^/      /"
		story
	fi
	ACT=$new
}
HEAD='fault|run|active|gap in|gap out|lost|beyond|dup|reneg|spoke|tcp|hot ms|stall'
FORMAT='%-12s %4s %-6s %7s %7s %7s %7s %5s %5s %5s %4s %7s %6s\n'
show() {
	local IFS='|' f
	read -ra f <<<"$1"
	# shellcheck disable=SC2059
	printf "$FORMAT" "${f[@]}"
}
row() {
	local IFS='|'
	echo "$*" >>"$OUT"
	show "$*"
}

# ---- summary ----------------------------------------------------------------------------------
# column FAULT N: median and worst of that column
column() {
	awk -F'|' -v s="$1" -v f="$2" '$1 == s { print $f }' "$OUT" | sort -n |
		awk '{ v[NR] = $1 } END { printf "%s / %s", v[int((NR + 1) / 2)], v[NR] }'
}
sum_of() { awk -F'|' -v s="$1" -v f="$2" '$1 == s { n += $f } END { print n + 0 }' "$OUT"; }
summary() {
	local s n
	echo
	echo "fault: runs (a active, b active) | gap in, gap out, hot again: median / worst ms | lost median / worst | beyond the gap, duplicated, renegotiated, lost in the spoke's sockets: sums | TCP ends | longest stall"
	cut -d'|' -f1 "$OUT" | awk '!seen[$0]++' | while read -r s; do
		n=$(grep -c "^$s|" "$OUT")
		echo "$s: $n ($(grep -c "^$s|[0-9]*|a|" "$OUT" || true), $(grep -c "^$s|[0-9]*|b|" "$OUT" || true)) | $(column "$s" 4), $(column "$s" 5), $(column "$s" 12) | $(column "$s" 6) | $(sum_of "$s" 7), $(sum_of "$s" 8), $(sum_of "$s" 9), $(sum_of "$s" 10) | $(grep -c "^$s|.*|no|" "$OUT" || true) | $(column "$s" 13)"
	done
}

# ---- the lab ----------------------------------------------------------------------------------
PAIR_PREEMPT="" PAIR_PRIO_A=100 PAIR_ADVERTISE=${PAIR_ADVERTISE-6.6.146.99}
case " $* " in
*" crash "*) # of the process, not of what routing protocols make of it
	PAIR_TIMERS=${PAIR_TIMERS:-1 10} PAIR_EXTRA="ip route 6.6.16.0 255.255.255.0 6.6.146.1"
	;;
esac
pair_topology
[ -z "${PAIR_EXTRA:-}" ] || ns_ip rin route add 6.6.2.0/24 via 6.6.146.100 metric 1000
stateful_start
ACT=""
wait_event 40 either_settled
wait_event 40 rin_adjacent_both
# shellcheck disable=SC2119
stateful_spoke
tcp_start 7200 2
show "$HEAD"
for f; do
	for ((i = 1; i <= COUNT; i++)); do one "$f" $i; done
done
tcp_lives
summary
[ -z "${AUDIT_LOGS:-}" ] || { mkdir -p "$AUDIT_LOGS" && cp "$TMP"/[ab].log "$LABRUN/ss-spk/charon.log" "$AUDIT_LOGS/"; }
