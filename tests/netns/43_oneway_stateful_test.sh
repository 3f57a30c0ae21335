#!/bin/bash
# One-way link of a stateful pair: what the active gateway sends outside is lost. The other one may not
# take the role by itself, because the active one lives and says so by the replication link; but its
# claims tell the active one that it is not heard. It hands over in order: the spoke keeps its SAs, the
# inside goes along; mended, the stronger box takes both roles back.
. "$(dirname "$0")/_init.sh"
. "$REPO/tests/lab/pair.sh"
. "$REPO/tests/lab/stateful.sh"
need jq vtysh nft

pair_topology
step "the pair and its spoke"
stateful_start
wait_event 20 pair_settled a
wait_event 30 rin_adjacent_both
stateful_spoke
wait_event 20 hot a
SAS=$(spoke_sas)

step "outside, what a sends is lost"
at=$(now_ms)
pair_cut outside a from
wait_event 10 pair_settled b
echo "   both groups at b after $(($(now_ms) - at)) ms"
wait_event 10 ping_works hsp 6.6.16.4
wait_event 10 ping_works hin 6.6.2.4
echo "   pings pass after $(($(now_ms) - at)) ms"
log_has a '%HSRP-3-UNHEARD: GigabitEthernet0/1 Grp 2' || fail "no log line"
eq "renegotiated" "$(renegotiated "$SAS")" 0
wait_event 10 hot b
pair_timeline "$at"

step "nothing moves while it lasts"
before=$(pair_timeline "$at" | wc -l)
hellos=$(clij b "show standby" '.groups[1].sent.hello')
more_hellos() { [ "$(clij b "show standby" '.groups[1].sent.hello')" -gt "$1" ]; }
wait_event 10 more_hellos $((hellos + 60))
eq "changes of roles" "$(pair_timeline "$at" | wc -l)" "$before"

step "mended"
at=$(now_ms)
pair_heal outside a
wait_event 20 settled a
pair_timeline "$at"
wait_event 10 ping_works hin 6.6.2.4
eq "renegotiated" "$(renegotiated "$SAS")" 0
invariants_hold a b
