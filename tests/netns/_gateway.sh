# _gateway.sh - the gateway in a namespace, its configuration, its displays.
#
# The standard place of all tests is the reference walkthrough's, with a host at either end:
#
#   hin             gw                              rt                spk              hsp
#  .4 --6.6.146.0-- .10 [in  out] .100 --6.6.156.0-- .1 .1 --6.6.25.0-- .2 .2 --6.6.2.0-- .4
#  inside host     gateway                      router, capture       spoke         host behind it
#
# 6.6.156.100, the walkthrough's virtual address, is the gateway's own until two gateways share it.

declare -A GW_PID=() # name -> pid
TANDEM=$(bin tandem) || true # a test that needs it says so: gateway_start

walk_inside() {
	ns_add hin gw rt
	link_add hin e0 6.6.146.4/24 gw in -
	link_add gw out - rt g 6.6.156.1/24
	ns_ip hin route add default via 6.6.146.10
	# the network outside would carry clear packets both ways: only the gateway stops them
	ns_ip rt route add 6.6.146.0/24 via 6.6.156.100
}
walk_topology() {
	walk_inside
	ns_add spk hsp
	link_add rt s 6.6.25.1/24 spk wan 6.6.25.2/24
	link_add spk lan 6.6.2.2/24 hsp e0 6.6.2.4/24
	ns_ip hsp route add default via 6.6.2.2
	ns_ip spk route add default via 6.6.25.1
	ns_ip rt route add 6.6.2.0/24 via 6.6.25.2
}
# The spoke as a guest `g` with the kernel's ESP; 6.6.2.4 is an address of its own.
walk_topology_guest() {
	walk_inside
	ns_add spk
	link_add rt s 6.6.25.1/24 spk p -
	guest_start g spk p
	in_guest g sh -c "ip addr add 6.6.25.2/24 dev vec0; ip addr add 6.6.2.4/24 dev lo
		ip link set vec0 up; ip route add default via 6.6.25.1"
}
# A second spoke at 6.6.26.2 with 6.6.3.0/24 behind it, and the gateway's lines for it.
walk_second_spoke() {
	ns_add spk2 hsp2
	link_add rt s2 6.6.26.1/24 spk2 wan 6.6.26.2/24
	link_add spk2 lan 6.6.3.2/24 hsp2 e0 6.6.3.4/24
	ns_ip hsp2 route add default via 6.6.3.2
	ns_ip spk2 route add default via 6.6.26.1
}
SECOND_EXTRA='crypto isakmp key second address 6.6.26.2
ip access-list extended SECOND
 permit ip 6.6.146.0 0.0.0.255 6.6.3.0 0.0.0.255'
SECOND_MAP='crypto map MAP2 20 ipsec-isakmp
 set peer 6.6.26.2
 set transform-set SET2
 set pfs group2
 match address SECOND'
second_conn() { # second_conn: loads the second spoke's connection
	ss_conn spk2 second LOCAL=6.6.26.2 LTS=6.6.3.0/24 PSK=second
}
# walk_up [ss_conn VARIABLES]: gateway and spoke up, tunnel by the spoke
walk_up() {
	gateway_start gw gw
	ss_start spk spk
	ss_conn spk walk "$@"
	ss_init spk walk || fail "the spoke got no tunnel"
	wait_event 10 session_is gw 6.6.25.2 UP-ACTIVE
	wait_event 5 ping_works hsp 6.6.146.4
}

# Prints the gateway's configuration. Overrides by environment:
#  GW_WORKERS GW_ENCR GW_HASH GW_GROUP GW_IKE_LIFE GW_KEY GW_PEER GW_DPD GW_SET (algorithms of the
#  transform set) GW_PFS (empty: none) GW_LIFE (IPsec seconds) GW_REMOTE_NET GW_EXTRA (lines before
#  the interfaces) GW_MAP_EXTRA (lines in a second map entry and so on, after the first)
walk_config() {
	cat <<-C
	hostname R10
	dataplane workers ${GW_WORKERS:-1}
	dataplane idle-sleep 50
	crypto isakmp policy 10
	 encr ${GW_ENCR:-aes}
	 hash ${GW_HASH:-sha}
	 authentication pre-share
	 group ${GW_GROUP:-2}
	 lifetime ${GW_IKE_LIFE:-86400}
	crypto isakmp key ${GW_KEY:-cisco} address ${GW_PEER:-6.6.25.2}
	crypto isakmp keepalive ${GW_DPD:-10 3 periodic}
	crypto ipsec transform-set SET2 ${GW_SET:-esp-aes esp-sha-hmac}
	crypto ipsec security-association replay window-size 1024
	${GW_LIFE:+crypto ipsec security-association lifetime seconds $GW_LIFE}
	${GW_EXTRA:-}
	ip access-list extended HA_VPN
	 permit ip 6.6.146.0 0.0.0.255 ${GW_REMOTE_NET:-6.6.2.0 0.0.0.255}
	crypto map MAP2 10 ipsec-isakmp
	 set peer ${GW_PEER:-6.6.25.2}
	 set transform-set SET2
	 ${GW_PFS-set pfs group2}
	 match address HA_VPN
	${GW_MAP_EXTRA:-}
	interface GigabitEthernet0/0
	 device vdev net_af_packet0,iface=in
	 ip address 6.6.146.10 255.255.255.0
	interface GigabitEthernet0/1
	 device vdev net_af_packet1,iface=out
	 ip address 6.6.156.100 255.255.255.0
	 crypto map MAP2
	ip route 0.0.0.0 0.0.0.0 6.6.156.1
	C
}

