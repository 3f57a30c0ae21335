#!/bin/bash
# Two spokes behind one NAT, so behind one address, and a dynamic map: each has its own IKE SA, its
# own tunnel, rekeys and Deletes. For the network that the first one has the second is refused.
. "$(dirname "$0")/_init.sh"

need nft
DYN='crypto dynamic-map DYN 10
 set transform-set SET2
 set pfs group2
 set security-association lifetime kilobytes 2560
 match address HA_VPN
 reverse-route'
walk_topology
walk_second_spoke
in_ns rt nft -f - <<-N || skip "this kernel has no NAT (nf_tables)"
	table ip nat {
	  chain out {
	    type nat hook postrouting priority srcnat;
	    oifname "g" ip saddr { 6.6.25.0/24, 6.6.26.0/24 } meta l4proto udp masquerade to :20000-29999 fully-random
	  }
	}
	N
GW_PEER='0.0.0.0 0.0.0.0' GW_REMOTE_NET='6.6.0.0 0.0.15.255' GW_EXTRA=$DYN \
	GW_MAP_EXTRA='crypto map MAP2 10 ipsec-isakmp dynamic DYN' walk_config |
	sed '/^crypto map MAP2 10 ipsec-isakmp$/,/^ match address HA_VPN$/d' >"$TMP/gw.cfg"
gateway_start gw gw "$TMP/gw.cfg"
ss_start spk spk
ss_start spk2 spk2
ids() { clij gw "show crypto map" '[.instances[] | "\(.peer) \(.peer_id)"] | sort | join(", ")'; }
sessions() { clij gw "show crypto session" '[.sessions[] | select(.status == "UP-ACTIVE") | .peer_port] | unique | length'; }
second_lost() { ping_lost hin 6.6.3.4 "$1"; }

step "two tunnels with one address"
ss_conn spk walk
ss_init spk walk || fail "the first spoke got no tunnel"
ss_conn spk2 second LOCAL=6.6.26.2 LTS=6.6.3.0/24
ss_init spk2 second || fail "the second spoke got no tunnel"
eq "peers" "$(ids)" "6.6.156.1 6.6.25.2, 6.6.156.1 6.6.26.2"
eq "sessions with ports of their own" "$(sessions)" 2
wait_event 5 ping_works hsp 6.6.146.4
wait_event 5 ping_works hsp2 6.6.146.4
pings_both 100
eq "pings lost to the second" "$(second_lost 100)" 0

step "the gateway rekeys the second one's SAs (2,560 kbytes): on its IKE SA, not on the first one's"
SEQ_SIZE=1000 seq_start second hin hsp2 6.6.3.4 1000 5
wait_event 10 ss_log_has spk2 'parsed QUICK_MODE request .* \[ HASH SA No'
seq_perfect second
! ss_log_has spk 'parsed QUICK_MODE request .* \[ HASH SA No' || fail "the first spoke was asked"
pings_both 20

step "the network of the first one is not for the second one"
ss_term spk2 second
wait_event 5 eval '[ "$(ids)" = "6.6.156.1 6.6.25.2" ]'
pings_both 20
ss_conn spk2 second LOCAL=6.6.26.2 LTS=6.6.2.0/24
TIMEOUT=5 ss_init spk2 second && fail "the second spoke got the first one's network"
ss_term spk2 second || true
log_has gw 'IPSEC_DYNAMIC_REFUSED.*overlaps what peer 6.6.156.1 has' || fail "no word of it in the log"
pings_both 20

step "new phase 1 and 2 of one leave the other alone"
ss_conn spk2 second LOCAL=6.6.26.2 LTS=6.6.3.0/24
ss_init spk2 second || fail "the second spoke got no tunnel"
wait_event 5 ping_works hsp2 6.6.146.4
peer ctl spk2 --rekey --ike second >>"$TMP/ss-init.log"
peer ctl spk --rekey --child walk >>"$TMP/ss-init.log"
wait_event 10 eval '[ "$(log_count gw "IKMP_SA_UP.*identity 6.6.26.2")" -ge 4 ]'
pings_both 50
eq "pings lost to the second" "$(second_lost 50)" 0
eq "peers" "$(ids)" "6.6.156.1 6.6.25.2, 6.6.156.1 6.6.26.2"
