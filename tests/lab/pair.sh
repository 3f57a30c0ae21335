# pair.sh - two gateways that share an address inside and one outside, and the network around them.
# Source it after tests/netns/_init.sh.
#
#  hin      rin          lan         gwa             wan          rt          spk        hsp
#  .4 -16-- .1 .1 ==146= switch ==== .10 [in out] .10 ===156=== switch == .1 .1 -25- .2 .2 -2- .4
#  inside   router,        |         gwb             |           router,      spoke     host
#  host     OSPF, BGP      ========= .11 [in out] .11 ======     capture
#                                    virtual .100, HSRP groups 1 (inside) and 2 (outside)
#
# 6.6.16.0/24 (hin) and 6.6.2.0/24 (hsp) are what the tunnel joins. Each gateway has an FRR of its own
# and is told 6.6.16.0/24 by rin; rin is told 6.6.2.0/24 by the gateway that has the reverse route:
# by OSPF with the gateway's own address as next hop, by BGP (preferred) with the virtual one.
# A third link, `rep` on both (10.0.0.1, 10.0.0.2), is for the two alone.
#
# A node is `a` or `b`, a side `outside`, `inside` or `replication`. Times are milliseconds since the
# epoch (now_ms). What each function does stands above it.

PAIR_SPOKE=${PAIR_SPOKE:-host} # guest: the spoke is a user-mode Linux guest `g` (kernel ESP)
declare -A PAIR_CFG=()         # node -> configuration file
pair_other() { [ "$1" = a ] && echo b || echo a; }
pair_octet() { [ "$1" = a ] && echo 10 || echo 11; }

# ---- the network -----------------------------------------------------------------------------
pair_switch() { # pair_switch NS: a bridge br0 without learning delays
	ns_ip "$1" link add br0 type bridge forward_delay 0 mcast_snooping 0
	ns_ip "$1" link set br0 up
}
pair_plug() { ns_ip "$1" link set "$2" master br0; } # pair_plug SWITCH PORT
pair_boxes() { # both gateways between two switches, the link between them, the router outside
	local n
	ns_add gwa gwb lan wan rt
	pair_switch lan
	pair_switch wan
	for n in a b; do
		link_add "gw$n" out - wan "w$n" -
		link_add "gw$n" in - lan "l$n" -
		pair_plug wan "w$n"
		pair_plug lan "l$n"
	done
	link_add gwa rep 10.0.0.1/24 gwb rep 10.0.0.2/24
	link_add rt g 6.6.156.1/24 wan r -
	pair_plug wan r
}
pair_spoke() { # the spoke behind the router, a host behind the spoke
	ns_add spk
	if [ "$PAIR_SPOKE" = guest ]; then
		link_add rt s 6.6.25.1/24 spk p -
		ns_ip rt route add 6.6.2.0/24 via 6.6.25.2
		guest_start g spk p
		in_guest g sh -c "ip addr add 6.6.25.2/24 dev vec0; ip addr add 6.6.2.4/24 dev lo
			ip link set vec0 up; ip route add default via 6.6.25.1"
		return
	fi
	ns_add hsp
	link_add rt s 6.6.25.1/24 spk wan 6.6.25.2/24
	ns_ip rt route add 6.6.2.0/24 via 6.6.25.2
	link_add spk lan 6.6.2.2/24 hsp e0 6.6.2.4/24
	ns_ip hsp route add default via 6.6.2.2
	ns_ip spk route add default via 6.6.25.1
}
pair_topology() {
	pair_boxes
	ns_add hin rin
	link_add rin core 6.6.146.1/24 lan r -
	pair_plug lan r
	link_add hin e0 6.6.16.4/24 rin e0 6.6.16.1/24
	ns_ip hin route add default via 6.6.16.1
	# the network outside would carry clear packets both ways: only the gateways stop them
	ns_ip rt route add 6.6.16.0/24 via 6.6.156.100
	pair_spoke
}

