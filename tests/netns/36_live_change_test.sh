#!/bin/bash
# Changes of the running configuration: what a change does not concern goes on with the same SAs
# and without a lost packet; taking the map off the interface ends its tunnels, putting it back
# lets them come up again.
. "$(dirname "$0")/_init.sh"

walk_topology
walk_second_spoke
walk_up
spis=$(sa_spis gw)
seq_start in hsp hin 6.6.146.4 500 4
seq_start out hin hsp 6.6.2.4 500 4

step "a second entry is added under traffic"
mapfile -t lines <<<"configure terminal
$SECOND_EXTRA
$SECOND_MAP
end"
cli gw "${lines[@]}" >/dev/null
ss_start spk2 spk2
second_conn
ss_init spk2 second || fail "no second tunnel"
wait_event 5 ping_works hsp2 6.6.146.4
seq_perfect in
seq_perfect out
for s in $spis; do
	sa_spis gw | has "$s" || fail "SA $s went away"
done

step "the second entry is taken away: its tunnel goes, the first stays"
cli gw "configure terminal" "no crypto map MAP2 20" "end" >/dev/null
wait_event 5 eval '[ "$(ss_established spk2)" = 0 ]'
eq "SPIs" "$(sa_spis gw)" "$spis"
pings_both 50

step "the running configuration loads back"
cli gw "show running-config" >"$TMP/printed.cfg"
"$(bin tandemd)" --check -c "$TMP/printed.cfg" || fail "the printed configuration does not load"

step "the map is taken off the interface, and put back"
cli gw "configure terminal" "interface GigabitEthernet0/1" "no crypto map" "end" >/dev/null
wait_event 5 eval '[ "$(clij gw "show crypto ipsec sa" ".sas | length")" = 0 ]'
wait_event 5 eval '[ "$(ss_established spk)" = 0 ]'
cli gw "configure terminal" "interface GigabitEthernet0/1" "crypto map MAP2" "end" >/dev/null
wait_event 15 ping_works hin 6.6.2.4
wait_event 5 ping_works hsp 6.6.146.4
pings_both 50

step "the peer is taken out of the entry: its traffic is dropped, never sent in clear"
capture_start wire rt g
cli gw "configure terminal" "crypto map MAP2 10" "no set peer 6.6.25.2" "end" >"$TMP/nopeer.out" 2>&1
wait_event 5 eval '[ "$(ss_established spk)" = 0 ]'
! ping_works hin 6.6.2.4 || fail "a ping got through without a peer"
cli gw "configure terminal" "crypto map MAP2 10" "set peer 6.6.25.2" "end" >/dev/null
wait_event 15 ping_works hin 6.6.2.4
cli gw "configure terminal" "crypto map MAP2 10" "no set transform-set" "end" >"$TMP/noset.out" 2>&1
! ping_works hin 6.6.2.4 || fail "a ping got through without a transform set"
cli gw "configure terminal" "crypto map MAP2 10" "set transform-set SET2" "end" >/dev/null
wait_event 15 ping_works hin 6.6.2.4
capture_stop wire
eq "clear packets" "$(capture_clear wire)" 0
