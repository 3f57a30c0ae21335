#!/bin/bash
# Reverse routes: with the SA the spoke's network stands in the kernel, in FRR with its tag, and at
# the inside router over OSPF and BGP; without the SA it is gone everywhere. FRR gets its routing
# blocks from the gateway's configuration. Then `remote-peer`, removal while the SA stands, and a
# crash, after which nothing is left.
# Measured times are printed; only the order of magnitude is asserted.
. "$(dirname "$0")/_init.sh"
need jq vtysh
[ -x /usr/lib/frr/zebra ] || skip "FRR is not installed"

rri_routes() { clij gw "show ip route rri" '[.routes[] | select(.installed) | .prefix] | sort | join(" ")'; }
has_rri() { [ "$(rri_routes)" = "$1" ]; }
in_kernel() { ns_ip gw route show proto 215 | has "^6.6.2.0/24 via 6.6.156.1 dev gi0-1"; }
not_in_kernel() { [ -z "$(ns_ip gw route show proto 215)" ]; }
gw_static() { frr vtysh gwf -c "show ip route static json" | jq -e --arg p "$1" '.[$p][0].tag == 77' ; }
gw_no_static() { ! frr vtysh gwf -c "show running-config" | has "^ip route"; }
ospf_tag() { # the tag of the spoke's network in the neighbour's OSPF database
	frr vtysh inf -c "show ip ospf database external 6.6.2.0" |
		sed -n 's/.*External Route Tag: *//p' | head -1
}
# in zebra's table: BGP's distance is lower, its route is the kernel's in the end
in_ospf() { frr vtysh inf -c "show ip route ospf json" | jq -e '.["6.6.2.0/24"] != null'; }
not_in_ospf() { ! in_ospf; }
in_bgp() { frr vtysh inf -c "show bgp ipv4 unicast json" | jq -e '.routes["6.6.2.0/24"][0].path == "65010"'; }
not_in_bgp() { frr vtysh inf -c "show bgp ipv4 unicast json" | jq -e '.routes["6.6.2.0/24"] == null'; }
stamp_ms() { # stamp_ms FILE PATTERN: time of the last line that fits, of `ip -ts monitor`, in ms
	local t
	t=$(grep -a -- "$2" "$1" | tail -1 | sed -n 's/^\[\([^]]*\)\].*/\1/p')
	[ -n "$t" ] && date -d "$t" +%s%3N
}

walk_topology
# OSPF is distributed by route map and tag, BGP by prefix list: both live in the gateway's file
GW_MAP_EXTRA=' reverse-route tag 77' GW_EXTRA='router ospf 1
 router-id 6.6.146.10
 network 6.6.146.0 0.0.0.255 area 0
 redistribute static subnets route-map RRI
 timers throttle spf 0 20 1000
 timers throttle lsa all 0
router bgp 65010
 bgp router-id 6.6.146.10
 neighbor 6.6.146.4 remote-as 65020
 neighbor 6.6.146.4 timers connect 1
 address-family ipv4 unicast
  redistribute static route-map SPOKES
  neighbor 6.6.146.4 advertisement-interval 0
 exit-address-family
ip prefix-list SPOKES seq 5 permit 6.6.2.0/23 le 24
route-map SPOKES permit 10
 match ip address prefix-list SPOKES
route-map RRI permit 10
 match tag 77
 set tag 77' walk_config |
	sed 's/^[[:space:]]*ip address 6.6.146.10.*/&\n ip ospf hello-interval 1\n ip ospf dead-interval 4/' \
		>"$TMP/gw.cfg"
cat >"$TMP/inf.conf" <<-C
	interface e0
	 ip ospf hello-interval 1
	 ip ospf dead-interval 4
	router ospf
	 ospf router-id 6.6.146.4
	 network 6.6.146.0/24 area 0
	 timers throttle spf 0 20 1000
	 timers lsa min-arrival 0
	router bgp 65020
	 bgp router-id 6.6.146.4
	 no bgp ebgp-requires-policy
	 neighbor 6.6.146.10 remote-as 65010
	 neighbor 6.6.146.10 timers connect 1
