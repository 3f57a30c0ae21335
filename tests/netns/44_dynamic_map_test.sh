#!/bin/bash
# Unknown peers: a dynamic map answers two stock strongSwan spokes that no entry names, with a
# wildcard key and reverse routes. It never calls them; it refuses what its access list does not
# hold, what another spoke has, and who has no key. Rekeys under traffic by both ends. Last, the
# same map on the virtual address of a standby group.
. "$(dirname "$0")/_init.sh"

DYN='crypto dynamic-map DYN 10
 set transform-set SET2
 set pfs group2
 set security-association lifetime kilobytes 2560
 match address HA_VPN
 reverse-route tag 77'
dyn_config() { # the standard gateway, its map entry replaced
	GW_PEER='0.0.0.0 0.0.0.0' GW_REMOTE_NET='6.6.0.0 0.0.15.255' GW_EXTRA=$DYN \
		GW_MAP_EXTRA='crypto map MAP2 10 ipsec-isakmp dynamic DYN' walk_config |
		sed '/^crypto map MAP2 10 ipsec-isakmp$/,/^ match address HA_VPN$/d'
}
has_route() { ns_ip gw route show proto 215 | grep "^$1 via 6.6.156.1 dev gi0-1" >/dev/null; }
no_route() { [ -z "$(ns_ip gw route show proto 215 "$1")" ]; }
instances() { clij gw "show crypto dynamic-map" '.entries[0].instances'; }
peers_of() { clij gw "show crypto map" '[.instances[] | .peer] | sort | join(" ")'; }
refused() { # refused CHILD CHANGE...: the second spoke gets nothing, the first keeps what it has
	ss_conn spk2 second LOCAL=6.6.26.2 "${@:2}"
	TIMEOUT=5 ss_init spk2 second && fail "$1: the second spoke got a tunnel"
	ss_term spk2 second || true # phase 1 may be up
	eq "$1: instances" "$(instances)" 1
	eq "$1: reverse routes" "$(ns_ip gw route show proto 215 | wc -l)" 1
	pings_both 20
}

walk_topology
walk_second_spoke
ns_ip rt route add 6.6.3.0/24 via 6.6.26.2
dyn_config >"$TMP/gw.cfg"
gateway_start gw gw "$TMP/gw.cfg"
ss_start spk spk
ss_start spk2 spk2

step "traffic calls nobody, and what the access list holds does not leave in clear"
capture_start wire rt g
! ping_works hin 6.6.2.4 || fail "a ping came through without a tunnel"
eq "IKE SAs" "$(clij gw "show crypto isakmp sa" '.sas | length')" 0
eq "IKE datagrams" "$(capture_filter wire 'udp port 500')" 0
eq "instances" "$(instances)" 0

step "an unknown peer gets a tunnel and a route"
ss_conn spk walk
ss_init spk walk || fail "the spoke got no tunnel"
wait_event 10 session_is gw 6.6.25.2 UP-ACTIVE
wait_event 2 has_route 6.6.2.0/24
wait_event 5 ping_works hsp 6.6.146.4
pings_both 200
eq "template" "$(clij gw "show crypto map" '.instances[0] | "\(.dynamic_map) \(.dynamic_map_sequence) \(.peer)"')" \
	"DYN 10 6.6.25.2"
cli gw "show ip route rri" | grep 6.6.2.0 >/dev/null || fail "no route in the display"
cli gw "show crypto ipsec sa" | grep "created from dynamic map DYN/10" >/dev/null || fail "no word of the template"

step "another spoke: what the access list does not hold, what the first one has, a wrong key"
refused "beyond the access list" LTS=6.6.99.0/24 PSK=cisco
log_has gw 'IPSEC_PROXY_MISMATCH.*dynamic map DYN 10' || fail "no word of it in the log"
refused "overlapping" LTS=6.6.2.0/25 PSK=cisco
log_has gw 'IPSEC_DYNAMIC_REFUSED.*overlaps what peer 6.6.25.2 has' || fail "no word of it in the log"
eq "refused" "$(clij gw "show crypto isakmp stats" .dynamic_refused)" 1
refused "wrong key" LTS=6.6.3.0/24 PSK=wrong

