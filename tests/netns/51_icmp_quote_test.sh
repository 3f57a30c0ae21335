#!/bin/bash
# ICMP errors of the gateway about packets of a tunnel: they go through the tunnel, or nowhere. None
# quotes such a packet in clear outside, not even while the route to its sender is missing.
. "$(dirname "$0")/_init.sh"

walk_topology
walk_up
capture_start wire rt g

step "the last hop of a packet from the tunnel: its sender is told, through the tunnel"
in_ns hsp ping -n -c 2 -i 0.1 -W 2 -t 2 6.6.146.4 >"$TMP/ttl.log" && fail "two hops were enough"
grep -q 'From 6\.6\.146\.10 .*Time to live exceeded' "$TMP/ttl.log" || fail "$(cat "$TMP/ttl.log")"

step "no route to the sender of a packet that is too big for the tunnel"
in_ns hin ping -n -c 2 -i 0.1 -W 1 -M "do" -s 1472 6.6.2.4 >"$TMP/df.log" 2>&1 && fail "1500 bytes went through"
grep -Eq 'From 6\.6\.146\.10 ' "$TMP/df.log" || fail "$(cat "$TMP/df.log")"
ns_ip hin route flush cache
ns_ip gw route add default via 6.6.156.1
ns_ip gw route del 6.6.146.0/24
wait_event 5 eval '! ping_works hsp 6.6.146.4'
in_ns hin ping -n -c 5 -i 0.1 -W 1 -M "do" -s 1472 6.6.2.4 >"$TMP/df2.log" 2>&1 && fail "it went through"
wait_event 5 eval '[ "$(drop_count gw policy-quote)" -ge 5 ]'

step "nothing was quoted outside"
capture_stop wire
eq "ICMP of the gateway in clear" "$(capture_filter wire 'icmp and (src host 6.6.156.100 or src net 6.6.146.0/24)')" 0
num "ESP all the while" "$(capture_esp wire)" -ge 4
