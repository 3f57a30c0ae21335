#!/bin/bash
# failover.sh [-n ROUNDS] [-k KILLS] [-r PPS] [SCENARIO...] - measures fail-over without state in the
# two-gateway lab (pair.sh) and prints the tables of docs/ha.md. Needs root. Run it by hand on an
# otherwise idle machine: the numbers are the machine's too.
#   TANDEM_BUILD  build directory (default build)
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
. "$REPO/tests/lab/pair.sh"

ROUNDS=3 KILLS=10 PPS=1000
while getopts n:k:r: o; do
	case $o in
	n) ROUNDS=$OPTARG ;;
	k) KILLS=$OPTARG ;;
	r) PPS=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
ALL=(kill freeze cut-outside cut-inside planned rejoin-preempt rejoin-stay boot one-way-outside-from
	one-way-outside-to one-way-inside-from one-way-inside-to)
[ $# -gt 0 ] || set -- "${ALL[@]}"
ROWS=$TMP/rows

# ---- one measurement -------------------------------------------------------------------------
# begin: traffic, questions to both virtual addresses and the watch on rin's route run, then T is
# the moment of the event that the caller causes next
begin() {
	traffic_start "$PPS"
	answer_start outside rt 6.6.156.100
	answer_start inside rin 6.6.146.100
	ip netns exec "$(nsname rin)" ip -ts monitor route >"$TMP/mon" 2>&1 &
	MON=$!
	SPAWNED+=("$MON")
	sleep 0.5 # some traffic before the event
	T=$(now_ms)
}
# finish NODE: waits until all is that box's (or 8 s), then a row
finish() {
	local routes=- end
	if wait_for 8 all_at "$1"; then routes=$(($(now_ms) - T)); fi
	sleep 1
	end=$(now_ms)
	kill "$MON"
	answer_stop outside
	answer_stop inside
	traffic_stop
	[ -z "${DEBUG_ANSWERS:-}" ] || awk -F'[][]' -v since="$T" '/bytes from/ { if (last && $2-last > 0.04) printf "silence %d..%d\n", last*1000-since, $2*1000-since; last=$2}' "$TMP/answers-outside"
	row "$NAME" "$(active_at a "$end")" "$(active_at b "$end")" \
		"$(answer_ms outside)" "$(answer_ms inside)" "$(back in)" "$(back out)" "$routes" \
		"$(rin_away)" "$(rin_ospf)"
}
all_at() { rin_routes_are "$1" && ping_works hin 6.6.2.4; }
# the first answer after the silence that began with the event; 0: none of 40 ms
answer_ms() {
	awk -F'[][]' -v since="$T" '/bytes from/ {
			if (last && last * 1000 < since + 500 && $2 - last > max) {
				max = $2 - last
				at = $2
			}
			last = $2
		}
		END {
			ms = int(at * 1000 - since)
			print (max < 0.04 || ms < 0 ? 0 : ms)
		}' "$TMP/answers-$1"
}
# ms to the first packet after the longest silence; `never` when it goes on at the end
back() {
	local ms
	ms=$(traffic_back "$1" "$T")
	[ "$(traffic_get "$1" ended)" = true ] && echo "$ms" || echo never
}
# active_at NODE UNTIL: `+ms` when it became active, `-ms` when it stopped, inside/outside, e.g.
# +148/+150; = when nothing changed
active_at() {
	local g out=()
	for g in 1 2; do
		out+=("$(pair_timeline "$T" "$2" | awk -v n="$1" -v g=$g '
			$2 == n && $3 == g && ($5 == "Active" || $4 == "Active") {
				s = s ($5 == "Active" ? "+" : "-") $1
			}
			END { print s == "" ? "=" : s }')")
	done
	echo "${out[0]}/${out[1]}"
}
# when the route that forwards at rin went and came, ms
rin_away() {
	awk '/6\.6\.2\.0\/24 .*proto (bgp|ospf)/ { print substr($1, 2, 26), /Deleted/ ? "gone" : "" }' "$TMP/mon" |
		while read -r when what; do
			printf '%s%d ' "${what:+gone }" $(($(date -d "$when" +%s%3N) - T))
		done
}
row() { local IFS='|'; echo "$*" | tee -a "$ROWS"; }

# ---- the ways to fail ------------------------------------------------------------------------
ready() { # everything at a
	wait_event 30 rin_adjacent_both
	wait_event 20 pair_settled a
	wait_event 20 rin_routes_are a
	wait_event 20 ping_works hsp 6.6.16.4
	wait_event 20 ping_works hin 6.6.2.4
}
rejoin() {
	pair_launch a
	gateway_wait a
}
run() {
	NAME=$1
	case $1 in
	kill) begin; pair_kill a; finish b; rejoin ;;
	freeze) begin; pair_freeze a; finish b; pair_thaw a ;;
	cut-outside) begin; pair_cut outside a; finish b; pair_heal outside a ;;
	cut-inside) begin; pair_cut inside a; finish b; pair_heal inside a ;;
	planned) begin; pair_priority b 120; finish b; pair_priority b 100 ;;
	rejoin-preempt)
		pair_kill a
		wait_event 20 all_at b
		begin
		rejoin
		finish a
		;;
	rejoin-stay) run_stay ;;
	boot) run_boot ;;
	one-way-*) run_one_way "${1#one-way-}" ;;
	*) fail "unknown scenario $1" ;;
	esac
}
preempt() { # preempt [no]: on both, now and in a's file
	local n
	for n in a b; do
		cli $n "configure terminal" "interface GigabitEthernet0/0" "${1:-} standby 1 preempt" \
			"interface GigabitEthernet0/1" "${1:-} standby 2 preempt" "end" >/dev/null
	done
}
run_stay() {
	preempt no
	pair_kill a
	wait_event 20 all_at b
	PAIR_PREEMPT="" pair_config a >"${PAIR_CFG[a]}"
	begin
	rejoin
	finish b
	pair_config a >"${PAIR_CFG[a]}"
	preempt
}
run_boot() {
	gateway_stop a
	gateway_stop b
	begin
	pair_both
	finish a
}
run_one_way() {
	begin
	pair_cut "${1%-*}" a "${1##*-}"
	finish "${EXPECT:-b}"
	pair_heal "${1%-*}" a
}

step "the lab"
pair_topology
pair_start
pair_spoke_start
wait_event 30 rin_adjacent_both
wait_event 20 ss_init spk pair
echo "scenario|a active in/out|b active in/out|virtual outside|virtual inside|packet in|packet out|all at rin and back|the route at rin|rin ospf"
for s in "$@"; do
	n=$ROUNDS
	[ "$s" != kill ] || n=$KILLS
	for ((i = 0; i < n; i++)); do
		ready
		run "$s"
	done
done

step "medians and worst (ms): virtual address outside, inside, first packet in, out"
for s in "$@"; do
	printf '%s' "$s"
	for f in 4 5 6 7 8; do
		awk -F'|' -v s="$s" -v f=$f '$1 == s { print $f }' "$ROWS" | sort -n |
			awk '{ v[NR] = $1 } END { printf " | %s, %s", v[int((NR + 1) / 2)], v[NR] }'
	done
	echo
done