# gateway_start NAME NS [CONFIG-FILE]: default configuration: walk_config. Returns when it answers.
gateway_start() {
	gateway_launch "$@"
	gateway_wait "$1"
}
# gateway_launch NAME NS [CONFIG-FILE]: does not wait
gateway_launch() {
	local name=$1 ns=$2 cfg=${3:-$TMP/$1.cfg}
	local daemon
	daemon=$(bin tandemd) || skip "tandemd is not built"
	[ $# -ge 3 ] || walk_config >"$cfg"
	mkdir -p "$TMP/run-$name"
	# shellcheck disable=SC2086
	ip netns exec "$(nsname "$ns")" "$daemon" -c "$cfg" -r "$TMP/run-$name" ${GW_ARGS:-} \
		>>"$TMP/$name.log" 2>&1 </dev/null &
	GW_PID[$name]=$!
}
gateway_wait() {
	wait_for "${GW_WAIT:-30}" gateway_answers "$1" || {
		tail -20 "$TMP/$1.log" >&2
		fail "gateway $1 did not start"
	}
}
gateway_answers() {
	# gone already: stop waiting by answering, the caller's next command fails with the log
	kill -0 "${GW_PID[$1]}" 2>/dev/null || return 0
	[ -S "$TMP/run-$1/cli.sock" ] && cli "$1" "show running-config"
}
gateway_alive() { kill -0 "${GW_PID[$1]}" 2>/dev/null; }
# gateway_stop NAME: asks it to end; it has to, cleanly and without a complaint of a sanitizer
gateway_stop() {
	local pid=${GW_PID[$1]} rc=0
	unset "GW_PID[$1]"
	kill "$pid" 2>/dev/null || { echo "gateway $1 died: $(tail -3 "$TMP/$1.log")" >&2; return 1; }
	kill -CONT "$pid" 2>/dev/null || true # should a test have stopped it; it may have ended by now
	wait_for 10 eval "! kill -0 $pid" || { kill -9 "$pid"; echo "gateway $1 did not stop" >&2; return 1; }
	wait "$pid" || rc=$?
	[ $rc -eq 0 ] || { echo "gateway $1 exited with $rc" >&2; return 1; }
	# its standby process ends behind it and writes to the same log
	wait_for 10 eval "! pgrep -f 'tandem-standby -r $TMP/run-$1\$'" || true
	! grep -aE '(Address|Leak|Thread)Sanitizer|runtime error:' "$TMP/$1.log" >&2
}
gateway_kill() { # the crash
	kill -9 "${GW_PID[$1]}"
	wait "${GW_PID[$1]}" 2>/dev/null || true
	unset "GW_PID[$1]"
}
gateways_stop() {
	local n rc=0
	for n in "${!GW_PID[@]}"; do gateway_stop "$n" || rc=1; done
	return $rc
}
gateways_dump() { # what an engineer wants to see of a failed test
	local n c
	for n in "${!GW_PID[@]}"; do
		gateway_alive "$n" || { echo "gateway $n is dead" >>"$TMP/$n.log"; continue; }
		for c in "show crypto session detail" "show crypto isakmp sa detail" \
			"show crypto ipsec sa" "show dataplane" "show dataplane drops" "show interfaces" \
			"show standby" "show track" "show redundancy states" "show redundancy counters"; do
			echo "### $c" >>"$TMP/$n-show.log"
			timeout 5 "$TANDEM" -r "$TMP/run-$n" -c "$c" >>"$TMP/$n-show.log" 2>&1
			[ $? -ne 124 ] || break # it hangs
		done
	done
}

# cli NAME COMMAND...: each one a line of the same session
cli() {
	local name=$1 a=()
	shift
	while [ $# -gt 0 ]; do a+=(-c "$1"); shift; done
	timeout 10 "$TANDEM" -r "$TMP/run-$name" "${a[@]}"
}
clij() { # clij NAME COMMAND JQ-FILTER
	timeout 10 "$TANDEM" -r "$TMP/run-$1" -j -c "$2" | jq -r "$3"
}
log_has() { grep -Eq -- "$2" "$TMP/$1.log"; } # log_has NAME REGEX
log_count() { grep -Ec -- "$2" "$TMP/$1.log" || true; }
drop_count() { # drop_count NAME REASON
	clij "$1" "show dataplane drops" ".drops[\"$2\"] // 0"
}
session_is() { # session_is NAME PEER STATUS
	[ "$(clij "$1" "show crypto session" ".sessions[] | select(.peer == \"$2\") | .status")" = "$3" ]
}
sa_sum() { # sa_sum NAME DIRECTION FIELD [PEER]: over the SAs of a direction
	clij "$1" "show crypto ipsec sa" "[.sas[] | select(.direction == \"$2\"
		and (\"${4:-}\" == \"\" or .peer == \"${4:-}\")) | .$3] | add // 0"
}
sa_count() { # sa_count NAME DIRECTION
	clij "$1" "show crypto ipsec sa" "[.sas[] | select(.direction == \"$2\")] | length"
}
sa_spis() { clij "$1" "show crypto ipsec sa" '[.sas[].spi] | sort | join(" ")'; }
ike_count() { clij "$1" "show crypto isakmp sa" '[.sas[] | select(.status == "active")] | length'; }