# ---- configuration ---------------------------------------------------------------------------
# pair_config NODE: prints its configuration. Overrides by environment:
#  PAIR_WORKERS PAIR_DPD PAIR_SET (transforms) PAIR_TIMERS (of both groups)
#  PAIR_PRIO_A PAIR_PRIO_B PAIR_PREEMPT (default
#  preempt; empty: without) PAIR_TRACK_ROUTE (not empty: the route to the inside host counts like a
#  link: a gateway that hears nothing from the inside router is no candidate) PAIR_RRI (line in the
#  map's entry) PAIR_EXTRA (lines before the interfaces) PAIR_IN_EXTRA PAIR_OUT_EXTRA (below one)
#  PAIR_ADVERTISE (a second virtual address inside, by which routers are told the spoke's network;
#  without: OSPF names the box itself, BGP the virtual address by a route map)
#  PAIR_ROUTING (default "ospf bgp")
pair_config() {
	local node=$1 o prio preempt=${PAIR_PREEMPT-preempt}
	o=$(pair_octet "$node")
	[ "$node" = a ] && prio=${PAIR_PRIO_A:-110} || prio=${PAIR_PRIO_B:-100}
	cat <<-C
	hostname R$o
	dataplane workers ${PAIR_WORKERS:-1}
	dataplane idle-sleep 50
	crypto isakmp policy 10
	 encr aes
	 hash sha
	 authentication pre-share
	 group 2
	crypto isakmp key cisco address 6.6.25.2
	crypto isakmp keepalive ${PAIR_DPD:-10 2 periodic}
	crypto ipsec transform-set SET2 ${PAIR_SET:-esp-aes esp-sha-hmac}
	crypto ipsec security-association replay window-size 1024
	ip access-list extended HA_VPN
	 permit ip 6.6.16.0 0.0.0.255 6.6.2.0 0.0.0.255
	crypto map MAP2 10 ipsec-isakmp
	 set peer 6.6.25.2
	 set transform-set SET2
	 set pfs group2
	 match address HA_VPN
	 ${PAIR_RRI-reverse-route tag 77${PAIR_ADVERTISE:+ advertise $PAIR_ADVERTISE}}
	track 1 interface GigabitEthernet0/0 line-protocol
	track 2 interface GigabitEthernet0/1 line-protocol
	track 3 list boolean and
	 object 1
	 object 2
	 ${PAIR_TRACK_ROUTE:+object 4}
	${PAIR_TRACK_ROUTE:+track 4 ip route 6.6.16.0 255.255.255.0 reachability}
	${PAIR_EXTRA:-}
	interface GigabitEthernet0/0
	 device vdev net_af_packet0,iface=in
	 ip address 6.6.146.$o 255.255.255.0
	 ip ospf hello-interval 1
	 ip ospf dead-interval 4
	 ip ospf priority 0
	 ip ospf bfd
	 ip ospf bfd profile pair
	 standby 1 ip 6.6.146.100
	 ${PAIR_ADVERTISE:+standby 1 ip $PAIR_ADVERTISE secondary}
	 standby 1 timers ${PAIR_TIMERS:-msec 50 msec 150}
	 standby 1 priority $prio
	 ${preempt:+standby 1 $preempt}
	 standby 1 name INSIDE
	 standby 1 track 3 decrement 30
	 ${PAIR_IN_EXTRA:-}
	interface GigabitEthernet0/1
	 device vdev net_af_packet1,iface=out
	 ip address 6.6.156.$o 255.255.255.0
	 standby 2 ip 6.6.156.100
	 standby 2 timers ${PAIR_TIMERS:-msec 50 msec 150}
	 standby 2 priority $prio
	 ${preempt:+standby 2 $preempt}
	 standby 2 name HSRP
	 standby 2 track 3 decrement 30
	 crypto map MAP2 redundancy HSRP
	 ${PAIR_OUT_EXTRA:-}
	ip route 0.0.0.0 0.0.0.0 6.6.156.1
	C
	pair_config_routing "$o"
}
# On the inside network the router alone is OSPF's designated one (priority 0 at the gateways): were it
# a gateway, each fault and each return of that box would cost the other one its routes for a moment.
# The reverse route leaves by its tag; BGP's next hop is the virtual address: rin's route by it does
# not have to change when the gateways change places.
pair_config_routing() { # pair_config_routing LAST-OCTET
	local virtual="neighbor 6.6.146.1 route-map VIRTUAL out"
	[ -z "${PAIR_ADVERTISE:-}" ] || virtual=""
	cat <<-C
	router ospf 1
	 router-id 6.6.146.$1
	 network 6.6.146.0 0.0.0.255 area 0
	 redistribute static subnets route-map RRI
	 timers throttle spf 0 20 1000
	 timers throttle lsa all 0
	 timers lsa min-arrival 0
	route-map RRI permit 10
	 match tag 77
	C
	pair_routes_by bgp || return 0
	cat <<-C
	router bgp 65010
	 bgp router-id 6.6.146.$1
	 neighbor 6.6.146.1 remote-as 65020
	 neighbor 6.6.146.1 timers 1 3
	 neighbor 6.6.146.1 timers connect 1
	 neighbor 6.6.146.1 bfd profile pair
	 address-family ipv4 unicast
	  redistribute static route-map RRI
	  neighbor 6.6.146.1 advertisement-interval 0
	  $virtual
	 exit-address-family
	route-map VIRTUAL permit 10
	 set ip next-hop 6.6.146.100
	C
}
pair_routes_by() { case " ${PAIR_ROUTING:-ospf bgp} " in *" $1 "*) ;; *) return 1 ;; esac; }
# What FRR has by itself on each of the three: BFD finds a silent neighbour in 300 ms.
pair_bfd() {
	printf 'bfd\n profile pair\n  transmit-interval 100\n  receive-interval 100\n  detect-multiplier 3\n'
}
pair_rin_config() {
	pair_bfd
	cat <<-C
	interface core
	 ip ospf hello-interval 1
	 ip ospf dead-interval 4
	 ip ospf bfd
	 ip ospf bfd profile pair
	router ospf
	 ospf router-id 6.6.146.1
	 network 6.6.146.0/24 area 0
	 network 6.6.16.0/24 area 0
	 timers throttle spf 0 20 1000
	 timers throttle lsa all 0
	 timers lsa min-arrival 0
	C
	pair_routes_by bgp || return 0
	cat <<-C
	router bgp 65020
	 bgp router-id 6.6.146.1
	 no bgp ebgp-requires-policy
	C
	local n
	for n in 10 11; do
		printf ' neighbor 6.6.146.%s %s\n' $n "remote-as 65010" $n "timers 1 3" \
			$n "timers connect 1" $n "bfd profile pair"
	done
}

