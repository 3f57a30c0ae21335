#!/bin/bash
# One, two and three workers: the same traffic with the same result, each flow in order.
. "$(dirname "$0")/_init.sh"

walk_topology
for w in 1 2 3; do
	step "$w workers"
	GW_WORKERS=$w walk_up
	eq "workers" "$(clij gw "show dataplane" '.workers | length')" "$w"
	seq_start "in$w" hsp hin 6.6.146.4 1000 3 8
	seq_start "out$w" hin hsp 6.6.2.4 1000 3 8
	seq_perfect "in$w"
	seq_perfect "out$w"
	num "decrypted" "$(sa_sum gw in packets)" -ge 3000
	num "encrypted" "$(sa_sum gw out packets)" -ge 3000
	eq "replays" "$(drop_count gw esp-replay)" 0
	gateway_stop gw || fail "no clean stop with $w workers"
	ss_stop spk
done
