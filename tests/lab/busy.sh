#!/bin/bash
# busy.sh [-t SECONDS] [-p PROCESSES] [-n NICE] [-g] - the stateful pair beside a busy machine: PROCESSES (8) busy loops of a
# session of their own, SECONDS (30). Prints how far apart the hellos of either box were, on both sides, what each
# thread of both boxes waited for a processor (longest and altogether), how often a role changed, the replication
# link went down or a claim was made. Nothing of that may happen. Needs root.
#   -g            without the weight that the labs' session has against others where the kernel groups by session
#   TANDEM_BUILD  build directory (default build); PAIR_TIMERS  (msec 50 msec 150)
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
. "$REPO/tests/lab/hello.sh"
need jq tcpdump setsid

SECONDS_OF=30 HOGS=8 NICE=0 PLAIN=""
while getopts t:p:n:g o; do
	case $o in
	t) SECONDS_OF=$OPTARG ;;
	p) HOGS=$OPTARG ;;
	n) NICE=$OPTARG ;;
	g) PLAIN=1 ;;
	*) exit 2 ;;
	esac
done

# every thread of both boxes: NODE COMM TID
threads() {
	local n p t
	for n in a b; do
		for p in ${GW_PID[$n]} $(standby_pid $n); do
			for t in "/proc/$p/task"/*; do echo "$n $(tr ' ' _ <"$t/comm") ${t##*/}"; done
		done
	done
}
waits() { # NODE COMM TID, what it has waited for a processor so far (ns)
	threads | while read -r n comm t; do echo "$n $comm $t $(awk '{ print $2 }' "/proc/$t/schedstat")"; done
}
link_ups() { clij "$1" "show ipc" .established; }
claims() { clij "$1" "show redundancy counters" '[.groups[].claims] | add'; }

[ -z "$PLAIN" ] || { echo 0 >/proc/$$/autogroup; } 2>/dev/null || true
stateful_static
SAS=$(spoke_sas)
waits >"$TMP/before"
T=$(now_ms)
for n in a b; do echo "$(link_ups $n) $(claims $n)"; done >"$TMP/counts"
hello_watch in rin core
hello_watch out rt g
traffic_start 1000
for ((i = 0; i < HOGS; i++)); do
	setsid nice -n "$NICE" sh -c 'while :; do :; done' &
	SPAWNED+=($!)
done
sleep "$SECONDS_OF"
traffic_stop
hello_stop in
hello_stop out
waits >"$TMP/after"
echo "$HOGS busy loops, nice $NICE, $SECONDS_OF s, timers ${PAIR_TIMERS:-msec 50 msec 150}, load $(cut -d' ' -f1-3 /proc/loadavg)"
echo "hellos: count p50 p99 max ms"
for n in a b; do
	o=$(pair_octet $n)
	echo "  $n inside $(hello_stats in 6.6.146.$o); outside $(hello_stats out 6.6.156.$o)"
done
echo "threads: policy, nice, waited for a processor (ms of $((SECONDS_OF * 1000)))"
join <(awk '{ print $3, $4 }' "$TMP/before" | sort) <(awk '{ print $3, $1, $2, $4 }' "$TMP/after" | sort) |
	while read -r t before n comm after; do
		printf '  %s %-16s %-10s %6d\n' "$n" "$comm" "$(chrt -p "$t" | sed -n 's/.*policy: SCHED_//p') $(awk '{ print $19 }' "/proc/$t/stat" 2>/dev/null)" $(((after - before) / 1000000))
	done | sort -k1,1 -k5,5nr
for n in a b; do echo "$n: link ups, claims before: $(sed -n "$([ $n = a ] && echo 1 || echo 2)p" "$TMP/counts"); now: $(link_ups $n) $(claims $n)"; done
for d in in out; do echo "$d: lost $(traffic_get $d lost) of $(traffic_get $d sent), longest silence $(traffic_get $d gap_ms) ms"; done
echo "changes of roles:"
pair_timeline "$T" | sed 's/^/  /'
eq "renegotiated" "$(renegotiated "$SAS")" 0
invariants_hold a b
