#!/bin/bash
# The long check before a release or a risky change: lint, gcc, clang, thread sanitizer, fuzzing for
# a few seconds each, then `make test`. Each step is named; the first failure ends it.
#   git rebase -x tests/check.sh   runs it for every commit of a branch
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
	printf '=== %s\n' "$*"
}

tools/install-packages.sh test lint fuzz
step lint
tools/lint.sh

step "clang build and tests"
[ -e build-clang/build.ninja ] || CC=clang meson setup build-clang </dev/null
ninja -C build-clang
meson test -C build-clang --no-rebuild --print-errorlogs </dev/null

# The define makes DPDK's rings use atomics that the sanitizer understands.
step "thread sanitizer"
[ -e build-tsan/build.ninja ] ||
	CC=clang meson setup build-tsan -Db_sanitize=thread -Db_lundef=false -Doptimization=1 \
		-Dc_args=-DRTE_USE_C11_MEM_MODEL </dev/null
ninja -C build-tsan
TSAN_OPTIONS=suppressions=$PWD/tests/tsan.supp \
	meson test -C build-tsan --no-rebuild --print-errorlogs --timeout-multiplier 8 </dev/null

step "fuzzing"
FUZZ_SECONDS=${FUZZ_SECONDS:-10} tools/fuzz.sh

step "make test"
tests/run.sh
