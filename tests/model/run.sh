#!/bin/bash
# The models of the fail-over protocol under spin: exhaustive runs that must find nothing, and
# mutations (a rule left out) that must be caught. Their constants must be those of the code.
#   run.sh [short|long|huge|mutations|names|NAME]...   short is what `make test` runs; huge is what
# nobody has seen end (README.md says how far it came): what long has in its place is smaller
# A failure leaves its trail; tr.py condenses it. MODEL_SECONDS limits a run, MODEL_MB its set of states
# (8 bytes for each), MODEL_BITS is the hash table of a mutation's, MODEL_OPT the compiler's.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/tandem-model.XXXXXX")
trap 'rm -rf "$dir"' EXIT
failed=0 ran=0

# NAME MODEL EXPECT(ok|caught) FLAGS
configs() {
	cat <<-'END'
		short rec-all rec ok -DNREORD=1
		short rec-replyfirst rec caught -DM_REPLYFIRST
		mutations rec-gatelate rec caught -DM_GATELATE
		short process-link core ok -DNBOX=0 -DNPROC=1 -DNR=1 -DNH=0 -DNEXP=0 -DNSEND=2
		short box-process core ok -DNBOX=1 -DNPROC=1 -DNR=0 -DNH=0 -DNEXP=0 -DNSEND=2
		short planned-split core ok -DNBOX=0 -DNPROC=0 -DNR=1 -DNH=1 -DNPLAN=1 -DNEXP=0 -DNSEND=2
		short norestart core caught -DM_NORESTART -DNOLIVE -DNBOX=0 -DNPROC=1 -DNR=0 -DNH=0 -DNEXP=0
		mutations nomerge core caught -DM_NOMERGE -DNOLIVE -DNBOX=0 -DNPROC=0 -DNR=1 -DNH=1 -DNEXP=0 -DNSEND=4
		mutations rec-nolsn rec caught -DM_NOLSN
		mutations rec-snaponce rec caught -DM_SNAPONCE
		mutations rec-hotearly rec caught -DM_HOTEARLY
		mutations naive core caught -DORIG -DNOLIVE -DNSEND=4 -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNEXP=0
		mutations nolease core caught -DNOLEASE -DNOLIVE -DNSEND=4 -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNEXP=0
		mutations diskmirror core caught -DM_DISKMIRROR -DNOLIVE -DNBOX=0 -DNPROC=2 -DNR=0 -DNH=0 -DNEXP=0
		mutations keeplife core caught -DM_KEEPLIFE -DNOLIVE -DNBOX=0 -DNPROC=0 -DNR=1 -DNH=1 -DNEXP=0 -DNPLAN=1
		mutations taintlost core caught -DM_TAINTLOST -DNOLIVE -DNBOX=2 -DNPROC=0 -DNR=1 -DNH=0 -DNEXP=0 -DNSEND=4
		mutations discard core caught -DM_DISCARD -DNOLIVE -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=1 -DNEXP=0 -DNSEND=1
		mutations blindrestart core caught -DM_BLINDRESTART -DNOLIVE -DNBOX=1 -DNPROC=1 -DNR=1 -DNH=0 -DNEXP=0 -DNSEND=2
		short hang core ok -DNBOX=0 -DNPROC=0 -DNR=1 -DNH=0 -DNHANG=1 -DNEXP=0 -DNSEND=2
		short stop core ok -DNBOX=0 -DNPROC=0 -DNR=1 -DNH=1 -DNSTOP=1 -DNEXP=0 -DNSEND=2
		mutations nooffer core caught -DM_NOOFFER -DNOLIVE -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNPLAN=1 -DNEXP=0 -DNSEND=4
		mutations earlylease core caught -DM_EARLYLEASE -DNOLIVE -DNBOX=1 -DNPROC=1 -DNR=1 -DNH=0 -DNEXP=0 -DNSEND=4
		long hang-box core ok -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNHANG=1 -DNEXP=0 -DNSEND=3
		long hang-stop core ok -DNBOX=0 -DNPROC=1 -DNR=1 -DNH=1 -DNHANG=1 -DNSTOP=1 -DNEXP=0 -DNSEND=2
		long R1 core ok -DNBOX=1 -DNPROC=1 -DNR=1 -DNH=1 -DNEXP=0 -DNSEND=4
		long R3 core ok -DNBOX=2 -DNPROC=1 -DNR=0 -DNH=0 -DNEXP=0 -DNSEND=4
		long R4-loss core ok -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNLOSS=1 -DNPLAN=1 -DNEXP=0 -DNSEND=2
		long R4-order core ok -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNREORD=1 -DNPLAN=1 -DNEXP=0 -DNSEND=2
		huge R4 core ok -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNLOSS=1 -DNREORD=1 -DNPLAN=1 -DNEXP=0 -DNSEND=3
		long R5 core ok -DNBOX=0 -DNPROC=2 -DNR=1 -DNH=1 -DNEXP=0 -DNSEND=4
		long planned-box core ok -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNPLAN=1 -DNEXP=0 -DNSEND=2
		long edges core ok -DNBOX=1 -DNPROC=1 -DNR=1 -DNH=0 -DNEXP=0 -DNACCEPT=4 -DNSEND=0
		short ring-sleep ring ok -DNPLAN=0 -DNSCRASH=0 -DDN=1
		short ring-plan ring ok -DNHANG=0 -DNPLAN=2 -DNBACK=2 -DNOFF=1 -DNSCRASH=0
		short ring-split ring ok -DNHANG=0 -DNSCRASH=0 -DNPLAN=0 -DNBACK=0 -DNSPLIT=1 -DNTAKE=1
		short ring-make ring ok -DNMAKE=1 -DNHANG=0 -DNPLAN=0 -DNBACK=0 -DNLOST=1
		short ring-resync ring ok -DNHANG=0 -DNPLAN=1 -DNBACK=0 -DNSCRASH=0 -DNRESYNC=1
		short ring-passrole ring caught -DM_PASSROLE -DNPLAN=0 -DNSCRASH=0 -DDN=1 -DNBACK=0
		mutations ring-feedstop ring caught -DM_FEEDSTOP -DNMAKE=1 -DNHANG=0 -DNPLAN=0 -DNBACK=0 -DNLOST=1
		mutations ring-forget ring caught -DM_FORGET -DNHANG=0 -DNPLAN=1 -DNBACK=2 -DNOFF=1 -DNSCRASH=0
		mutations ring-stoppedany ring caught -DM_STOPPEDANY -DNHANG=0 -DNPLAN=2 -DNBACK=0 -DNOFF=1 -DNSCRASH=0
		mutations ring-againkept ring caught -DM_AGAINKEPT -DNHANG=0 -DNPLAN=1 -DNBACK=0 -DNSCRASH=0 -DNRESYNC=1
		mutations ring-yieldclean ring caught -DM_YIELDCLEAN -DNHANG=0 -DNSCRASH=0 -DNPLAN=0 -DNBACK=0 -DNSPLIT=1 -DNTAKE=1
		mutations ring-limitidle ring caught -DM_LIMITIDLE -DNPLAN=0 -DNSCRASH=0 -DDN=1 -DNSEND=4 -DNRAISE=2
		mutations ring-limitany ring caught -DM_LIMITANY -DNPLAN=0 -DNSCRASH=0 -DDN=1 -DNSEND=4 -DNRAISE=2
		mutations ring-noretell ring caught -DM_NORETELL -DNHANG=0 -DNPLAN=0 -DNBACK=0 -DNSPLIT=1 -DNSEND=3
		mutations ring-tenure ring caught -DM_NOTENURE -DM_NOTBEHIND -DNPLAN=0 -DNSEND=4 -DNRAISE=2 -DUP=1 -DDN=2
		mutations ring-nextvoid ring caught -DM_NEXTVOID -DNHANG=0 -DNSCRASH=0 -DNBACK=0 -DNPLAN=0 -DNSPLIT=1 -DNLOST=1 -DNRAISE=0 -DNSEND=3
		mutations ring-noreset ring caught -DM_NORESET -DNHANG=0 -DNPLAN=1 -DNBACK=0 -DNSCRASH=0 -DNSEND=1
		mutations ring-nosettle ring caught -DM_NOSETTLE -DATONCE -DNSCRASH=0 -DNTAKE=1 -DNBACK=0 -DNHANG=1 -DNPLAN=0 -DNCRASH=1 -DNRAISE=0 -DNCLAIM=1
		mutations ring-raisegrant ring caught -DM_RAISEGRANT -DATONCE -DNSCRASH=0 -DNTAKE=1 -DNBACK=0 -DNHANG=2 -DNPLAN=0 -DNRAISE=0 -DNSEND=3 -DNCLAIM=1
		long ring-void ring ok -DNHANG=0 -DNSCRASH=0 -DNBACK=0 -DNPLAN=0 -DNSPLIT=1 -DNLOST=1 -DNRAISE=0 -DNSEND=3
		long ring-atonce ring ok -DATONCE -DNSCRASH=0 -DNTAKE=1 -DNBACK=0 -DNHANG=2 -DNPLAN=0 -DNRAISE=0 -DNSEND=3 -DNCLAIM=1 -DNCRASH=1
		mutations ring-attachbusy ring caught -DM_ATTACHBUSY -DNMAKE=1 -DNHANG=0 -DNPLAN=0 -DNBACK=0 -DNLOST=1
		mutations ring-nolook ring caught -DM_NOLOOK -DNPLAN=0 -DNBACK=0 -DNLOST=1 -DNSCRASH=0
		mutations ring-nodetach ring caught -DM_NODETACH -DGONE -DNPLAN=0
		mutations ring-upsertany ring caught -DM_UPSERTANY -DNMAKE=1 -DNPLAN=0 -DNSCRASH=0 -DNLOST=1
		mutations ring-resumefirst ring caught -DM_RESUMEFIRST -DNHANG=0 -DNSCRASH=0 -DNPLAN=0 -DNBACK=0 -DNSPLIT=1 -DNSEND=3
		mutations ring-activatefirst ring caught -DM_ACTIVATEFIRST -DNHANG=0 -DNSCRASH=0 -DNPLAN=0 -DNBACK=0 -DNSPLIT=1 -DNLOST=1 -DDN=1
		mutations ring-raisedkept ring caught -DM_RAISEDKEPT -DATONCE -DNSCRASH=0 -DNPLAN=0 -DNBACK=0 -DNCUT=1 -DNSEND=3 -DDN=1
		mutations ring-askedlate ring caught -DM_ASKEDLATE -DM_FEDDEAF -DNPLAN=1 -DNHANG=0 -DNBACK=0 -DNSCRASH=0 -DNCLAIM=1 -DNLOST=1 -DUP=1 -DDN=1 -DNSEND=3 -DNTAKE=1
		mutations ring-beginstwice ring caught -DM_BEGINSTWICE -DNPLAN=0 -DNHANG=0 -DNBACK=0 -DNSPLIT=1 -DNSCRASH=0 -DNCLAIM=1 -DNLOST=1 -DUP=1 -DDN=1
		long ring-asked ring ok -DNPLAN=1 -DNHANG=0 -DNBACK=1 -DNSCRASH=0 -DNCLAIM=1 -DNLOST=1 -DUP=1 -DDN=1 -DNSEND=3 -DNTAKE=1
		long ring-narrow ring ok -DNPLAN=0 -DNHANG=0 -DNBACK=0 -DNSPLIT=1 -DNSCRASH=0 -DNCLAIM=1 -DNLOST=1 -DUP=1 -DDN=1
		mutations ring-feddeaf ring caught -DM_FEDDEAF -DNPLAN=1 -DNHANG=0 -DNBACK=0 -DNSPLIT=1 -DNSCRASH=0 -DNCLAIM=1 -DNLOST=1 -DUP=1 -DDN=1 -DNOFF=1 -DNSEND=3
		mutations ring-nextold ring caught -DM_NEXTOLD -DNPLAN=1 -DNHANG=1 -DNBACK=0 -DNSCRASH=0 -DNCLAIM=1 -DNLOST=1 -DUP=1 -DDN=1 -DNOFF=1 -DNSEND=3 -DNTAKE=1
		long ring-narrow-crash ring ok -DNPLAN=0 -DNHANG=0 -DNBACK=0 -DNSPLIT=1 -DNCLAIM=1 -DNLOST=1 -DUP=1 -DDN=1
		long ring-narrow-hang ring ok -DNPLAN=1 -DNBACK=0 -DNSCRASH=0 -DNCLAIM=1 -DNLOST=1 -DUP=1 -DDN=1 -DNOFF=1 -DNSEND=3 -DNTAKE=1
		long ring-narrow-plan ring ok -DNPLAN=1 -DNHANG=0 -DNBACK=0 -DNSPLIT=1 -DNSCRASH=0 -DNCLAIM=1 -DNLOST=1 -DUP=1 -DDN=1 -DNOFF=1 -DNSEND=3
		mutations ring-mergeraise ring caught -DM_MERGERAISE -DATONCE -DNSCRASH=0 -DNPLAN=0 -DNBACK=0 -DNCUT=1 -DNSEND=3
		long ring-gone ring ok -DGONE -DNPLAN=0
		short ring-cut ring ok -DATONCE -DNSCRASH=0 -DNPLAN=0 -DNBACK=0 -DNCUT=1 -DNSEND=3
		long ring-atonce-split ring ok -DATONCE -DNSCRASH=0 -DNPLAN=0 -DNBACK=0 -DNSPLIT=1 -DNSEND=3 -DNCLAIM=1
		long ring-cut-crash ring ok -DATONCE -DNPLAN=0 -DNBACK=0 -DNCUT=1 -DNSEND=3
		long ring-cut-both ring ok -DATONCE -DNPLAN=0 -DNSCRASH=0 -DNBACK=0 -DNCUT=1 -DNSEND=3 -DNCRASH=1 -DNTAKE=1
		long ring-crash ring ok -DNPLAN=0
		long ring-limits ring ok -DNPLAN=0 -DNSCRASH=0 -DDN=1 -DNSEND=4 -DNRAISE=2
		long ring-tenures ring ok -DNPLAN=0 -DNSEND=4 -DNRAISE=2 -DUP=1 -DDN=2
		long ring-merges ring ok -DNHANG=0 -DNPLAN=0 -DNBACK=0 -DNSPLIT=1 -DNSEND=3
		long ring-plan-crash ring ok -DNHANG=0 -DNPLAN=1 -DNBACK=1 -DNOFF=1
		long ring-split-crash ring ok -DNHANG=0 -DNPLAN=0 -DNBACK=0 -DNSPLIT=1 -DNLOST=1
		short park-link park ok -DNHELLO=1
		long park-two park ok -DNACC=2 -DNPING=2 -DNHELLO=1
		long park-gateway park ok -DNACC=2 -DNGCRASH=1
		long park-crash park ok -DNGCRASH=1 -DNSCRASH=1
		mutations park-batchbehind park caught -DM_BATCHBEHIND -DNSTOP=0
		mutations park-holdnot park caught -DM_HOLDNOT -DNSTOP=0
		mutations park-toldearly park caught -DM_TOLDEARLY -DNSTOP=0 -DNSCRASH=1
		mutations park-leaselate park caught -DM_LEASELATE -DNSTOP=0 -DNSLEEP=0
		mutations park-leasefirst park caught -DM_LEASEFIRST -DNSTOP=0 -DNSLEEP=0
		mutations park-edgedrop park caught -DM_EDGEDROP -DNSLEEP=0 -DNACC=2
		mutations park-stoppass park caught -DM_STOPPASS -DNSLEEP=0
		mutations park-grantparked park caught -DM_GRANTPARKED -DNSLEEP=0 -DNGCRASH=1
		short resync core ok -DPIECES -DNRESYNC=1 -DNBOX=1 -DNPROC=0 -DNR=0 -DNH=0 -DNEXP=0 -DNSEND=3
		mutations freshjoin core caught -DM_FRESHJOIN -DNOLIVE -DPIECES -DNRESYNC=1 -DNBOX=1 -DNPROC=0 -DNR=1 -DNH=0 -DNEXP=0 -DNSEND=4
		long resync-long core ok -DPIECES -DNRESYNC=1 -DNBOX=1 -DNPROC=1 -DNR=1 -DNH=0 -DNEXP=0 -DNSEND=3
	END
}

