#!/bin/bash
# The host's path: the gateway's own addresses answer ARP and ping, a dying TTL is reported, what
# no policy wants is forwarded in clear.
. "$(dirname "$0")/_init.sh"

walk_topology
gateway_start gw gw

step "own addresses"
wait_event 10 ping_works hin 6.6.146.10
wait_event 10 ping_works rt 6.6.156.100
eq "pings lost inside" "$(ping_lost hin 6.6.146.10 50)" 0
eq "pings lost outside" "$(ping_lost rt 6.6.156.100 50)" 0
eq "pings across lost" "$(ping_lost hin 6.6.156.100 20)" 0
eq "pings by the gateway's host" "$(ping_lost gw 6.6.146.4 20)" 0
ns_ip rt neigh show 6.6.156.100 | has lladdr || fail "no ARP entry"
ns_ip rt neigh flush dev g
wait_event 10 ping_works rt 6.6.156.100

step "TTL"
in_ns hin ping -n -c 1 -W 2 -t 1 6.6.25.2 >"$TMP/ttl.log" 2>&1 || true
grep -q 'From 6\.6\.146\.10 .*Time to live exceeded' "$TMP/ttl.log" || fail "$(cat "$TMP/ttl.log")"
num "counted" "$(drop_count gw ip-ttl)" -ge 1

step "traffic that no policy wants is forwarded in clear"
ns_ip rt route replace 6.6.146.0/24 via 6.6.156.100
eq "pings lost" "$(ping_lost hin 6.6.25.2 50)" 0
eq "SAs" "$(sa_count gw out)" 0

step "traceroute through the tunnel"
ss_start spk spk
ss_conn spk walk
ss_init spk walk || fail "no tunnel"
wait_event 5 ping_works hin 6.6.2.4
in_ns hin ping -n -c 1 -W 2 -t 1 6.6.2.4 >"$TMP/ttl2.log" 2>&1 || true
grep -q 'From 6\.6\.146\.10 .*Time to live exceeded' "$TMP/ttl2.log" || fail "$(cat "$TMP/ttl2.log")"