# ---- start -----------------------------------------------------------------------------------
PAIR_FRR=(zebra staticd ospfd bgpd bfdd)
pair_frr_start() { # pair_frr_start NODE
	pair_bfd >"$TMP/f$1.conf"
	frr_start "f$1" "gw$1" "$TMP/f$1.conf" "${PAIR_FRR[@]}"
}
# pair_launch NODE: its gateway process, without waiting; after pair_kill, pair_poweroff as well
pair_launch() {
	GW_ARGS="--frr-dir $(frr dir "f$1") ${PAIR_ARGS:-}" \
		gateway_launch "$1" "gw$1" "${PAIR_CFG[$1]}"
}
# pair_routers: FRR at rin and beside both gateways
pair_routers() {
	pair_rin_config >"$TMP/rin.conf"
	frr_start fr rin "$TMP/rin.conf" "${PAIR_FRR[@]}"
	pair_frr_start a
	pair_frr_start b
}
# pair_start [CONFIG_A CONFIG_B]: routers, then both gateways at the same moment; returns when both
# answer. Default: pair_config.
# shellcheck disable=SC2120
pair_start() {
	local n
	PAIR_CFG=([a]=${1:-$TMP/a.cfg} [b]=${2:-$TMP/b.cfg})
	[ $# -gt 0 ] || for n in a b; do pair_config $n >"${PAIR_CFG[$n]}"; done
	pair_routers
	pair_both
}
pair_both() { # both gateway processes at once
	pair_launch a
	pair_launch b
	gateway_wait a
	gateway_wait b
}
# pair_spoke_start [VARIABLES of peer-strongswan.sh conn]: the spoke's charon and its connection;
# `ss_init spk pair` brings it up. It finds a dead gateway by DPD and connects again.
pair_spoke_start() {
	ss_start spk spk
	ss_conn spk pair RTS=6.6.16.0/24 DPD=1s DPDTO=2s DPDACT=restart \
		CONN_EXTRA='keyingtries = 0' CHILD_EXTRA='close_action = start' "$@"
}

# ---- faults ----------------------------------------------------------------------------------
pair_kill() { gateway_kill "$1"; }                 # kill -9 of tandemd
pair_freeze() { kill -STOP "${GW_PID[$1]}"; }
pair_thaw() { kill -CONT "${GW_PID[$1]}"; }
# pair_poweroff NODE: every process of the namespace and all its links at once (PAIR_AT_FAULT: a function that
# is called just before). They are stopped first and killed behind dead links: a process that dies has
# its sockets closed by the kernel, and the neighbours of a box without power hear no FIN of bgpd.
# pair_poweron: links and FRR; then pair_launch.
pair_poweroff() {
	local pids
	pids=$(ip netns pids "$(nsname "gw$1")")
	"${PAIR_AT_FAULT:-:}"
	# shellcheck disable=SC2086
	kill -STOP $pids
	pair_links "$1" down
	# shellcheck disable=SC2086
	kill -9 $pids
	rm -f "$TMP/run-$1/mirror" # memory does not survive
	wait "${GW_PID[$1]}" 2>/dev/null || true
	unset "GW_PID[$1]"
}
pair_poweron() {
	pair_links "$1" up
	pair_frr_start "$1"
}
pair_links() {
	ns_ip wan link set "w$1" "$2"
	ns_ip lan link set "l$1" "$2"
	ns_ip gwa link set rep "$2"
}
# pair_cut SIDE NODE [WAY]: takes the switch's port down (the gateway sees its carrier go); WAY:
# `from` drops frames from the node, `to` those to it, and nobody sees a carrier go
pair_cut() {
	local sw port
	pair_port "$1" "$2"
	case ${3:-} in
	"") ns_ip "$sw" link set "$port" down ;;
	from) pair_drop prerouting iifname ;;
	to) pair_drop postrouting oifname ;;
	esac
}
# pair_heal SIDE NODE: undoes each of them
pair_heal() {
	local sw port
	pair_port "$1" "$2"
	ns_ip "$sw" link set "$port" up
	! command -v nft >/dev/null || in_ns "$sw" nft delete table bridge "cut_$port" 2>/dev/null || true
}
pair_port() { # sets sw and port
	case $1 in
	outside) sw=wan port=w$2 ;;
	inside) sw=lan port=l$2 ;;
	replication) sw=gw$2 port=rep ;;
	esac
}
pair_drop() {
	in_ns "$sw" nft -f - <<-N
	table bridge cut_$port {
	  chain c {
	    type filter hook $1 priority 0;
	    $2 "$port" drop
	  }
	}
	N
}
# pair_priority NODE N: a planned change, on both groups
pair_priority() {
	cli "$1" "configure terminal" "interface GigabitEthernet0/0" "standby 1 priority $2" \
		"interface GigabitEthernet0/1" "standby 2 priority $2" "end" >/dev/null
}

