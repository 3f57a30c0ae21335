#!/bin/bash
# Active/active: two redundancy groups, each box active for one and standby for the other, a stock
# spoke on either. Each box carries its own; one is killed, the survivor carries both and nobody
# negotiates; it comes back and takes its own again. Then one group alone is given up, by a lost link and by
# hand: the inside group that follows it goes along, those of the other pair stay.
#
#  hin      rin           lan          gwa, gwb        wan (.156) -- rt ---- spk  -- hsp   6.6.2.0/24
#  .4 -16-- .1 .1 ==146=== switch ==== [in out1 out2]= wan2 (.157) - rt ---- spk2 -- hsp2  6.6.3.0/24
#
# Group OUT1 (6.6.156.100) and IN1 (6.6.146.100) belong to a, OUT2 (6.6.157.100) and IN2
# (6.6.146.200) to b: the inside router sends to either virtual address what its spoke has. IN1 and IN2
# have no priority, no preemption and no tracking of their own: they follow.
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
need jq

topology() {
	local n
	ns_add hin rin lan gwa gwb wan wan2 rt spk hsp spk2 hsp2
	for n in lan wan wan2; do pair_switch $n; done
	for n in a b; do
		link_add "gw$n" in - lan "l$n" -
		link_add "gw$n" out1 - wan "w$n" -
		link_add "gw$n" out2 - wan2 "v$n" -
		pair_plug lan "l$n"
		pair_plug wan "w$n"
		pair_plug wan2 "v$n"
	done
	link_add gwa rep 10.0.0.1/24 gwb rep 10.0.0.2/24
	link_add rin core 6.6.146.1/24 lan r -
	link_add rt g1 6.6.156.1/24 wan r -
	link_add rt g2 6.6.157.1/24 wan2 r -
	pair_plug lan r
	pair_plug wan r
	pair_plug wan2 r
	link_add hin e0 6.6.16.4/24 rin e0 6.6.16.1/24
	ns_ip hin route add default via 6.6.16.1
	ns_ip rin route add 6.6.2.0/24 via 6.6.146.100
	ns_ip rin route add 6.6.3.0/24 via 6.6.146.200
	link_add rt s 6.6.25.1/24 spk wan 6.6.25.2/24
	link_add rt s2 6.6.26.1/24 spk2 wan 6.6.26.2/24
	link_add spk lan 6.6.2.2/24 hsp e0 6.6.2.4/24
	link_add spk2 lan 6.6.3.2/24 hsp2 e0 6.6.3.4/24
	ns_ip hsp route add default via 6.6.2.2
	ns_ip hsp2 route add default via 6.6.3.2
	ns_ip spk route add default via 6.6.25.1
	ns_ip spk2 route add default via 6.6.26.1
}
group() { # group NUMBER ADDRESS NAME PRIORITY TRACK: lines of a standby group
	printf ' standby %s %s\n' "$1" "ip $2" "$1" "timers msec 50 msec 150" "$1" "name $3" \
		"$1" "priority $4" "$1" preempt "$1" "track $5 decrement 30"
}
inside() { # inside NUMBER ADDRESS NAME LEADER: lines of a group that follows
	printf ' standby %s %s\n' "$1" "ip $2" "$1" "timers msec 50 msec 150" "$1" "name $3" "$1" "follow $4"
}
config() { # config NODE
	local o=10 one=110 two=100
	[ "$1" = a ] || { o=11 one=100 two=110; }
	cat <<-C
	hostname R$o
	dataplane workers 1
	dataplane idle-sleep 50
	crypto isakmp policy 10
	 encr aes
	 hash sha
	 authentication pre-share
	 group 2
	crypto isakmp key cisco address 6.6.25.2
	crypto isakmp key cisco address 6.6.26.2
	crypto isakmp keepalive 10 2 periodic
	crypto ipsec transform-set SET2 esp-aes esp-sha-hmac
	crypto ipsec security-association replay window-size 1024
	ip access-list extended ONE
	 permit ip 6.6.16.0 0.0.0.255 6.6.2.0 0.0.0.255
	ip access-list extended TWO
	 permit ip 6.6.16.0 0.0.0.255 6.6.3.0 0.0.0.255
	crypto map M1 10 ipsec-isakmp
	 set peer 6.6.25.2
	 set transform-set SET2
	 match address ONE
	crypto map M2 10 ipsec-isakmp
	 set peer 6.6.26.2
	 set transform-set SET2
	 match address TWO
	track 1 interface GigabitEthernet0/0 line-protocol
	track 2 interface GigabitEthernet0/1 line-protocol
	track 3 interface GigabitEthernet0/2 line-protocol
	track 4 list boolean and
	 object 1
	 object 2
	track 5 list boolean and
	 object 1
	 object 3
	interface GigabitEthernet0/0
	 device vdev net_af_packet0,iface=in
	 ip address 6.6.146.$o 255.255.255.0
	$(inside 1 6.6.146.100 IN1 OUT1)
	$(inside 3 6.6.146.200 IN2 OUT2)
	interface GigabitEthernet0/1
	 device vdev net_af_packet1,iface=out1
	 ip address 6.6.156.$o 255.255.255.0
	$(group 2 6.6.156.100 OUT1 $one 4)
	 crypto map M1 redundancy OUT1 stateful
	interface GigabitEthernet0/2
	 device vdev net_af_packet2,iface=out2
	 ip address 6.6.157.$o 255.255.255.0
	$(group 4 6.6.157.100 OUT2 $two 5)
	 crypto map M2 redundancy OUT2 stateful
	ip route 6.6.16.0 255.255.255.0 6.6.146.1
	ip route 6.6.25.0 255.255.255.0 6.6.156.1
	ip route 6.6.2.0 255.255.255.0 6.6.156.1
	ip route 6.6.26.0 255.255.255.0 6.6.157.1
	ip route 6.6.3.0 255.255.255.0 6.6.157.1
	$(stateful_link "$1" OUT1)
	C
}

