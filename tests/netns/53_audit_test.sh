#!/bin/bash
# An observer on the outer link of the stateful pair, AES-GCM at 5,000 packets/s: over a planned
# switchover, a kill and a split brain in which both boxes seal the same packets no nonce of a SA occurs
# twice, no sequence number but those of the split brain, and each box seals with a life of its own. What
# was seen is opened with the real keys, by the observer and by tshark: no two SAs have the same key.
# Packets recorded before a take-over and sent again after it are not accepted a second time, but for
# those that came after the last checkpoint. The long versions are by hand: tests/lab/audit.sh, replays.sh.
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
. "$REPO/tests/lab/auditlib.sh"
need jq vtysh nft tcpdump tshark capinfos

PAIR_PREEMPT="" PAIR_PRIO_A=100
AUDIT_SAMPLE=$TMP/sample.pcap
audit_cipher gcm
audit_keys_on
pair_topology
stateful_start
wait_event 30 either_settled
wait_event 30 rin_adjacent_both
stateful_spoke "${AUDIT_CONN[@]}"
SAS=$(spoke_sas)
audit_start
bulk_start 5000
sealed_more() { # sealed_more PACKETS: so many pass the observer from now on
	local sealed
	sealed=$(bulk_count)
	wait_event 10 bulk_reaches $((sealed + $1))
}
step "planned switchover of $ACT"
new=$(pair_other "$ACT")
sealed_more 2000
fault planned "$ACT"
wait_event 10 pair_is "$new" Active
sealed_more 2000
wait_event 20 settled "$new"
ACT=$new
step "kill of $ACT, replays"
replay_after kill "$ACT" 1000
# a millisecond between checkpoints and the link's delay: a few packets, were the machine idle
num "packets accepted for the second time" "$REPLAY_LATE" -le 50
sealed_more 2000
audit_phase
eq "sequence numbers used twice" "$(jq .duplicate_sequences <<<"$PHASE")" 0
eq "renegotiated" "$(renegotiated "$SAS")" 0
step "split brain"
wait_event 20 settled "$ACT"
split_begin
wait_event 10 both_active
sealed_more 5000
split_end
wait_event 20 either_settled
sealed_more 2000
bulk_stop
audit_stop
jq -c 'del(.list)' "$TMP/audit.json"
audit_ivs_good "$TMP/audit.json"
num "lives that sealed" "$(jq .lives "$TMP/audit.json")" -ge 3
audit_verify "$AUDIT_SAMPLE"
invariants_hold a b
