#!/bin/bash
# Two gateways with an inside router (OSPF and BGP) and a spoke that reconnects: both boot at once, the
# active one is killed, comes back, freezes, loses a link on either side, is changed by priority, comes
# back without preemption. Each time both groups end on the same box, the inside router knows the
# spoke's network from that box alone, traffic is back both ways, and nothing leaves in clear.
# Measured times are printed; only that they are no minutes is asserted (tests/lab/failover.sh measures).
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
need jq vtysh tcpdump

EVENTS=() # NAME:MILLISECONDS
# happens NAME: the moment. after NODE: everything is that box's, and packets pass
happens() {
	step "$1"
	EVENTS+=("$1:$(now_ms)")
}
after() {
	wait_event 10 pair_is "$1" Active
	wait_event 20 rin_routes_are "$1"
	wait_event 15 ping_works hsp 6.6.16.4
	wait_event 15 ping_works hin 6.6.2.4
	wait_event 5 session_is "$1" 6.6.25.2 UP-ACTIVE
}
no_rri() { [ -z "$(ns_ip "gw$1" route show proto 215)" ]; }
idle() { [ "$(sa_count "$1" in)$(ike_count "$1")" = 00 ] && no_rri "$1"; }

pair_topology
step "both boot at once"
boot=$(now_ms)
pair_start
wait_event 20 pair_settled a
eq "boxes that were ever active" \
	"$(pair_timeline "$boot" | awk '$5 == "Active" { print $2 }' | sort -u | xargs)" a
wait_event 30 rin_adjacent_both
rin_without_route || fail "a route without a tunnel"
for n in a b; do ! log_has $n 'FRR-4-REFUSED' || fail "$(grep FRR-4 "$TMP/$n.log" | head -3)"; done
eq "routes to the gateways' virtual address at the inside router" "$(rin_kernel 6.6.146.100/32)" ""
pair_spoke_start
wait_event 15 ss_init spk pair
after a
idle b || fail "the standby box has SAs or routes"
capture_start wire-a wan wa
capture_start wire-b wan wb
traffic_start 200

happens "kill -9"
answer_start outside rt 6.6.156.100
sleep 0.1
killed=$(now_ms)
pair_kill a
after b
answer_stop outside
num "ms until the virtual address answered" "$(answer_back outside "$killed")" -lt 1000

happens "rejoin with preemption"
pair_launch a
gateway_wait a
after a
wait_event 10 pair_is b Standby
wait_event 10 idle b
wait_event 20 rin_adjacent_both

happens "freeze (SIGSTOP)"
pair_freeze a
after b

happens "thaw"
pair_thaw a
after a
wait_event 10 pair_is b Standby
wait_event 10 idle b
wait_event 20 rin_adjacent_both

happens "cut outside"
pair_cut outside a
after b
wait_event 10 idle a
pair_role a 1 | has Standby || fail "the inside group stayed: $(pair_role a 1)"

happens "heal outside"
pair_heal outside a
after a
wait_event 10 idle b

happens "cut inside"
pair_cut inside a
after b
wait_event 10 idle a
pair_role a 2 | has Standby || fail "the outside group stayed: $(pair_role a 2)"

happens "heal inside"
pair_heal inside a
wait_event 20 rin_adjacent_both
after a

happens "planned change of priority"
pair_priority b 120
after b
wait_event 10 pair_is a Standby
wait_event 10 idle a

happens "back by priority"
pair_priority b 100
after a

happens "kill -9, to come back without preemption"
for n in a b; do
	cli $n "configure terminal" "interface GigabitEthernet0/0" "no standby 1 preempt" \
		"interface GigabitEthernet0/1" "no standby 2 preempt" "end" >/dev/null
done
PAIR_PREEMPT="" pair_config a >"${PAIR_CFG[a]}"
pair_kill a
after b
happens "rejoin without preemption"
pair_launch a
gateway_wait a
wait_event 10 pair_is a Standby
wait_event 20 rin_adjacent_both
after b
idle a || fail "the box that came back has SAs or routes"

traffic_stop
capture_stop wire-a
capture_stop wire-b
step "what it cost"
EVENTS+=("end:$(now_ms)")
for ((i = 0; i + 1 < ${#EVENTS[@]}; i++)); do
	name=${EVENTS[i]%:*} from=${EVENTS[i]##*:} to=${EVENTS[i + 1]##*:}
	in=$(traffic_silence in "$from" "$to")
	out=$(traffic_silence out "$from" "$to")
	printf '   %-42s silent: in %5s ms, out %5s ms\n' "$name" "$in" "$out"
	num "$name: silent ms, in" "$in" -lt 15000
	num "$name: silent ms, out" "$out" -lt 15000
done
eq "duplicated" "$(traffic_get in duplicated) $(traffic_get out duplicated)" "0 0"
for n in a b; do
	num "packets captured at $n" "$(capture_filter wire-$n 'udp port 4500')" -gt 100
	# the spoke's own clear packets come this far while it has no tunnel
	eq "clear packets at $n" "$(capture_filter wire-$n 'src net 6.6.16.0/24')" 0
done
