#!/bin/bash
# What must be encrypted never goes in clear and is never taken in clear; big packets: ICMP too-big
# for DF, TCP with 1500-byte hosts, fragments.
. "$(dirname "$0")/_init.sh"

walk_topology
gateway_start gw gw

step "no tunnel: clear packets in are dropped and counted, none goes out"
capture_start wire rt g
capture_start inside hin e0
in_ns hsp ping -q -n -c 20 -i 0.01 -W 1 6.6.146.4 >/dev/null && fail "a clear ping was answered"
in_ns hin ping -q -n -c 20 -i 0.01 -W 1 6.6.2.4 >/dev/null && fail "a clear ping went through"
wait_event 5 eval '[ "$(drop_count gw policy-clear)" -ge 20 ]'
capture_stop wire
capture_stop inside
eq "clear packets out" "$(capture_filter wire 'src net 6.6.146.0/24')" 0
eq "clear packets taken in" "$(capture_filter inside 'src net 6.6.2.0/24')" 0
num "clear packets offered" "$(capture_filter wire 'src net 6.6.2.0/24')" -ge 20

step "with a tunnel clear packets are still refused"
ss_start spk spk
ss_conn spk walk
ss_init spk walk || fail "no tunnel"
wait_event 5 ping_works hsp 6.6.146.4
ns_ip rt addr add 6.6.2.99/32 dev lo
before=$(drop_count gw policy-clear)
in_ns rt ping -q -n -c 10 -i 0.01 -W 1 -I 6.6.2.99 6.6.146.4 >/dev/null && fail "a clear ping was answered"
wait_event 5 eval '[ "$(drop_count gw policy-clear)" -ge $((before + 10)) ]'

step "too big and DF: the sender is told"
in_ns hin ping -n -c 2 -W 2 -M "do" -s 1472 6.6.2.4 >"$TMP/df.log" 2>&1 && fail "1500 bytes went through"
grep -Eq 'From 6\.6\.146\.10 .*(Frag needed|mtu)' "$TMP/df.log" || fail "no ICMP: $(cat "$TMP/df.log")"
mtu=$(sed -n 's/.*mtu *= *\([0-9]*\).*/\1/p' "$TMP/df.log" | head -1)
num "MTU" "$mtu" -ge 1380
num "MTU" "$mtu" -le 1446
eq "pings of that very size lost" "$(ping_lost hin 6.6.2.4 5 -M "do" -s $((mtu - 28)))" 0

step "fragments, and TCP with 1500-byte links at both ends"
ns_ip hin route flush cache
eq "big pings lost" "$(ping_lost hin 6.6.2.4 20 -s 3000 -M dont)" 0
eq "big pings lost from the spoke" "$(ping_lost hsp 6.6.146.4 20 -s 3000 -M dont)" 0
num "TCP Mbit/s out" "$(tcp_mbit hsp hin 6.6.2.4 2 | cut -d. -f1)" -ge 1
num "TCP Mbit/s in" "$(tcp_mbit hin hsp 6.6.146.4 2 | cut -d. -f1)" -ge 1
