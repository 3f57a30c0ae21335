# shellcheck shell=bash
# auditlib.sh - the observer between the stateful pair and the spoke (tests/netns/esp_audit.c), the real keys that
# the spoke logs, sealed traffic at a rate that no spoke opens, split brain, and replays. Source it
# after stateful.sh.

# audit_cipher cbc|gcm: sets PAIR_SET, AUDIT_IV (octets of the explicit IV), AUDIT_CONN (for the spoke) and
# AUDIT_BULK (IP length of a sealed packet of bulk_start)
audit_cipher() {
	local tunnel=$((BULK_SIZE + 28 + 2)) udp=28 # inner packet, pad length, next header
	[ "${PAIR_SPOKE:-host}" = host ] || udp=20 # kernel ESP needs no UDP around it
	case $1 in
	cbc)
		PAIR_SET="esp-aes esp-sha-hmac" AUDIT_IV=16 AUDIT_CONN=()
		AUDIT_BULK=$((8 + 16 + (tunnel + 15) / 16 * 16 + 12 + udp))
		;;
	gcm)
		PAIR_SET="esp-gcm" AUDIT_IV=8 AUDIT_CONN=(ESPP=aes128gcm16-modp1024)
		AUDIT_BULK=$((8 + 8 + (tunnel + 3) / 4 * 4 + 16 + udp))
		;;
	*) fail "unknown cipher $1" ;;
	esac
}
BULK_SIZE=100
# audit_pair CIPHER: the pair with a spoke whose keys are known; sets ACT
audit_pair() {
	# routes beside those of the routing protocols: a restart of the gateway process ends their sessions
	PAIR_PREEMPT="" PAIR_PRIO_A=100 PAIR_EXTRA="ip route 6.6.16.0 255.255.255.0 6.6.146.1"
	audit_cipher "$1"
	audit_keys_on
	pair_topology
	ns_ip rin route add 6.6.2.0/24 via 6.6.146.100 metric 1000
	stateful_start
	ACT=""
	wait_event 40 either_settled
	wait_event 40 rin_adjacent_both
	# a machine that is busy with all this restarts a gateway process in 2 s: the spoke waits for it
	stateful_spoke "${AUDIT_CONN[@]}" DPD=5s DPDTO=15s
}
# shellcheck disable=SC2059
row() { printf "$FORMAT" "$@"; } # a line of a table

# ---- the observer ----------------------------------------------------------------------------
# audit_start: everything that the virtual address sends over the outer switch; audit_stop ends it, the result
# is $TMP/audit.json; audit_good FILE fails when a number occurred twice or frames escaped the observer.
# AUDIT_SAMPLE: file for whole packets, which audit_verify opens.
audit_start() {
	: >"$TMP/audit.lines"
	ip netns exec "$(nsname wan)" nice -n -11 "$(bin esp_audit)" watch -i br0 -s 6.6.156.100 -v "$AUDIT_IV" \
		${AUDIT_SAMPLE:+-w "$AUDIT_SAMPLE"} >"$TMP/audit.lines" 2>"$TMP/audit.log" &
	AUDIT_PID=$!
	SPAWNED+=($!)
	wait_event 5 grep -q 'listening on' "$TMP/audit.log"
}
audit_stop() {
	kill "$AUDIT_PID"
	wait "$AUDIT_PID" || true
	tail -1 "$TMP/audit.lines" >"$TMP/audit.json"
}
# audit_phase: sets PHASE to the observer's figures since the last call (JSON)
audit_phase() {
	local n
	n=$(wc -l <"$TMP/audit.lines")
	kill -USR1 "$AUDIT_PID"
	wait_event 5 phase_line $((n + 1))
	PHASE=$(tail -1 "$TMP/audit.lines")
}
phase_line() { [ "$(wc -l <"$TMP/audit.lines")" -ge "$1" ]; }
audit_good() {
	num "packets that the observer saw" "$(jq .packets "$1")" -gt 0
	eq "sequence numbers used twice" "$(jq .duplicate_sequences "$1")" 0
	audit_ivs_good "$1"
}
audit_ivs_good() { # sequence numbers aside, which a split brain may use twice
	eq "IVs used twice" "$(jq .duplicate_ivs "$1")" 0
	eq "frames that escaped the observer" "$(jq .dropped "$1")" 0
}