# ---- who is what -----------------------------------------------------------------------------
pair_role() { clij "$1" "show standby" ".groups[] | select(.group == $2) | .state"; }
pair_is() { # pair_is NODE STATE: on both groups
	[ "$(clij "$1" "show standby" '[.groups[] | select(.group <= 2) | .state] | join(" ")')" = "$2 $2" ]
}
# pair_settled ACTIVE: that node active on both groups and the other one standby on both
pair_settled() { pair_is "$1" Active && pair_is "$(pair_other "$1")" Standby; }
# pair_timeline SINCE [UNTIL]: every change of a role in both logs, one per line:
# MILLISECONDS NODE GROUP OLD NEW, the milliseconds after SINCE
pair_timeline() {
	local n
	for n in a b; do
		grep -a 'HSRP-5-STATECHANGE' "$TMP/$n.log" | sed -nE \
			"s/^\**([A-Z][a-z]{2} +[0-9]+ [0-9:.]+): .* Grp ([0-9]+) state ([A-Za-z]+) -> ([A-Za-z]+).*/\1|$n \2 \3 \4/p" |
			while IFS='|' read -r when what; do
				echo "$(($(date -d "$when" +%s%3N) - $1)) $what"
			done
	done | awk -v end="${2:-9999999999999}" -v since="$1" '$1 >= 0 && $1 + since <= end' | sort -n
}

