#!/bin/bash
# A real NAT box between spoke and gateway: ports are translated, the tunnel floats to UDP 4500;
# then the box forgets its mapping and the spoke's traffic comes from another port: the gateway
# follows authenticated traffic.
. "$(dirname "$0")/_init.sh"

need nft
walk_topology
in_ns rt nft -f - <<-N || skip "this kernel has no NAT (nf_tables)"
	table ip nat {
	  chain out {
	    type nat hook postrouting priority srcnat;
	    oifname "g" ip saddr 6.6.25.0/24 meta l4proto udp masquerade to :20000-29999 fully-random
	  }
	}
	N
GW_PEER=6.6.156.1 gateway_start gw gw
ss_start spk spk
ss_conn spk walk LID=6.6.156.1
capture_start wire rt g
ss_init spk walk || fail "no tunnel through the NAT"
wait_event 10 session_is gw 6.6.156.1 UP-ACTIVE
wait_event 5 ping_works hsp 6.6.146.4
pings_both 100
eq "encapsulation" "$(clij gw "show crypto ipsec sa" '[.sas[].encapsulation] | unique | join(",")')" udp
eq "NAT seen at the peer" "$(clij gw "show crypto isakmp sa" '.sas[0].nat_remote')" true
port() { clij gw "show crypto isakmp sa" '.sas[0].peer_port'; }
num "translated port" "$(port)" -ge 20000

step "the NAT box forgets, the peer's port changes"
old=$(port)
# a mapping dies after a second without traffic; each ping from inside would keep it alive
in_ns rt sysctl -qw net.netfilter.nf_conntrack_udp_timeout=1 net.netfilter.nf_conntrack_udp_timeout_stream=1
ping_works hsp 6.6.146.4
capture_start forgot rt g
wait_event 20 eval 'in_ns hin ping -q -n -c 1 -W 1 6.6.2.4 >/dev/null; sleep 2; ! ping_works hin 6.6.2.4'
in_ns rt sysctl -qw net.netfilter.nf_conntrack_udp_timeout=60 net.netfilter.nf_conntrack_udp_timeout_stream=60
wait_event 10 ping_works hsp 6.6.146.4
pings_both 50
wait_event 5 eval "[ \"\$(capture_filter forgot 'dst host 6.6.156.1 and udp src port 4500 and not udp dst port $old')\" -gt 20 ]"
capture_stop forgot
capture_stop wire
NAT_ALLOWED='arp or esp or udp port 500 or udp port 4500 or icmp'
eq "clear packets" "$(capture_filter wire "not ($NAT_ALLOWED)")" 0
eq "clear packets of the hosts" "$(capture_filter wire 'net 6.6.146.0/24 or net 6.6.2.0/24')" 0
