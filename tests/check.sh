#!/bin/bash
# The long check before a release or a risky change: lint, clang, thread sanitizer, the stateful pair under
# both sanitizers (needs root), fuzzing for a few seconds each, then `make test`. Each step is named; the
# first failure ends it.
#   tests/check.sh [STEP...]       only these: lint clang tsan pair fuzz test
#   git rebase -x tests/check.sh   runs it for every commit of a branch
# TIMES=N gives tests N times their time (a busy machine), FUZZ_SECONDS each fuzz target its.
set -euo pipefail
cd "$(dirname "$0")/.."
times=${TIMES:-1}
tsan_options=suppressions=$PWD/tests/tsan.supp

build() { # build DIRECTORY COMPILER MESON-OPTION...
	[ -e "$1/build.ninja" ] || CC=$2 meson setup "$1" "${@:3}" </dev/null
	ninja -C "$1"
}
unit() { # unit DIRECTORY TIMES
	meson test -C "$1" --no-rebuild --print-errorlogs --timeout-multiplier $(($2 * times)) </dev/null
}
build_asan() { # as tests/run.sh makes it
	build build-asan cc -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1
}
build_tsan() { # the define makes DPDK's rings use atomics that the sanitizer understands
	build build-tsan clang -Db_sanitize=thread -Db_lundef=false -Doptimization=1 \
		-Dc_args=-DRTE_USE_C11_MEM_MODEL
}

step_lint() { tools/lint.sh; }
step_clang() {
	build build-clang clang
	unit build-clang 1
}
step_tsan() {
	build_tsan
	TSAN_OPTIONS=$tsan_options unit build-tsan 8
}
# tandemd and tandem-standby of two boxes. Slower programs, so longer hold times; no more than this:
# the tests' spoke gives a gateway up after two seconds.
pair() { # pair DIRECTORY VARIABLE=VALUE
	env "$2" PAIR_TIMERS="msec 100 msec 400" GW_WAIT=60 TANDEM_TIMEOUT=$((400 * times)) \
		TANDEM_BUILD="$PWD/$1" tests/netns/run.sh '^(44_failover|50_link|50_release|51_attack|52|55)_'
}
step_pair() {
	build_asan
	pair build-asan ASAN_OPTIONS=detect_leaks=1
	build_tsan
	pair build-tsan TSAN_OPTIONS="$tsan_options"
}
step_fuzz() { FUZZ_SECONDS=${FUZZ_SECONDS:-10} tools/fuzz.sh; }
step_test() { tests/run.sh; }

[ $# -gt 0 ] || set -- lint clang tsan pair fuzz test
tools/install-packages.sh test lint fuzz
for s; do
	declare -F "step_$s" >/dev/null || { echo "no such step: $s" >&2; exit 2; }
	printf '=== %s\n' "$s"
	"step_$s"
done
