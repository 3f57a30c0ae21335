#!/bin/bash
# A clean stop tells the peer; a crash leaves marks that the next start removes; another instance
# in the same network namespace is left alone.
. "$(dirname "$0")/_init.sh"

walk_topology
step "the peer hears of a clean stop"
walk_up
gateway_stop gw || fail "the gateway did not stop cleanly"
wait_event 5 eval '[ "$(ss_established spk)" = 0 ]'

step "what a crash leaves behind is swept"
walk_config | sed '/^interface GigabitEthernet0\/0/i interface Loopback0\n ip address 10.255.0.1 255.255.255.255' \
	>"$TMP/lo.cfg"
gateway_start gw gw "$TMP/lo.cfg"
wait_event 5 eval "ns_ip gw addr show lo | has 10.255.0.1/32"
ns_ip gw addr add 10.255.0.2/32 dev lo
gateway_kill gw
ns_ip gw addr show lo | has 10.255.0.1/32 || fail "the crash did not leave the address"
ns_ip gw link set lo up
ns_ip gw route add 10.254.0.0/16 dev lo proto 214
ns_ip gw route add 10.253.0.0/16 dev lo proto static
rm -f "$TMP/run-gw/cli.sock"
gateway_start gw gw
log_has gw 'KERNEL-5-SWEPT: Removed 1 addresses' || fail "the sweep was not said"
! ns_ip gw addr show lo | has 10.255.0.1/32 || fail "the address is still there"
ns_ip gw addr show lo | has 10.255.0.2/32 || fail "somebody else's address was removed"
! ns_ip gw route show | has 10.254.0.0/16 || fail "the route is still there"
ns_ip gw route show | has 10.253.0.0/16 || fail "somebody else's route was removed"

step "two instances in one namespace"
echo "hostname other" >"$TMP/other.cfg"
gateway_start other gw "$TMP/other.cfg"
ns_ip gw -N route show default | has 'proto 214' || fail "the second instance swept the first one's route"
gateway_stop other || fail "the second instance did not stop cleanly"
ns_ip gw -N route show default | has 'proto 214' || fail "the second instance's end took the route"

step "another MTU makes a new port"
cli gw enable "configure terminal" "interface GigabitEthernet0/0" "mtu 1400" end
wait_event 5 eval "ns_ip gw link show gi0-0 | has 'mtu 1400'"
wait_event 10 eval "clij gw \"show interfaces GigabitEthernet0/0\" .interfaces[0].line_protocol | has up"
eq "MTU" "$(clij gw "show interfaces GigabitEthernet0/0" '.interfaces[0].mtu')" 1400
wait_event 5 ping_works hin 6.6.146.10
