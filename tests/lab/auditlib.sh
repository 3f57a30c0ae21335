# shellcheck shell=bash
# auditlib.sh - the observer between the stateful pair and the spoke (tests/netns/esp_audit.c), sealed traffic at
# a rate that no spoke opens, and replays. Source it after stateful.sh.

# audit_cipher cbc|gcm: sets PAIR_SET, AUDIT_IV (octets of the explicit IV), AUDIT_CONN (for the spoke) and
# AUDIT_BULK (IP length of a sealed packet of bulk_start)
audit_cipher() {
	local tunnel=$((BULK_SIZE + 28 + 2)) # inner packet, pad length, next header
	case $1 in
	cbc)
		PAIR_SET="esp-aes esp-sha-hmac" AUDIT_IV=16 AUDIT_CONN=()
		AUDIT_BULK=$((8 + 16 + (tunnel + 15) / 16 * 16 + 12 + 28))
		;;
	gcm)
		PAIR_SET="esp-gcm" AUDIT_IV=8 AUDIT_CONN=(ESPP=aes128gcm16-modp1024)
		AUDIT_BULK=$((8 + 8 + (tunnel + 3) / 4 * 4 + 16 + 28))
		;;
	*) fail "unknown cipher $1" ;;
	esac
}
BULK_SIZE=100

# audit_start: everything that the virtual address sends over the outer switch; audit_stop ends it, the result
# is $TMP/audit.json; audit_good FILE fails when a number occurred twice or frames escaped the observer
audit_start() {
	ip netns exec "$(nsname wan)" nice -n -11 "$(bin esp_audit)" watch -i br0 -s 6.6.156.100 -v "$AUDIT_IV" \
		>"$TMP/audit.json" 2>"$TMP/audit.log" &
	AUDIT_PID=$!
	SPAWNED+=($!)
	wait_event 5 grep -q 'listening on' "$TMP/audit.log"
}
audit_stop() {
	kill "$AUDIT_PID"
	wait "$AUDIT_PID" || true
}
audit_good() {
	num "packets that the observer saw" "$(jq .packets "$1")" -gt 0
	eq "sequence numbers used twice" "$(jq .duplicate_sequences "$1")" 0
	eq "IVs used twice" "$(jq .duplicate_ivs "$1")" 0
	eq "frames that escaped the observer" "$(jq .dropped "$1")" 0
}

# bulk_start PPS: numbered datagrams from hin through the tunnel, dropped by the router behind the observer, known
# by their length; bulk_sent NODE: outbound packets of that box's SAs
bulk_start() {
	in_ns rt nft -f - <<-N
	table ip bulk {
	  chain c {
	    type filter hook prerouting priority -300;
	    iifname "g" ip saddr 6.6.156.100 ip length $AUDIT_BULK counter drop
	  }
	}
	N
	ip netns exec "$(nsname hin)" nice -n -5 "$(bin udpseq)" send -d 6.6.2.4 -p 6999 -r "$1" -t 3600 \
		-s "$BULK_SIZE" >>"$TMP/traffic.log" 2>&1 </dev/null &
	BULK_PID=$!
	SPAWNED+=($!)
	wait_event 5 bulk_reaches 1
}
bulk_count() { in_ns rt nft -j list table ip bulk | jq '[.. | .counter? // empty | .packets] | add // 0'; }
bulk_reaches() { [ "$(bulk_count)" -ge "$1" ]; }
bulk_sent() { sa_sum "$1" out packets; }
bulk_stop() {
	kill -9 "$BULK_PID"
	wait "$BULK_PID" 2>/dev/null || true
}

drops_more() { [ "$(drop_count "$1" "$2")" -gt "$3" ]; }
# replay_after_kill NODE PPS: that box, active, is killed while PPS numbered packets per second come in from the
# spoke; the spoke is silent from then on; all that it had sent before is sent to the other box again, which has
# taken over. Sets REPLAY_ACCEPTED: what came out inside for the second time. Starts the box again, ACT is the
# other one.
replay_after_kill() {
	local node=$1 new frames got before
	new=$(pair_other "$node")
	ip netns exec "$(nsname rt)" tcpdump -Z root -i g -n -s 0 -B 32768 -U --immediate-mode \
		-w "$TMP/replay.pcap" 'src 6.6.25.2 and (esp or udp dst port 4500)' 2>"$TMP/replay.log" &
	local dump=$!
	SPAWNED+=("$dump")
	wait_event 5 grep -q 'listening on' "$TMP/replay.log"
	traffic_one in hsp hin 6.6.16.4 "$2"
	sleep 1 # traffic before the event
	pair_kill "$node"
	kill -9 "${TRAFFIC_SENDER[in]}" # nothing newer moves the window of the box that takes over
	wait "${TRAFFIC_SENDER[in]}" 2>/dev/null || true
	wait_event 10 pair_is "$new" Active
	kill -INT "$dump"
	wait "$dump" || true
	before=$(drop_count "$new" esp-replay)
	frames=$(in_ns rt "$(bin esp_audit)" replay -i g "$TMP/replay.pcap" | jq .replayed)
	wait_event 5 drops_more "$new" esp-replay "$before"
	wait_event 10 ping_works hsp 6.6.16.4
	kill "${SEQ_PID[in]}"
	wait "${SEQ_PID[in]}" || true
	REPLAY_ACCEPTED=$(traffic_get in duplicated)
	got=$(traffic_get in received)
	echo "   $2 packets/s: $frames frames replayed after the take-over by $new, $REPLAY_ACCEPTED accepted for the" \
		"second time, $(($(drop_count "$new" esp-replay) - before)) refused as replays ($got packets had come in)"
	mend kill "$node"
	ACT=$new
}
