#!/bin/bash
# A peer with two child SAs, each for half of our one access-list line: each packet takes the SA
# that contains it, each SA is rekeyed by itself, and when one goes its traffic neither takes the
# other nor leaves in clear.
. "$(dirname "$0")/_init.sh"

walk_topology
gateway_start gw gw
ns_ip hsp addr add 6.6.2.130/24 dev e0
ns_ip spk addr add 6.6.2.129/24 dev lan # charon wants an address of its own in each half
capture_start wire rt g
ss_start spk spk
ss_conn spk walk LTS=6.6.2.0/25 CHILD_EXTRA='} high {
	local_ts = 6.6.2.128/25
	remote_ts = 6.6.146.0/24
	esp_proposals = aes128-sha1-modp1024
	rekey_time = 1h
	life_time = 2h'

step "one half is up, the other is not served by it"
ss_init spk walk || fail "no tunnel"
wait_event 5 ping_works hin 6.6.2.4
eq "outbound SAs" "$(sa_count gw out)" 1
ss_init spk high || fail "no second child SA"
wait_event 5 ping_works hin 6.6.2.130
eq "outbound SAs" "$(sa_count gw out)" 2

step "two at once, both ways"
eq "pings lost, lower half" "$(ping_lost hin 6.6.2.4 200)" 0
eq "pings lost, upper half" "$(ping_lost hin 6.6.2.130 200)" 0
eq "pings lost from the lower half" "$(ping_lost hsp 6.6.146.4 200 -I 6.6.2.4)" 0
eq "pings lost from the upper half" "$(ping_lost hsp 6.6.146.4 200 -I 6.6.2.130)" 0

step "a rekey of one leaves the other alone"
seq_start low hin hsp 6.6.2.4 500 6
seq_start high hin hsp 6.6.2.130 500 6
peer ctl spk --rekey --child high >/dev/null || fail "rekey refused"
wait_event 5 ss_installed spk high
seq_perfect low
seq_perfect high
eq "pings lost, upper half" "$(ping_lost hin 6.6.2.130 100)" 0

step "one ends: its traffic does not take the other"
peer ctl spk --terminate --child high >/dev/null || fail "not terminated"
wait_event 20 eval '! ss_installed spk high'
in_ns hin ping -q -n -c 20 -i 0.02 -W 1 6.6.2.130 >/dev/null && true
eq "pings lost, lower half" "$(ping_lost hin 6.6.2.4 200)" 0
capture_stop wire
eq "clear packets" "$(capture_filter wire 'src net 6.6.146.0/24')" 0
