#!/bin/bash
# A stock strongSwan with two connections to the gateway has an IKE SA for each, and negotiates anew
# what is closed. The second IKE SA replaces the first one at the gateway, which must not delete it: the
# spoke has a tunnel on it. Nothing is closed, nothing negotiated, no packet lost. Each tunnel is
# renewed where the spoke has it, and when the second IKE SA goes, the first one serves.
. "$(dirname "$0")/_init.sh"

walk_topology
link_add spk lan2 6.6.3.2/24 hsp e1 6.6.3.4/24
GW_EXTRA="ip access-list extended SECOND
	 permit ip 6.6.146.0 0.0.0.255 6.6.3.0 0.0.0.255" \
	GW_MAP_EXTRA="crypto map MAP2 20 ipsec-isakmp
	 set peer 6.6.25.2
	 set transform-set SET2
	 set pfs group2
	 match address SECOND" \
	walk_up CHILD_EXTRA="close_action = start"
second() { # two connections that are alike would share an IKE SA
	ss_conn spk second LTS=6.6.3.0/24 IKEREKEY=3h "$@"
}
second CHILD_EXTRA="close_action = start"
statuses() { clij gw "show crypto isakmp sa" '[.sas | sort_by(.conn_id)[].status] | join(" ")'; }
# what the spoke has: the cookies of its IKE SAs, the SPIs of its tunnels
spoke_sas() {
	peer sas spk | grep -aoE '[0-9a-f]{16}_[ir]|\b(in|out) +[0-9a-f]{8}' | tr -d ' ' | sort | xargs
}

step "a second IKE SA with the same peer"
ss_init spk second || fail "no second tunnel"
eq "ISAKMP SAs" "$(statuses)" "replaced active"
SAS=$(spoke_sas)
seq_start in hsp hin 6.6.146.4 200 64
seq_start out hin hsp 6.6.2.4 200 64
seq_perfect in
seq_perfect out
eq "the spoke's SAs a minute later" "$(spoke_sas)" "$SAS"
eq "ISAKMP SAs" "$(statuses)" "replaced active"

step "the spoke renews the first tunnel, on the first IKE SA"
peer ctl spk --rekey --child walk >>"$TMP/ss-init.log" 2>&1
wait_event 5 eval '[ "$(statuses)" = "active active" ]'
wait_event 5 ping_works hin 6.6.2.4

step "the second IKE SA goes: the first one serves"
second
ss_term spk second
wait_event 5 eval '[ "$(statuses)" = active ]'
pings_both 50
ss_term spk walk
wait_event 5 eval '[ -z "$(statuses)" ]'