C
step "without FRR the gateway says so and works"
GW_ARGS="--frr-dir $(frr dir gwf)" gateway_start gw gw "$TMP/gw.cfg"
log_has gw 'FRR does not answer in .*without effect' || fail "no word about the absent FRR"
cli gw "show running-config" | has '^ redistribute static subnets route-map RRI' ||
	fail "routing lines are not shown as written"

step "FRR comes and takes the routing blocks"
frr_start inf hin "$TMP/inf.conf" zebra staticd ospfd bgpd
frr_start gwf gw - zebra staticd ospfd bgpd
wait_event 10 eval 'frr vtysh gwf -c "show running-config" | has "redistribute static route-map RRI"'
wait_event 40 eval 'frr vtysh inf -c "show ip ospf neighbor" | has Full'
wait_event 40 eval 'frr vtysh inf -c "show bgp summary json" | jq -e ".ipv4Unicast.peers[\"6.6.146.10\"].state == \"Established\""'
! log_has gw 'FRR-4-REFUSED' || fail "$(grep FRR-4 "$TMP/gw.log" | head -3)"

step "the SA brings the route, the SA takes it"
spawn mon-gw gw ip -ts monitor route
spawn mon-in hin ip -ts monitor route
ss_start spk spk
ss_conn spk walk
not_in_kernel || fail "a route without an SA"
for i in 1 2 3; do
	: >"$TMP/mon-in.log"
	ss_init spk walk || fail "the spoke got no tunnel"
	wait_event 5 in_kernel
	wait_event 5 gw_static 6.6.2.0/24
	wait_event 15 in_ospf
	wait_event 15 in_bgp
	eq "tag at the OSPF neighbour" "$(ospf_tag)" 77
	pings_both 20
	up=$(stamp_ms "$TMP/mon-gw.log" '\] 6.6.2.0/24 .* proto 215')
	seen=$(stamp_ms "$TMP/mon-in.log" '\] 6.6.2.0/24 .* proto \(ospf\|bgp\)')
	ss_term spk walk
	wait_event 5 not_in_kernel
	wait_event 10 not_in_ospf
	wait_event 15 not_in_bgp
	wait_event 5 gw_no_static
	gone=$(stamp_ms "$TMP/mon-gw.log" '\] Deleted 6.6.2.0/24 .* proto 215')
	unseen=$(stamp_ms "$TMP/mon-in.log" '\] Deleted 6.6.2.0/24 .* proto \(ospf\|bgp\)')
	echo "   round $i: kernel to neighbour: added $((seen - up)) ms, removed $((unseen - gone)) ms"
done

step "static: the route stands without an SA; removing the line takes it at once"
cli gw "configure terminal" "crypto map MAP2 10 ipsec-isakmp" "reverse-route tag 77 static" >/dev/null
wait_event 2 in_kernel
wait_event 5 gw_static 6.6.2.0/24
cli gw "configure terminal" "crypto map MAP2 10 ipsec-isakmp" "no reverse-route" >/dev/null
wait_event 2 not_in_kernel
wait_event 5 gw_no_static

step "remote-peer: the proxy and a host route to the peer; two SAs for one route count"
cli gw "configure terminal" "crypto map MAP2 10 ipsec-isakmp" "reverse-route remote-peer" >/dev/null
ss_init spk walk || fail "the spoke got no tunnel"
wait_event 5 has_rri "6.6.2.0/24 6.6.25.2/32"
ns_ip gw route show proto 215 | has '^6.6.25.2 via 6.6.156.1 dev gi0-1' || fail "no host route"
pings_both 20
cli gw "configure terminal" "crypto map MAP2 10 ipsec-isakmp" "no reverse-route" >/dev/null
wait_event 2 not_in_kernel
eq "the SA is untouched" "$(sa_count gw in)" 1