# states NODE: "OUT1 ACTIVE STANDBY HOT, OUT2 ..."
states() { rf "$1" '[.groups[] | .name + " " + .my_state + " " + .peer_state] | sort | join(", ")'; }
roles() { clij "$1" "show standby" '[.groups[] | .name + " " + .state] | sort | join(", ")'; }
# carries NODE: own groups here, the other two on the other box, both hot
each_its_own() {
	[ "$(states a)" = "OUT1 ACTIVE STANDBY HOT, OUT2 STANDBY HOT ACTIVE" ] &&
		[ "$(states b)" = "OUT1 STANDBY HOT ACTIVE, OUT2 ACTIVE STANDBY HOT" ] &&
		[ "$(roles a)" = "IN1 Active, IN2 Standby, OUT1 Active, OUT2 Standby" ] &&
		[ "$(roles b)" = "IN1 Standby, IN2 Active, OUT1 Standby, OUT2 Active" ]
}
carries_all() { [ "$(roles "$1")" = "IN1 Active, IN2 Active, OUT1 Active, OUT2 Active" ]; }
sas() { # what both spokes have
	local p
	for p in spk spk2; do
		peer sas $p | grep -aoE '[0-9a-f]{16}_[ir]|\b(in|out) +[0-9a-f]{8}' | tr -d ' ' | sort | xargs
	done
}
both_work() { # traffic of both, and nothing was negotiated
	wait_event 10 ping_works hsp 6.6.16.4
	wait_event 10 ping_works hsp2 6.6.16.4
	wait_event 10 ping_works hin 6.6.2.4
	wait_event 10 ping_works hin 6.6.3.4
	eq "the spokes' SAs after $1" "$(sas)" "$SAS"
}
sessions() { clij "$1" "show crypto session $2" '[.sessions[].peer] | sort | join(" ")'; }

topology
step "both boot, each takes its own"
for n in a b; do config $n >"$TMP/$n.cfg"; done
PAIR_CFG=([a]=$TMP/a.cfg [b]=$TMP/b.cfg)
for n in a b; do gateway_launch $n gw$n "$TMP/$n.cfg"; done
for n in a b; do gateway_wait $n; done
wait_event 30 each_its_own
ss_start spk spk
ss_start spk2 spk2
ss_conn spk one RTS=6.6.16.0/24 DPD=2s DPDTO=4s
ss_conn spk2 two LOCAL=6.6.26.2 REMOTE=6.6.157.100 LTS=6.6.3.0/24 RTS=6.6.16.0/24 DPD=2s DPDTO=4s
wait_event 15 ss_init spk one
wait_event 15 ss_init spk2 two
SAS=$(sas)
[ -n "$SAS" ] || fail "the spokes show no SAs"
both_work "the beginning"
wait_event 10 each_its_own
eq "what works at a" "$(sessions a active)" 6.6.25.2
eq "copies at a" "$(sessions a standby)" 6.6.26.2
eq "what works at b" "$(sessions b active)" 6.6.26.2

