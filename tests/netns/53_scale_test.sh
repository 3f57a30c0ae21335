#!/bin/bash
# A few hundred tunnels through the whole of stateful switchover, by the lab for a hundred thousand:
# all SAs arrive at the second gateway, changes are acknowledged, and after the first gateway is
# killed each tunnel seals at the second. Times are shown, not judged.
. "$(dirname "$0")/_init.sh"
bench=$(bin tandem-bench) || skip "tandem-bench is not built"

step "300 tunnels: join, changes, checkpoints, take-over"
"$bench" replication --tunnels 300 --seconds 1 --rounds 3 --json "$TMP/replication.json" >"$TMP/out" 2>&1 || {
	cat "$TMP/out"
	fail "the replication of 300 tunnels"
}
cat "$TMP/out"
grep -q '^all SAs arrived, all tunnels seal, no invariant broken$' "$TMP/out" || fail "something is missing"
grep -q '^gateway 1 has 300 IKE SAs, 300 pairs of IPsec SAs' "$TMP/out" || fail "the counts differ"
field() { sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" "$TMP/replication.json" | head -1; }
eq "tunnels that seal after the take-over" "$(field flip_sealed)" 300
num "changes acknowledged per second" "$(field changes_per_s | cut -d. -f1)" -gt 0
