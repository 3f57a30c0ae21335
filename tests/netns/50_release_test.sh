#!/bin/bash
# Either side of another software release: a later one works with this one, both ways, whatever it says
# that this one does not know; one of another protocol or another link is refused, and both boxes say so.
# And two releases on one box.
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
need jq vtysh

# release NODE PROGRAM: that box with the standby process of another release (tandem-standby: of this)
release() {
	local dir=$TMP/build-$2 program
	program=$(bin "$2")
	mkdir -p "$dir/controlplane" "$dir/standby"
	cp "$(bin tandemd)" "$dir/controlplane/"
	cp "$program" "$dir/standby/tandem-standby"
	gateway_stop "$1" || fail "$1 did not stop"
	TANDEM_BUILD=$dir pair_launch "$1"
	gateway_wait "$1"
}
skipped() { clij "$1" "show redundancy counters" '.groups[0].other_release'; }
shows() { cli "$1" "show redundancy states" "show ipc" | grep -- "$2" >/dev/null; }

PAIR_PREEMPT="" PAIR_PRIO_A=100
pair_topology
stateful_start
wait_event 20 eval "pair_settled a || pair_settled b"
wait_event 30 rin_adjacent_both
pair_spoke_start
wait_event 15 ss_init spk pair
wait_event 15 ping_works hin 6.6.2.4
wait_event 20 eval "hot a || hot b"

step "a later release on one side: the pair is HOT, and hands over in both directions"
release b standby-later
wait_event 30 settled a
wait_event 5 eval 'log_has a "the other box speaks release 2 of the protocol, this one release 1"'
log_has b "the other box speaks release 1 of the protocol, this one release 2" || fail "b does not say it"
wait_event 5 shows a "The other box runs another release"
wait_event 5 eval '[ "$(skipped a)" -gt 0 ]' # what only the later one knows
eq "skipped by the later one" "$(skipped b)" 0
SAS=$(spoke_sas)
[ -n "$SAS" ] || fail "the spoke shows no SAs"
for act in a b; do
	wait_event 5 eval 'cli $act "redundancy force-switchover" >/dev/null 2>&1' # HSRP knows the other
	std=$(pair_other $act)
	wait_event 10 pair_settled "$std"
	wait_event 20 hot "$std"
	wait_event 10 ping_works hin 6.6.2.4
	eq "the spoke's SAs after a switchover from $act" "$(spoke_sas)" "$SAS"
done

# other PROGRAM PATTERN: b becomes of that release; a goes on alone, and both say why
other() {
	release b "$1"
	wait_event 15 eval "log_has a '$2'"
	wait_event 15 eval "log_has b '$2'"
	wait_event 10 ping_works hin 6.6.2.4
	eq "peer as $1" "$(rf a .peer_state)" "${3:-DISABLED}"
	eq "the spoke's SAs beside $1" "$(spoke_sas)" "$SAS"
	num "lines about it" "$(log_count a "$2")" -le 40
}
step "another protocol: the link is there, nothing is replicated"
other standby-protocol 'nothing is replicated: the other box speaks version'
wait_event 5 shows a "The other box runs another release"
wait_event 5 shows b "The other box runs another release"

step "another link: no association"
other standby-link 'speaks another version of the replication link'
wait_event 5 shows a "speaks another version of the replication link"
wait_event 5 shows b "speaks another version of the replication link"

step "this release again"
release b tandem-standby
wait_event 30 hot a
eq "the spoke's SAs at the end" "$(spoke_sas)" "$SAS"

step "the software was updated under b's standby process: it is ended, and the new one goes on"
gateway_stop b || fail "b did not stop"
spawn words gwb "$(bin standby-words)" -r "$TMP/run-b"
wait_event 5 test -S "$TMP/run-b/standby.sock"
pair_launch b
gateway_wait b
wait_event 10 log_has b 'REDUNDANCY-5-RELEASE'
wait_event 30 hot a
eq "complaints that it did not help" "$(log_count b 'REDUNDANCY-3-RELEASE')" 0
eq "the spoke's SAs at the end" "$(spoke_sas)" "$SAS"