# ---- routes at the inside router -------------------------------------------------------------
rin_json() { frr vtysh fr -c "$1 json"; }
# rin_ospf [PREFIX]: next hops of the OSPF route, space separated, nothing without one
# shellcheck disable=SC2120
rin_ospf() {
	rin_json "show ip route ${1:-6.6.2.0/24}" | jq -r '[.[]?[]? | select(.protocol == "ospf")
		| .nexthops[] | select(.ip != null) | .ip] | unique | join(" ")'
}
# rin_bgp [PREFIX]: the BGP neighbours that tell it
# shellcheck disable=SC2120
rin_bgp() {
	rin_json "show bgp ipv4 unicast ${1:-6.6.2.0/24}" |
		jq -r '[.paths[]?.peer.peerId] | sort | join(" ")'
}
# rin_kernel [PREFIX]: the route that forwards: its gateway
# shellcheck disable=SC2120
rin_kernel() { ns_ip rin -j route show "${1:-6.6.2.0/24}" | jq -r '[.[] | .gateway // (.nexthops[]?.gateway)] | join(" ")'; }
# rin_routes_are NODE: OSPF and BGP know that box alone, the kernel goes by the virtual address
rin_routes_are() {
	local own
	own=6.6.146.$(pair_octet "$1")
	[ "$(rin_ospf)" = "$own" ] && [ "$(rin_bgp)" = "$own" ] && [ "$(rin_kernel)" = 6.6.146.100 ]
}
rin_without_route() { [ -z "$(rin_ospf)$(rin_bgp)$(rin_kernel)" ]; }
# rin_adjacent NODE: OSPF full and BGP established
rin_adjacent() {
	local own
	own=6.6.146.$(pair_octet "$1")
	frr vtysh fr -c "show ip ospf neighbor" | grep "$own .*Full\|Full.* $own " >/dev/null || return 1
	! pair_routes_by bgp ||
		rin_json "show bgp summary" |
		jq -e ".ipv4Unicast.peers[\"$own\"].state == \"Established\"" >/dev/null
}
rin_adjacent_both() { rin_adjacent a && rin_adjacent b; }

