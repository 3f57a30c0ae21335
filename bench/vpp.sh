#!/bin/bash
# VPP and tandem-bench side by side on this machine: one core, one tunnel, AES-128-GCM, IPv4 tunnel
# mode, packets from memory. The two take turns and the fastest pass of either counts: other work
# on the machine spoils single passes only.
#   VPP_DIR=DIR bench/vpp.sh [SIZE...]   inner IP lengths (64 256 576 1400)
# DIR holds bin/vpp, bin/vppctl and the crypto engines where VPP looks for them. VPP runs without
# plugins in a network namespace of its own, needs no device and leaves nothing behind.
#   ROUNDS=5  PASSES=15  FRAME=256  CORE=0  WINDOWS="0 1024"  ENGINES="ipsecmb native"
#   TANDEM_BUILD  build directory (default: build)   VPP_CONF  more sections of VPP's start-up file
# VPP's figure: the clocks of all its graph nodes but the packet generator's; the tunnel is an ipsec
# interface. Tandem's: pipeline_run, from received burst to transmit burst, with policies and
# selectors. Ratio: Tandem / VPP. The replay window matters for decapsulation only.
set -euo pipefail
cd "$(dirname "$0")/.."
vpp=${VPP_DIR:?the directory with bin/vpp}/bin/vpp
bench=${TANDEM_BUILD:-build}/bench/tandem-bench
read -ra sizes <<<"${*:-64 256 576 1400}"
read -ra windows <<<"${WINDOWS:-0 1024}"
read -ra engines <<<"${ENGINES:-ipsecmb native}"
packets=12800 # a pass: about as many as one measurement of tandem-bench
key=000102030405060708090a0b0c0d0e0f
vpp_pid=
declare -A best

fail() { echo "vpp.sh: $*" >&2; exit 1; }

for f in "$vpp" "${vpp}ctl" "$bench"; do [ -x "$f" ] || fail "no $f"; done
dir=$(mktemp -d "${TMPDIR:-/tmp}/vpp-bench.XXXXXX")

vpp_stop() {
	[ -z "$vpp_pid" ] || { kill "$vpp_pid"; wait "$vpp_pid"; } 2>/dev/null || true
	vpp_pid=
}
trap 'vpp_stop; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

show() { # WHAT...
	"${vpp}ctl" -s "$dir/cli.sock" show "$@"
}

# Commands that say nothing when all is well (a new interface says its name); one a line.
tell() { # COMMANDS
	printf '%s\n' "$1" >"$dir/commands"
	"${vpp}ctl" -s "$dir/cli.sock" exec "$dir/commands" >"$dir/said" ||
		fail "VPP is gone: $(tail -3 "$dir/out")"
	! grep -qiE 'unknown|error|fail|not given|missing|invalid' "$dir/said" ||
		fail "VPP: $(<"$dir/said")"
}

# The tunnel's pair of SAs, anew: the recorded sequence numbers are fresh once more.
sas_make() { # WINDOW
	local old='' replay='' esp="esp crypto-alg aes-gcm-128 crypto-key $key salt 0x1"

	[ "$1" = 0 ] || replay=" anti-replay-size $1"
	[ ! -e "$dir/protected" ] || old="ipsec tunnel protect ipsec0 sa-in 2 sa-out 1 del
		ipsec sa del 1
		ipsec sa del 2
		"
	tell "${old}ipsec sa add 1 spi $spi_out $esp tunnel src $me dst $you
		ipsec sa add 2 spi $spi_in $esp inbound tunnel src $you dst $me$replay
		ipsec tunnel protect ipsec0 sa-in 2 sa-out 1"
	: >"$dir/protected"
}

