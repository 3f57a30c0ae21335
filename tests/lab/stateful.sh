# shellcheck shell=bash
# stateful.sh - the pair of pair.sh with stateful switchover. Source it after pair.sh.
# The replication link is `rep` (10.0.0.1, 10.0.0.2); PAIR_STATEFUL_EXTRA adds lines to the association.

stateful_link() { # stateful_link NODE [GROUP]: the lines that make two boxes a pair
	local own=10.0.0.1 peer=10.0.0.2
	[ "$1" = a ] || { own=10.0.0.2 peer=10.0.0.1; }
	cat <<-C
	redundancy inter-device
	 scheme standby ${2:-HSRP}
	ipc zone default
	 association 1
	  no shutdown
	  ${PAIR_STATEFUL_EXTRA:-security psk a-long-random-string}
	  protocol sctp
	   local-port 5000
	    local-ip $own
	    retransmit-timeout 100 400
	    path-retransmit 2
	    assoc-retransmit 3
	   remote-port 5000
	    remote-ip $peer
	C
}
stateful_config() { # stateful_config NODE: its configuration
	PAIR_EXTRA="$(stateful_link "$1")
	${PAIR_EXTRA:-}" \
		PAIR_OUT_EXTRA="crypto map MAP2 redundancy HSRP stateful
	 ${PAIR_OUT_EXTRA:-}" \
		pair_config "$1"
}
stateful_start() {
	local n
	for n in a b; do stateful_config $n >"$TMP/$n.cfg"; done
	pair_start "$TMP/a.cfg" "$TMP/b.cfg"
}
# stateful_static [VARIABLES]: the network and both boxes without routing protocols, the spoke connected; sets ACT.
# Without preemption: each box stays what it has become.
stateful_static() {
	local n
	PAIR_PREEMPT="" PAIR_PRIO_A=100 PAIR_EXTRA="ip route 6.6.16.0 255.255.255.0 6.6.146.1"
	pair_topology
	ns_ip rin route add 6.6.2.0/24 via 6.6.146.100
	PAIR_CFG=([a]=$TMP/a.cfg [b]=$TMP/b.cfg)
	for n in a b; do stateful_config $n >"$TMP/$n.cfg"; done
	pair_both
	wait_event 30 either_settled
	stateful_spoke "$@"
	wait_event 10 settled "$ACT"
}

