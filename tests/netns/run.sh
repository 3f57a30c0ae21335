#!/bin/bash
# run.sh [PATTERN] - runs the namespace tests (NN_*_test.sh) in order, one line per test, and ends
# with `N passed, N failed, N skipped`. Exit status 0 only when none failed. Needs root.
#   TANDEM_BUILD    build directory under test (default: build)
#   TANDEM_ASAN=1   the subset that is worth its time under AddressSanitizer, from build-asan
#   TANDEM_TIMEOUT  seconds per test (default 180)
set -u
here=$(dirname "$(readlink -f "$0")")
repo=$(dirname "$(dirname "$here")")
pattern=${1:-.}
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
passed=0 failed=0 skipped=0 child=""
stop() {
	[ -z "$child" ] || { kill -TERM "$child" 2>/dev/null; wait "$child"; }
	exit 130
}
trap stop INT TERM
for t in "$here"/[0-9][0-9]_*_test.sh; do
	name=$(basename "$t" .sh)
	[[ $name =~ $pattern ]] || continue
	out=$logs/$name.out
	begin=$SECONDS
	# its own process group: a test that hangs is told to clean up (TERM), then killed
	timeout -k 30 "${TANDEM_TIMEOUT:-180}" bash "$t" >"$out" 2>&1 </dev/null &
	child=$!
	wait "$child"
	rc=$?
	child=""
	time="$((SECONDS - begin)) s"
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
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
