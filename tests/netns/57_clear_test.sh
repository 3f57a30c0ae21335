#!/bin/bash
# clear crypto sa|isakmp|session active and standby on a replicated pair with a stock spoke. Active: the Deletes
# reach the spoke, the copies go on the other box, the spoke's new SAs come up and are copied. Standby: the copies
# are dropped and fetched again under traffic, nothing is lost, the spoke keeps its SAs, and what was fetched is
# good enough to go on with. Where they make no sense they are refused, and say why.
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
need jq

deletes() { ss_log spk | grep -aEc 'received DELETE for' || true; }
cookies() { clij "$1" "show crypto isakmp sa" '[.sas[] | select(.status | test("active|standby"))
	| .initiator_cookie + .responder_cookie] | sort | join(" ")'; }
held() { echo "$(sa_spis "$1") $(cookies "$1")"; } # what a box has
alike() { [ -n "$(sa_spis a)" ] && [ "$(held a)" = "$(held b)" ]; }
none_of() { # none_of LIST NODE: that box has nothing of the list any more
	local have
	have=" $(held "$2") "
	for x in $1; do case $have in *" $x "*) return 1 ;; esac; done
}
joins() { rf "$1" '.groups[0].join_number // .join_number'; }
refused() { # refused NODE COMMAND PATTERN
	local out
	out=$(cli "$1" "$2" 2>&1) && fail "$2 at $1 was not refused"
	grep -F "$3" <<<"$out" >/dev/null || fail "$2 at $1: $out"
}
show_drops() {
	local n
	for n in a b; do cli $n "show dataplane drops" | awk -v n=$n '$2 + 0 > 0 { print "  ", n, $1, $2 }'; done
}
passes() {
	wait_event 15 ping_works hsp 6.6.16.4
	wait_event 15 ping_works hin 6.6.2.4
}

step "both boot, the spoke connects"
stateful_static
IDLE=$(pair_other "$ACT")
wait_event 5 alike
T=$(now_ms)

for what in sa isakmp session; do
	step "clear crypto $what active"
	case $what in
	sa) gone=$(sa_spis "$ACT") ;;
	isakmp) gone=$(cookies "$ACT") ;;
	session) gone=$(held "$ACT") ;;
	esac
	before=$(deletes)
	cli "$ACT" "clear crypto $what active"
	wait_event 5 eval "[ \$(deletes) -gt $before ]"
	wait_event 5 none_of "$gone" "$ACT"
	wait_event 5 none_of "$gone" "$IDLE"
	passes
	wait_event 10 settled "$ACT"
	wait_event 5 alike
	echo "   $(($(deletes) - before)) Deletes; now $(held "$IDLE")"
done

clear_standby() { # clear_standby WHAT [TRY]
	local what=$1 copies joined before full lost stall
	copies=$(held "$IDLE") joined=$(joins "$IDLE") before=$(deletes) full=$(peer_overflow)
	stall_watch
	traffic_start 300
	cli "$IDLE" "clear crypto $what standby"
	wait_event 10 eval "[ \"\$(joins $IDLE)\" -gt $joined ]"
	wait_event 10 settled "$ACT"
	wait_event 5 alike
	sleep 0.3 # traffic after it
	traffic_stop
	stall=$(stall_stop)
	eq "copies" "$(held "$IDLE")" "$copies"
	eq "Deletes that the spoke got" "$(deletes)" "$before"
	show_drops
	eq "the spoke's SAs" "$(spoke_sas)" "$SAS"
	lost=$(($(traffic_get in lost) + $(traffic_get out lost) - $(peer_overflow) + full))
	if [ "${2:-1}" -lt 4 ] && not_ours $lost 300 "$stall"; then
		clear_standby "$what" $((${2:-1} + 1))
		return
	fi
	num "lost" $lost -le 0
}
SAS=$(spoke_sas)
for what in sa isakmp session; do
	step "clear crypto $what standby"
	clear_standby $what
done

step "refused: standby where it works, active where it does not, without the link"
refused "$ACT" "clear crypto session standby" "This box holds no copies"
before=$(deletes)
cli "$IDLE" "clear crypto session active" # nothing works here: nothing happens
eq "Deletes that the spoke got" "$(deletes)" "$before"
pair_cut replication a
wait_event 10 eval '[ "$(rf $IDLE .peer_state)" = DISABLED ]'
refused "$IDLE" "clear crypto session standby" "The replication link is down"
pair_heal replication a
wait_event 20 settled "$ACT"
eq "changes of roles" "$(pair_timeline "$T")" ""

step "$ACT is killed: $IDLE goes on with what it fetched"
cli "$IDLE" "clear crypto session standby"
wait_event 10 settled "$ACT"
pair_kill "$ACT"
wait_event 10 pair_is "$IDLE" Active
passes
eq "the spoke's SAs" "$(spoke_sas)" "$SAS"
invariants_hold "$IDLE"