# rf NODE JQ-FILTER: of `show redundancy states`
rf() { clij "$1" "show redundancy states" "$2"; }
# hot ACTIVE: that box works, the other one is STANDBY HOT and fresh, and both say so
hot() {
	local o
	o=$(pair_other "$1")
	[ "$(rf "$1" '.my_state + "," + .peer_state')" = "ACTIVE,STANDBY HOT" ] &&
		[ "$(rf "$o" '.my_state + "," + .peer_state + "," + (.fresh | tostring)')" = "STANDBY HOT,ACTIVE,true" ]
}
# settled NODE: all of it is that box's, the other one is ready
settled() { pair_settled "$1" && hot "$1"; }
either_settled() { # sets ACT
	local n
	for n in a b; do
		if settled $n; then
			ACT=$n
			return 0
		fi
	done
	return 1
}
# fault WHAT NODE, mend WHAT NODE: kill, freeze, poweroff, cut-SIDE; planned and crash
# (the gateway process alone, started again at once) need no mending
fault() {
	case $1 in
	kill) pair_kill "$2" ;;
	freeze) pair_freeze "$2" ;;
	poweroff) pair_poweroff "$2" ;;
	cut-*) pair_cut "${1#cut-}" "$2" ;;
	planned) cli "$2" "redundancy force-switchover" >/dev/null ;;
	crash) pair_kill "$2" && pair_launch "$2" ;;
	*) fail "unknown fault $1" ;;
	esac
}
mend() {
	case $1 in
	kill) pair_launch "$2" && gateway_wait "$2" ;;
	freeze) pair_thaw "$2" ;;
	poweroff) pair_poweron "$2" && pair_launch "$2" && gateway_wait "$2" ;;
	cut-*) pair_heal "${1#cut-}" "$2" ;;
	crash) gateway_wait "$2" ;;
	esac
}
# stateful_spoke [VARIABLES]: the spoke connects and packets pass; PAIR_SPOKE=guest: kernel ESP
stateful_spoke() {
	pair_spoke_start "$@"
	wait_event 20 ss_init spk pair
	wait_event 20 ping_works hin 6.6.2.4
}
# the standby process of a box; tandemd starts another one when it is gone
standby_pid() {
	local p
	for p in $(ip netns pids "$(nsname "gw$1")"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != tandem-standby ] || echo "$p"
	done
}
standby_kill() {
	local p
	for p in $(standby_pid "$1"); do kill -9 "$p"; done
}
# The switches drop what the boxes send each other of HSRP, in both directions; everything else passes.
hellos_lost() {
	local sw
	for sw in wan lan; do
		in_ns $sw nft -f - <<-N
		table bridge hellos {
		  chain c {
		    type filter hook prerouting priority 0;
		    udp dport 1985 drop
		  }
		}
		N
	done
}
hellos_pass() {
	local sw
	for sw in wan lan; do in_ns $sw nft delete table bridge hellos; done
}
alone() { [ "$(rf "$1" .alone)" = true ]; }
both_active() { pair_is a Active && pair_is b Active; }
# what a renegotiation would change: SPIs of the IPsec SAs and cookies of the IKE SA, as the spoke has
# them
spoke_sas() {
	peer sas spk | grep -aoE '[0-9a-f]{16}_[ir]|\b(in|out) +[0-9a-f]{8}' | tr -d ' ' | sort | xargs
}
# renegotiated SAS: how many of the spoke's present SPIs and cookies are not among SAS
renegotiated() { comm -13 <(tr ' ' '\n' <<<"$1" | sort) <(spoke_sas | tr ' ' '\n' | sort) | grep -c . || true; }
# tcp_bytes: what the receiver of tcp_start's stream has got so far
tcp_bytes() {
	in_ns hsp ss -tinH 'sport = 5201' | grep -oE 'bytes_received:[0-9]+' | cut -d: -f2 | sort -n | tail -1
}
tcp_passed() { [ "$(tcp_bytes)" -gt "$1" ]; }
# tcp_lives: the stream still moves; then it is ended
tcp_lives() {
	wait_event 30 tcp_passed $(($(tcp_bytes) + 100000))
	kill -INT "$TCP_PID"
	wait "$TCP_PID" || true
	eq "end of the TCP stream" "$(jq -r .error "$TMP/tcp.json")" "interrupt - the client has terminated"
}
# stall_start [COMMAND...], stall_stop: prints for how many ms, at the longest, a processor was not to be had
# meanwhile. COMMAND says for whom: by default what load did counts, too.
stall_start() {
	[ $# -gt 0 ] || set -- nice -n -10
	"$@" "$(bin udpseq)" stall -w 3600 >"$TMP/stall.json" 2>&1 &
	STALL_PID=$!
	SPAWNED+=($!)
}
stall_stop() {
	kill "$STALL_PID"
	wait_for 5 eval "! kill -0 $STALL_PID"
	jq -r .stall_ms "$TMP/stall.json"
}
# stall_watch: as stall_start, before everything of Tandem's: what its own threads do does not count.
# not_ours LOST PPS MS: what was lost of PPS each way may be the machine's doing, which stood still for MS: longer
# than a hello time, and no more is lost than was sent in that time. Then the caller does it all again:
# what Tandem loses, it loses without that, too.
stall_watch() { stall_start chrt -f 90; }
not_ours() {
	[ "$1" -gt 0 ] && [ "$3" -ge 50 ] && [ "$1" -le $((2 * $2 * $3 / 1000 + 2)) ] || return 1
	echo "   the machine stood still for $3 ms, $1 packets lost: again"
}
# invariants_hold NODE...: none was found broken
invariants_hold() {
	local n
	for n; do
		[ -n "${GW_PID[$n]:-}" ] && gateway_alive "$n" || continue
		eq "groups at $n, and invariants found broken" \
			"$(clij "$n" "show redundancy counters" '[.groups[].invariants_broken] | "\(length > 0) \(add)"')" "true 0"
	done
}
