#!/bin/bash
# The second half of the demonstration: two gateways with stateful redundancy and a strongSwan spoke
# in network namespaces. Numbered packets each way and a TCP connection; the active gateway is killed
# under them, started again, and then takes the role back by command. Needs root and the built
# programs. Ends with one machine-readable line; exit status 0 only if the TCP connection survived and
# the spoke negotiated nothing.
. "$(dirname "$(readlink -f "$0")")/../tests/netns/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"

PPS=${DEMO_PPS:-1000}
TCP_SECONDS=${DEMO_FAILOVER_TCP_SECONDS:-30}
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
show() { sed 's/^/    /'; }

need ping iperf3 jq ip
for program in tandemd tandem-standby udpseq; do
	bin $program >/dev/null || fail "$program is not built: run make"
done

network() {
	pair_boxes
	pair_spoke
	ns_add hin
	link_add hin e0 6.6.146.4/24 lan i -
	pair_plug lan i
	ns_ip hin route add default via 6.6.146.100
	ns_ip rt route add 6.6.146.0/24 via 6.6.156.100
}

config() { # config NODE: the two differ in their own addresses only
	local o
	o=$(pair_octet "$1")
	cat <<-C
	hostname R$o
	dataplane workers 1
	dataplane idle-sleep 50
	crypto isakmp policy 10
	 encr aes
	 authentication pre-share
	 group 2
	crypto isakmp key cisco address 6.6.25.2
	crypto isakmp keepalive 10 3 periodic
	crypto ipsec transform-set SET2 esp-aes esp-sha-hmac
	crypto ipsec security-association replay window-size 1024
	ip access-list extended HA_VPN
	 permit ip 6.6.146.0 0.0.0.255 6.6.2.0 0.0.0.255
	crypto map MAP2 10 ipsec-isakmp
	 set peer 6.6.25.2
	 set transform-set SET2
	 set pfs group2
	 match address HA_VPN
	crypto map MAP2 redundancy replay-interval in 1000 out 1000
	$(stateful_link "$1")
	track 1 interface GigabitEthernet0/0 line-protocol
	track 2 interface GigabitEthernet0/1 line-protocol
	track 3 list boolean and
	 object 1
	 object 2
	interface GigabitEthernet0/0
	 device vdev net_af_packet0,iface=in
	 ip address 6.6.146.$o 255.255.255.0
	 standby 1 ip 6.6.146.100
	 standby 1 timers msec 50 msec 150
	 standby 1 name INSIDE
	 standby 1 track 3 decrement 30
	interface GigabitEthernet0/1
	 device vdev net_af_packet1,iface=out
	 ip address 6.6.156.$o 255.255.255.0
	 standby 2 ip 6.6.156.100
	 standby 2 timers msec 50 msec 150
	 standby 2 name HSRP
	 standby 2 track 3 decrement 30
	 crypto map MAP2 redundancy HSRP stateful
	ip route 0.0.0.0 0.0.0.0 6.6.156.1
	C
}

node() { echo "R$(pair_octet "$1")"; }
numbers_start() {
	traffic_one in hsp hin 6.6.146.4 "$PPS"
	traffic_one out hin hsp 6.6.2.4 "$PPS"
}
sum() { echo $(($(traffic_get in "$1") + $(traffic_get out "$1"))); }
longest() {
	local in out
	in=$(traffic_get in gap_ms) out=$(traffic_get out gap_ms)
	echo $((in > out ? in : out))
}
numbers_show() {
	local d
	for d in out in; do
		[ $d = out ] && printf 'inside host -> host behind the spoke: ' ||
			printf 'host behind the spoke -> inside host: '
		traffic_get $d '| "\(.sent) sent, \(.lost) lost, longest silence \(.gap_ms) ms"'
	done | show
}
tcp_runs() { kill -0 "$TCP_PID" 2>/dev/null; }

cat <<'DRAWING'

                        +--------------+
                  +-----| R10  tandemd |-----+
  inside host     | .10 +--------------+ .10 |      router          spoke        host behind it
  +-------+       |            | rep         |     +------+     +------------+     +-------+
  |  hin  |-------+ .100       |        .100 +-----|  rt  |-----| strongSwan |-----|  hsp  |
  +-------+       |            | rep         |     +------+     +------------+     +-------+
  6.6.146.4       | .11 +--------------+ .11 |  6.6.156.1          6.6.25.2         6.6.2.4
                  +-----| R11  tandemd |-----+
                        +--------------+
  HSRP: 6.6.146.100 inside, 6.6.156.100 outside; hello 50 ms, hold 150 ms.
  rep: the replication link, SCTP with TLS 1.3 by pre-shared key. The tunnel ends at 6.6.156.100.
