#!/bin/bash
# IPv6 groups of version 2: hellos to ff02::66 from link-local addresses, the virtual addresses
# answer neighbour solicitations and echo requests with the virtual MAC, by the active one alone;
# a crash moves them; what is sent dissects cleanly.
. "$(dirname "$0")/_init.sh"
need python3 jq tshark

ns_add wan gwa gwb
for n in wan gwa gwb; do
	in_ns $n sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 \
		net.ipv6.conf.default.accept_dad=0
done
ns_ip wan link add br0 type bridge forward_delay 0 mcast_snooping 0
ns_ip wan link set br0 up
ns_ip wan addr add 2001:db8:1::1/64 dev br0 nodad
for n in a b; do
	link_add "gw$n" out - wan "w$n" -
	ns_ip wan link set "w$n" master br0
done
gw_config() { # gw_config LAST-OCTET PRIORITY
	cat <<-C
	dataplane workers 1
	dataplane idle-sleep 50
	interface GigabitEthernet0/1
	 device vdev net_af_packet0,iface=out
	 ip address 6.6.156.$1 255.255.255.0
	 standby version 2
	 standby 1 ip 6.6.156.100
	 standby 1 timers msec 100 msec 350
	 standby 1 priority $2
	 standby 1 preempt
	 standby 300 ipv6 autoconfig
	 standby 300 ipv6 2001:db8:1::100/64
	 standby 300 ipv6 2001:db8:1::/64
	 standby 300 timers msec 100 msec 350
	 standby 300 priority $2
	 standby 300 preempt
	 standby 300 authentication md5 key-string tandem
	C
}
field() { clij "$1" "show standby" ".groups[] | select(.group == 300) | .$2"; }
role_is() { [ "$(field "$1" state)" = "$2" ]; }
lost() { # lost ADDRESS: of 10 echo requests
	in_ns wan ping -6 -n -c 10 -i 0.02 -W 1 -I br0 "$1" 2>/dev/null |
		sed -n 's/^10 packets transmitted, \([0-9]*\) received.*/\1/p' | { read -r n; echo $((10 - n)); }
}
mac_of() { ns_ip wan -6 neigh show "$1" dev br0 | sed -n 's/.*lladdr \([0-9a-f:]*\).*/\1/p'; }
LL=fe80::5:73ff:fea0:12c
AUTO=2001:db8:1:0:5:73ff:fea0:12c
VMAC=00:05:73:a0:01:2c

spawn capture wan tshark -q -i br0 -w "$TMP/hsrp.pcap" -f "udp port 2029 or icmp6"
wait_event 10 eval '[ -s "$TMP/hsrp.pcap" ]'
gw_config 10 110 >"$TMP/a.cfg"
gw_config 11 100 >"$TMP/b.cfg"
gateway_start a gwa "$TMP/a.cfg"
gateway_start b gwb "$TMP/b.cfg"
# the kernel needs an address of its own in the network to find the way back
for n in a b; do
	ns_ip "gw$n" addr add "2001:db8:1::1$n/64" dev gi0-1 nodad
done

step "election"
wait_event 10 role_is a Active
wait_event 10 role_is b Standby
eq "virtual address" "$(field a virtual_ip)" $LL
eq "virtual MAC" "$(field a virtual_mac)" 0005.73a0.012c
eq "others" "$(field a 'secondary_virtual_ips | join(" ")')" "2001:db8:1::100 $AUTO"
eq "the IPv4 group beside it" "$(clij a "show standby" '.groups[] | select(.group == 1) | .state')" Active
case $(field b active) in fe80::*) ;; *) fail "active is $(field b active)" ;; esac

step "the active one answers"
for addr in $LL 2001:db8:1::100 $AUTO; do
	eq "$addr lost" "$(lost $addr)" 0
	eq "$addr MAC" "$(mac_of $addr)" $VMAC
done
num "answers" "$(field a arp_answers)" -ge 3
eq "answers of the standby" "$(field b arp_answers)" 0

step "a crash"
gateway_kill a
wait_event 5 role_is b Active
for addr in $LL 2001:db8:1::100; do
	eq "$addr lost" "$(lost $addr)" 0
	eq "$addr MAC" "$(mac_of $addr)" $VMAC
done

step "it comes back"
gateway_start a gwa "$TMP/a.cfg"
ns_ip gwa addr add "2001:db8:1::1a/64" dev gi0-1 nodad
wait_event 10 role_is a Active
wait_event 10 role_is b Standby
wait_event 5 eval '[ "$(lost $LL)" = 0 ]'
eq "MAC" "$(mac_of $LL)" $VMAC
ns_ip gwb addr show gi0-1 | has $LL && fail "the address stayed at the standby one"

step "on the wire"
kill "${SPAWNED[0]}"
sees() { # sees FILTER: frames of the capture
	tshark -r "$TMP/hsrp.pcap" -Y "$1" 2>/dev/null | wc -l
}
wait_event 10 eval '[ "$(sees hsrp)" -gt 20 ]'
eq "malformed" "$(sees _ws.malformed)" 0
eq "bad checksums" "$(tshark -r "$TMP/hsrp.pcap" -o udp.check_checksum:TRUE -Y 'udp.checksum.status == 0' 2>/dev/null | wc -l)" 0
eq "other hellos" "$(sees 'hsrp && !(ipv6.dst == ff02::66 && ipv6.hlim == 255 && udp.dstport == 2029 && eth.dst == 33:33:00:00:00:66)')" 0
eq "group and family" "$(sees 'hsrp2.group && !(hsrp2.group == 300 && hsrp2.ipversion == 6)')" 0
num "hellos with the virtual MAC" "$(sees "hsrp && eth.src == $VMAC")" -ge 5
num "unsolicited advertisements" "$(sees "icmpv6.type == 136 && ipv6.dst == ff02::1 && eth.src == $VMAC && icmpv6.nd.na.flag.o == 1 && icmpv6.nd.na.flag.s == 0 && icmpv6.nd.na.flag.r == 1")" -ge 3
num "answers" "$(sees "icmpv6.type == 136 && icmpv6.nd.na.target_address == $LL && icmpv6.opt.linkaddr == $VMAC && icmpv6.nd.na.flag.s == 1")" -ge 1
gateways_stop