step "two peers"
ss_conn spk2 second LOCAL=6.6.26.2 LTS=6.6.3.0/24
ss_init spk2 second || fail "the second spoke got no tunnel"
wait_event 2 has_route 6.6.3.0/24
wait_event 5 ping_works hsp2 6.6.146.4
wait_event 5 eval '[ "$(ping_lost hin 6.6.3.4 20)" = 0 ]'
eq "peers" "$(peers_of)" "6.6.25.2 6.6.26.2"
eq "sessions" "$(clij gw "show crypto session" '[.sessions[] | select(.status == "UP-ACTIVE")] | length')" 2
pings_both 50

step "rekeys under traffic, by the spoke (asked to) and by the gateway (2,560 kbytes)"
SPIS=$(sa_spis gw)
SEQ_SIZE=1000 seq_start in hsp hin 6.6.146.4 1000 8
SEQ_SIZE=1000 seq_start out hin hsp 6.6.2.4 1000 8
wait_event 5 eval 'ss_log_has spk "parsed QUICK_MODE request .* \[ HASH SA No"'
peer ctl spk --rekey --child walk >>"$TMP/ss-init.log"
seq_perfect in
seq_perfect out
[ "$(sa_spis gw)" != "$SPIS" ] || fail "no new SAs"
eq "instances" "$(instances)" 2
has_route 6.6.2.0/24 || fail "the route went with the old SAs"

step "a commit keeps the instances; then one goes, and its route, and nothing else"
cli gw "configure terminal" "crypto dynamic-map DYN 20" "set transform-set SET2" "end" >/dev/null
pings_both 20
eq "peers" "$(peers_of)" "6.6.25.2 6.6.26.2"
ss_term spk2 second
wait_event 5 no_route 6.6.3.0/24
wait_event 5 eval '[ "$(instances)" = 1 ]'
has_route 6.6.2.0/24 || fail "the first spoke's route went"
pings_both 50

step "without the wildcard key unknown peers get no answer; the one with its own key stays"
cli gw "configure terminal" "crypto isakmp key cisco address 6.6.25.2" \
	"no crypto isakmp key cisco address 0.0.0.0 0.0.0.0" "end" >/dev/null
capture_start nokey rt s2
TIMEOUT=4 ss_init spk2 second && fail "a peer without a key got a tunnel"
capture_stop nokey
num "its first messages" "$(capture_filter nokey 'udp port 500 and src host 6.6.26.2')" -ge 1
eq "answers to it" "$(capture_filter nokey 'udp and src host 6.6.156.100')" 0
pings_both 50
capture_stop wire
eq "clear packets" "$(capture_clear wire)" 0

step "the map on a virtual address"
ss_term spk walk
wait_event 5 no_route 6.6.2.0/24
cli gw "configure terminal" "interface GigabitEthernet0/1" "no crypto map MAP2" \
	"ip address 6.6.156.10 255.255.255.0" "standby 1 ip 6.6.156.100" \
	"standby 1 timers msec 50 msec 150" "standby 1 name VPNHA" \
	"crypto map MAP2 redundancy VPNHA" "end" >/dev/null
wait_event 10 eval 'cli gw "show standby brief" | grep Active >/dev/null'
ss_init spk walk || fail "no tunnel to the virtual address"
wait_event 2 has_route 6.6.2.0/24
eq "our end" "$(clij gw "show crypto map" '.instances[0].local')" 6.6.156.100
wait_event 5 ping_works hsp 6.6.146.4
pings_both 50
cli gw "configure terminal" "interface GigabitEthernet0/1" "no standby 1 name" "end" >/dev/null
wait_event 5 no_route 6.6.2.0/24
