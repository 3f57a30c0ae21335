# hello.sh - how punctual hellos are, seen from the other side. Source it after pair.sh.

# hello_watch NAME NS IF; hello_stop NAME
hello_watch() {
	ip netns exec "$(nsname "$2")" nice -n -10 tcpdump -Z root -i "$3" -n -s 64 -B 4096 --immediate-mode -U \
		-w "$TMP/hello-$1.pcap" 'udp port 1985' 2>"$TMP/capture-hello-$1.log" &
	CAPTURE_PID["hello-$1"]=$!
	SPAWNED+=($!)
	wait_event 5 grep -q 'listening on' "$TMP/capture-hello-$1.log"
}
hello_stop() { capture_stop "hello-$1"; }
# hello_stats NAME SOURCE: of that box's hellos: how many, and p50, p99 and the largest distance in
# milliseconds between two of them
hello_stats() {
	tcpdump -tt -nr "$TMP/hello-$1.pcap" "src host $2" 2>/dev/null |
		awk '{ t = $1 * 1000; if (last) printf "%.2f\n", t - last; last = t }' | sort -n |
		awk '{ d[NR] = $1 }
			END { printf "%d %s %s %s\n", NR, d[int((NR + 1) / 2)], d[int(NR * 0.99 + 0.5)], d[NR] }'
}