# ---- the keys --------------------------------------------------------------------------------
# audit_keys_on: before the spoke starts: its charon logs the keys of its SAs. audit_keys: they are in $TMP/keys then
audit_keys_on() {
	export CHARON_EXTRA="filelog { keys { path = $TMP/charon-keys
	    default = -1
	    time_format = %s
	    flush_line = yes
	    chd = 4 } }"
}
audit_keys() { "$REPO/tests/netns/charon_keys.py" "$TMP/charon-keys" >"$TMP/keys"; }
# kernel_keys_alike: the kernel of the guest has the keys that its charon logged
kernel_keys_alike() {
	local spi key n=0
	while read -r spi key; do
		grep -q "^$spi [a-z-]* $key " "$TMP/keys" || fail "the kernel has another key of SPI $spi"
		n=$((n + 1))
	done < <(in_guest g ip xfrm state | awk '/spi 0x/ { spi = substr($4, 3) } $1 ~ /^(aead|enc)$/ { print spi, substr($3, 3) }')
	num "SAs in the spoke's kernel" $n -ge 2
}
# audit_verify FILE: opens its packets with the real keys: once by the observer ($TMP/verify.json), once by tshark,
# which has nothing in common with it. Each packet must have a known key, a right ICV and an IPv4
# packet of the tunnel in it; no two SAs may have the same key: so an IV that occurs once in its SA
# occurs once with its key. Prints a line.
audit_verify() {
	local opts witness good
	audit_keys
	"$(bin esp_audit)" verify "$1" -k "$TMP/keys" >"$TMP/verify.json" || fail "verify: $(cat "$TMP/verify.json")"
	num "packets opened" "$(jq .opened "$TMP/verify.json")" -gt 0
	eq "SAs whose key is not known" "$(jq -r '.list[].spi' "$TMP/audit.json" | grep -cvFf <(cut -c1-8 "$TMP/keys") || true)" 0
	[ "${PAIR_SPOKE:-host}" = host ] || kernel_keys_alike
	mapfile -t opts < <("$REPO/tests/netns/charon_keys.py" "$TMP/charon-keys" --tshark)
	# `1 0 0x04`: ICV good, not bad, next header IPv4
	tshark -r "$1" -o esp.enable_encryption_decode:TRUE -o esp.enable_authentication_check:TRUE "${opts[@]}" \
		-Y esp.spi -T fields -e esp.icv_good -e esp.icv_bad -e esp.protocol >"$TMP/witness" 2>"$TMP/witness.log" ||
		fail "tshark: $(tail -3 "$TMP/witness.log")"
	witness=$(wc -l <"$TMP/witness") good=$(grep -c $'^1\t0\t0x04$' "$TMP/witness" || true)
	eq "packets that tshark opened, of $witness" "$good" "$(jq .opened "$TMP/verify.json")"
	eq "packets that tshark did not open" $((witness - good)) 0
	echo "opened with the real keys: $(jq .opened "$TMP/verify.json") packets of $(jq '.keys | length' "$TMP/verify.json") SAs" \
		"with as many different keys; tshark opened all of them, too"
}

# ---- sealed traffic ----------------------------------------------------------------------------
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

# ---- split brain -------------------------------------------------------------------------------
# split_begin: neither box hears the other one, on no line and not over the link, and every frame from either router
# reaches both: both work, with the same SAs and the same packets. split_end: they meet again.
split_begin() {
	local sw p
	for sw in wan lan; do
		p=${sw:0:1}
		in_ns "$sw" nft -f - <<-N
		table bridge split {
		  chain c {
		    type filter hook forward priority 0;
		    iifname "${p}a" oifname "${p}b" drop
		    iifname "${p}b" oifname "${p}a" drop
		  }
		}
		N
		# a switch that learns would give the shared MAC address to the box that spoke last
		split_learning "$sw" off
	done
	pair_cut replication a
}
split_end() {
	local sw
	for sw in wan lan; do
		in_ns "$sw" nft delete table bridge split
		split_learning "$sw" on
	done
	pair_heal replication a
}
split_learning() {
	local p
	for p in a b; do ns_ip "$1" link set "${1:0:1}$p" type bridge_slave learning "$2"; done
	ns_ip "$1" link set br0 type bridge fdb_flush
}

# ---- timers -------------------------------------------------------------------------------------
# pair_timers "TIMERS" NODE...: of all groups of both boxes in that order, by command and for the next start: the box
# that listens gets longer ones first and shorter ones last. timers_long: with a hold time that is longer
# than a restart the crash of a gateway process is no fail-over. timers_short: the usual ones again.
timers_long() { pair_timers "1 10" "$(pair_other "$ACT")" "$ACT"; }
timers_short() { pair_timers "msec 50 msec 150" "$ACT" "$(pair_other "$ACT")"; }
pair_timers() {
	local n
	for n in "${@:2}"; do
		cli "$n" "configure terminal" "interface GigabitEthernet0/0" "standby 1 timers $1" \
			"interface GigabitEthernet0/1" "standby 2 timers $1" "end" >/dev/null
		sed -i -E "s/^( standby [12] timers) .*/\1 $1/" "${PAIR_CFG[$n]}" # for its next start
	done
}

