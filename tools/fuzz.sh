#!/bin/bash
# Runs the libFuzzer programs for FUZZ_SECONDS each (default 60), all or those named as arguments.
# Start corpora: tests/fuzz/corpus/NAME/. What is new stays in build-fuzz/corpus/NAME/, crashes in
# build-fuzz/crash/: a fixed one goes into tests/fuzz/corpus/NAME/. tests/fuzz/NAME.dict, NAME.options: the
# dictionary and more options, if they are there.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/install-packages.sh fuzz

seconds=${FUZZ_SECONDS:-60}
build="build-fuzz"
[ -e $build/build.ninja ] ||
	CC=clang meson setup $build -Dfuzz=true -Db_lundef=false -Doptimization=1 </dev/null
ninja --quiet -C $build build.ninja # targets of today
# the fuzz programs alone: the rest of the tree is not wanted here
mapfile -t programs < <(ninja -C $build -t targets all | sed -n 's/^\(tests\/fuzz\/[^:]*_fuzz\): .*/\1/p')
ninja -C $build "${programs[@]}"

export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
mkdir -p $build/crash
failed=0
ran=0
for program in $build/tests/fuzz/*_fuzz; do
	name=$(basename "${program%_fuzz}")
	[ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
	corpus=$build/corpus/$name
	mkdir -p "$corpus"
	dict=()
	[ ! -e "tests/fuzz/$name.dict" ] || dict=("-dict=tests/fuzz/$name.dict")
	options=()
	[ ! -e "tests/fuzz/$name.options" ] || read -ra options <"tests/fuzz/$name.options"
	seeds=()
	[ ! -d "tests/fuzz/corpus/$name" ] || seeds=("tests/fuzz/corpus/$name")
	ran=$((ran + 1))
	if "$program" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/crash/$name-" "${dict[@]}" "${options[@]}" "$corpus" "${seeds[@]}" \
		>"$build/$name.log" 2>&1 </dev/null; then
		echo "ok $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log") runs"
	else
		failed=$((failed + 1))
		tail -n 40 "$build/$name.log"
		echo "not ok $name: see $build/$name.log"
	fi
done
[ $ran -gt 0 ] || echo "no such fuzz target: $*"
[ $failed -eq 0 ] && [ $ran -gt 0 ]
