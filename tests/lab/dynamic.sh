#!/bin/bash
# dynamic.sh [COUNT [RATE]] - COUNT (10,000) peers of one dynamic map come at RATE a second (1,000) and
# stay: main mode (group 19), quick mode, an instance with its policy and reverse route each. Prints
# what was reached, the longest callback of the control loop, and how long a commit takes then.
# Needs root; by hand, on an otherwise idle machine.
#   TANDEM_BUILD  build directory (default build)
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
need jq
COUNT=${1:-10000} RATE=${2:-1000}

metric() { clij gw "show processes" ".. | objects | .$1? // empty" | head -1; }

walk_inside
export GW_EXTRA='crypto isakmp key cisco address 0.0.0.0 0.0.0.0
crypto isakmp limit half-open 20000
crypto isakmp policy 20
 encr aes
 hash sha
 authentication pre-share
 group 19
crypto dynamic-map DYN 10
 set transform-set SET2
 reverse-route'
export GW_MAP_EXTRA='crypto map MAP2 65000 ipsec-isakmp dynamic DYN'
GW_DPD="3600 60" gateway_start gw gw
ns_ip rt route add local 10.1.0.0/16 dev lo
step "$COUNT peers, $RATE a second"
in_ns rt "$(bin tandem-bench)" ike --gateway 6.6.156.100 --source 10.1.0.1 --rate "$RATE" \
	--seconds $((COUNT / RATE)) --wait "${WAIT:-10}" --group 19 --net 6.6.146.0/24 \
	--json "$TMP/ike.json" || true
jq -c '.rows[0]' "$TMP/ike.json"
echo "   longest callback: $(metric loop_longest_us) us, of more than 5 ms: $(metric loop_overruns)"
grep -a LOOP-4-OVERRUN "$TMP/gw.log" | tail -5 || true
echo "   routes in the kernel: $(ns_ip gw route show proto 215 | wc -l)"
