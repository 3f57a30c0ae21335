#!/bin/bash
# Tracked objects follow links, addresses and routes of the kernel as they change: a cut link, an
# address that goes, a route that goes; lists, delays, the log, the displays.
. "$(dirname "$0")/_init.sh"

track_up() { [ "$(clij gw "show track $1" .tracks[0].state)" = Up ]; }
track_down() { [ "$(clij gw "show track $1" .tracks[0].state)" = Down ]; }
changes() { clij gw "show track $1" .tracks[0].changes; }

walk_inside
ns_ip gw link add host0 type veth peer name far0
ns_ip gw link set host0 up
ns_ip gw link set far0 up
GW_EXTRA='track 1 interface GigabitEthernet0/0 line-protocol
track 2 interface GigabitEthernet0/1 line-protocol
track 3 list boolean and
 object 1
 object 2
track 4 interface GigabitEthernet0/0 ip routing
track 5 ip route 10.9.0.0 255.255.0.0 reachability
track 6 interface GigabitEthernet0/0 line-protocol
 delay up 1 down 2
track 7 list threshold percentage
 object 1
 object 2
 threshold percentage up 60 down 40
track 8 ip route 0.0.0.0 0.0.0.0 reachability
track 11 interface GigabitEthernet0/5 line-protocol
track 10 ip route 10.10.0.0 255.255.0.0 reachability
interface GigabitEthernet0/5
 device host host0
 ip address 6.6.99.1 255.255.255.0
interface GigabitEthernet0/1
 standby 5 ip 6.6.156.200
 standby 5 timers 3 4
 standby 5 priority 200
 standby 5 track 1 decrement 20
 standby 5 track 11 decrement 40' gateway_start gw gw
wait_event 10 ping_works hin 6.6.146.10
for n in 1 2 3 4 6 7 8 11; do wait_event 5 track_up $n; done
track_down 5 || fail "a route that does not exist is reachable"

step "a link is cut"
# the far end of the veth goes down: the near end, behind the port, loses its carrier
before=$(changes 1)
cut_at=$(date +%s%N)
ns_ip hin link set e0 down
wait_event 2 track_down 1
track_down 3 || fail "the list is up without its first object"
track_down 4 || fail "no ip routing without a line"
track_up 2 || fail "the other link is down too"
track_up 6 || fail "no delay"
# 50 % is between the thresholds: stays up
track_up 7 || fail "the percentage list went down"
eq "changes" "$(changes 1)" $((before + 1))
log_has gw 'TRACK-6-STATE: 1 interface Gi0/0 line-protocol Up -> Down' || fail "no log line"
log_has gw 'TRACK-6-STATE: 3 list boolean and Up -> Down' || fail "no log line of the list"
# what the gateway itself says of when: measured on its clock, not on the client's
ago=$(clij gw "show track 1" .tracks[0].last_change_ms)
now=$(date +%s%N)
late=$(((now - cut_at) / 1000000 - ago))
echo "known $late ms after the command to cut it (with the start of two programs)"
num "milliseconds" "$late" -lt 150
wait_event 4 track_down 6
log_has gw 'TRACK-6-STATE: 6 interface Gi0/0 line-protocol Up -> Down' || fail "no delayed log line"

step "and comes back"
ns_ip hin link set e0 up
wait_event 2 track_up 1
wait_event 2 track_up 3
wait_event 2 track_up 4
wait_event 4 track_up 6

step "an address goes"
ns_ip gw addr del 6.6.146.10/24 dev gi0-0
wait_event 2 track_down 4
track_up 1 || fail "the line went with the address"
ns_ip gw addr add 6.6.146.10/24 dev gi0-0
wait_event 2 track_up 4

step "routes"
ns_ip gw route add 10.9.0.0/16 via 6.6.146.4
wait_event 2 track_up 5
ns_ip gw route add 10.9.0.0/17 via 6.6.146.4
ns_ip gw route del 10.9.0.0/16
wait_event 2 track_down 5
ns_ip gw route add blackhole 10.9.0.0/16
# the kernel tells of routes in order: when it told of the next one, it told of this one
ns_ip gw route add 10.10.0.0/16 via 6.6.146.4
wait_event 2 track_up 10
track_down 5 || fail "a blackhole is reachable"
ns_ip gw route replace 10.9.0.0/16 via 6.6.146.4 metric 0
ns_ip gw route del blackhole 10.9.0.0/16 2>/dev/null || true
wait_event 2 track_up 5
ns_ip hin link set e0 down
wait_event 2 track_down 5
ns_ip hin link set e0 up
wait_event 2 track_up 1
ns_ip rt link set g down
wait_event 2 track_down 8
ns_ip rt link set g up
wait_event 5 track_up 2

step "shutdown by the configuration"
cli gw "configure terminal" "interface GigabitEthernet0/1" "shutdown" "end" >/dev/null
wait_event 2 track_down 2
track_down 3 || fail "the list did not follow the shutdown"
cli gw "configure terminal" "interface GigabitEthernet0/1" "no shutdown" "end" >/dev/null
wait_event 2 track_up 3

step "from the event to the wire"
standby_active() { [ "$(clij gw "show standby" .groups[0].state)" = Active ]; }
# hello time 3 s: what is seen at once was not sent by its timer
wait_event 30 standby_active
took() { # took WHAT NS INTERFACE [QUIET]
	local n median worst
	python3 "$NETNS_DIR/track_time.py" "$(nsname rt)" g "$(nsname "$2")" "$3" 5 8 ${4:-} >"$TMP/took"
	read -r n median worst <"$TMP/took"
	echo "$1: hello with the new priority after $median ms (median of $n), worst $worst ms"
	eq "measured" "$n" 8
	num "milliseconds" "${worst%.*}" -lt 50
}
took "carrier of a port's kernel interface lost" hin e0
took "carrier of a kernel interface without a port lost" gw far0 1.1

step "displays"
cli gw "show track brief" >"$TMP/brief"
grep -Eq '^3 +list boolean and +Up +00:00:' "$TMP/brief" || fail "$(cat "$TMP/brief")"
grep -Eq '^5 +ip route 10\.9\.0\.0/16 +reachability' "$TMP/brief" || fail "$(cat "$TMP/brief")"
cli gw "show track 1" >"$TMP/one"
grep -q 'Interface GigabitEthernet0/0 line-protocol' "$TMP/one" || fail "$(cat "$TMP/one")"
grep -q 'Track-list 3' "$TMP/one" || fail "$(cat "$TMP/one")"
eq "watchers" "$(clij gw "show track 1" '.tracks[0].tracked_by | join(",")')" \
	"HSRP GigabitEthernet0/1 5,Track-list 3,Track-list 7"
cli gw "show track 99" >"$TMP/none" 2>&1 || true
grep -q 'does not exist' "$TMP/none" || fail "$(cat "$TMP/none")"

step "a list cannot hold itself"
cli gw "configure terminal" "track 9 list boolean and" "object 3" "exit" \
	"track 3 list boolean and" "object 9" "end" >"$TMP/cycle" 2>&1 || true
grep -q 'holds itself' "$TMP/cycle" || fail "$(cat "$TMP/cycle")"
track_up 3 || fail "the refused change did something"
