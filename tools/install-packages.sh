#!/bin/bash
# Installs the Debian packages that a job needs: install-packages.sh build|test|lint|fuzz|coverage|kernel ...
# Fast when everything is there. Without root, or without apt, it says what is missing and fails.
# Daemons that come with packages are not started. Debian 12 and 13.
set -euo pipefail

build_packages=(
	build-essential meson ninja-build pkg-config git python3
	libdpdk-dev libipsec-mb-dev libssl-dev libevent-dev libnl-3-dev libnl-route-3-dev libedit-dev
	libcmocka-dev libjansson-dev libpcap-dev libsystemd-dev libxxhash-dev libsctp-dev libusrsctp-dev
)
test_packages=(
	dpdk iproute2 nftables kmod iputils-ping iputils-arping iperf3 ethtool tcpdump tshark python3-scapy jq socat bc
	expect procps psmisc util-linux openssl
	strongswan-charon strongswan-swanctl strongswan-starter libstrongswan-standard-plugins
	libstrongswan-extra-plugins libcharon-extra-plugins user-mode-linux frr frr-pythontools mandoc spin
)
lint_packages=(clang clang-format clang-tidy codespell shellcheck mandoc)
fuzz_packages=(clang llvm)
coverage_packages=(gcovr)
kernel_packages=(qemu-system-x86 cpio kmod iproute2) # tests/lab/kernel.sh

# Interoperability partners that a release may not carry: their tests then skip and say so.
optional=" user-mode-linux frr frr-pythontools libcharon-extra-plugins "

installed() { # PACKAGE
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The sanitizer runtime's package carries clang's version: libclang-rt-14-dev, libclang-rt-19-dev.
clang_runtime() {
	local v
	if command -v clang >/dev/null; then
		v=$(clang -dumpversion)
	else
		v=$(apt-cache depends clang 2>/dev/null | sed -n 's/^ *Depends: clang-\([0-9]*\)$/\1/p')
	fi
	[ -z "$v" ] || echo "libclang-rt-${v%%.*}-dev"
}

wanted() { # JOB...
	local job
	for job; do
		case $job in
		build) printf '%s\n' "${build_packages[@]}" ;;
		test) printf '%s\n' "${build_packages[@]}" "${test_packages[@]}" ;;
		lint) printf '%s\n' "${build_packages[@]}" "${lint_packages[@]}" ;;
		fuzz) printf '%s\n' "${build_packages[@]}" "${fuzz_packages[@]}" && clang_runtime ;;
		kernel) printf '%s\n' "${kernel_packages[@]}" ;;
		coverage) printf '%s\n' "${build_packages[@]}" "${coverage_packages[@]}" ;;
		*)
			echo "usage: ${0##*/} build|test|lint|fuzz|coverage|kernel ..." >&2
			return 2
			;;
		esac
	done | sort -u
}

missing() { # JOB...
	local p list
	list=$(wanted "$@")
	for p in $list; do
		installed "$p" || echo "$p"
	done
}

# apt waits for the dpkg lock by itself, but not for the lock of the package lists.
apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 "$@" </dev/null
}

lists_update() {
	local try
	for try in 1 2 3 4 5 6; do
		apt update >&2 && return
		echo "apt-get update failed (try $try)" >&2
		sleep 10
	done
	return 1
}

# Refuses every daemon start while packages are configured (invoke-rc.d and deb-systemd-invoke ask).
policy=/usr/sbin/policy-rc.d
policy_mine=
policy_add() {
	[ ! -e $policy ] || return 0
	policy_mine=1
	trap policy_remove EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
}
policy_remove() {
	[ -z "$policy_mine" ] || rm -f $policy
}

available() { # PACKAGE...: those that apt can install; says which optional ones it cannot
	local p policy
	for p; do
		policy=$(apt-cache policy "$p" 2>/dev/null) # not piped: grep -q would break the pipe
		if [[ $policy =~ Candidate:\ [^\(] ]]; then
			echo "$p"
		elif [[ $optional == *" $p "* ]]; then
			echo "not in this release, tests that need it will skip: $p" >&2
		else
			echo "$p" # let apt say it
		fi
	done
}

[ $# -gt 0 ] || set -- help
wanted "$@" >/dev/null
if ! command -v dpkg-query >/dev/null; then
	echo "not a Debian system; needed here (Debian's names): $(wanted "$@" | tr '\n' ' ')" >&2
	exit 0
fi
mapfile -t need < <(missing "$@")
[ ${#need[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "missing packages; as root: apt-get install ${need[*]}" >&2
	for p in "${need[@]}"; do
		[[ $optional == *" $p "* ]] || exit 1
	done
	exit 0
fi

exec 9>/run/lock/tandem-install-packages
flock 9
echo "installing: ${need[*]}" >&2
policy_add
mapfile -t need < <(available "${need[@]}" 2>/dev/null)
if [ ${#need[@]} -gt 0 ] && ! apt install --no-install-recommends "${need[@]}" >&2; then
	lists_update
	mapfile -t need < <(missing "$@")
	mapfile -t need < <(available "${need[@]}")
	[ ${#need[@]} -eq 0 ] || apt install --no-install-recommends "${need[@]}" >&2
fi
for p in $(missing "$@"); do # also what clang's version made known only now
	[[ $optional == *" $p "* ]] || apt install --no-install-recommends "$p" >&2
done