# Every message, word, bit and step that a model names has the number that the code gives it.
names() {
	{
		printf '#include "agent_private.h"\n#include "pair_private.h"\n'
		sed -nE 's/^#define ((PAIR|HA|STOPPING|AGENT_OWES|OWED|PLAN|YIELD)_[A-Z_]+) ([0-9]+)$/_Static_assert(\1 == \3, "\1");/p' \
			"$here"/*.pml
	} >"$dir/names.c"
	local n
	n=$(grep -c _Static_assert "$dir/names.c")
	if ! gcc -std=gnu2x -fsyntax-only -I"$root/ha" -I"$root/ha/api" -I"$root/lib" "$dir/names.c" 2>"$dir/names.log" || [ "$n" -lt 50 ]; then
		cat "$dir/names.log"
		echo "names: the models name what the code does not have, or numbers differ ($n compared)"
		return 1
	fi
	echo "names: $n constants are those of the code"
}

# Spin's own tables take 30 bytes and more for a state. This set of 64-bit fingerprints takes 8, and is
# as good as they are with -DHC4: what two states with one fingerprint hide is one in 10^10 at 10^9 states.
states() {
	cat <<-'END'
		#include <sys/mman.h>
		static unsigned long *set, set_room, set_used;
		static int set_has(unsigned long x)
		{
			unsigned long at = (unsigned long)(((unsigned __int128)x * set_room) >> 64);

			for (; set[at]; at = at + 1 == set_room ? 0 : at + 1)
				if (set[at] == x)
					return 1;
			set[at] = x;
			return 0;
		}
		static void set_grow(void)
		{
			unsigned long *old = set, before = set_room;

			set_room = set_room ? set_room * 4 : 1ul << 20;
			set_room = set_room > SET_MB << 17 ? SET_MB << 17 : set_room;
			if (set_room == before) {
				printf("the set of states is full\n");
				wrapup();
			}
			set = mmap(0, set_room * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (set == MAP_FAILED) {
				printf("no memory for the set of states\n");
				wrapup();
			}
			madvise(set, set_room * 8, MADV_HUGEPAGE);
			for (unsigned long i = 0; i < before; i++)
				if (old[i])
					set_has(old[i]);
			if (old)
				munmap(old, before * 8);
		}
		int set_store(char *v, int n)
		{
			if (set_used >= set_room / 16 * 15)
				set_grow();
			d_hash((uchar *)v, n);
			unsigned long x = K1 ^ (K2 << 31 | K2 >> 33);
			if (set_has(x ? x : 1))
				return 1;
			set_used++;
			return 0;
		}
	END
}

one() { # NAME MODEL EXPECT FLAGS...
	local name=$1 model=$2 expect=$3 begin=$SECONDS errors states depth build
	shift 3
	mkdir -p "$dir/$name" && cd "$dir/$name" || return 1
	cp "$here/$model.pml" m.pml
	if [ "$expect" = ok ]; then
		build=(-DBITSTATE -DNOFAIR -DNOBOUNDCHECK "-DSET_MB=${MODEL_MB:-2000}ul")
	else # the shortest counter-example
		build=(-DHC4 -DBFS "-DMEMLIM=${MODEL_MB:-2000}")
	fi
	if ! spin -a "$@" m.pml >spin.log 2>&1 ||
		! { [ "$expect" != ok ] || { sed -i '1i int set_store(char *, int);' pan.c && sed -i 's/b_store = bstore_reg;/b_store = set_store;/' pan.c &&
			grep -q 'b_store = set_store;' pan.c && states >>pan.c; }; } ||
		! gcc "${MODEL_OPT:--O0}" -w -DSAFETY -DNOREDUCE -DVECTORSZ=2048 "${build[@]}" -o pan pan.c 2>cc.log; then
		cat spin.log cc.log 2>/dev/null
		return 1
	fi
	timeout -s INT "${MODEL_SECONDS:-100}" ./pan -m20000 -w"$([ "$expect" = ok ] && echo 20 || echo "${MODEL_BITS:-22}")" >pan.log 2>&1
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
	states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log | head -n 1)
	depth=$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' pan.log | head -n 1)
	echo "$name: ${errors:-?} errors, ${states:-?} states, depth ${depth:-?}, $((SECONDS - begin)) s"
	if [ -z "$errors" ] || { [ "$expect" = ok ] && [ "$errors" = 0 ] && grep -qE 'Search not completed|set of states' pan.log; }; then
		echo "$name: the search did not come to its end"
		return 1
	fi
	if [ "$expect" = ok ] && [ "$errors" != 0 ]; then
		spin -t -p -g "$@" m.pml >"$here/trail.$name" 2>/dev/null
		echo "$name: fails; python3 tests/model/tr.py tests/model/trail.$name tests/model/$model.pml"
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
for want; do
	if [ "$want" = short ] || [ "$want" = names ]; then
		ran=$((ran + 1))
		names || failed=$((failed + 1))
	fi
done
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
