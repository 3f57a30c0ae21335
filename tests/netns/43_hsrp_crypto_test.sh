#!/bin/bash
# The crypto map on a standby group's address: the spoke talks to the virtual address, only the
# active gateway answers; when it crashes the spoke reconnects to the same address on the other
# one; when it loses the role its SAs go, nothing leaves in clear.
. "$(dirname "$0")/_init.sh"

bridge() { # bridge NS NAME ADDRESS
	ns_ip "$1" link add "$2" type bridge forward_delay 0 mcast_snooping 0
	ns_ip "$1" addr add "$3" dev "$2"
	ns_ip "$1" link set "$2" up
}
ns_add hin rt spk hsp gwa gwb
bridge rt br0 6.6.156.1/24
bridge hin br0 6.6.146.4/24
for n in a b; do
	link_add "gw$n" out - rt "w$n" -
	link_add "gw$n" in - hin "l$n" -
	ns_ip rt link set "w$n" master br0
	ns_ip hin link set "l$n" master br0
done
link_add rt s 6.6.25.1/24 spk wan 6.6.25.2/24
link_add spk lan 6.6.2.2/24 hsp e0 6.6.2.4/24
ns_ip hsp route add default via 6.6.2.2
ns_ip spk route add default via 6.6.25.1
ns_ip rt route add 6.6.2.0/24 via 6.6.25.2
ns_ip rt route add 6.6.146.0/24 via 6.6.156.100
ns_ip hin route add default via 6.6.146.100

gw_config() { # gw_config LAST-OCTET PRIORITY
	cat <<-C
	hostname R$1
	dataplane workers 1
	dataplane idle-sleep 50
	crypto isakmp policy 10
	 encr aes
	 hash sha
	 authentication pre-share
	 group 2
	crypto isakmp key cisco address 6.6.25.2
	crypto isakmp keepalive 10 2 periodic
	crypto ipsec transform-set SET2 esp-aes esp-sha-hmac
	ip access-list extended HA_VPN
	 permit ip 6.6.146.0 0.0.0.255 6.6.2.0 0.0.0.255
	crypto map MAP2 10 ipsec-isakmp
	 set peer 6.6.25.2
	 set transform-set SET2
	 set pfs group2
	 match address HA_VPN
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
	 standby 1 track 3 decrement 30
	interface GigabitEthernet0/1
	 device vdev net_af_packet1,iface=out
	 ip address 6.6.156.$1 255.255.255.0
	 standby 2 ip 6.6.156.100
	 standby 2 timers msec 50 msec 150
	 standby 2 priority $2
	 standby 2 preempt
	 standby 2 name HSRP
	 standby 2 track 3 decrement 30
	 crypto map MAP2 redundancy HSRP
	ip route 0.0.0.0 0.0.0.0 6.6.156.1
	C
}
role_is() {
	[ "$(clij "$1" "show standby" ".groups[] | select(.group == $2) | .state")" = "$3" ]
}
both_are() { role_is "$1" 1 "$2" && role_is "$1" 2 "$2"; }
tunnel_again() { # the spoke finds out by itself only after its DPD: it is told here
	ss_term spk walk || true
	ss_init spk walk
}

gw_config 10 110 >"$TMP/a.cfg"
gw_config 11 100 >"$TMP/b.cfg"
gateway_start a gwa "$TMP/a.cfg"
gateway_start b gwb "$TMP/b.cfg"
wait_event 10 both_are a Active
wait_event 10 both_are b Standby

step "the spoke connects to the virtual address"
ss_start spk spk
ss_conn spk walk
wait_event 10 ss_init spk walk
wait_event 5 ping_works hsp 6.6.146.4
eq "pings lost" "$(ping_lost hsp 6.6.146.4 50)" 0
eq "pings lost back" "$(ping_lost hin 6.6.2.4 50)" 0
eq "endpoint" "$(clij a "show crypto ipsec sa" '.sas[0].local_endpoint')" 6.6.156.100
eq "SAs on the standby" "$(sa_count b in)" 0
log_has a "%CRYPTO-5-IPSEC_SA_HA_STATUS: IPSec sa's if any, for vip 6.6.156.100 will change from STANDBY to ACTIVE" ||
	fail "no HA_STATUS line"

