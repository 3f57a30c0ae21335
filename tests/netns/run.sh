#!/bin/bash
# run.sh [PATTERN] - runs the namespace tests (NN_*_test.sh), one line per test, and ends with
# `N passed, N failed, N skipped`. Exit status 0 only when none failed. Needs root. First those that
# mostly wait, a few at once; then, one after the other, those in which a neighbour would be seen: they measure
# times, or count what is lost under load.
#   TANDEM_BUILD    build directory under test (default: build)
#   TANDEM_ASAN=1   the subset that is worth its time under AddressSanitizer, from build-asan
#   TANDEM_TIMEOUT  seconds per test (default 180)
#   TANDEM_JOBS     how many at once (default 3; 1: all one after the other)
set -u
here=$(dirname "$(readlink -f "$0")")
repo=$(dirname "$(dirname "$here")")
pattern=${1:-.}
alone='^(25|29|3[27]_(garbage|flood)|41|42|43|44_failover|45_hello|46|50|51_attack|51_link|5[2-9])'
if [ -n "${TANDEM_ASAN:-}" ]; then
	export TANDEM_BUILD=${TANDEM_BUILD:-$repo/build-asan}
	# a leak found when the gateway stops fails the test (exit status of the gateway)
	export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
	export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
	[ $# -gt 0 ] || pattern='^(20|21|22|27|32|36)_'
fi
export TANDEM_BUILD=$(readlink -m "${TANDEM_BUILD:-$repo/build}")
logs=$TANDEM_BUILD/netns-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0
declare -A running=() began=() # pid -> name, second of its start
stop() {
	trap '' INT TERM
	[ ${#running[@]} -eq 0 ] || {
		kill -TERM "${!running[@]}" 2>/dev/null
		wait "${!running[@]}"
	}
	exit 130
}
trap stop INT TERM

# A test is a process group of its own: one that hangs is told to clean up (TERM), then killed.
begin() { # begin TEST
	timeout -k 60 "${TANDEM_TIMEOUT:-180}" bash "$here/$1.sh" >"$logs/$1.out" 2>&1 </dev/null &
	running[$!]=$1
	began[$!]=$SECONDS
}
# end: waits until one has ended and tells of it
end() {
	local pid rc name out time
	wait -n -p pid "${!running[@]}"
	rc=$?
	name=${running[$pid]} time="$((SECONDS - began[$pid])) s"
	unset "running[$pid]"
	out=$logs/$name.out
	case $rc in
	0) passed=$((passed + 1)); echo "ok $name ($time)" ;;
	77) skipped=$((skipped + 1)); echo "skip $name: $(sed -n 's/^skip: //p' "$out" | tail -1)" ;;
	*)
		failed=$((failed + 1))
		[ $rc -ne 124 ] || echo "timeout" >>"$out"
		echo "not ok $name ($time, exit status $rc)"
		tail -8 "$out" | sed 's/^/  # /'
		;;
	esac
}
# all JOBS TEST...: as many at once
all() {
	local jobs=$1 t
	for t in "${@:2}"; do
		[ ${#running[@]} -lt "$jobs" ] || end
		begin "$t"
	done
	while [ ${#running[@]} -gt 0 ]; do end; done
}

together=() one_by_one=()
for t in "$here"/[0-9][0-9]_*_test.sh; do
	name=$(basename "$t" .sh)
	[[ $name =~ $pattern ]] || continue
	if [[ $name =~ $alone ]]; then one_by_one+=("$name"); else together+=("$name"); fi
done
# the longest first: the others fill the time beside it
mapfile -t together < <(printf '%s\n' "${together[@]}" | awk 'NF { print !/^(34_|2[46]_|44_)/, $0 }' | sort | cut -d' ' -f2-)
all "${TANDEM_JOBS:-3}" "${together[@]}"
all 1 "${one_by_one[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