step "clear standby at a: its copy goes and comes again, nobody notices"
joins=$(rf a '.groups[] | select(.name == "OUT2") | .join_number')
cli a "clear crypto session standby"
again() {
	[ "$(rf a '.groups[] | select(.name == "OUT2") | .join_number')" -gt "$joins" ] && each_its_own
}
wait_event 10 again
eq "copies at a" "$(sessions a standby)" 6.6.26.2
both_work "clear standby"

step "either box knows what the other one carries, both ways"
for n in "hsp 6.6.16.4" "hsp2 6.6.16.4" "hin 6.6.2.4" "hin 6.6.3.4"; do
	# shellcheck disable=SC2086
	set -- $n
	spawn "load-$2" "$1" "$(bin udpseq)" send -d "$2" -p 6999 -r 200 -t 3600 -s 100
done
load() { clij "$1" "show redundancy states" ".load.packets_per_second_$2"; }
carried() { # 200/s each way, and what nobody takes is answered with an ICMP error now and then
	[ "$(load "$1" here)" -gt 350 ] && [ "$(load "$1" here)" -lt 600 ] &&
		[ "$(load "$1" other)" -gt 350 ] && [ "$(load "$1" other)" -lt 600 ]
}
for n in a b; do
	wait_for 20 carried $n || fail "$n sees $(load $n here) here, $(load $n other) there"
done
cli a "show redundancy states" | grep "^Load: .* packets/s here, both ways" >/dev/null || fail "the display"

step "debug tells, and only what it is about"
cli a "debug crypto ipsec ha update" "debug redundancy" >/dev/null
cli a "show debugging" | grep '^crypto ipsec ha update debugging is on' >/dev/null || fail "show debugging"
in_ns hsp ping -q -c 20 -i 0.05 6.6.16.4 >/dev/null
wait_event 10 eval 'cli a "show logging" | grep "IPSEC_HA-7-DEBUG: group OUT1: IPsec SA .* edge told" >/dev/null'
! cli a "show logging" | grep 'ISAKMP_HA-7' >/dev/null || fail "lines of another switch"
cli a "undebug all" >/dev/null

for n in a b; do
	o=$(pair_other $n)
	step "$n is killed: $o carries both"
	pair_kill $n
	wait_event 5 carries_all "$o"
	both_work "the end of $n"
	step "$n comes back and takes its own again"
	gateway_launch $n gw$n "$TMP/$n.cfg"
	gateway_wait $n
	wait_event 30 each_its_own
	both_work "the return of $n"
	invariants_hold a b
done

step "a loses the link of OUT1, and gets it back"
pair_cut outside a
wait_event 10 carries_all b
both_work "the cut"
pair_heal outside a
wait_event 30 each_its_own # OUT1 alone: IN1 comes along, IN2 stays
both_work "the mended link"

step "by hand: a gives OUT1 away, b gives it back and keeps OUT2"
wait_event 5 eval 'cli a "redundancy force-switchover OUT1" 2>/dev/null' # HSRP knows the standby router
wait_event 10 carries_all b
both_work "the switchover by hand"
wait_event 5 eval 'cli b "redundancy force-switchover OUT1" 2>/dev/null'
wait_event 10 each_its_own
both_work "the switchover back"
! cli a "redundancy force-switchover OUT2" >"$TMP/refused" 2>&1 || fail "a gave away what it does not have"
grep "This box is not active" "$TMP/refused" >/dev/null || fail "$(cat "$TMP/refused")"
! cli a "redundancy force-switchover OUT3" >"$TMP/refused" 2>&1 || fail "a gave away what there is not"
grep "There is no redundancy group OUT3" "$TMP/refused" >/dev/null || fail "$(cat "$TMP/refused")"
wait_event 5 eval 'cli a "redundancy force-switchover" 2>/dev/null'
wait_event 10 carries_all b
wait_event 5 eval 'cli b "redundancy force-switchover" 2>/dev/null' # all that b has: both
wait_event 10 carries_all a
both_work "the switchover of both"
invariants_hold a b
