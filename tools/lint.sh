#!/bin/bash
# `make lint`: every check that needs no run. Each violation is one line with file and line number;
# all checks run, exit status 1 if any complained. Only tracked files are looked at.
#   tools/lint.sh [CHECK...]   only these: format rules spelling shell man headers tidy
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
tools/install-packages.sh lint || exit 1

build=${LINT_BUILD:-build}
jobs=$(nproc)
failed=()

files() { # PATTERN...: tracked and present
	local f
	git ls-files "$@" | while read -r f; do
		[ ! -f "$f" ] || echo "$f"
	done
}

lint_format() {
	files '*.c' '*.h' | xargs clang-format --dry-run -Werror 2>&1 |
		sed -n 's/: error: code should be clang-formatted.*/: not formatted (make format)/p' | sort -u |
		awk -F: '!seen[$1]++'
	return "$((PIPESTATUS[1] != 0))"
}

lint_rules() {
	files '*.c' '*.h' '*.sh' '*.py' '*.md' '*.build' Makefile meson_options.txt .ci/run |
		grep -v '^tests/vectors/\|/corpus/' | python3 tools/lint_rules.py
}

lint_spelling() {
	files | grep -v '^tests/vectors/\|^tests/golden/\|/corpus/\|\.pcap$' | xargs codespell --config .codespellrc
}

# Parts that others source have no #! line; what they set is used elsewhere (SC2034).
lint_shell() {
	{ files '*.sh'; echo .ci/run; } | xargs shellcheck -S warning -s bash -e SC2034,SC2155 -f gcc
}

lint_man() {
	local rc=0 page
	for page in $(files 'docs/man/*'); do
		mandoc -T lint -W warning "$page" | sed 's/^mandoc: //' || rc=1
	done
	return $rc
}

lint_headers() {
	files '*.h' | grep -v '^tests/vectors/' | python3 tools/lint_headers.py "$build"
}

# Only files that are built have flags to check them with.
lint_tidy() {
	python3 - "$build" <<-'EOF' | grep -Fxf <(files '*.c') |
		import json, os, sys
		top = os.getcwd()
		with open(os.path.join(sys.argv[1], "compile_commands.json"), encoding="utf-8") as f:
		    seen = {os.path.normpath(os.path.join(c["directory"], c["file"])) for c in json.load(f)}
		print(*sorted(os.path.relpath(p, top) for p in seen), sep="\n")
	EOF
		xargs -P "$jobs" -n 1 clang-tidy -p "$build" --quiet \
			--extra-arg=-Wno-unknown-warning-option 2>/dev/null |
		sed "s|^.*$PWD/||; s|^[^:]*\.\./||" | grep -E ': (warning|error): ' |
		grep -v 'Use of memory after it is freed' # see below
	# The last grep found something: that is the failure. The analyzer does not follow unlinking
	# from <sys/queue.h> lists, so that message is always wrong here; AddressSanitizer has that task.
	return "$((PIPESTATUS[5] == 0))"
}

need_build() {
	if [ ! -e "$build/build.ninja" ]; then
		meson setup "$build" >/dev/null </dev/null || return 1
	fi
	# generated headers and a compile_commands.json of today
	ninja --quiet -C "$build" build.ninja </dev/null >/dev/null
}

checks=("$@")
[ ${#checks[@]} -gt 0 ] || checks=(format rules spelling shell man headers tidy)
case " ${checks[*]} " in
*" headers "* | *" tidy "*)
	need_build || {
		echo "meson setup $build fails"
		exit 1
	}
	;;
esac
for check in "${checks[@]}"; do
	begin=$SECONDS
	if "lint_$check"; then
		echo "ok $check ($((SECONDS - begin)) s)"
	else
		echo "not ok $check"
		failed+=("$check")
	fi
done
[ ${#failed[@]} -eq 0 ] || {
	echo "lint: ${failed[*]} complained"
	exit 1
}