# ---- replays --------------------------------------------------------------------------------
drops_more() { [ "$(drop_count "$1" "$2")" -gt "$3" ]; }
# replay_after FAULT NODE PPS: that fault hits that box, active, while PPS numbered packets per second come in from
# the spoke; the spoke is silent from then on; all that it had sent before is sent to the box that works now.
# Above 10,000 packets/s, which is what charon seals, the packets are sealed with the spoke's own
# key on its behalf. Sets REPLAY_ACCEPTED (came out inside for the second time), REPLAY_LATE (those and what
# a box that wakes up adds), REPLAY_FRAMES, REPLAY_REFUSED and REPLAY_RATE. Mends the fault; ACT is the box that works.
replay_after() {
	local what=$1 node=$2 new before
	new=$(pair_other "$node")
	[ "$what" != crash ] || new=$node
	replay_traffic "$3"
	sleep 1 # traffic before the event
	case $what in # nothing newer moves the window of the box that works then
	kill | freeze | crash)
		replay_traffic_end
		fault "$what" "$node"
		;;
	poweroff) PAIR_AT_FAULT=replay_traffic_end fault "$what" "$node" ;;
	*) # a command takes its time: what comes in meanwhile may reach the other box
		fault "$what" "$node"
		replay_traffic_end
		;;
	esac
	replay_traffic_stop
	if [ "$what" = crash ]; then gateway_wait "$node"; fi
	wait_event 20 pair_is "$new" Active
	before=$(drop_count "$new" esp-replay)
	REPLAY_FRAMES=$(in_ns rt "$(bin esp_audit)" replay -i g -r 40000 "$TMP/replay.pcap" | jq .replayed)
	wait_event 10 drops_more "$new" esp-replay "$before"
	REPLAY_ACCEPTED=$(replay_duplicated)
	REPLAY_REFUSED=$(($(drop_count "$new" esp-replay) - before))
	mend "$what" "$node"
	wait_event 40 hot "$new"
	REPLAY_LATE=$(replay_duplicated)
	kill "${SEQ_PID[in]}"
	wait "${SEQ_PID[in]}" || true
	REPLAY_RECEIVED=$(jq -s '.[-1].received' "$TMP/traffic-in.json")
	ACT=$new
}
# the receiver's figures so far, taken when nothing has come for a moment
replay_duplicated() {
	local n was=-1 now=-2
	while [ "$was" != "$now" ]; do
		was=$now
		n=$(wc -l <"$TMP/traffic-in.json")
		kill -USR1 "${SEQ_PID[in]}"
		wait_event 5 eval "[ \"\$(wc -l <$TMP/traffic-in.json)\" -gt $n ]"
		now=$(jq -sc '.[-1] | [.received, .duplicated]' "$TMP/traffic-in.json")
		sleep 0.2 # a burst that is under way
	done
	jq -s '.[-1].duplicated' "$TMP/traffic-in.json"
}
# replay_traffic PPS: from the spoke to hin, recorded in $TMP/replay.pcap
replay_traffic() {
	rm -f "$TMP/replay.pcap"
	if [ "$1" -le 10000 ]; then
		replay_record "$TMP/replay.pcap"
		traffic_one in hsp hin 6.6.16.4 "$1"
		SEALER=""
		return
	fi
	replay_record "$TMP/form.pcap"
	wait_event 5 ping_works hsp 6.6.16.4
	replay_record_stop
	audit_keys
	replay_receiver
	ip netns exec "$(nsname rt)" nice -n -10 "$(bin esp_audit)" seal -i g "$TMP/form.pcap" -k "$TMP/keys" \
		-w "$TMP/replay.pcap" -s 6.6.25.2 -a 6.6.2.4 -d 6.6.16.4 -p $SEQ_PORT -r "$1" -t 60 \
		>"$TMP/sealed.json" 2>>"$TMP/traffic.log" &
	SEALER=$!
	SPAWNED+=($!)
	wait_event 5 eval "[ -s $TMP/replay.pcap ]"
}
replay_receiver() {
	SEQ_PORT=$((SEQ_PORT + 1))
	ip netns exec "$(nsname hin)" nice -n -10 "$(bin udpseq)" recv -p $SEQ_PORT -w 3600 -g "$TRAFFIC_GAP" \
		>"$TMP/traffic-in.json" 2>>"$TMP/traffic.log" &
	SEQ_PID[in]=$!
	SPAWNED+=($!)
	wait_event 5 eval "in_ns hin ss -Hlun 'sport = $SEQ_PORT' | has ."
}
replay_traffic_end() { # at once: no waiting, no markers (and no word from bash about it)
	if [ -n "$SEALER" ]; then kill "$SEALER"; else kill -PIPE "${TRAFFIC_SENDER[in]}"; fi
}
replay_traffic_stop() {
	if [ -n "$SEALER" ]; then
		wait "$SEALER" || fail "sealer: $(tail -3 "$TMP/traffic.log")"
		REPLAY_RATE=$(jq .rate "$TMP/sealed.json")
		return
	fi
	wait "${TRAFFIC_SENDER[in]}" 2>/dev/null || true
	replay_record_stop
	REPLAY_RATE=$(capinfos -Trmx "$TMP/replay.pcap" 2>/dev/null | cut -d, -f2 | cut -d. -f1)
}
replay_record() {
	: >"$TMP/replay.log"
	ip netns exec "$(nsname rt)" tcpdump -Z root -i g -n -s 0 -B 32768 -U --immediate-mode \
		-w "$1" 'src 6.6.25.2 and (esp or udp dst port 4500)' 2>"$TMP/replay.log" &
	RECORDER=$!
	SPAWNED+=("$RECORDER")
	wait_event 5 grep -q 'listening on' "$TMP/replay.log"
}
replay_record_stop() {
	kill -INT "$RECORDER"
	wait "$RECORDER" || true
}