DRAWING

say "8. Two gateways start; what makes them a pair"
network
config a >"$TMP/a.cfg"
config b >"$TMP/b.cfg"
grep -nE 'redundancy|scheme|ipc|association|security psk|(local|remote)-ip|standby' "$TMP/a.cfg" | show
for n in a b; do gateway_launch $n gw$n "$TMP/$n.cfg"; done
for n in a b; do gateway_wait $n; done
wait_event 20 eval "pair_settled a || pair_settled b"
act=a
pair_settled a || act=b
std=$(pair_other $act)

say "9. The spoke builds its tunnel to the virtual address; the standby gateway gets a copy"
ss_start spk spk
ss_conn spk pair DPD=2s DPDTO=6s DPDACT=restart CONN_EXTRA='keyingtries = 0'
wait_event 15 ss_init spk pair
wait_event 15 ping_works hin 6.6.2.4
wait_event 20 hot $act
SAS=$(spoke_sas)
[ -n "$SAS" ] || fail "the spoke shows no SAs"
echo "cookies and SPIs at the spoke: $SAS" | show
for n in $act $std; do
	echo "$(node $n)# show redundancy states" | show
	cli $n "show redundancy states" | show
done
echo "$(node $std)# show crypto session standby brief" | show
cli $std "show crypto session standby brief" | show
copies() { clij $std "show crypto $1" "[.$2[] | select(.$3)] | length"; }
eq "copies of IKE SAs" "$(copies "isakmp sa standby" sas 'status == "standby"')" 1
eq "copies of IPsec SAs" "$(copies "ipsec sa standby" sas 'state == "standby"')" 2
eq "sessions" "$(copies "session standby" sessions 'status == "UP-STANDBY"')" 1
eq "sessions that work on both" "$(clij $std "show crypto session active" '.sessions | length')" 0

say "10. $PPS packets a second each way and a TCP connection; then kill -9 of the active gateway ($(node $act))"
tcp_start "$TCP_SECONDS" 2
numbers_start
sleep 2 # some traffic before
pair_kill $act
wait_event 10 pair_is $std Active
wait_event 10 ping_works hsp 6.6.146.4
sleep 2 # and after it
traffic_stop
numbers_show
failover_lost=$(sum lost) failover_gap=$(longest)
echo "$(node $std) has the role; cookies and SPIs at the spoke: $(spoke_sas)" | show

say "11. $(node $act) is started again and becomes the standby of $(node $std)"
gateway_launch $act gw$act "$TMP/$act.cfg"
gateway_wait $act
wait_event 20 hot $std

say "12. A planned switchover under the same traffic: redundancy force-switchover at $(node $std)"
numbers_start
sleep 1
tcp_runs || fail "the TCP connection ended too early: $(jq -r '.error // "its time was over"' "$TMP/tcp.json")"
wait_event 5 eval 'cli $std "redundancy force-switchover" >/dev/null 2>&1'
wait_event 10 pair_is $act Active
wait_event 20 hot $act
sleep 1 # and some traffic after it
traffic_stop
numbers_show
planned_lost=$(sum lost)
echo "$(node $act)# show redundancy history" | show
cli $act "show redundancy history" | tail -6 | show

say "13. The TCP connection, over both"
tcp_runs || fail "the TCP connection ended before the switchover was over"
tcp_end >"$TMP/mbit" # no subshell: it waits for a child of this one
echo "$(cat "$TMP/mbit") Mbit/s for $TCP_SECONDS s (sent at 2 Mbit/s)" | show
renegotiations=$(renegotiated "$SAS")
invariants_hold a b

say "Result"
echo "demo: failover_lost=$failover_lost failover_gap_ms=$failover_gap renegotiations=$renegotiations planned_lost=$planned_lost"
[ "$renegotiations" = 0 ] || fail "the spoke has negotiated anew"
[ "$planned_lost" = 0 ] || fail "the planned switchover has lost $planned_lost packets"
