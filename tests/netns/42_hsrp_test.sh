#!/bin/bash
# Two gateways share an address inside and one outside: election, ping to the virtual addresses,
# ARP by the active one only, a crash of the active one, priority and preemption, a cut link that
# moves both groups, forged hellos.
. "$(dirname "$0")/_init.sh"
need python3 jq

# outside bridge (ns wan) and inside bridge (ns lan), each with a host on it
bridge() { # bridge NS ADDRESS
	ns_ip "$1" link add br0 type bridge forward_delay 0 mcast_snooping 0
	ns_ip "$1" addr add "$2" dev br0
	ns_ip "$1" link set br0 up
}
port_of() { ns_ip "$1" link set "$2" master br0; }
ns_add wan lan gwa gwb
bridge wan 6.6.156.1/24
bridge lan 6.6.146.1/24
for n in a b; do
	link_add "gw$n" out - wan "w$n" -
	link_add "gw$n" in - lan "l$n" -
	port_of wan "w$n"
	port_of lan "l$n"
done
ns_ip wan route add 6.6.146.0/24 via 6.6.156.100
ns_ip lan route add 6.6.156.0/24 via 6.6.146.100

gw_config() { # gw_config LAST-OCTET PRIORITY [LINES BELOW EACH GROUP]
	cat <<-C
	hostname R$1
	dataplane workers 1
	dataplane idle-sleep 50
	track 1 interface GigabitEthernet0/0 line-protocol
	track 2 interface GigabitEthernet0/1 line-protocol
	track 3 list boolean and
	 object 1
	 object 2
	interface GigabitEthernet0/0
	 device vdev net_af_packet0,iface=in
	 ip address 6.6.146.$1 255.255.255.0
	 standby 1 ip 6.6.146.100
	 standby 1 timers msec 50 msec 150
	 standby 1 priority $2
	 standby 1 preempt
	 standby 1 name INSIDE
	 standby 1 authentication md5 key-string tandem
	 standby 1 track 3 decrement 30
	interface GigabitEthernet0/1
	 device vdev net_af_packet1,iface=out
	 ip address 6.6.156.$1 255.255.255.0
	 standby 2 ip 6.6.156.100
	 standby 2 timers msec 50 msec 150
	 standby 2 priority $2
	 standby 2 preempt
	 standby 2 name OUTSIDE
	 standby 2 authentication md5 key-string tandem
	 standby 2 track 3 decrement 30
	C
}
role() { clij "$1" "show standby" ".groups[] | select(.group == $2) | .state"; }
role_is() { [ "$(role "$1" "$2")" = "$3" ]; }
both_are() { role_is "$1" 1 "$2" && role_is "$1" 2 "$2"; }
refused() { # refused NAME REASON
	clij "$1" "show standby" "[.groups[].refused[\"$2\"]] | add"
}
mac_seen() { ns_ip "$1" neigh show "$2" | sed -n 's/.*lladdr \([0-9a-f:]*\).*/\1/p'; }

gw_config 10 110 >"$TMP/a.cfg"
gw_config 11 100 >"$TMP/b.cfg"
gateway_start a gwa "$TMP/a.cfg"
gateway_start b gwb "$TMP/b.cfg"

step "election: the higher priority on both interfaces"
wait_event 10 both_are a Active
wait_event 10 both_are b Standby
log_has a '%HSRP-5-STATECHANGE: GigabitEthernet0/1 Grp 2 state Standby -> Active' || fail "no log line"
eq "standby known" "$(clij a "show standby" '.groups[] | select(.group == 2) | .standby')" 6.6.156.11
eq "active known" "$(clij b "show standby" '.groups[] | select(.group == 2) | .active')" 6.6.156.10
eq "virtual MAC" "$(clij a "show standby" '.groups[] | select(.group == 2) | .virtual_mac')" \
	0000.0c07.ac02

step "the virtual addresses answer, with the virtual MAC"
eq "pings lost outside" "$(ping_lost wan 6.6.156.100 20)" 0
eq "pings lost inside" "$(ping_lost lan 6.6.146.100 20)" 0
eq "MAC outside" "$(mac_seen wan 6.6.156.100)" 00:00:0c:07:ac:02
eq "MAC inside" "$(mac_seen lan 6.6.146.100)" 00:00:0c:07:ac:01
eq "through it" "$(ping_lost lan 6.6.156.1 20)" 0
# who answers a question: the active one alone, once
if command -v arping >/dev/null; then
	in_ns wan arping -c 3 -I br0 6.6.156.100 >"$TMP/arping" 2>&1 || true
	eq "answers" "$(grep -ci 'reply from' "$TMP/arping")" 3
	grep -i 'reply from' "$TMP/arping" | has -iv '00:00:0c:07:ac:02' && fail "$(cat "$TMP/arping")"
fi

step "forged hellos change nothing and are counted"
in_ns wan python3 "$NETNS_DIR/hsrp_forge.py" br0 6.6.156.66 2 6.6.156.100 2>"$TMP/forge.err" ||
	fail "$(cat "$TMP/forge.err")"
both_are a Active || fail "a forged hello took the role"
both_are b Standby || fail "a forged hello took the role"
num "without authentication" "$(refused a auth-type)" -ge 1
num "wrong TTL" "$(refused a wrong-ttl)" -ge 1
num "damaged" "$(clij a "show standby" .frames_damaged)" -ge 1
num "other groups" "$(clij a "show standby" .frames_without_group)" -ge 1

