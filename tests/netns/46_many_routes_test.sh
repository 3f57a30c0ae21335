#!/bin/bash
# 2,000 reverse routes appear and go at once by a command: kernel, FRR and the inside router (OSPF and
# BGP) have all of them and then none, and no role changes meanwhile.
# (tests/lab/routes.sh measures 10,000.)
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/hello.sh"
. "$REPO/tests/lab/many.sh"
need jq vtysh tcpdump

COUNT=2000
pair_topology
PAIR_TIMERS='msec 100 msec 500' PAIR_EXTRA=$(many_config $COUNT)
pair_start
wait_event 20 pair_settled a
wait_event 40 rin_adjacent_both
began=$(now_ms)
hello_watch many rt g

step "on"
many_on a
wait_event 10 at_least $COUNT many_kernel a
echo "   in the kernel after $(($(now_ms) - began)) ms"
wait_event 60 at_least $COUNT many_bgp
wait_event 30 at_least $COUNT many_ospf
echo "   at the inside router after $(($(now_ms) - began)) ms"
eq "on the standby box" "$(many_kernel b)" 0
eq "installed" "$(clij a "show ip route rri" '[.routes[] | select(.installed)] | length')" $COUNT

step "off"
off=$(now_ms)
many_off a
wait_event 10 at_most 0 many_kernel a
echo "   out of the kernel after $(($(now_ms) - off)) ms"
wait_event 30 at_most 0 many_bgp
wait_event 30 at_most 5 many_ospf
wait_event 60 at_most 0 many_static a
echo "   out of FRR after $(($(now_ms) - off)) ms"

hello_stop many
read -r count p50 p99 max < <(hello_stats many 6.6.156.10)
echo "   $count hellos, distance p50 $p50 ms, p99 $p99 ms, max $max ms"
num "longest distance of two hellos, ms" "${max%.*}" -lt 500
eq "changes of roles" "$(pair_timeline "$began")" ""
