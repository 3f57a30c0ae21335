#!/bin/bash
# The gateway as initiator: a packet of the inside host that policy wants encrypted starts IKE and
# waits for the tunnel; a bounded number waits, the rest is counted; nothing leaves in clear.
. "$(dirname "$0")/_init.sh"

walk_topology
gateway_start gw gw
capture_start wire rt g

step "no peer: packets wait within a bound, the rest is counted"
in_ns hin ping -q -n -c 400 -i 0.001 -W 1 6.6.2.4 >/dev/null 2>&1 || true
wait_event 5 eval '[ "$(drop_count gw policy-no-sa)" -ge 300 ]'
eq "SAs" "$(sa_count gw out)" 0

step "the peer is there: the next traffic gets through"
ss_start spk spk
ss_conn spk walk
wait_event 30 ping_works hin 6.6.2.4
wait_event 5 session_is gw 6.6.25.2 UP-ACTIVE
pings_both 100

step "the very first packet is not lost"
cli gw "clear crypto session" >/dev/null
wait_event 10 eval '[ "$(sa_count gw out)" = 0 ]'
wait_event 10 eval '[ "$(ss_established spk)" = 0 ]'
eq "pings lost" "$(in_ns hin ping -q -n -c 5 -i 0.2 -W 10 6.6.2.4 | sed -n 's/.* \([0-9]*\) received.*/\1/p')" 5
capture_stop wire
eq "clear packets from inside" "$(capture_filter wire 'src net 6.6.146.0/24')" 0