# ---- traffic ---------------------------------------------------------------------------------
# traffic_start PPS: numbered datagrams each way between hin and hsp until traffic_stop, which waits
# until all that was under way has arrived. Then, per direction (`in` = towards hin, `out`):
#  traffic_get DIR FIELD   lost, duplicated, gap_ms ...
#  traffic_silence DIR SINCE [UNTIL]  ms without a packet, the longest that ended in that time
#  traffic_back DIR SINCE [UNTIL]     ms from SINCE to the packet that ended it
#                                     (both 0: no silence over TRAFFIC_GAP ms)
declare -A TRAFFIC_SENDER=()
TRAFFIC_GAP=${TRAFFIC_GAP:-20}
traffic_start() {
	traffic_one in hsp hin 6.6.16.4 "$1"
	traffic_one out hin hsp 6.6.2.4 "$1"
}
traffic_one() { # traffic_one DIR SENDER RECEIVER ADDRESS PPS
	local prog
	prog=$(bin udpseq) || skip "udpseq is not built"
	SEQ_PORT=$((SEQ_PORT + 1))
	ip netns exec "$(nsname "$3")" nice -n -10 "$prog" recv -p $SEQ_PORT -w 3600 -g "$TRAFFIC_GAP" \
		>"$TMP/traffic-$1.json" 2>>"$TMP/traffic.log" &
	SEQ_PID[$1]=$!
	SPAWNED+=($!)
	wait_event 5 eval "in_ns $3 ss -Hlun 'sport = $SEQ_PORT' | has ."
	ip netns exec "$(nsname "$2")" nice -n -10 "$prog" send -d "$4" -p $SEQ_PORT -r "$5" -t 3600 \
		-s "${SEQ_SIZE:-200}" >>"$TMP/traffic.log" 2>&1 </dev/null &
	TRAFFIC_SENDER[$1]=$!
	SPAWNED+=($!)
}
traffic_stop() {
	local d
	for d in in out; do kill "${TRAFFIC_SENDER[$d]}"; done
	for d in in out; do
		wait "${TRAFFIC_SENDER[$d]}" || fail "sender $d: $(tail -3 "$TMP/traffic.log")"
		# markers lost: there is no way through, it reports what came
		wait_for 5 eval "! kill -0 ${SEQ_PID[$d]}" || kill "${SEQ_PID[$d]}"
		wait "${SEQ_PID[$d]}" || true
	done
}
traffic_get() { jq -r ".$2" "$TMP/traffic-$1.json"; }
traffic_longest() { # traffic_longest DIR SINCE UNTIL JQ-EXPRESSION of the gap
	jq -r "[.gaps[] | select(.to >= $2 and .to <= ${3:-9e15})] |
		if length == 0 then 0 else (max_by(.to - .from) | $4) end" "$TMP/traffic-$1.json"
}
traffic_silence() { traffic_longest "$1" "$2" "${3:-}" ".to - .from"; }
traffic_back() { traffic_longest "$1" "$2" "${3:-}" ".to - $2"; }
# tcp_start SECONDS MBIT: one TCP stream from hin to hsp; tcp_end waits for it and prints the Mbit/s
# that arrived; it fails when the connection broke.
tcp_start() {
	spawn iperf3 hsp iperf3 -s -1 -B 6.6.2.4
	wait_event 5 eval "in_ns hsp ss -Hltn 'sport = 5201' | has ."
	ip netns exec "$(nsname hin)" iperf3 -J -c 6.6.2.4 -t "$1" -b "$2M" >"$TMP/tcp.json" 2>&1 &
	TCP_PID=$!
	SPAWNED+=($!)
}
tcp_end() {
	wait "$TCP_PID" || fail "TCP through the tunnel: $(jq -r '.error // "timeout"' "$TMP/tcp.json")"
	jq -r '.end.sum_received.bits_per_second / 1e6 * 10 | round / 10' "$TMP/tcp.json"
}

# answer_start NAME NS ADDRESS: asks that address every 5 ms until answer_stop NAME. Then
# answer_back NAME SINCE: ms from SINCE to the first answer after the longest silence.
declare -A ANSWER_PID=()
answer_start() {
	ip netns exec "$(nsname "$2")" nice -n -10 ping -n -D -i 0.005 "$3" >"$TMP/answers-$1" 2>&1 &
	ANSWER_PID[$1]=$!
	SPAWNED+=($!)
}
answer_stop() {
	kill -INT "${ANSWER_PID[$1]}"
	wait "${ANSWER_PID[$1]}" || true
}
answer_back() {
	awk -F'[][]' -v since="$2" '/bytes from/ {
			if (last && $2 - last > max) { max = $2 - last; at = $2 }
			last = $2
		}
		END { printf "%d\n", at * 1000 - since }' "$TMP/answers-$1"
}
