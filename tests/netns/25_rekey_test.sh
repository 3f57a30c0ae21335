#!/bin/bash
# Rekeying under 1,000 packets/s each way loses nothing: phase 2 begun by the peer (by time) and
# by the gateway (by volume), phase 1 begun by the peer.
. "$(dirname "$0")/_init.sh"

walk_topology
# 2,560 kbytes is the smallest volume that the reference language knows: 1,000-byte datagrams
GW_EXTRA="crypto ipsec security-association lifetime kilobytes 4608000" walk_up REKEY=3s

under_traffic() { # under_traffic WHAT SECONDS SIZE CONDITION...: traffic, and the condition comes true
	local what=$1 secs=$2 size=$3
	shift 3
	SEQ_SIZE=$size seq_start "$what-in" hsp hin 6.6.146.4 1000 "$secs"
	SEQ_SIZE=$size seq_start "$what-out" hin hsp 6.6.2.4 1000 "$secs"
	wait_event $((secs + 5)) "$@"
	seq_perfect "$what-in"
	seq_perfect "$what-out"
}
SPIS=$(sa_spis gw)
new_spis() { [ "$(sa_spis gw)" != "$SPIS" ]; }
rekeyed_by_peer() { [ "$(ss_log spk | grep -c 'CHILD_SA walk.* established')" -ge 3 ]; }

step "phase 2, begun by the peer every 3 s"
under_traffic peer 8 200 rekeyed_by_peer
new_spis || fail "no new SAs"

step "phase 2, begun by the gateway after 2,560 kbytes"
ss_term spk walk
wait_event 5 eval '[ "$(sa_count gw in)" = 0 ]'
cli gw "configure terminal" "crypto ipsec security-association lifetime kilobytes 2560" "end" >/dev/null
ss_conn spk walk REKEY=1h
ss_init spk walk || fail "no tunnel"
wait_event 5 ping_works hsp 6.6.146.4
SPIS=$(sa_spis gw)
under_traffic gateway 6 1000 new_spis
wait_event 10 ss_log_has spk 'parsed QUICK_MODE request .* \[ HASH SA No'

step "phase 1, begun by the peer every 4 s"
cli gw "configure terminal" "crypto ipsec security-association lifetime kilobytes 4608000" "end" >/dev/null
ss_term spk walk
ss_conn spk walk IKEREKEY=4s
ss_init spk walk || fail "no tunnel"
wait_event 5 ping_works hsp 6.6.146.4
cookies() { clij gw "show crypto isakmp sa" '[.sas[] | tostring] | sort | join(" ")'; }
under_traffic phase1 8 200 eval '[ "$(ss_log spk | grep -c "IKE_SA walk.* established between")" -ge 4 ]'
wait_event 5 session_is gw 6.6.25.2 UP-ACTIVE
pings_both 50
