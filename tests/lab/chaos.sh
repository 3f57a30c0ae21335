#!/bin/bash
# chaos.sh [-m MINUTES] [-n EVENTS] [-s SEED] [-k SKIP] [EVENT...] - the real processes of the stateful pair under random events,
# one after the other, at random moments and of random length, until MINUTES (5) have passed or event number EVENTS has
# been. -k goes on with a seed behind its event number SKIP: a long run in several pieces. Needs root.
#   TANDEM_BUILD  build directory (default build); CHAOS_LOGS  directory that keeps the logs of both boxes
#
# While it lasts a watcher looks every second at both boxes and the spoke: no invariant is found broken, the
# spoke has the SAs that it had, unless a rule of docs/ha-protocol.md lets them be made anew:
#   rekey          somebody asked for it
#   clear-active   the same
#   stale          rule 11: a take-over without a lease taints every SA
# After each event traffic passes both ways and the pair is STANDBY HOT again. In the end: no packet left in clear, no
# IV occurred twice, no number either (but in a split brain, where the peer drops the second), TCP lives.
# The last line is the verdict; the same seed gives the same events (their timing is the machine's).
. "$(dirname "$(readlink -f "$0")")/../netns/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
. "$REPO/tests/lab/auditlib.sh"
need jq vtysh nft iperf3 tcpdump

MINUTES=5 SEED=$((EPOCHSECONDS % 32768)) MOST=1000000 SKIP=0
while getopts k:m:n:s: o; do
	case $o in
	m) MINUTES=$OPTARG ;;
	n) MOST=$OPTARG ;;
	s) SEED=$OPTARG ;;
	k) SKIP=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
EVENTS=("$@") GIVEN="$*"
[ $# -gt 0 ] || EVENTS=(kill freeze poweroff cut-outside cut-inside cut-replication planned crash standby standby-freeze
	kill-idle freeze-idle poweroff-idle standby-idle standby-freeze-idle hellos split stale config rekey
	clear-standby clear-active)
