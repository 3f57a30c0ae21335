#!/bin/bash
# Wrong key, no common proposal, access lists that do not match: no tunnel, one clear message, and
# a good tunnel next to it does not notice. Bad configurations: line and caret, nothing half-applied.
. "$(dirname "$0")/_init.sh"

walk_topology
walk_second_spoke
GW_EXTRA=$SECOND_EXTRA GW_MAP_EXTRA=$SECOND_MAP gateway_start gw gw
ss_start spk spk
ss_start spk2 spk2
second_conn
ss_init spk2 second || fail "no second tunnel"
wait_event 5 ping_works hsp2 6.6.146.4
seq_start good hsp2 hin 6.6.146.4 200 20

refused() { # refused WHAT LOG-REGEX CONN-VARIABLES...
	local what=$1 regex=$2
	shift 2
	step "$what"
	ss_conn spk walk "$@"
	! TIMEOUT=4 ss_init spk walk || fail "$what: got a tunnel"
	ss_term spk walk || true
	wait_event 5 log_has gw "$regex"
	eq "$what: SAs of that peer" "$(sa_sum gw in 'peer == "6.6.25.2"' 6.6.25.2)" 0
}
refused "wrong key" '%CRYPTO-[0-9]-IKMP_PSK_MISMATCH.*6\.6\.25\.2' PSK=wrong
refused "no common phase 1 proposal" '%CRYPTO-[0-9]-IKMP_NO_PROPOSAL.*6\.6\.25\.2' IKEP=aes256-sha512-modp4096
refused "no common phase 2 proposal" '%CRYPTO-[0-9]-IPSEC_NO_PROPOSAL.*6\.6\.25\.2' ESPP=aes256gcm16-modp1024
refused "access lists do not match" '%CRYPTO-[0-9]-IPSEC_PROXY_MISMATCH.*6\.6\.25\.2' LTS=6.6.99.0/24
step "the good tunnel did not notice"
seq_perfect good

step "and the right configuration works at once"
ss_conn spk walk
ss_init spk walk || fail "no tunnel"
wait_event 5 ping_works hsp 6.6.146.4

step "malformed configuration: line, caret, the rest loads"
{ walk_config; printf 'interface GigabitEthernet0/1\n ip address 6.6.156.300 255.255.255.0\nfrobnicate 7\n'; } >"$TMP/bad.cfg"
lines=$(wc -l <"$TMP/bad.cfg")
if "$(bin tandemd)" --check -c "$TMP/bad.cfg" 2>"$TMP/check.log"; then fail "--check accepts bad lines"; fi
grep -q "bad.cfg:$((lines - 1)): " "$TMP/check.log" || fail "no line number: $(cat "$TMP/check.log")"
grep -A2 "bad.cfg:$((lines - 1)): " "$TMP/check.log" | tail -1 | has -E '^ +\^$' || fail "no caret"
grep -q "bad.cfg:$lines: " "$TMP/check.log" || fail "the second bad line is not reported"
walk_config >"$TMP/good.cfg"
"$(bin tandemd)" --check -c "$TMP/good.cfg" || fail "--check refuses a good configuration"
if cli gw "configure terminal" "crypto map MAP2 10" "set pfs group3" 2>"$TMP/cli-bad.log"; then
	fail "a bad line is accepted"
fi
grep -q '\^' "$TMP/cli-bad.log" || fail "no caret from the command line"
ping_works hsp 6.6.146.4 || fail "a refused line changed something"

step "second instance in the same run directory"
! in_ns gw "$(bin tandemd)" -c "$TMP/good.cfg" -r "$TMP/run-gw" 2>"$TMP/second.log" || fail "started twice"
grep -q "already runs" "$TMP/second.log" || fail "unclear: $(cat "$TMP/second.log")"

step "missing device: one clear sentence, the rest works"
ns_add lone
sed 's/iface=in$/iface=nosuch/' "$TMP/good.cfg" >"$TMP/lone.cfg"
link_add lone out - rt lone -
gateway_start lone lone "$TMP/lone.cfg"
log_has lone 'nosuch' || fail "no message names the device"
cli lone "show interfaces" | has GigabitEthernet0/1 || fail "the other interface is gone"
