#!/bin/bash
# The replication link of a working pair attacked (security class 28): forged packets in the other box's
# name, strangers' whole associations by the thousand, a wrong key. All is refused, counted and logged a few
# times; the pair stays HOT meanwhile, memory and processor time are bounded, the spoke notices nothing.
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
need jq vtysh python3

standby_pid() { pgrep -f "tandem-standby -r $TMP/run-$1\$"; }
rss() { awk '/^VmRSS/ {print $2}' "/proc/$(standby_pid "$1")/status"; } # KiB
cpu_ms() { awk '{print ($14 + $15) * 10}' "/proc/$(standby_pid "$1")/stat"; }
refused_lines() { log_count "$1" 'LINK_REFUSED'; }

PAIR_PREEMPT="" PAIR_PRIO_A=100
pair_topology
ns_add x
link_add x e0 9.2.0.9/16 gwb e9 9.2.0.2/16
ns_ip x route add 10.0.0.0/24 via 9.2.0.2
stateful_start
# whatever address the strangers have, the answers go to x, which does not answer for itself
ns_ip gwb route add 9.2.0.0/17 via 9.2.0.9
wait_event 20 eval "pair_settled a || pair_settled b"
act=a
pair_settled a || act=b
wait_event 30 rin_adjacent_both
pair_spoke_start
wait_event 15 ss_init spk pair
wait_event 15 ping_works hin 6.6.2.4
wait_event 20 hot $act
SAS=$(spoke_sas)
[ -n "$SAS" ] || fail "the spoke shows no SAs"
ups=$(log_count b 'Replication link is up')
refused=$(refused_lines b)
memory=$(rss b)

# watch: the pair is looked at four times a second while the attack runs
watch() {
	local n=0
	while [ -e "$TMP/attack" ]; do
		hot $act || n=$((n + 1))
		sleep 0.25
	done
	echo "$n" >"$TMP/not-hot"
}
attack() { # attack NAME PROGRAM ARGUMENT...: from x, under watch
	local name=$1 from at ms
	shift
	: >"$TMP/attack"
	from=$(cpu_ms b) at=$(now_ms)
	watch &
	local watcher=$!
	in_ns x "$@" >"$TMP/$name.log"
	rm "$TMP/attack"
	wait $watcher
	ms=$(($(now_ms) - at))
	echo "$name: $(cat "$TMP/$name.log"); standby process $(($(cpu_ms b) - from)) ms of $ms ms, $(rss b) KiB, not HOT $(cat "$TMP/not-hot") times"
	eq "times that the pair was not HOT beside $name" "$(cat "$TMP/not-hot")" 0
	num "memory after $name" "$(rss b)" -le $((memory + 40000))
}

step "forged packets in the other box's name and in strangers'"
attack forged python3 "$NETNS_DIR/sctp_forge.py" e0 10.0.0.2 10.0.0.1 5000 20000
step "thousands of associations"
attack flood python3 "$NETNS_DIR/sctp_flood.py" e0 10.0.0.2 5000 4000
done_with=$(sed -n 's/.*init_ack=\([0-9]*\) .*/\1/p' "$TMP/flood.log")
num "of them answered" "$done_with" -ge 10
num "of them answered" "$done_with" -le 1000
num "refused, of them" "$(clij b "show ipc" .refused)" -ge 1
log_has b 'LINK_REFUSED.*association of 9[.]2[.]' || fail "no stranger was named"
eq "how often the link came up" "$(log_count b 'Replication link is up')" "$ups"
num "lines about it" $(($(refused_lines b) - refused)) -le 60

step "the last association still waits for nothing: a planned switchover, both ways"
for n in 1 2; do
	std=$(pair_other $act)
	wait_event 5 eval 'cli $act "redundancy force-switchover" >/dev/null 2>&1' # HSRP knows the other
	wait_event 10 pair_settled "$std"
	wait_event 20 hot "$std"
	act=$std
done
eq "the spoke's SAs" "$(spoke_sas)" "$SAS"

step "a wrong key: refused, said on both sides, and over when the keys are the same again"
key() { cli b "configure terminal" "ipc zone default" "association 1" "security psk $1" "end" >/dev/null; }
lines=$(log_count b 'keys differ|wrong key')
key another-long-random-string
wait_event 10 eval 'cli a "show redundancy states" "show ipc" | grep -E "wrong key|keys differ" >/dev/null'
wait_event 10 eval 'cli b "show redundancy states" "show ipc" | grep -E "wrong key|keys differ" >/dev/null'
wait_event 10 ping_works hin 6.6.2.4
num "lines about the key" $(($(log_count b 'keys differ|wrong key') - lines)) -ge 1
num "lines about the key" $(($(log_count b 'keys differ|wrong key') - lines)) -le 20
key a-long-random-string
wait_event 30 eval 'hot a || hot b'
wait_event 10 ping_works hin 6.6.2.4
eq "the spoke's SAs at the end" "$(spoke_sas)" "$SAS"
