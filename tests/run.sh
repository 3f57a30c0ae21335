#!/bin/bash
# `make test`: every test there is, ending with one line `N passed, N failed, N skipped`.
#   1. build/ (release) and build-asan/ (address, undefined, leaks) are built
#   2. unit, exchange, golden, fuzz-replay and corpus tests run in both (meson test), the engine with
#      strongSwan in build/
#   3. namespace tests with real peers run in build/, a subset in build-asan/ (needs root)
#   tests/run.sh [PATTERN]   only the namespace tests whose name matches (a quick look)
# Exit status 0 only when nothing failed. A skip names its reason. Ctrl-C stops what runs, and each
# part removes what it made.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
pattern=("$@")

passed=0 failed=0 skipped=0
child=
begin=$SECONDS

exec 3>&2 # a part's output may go through a filter that is gone by then
stop() {
	trap '' INT TERM PIPE
	if [ -n "$child" ]; then
		kill -TERM "$child" 2>/dev/null
		wait "$child"
	fi
	echo "interrupted" >&3
	exit 130
}
trap stop INT TERM

# Runs a command so that a signal is handled while it runs, not after it.
run() {
	"$@" </dev/null &
	child=$!
	wait "$child"
	local rc=$?
	child=
	return $rc
}

say() {
	printf '== %s (%d s)\n' "$*" $((SECONDS - begin))
}

# A part that could not even start is one failed test with a name.
count_failed() {
	echo "not ok $*"
	failed=$((failed + 1))
}

finish() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed -eq 0 ]
	exit
}

build() { # DIRECTORY MESON-OPTION...
	local dir=$1
	shift
	say "building $dir"
	if [ ! -e "$dir/build.ninja" ] && ! run meson setup "$dir" "$@" >/dev/null; then
		tail -n 20 "$dir/meson-logs/meson-log.txt"
		return 1
	fi
	run ninja --quiet -C "$dir"
}

# meson's own summary is cut: the adding up is done here, over all parts.
unit_tests() { # DIRECTORY TIMEOUT-FACTOR OPTION...
	local dir=$1 factor=$2 counts
	shift 2
	say "tests in $dir"
	rm -f "$dir/meson-logs/testlog.json"
	run meson test -C "$dir" --no-rebuild --print-errorlogs --timeout-multiplier "$factor" \
		"$@" > >(sed -u '/^Ok: /,$d') 2>&1
	if ! counts=$(python3 tests/summary.py "$dir/meson-logs/testlog.json"); then
		count_failed "meson test in $dir"
		return
	fi
	echo "$counts" | sed '$d'
	add "$(echo "$counts" | tail -n 1)"
}

add() { # "N passed, N failed, N skipped"
	local p f s
	read -r p f s < <(echo "$1" | sed 's/[^0-9 ]//g')
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# The runner's lines go through; its last one is added up instead.
netns_tests() { # NAME VARIABLE=VALUE...
	local name=$1 log last
	shift
	log=$(mktemp)
	say "$name"
	run env "$@" tests/netns/run.sh "${pattern[@]}" > >(tee "$log" | sed -u '/^[0-9]* passed, [0-9]* failed, /d')
	sleep 0.2 # tee's last line
	last=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)
	rm -f "$log"
	if [ -n "$last" ]; then
		add "$last"
	else
		count_failed "$name: ended without a count"
	fi
}

if ! run tools/install-packages.sh test; then
	count_failed "installing packages"
	finish
fi

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

build build || { count_failed "building build"; finish; }
unit_tests build 1
if build build-asan -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1; then
	unit_tests build-asan 4 --no-suite interop # its peers are there again below
	asan=1
else
	count_failed "building build-asan"
	asan=
fi

if [ "$(id -u)" != 0 ]; then
	echo "skip namespace tests # they need root"
	skipped=$((skipped + 1))
elif ! unshare --net true 2>/dev/null; then
	echo "skip namespace tests # no network namespaces here"
	skipped=$((skipped + 1))
else
	netns_tests "namespace tests" TANDEM_BUILD="$PWD/build"
	[ -z "$asan" ] ||
		netns_tests "namespace tests with the address sanitizer" TANDEM_ASAN=1 \
			TANDEM_BUILD="$PWD/build-asan" ASAN_OPTIONS=
fi
say "done"
finish
