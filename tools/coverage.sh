#!/bin/bash
# Line and branch coverage of the unit, exchange, golden and replay tests: a table on the terminal,
# pages in build-coverage/report/. What only the namespace tests reach (programs, ports, applying a
# configuration) stands there with 0 %.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/install-packages.sh coverage

build="build-coverage"
[ -e $build/build.ninja ] || meson setup $build -Db_coverage=true -Doptimization=0 </dev/null
ninja -C $build
find $build -name '*.gcda' -delete
# without optimisation and counting, tests take longer
meson test -C $build --no-rebuild --print-errorlogs --timeout-multiplier 4 </dev/null || echo "some tests failed" >&2
mkdir -p $build/report
gcovr --root . --object-directory $build --exclude 'tests/' --exclude 'bench/' --exclude 'build' \
	--print-summary --html-details $build/report/index.html --txt
echo "pages: $build/report/index.html"
