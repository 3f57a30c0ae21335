#!/bin/bash
# storm.sh [RATE [SECONDS [GROUP [BUSY]]]] - how far apart hellos (50 ms) are without load, and while
# RATE (1,000) initiators a second go through main mode with the active gateway (Diffie-Hellman group
# 19), beside BUSY (0) endless loops at nice 0. Prints the rows of docs/ha.md, and what the event loop
# says of callbacks that took too long. Needs root; by hand, on an otherwise idle machine.
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/hello.sh"
RATE=${1:-1000} SECONDS_LONG=${2:-8} GROUP=${3:-19} BUSY=${4:-0}

pair_topology
PAIR_EXTRA="crypto isakmp key cisco address 0.0.0.0 0.0.0.0
crypto isakmp limit half-open 20000
crypto isakmp policy 20
 encr aes
 hash sha
 authentication pre-share
 group $GROUP"
pair_start
wait_event 20 pair_settled a
ns_ip rt route add local 10.1.0.0/16 dev lo
for ((i = 0; i < BUSY; i++)); do
	spawn "busy$i" rt sh -c 'while :; do :; done'
done
hello_watch quiet rt g
sleep 5
hello_stop quiet
echo "no load of ours, $BUSY loops: hellos, p50, p99, longest: $(hello_stats quiet 6.6.156.10)"
began=$(now_ms)
hello_watch storm rt g
in_ns rt "$(bin tandem-bench)" ike --gateway 6.6.156.100 --source 10.1.0.1 --rate "$RATE" \
	--seconds "$SECONDS_LONG" --group "$GROUP" --json "$TMP/ike.json" || true
hello_stop storm
echo "$RATE/s: hellos, p50, p99, longest: $(hello_stats storm 6.6.156.10)"
echo "changes of roles: $(pair_timeline "$began" | wc -l)"
jq -c '{done: .completed, started: .started, retransmissions: .retransmissions}' "$TMP/ike.json" 2>/dev/null || true
grep -ah 'LOOP-4-OVERRUN' "$TMP"/[ab].log | sed 's/.*OVERRUN: //' | sort | uniq -c | sort -rn | head -20 || true
