# _traffic.sh - traffic and what is seen of it on the wire.

# ping_lost NS DESTINATION COUNT [PING ARGS]: prints how many were lost; 2 ms apart. Counted by the
# kernel: ping itself waits for the last reply no longer than twice the longest so far.
PING_LOST='
	replies() { nstat -asz IcmpInEchoReps | awk "/InEchoReps/ { print \$2 }"; }
	count=$1 dst=$2 before=$(replies)
	shift 2
	ping -q -n -c "$count" -i 0.002 -W 2 "$@" "$dst" >/dev/null
	for try in $(seq 20); do
		lost=$((count - $(replies) + before))
		[ $lost -gt 0 ] || break
		sleep 0.1
	done
	echo $lost'
ping_lost() {
	local ns=$1 dst=$2 count=$3
	shift 3
	in_ns "$ns" sh -c "$PING_LOST" ping_lost "$count" "$dst" "$@"
}
guest_ping_lost() { # guest_ping_lost GUEST DESTINATION COUNT [PING ARGS]
	local g=$1 dst=$2 count=$3
	shift 3
	in_guest "$g" sh -c "$PING_LOST" ping_lost "$count" "$dst" "$@"
}
ping_works() { # ping_works NS DESTINATION [PING ARGS]
	local ns=$1 dst=$2
	shift 2
	in_ns "$ns" ping -q -n -c 1 -W 1 "$@" "$dst" >/dev/null
}
# pings_both COUNT: the walkthrough's two hosts, each way, nothing lost
pings_both() {
	eq "pings lost from inside" "$(ping_lost hin 6.6.2.4 "$1")" 0
	eq "pings lost from behind the spoke" "$(ping_lost hsp 6.6.146.4 "$1")" 0
}

# tcp_mbit SERVER-NS CLIENT-NS ADDRESS [SECONDS] [IPERF3 ARGS]: Mbit/s received; fails on none
tcp_mbit() {
	local srv=$1 cli=$2 addr=$3 secs=${4:-2} out
	shift 3
	[ $# -eq 0 ] || shift
	spawn iperf3 "$srv" iperf3 -s -1 -B "$addr"
	wait_event 5 eval "in_ns $srv ss -Hltn 'sport = 5201' | has ."
	out=$(in_ns "$cli" timeout $((secs + 15)) iperf3 -J -c "$addr" -t "$secs" "$@") ||
		fail "TCP through the tunnel: $(jq -r '.error // "timeout"' <<<"$out")"
	jq -r '.end.sum_received.bits_per_second / 1e6 * 10 | round / 10' <<<"$out"
}

# seq_start TAG SENDER-NS RECEIVER-NS ADDRESS PPS SECONDS [FLOWS]: numbered datagrams (udpseq.c)
declare -A SEQ_PID=()
SEQ_PORT=7000
seq_start() {
	local tag=$1 snd=$2 rcv=$3 addr=$4 pps=$5 secs=$6 flows=${7:-1} prog
	prog=$(bin udpseq) || skip "udpseq is not built"
	SEQ_PORT=$((SEQ_PORT + 1))
	ip netns exec "$(nsname "$rcv")" "$prog" recv -p $SEQ_PORT -w $((secs + 5)) >"$TMP/seq-$tag.json" 2>>"$TMP/seq-$tag.log" &
	SEQ_PID[$tag]=$!
	SPAWNED+=($!)
	wait_event 5 eval "in_ns $rcv ss -Hlun 'sport = $SEQ_PORT' | has ."
	spawn "seq-$tag" "$snd" "$prog" send -d "$addr" -p $SEQ_PORT -r "$pps" -t "$secs" -n "$flows" \
		-s "${SEQ_SIZE:-200}"
}
seq_running() { kill -0 "${SEQ_PID[$1]}" 2>/dev/null; }
seq_wait() { wait "${SEQ_PID[$1]}" || fail "udpseq $1: $(cat "$TMP/seq-$1.log")"; }
seq_get() { jq -r ".$2" "$TMP/seq-$1.json"; } # seq_get TAG FIELD: sent, received, lost, ...
# Packets that the peer's ESP socket, or its tunnel device, had no room for (its process got no
# processor): the lab's loss, not the gateway's.
peer_overflow() {
	[ -e "/run/netns/$(nsname spk)" ] || { echo 0; return; }
	in_ns spk awk '/^Udp:/ && $6 ~ /^[0-9]/ { n += $6 } /^ *ipsec0:/ { n += $13 } END { print n + 0 }' \
		/proc/net/snmp /proc/net/dev
}
# seq_perfect TAG: all arrived, once, in order within each flow
seq_perfect() {
	local lost
	seq_wait "$1"
	num "$1 sent" "$(seq_get "$1" sent)" -gt 0
	lost=$(seq_get "$1" lost)
	[ "$lost" = 0 ] || echo "note: $1 lost $lost, the peer's socket overflowed by $(peer_overflow)"
	num "$1 lost" "$lost" -le "$(peer_overflow)"
	eq "$1 duplicated" "$(seq_get "$1" duplicated)" 0
	eq "$1 reordered" "$(seq_get "$1" reordered)" 0
}

# capture_start NAME NS IF; capture_stop NAME; capture_filter NAME FILTER prints how many
declare -A CAPTURE_PID=()
capture_start() {
	ip netns exec "$(nsname "$2")" tcpdump -Z root -i "$3" -n -s 200 -B 16384 --immediate-mode -U -w "$TMP/$1.pcap" \
		2>"$TMP/capture-$1.log" &
	CAPTURE_PID[$1]=$!
	SPAWNED+=($!)
	wait_event 5 grep -q 'listening on' "$TMP/capture-$1.log"
}
capture_stop() {
	kill -INT "${CAPTURE_PID[$1]}"
	wait "${CAPTURE_PID[$1]}" || true
	unset "CAPTURE_PID[$1]"
}
capture_filter() { tcpdump -nr "$TMP/$1.pcap" "$2" 2>/dev/null | wc -l; }
# What may be on an outer link: ARP, IKE, ESP, ESP in UDP, and the later fragments of the latter
OUTER_ALLOWED='arp or esp or udp port 500 or udp port 4500 or (udp and ip[6:2] & 0x1fff != 0)'
capture_clear() { capture_filter "$1" "not ($OUTER_ALLOWED)"; } # clear packets seen
capture_esp() { capture_filter "$1" 'esp or (udp port 4500 and udp[4:2] > 9 and udp[8:4] != 0)'; }
