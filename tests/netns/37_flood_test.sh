#!/bin/bash
# 10,000 first messages of main mode under the good peer's address and others' (security table, row
# 18): the tunnel carries on and is rekeyed, and the peer can set it up anew meanwhile.
. "$(dirname "$0")/_init.sh"

walk_topology
GW_EXTRA="crypto isakmp key wild address 0.0.0.0 0.0.0.0" walk_up REKEY=2s IKEREKEY=3s
lines=$(wc -l <"$TMP/gw.log")

step "flood, rekeying and traffic at once"
seq_start in hsp hin 6.6.146.4 500 7
seq_start out hin hsp 6.6.2.4 500 7
established=$(ss_log spk | grep -c 'CHILD_SA walk.* established')
in_ns rt /usr/bin/python3 "$NETNS_DIR/flood.py" 10000 2000 6.6.156.100 6.6.25.2 6.6.25.2 10.9.8.7 10.9.8.6 \
	>"$TMP/flood.log" || fail "$(tail -1 "$TMP/flood.log")"
cat "$TMP/flood.log"
seq_perfect in
seq_perfect out
num "phase 2 rekeyed" "$(ss_log spk | grep -c 'CHILD_SA walk.* established')" -gt "$established"
stat() { clij gw "show crypto isakmp stats" ".$1"; }
num "limit reached" "$(stat half_open_limit_reached)" -gt 1000
num "half open" "$(stat half_open)" -le "$(stat half_open_limit)"

step "a new start of the peer, in the flood"
spawn flood rt /usr/bin/python3 "$NETNS_DIR/flood.py" 4000 200 6.6.156.100 6.6.25.2
ss_term spk walk
ss_init spk walk || fail "the peer got no new tunnel"
wait_event 5 ping_works hsp 6.6.146.4
pings_both 50

step "nothing happened"
gateway_alive gw || fail "the gateway died"
num "log lines" $(($(wc -l <"$TMP/gw.log") - lines)) -le 200
