# shellcheck shell=bash
# guestspoke.sh - PAIR_SPOKE=guest: strongSwan with the ESP of a Linux kernel, in the user-mode Linux guest `g` of
# pair.sh, in place of the spoke and of the host behind it. Source it after stateful.sh: what ran in the
# namespaces `spk` and `hsp` runs in the guest, which shares the host's files.
peer() { in_guest g "$REPO/tests/lab/peer-strongswan.sh" "$@"; }
ss_start() { in_guest g env DP=kernel CHARON_EXTRA="${CHARON_EXTRA:-}" "$REPO/tests/lab/peer-strongswan.sh" start "$1" -; }
ss_conn() {
	local name=$1 conn=$2
	shift 2
	guest_ss_conn g "$name" "$conn" "$@"
}
in_ns() {
	local n=$1
	shift
	if [ "$n" = hsp ]; then in_guest g "$@"; else ip netns exec "$PREFIX-$n" "$@"; fi
}
spawn() { # of this library's callers: only iperf3 -s
	local name=$1 n=$2
	shift 2
	if [ "$n" = hsp ]; then
		guest bg g "$@"
	else
		ip netns exec "$PREFIX-$n" "$@" >>"$TMP/$name.log" 2>&1 </dev/null &
		SPAWNED+=($!)
	fi
}
# guest_run NAME OUT CMD...: in the guest, its process id there in $TMP/NAME.pid; guest_end NAME ends it
guest_run() {
	local name=$1 out=$2
	shift 2
	rm -f "$TMP/$name.pid" "$TMP/$name.end"
	guest bg g sh -c "echo \$\$ >$TMP/$name.pid; \"\$@\" >$out 2>>$TMP/traffic.log & echo \$! >$TMP/$name.pid
		wait \$!; echo >$TMP/$name.end" guest_run "$@"
	wait_event 10 test -s "$TMP/$name.pid"
}
guest_end() { in_guest g kill "$(cat "$TMP/$1.pid")"; }
traffic_start() {
	local prog
	prog=$(bin udpseq) || skip "udpseq is not built"
	SEQ_PORT=$((SEQ_PORT + 2))
	ip netns exec "$(nsname hin)" nice -n -10 "$prog" recv -p $SEQ_PORT -w 3600 -g "$TRAFFIC_GAP" \
		>"$TMP/traffic-in.json" 2>>"$TMP/traffic.log" &
	# shellcheck disable=SC2154
	SEQ_PID[in]=$!
	SPAWNED+=($!)
	guest_run recv "$TMP/traffic-out.json" "$prog" recv -p $((SEQ_PORT + 1)) -w 3600 -g "$TRAFFIC_GAP"
	sleep 0.5 # it binds
	guest_run send /dev/null "$prog" send -d 6.6.16.4 -p $SEQ_PORT -r "$1" -t 3600 -s "${SEQ_SIZE:-200}"
	ip netns exec "$(nsname hin)" nice -n -10 "$prog" send -d 6.6.2.4 -p $((SEQ_PORT + 1)) -r "$1" -t 3600 \
		-s "${SEQ_SIZE:-200}" >>"$TMP/traffic.log" 2>&1 </dev/null &
	TRAFFIC_SENDER[out]=$!
	SPAWNED+=($!)
}
traffic_stop() {
	guest_end send
	kill "${TRAFFIC_SENDER[out]}"
	wait "${TRAFFIC_SENDER[out]}" || fail "sender out: $(tail -3 "$TMP/traffic.log")"
	wait_for 5 eval "! kill -0 ${SEQ_PID[in]}" || kill "${SEQ_PID[in]}"
	wait "${SEQ_PID[in]}" || true
	wait_for 5 test -e "$TMP/recv.end" || guest_end recv
	wait_event 5 test -e "$TMP/recv.end"
}