COUNT=$SKIP WHAT=start
verdict() { # at the end, whatever it is
	local rc=$?
	trap - ERR
	if [ $rc -eq 0 ]; then
		echo "chaos: GOOD, events $((SKIP + 1)) to $COUNT, seed $SEED"
	else
		echo "chaos: BAD in event $COUNT, $WHAT; again: $(basename "$0") -s $SEED -k $SKIP -n $COUNT $GIVEN"
	fi
	[ -z "${CHAOS_LOGS:-}" ] || { mkdir -p "$CHAOS_LOGS" && cp "$TMP"/*.log "$LABRUN/ss-spk/charon.log" "$CHAOS_LOGS/"; }
	set +e
	(exit $rc) # for cleanup
	cleanup
}
trap verdict EXIT
echo "seed $SEED"

# ---- the watcher -----------------------------------------------------------------------------------
# $TMP/sas: what the spoke may have, space separated; "any" while a rule lets them be made anew.
# $TMP/found: what was wrong, a line each.
watch_once() {
	local n new allowed
	for n in a b; do
		timeout 2 "$(bin tandem)" -r "$TMP/run-$n" -c "show redundancy counters" 2>/dev/null |
			sed -n "s/.*\(INVARIANT.*\)/box $n: \1/p" >>"$TMP/found"
	done
	allowed=$(cat "$TMP/sas")
	[ "$allowed" != any ] || return 0
	new=$(renegotiated "$allowed")
	# the answer to a question that a rule has overtaken
	[ "$(cat "$TMP/sas")" != "$allowed" ] || [ "$new" = 0 ] || echo "the spoke negotiated anew: $(spoke_sas), it had $allowed" >>"$TMP/found"
}
watch_start() {
	: >"$TMP/found"
	(
		trap - EXIT ERR
		set +eE
		while sleep 1; do watch_once; done
	) &
	SPAWNED+=($!)
}
allow() { # allow any, allow LIST
	echo "$1" >"$TMP/sas.new"
	mv "$TMP/sas.new" "$TMP/sas"
}
sound() { [ ! -s "$TMP/found" ] || fail "$(head -3 "$TMP/found")"; }

# ---- events ----------------------------------------------------------------------------------------
draw() { DRAWN=$(((RANDOM << 15 | RANDOM) % $1)); } # in this shell: a subshell would draw from a copy
pause() { # up to MS ms and a second
	draw $(($1 + 1000))
	sleep "$((DRAWN / 1000)).$(printf '%03d' $((DRAWN % 1000)))"
}
draw_event() { # sets WHAT
	draw ${#EVENTS[@]}
	WHAT=${EVENTS[DRAWN]}
}
skip() { # draws what the first SKIP events draw
	local i
	for ((i = 0; i < SKIP; i++)); do
		draw_event
		draw 1
		case $WHAT in
		standby | standby-idle | config | rekey | clear-* | planned | crash) ;;
		*) draw 1 ;; # each of them pauses once
		esac
	done
}
config_change() { # alike on both, as an operator would do it
	local n
	for n in a b; do
		cli $n "configure terminal" "ip access-list extended CHAOS" "permit ip host 6.6.1.$((COUNT % 250 + 1)) any" \
			"crypto isakmp keepalive $((10 + COUNT % 5)) 2 periodic" "end" >/dev/null
	done
}
standby_stop() { # standby_stop NODE: for up to 1.5 s
	local p
	p=$(standby_pid "$1")
	[ -z "$p" ] || kill -STOP "$p"
	pause 500
	[ -z "$p" ] || kill -CONT "$p"
}
split_brain() {
	hellos_lost
	pair_cut replication a
	wait_event 10 both_active
	pause 2000
	hellos_pass
	pair_heal replication a
}
stale() { # the copy ages, then the active box is lost
	pair_cut replication a
	wait_event 10 alone "$ACT"
	wait_event 10 eval '[ "$(rf $IDLE .fresh)" = false ]'
	allow any
	pair_kill "$ACT"
	wait_event 20 pair_is "$IDLE" Active
	pause 1000
	pair_heal replication a
	mend kill "$ACT"
}
run() { # run EVENT: sets NEW, the box that has to be active after it, or "" for either
	NEW=$ACT
	case $1 in
	kill | freeze | poweroff | cut-outside | cut-inside | planned | stale) NEW=$IDLE ;;
	crash) NEW=$IDLE ;; # a restart that takes longer than the hold time is a fail-over
	split | standby-freeze) NEW="" ;;
	esac
	case $1 in
	standby) standby_kill "$ACT" ;;
	standby-idle) standby_kill "$IDLE" ;;
	standby-freeze) standby_stop "$ACT" ;;
	standby-freeze-idle) standby_stop "$IDLE" ;;
	config) config_change ;;
	rekey)
		allow any
		peer ctl spk --rekey --child pair >>"$TMP/ss-init.log" 2>&1
		;;
	clear-standby) cli "$IDLE" "clear crypto session standby" ;;
	clear-active)
		allow any
		cli "$ACT" "clear crypto session active"
		;;
	hellos)
		hellos_lost
		pause 2000
		hellos_pass
		;;
	split) split_brain ;;
	stale) stale ;;
	*-idle)
		fault "${1%-idle}" "$IDLE"
		pause 2000
		mend "${1%-idle}" "$IDLE"
		;;
	planned | crash)
		fault "$1" "$ACT"
		mend "$1" "$ACT"
		;;
	*)
		fault "$1" "$ACT"
		pause 2000
		mend "$1" "$ACT"
		;;
	esac
}
# The spoke's IKE SAs are the active box's. Those that a rule ended without a word are the spoke's to find dead.
spoke_known() {
	local own
	own=$(peer sas spk | grep -aoE '[0-9a-f]{16}_i' | cut -c-16 | sort)
	[ -n "$own" ] && [ -z "$(comm -23 <(echo "$own") <(clij "$ACT" "show crypto isakmp sa" '.sas[].initiator_cookie' |
		tr 'A-F' 'a-f' | sort))" ]
}
calm() { # all as it should be, wherever the role is; sets ACT
	wait_event 60 either_settled
	wait_event 60 rin_adjacent_both
	wait_event 30 ping_works hin 6.6.2.4
	wait_event 30 ping_works hsp 6.6.16.4
}

# ---- the lab ---------------------------------------------------------------------------------------
PAIR_PREEMPT="" PAIR_PRIO_A=100
audit_cipher gcm
pair_topology
stateful_start
wait_event 40 either_settled
wait_event 40 rin_adjacent_both
# The spoke asks an IKE SA without traffic every second; one lost packet says nothing, silence of 5 s does.
stateful_spoke "${AUDIT_CONN[@]}" DPD=1s DPDTO=5s
allow "$(spoke_sas)"
audit_start
ip netns exec "$(nsname wan)" tcpdump -Z root -i br0 -n -s 96 -U -w "$TMP/clear.pcap" \
	'src net 6.6.16.0/24 and dst net 6.6.2.0/24' 2>"$TMP/clear.log" &
SPAWNED+=($!)
tcp_start 36000 2
traffic_start 1000
watch_start
declare -A TIMES=()
SPLITS=0 ANEW=0 MOVED=0
RANDOM=$SEED
skip
END=$(($(now_ms) + MINUTES * 60000))
while [ "$(now_ms)" -lt $END ] && [ "$COUNT" -lt "$MOST" ]; do
	COUNT=$((COUNT + 1))
	draw_event
	pause 500
	IDLE=$(pair_other "$ACT")
	before=$ACT T=$(now_ms)
	TIMES[$WHAT]=$((${TIMES[$WHAT]:-0} + 1))
	[ "$WHAT" != split ] || SPLITS=$((SPLITS + 1))
	run "$WHAT"
	# where it has to be; on a machine without time the role may have moved once more
	[ -z "$NEW" ] || wait_for 10 settled "$NEW" || echo "   the role is not where it is expected"
	calm
	if [ "$(cat "$TMP/sas")" = any ]; then
		ANEW=$((ANEW + 1))
		wait_event 30 eval '[ $(spoke_sas | wc -w) -ge 4 ]'
		wait_event 40 spoke_known
		allow "$(spoke_sas)"
	fi
	[ "$ACT" = "$before" ] || MOVED=$((MOVED + 1))
	echo "$COUNT: $WHAT, $before was active, $ACT is: all well after $(($(now_ms) - T)) ms"
	sound
	invariants_hold a b
	eq "clear packets outside" "$(capture_filter clear "ip")" 0 # of the gateways: the spoke's, while it has no SA, are its own
done
WHAT="the end"
tcp_lives
traffic_stop
audit_stop
sound
for d in in out; do
	echo "$d: lost $(traffic_get $d lost) of $(traffic_get $d sent), duplicated $(traffic_get $d duplicated), longest silence $(traffic_get $d gap_ms) ms"
	[ $SPLITS -gt 0 ] || eq "duplicated" "$(traffic_get $d duplicated)" 0
done
jq -c 'del(.list)' "$TMP/audit.json"
num "packets that the observer saw" "$(jq .packets "$TMP/audit.json")" -gt 0
eq "IVs used twice" "$(jq .duplicate_ivs "$TMP/audit.json")" 0
eq "frames that escaped the observer" "$(jq .dropped "$TMP/audit.json")" 0
[ $SPLITS -gt 0 ] || eq "sequence numbers used twice" "$(jq .duplicate_sequences "$TMP/audit.json")" 0
for e in "${!TIMES[@]}"; do echo "  ${TIMES[$e]} $e"; done | sort -k1,1nr -k2
echo "the role moved $MOVED times; SAs made anew where a rule says so: $ANEW times, otherwise never"
