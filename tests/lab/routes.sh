#!/bin/bash
# routes.sh [COUNT [ROUNDS]] - measures reverse routes in the two-gateway lab: a single SA's, and COUNT
# (10,000) at once, added, removed and moved with the role, with the hellos meanwhile. Prints the
# figures of docs/ha.md. Needs root; by hand, on an otherwise idle machine.
#   TANDEM_BUILD    build directory (default build)
#   PAIR_ADVERTISE  (6.6.146.99) routers are told that address as next hop, not each box
#   PAIR_ROUTING    default "ospf bgp"
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/hello.sh"
. "$REPO/tests/lab/many.sh"
COUNT=${1:-10000} ROUNDS=${2:-2}
GW_WAIT=120 # thousands of lines to read, twice

since() { echo "   $1: $(($(now_ms) - T)) ms"; } # since WHAT: from T to now
reaches() { # reaches WHAT CONDITION...: waits for it, prints when
	wait_event 120 "${@:2}"
	since "$1"
}
# The SA's line in the gateway's log and the route in the kernel and at the inside router, as their
# own clocks say
single() {
	spawn mon-a gwa ip -ts monitor route
	spawn mon-rin rin ip -ts monitor route
	local i up route seen
	for i in 1 2 3 4 5 6 7 8 9 10; do
		wait_event 15 ss_init spk pair
		wait_event 15 rin_routes_are a
		up=$(date -d "$(grep -a 'CRYPTO-6-IPSEC_SA_UP' "$TMP/a.log" | tail -1 | cut -d: -f1-3)" +%s%3N)
		route=$(stamp a '\] 6.6.2.0/24 .*proto 215')
		seen=$(stamp rin '\] 6.6.2.0/24 .*proto (bgp|ospf)')
		echo "   SA to kernel $((route - up)) ms, kernel to the inside router's $((seen - route)) ms"
		: >"$TMP/mon-rin.log"
		ss_term spk pair
		wait_event 15 rin_without_route
	done
}
stamp() { # stamp NAME REGEX: when the first such line of the last batch came
	date -d "$(grep -aE "$2" "$TMP/mon-$1.log" | tail -1 | sed -n 's/^\[\([^]]*\)\].*/\1/p')" +%s%3N
}
hellos() { # hellos NAME: watched since hello_watch
	local n
	hello_stop "$1"
	for n in 10 11; do
		echo "   hellos of .$n: count, p50, p99, longest: $(hello_stats "$1" 6.6.156.$n)"
	done
	echo "   changes of roles: $(pair_timeline "$2" | wc -l)"
}

# rin_watch: the fewest routes that the inside router had, looked at five times a second, until rin_seen
rin_watch() {
	rm -f "$TMP/rin-enough"
	while [ ! -e "$TMP/rin-enough" ]; do
		echo "$(($(now_ms) - T)) $(many_rin)"
		sleep 0.2
	done >"$TMP/rin-many" &
	WATCH=$!
	SPAWNED+=($!)
}
many_rin() { ns_ip rin route show proto "$RIN_PROTO" | wc -l; }
rin_seen() {
	touch "$TMP/rin-enough"
	wait "$WATCH"
	awk '!n || $2 < least { least = $2; at = $1 } { n++ } END {
		printf "   at the inside router: %d at the fewest, after %d ms (%d looks)\n", least, at, n }' "$TMP/rin-many"
}
pair_routes_by bgp && RIN_PROTO=bgp || RIN_PROTO=ospf

pair_topology
PAIR_EXTRA=$(many_config "$COUNT")
pair_start
wait_event 20 pair_settled a
wait_event 60 rin_adjacent_both
if [ -z "${PAIR_ADVERTISE:-}" ]; then
	step "one SA at a time"
	ss_start spk spk
	ss_conn spk pair RTS=6.6.16.0/24
	single
fi

began=$(now_ms)
hello_watch many rt g
for ((i = 1; i <= ROUNDS; i++)); do
	step "$COUNT on"
	T=$(now_ms)
	many_on a
	reaches "in the kernel" at_least "$COUNT" many_kernel a
	reaches "in staticd" at_least "$COUNT" many_static a
	! pair_routes_by bgp || reaches "at the inside router, BGP, forwarding" at_least "$COUNT" many_bgp
	reaches "at the inside router, OSPF" at_least "$COUNT" many_ospf
	echo "   next hops: $(many_hops)"
	step "$COUNT off"
	T=$(now_ms)
	many_off a
	reaches "out of the kernel" at_most 0 many_kernel a
	! pair_routes_by bgp || reaches "out of the inside router, BGP" at_most 0 many_bgp
	reaches "out of the inside router, OSPF" at_most 3 many_ospf
	reaches "out of staticd" at_most 0 many_static a
done
hellos many "$began"

step "$COUNT move with the role"
many_on a
many_on b
wait_event 120 at_least "$COUNT" many_rin
wait_event 120 at_least "$COUNT" many_static a
began=$(now_ms)
hello_watch role rt g
T=$(now_ms)
rin_watch
pair_priority b 120
reaches "out of the old one's kernel" at_most 0 many_kernel a
reaches "in the new one's kernel" at_least "$COUNT" many_kernel b
reaches "in the new one's staticd" at_least "$COUNT" many_static b
reaches "out of the old one's staticd" at_most 0 many_static a
wait_event 120 at_least "$COUNT" many_rin
since "all at the inside router (again)"
sleep 3
rin_seen
echo "   next hops: $(many_hops)"
hellos role "$began"
pair_timeline "$began"
step "callbacks of the control loops over 5 ms"
grep -aH LOOP-4-OVERRUN "$TMP/a.log" "$TMP/b.log" | sed 's,.*/,   ,' || true
