#!/bin/bash
# peer-strongswan.sh - one strongSwan (charon) per network namespace, side by side.
#
#   start NAME NS        start a charon called NAME in namespace NS (- = this one)
#   conn  NAME CONN      write and load a connection (parameters below)
#   init  NAME CHILD     initiate a CHILD_SA / quick mode
#   term  NAME CONN      terminate the IKE_SA
#   sas   NAME [ARGS]    swanctl --list-sas
#   ctl   NAME ARGS...   any other swanctl command
#   log   NAME           print the charon log
#   pid   NAME           its process id
#   stop  NAME           orderly: peers are told
#   kill  NAME           at once: nobody is told
#
# start:  DP=libipsec   ESP in user space over a TUN device: always UDP-encapsulated (RFC 3948)
#         DP=kernel     the kernel's ESP (in a user-mode Linux guest, or a kernel that has ESP)
#         RETX_TIMEOUT, RETX_TRIES; CHARON_EXTRA (lines for the charon section)
# conn:   IKE=1|2  LOCAL= REMOTE= (outer addresses)  PSK=  LID= RID= (identities)
#         LTS= RTS= (traffic selectors)  IKEP= ESPP= (proposals)  START=none|trap|start
#         AGGR ENCAP DPD DPDTO DPDACT REKEY LIFE (child) IKEREKEY CONN_EXTRA CHILD_EXTRA
set -eu
. "$(dirname "$(readlink -f "$0")")/lablib.sh"
CMD=$1 NAME=$2
D=$LABRUN/ss-$NAME
VICI=unix://$D/vici
export SWANCTL_DIR=$D/swanctl STRONGSWAN_CONF=$D/strongswan.conf
ctl() {
	local c=$1
	shift
	swanctl "$c" --uri "$VICI" "$@"
}

conf_write() {
	local kernel
	# the order of the list decides: libipsec before netlink, openssl before gcm (4 times faster)
	case ${DP:-libipsec} in
	libipsec) kernel="kernel-libipsec kernel-netlink" ;;
	kernel) kernel="kernel-netlink" ;;
	*) die "DP=$DP" ;;
	esac
	mkdir -p "$D/run" "$D/swanctl/conf.d"
	cat >"$D/strongswan.conf" <<-C
	charon {
	  load = random nonce openssl aes sha1 sha2 md5 hmac kdf gmp curve25519 gcm ccm ctr cmac xcbc chapoly pem pkcs1 pkcs8 x509 pubkey constraints socket-default vici updown $kernel
	  install_routes = yes
	  retransmit_timeout = ${RETX_TIMEOUT:-1.0}
	  retransmit_tries = ${RETX_TRIES:-4}
	  close_ike_on_child_failure = yes
	  i_dont_care_about_security_and_use_aggressive_mode_psk = yes
	  plugins { vici { socket = $VICI } }
	  filelog { main { path = $D/charon.log
	    time_format = %H:%M:%S
	    time_add_ms = yes
	    flush_line = yes
	    append = yes
	    default = 1
	    ike = 2
	    knl = 2
	    cfg = 2 } }
	  ${CHARON_EXTRA:-}
	}
	swanctl { load = pem pkcs1 pkcs8 x509 openssl random }
	C
}

conn_write() {
	local conn=$1 ikep espp
	: "${LOCAL:?}" "${REMOTE:?}" "${LTS:?}" "${RTS:?}"
	ikep=${IKEP:-aes128-sha1-modp1024}
	espp=${ESPP:-aes128-sha1-modp1024}
	cat >"$D/swanctl/conf.d/$conn.conf" <<-C
	connections { $conn {
	    version = ${IKE:-1}
	    local_addrs = $LOCAL
	    remote_addrs = $REMOTE
	    proposals = $ikep
	    aggressive = ${AGGR:-no}
	    encap = ${ENCAP:-no}
	    dpd_delay = ${DPD:-0s}
	    dpd_timeout = ${DPDTO:-0s}
	    rekey_time = ${IKEREKEY:-4h}
	    reauth_time = ${IKEREAUTH:-0s}
	    rand_time = 0s
	    over_time = ${OVER:-60s}
	    mobike = no
	    ${CONN_EXTRA:-}
	    local { auth = psk
	      id = ${LID:-$LOCAL} }
	    remote { auth = psk
	      id = ${RID:-$REMOTE} }
	    children { $conn {
	      local_ts = $LTS
	      remote_ts = $RTS
	      esp_proposals = $espp
	      mode = ${MODE:-tunnel}
	      start_action = ${START:-none}
	      dpd_action = ${DPDACT:-clear}
	      rekey_time = ${REKEY:-1h}
	      life_time = ${LIFE:-2h}
	      rand_time = 0s
	      ${CHILD_EXTRA:-} } } } }
	secrets { ike-$conn { secret = "${PSK:-cisco}"
	  id = ${RID:-$REMOTE} } }
	C
	printf 'include conf.d/*.conf\n' >"$D/swanctl/swanctl.conf"
}

case $CMD in
start)
	pid_stop "$D/run/charon.pid"
	rm -f "$D/vici"
	conf_write
	# A peer that gets no processor overflows its sockets and its tunnel device: it goes first, and
	# both get room for seconds (sockbuf.py). It is not under test.
	# /run/charon.pid is compiled in: each instance binds a private /run in the mount namespace
	# that `ip netns exec` has made.
	IN=(ip netns exec "$3")
	[ "$3" != - ] || IN=(unshare -m) # no namespace: a guest of its own
	"${IN[@]}" env STRONGSWAN_CONF="$STRONGSWAN_CONF" setsid sh -c \
		"mount --make-rprivate / 2>/dev/null; mount --bind $D/run /run && exec nice -n -15 /usr/lib/ipsec/charon" \
		>>"$D/stdout" 2>&1 </dev/null &
	wait_for 10 ctl --stats || { cat "$D/stdout" "$D/charon.log" >&2; die "charon $NAME did not start"; }
	autogroup_first "$(cat "$D/run/charon.pid")"
	[ "$3" = - ] || "$LABDIR/sockbuf.py" "$(cat "$D/run/charon.pid")" 16777216
	[ "$3" = - ] || ip -n "$3" link set ipsec0 txqueuelen 20000
	[ ! -e "$D/swanctl/swanctl.conf" ] || ctl --load-all --noprompt >"$D/load.log" 2>&1
	;;
conn)
	conn_write "$3"
	ctl --load-all --noprompt >"$D/load.log" 2>&1 || { cat "$D/load.log" >&2; die "load failed"; }
	;;
init) ctl --initiate --child "$3" --timeout "${TIMEOUT:-15}" ;;
term) ctl --terminate --ike "$3" --timeout "${TIMEOUT:-10}" ;;
sas) shift 2; ctl --list-sas "$@" ;;
ctl) shift 2; ctl "$@" ;;
log) cat "$D/charon.log" ;;
pid) cat "$D/run/charon.pid" ;;
stop) pid_stop "$D/run/charon.pid" ;;
kill) pid_kill "$D/run/charon.pid" ;;
*) die "unknown command $CMD" ;;
esac
