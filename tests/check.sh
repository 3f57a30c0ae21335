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

step "thread sanitizer"
[ -e build-tsan/build.ninja ] ||
	meson setup build-tsan -Db_sanitize=thread -Db_lundef=false </dev/null
ninja -C build-tsan
meson test -C build-tsan --no-rebuild --print-errorlogs --timeout-multiplier 4 </dev/null

step "fuzzing"
FUZZ_SECONDS=${FUZZ_SECONDS:-10} tools/fuzz.sh

step "make test"
tests/run.sh