step "the standby one negotiates nothing, sends nothing in clear"
capture_start wire rt br0
ns_ip hin route replace 6.6.2.0/24 via 6.6.146.11
in_ns hin ping -q -n -c 20 -i 0.02 -W 1 6.6.2.4 >/dev/null && fail "the standby forwards"
ns_ip hin route del 6.6.2.0/24 via 6.6.146.11
capture_stop wire
eq "clear packets" "$(capture_filter wire 'src net 6.6.146.0/24')" 0
eq "SAs on the standby" "$(sa_count b in)" 0

step "the active one crashes: the spoke reconnects to the same address"
gateway_kill a
wait_event 5 both_are b Active
wait_event 10 tunnel_again
wait_event 5 ping_works hsp 6.6.146.4
eq "pings lost" "$(ping_lost hsp 6.6.146.4 50)" 0
eq "endpoint" "$(clij b "show crypto ipsec sa" '.sas[0].local_endpoint')" 6.6.156.100

step "the first one takes the role back: the other's SAs go"
gateway_start a gwa "$TMP/a.cfg"
wait_event 10 both_are a Active
wait_event 10 both_are b Standby
wait_event 5 eval '[ "$(sa_count b in)" = 0 ] && [ "$(ike_count b)" = 0 ]'
wait_event 10 ping_works hin 6.6.2.4
wait_event 5 session_is a 6.6.25.2 UP-ACTIVE
eq "pings lost" "$(ping_lost hin 6.6.2.4 50)" 0

step "the inside link is cut: the outside address moves too"
ns_ip hin link set la down
wait_event 5 both_are b Active
wait_event 5 role_is a 2 Standby
wait_event 10 ping_works hin 6.6.2.4
wait_event 5 session_is b 6.6.25.2 UP-ACTIVE
eq "SAs on the one that lost" "$(sa_count a in)" 0
ns_ip hin link set la up
wait_event 10 both_are a Active
wait_event 10 ping_works hin 6.6.2.4

step "without the group's name the map falls back to the interface's own address"
cli a "configure terminal" "interface GigabitEthernet0/1" "no standby 2 name" "end" >"$TMP/fall" 2>&1
grep -q 'no standby group HSRP' "$TMP/fall" || fail "no warning: $(cat "$TMP/fall")"
at_address() { # at_address ADDRESS: SAs that end there
	clij a "show crypto ipsec sa" "[.sas[] | select(.local_endpoint == \"$1\")] | length"
}
wait_event 5 eval '[ "$(at_address 6.6.156.100)" = 0 ]'

step "with the name again it is the virtual address; when that changes, the SAs go"
gateway_stop b
cli a "configure terminal" "interface GigabitEthernet0/1" "standby 2 name HSRP" "end" >/dev/null
wait_event 5 role_is a 2 Active
wait_event 20 tunnel_again
wait_event 5 eval '[ "$(at_address 6.6.156.100)" -ge 1 ]'
cli a "configure terminal" "interface GigabitEthernet0/1" "standby 2 ip 6.6.156.101" "end" >/dev/null
wait_event 5 eval '[ "$(at_address 6.6.156.100)" = 0 ]'
wait_event 10 role_is a 2 Active
wait_event 5 ping_works rt 6.6.156.101

step "without an address the group stops and the map falls back"
cli a "configure terminal" "interface GigabitEthernet0/1" "no standby 2 ip" "end" >"$TMP/gone" 2>&1
grep -q 'no effect without an ip line' "$TMP/gone" || fail "no warning: $(cat "$TMP/gone")"
grep -q 'no standby group HSRP' "$TMP/gone" || fail "no warning: $(cat "$TMP/gone")"
wait_event 5 eval '! ping_works rt 6.6.156.101'
gateways_stop
