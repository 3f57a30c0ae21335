#!/bin/bash
# A storm of key exchanges against the active one of two gateways: 500 peers a second that nobody
# knew go through main mode. No hello is left out and no role changes.
# (docs/ha.md has the distances at 50 ms and 1,000 a second on a quiet machine.)
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/hello.sh"
need jq tcpdump
[ -x "$(bin tandem-bench)" ] || skip "tandem-bench is not built"

pair_topology
export PAIR_TIMERS='msec 200 msec 1200' PAIR_EXTRA='crypto isakmp key cisco address 0.0.0.0 0.0.0.0
crypto isakmp limit half-open 20000
crypto isakmp policy 20
 encr aes
 hash sha
 authentication pre-share
 group 19'
PAIR_CFG=([a]=$TMP/a.cfg [b]=$TMP/b.cfg)
for n in a b; do pair_config $n >"${PAIR_CFG[$n]}"; done
pair_both
wait_event 20 pair_settled a
ns_ip rt route add local 10.1.0.0/16 dev lo

began=$(now_ms)
hello_watch storm rt g
# the gateway has no crypto map entry for them: each ends with a refused quick mode
in_ns rt "$(bin tandem-bench)" ike --gateway 6.6.156.100 --source 10.1.0.1 --rate 500 --seconds 6 \
	--wait 2 --group 19 --json "$TMP/ike.json" || true
hello_stop storm
up=$(jq '.rows[0].ike_up' "$TMP/ike.json")
echo "   main modes: $up of $(jq '.rows[0].started' "$TMP/ike.json")"
num "main modes" "$up" -ge 2000
read -r count p50 p99 max < <(hello_stats storm 6.6.156.10)
echo "   $count hellos, distance p50 $p50 ms, p99 $p99 ms, max $max ms"
num "hellos" "$count" -ge 30
num "longest distance of two hellos, ms" "${max%.*}" -lt 400
eq "changes of roles" "$(pair_timeline "$began")" ""
pair_settled a || fail "the roles are not what they were"