# gap_start NS ADDRESS: a ping every 5 ms. gap_end: $gap = the longest time between answers, ms
gap_start() {
	ip netns exec "$(nsname "$1")" ping -n -D -i 0.005 -w 20 "$2" >"$TMP/gap" 2>&1 &
	GAP_PID=$!
	gap_more
}
gap_answers() { grep -c 'bytes from' "$TMP/gap" || true; }
gap_more() { # until it has been answered for a while (again)
	local n
	n=$(($(gap_answers) + 30))
	wait_event 3 eval '[ "$(gap_answers)" -ge '$n' ]'
}
gap_end() {
	gap_more
	kill -INT "$GAP_PID"
	wait "$GAP_PID" || true
	gap=$(awk -F'[][]' '/bytes from/ { if (last && $2 - last > max) max = $2 - last; last = $2 }
		END { printf "%d\n", max * 1000 }' "$TMP/gap")
}

step "the active one is killed"
gap_start wan 6.6.156.100
gateway_kill a
gap_end
echo "virtual address silent for $gap ms"
num "silent milliseconds" "$gap" -lt 400
both_are b Active || fail "the survivor is not active"
eq "MAC outside" "$(mac_seen wan 6.6.156.100)" 00:00:0c:07:ac:02
eq "through it" "$(ping_lost lan 6.6.156.1 20)" 0

step "it comes back and preempts"
gateway_start a gwa "$TMP/a.cfg"
wait_event 10 both_are a Active
wait_event 10 both_are b Standby
eq "pings lost" "$(ping_lost wan 6.6.156.100 20)" 0

step "the active one freezes and wakes"
gap_start wan 6.6.156.100
kill -STOP "${GW_PID[a]}"
wait_event 5 both_are b Active
gap_more
kill -CONT "${GW_PID[a]}"
gap_end
echo "virtual address silent for $gap ms"
num "silent milliseconds" "$gap" -lt 400
wait_event 10 both_are a Active
wait_event 10 both_are b Standby
eq "pings lost" "$(ping_lost wan 6.6.156.100 20)" 0

step "a cut link moves both groups"
gap_start lan 6.6.146.100
ns_ip wan link set wa down
gap_end
echo "inside address silent for $gap ms"
num "silent milliseconds" "$gap" -lt 400
wait_event 5 both_are b Active
wait_event 5 role_is a 1 Standby
eq "priority inside" "$(clij a "show standby" '.groups[] | select(.group == 1) | .priority')" 80
eq "through the other one" "$(ping_lost lan 6.6.156.1 20)" 0
ns_ip wan link set wa up
wait_event 10 both_are a Active

step "a planned change of priority"
cli b "configure terminal" "interface GigabitEthernet0/0" "standby 1 priority 120" \
	"interface GigabitEthernet0/1" "standby 2 priority 120" "end" >/dev/null
wait_event 5 both_are b Active
wait_event 5 both_are a Standby
eq "pings lost" "$(ping_lost wan 6.6.156.100 20)" 0

step "an orderly stop resigns"
gap_start wan 6.6.156.100
gateway_stop b
gap_end
echo "virtual address silent for $gap ms"
num "silent milliseconds" "$gap" -lt 300
both_are a Active || fail "not taken over"

step "a group that goes takes its address along"
cli a "configure terminal" "interface GigabitEthernet0/1" "no standby 2" "end" >/dev/null
wait_event 3 eval '! ping_works wan 6.6.156.100'
ns_ip gwa addr show gi0-1 | has 6.6.156.100 && fail "the address is still there"
role_is a 1 Active || fail "the other group suffered"
gateways_stop

step "two groups share the load; equal priorities with addresses that part the roles are reported"
gw_config 10 100 >"$TMP/a.cfg"
# higher inside, lower outside
gw_config 11 100 | sed 's/ip address 6.6.156.11/ip address 6.6.156.9/' >"$TMP/b.cfg"
for n in a b; do
	cat >>"$TMP/$n.cfg" <<-C
	interface GigabitEthernet0/1
	 standby 3 ip 6.6.156.103
	 standby 3 timers msec 50 msec 150
	 standby 3 preempt
	 standby 3 priority $([ $n = b ] && echo 120 || echo 100)
	 standby 3 track GigabitEthernet0/0 40
	C
done
gateway_start a gwa "$TMP/a.cfg"
gateway_start b gwb "$TMP/b.cfg"
wait_event 10 role_is a 2 Active
wait_event 10 role_is b 1 Active
wait_event 10 role_is b 3 Active
eq "pings lost, group 2" "$(ping_lost wan 6.6.156.100 20)" 0
eq "pings lost, group 3" "$(ping_lost wan 6.6.156.103 20)" 0
eq "MAC of group 3" "$(mac_seen wan 6.6.156.103)" 00:00:0c:07:ac:03
wait_event 5 eval 'log_has a "%HSRP-4-SPLIT: " || log_has b "%HSRP-4-SPLIT: "'
ns_ip lan link set lb down
wait_event 5 role_is a 3 Active
ns_ip lan link set lb up
wait_event 10 role_is b 3 Active
gateways_stop
