#!/bin/bash
# An observer on the outer link of the stateful pair, AES-GCM at 5,000 packets/s: over a kill, a planned
# switchover and the crash of the other box no sequence number and no nonce of a SA occurs twice, and each
# box seals with a life of its own. Packets recorded before a take-over and sent again after it are not
# accepted a second time, but for those that came after the last checkpoint. The long version is by
# hand: tests/lab/audit.sh.
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
. "$REPO/tests/lab/auditlib.sh"
need jq vtysh nft tcpdump

PAIR_PREEMPT="" PAIR_PRIO_A=100
audit_cipher gcm
pair_topology
stateful_start
wait_event 30 either_settled
wait_event 30 rin_adjacent_both
stateful_spoke "${AUDIT_CONN[@]}"
SAS=$(spoke_sas)
audit_start
bulk_start 5000
for f in kill planned; do
	step "$f of $ACT"
	new=$(pair_other "$ACT")
	sealed=$(bulk_count)
	wait_event 10 bulk_reaches $((sealed + 2000))
	fault "$f" "$ACT"
	wait_event 10 pair_is "$new" Active
	sealed=$(bulk_count)
	wait_event 10 bulk_reaches $((sealed + 2000))
	mend "$f" "$ACT"
	wait_event 20 settled "$new"
	ACT=$new
done
wait_event 30 rin_adjacent_both
step "replays"
replay_after_kill "$ACT" 1000
# a millisecond between checkpoints and the link's delay: a few packets, were the machine idle
num "packets accepted for the second time" "$REPLAY_ACCEPTED" -le 50
sealed=$(bulk_count)
wait_event 10 bulk_reaches $((sealed + 2000))
bulk_stop
audit_stop
jq -c 'del(.list)' "$TMP/audit.json"
audit_good "$TMP/audit.json"
num "lives that sealed" "$(jq .lives "$TMP/audit.json")" -ge 2
eq "renegotiated" "$(renegotiated "$SAS")" 0
wait_event 20 hot "$ACT"
invariants_hold a b
