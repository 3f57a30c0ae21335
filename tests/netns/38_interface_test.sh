#!/bin/bash
# The outside interface is shut and opened, gets another address and its own back, loses its kernel
# device and gets it back: nothing leaves in clear, and the tunnel comes up again with traffic.
. "$(dirname "$0")/_init.sh"

walk_topology
GW_DPD="10 2 periodic" walk_up
config() { cli gw "configure terminal" "interface GigabitEthernet0/1" "$@" "end" >/dev/null; }
capture_start wire rt g

step "shutdown, no shutdown"
config shutdown
! ping_works hin 6.6.2.4 || fail "traffic through an interface that is shut"
config "no shutdown"
wait_event 20 ping_works hin 6.6.2.4
wait_event 5 ping_works hsp 6.6.146.4
pings_both 50

step "another address, and back"
config "ip address 6.6.156.101 255.255.255.0"
! ping_works hin 6.6.2.4 || fail "traffic although the peer does not know the new address"
config "ip address 6.6.156.100 255.255.255.0"
wait_event 20 ping_works hin 6.6.2.4
wait_event 5 ping_works hsp 6.6.146.4
pings_both 50
capture_stop wire
eq "clear packets" "$(capture_clear wire)" 0

step "the kernel device goes away and comes back"
ns_ip gw link del out
wait_event 10 log_has gw 'kernel interface out is gone'
link_add gw out - rt g 6.6.156.1/24
ns_ip rt route add 6.6.146.0/24 via 6.6.156.100
capture_start wire2 rt g
wait_event 40 ping_works hin 6.6.2.4
wait_event 5 ping_works hsp 6.6.146.4
pings_both 50
capture_stop wire2
eq "clear packets" "$(capture_clear wire2)" 0
gateway_alive gw || fail "the gateway died"
