# _init.sh - what every test here starts with: `. "$(dirname "$0")/_init.sh"`.
#
# Gives namespaces and links with a prefix of this run, processes that are ended by pid, waiting
# for events (never for time), logs kept on failure. _gateway.sh, _peer.sh and _traffic.sh, which
# it sources, know the gateway, the strongSwan peers and the traffic tools.
# Environment: TANDEM_BUILD = build directory (default build), TANDEM_KEEP=1 keeps the logs.
# A test ends with exit status 0, 77 (skipped, `skip REASON`) or another (failed).
set -eEuo pipefail

NETNS_DIR=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
REPO=$(dirname "$(dirname "$NETNS_DIR")")
TANDEM_BUILD=$(readlink -f "${TANDEM_BUILD:-$REPO/build}")
TEST=$(basename "$0" .sh)
TMP=$(mktemp -d /tmp/tandem-netns.XXXXXX)
chmod 711 "$TMP"
LOGS=${TANDEM_LOGS:-$TANDEM_BUILD/netns-logs}/$TEST
PREFIX=tn$$
export LABRUN=$TMP/lab
. "$REPO/tests/lab/lablib.sh"

autogroup_first $$

NAMESPACES=() # full names
SPAWNED=()    # pids of what `spawn` started

step() { echo "-- $*"; }
fail() {
	echo "FAIL: $*" >&2
	exit 1
}
skip() {
	echo "skip: $*"
	exit 77
}
need() { # need COMMAND...: skip when one is missing
	local c
	for c in "$@"; do
		command -v "$c" >/dev/null || skip "$c is not installed"
	done
}
# bin NAME: a program of the build under test
bin() {
	local p
	p=$(find "$TANDEM_BUILD" -maxdepth 4 -name "$1" -type f -executable -print -quit 2>/dev/null)
	[ -n "$p" ] || { echo "$1 is not built in $TANDEM_BUILD" >&2; return 1; }
	echo "$p"
}

# has [OPTION...] PATTERN: a line of the standard input is like it. It reads to the end: grep -q ends
# its writer with SIGPIPE now and then, which pipefail takes for "no".
has() {
	local n
	n=$(grep -c "$@") || true
	[ "${n:-0}" != 0 ]
}

# wait_event SECONDS CMD...: until CMD succeeds; fails the test, naming what never came
# (TANDEM_SLOW=N: a machine N times slower)
wait_event() {
	local seconds=$(($1 * ${TANDEM_SLOW:-1}))
	shift
	wait_for "$seconds" "$@" || fail "waited ${seconds} s for: $*"
}
# eq WHAT GOT WANTED
eq() { [ "$2" = "$3" ] || fail "$1: $2, expected $3"; }
# num WHAT GOT OPERATOR WANTED (operators of test: -eq -ge ...)
num() { test "${2:-x}" "$3" "$4" 2>/dev/null || fail "$1: ${2:-nothing}, expected $3 $4"; }

# ---- namespaces and links: short names outside, prefixed names underneath --------------------
nsname() { echo "$PREFIX-$1"; }
ns_add() {
	local n
	for n in "$@"; do
		NAMESPACES+=("$(nsname "$n")")
		ns_make "$(nsname "$n")"
	done
}
in_ns() { # in_ns NS CMD...
	local n=$PREFIX-$1
	shift
	ip netns exec "$n" "$@"
}
ns_ip() { # ns_ip NS ARGS...: ip(8) in a namespace
	local n=$PREFIX-$1
	shift
	ip -n "$n" "$@"
}
link_add() { veth "$(nsname "$1")" "$2" "$3" "$(nsname "$4")" "$5" "$6"; }

# spawn NAME NS CMD...: a program in a namespace in the background, log in $TMP/NAME.log, ended by
# cleanup. CMD is no shell function: its pid ($!) has to be the program's.
spawn() {
	local name=$1 n=$PREFIX-$2
	shift 2
	ip netns exec "$n" "$@" >>"$TMP/$name.log" 2>&1 </dev/null &
	SPAWNED+=($!)
}

# ---- the end ---------------------------------------------------------------------------------
logs_keep() {
	rm -rf "$LOGS"
	mkdir -p "$LOGS"
	find "$TMP" -type f \( -name '*.log' -o -name '*.conf' -o -name '*.cfg' -o -name '*.pcap' \
		-o -name '*.json' -o -name console -o -name stdout \) -size -20M |
		while read -r f; do
			f=${f#"$TMP"/}
			cp "$TMP/$f" "$LOGS/${f//\//__}" || true
		done
	echo "logs: $LOGS"
}
cleanup() {
	local rc=$? p n
	trap - EXIT ERR
	trap '' INT TERM # whoever asks again: it is being done
	set +e
	if [ $rc -eq 0 ]; then # a test passes only if its gateways also stop cleanly
		gateways_stop || rc=1
	else
		[ $rc -eq 130 ] || gateways_dump
		gateways_stop >/dev/null 2>&1
	fi
	for p in "${SPAWNED[@]}"; do kill "$p" 2>/dev/null; done
	peers_end
	for n in "${NAMESPACES[@]}"; do
		for p in $(ip netns pids "$n" 2>/dev/null); do kill -9 "$p" 2>/dev/null; done
		ip netns del "$n" 2>/dev/null
	done
	case $rc in 0 | 77) [ -z "${TANDEM_KEEP:-}" ] || logs_keep ;; *) logs_keep ;; esac
	# what DPDK leaves of each run directory
	rm -rf "$TMP" "/run/dpdk/tandem-$(printf %s "$TMP" | tr -c 'A-Za-z0-9-' _)"_run-*
	exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT TERM
trap 'echo "FAIL: $(basename "${BASH_SOURCE[0]}"):$LINENO: $BASH_COMMAND" >&2' ERR

[ "$(id -u)" = 0 ] || skip "needs root for network namespaces"
. "$NETNS_DIR/_gateway.sh"
. "$NETNS_DIR/_peer.sh"
. "$NETNS_DIR/_traffic.sh"
