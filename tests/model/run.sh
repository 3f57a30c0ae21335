#!/bin/bash
# The models of the fail-over protocol under spin: exhaustive runs that must find nothing, and
# mutations (a rule left out) that must be caught.
#   run.sh [short|long|mutations|NAME]...   short is what `make test` runs
# A failure leaves its trail; tr.py condenses it.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/tandem-model.XXXXXX")
trap 'rm -rf "$dir"' EXIT
failed=0 ran=0

# NAME MODEL EXPECT(ok|caught) FLAGS
configs() {
	cat <<-'END'
		short rec-all rec ok -DNREORD=1
		short rec-replyfirst rec caught -DM_REPLYFIRST
		short rec-gatelate rec caught -DM_GATELATE
		short process-link core ok -DNBOX=0 -DNPROC=1 -DNR=1 -DNH=0 -DNEXP=0 -DNSEND=2
		short box-process core ok -DNBOX=1 -DNPROC=1 -DNR=0 -DNH=0 -DNEXP=0 -DNSEND=2
		short planned-split core ok -DNBOX=0 -DNPROC=0 -DNR=1 -DNH=1 -DNPLAN=1 -DNEXP=0 -DNSEND=2
		short norestart core caught -DM_NORESTART -DNOLIVE -DNBOX=0 -DNPROC=1 -DNR=0 -DNH=0 -DNEXP=0
		short nomerge core caught -DM_NOMERGE -DNOLIVE -DNBOX=0 -DNPROC=0 -DNR=1 -DNH=1 -DNEXP=0 -DNSEND=4
		mutations rec-nolsn rec caught -DM_NOLSN
		mutations rec-snaponce rec caught -DM_SNAPONCE
		mutations rec-hotearly rec caught -DM_HOTEARLY
		mutations naive core caught -DORIG -DNOLIVE -DNSEND=4 -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNEXP=0
		mutations nolease core caught -DNOLEASE -DNOLIVE -DNSEND=4 -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNEXP=0
		mutations diskmirror core caught -DM_DISKMIRROR -DNOLIVE -DNBOX=0 -DNPROC=2 -DNR=0 -DNH=0 -DNEXP=0
		mutations keeplife core caught -DM_KEEPLIFE -DNOLIVE -DNBOX=0 -DNPROC=0 -DNR=1 -DNH=1 -DNEXP=0 -DNPLAN=1
		mutations taintlost core caught -DM_TAINTLOST -DNOLIVE -DNBOX=1 -DNPROC=1 -DNR=1 -DNH=0 -DNEXP=0
		mutations discard core caught -DM_DISCARD -DNOLIVE -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=1 -DNEXP=0 -DNSEND=1
		mutations blindrestart core caught -DM_BLINDRESTART -DNOLIVE -DNBOX=1 -DNPROC=1 -DNR=1 -DNH=0 -DNEXP=0 -DNSEND=2
		short hang core ok -DNBOX=0 -DNPROC=0 -DNR=1 -DNH=0 -DNHANG=1 -DNEXP=0 -DNSEND=2
		short stop core ok -DNBOX=0 -DNPROC=0 -DNR=1 -DNH=1 -DNSTOP=1 -DNEXP=0 -DNSEND=2
		mutations nooffer core caught -DM_NOOFFER -DNOLIVE -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNPLAN=1 -DNEXP=0 -DNSEND=4
		long hang-box core ok -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNHANG=1 -DNEXP=0 -DNSEND=3
		long hang-stop core ok -DNBOX=0 -DNPROC=1 -DNR=1 -DNH=1 -DNHANG=1 -DNSTOP=1 -DNEXP=0 -DNSEND=2
		long R1 core ok -DNBOX=1 -DNPROC=1 -DNR=1 -DNH=1 -DNEXP=0 -DNSEND=4
		long R3 core ok -DNBOX=2 -DNPROC=1 -DNR=0 -DNH=0 -DNEXP=0 -DNSEND=4
		long R4 core ok -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNLOSS=1 -DNREORD=1 -DNPLAN=1 -DNEXP=0 -DNSEND=3
		long R5 core ok -DNBOX=0 -DNPROC=2 -DNR=1 -DNH=1 -DNEXP=0 -DNSEND=4
		long planned-box core ok -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNPLAN=1 -DNEXP=0 -DNSEND=2
		long edges core ok -DNBOX=1 -DNPROC=1 -DNR=1 -DNH=0 -DNEXP=0 -DNACCEPT=4 -DNSEND=0
	END
}

one() { # NAME MODEL EXPECT FLAGS...
	local name=$1 model=$2 expect=$3 begin=$SECONDS errors states search=-DNOFAIR
	shift 3
	[ "$expect" = ok ] || search=-DBFS # the shortest counter-example
	mkdir -p "$dir/$name" && cd "$dir/$name" || return 1
	cp "$here/$model.pml" m.pml
	if ! spin -a "$@" m.pml >spin.log 2>&1 ||
		! gcc -O1 -w -DSAFETY -DNOREDUCE -DHC4 -DVECTORSZ=2048 -DMEMLIM="${MODEL_MB:-2000}" $search -o pan pan.c 2>cc.log; then
		cat spin.log cc.log 2>/dev/null
		return 1
	fi
	timeout "${MODEL_SECONDS:-100}" ./pan -m20000 >pan.log 2>&1
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
	states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log | head -n 1)
	echo "$name: ${errors:-?} errors, ${states:-?} states, $((SECONDS - begin)) s"
	if [ -z "$errors" ] || { [ "$expect" = ok ] && [ "$errors" = 0 ] && grep -q 'Search not completed' pan.log; }; then
		echo "$name: the search did not come to its end"
		return 1
	fi
	if [ "$expect" = ok ] && [ "$errors" != 0 ]; then
		spin -t -p -g "$@" m.pml >"$here/trail.$name" 2>/dev/null
		echo "$name: fails; python3 tests/model/tr.py tests/model/trail.$name"
		return 1
	fi
	[ "$expect" = ok ] || [ "$errors" != 0 ] || {
		echo "$name: the rule is left out and nothing is found"
		return 1
	}
}

command -v spin >/dev/null || {
	echo "spin is not installed: tools/install-packages.sh test"
	exit 77
}
[ $# -gt 0 ] || set -- short
while read -r set name model expect flags; do
	for want; do
		if [ "$want" = "$set" ] || [ "$want" = "$name" ]; then
			ran=$((ran + 1))
			# shellcheck disable=SC2086 # flags are words
			(one "$name" "$model" "$expect" $flags) || failed=$((failed + 1))
		fi
	done
done < <(configs)
echo "$ran runs, $failed failed"
[ $failed -eq 0 ] && [ $ran -gt 0 ]
