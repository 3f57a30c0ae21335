#!/bin/bash
# A spoke that no entry names, behind a real NAT: instance of a dynamic map, UDP encapsulation, its
# reverse route. The active gateway is killed: the other one goes on with all of it, dead peer
# detection too; then the NAT gives the spoke another port, and the first gateway, which has joined
# meanwhile, goes on with that one when the second is killed.
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
need jq nft

config() { # config NODE
	local o g
	o=$(pair_octet "$1")
	cat <<-C
	hostname R$o
	dataplane workers 1
	dataplane idle-sleep 50
	crypto isakmp policy 10
	 encr aes
	 hash sha
	 authentication pre-share
	 group 2
	crypto isakmp key cisco address 0.0.0.0 0.0.0.0
	crypto isakmp keepalive 10 2 periodic
	crypto ipsec transform-set SET2 esp-aes esp-sha-hmac
	crypto ipsec security-association replay window-size 1024
	ip access-list extended HA_VPN
	 permit ip 6.6.16.0 0.0.0.255 6.6.0.0 0.0.15.255
	crypto dynamic-map DYN 10
	 set transform-set SET2
	 match address HA_VPN
	 reverse-route
	crypto map MAP2 10 ipsec-isakmp dynamic DYN
	interface GigabitEthernet0/0
	 device vdev net_af_packet0,iface=in
	 ip address 6.6.146.$o 255.255.255.0
	$(for g in "ip 6.6.146.100" "timers msec 50 msec 150" "name IN"; do echo " standby 1 $g"; done)
	interface GigabitEthernet0/1
	 device vdev net_af_packet1,iface=out
	 ip address 6.6.156.$o 255.255.255.0
	$(for g in "ip 6.6.156.100" "timers msec 50 msec 150" "name HSRP"; do echo " standby 2 $g"; done)
	 crypto map MAP2 redundancy HSRP stateful
	ip route 6.6.16.0 255.255.255.0 6.6.146.1
	ip route 0.0.0.0 0.0.0.0 6.6.156.1
	$(stateful_link "$1")
	C
}
routes() { ns_ip "gw$1" route show proto 215 6.6.2.0/24; }
route_only() { routes "$1" | grep "via 6.6.156.1 dev gi0-1" && [ -z "$(routes "$(pair_other "$1")")" ]; }
of_spoke() { # of_spoke NODE: what it knows of the spoke; alike on both boxes
	clij "$1" "show crypto isakmp sa" '.sas[] | "\(.peer) \(.peer_port) \(.peer_id) nat \(.nat_remote) dpd \(.dead_peer_detection)"'
	clij "$1" "show crypto map" '.instances[] | "\(.dynamic_map) \(.dynamic_map_sequence) \(.peer) \(.peer_id)"'
	clij "$1" "show crypto ipsec sa" '.sas[] | "\(.direction) \(.spi) \(.encapsulation) \(.remote_ident)"' | sort
}
alike() { [ "$(of_spoke a)" = "$(of_spoke b)" ]; }
port() { clij "$1" "show crypto isakmp sa" '.sas[0].peer_port'; }
acks() { ss_log spk | grep -ac 'parsed INFORMATIONAL_V1 .*N(DPD_ACK)' || true; }
goes_on() { # goes_on NODE WHAT
	wait_event 10 pair_is "$1" Active
	wait_event 5 ping_works hsp 6.6.16.4
	wait_event 5 ping_works hin 6.6.2.4
	eq "the spoke's SAs after $2" "$(spoke_sas)" "$SAS"
}

pair_topology
in_ns rt nft -f - <<-N || skip "this kernel has no NAT (nf_tables)"
	table ip nat {
	  chain out {
	    type nat hook postrouting priority srcnat;
	    oifname "g" ip saddr 6.6.25.0/24 meta l4proto udp masquerade to :20000-29999 fully-random
	  }
	}
	N
ns_ip rin route add 6.6.2.0/24 via 6.6.146.100
step "a tunnel from behind the NAT"
for n in a b; do config $n >"$TMP/$n.cfg"; done
gateway_start a gwa "$TMP/a.cfg"
wait_event 10 pair_is a Active
gateway_start b gwb "$TMP/b.cfg"
wait_event 20 hot a
ss_start spk spk
ss_conn spk nat RTS=6.6.16.0/24 DPD=2s DPDTO=10s
wait_event 15 ss_init spk nat
wait_event 5 ping_works hsp 6.6.16.4
wait_event 5 ping_works hin 6.6.2.4
SAS=$(spoke_sas)
[ -n "$SAS" ] || fail "the spoke shows no SAs"
wait_event 2 route_only a
wait_event 5 alike
of_spoke b | grep "^6.6.156.1 2[0-9]* 6.6.25.2 nat true dpd true" >/dev/null || fail "NAT and DPD at the copy: $(of_spoke b)"
of_spoke b | grep "^DYN 10 6.6.156.1 6.6.25.2" >/dev/null || fail "the instance at the copy"
eq "encapsulated" "$(of_spoke b | grep -c ' udp ')" 2

step "a is killed"
pair_kill a
goes_on b "the take-over"
wait_event 2 eval 'routes b | grep "via 6.6.156.1 dev gi0-1"'
before=$(acks)
wait_event 10 eval "[ \$(acks) -gt $before ]"
goes_on b "dead peer detection"

step "a joins; the NAT forgets, the spoke's port is another one"
gateway_start a gwa "$TMP/a.cfg"
wait_event 20 hot b
wait_event 5 route_only b
wait_event 5 alike
old=$(port b)
in_ns rt sysctl -qw net.netfilter.nf_conntrack_udp_timeout=1 net.netfilter.nf_conntrack_udp_timeout_stream=1
ping_works hsp 6.6.16.4
wait_event 20 eval 'in_ns hin ping -q -n -c 1 -W 1 6.6.2.4 >/dev/null; sleep 2; ! ping_works hin 6.6.2.4'
in_ns rt sysctl -qw net.netfilter.nf_conntrack_udp_timeout=60 net.netfilter.nf_conntrack_udp_timeout_stream=60
wait_event 10 ping_works hsp 6.6.16.4
wait_event 5 ping_works hin 6.6.2.4
followed() { clij "$1" "show crypto session" '.sessions[0].peer_port'; }
wait_event 5 alike
echo "   port $old, then $(port b) (IKE), $(followed b)"

step "b is killed: a goes on, to the new port"
pair_kill b
goes_on a "the second take-over"
wait_event 2 eval 'routes a | grep "via 6.6.156.1 dev gi0-1"'
ping_lost hin 6.6.2.4 50 >"$TMP/lost" || true
eq "pings lost" "$(cat "$TMP/lost")" 0
invariants_hold a