step "advertise: other routers are told a virtual address, and go by it"
told() { frr vtysh inf -c "show ip ospf database external 6.6.2.0" | has "Forward Address: 6.6.146.99"; }
by_virtual() { ns_ip hin route show 6.6.2.0/24 | has "^6.6.2.0/24 .*via 6.6.146.99 dev e0"; }
bgp_hop() { frr vtysh inf -c "show bgp ipv4 unicast json" | jq -r '.routes["6.6.2.0/24"][0].nexthops[0].ip'; }
on_host() { ns_ip gw -o addr show dev gi0-0 | has " 6.6.146.$1/"; }
cli gw "configure terminal" "interface GigabitEthernet0/0" "standby 1 timers msec 50 msec 150" \
	"standby 1 ip 6.6.146.98" "standby 1 ip 6.6.146.99 secondary" >/dev/null
wait_event 5 on_host 99
cli gw "configure terminal" "crypto map MAP2 10 ipsec-isakmp" "reverse-route tag 77 advertise 6.6.146.99" >/dev/null
wait_event 10 told
wait_event 15 by_virtual
wait_event 15 eval '[ "$(bgp_hop)" = 6.6.146.99 ]'
! on_host 99 || fail "the advertised address is still the host's"
on_host 98 || fail "the host lost another virtual address"
in_kernel || fail "our own route is gone"
pings_both 20
ns_ip hin neigh show 6.6.146.99 | has 00:00:0c:07:ac:01 || fail "not by the virtual MAC"
ns_ip gw route get 6.6.2.4 | has "via 6.6.146.99 dev gi0-1" || fail "the kernel does not go by FRR's route"
in_ns gw ping -c 3 -i 0.1 -W 1 -I 6.6.146.10 6.6.2.4 >/dev/null || fail "the host itself does not get through the tunnel"
clij gw "show ip route rri" '.routes[0].advertised_next_hop' | has '^6.6.146.99$' || fail "not shown"
cli gw "configure terminal" "crypto map MAP2 10 ipsec-isakmp" "reverse-route tag 77" >/dev/null
wait_event 5 on_host 99
wait_event 15 eval '! told && ! by_virtual'
! ns_ip gw neigh show dev gi0-1 nud permanent | has 6.6.146.99 || fail "the neighbour is left"
out=$(cli gw "configure terminal" "crypto map MAP2 10 ipsec-isakmp" "reverse-route advertise 6.6.146.10" 2>&1) || true
grep "6.6.146.10, GigabitEthernet0/0's own address" <<<"$out" >/dev/null || fail "own address was taken: $out"
cli gw "configure terminal" "crypto map MAP2 10 ipsec-isakmp" "no reverse-route" "interface GigabitEthernet0/0" \
	"no standby 1 ip" >/dev/null
wait_event 2 not_in_kernel

step "any is refused"
out=$(cli gw "configure terminal" "crypto map MAP2 10 ipsec-isakmp" "reverse-route" \
	"exit" "ip access-list extended HA_VPN" "permit ip 6.6.146.0 0.0.0.255 any" 2>&1) || true
grep -q 'reverse-route cannot be used with "any"' <<<"$out" || fail "any was taken: $out"
wait_event 2 in_kernel

step "a line less in the configuration is a line less in FRR"
cli gw "configure terminal" "router ospf 1" "no redistribute static subnets route-map RRI" "exit" >/dev/null
wait_event 5 eval '! frr vtysh gwf -c "show running-config" | has "redistribute static route-map RRI"'
frr vtysh inf -c "show ip ospf neighbor" | has Full || fail "the adjacency went with the line"

step "after a crash nothing is left of the routes"
gateway_kill gw
# the port's host interface went with the process, and its routes; what hangs on another one stays
ns_ip gw route add 203.0.113.0/24 dev lo proto 215
frr vtysh gwf -c "show running-config" | has "^ip route 6.6.2.0/24" || fail "nothing to sweep in FRR"
ss_stop spk
GW_ARGS="--frr-dir $(frr dir gwf)" gateway_start gw gw "$TMP/gw.cfg"
not_in_kernel || fail "a route survived the sweep"
wait_event 10 gw_no_static

step "a clean stop takes everything out of FRR"
gateway_stop gw
! frr vtysh gwf -c "show running-config" | has -E '^(router|route-map|ip prefix-list|ip route)' ||
	fail "lines left in FRR"
not_in_kernel || fail "a route is left in the kernel"
