#!/bin/bash
# The gateway crashes and starts again while the peer still has its SAs: traffic from inside brings
# a new tunnel. A gateway that is stopped leaves nothing of its own in the kernel.
. "$(dirname "$0")/_init.sh"

walk_topology
kernel_state() { ns_ip gw -br link | awk '{ print $1 }'; ns_ip gw route; }
before=$(kernel_state)
walk_up

step "crash: nothing passes, in clear least of all"
capture_start wire rt g
gateway_kill gw
in_ns hin ping -q -n -c 20 -i 0.01 -W 1 6.6.2.4 >/dev/null && fail "a ping passed a dead gateway"
capture_stop wire
eq "clear packets from inside" "$(capture_filter wire 'src net 6.6.146.0/24')" 0

step "start again in the same run directory: traffic from inside brings a new tunnel"
gateway_start gw gw
wait_event 20 ping_works hin 6.6.2.4
wait_event 5 ping_works hsp 6.6.146.4
pings_both 50
eq "inbound SAs" "$(sa_count gw in)" 1

step "a clean stop tells the peer and leaves nothing behind"
gateway_stop gw || fail "no clean stop"
wait_event 5 eval '[ "$(ss_established spk)" = 0 ]'
eq "kernel state" "$(kernel_state)" "$before"
[ ! -S "$TMP/run-gw/cli.sock" ] || fail "the socket is still there"
