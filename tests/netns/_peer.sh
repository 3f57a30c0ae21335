# _peer.sh - strongSwan peers, on the host (ESP in user space, always UDP-encapsulated) or in a
# user-mode Linux guest (the kernel's ESP), and FRR routers.

PEERS=()  # charons on the host
GUESTS=() # user-mode Linux guests
peer() { "$REPO/tests/lab/peer-strongswan.sh" "$@"; }
FRRS=()   # FRR routers
frr() { "$REPO/tests/lab/peer-frr.sh" "$@"; }
frr_start() { # frr_start NAME NS CONFFILE|- DAEMON...
	[ -x /usr/lib/frr/zebra ] || skip "FRR is not installed"
	FRRS+=("$1")
	frr start "$1" "$(nsname "$2")" "${@:3}"
}
guest() { "$REPO/tests/lab/uml.sh" "$@"; }

ss_start() { # ss_start NAME NS
	[ -x /usr/lib/ipsec/charon ] || skip "strongSwan (charon) is not installed"
	PEERS+=("$1")
	peer start "$1" "$(nsname "$2")"
}
# ss_conn NAME CONN [VARIABLE=VALUE...]: default: the walkthrough's spoke
ss_conn() {
	local name=$1 conn=$2
	shift 2
	env LOCAL=6.6.25.2 REMOTE=6.6.156.100 LTS=6.6.2.0/24 RTS=6.6.146.0/24 PSK=cisco \
		"$@" "$REPO/tests/lab/peer-strongswan.sh" conn "$name" "$conn"
}
ss_init() { peer init "$@" >>"$TMP/ss-init.log" 2>&1; } # ss_init NAME CHILD
ss_term() { peer term "$@" >>"$TMP/ss-init.log" 2>&1; }
ss_stop() { peer stop "$1"; }
ss_kill() { # kill -9: no delete is sent. Its TUN device and policies go with it
	local pid
	pid=$(peer pid "$1")
	kill -9 "$pid"
	wait_event 5 eval "! kill -0 $pid"
	rm -f "$LABRUN/ss-$1/run/charon.pid"
}
ss_log() { cat "$LABRUN/ss-$1/charon.log"; }
ss_log_has() { grep -Eq -- "$2" "$LABRUN/ss-$1/charon.log"; }
ss_installed() { # ss_installed NAME CHILD [COUNT]: CHILD_SAs of that name in state INSTALLED
	local n
	n=$(peer sas "$1" --raw | grep -o "name=$2 uniqueid=[0-9]* reqid=[0-9]* state=INSTALLED" | wc -l)
	[ "$n" -ge "${3:-1}" ]
}
ss_established() { # ss_established NAME: how many IKE_SAs
	peer sas "$1" | grep -c ESTABLISHED || true
}

# guest_start NAME NS IF [MODULES]: IF of NS is the guest's vec0
guest_start() {
	command -v linux.uml >/dev/null || skip "user-mode Linux is not installed"
	GUESTS+=("$1")
	guest start "$1" -m 256 -n "$(nsname "$2")" -d "vec0:transport=packet,ifname=$3,depth=128" \
		${4:+-M "$4"}
}
in_guest() { # in_guest NAME CMD...
	guest exec "$@"
}
# guest_ss_conn GUEST NAME CONN [VARIABLE=VALUE...]
guest_ss_conn() {
	local g=$1 name=$2 conn=$3
	shift 3
	guest exec "$g" env LOCAL=6.6.25.2 REMOTE=6.6.156.100 LTS=6.6.2.0/24 RTS=6.6.146.0/24 \
		PSK=cisco "$@" "$REPO/tests/lab/peer-strongswan.sh" conn "$name" "$conn"
}

peers_end() { # the test is over: no goodbyes, which take charon 2 s and FRR 8
	local p pids=()
	for p in "${GUESTS[@]}"; do
		guest stop "$p" >/dev/null 2>&1 &
		pids+=($!)
	done
	for p in "${FRRS[@]}"; do
		frr kill "$p" >/dev/null 2>&1 &
		pids+=($!)
	done
	for p in "${PEERS[@]}"; do
		peer kill "$p" >/dev/null 2>&1 &
		pids+=($!)
	done
	[ ${#pids[@]} -eq 0 ] || wait "${pids[@]}"
}
