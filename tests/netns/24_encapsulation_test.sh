#!/bin/bash
# ESP as such and in UDP, against the kernel's ESP (a user-mode Linux guest): protocol 50 with
# AES-CBC and AES-GCM, then UDP 4500 because the peer forces it.
. "$(dirname "$0")/_init.sh"

walk_topology_guest
gateway_start gw gw
in_guest g env DP=kernel "$REPO/tests/lab/peer-strongswan.sh" start gs - || fail "charon in the guest"
gpeer() { in_guest g "$REPO/tests/lab/peer-strongswan.sh" "$@"; }

tunnel() { # tunnel WHAT CAPTURE-FILTER CONN-VARIABLES...
	local what=$1 filter=$2
	shift 2
	step "$what"
	capture_start "$what" rt g
	guest_ss_conn g gs walk "$@"
	gpeer init gs walk >>"$TMP/guest-init.log" || fail "$what: no tunnel"
	wait_event 5 ping_works hin 6.6.2.4
	eq "$what: pings lost" "$(ping_lost hin 6.6.2.4 200)" 0
	eq "$what: pings lost from the guest" "$(guest_ping_lost g 6.6.146.4 100 -I 6.6.2.4)" 0
	guest bg g iperf3 -s -1 -B 6.6.2.4
	wait_event 5 in_guest g sh -c "ss -Hltn 'sport = 5201' | grep -q ."
	in_ns hin timeout 15 iperf3 -c 6.6.2.4 -t 1 >>"$TMP/iperf-guest.log" || fail "$what: TCP"
	gpeer term gs walk >>"$TMP/guest-init.log"
	wait_event 5 eval '[ "$(sa_count gw in)" = 0 ]'
	capture_stop "$what"
	eq "$what: clear packets" "$(capture_clear "$what")" 0
	num "$what: such packets" "$(capture_filter "$what" "$filter")" -ge 600
}
tunnel plain-cbc esp ENCAP=no
tunnel udp-cbc 'udp port 4500' ENCAP=yes
cli gw "configure terminal" "crypto ipsec transform-set SET2 esp-gcm" "end" >/dev/null
tunnel plain-gcm esp ENCAP=no ESPP=aes128gcm16-modp1024
tunnel udp-gcm 'udp port 4500' ENCAP=yes ESPP=aes128gcm16-modp1024
