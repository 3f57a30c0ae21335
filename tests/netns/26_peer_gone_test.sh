#!/bin/bash
# The peer crashes and comes back with another tunnel (INITIAL-CONTACT: the old one goes); the link
# is cut (DPD finds out, the SAs go) and comes back (traffic brings the tunnel back).
. "$(dirname "$0")/_init.sh"

walk_topology
GW_DPD="10 2 periodic" walk_up

step "the peer crashes and starts again"
ss_kill spk
ss_start spk spk
wait_event 10 ss_init spk walk
wait_event 5 ping_works hsp 6.6.146.4
wait_event 5 eval '[ "$(sa_count gw in)" = 1 ] && [ "$(sa_count gw out)" = 1 ]'
eq "ISAKMP SAs" "$(ike_count gw)" 1
pings_both 50

step "the link is cut: dead peer detection"
ns_ip rt link set s down
wait_event 40 session_is gw 6.6.25.2 DOWN
eq "inbound SAs" "$(sa_count gw in)" 0
capture_start wire rt g
in_ns hin ping -q -n -c 20 -i 0.02 -W 1 6.6.2.4 >/dev/null && fail "a ping went through"
capture_stop wire
eq "clear packets from inside" "$(capture_filter wire 'src net 6.6.146.0/24')" 0

step "the link is back: traffic brings the tunnel back"
ns_ip rt link set s up
ns_ip rt route replace 6.6.2.0/24 via 6.6.25.2
wait_event 40 ping_works hin 6.6.2.4
wait_event 5 session_is gw 6.6.25.2 UP-ACTIVE
wait_event 5 ping_works hsp 6.6.146.4
pings_both 50
