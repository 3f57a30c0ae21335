# _link.sh - ends of a replication link (link_peer) that take commands. Source it after _init.sh.

LINK_DRIVER=${LINK_DRIVER:-user} # kernel: under a kernel that has SCTP (tests/lab/kernel.sh)
LINK_KEY=a-long-random-string-1
LINK_PEER=$(bin link_peer)
declare -A LINK_PID=()
# link_start NAME NS PARAMETER...: log in $TMP/NAME.log
link_start() {
	local name=$1 ns=$2
	shift 2
	rm -f "$TMP/$name.in"
	mkfifo "$TMP/$name.in"
	: >>"$TMP/$name.log"
	spawn "$name" "$ns" bash -c 'exec 3<>"$0"; exec chrt -r 1 "$@" <&3' "$TMP/$name.in" "$LINK_PEER" "$@"
	LINK_PID[$name]=${SPAWNED[-1]}
}
link_do() { echo "${*:2}" >"$TMP/$1.in"; } # link_do NAME COMMAND
link_quit() {
	link_do "$1" quit
	wait "${LINK_PID[$1]}" || fail "$1 ended with exit status $?"
}
link_kill() {
	kill -9 "${LINK_PID[$1]}"
	wait "${LINK_PID[$1]}" 2>/dev/null || true
}
link_count() { grep -Ec -- "$2" "$TMP/$1.log" || true; } # link_count NAME PATTERN
link_has() { [ "$(link_count "$1" "$2")" -ge "${3:-1}" ]; } # link_has NAME PATTERN [TIMES]
# link_says NAME KEY: a value of its `info`
link_info() {
	local n=$(link_count "$1" '^info ')
	link_do "$1" info
	wait_for 5 link_has "$1" '^info ' $((n + 1)) || return 1
	grep '^info ' "$TMP/$1.log" | tail -1 | sed -n "s/.* $2=\"\([^\"]*\)\".*/\1/p; s/.* $2=\([^ \"]*\).*/\1/p" | head -1
}
link_is() { [ "$(link_info "$1" "$2")" = "$3" ]; } # link_is NAME KEY VALUE
link_ups() { link_count "$1" '^up '; }
# link_exchange FROM TO STREAM COUNT SIZE: sends, waits for all of it
link_exchange() {
	local n=$(link_count "$2" "^received stream=$3 count=$4 ")
	link_do "$1" "send $3 $4 $5"
	wait_event 20 link_has "$2" "^received stream=$3 count=$4 " $((n + 1))
}
link_no_faults() { # nothing out of order anywhere, no sanitizer report
	local f
	for f in "$TMP"/*.log; do
		! grep -E '^order broken|^short message|ERROR: .*Sanitizer|runtime error' "$f" || fail "$f"
	done
}
