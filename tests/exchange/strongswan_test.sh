#!/bin/bash
# The IKE engine against strongSwan: main mode, quick mode, rekeying, DPD, deletes. No packets.
#
#   namespace PFX-g                      namespace PFX-s
#   ike_udp_peer 10.99.0.1 ---- veth ---- charon 10.99.0.2
#   net 10.91.0.0/16                      net 10.92.0.0/16
#
# charon's user-space ESP fakes a NAT, so everything floats to port 4500. Needs root and strongSwan;
# exit status 77 = skipped.
#   strongswan_test.sh PATH-TO-ike_udp_peer [SCENARIO...]
set -u
PEER=$1; shift
CHARON=/usr/lib/ipsec/charon
[ "$(id -u)" = 0 ] && [ -x $CHARON ] && command -v swanctl >/dev/null || { echo "skipped: needs root and strongSwan"; exit 77; }
PFX=ikex$$
D=$(mktemp -d /tmp/ikex.XXXXXX)
fails=0

cleanup() {
	peer_stop
	charon_stop
	ip netns del $PFX-g 2>/dev/null
	ip netns del $PFX-s 2>/dev/null
	[ $fails = 0 ] && rm -rf "$D"
}
trap cleanup EXIT

ip netns add $PFX-g && ip netns add $PFX-s || { echo "skipped: no network namespaces"; exit 77; }
ip link add ikeg$$ netns $PFX-g type veth peer name ikes$$ netns $PFX-s
for x in g:1 s:2; do
	ip -n $PFX-${x%:*} addr add 10.99.0.${x#*:}/24 dev ike${x%:*}$$
	ip -n $PFX-${x%:*} link set ike${x%:*}$$ up
	ip -n $PFX-${x%:*} link set lo up
done

# charon wants an address inside its own selectors for the route.
ip -n $PFX-s addr add 10.92.0.1/16 dev lo
ip -n $PFX-s addr add 10.93.0.1/16 dev lo
ip -n $PFX-s addr add 10.92.5.1/24 dev lo

wait_for() { # SECONDS COMMAND...
	local n=$(($1 * 20)); shift
	while ! "$@" >/dev/null 2>&1; do
		n=$((n - 1)); [ $n -gt 0 ] || return 1
		sleep 0.05
	done
}

charon_start() { # proposals, then extra lines for connection and child
	mkdir -p "$D/run" "$D/swanctl"
	cat >"$D/strongswan.conf" <<C
charon {
  load = random nonce openssl aes sha1 sha2 md5 hmac kdf gmp gcm ctr socket-default vici updown kernel-libipsec kernel-netlink
  install_routes = yes
  retransmit_timeout = 1.0
  retransmit_tries = 3
  plugins { vici { socket = unix://$D/vici } }
  filelog { main { path = $D/charon.log
    flush_line = yes
    default = 1
    ike = 2
    enc = 1 } }
}
swanctl { load = random openssl }
C
	cat >"$D/swanctl/swanctl.conf" <<C
connections { t {
  version = 1
  local_addrs = 10.99.0.2
  remote_addrs = 10.99.0.1
  proposals = $1
  $3
  local { auth = psk }
  remote { auth = psk
    id = 10.99.0.1 }
  children { t {
    local_ts = ${LTS:-10.92.0.0/16}
    remote_ts = ${RTS:-10.91.0.0/16}
    esp_proposals = $2
    $4 } } } }
secrets { ike-t { secret = "${PSK:-lab-psk}" } }
C
	rm -f "$D/vici" "$D/charon.log"
	# /run/charon.pid is compiled in: a private /run in the mount namespace of `ip netns exec`.
	ip netns exec $PFX-s env STRONGSWAN_CONF="$D/strongswan.conf" setsid sh -c \
		"mount --make-rprivate / 2>/dev/null; mount --bind $D/run /run && exec $CHARON" \
		>"$D/charon.out" 2>&1 </dev/null &
	wait_for 10 test -S "$D/vici" || return 1
	SWANCTL_DIR=$D/swanctl swanctl --load-all --noprompt --uri "unix://$D/vici" \
		--file "$D/swanctl/swanctl.conf" >"$D/load.log" 2>&1 || { cat "$D/load.log"; return 1; }
}
charon_stop() {
	[ -s "$D/run/charon.pid" ] || return 0
	local p; p=$(cat "$D/run/charon.pid")
	kill "${1:--TERM}" "$p" 2>/dev/null
	wait_for 10 sh -c "! kill -0 $p" || kill -9 "$p"
	rm -f "$D/run/charon.pid"
}
vici() { swanctl "$@" --uri "unix://$D/vici"; }

peer_start() { # options
	mkfifo "$D/in" 2>/dev/null
	ip netns exec $PFX-g "$PEER" 10.99.0.1 10.99.0.2 "${GWPSK:-lab-psk}" 10.91.0.0/16 10.92.0.0/16 "$@" \
		<"$D/in" >"$D/out" 2>"$D/log" &
	peer_pid=$!
	exec 9>"$D/in"
	wait_for 5 grep -q ready "$D/out"
}
peer_stop() {
	[ -n "${peer_pid:-}" ] || return 0
	echo quit >&9; exec 9>&-
	wait "$peer_pid"; peer_rc=$?
	peer_pid=
	return $peer_rc
}
say() { echo "$*" >&9; sleep 0.1; }
out() { wait_for "${2:-10}" grep -q "$1" "$D/out"; }
count() { grep -c "$1" "$D/out"; }
their_init() { vici --initiate --child t --timeout $1 >"$D/init.log" 2>&1; }
installed() { vici --list-sas 2>/dev/null | grep -q INSTALLED; }
children() { vici --list-sas 2>/dev/null | grep -c INSTALLED; }

check() { # WHAT COMMAND...
	local what=$1; shift
	if "$@"; then echo "ok   $scenario: $what"; else
		echo "FAIL $scenario: $what"; fails=$((fails + 1)); bad=1
	fi
}
finish() {
	check "clean exit" peer_stop
	charon_stop
	if [ -n "${bad:-}" ]; then
		tail -n 20 "$D/log"; tail -n 20 "$D/out"; tail -n 30 "$D/charon.log"
	fi
	bad=
}

s_initiator() {
	charon_start aes128-sha256-ecp256 aes128-sha1 "" ""
	peer_start
	say initiate
	check "child up" out "^child-up"
	check "installed there" wait_for 5 installed
	say status
	check "NAT traversal" out "QM_IDLE 10.99.0.2:4500 natt"
	vici --terminate --ike t >/dev/null
	check "peer's delete of the child" out "child-down peer deleted"
	check "peer's delete of the IKE SA" out "ike-down peer deleted"
	finish
}
s_responder() {
	charon_start aes128-sha256-ecp256 aes128-sha1 "" ""
	peer_start
	check "initiate" their_init 10
	check "child up" out "^child-up"
	say clear
	check "gone there" wait_for 5 sh -c "! swanctl --list-sas --uri unix://$D/vici | grep -q ."
	finish
}
s_suites() {
	local i=0 s
	for s in "aes128-sha1-modp1024 aes128-sha1-modp1024 encr=aes128 hash=sha group=2 pfs=19" \
		"aes256-sha512-modp2048 aes256-sha256 encr=aes256 hash=sha512 group=14 esp=aes256-sha256" \
		"3des-md5-modp1536 3des-md5 encr=3des hash=md5 group=5 esp=3des-md5" \
		"aes128-sha256-ecp384 aes128gcm16-ecp256 encr=aes128 hash=sha256 group=20 esp=gcm128 pfs=1"; do
		set -- $s
		local ike=$1 esp=$2; shift 2
		[ "$ike" = aes128-sha1-modp1024 ] && esp=aes128-sha1-ecp256
		charon_start "$ike" "$esp" "" ""
		peer_start "$@"
		say initiate
		check "$ike $esp as initiator" out "^child-up"
		say clear
		check "cleared" out "^ike-down"
		check "$ike $esp as responder" their_init 10
		finish
	done
}
s_rekey() { # ours of the child, theirs of the child, ours of the IKE SA
	charon_start aes128-sha256-ecp256 aes128-sha1-ecp256 "" ""
	peer_start pfs=1 ike_life=20
	say initiate
	check "child up" out "^child-up"
	say rekey
	check "our rekey" out "^child-up rekey"
	check "old one deleted" out "child-down rekey replaced" 15
	check "one left there" wait_for 5 sh -c "[ \$(swanctl --list-sas --uri unix://$D/vici | grep -c INSTALLED) = 1 ]"
	vici --rekey --child t >/dev/null
	check "their rekey" wait_for 10 sh -c "[ \$(grep -c '^child-up rekey' $D/out) = 2 ]"
	check "IKE SA reauthenticated" wait_for 25 sh -c "[ \$(grep -c '^ike-up' $D/out) -ge 2 ]"
	sleep 1
	say status
	check "child moved to the new IKE SA" sh -c "grep -E 'child [0-9]+ ike 100[2-9]' $D/out"
	check "still installed there" installed
	check "no gap" sh -c "! grep -q 'bound 0' $D/out"
	finish
}
s_dpd() {
	charon_start aes128-sha256-ecp256 aes128-sha1 "dpd_delay = 2s" ""
	peer_start keepalive=10 periodic=1
	say initiate
	check "child up" out "^child-up"
	check "their R-U-THERE is answered" wait_for 10 grep -q 'N(DPD_ACK)' "$D/charon.log"
	check "still installed there" installed
	charon_stop -KILL
	check "dead peer noticed" out "ike-down DPD" 30
	check "its child went" out "child-down DPD" 5
	finish
}
s_refused() {
	PSK=another charon_start aes128-sha256-ecp256 aes128-sha1 "" ""
	peer_start
	vici --initiate --child t --timeout 3 >/dev/null 2>&1
	check "wrong key is called by its name" wait_for 5 grep -q "pre-shared key mismatch" "$D/log"
	finish
	charon_start aes256-sha1-modp2048 aes128-sha1 "" ""
	peer_start
	vici --initiate --child t --timeout 3 >/dev/null 2>&1
	check "no IKE proposal" wait_for 5 grep -q "IKMP_NO_PROPOSAL" "$D/log"
	finish
	LTS=10.93.0.0/16 charon_start aes128-sha256-ecp256 aes128-sha1 "" ""
	peer_start
	vici --initiate --child t --timeout 3 >/dev/null 2>&1
	check "other proxies" wait_for 5 grep -q "IPSEC_PROXY_MISMATCH" "$D/log"
	finish
	charon_start aes128-sha256-ecp256 aes256-sha256 "" ""
	peer_start
	say initiate
	check "no ESP proposal" wait_for 5 grep -q "NO-PROPOSAL-CHOSEN" "$D/log"
	check "held packets given up" out flushed
	finish
	LTS=10.92.5.0/24 charon_start aes128-sha256-ecp256 aes128-sha1 "" ""
	peer_start
	check "narrower proxies are accepted" their_init 5
	say status
	check "and kept" out "10.92.5.0/24"
	finish
}
s_restart() { # peer loses everything and comes back
	charon_start aes128-sha256-ecp256 aes128-sha1 "unique = replace" ""
	peer_start
	say initiate
	check "child up" out "^child-up"
	charon_stop -KILL
	charon_start aes128-sha256-ecp256 aes128-sha1 "unique = replace" ""
	check "peer initiates anew" their_init 10
	check "INITIAL-CONTACT removed the old" out "ike-down peer restarted"
	check "and its child" out "child-down peer restarted"
	finish
}

# words of the arguments, on purpose
# shellcheck disable=SC2048
[ $# -gt 0 ] || set -- initiator responder suites rekey dpd refused restart
for scenario in "$@"; do
	s_$scenario
done
echo "$fails failed"
[ $fails = 0 ]
