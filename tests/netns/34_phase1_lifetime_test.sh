#!/bin/bash
# The gateway renews phase 1 before its lifetime (60 s, the shortest the language knows) runs out,
# under traffic, without a lost packet.
. "$(dirname "$0")/_init.sh"

walk_topology
GW_IKE_LIFE=60 walk_up
cookie() { clij gw "show crypto isakmp sa" '[.sas[] | select(.status == "active")] | max_by(.conn_id).initiator_cookie'; }
old=$(cookie)
[ -n "$old" ] || fail "no ISAKMP SA"
seq_start in hsp hin 6.6.146.4 300 62
seq_start out hin hsp 6.6.2.4 300 62
wait_event 65 eval "[ \"\$(cookie)\" != $old ]"
step "new phase 1 after $SECONDS s"
[ "$(seq_running in && echo yes)" = yes ] || fail "renewed only after the lifetime"
seq_perfect in
seq_perfect out
session_is gw 6.6.25.2 UP-ACTIVE || fail "session is not up"
pings_both 50