# Our gateway, or its peer: the same with addresses exchanged.
vpp_start() { # ours|peer ENGINE
	local i size stream="node ethernet-input limit $packets maxframe ${FRAME:-256}"

	me=10.0.2.1 you=10.0.2.2 here=10.1.0.1 there=20.0.0.1 spi_in=1001 spi_out=1002
	[ "$1" = ours ] ||
		{ me=10.0.2.2 you=10.0.2.1 here=20.0.0.1 there=10.1.0.1 spi_in=1002 spi_out=1001; }
	rm -f "$dir/cli.sock" "$dir/protected"
	cat >"$dir/vpp.conf" <<-END
		unix { nodaemon nosyslog cli-listen $dir/cli.sock runtime-dir $dir log $dir/log }
		cpu { main-core ${CORE:-0} }
		api-segment { prefix bench$$ } socksvr { socket-name $dir/api.sock }
		statseg { socket-name $dir/stats.sock } plugins { path $dir }
		buffers { page-size 4K }
		crypto-engines { default { disable } $2 { enable } }
		${VPP_CONF:-}
	END
	unshare --user --map-root-user --net "$vpp" -c "$dir/vpp.conf" >"$dir/out" 2>&1 &
	vpp_pid=$!
	until show version >"$dir/version" 2>/dev/null; do
		kill -0 "$vpp_pid" 2>/dev/null || fail "VPP does not start: $(tail -3 "$dir/out")"
		sleep 0.1
	done
	hz=$(show cpu | awk '/^Base frequency/ { print $3 * 1e9 }')
	[ "$(show crypto engines | awk 'NR == 2 { print $1 }')" = "$2" ] || fail "VPP has no engine $2"
	tell "create packet-generator interface pg0 hw-addr 02:00:00:00:00:01
		create packet-generator interface pg1 hw-addr 02:00:00:00:00:02
		set interface ip address pg0 10.0.1.1/24
		set interface ip address pg1 $me/24
		set interface state pg0 up
		set interface state pg1 up
		set ip neighbor pg0 10.0.1.2 02:00:00:00:00:09
		set ip neighbor pg1 $you 02:00:00:00:00:02
		ip route add $here/24 via 10.0.1.2 pg0
		ipsec itf create
		set interface state ipsec0 up
		set interface unnumbered ipsec0 use pg1
		ip route add $there/24 via ipsec0"
	sas_make 0
	for size in "${sizes[@]}"; do
		i=$((size + 14))
		tell "packet-generator new { name out$size interface pg0 $stream size $i-$i data { \
			IP4: 02:00:00:00:00:09 -> 02:00:00:00:00:01 \
			UDP: $here -> $there UDP: 7 -> 9 incrementing 8 } }"
		[ "$1" = peer ] || tell "packet-generator new { name in$size interface pg1 $stream \
			pcap $dir/in$size.pcap }"
	done
}

least_keep() { # KEY NS
	[ -n "${best[$1]:-}" ] && awk "BEGIN { exit !($2 >= ${best[$1]}) }" || best[$1]=$2
}

# A pass: nanoseconds a packet from the table of nodes. Every packet must have come out again.
pass_run() { # KEY STREAM OUTPUT
	local i ns=''

	tell "clear runtime
		packet-generator enable-stream $2"
	for ((i = 0; i < 50 && ${#ns} == 0; i++)); do
		ns=$(show runtime | awk -v all=$packets -v out="$3-tx" -v hz="$hz" '
			NF < 7 || $(NF - 3) + 0 == 0 || $1 == "pg-input" { next }
			{ sum += $(NF - 3) * $(NF - 1) }
			$1 == out { sent = $(NF - 3) }
			END { if (sent == all) printf "%.1f", sum / all * 1e9 / hz }')
	done
	[ -n "$ns" ] || fail "$1: packets got lost: $(show errors)"
	least_keep "$1" "$ns"
}

peer_record() { # what our gateway will receive, a file for each size
	local size

	vpp_start peer "${engines[0]}"
	for size in "${sizes[@]}"; do
		sas_make 0
		tell "packet-generator capture pg1 pcap $dir/in$size.pcap count $packets"
		pass_run "peer $size" "out$size" pg1
		tell "packet-generator capture pg1 disable"
	done
	vpp_stop
}

vpp_round() { # ENGINE WINDOW
	local size i

	vpp_start ours "$1"
	for size in "${sizes[@]}"; do
		for ((i = 0; i < ${PASSES:-15}; i++)); do
			pass_run "$1 encap $size" "out$size" pg1
			sas_make "$2"
			pass_run "$1 decap $size $2" "in$size" pg0
		done
	done
	vpp_stop
}

tandem_round() { # WINDOW
	local direction size ns raw

	"$bench" dataplane --best --rounds 40 --path whole --tunnels 1 --window "$1" \
		--sizes "$(IFS=,; echo "${sizes[*]}")" >"$dir/tandem"
	while read -r _ direction _ size _ ns raw _; do
		[ "$direction" = encap ] || size+=" $1"
		least_keep "tandem $direction $size" "$ns"
		least_keep "raw $direction $size" "$raw"
	done < <(grep '^whole' "$dir/tandem")
}

rows_show() { # DIRECTION [WINDOW]
	local engine size point ours

	for size in "${sizes[@]}"; do
		point="$1 $size${2:+ $2}"
		ours=${best["tandem $point"]}
		printf '%-5s %6s %5s %7s %7s' "$1" "${2:--}" "$size" "${best["raw $point"]}" "$ours"
		for engine in "${engines[@]}"; do
			awk "BEGIN { v = ${best["$engine $point"]}; printf \" %8.1f %6.2f\", v, $ours / v }"
		done
		echo
	done
}

peer_record
for ((round = 0; round < ${ROUNDS:-5}; round++)); do
	for window in "${windows[@]}"; do
		for engine in "${engines[@]}"; do vpp_round "$engine" "$window"; done
		tandem_round "$window"
	done
done
printf '%s\n%-5s %6s %5s %7s %7s' "$(<"$dir/version")" '' window size 'raw ns' tandem
printf ' %8s  ratio' "${engines[@]}"
echo
rows_show encap
for window in "${windows[@]}"; do rows_show decap "$window"; done
