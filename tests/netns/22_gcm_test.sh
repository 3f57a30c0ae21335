#!/bin/bash
# AES-GCM (RFC 4106), 128 and 256 bits, the tunnel begun by the spoke, then by the gateway.
. "$(dirname "$0")/_init.sh"

walk_topology
GW_EXTRA="crypto ipsec transform-set GCM256 esp-gcm 256" GW_SET="esp-gcm" gateway_start gw gw
ss_start spk spk

gcm_both_roles() { # ESP proposal of strongSwan
	ss_conn spk walk ESPP="$1"
	ss_init spk walk || fail "$1: no tunnel"
	wait_event 5 ping_works hsp 6.6.146.4
	pings_both 50
	cli gw "clear crypto session" >/dev/null
	wait_event 10 eval '[ "$(ss_established spk)" = 0 ]'
	wait_event 15 ping_works hin 6.6.2.4 # begun by the gateway
	pings_both 50
	num "TCP Mbit/s" "$(tcp_mbit hsp hin 6.6.2.4 1 | cut -d. -f1)" -ge 1
	ss_term spk walk
	wait_event 5 eval '[ "$(sa_count gw in)" = 0 ]'
}
step "128 bits"
gcm_both_roles aes128gcm16-modp1024
step "256 bits, after a change of the running configuration"
cli gw "configure terminal" "crypto map MAP2 10" "set transform-set GCM256" "end"
gcm_both_roles aes256gcm16-modp1024
