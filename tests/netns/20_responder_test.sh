#!/bin/bash
# A strongSwan spoke brings up the walkthrough's tunnel (AES-128, SHA1, group 2, PFS group 2,
# pre-shared key); hosts at either end ping each other and copy by TCP; displays agree; the outer
# link carries nothing in clear; after the spoke's delete nothing is left.
. "$(dirname "$0")/_init.sh"

walk_topology
gateway_start gw gw
ss_start spk spk
ss_conn spk walk
eq "status before" "$(clij gw "show crypto session" '.sessions[] | select(.peer == "6.6.25.2").status')" DOWN
capture_start wire rt g

step "tunnel"
ss_init spk walk || fail "no tunnel"
wait_event 10 session_is gw 6.6.25.2 UP-ACTIVE
wait_event 5 ping_works hsp 6.6.146.4

step "traffic"
pings_both 200
num "TCP Mbit/s to the inside" "$(tcp_mbit hin hsp 6.6.146.4 2 | cut -d. -f1)" -ge 1
num "TCP Mbit/s to the spoke" "$(tcp_mbit hsp hin 6.6.2.4 2 | cut -d. -f1)" -ge 1

step "displays"
eq "inbound SAs" "$(sa_count gw in)" 1
eq "outbound SAs" "$(sa_count gw out)" 1
num "decrypted packets" "$(sa_sum gw in packets)" -ge 400
num "encrypted packets" "$(sa_sum gw out packets)" -ge 400
eq "crypto map" "$(clij gw "show crypto ipsec sa" '[.sas[].crypto_map] | unique | join(",")')" MAP2
eq "endpoint" "$(clij gw "show crypto ipsec sa" '[.sas[].local_endpoint] | unique | join(",")')" 6.6.156.100
eq "ISAKMP SAs" "$(ike_count gw)" 1
cli gw "show crypto session detail" | has "Session status: UP-ACTIVE" || fail "session display"

step "delete by the spoke"
ss_term spk walk || fail "terminate"
wait_event 5 session_is gw 6.6.25.2 DOWN
eq "SAs left" "$(clij gw "show crypto ipsec sa" '.sas | length')" 0
capture_stop wire
eq "clear packets on the outer link" "$(capture_clear wire)" 0
num "ESP packets on the outer link" "$(capture_esp wire)" -ge 800
