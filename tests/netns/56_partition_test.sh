#!/bin/bash
# What must not be noticed, and a split brain, each with numbered packets both ways and a TCP stream through a
# stock spoke: the standby box fails, the replication link fails, the standby process of either box is killed,
# hellos are lost both ways while the replication link lives; then both at once, and both boxes work. No role
# changes where none should, nothing is lost where nothing should be, nothing is negotiated anew, the pair is
# STANDBY HOT again, no invariant is found broken, and an observer sees no nonce twice.
#
# RUNS=n (1): each of them n times, the boxes in turn active; prints a table for docs/redundancy.md.
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
. "$REPO/tests/lab/auditlib.sh"
need jq nft tcpdump iperf3

RUNS=${RUNS:-1} PPS=${PPS:-500} ROWS=$TMP/rows

# ---- faults --------------------------------------------------------------------------------------
# denied: claims of the other box that ACT refused, told once a second
denied() { clij "$ACT" "show redundancy counters" '.groups[0].denials'; }
more_denied() { [ "$(denied)" -gt "$1" ]; }

# fault_is WHAT: does it, and returns when the boxes have felt it; fault_ends WHAT
fault_is() {
	local before
	case $1 in
	idle-kill) pair_kill "$IDLE" ;; # its standby process lives
	idle-off) pair_poweroff "$IDLE" && wait_event 10 alone "$ACT" ;;
	idle-freeze) pair_freeze "$IDLE" ;;
	link) pair_cut replication a && wait_event 10 alone "$ACT" ;;
	standby-active) standby_kill "$ACT" ;;
	standby-idle) standby_kill "$IDLE" ;;
	hellos)
		before=$(denied)
		hellos_lost
		wait_event 10 more_denied $((before + 3))
		;;
	split)
		hellos_lost
		pair_cut replication a
		wait_event 10 both_active
		;;
	esac
}
fault_ends() {
	case $1 in
	idle-kill) mend kill "$IDLE" ;;
	idle-off) mend poweroff "$IDLE" ;;
	idle-freeze) pair_thaw "$IDLE" ;;
	link) pair_heal replication a ;;
	hellos) hellos_pass ;;
	split)
		hellos_pass
		pair_heal replication a
		;;
	esac
}

# ---- one of them ---------------------------------------------------------------------------------
one() { # one WHAT RUN [TRY]
	local what=$1 full bytes in out lost mended hot roles stall
	IDLE=$(pair_other "$ACT")
	wait_event 30 settled "$ACT"
	full=$(peer_overflow) bytes=$(tcp_bytes)
	stall_watch
	traffic_start "$PPS"
	sleep 0.5 # traffic before it
	T=$(now_ms)
	fault_is "$what"
	sleep 1 # it lasts
	mended=$(now_ms)
	fault_ends "$what"
	if [ "$what" = split ]; then
		wait_event 30 either_settled
	else
		wait_event 30 settled "$ACT"
	fi
	hot=$(($(now_ms) - mended))
	wait_event 10 ping_works hsp 6.6.16.4
	wait_event 10 ping_works hin 6.6.2.4
	sleep 0.3
	traffic_stop
	stall=$(stall_stop)
	wait_event 10 tcp_passed $((bytes + 20000))
	in=$(traffic_silence in "$T") out=$(traffic_silence out "$T")
	lost=$(($(traffic_get in lost) + $(traffic_get out lost)))
	roles=$(pair_timeline "$T" | awk '$5 == "Active" || $4 == "Active"' | wc -l)
	echo "$what|$2|$in|$out|$(traffic_get in lost)|$(traffic_get out lost)|$hot|$roles|$(($(peer_overflow) - full))" | tee -a "$ROWS"
	eq "duplicates" "$(traffic_get in duplicated) $(traffic_get out duplicated)" "0 0"
	eq "the spoke's SAs after $what" "$(spoke_sas)" "$SAS"
	invariants_hold a b
	lost=$((lost - $(peer_overflow) + full))
	[ "$what" = split ] || {
		if [ "${3:-1}" -lt 4 ] && not_ours $lost "$PPS" "$stall"; then
			one "$what" "$2" $((${3:-1} + 1))
			return
		fi
		[ $lost -le 0 ] || fail "$what: $lost packets lost"
		eq "roles that changed at $what" "$(pair_timeline "$T" | awk -v n="$ACT" '$2 == n')" ""
	}
}

audit_cipher gcm
step "both boot, the spoke connects"
stateful_static "${AUDIT_CONN[@]}"
SAS=$(spoke_sas)
[ -n "$SAS" ] || fail "the spoke shows no SAs"
tcp_start 7200 1
audit_start
echo "what|run|silence in|out|lost in|out|hot again ms|changes of roles|spoke's sockets"
for ((run = 1; run <= RUNS; run++)); do
	for what in ${WHAT:-idle-kill idle-freeze idle-off link standby-active standby-idle hellos split}; do
		step "$what, $ACT is active"
		one "$what" $run
	done
	[ "$RUNS" -eq 1 ] || {
		wait_event 5 eval 'cli $ACT "redundancy force-switchover" >/dev/null 2>&1'
		wait_event 20 either_settled
	}
done
tcp_lives
audit_stop
jq -c 'del(.list)' "$TMP/audit.json"
eq "nonces used twice" "$(jq .duplicate_ivs "$TMP/audit.json")" 0
eq "frames that escaped the observer" "$(jq .dropped "$TMP/audit.json")" 0
