#!/bin/bash
# kernel.sh COMMAND [ARGS] - runs a command under Debian's own kernel, whatever this machine's can do: with
# SCTP and nf_tables together, which neither it nor user-mode Linux may have. The kernel is
# fetched with apt and not installed; QEMU computes it (no KVM: about a tenth of the speed). Its root
# is this machine's file system, /tmp and /run are its own. Exit status: the command's.
#   tests/lab/kernel.sh env LINK_DRIVER=kernel TANDEM_SLOW=8 TANDEM_TIMEOUT=600 tests/netns/run.sh '^50_link_(guard|ipv6)'
# Installs what it needs (tools/install-packages.sh kernel). Environment: KERNEL_SECONDS (900), KERNEL_MB (2048).
set -euo pipefail
LABRUN=${LABRUN:-/tmp/tandem-lab}
. "$(dirname "$(readlink -f "$0")")/lablib.sh"
"$LABDIR/../../tools/install-packages.sh" kernel || die "packages are missing"
D=$LABRUN/kernel
mkdir -p "$D/run"
if [ ! -s "$D/release" ]; then
	newest() { apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p'; }
	image=$(newest)
	[ -n "$image" ] || { apt-get -q update >/dev/null && image=$(newest); } # no lists yet
	(cd "$D" && apt-get -q -o APT::Sandbox::User=root download "$image" >/dev/null && dpkg-deb -x "$image"_*.deb root && rm -f "$image"_*.deb)
	release=${image#linux-image-}
	depmod -b "$D/root" "$release"
	echo "$release" >"$D/release"
fi
release=$(cat "$D/release")

# the first root: bash, mount and insmod with their libraries, and the modules that reach the second
first=$D/first
rm -rf "$first"
mkdir -p "$first"/{proc,sys,dev,root,modules}
for p in /bin/bash /bin/mount /sbin/insmod /usr/sbin/chroot; do
	for f in $(readlink -f $p) $(ldd $p | grep -o '/[^ ]*'); do
		mkdir -p "$first$(dirname "$f")"
		cp -L "$f" "$first$f"
	done
	mkdir -p "$first$(dirname $p)"
	[ -e "$first$p" ] || cp -L $p "$first$p"
done
for m in virtio_pci 9pnet_virtio 9p; do
	modprobe -d "$D/root" -S "$release" --show-depends $m | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' >"$D/modules"
n=100
while read -r f; do
	n=$((n + 1))
	cp "$f" "$first/modules/$n-$(basename "$f")"
done <"$D/modules"
cat >"$first/init" <<'I'
#!/bin/bash
mount -t devtmpfs none /dev
for m in /modules/*; do /sbin/insmod "$m"; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose host /root || echo "no root"
mount --bind /dev /root/dev
exec chroot /root /bin/bash "$KERNEL_SCRIPT"
I
chmod +x "$first/init"
(cd "$first" && find . | cpio -o -H newc 2>/dev/null) >"$D/first.img"

# the second root: what a booted system has, then the command
job=$D/run/$$
mkdir -p "$job"
trap 'rm -rf "$job"; pid_stop "$D/run/$$.pid"' EXIT
cat >"$job/script" <<I
export PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin HOME=/root TERM=dumb
mount -t proc none /proc
mount -t sysfs none /sys
mount --bind $(printf %q "$D/root/lib/modules") /usr/lib/modules
mkdir -p /dev/shm /dev/pts
mount -t tmpfs none /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /run
mkdir -p /run/lock /run/netns
job=$(printf %q "$job")
exec 8>"\$job/out" 9>"\$job/rc"
mount -t tmpfs none /tmp
modprobe -a sctp nf_tables veth ${KERNEL_MODULES:-}
ip link set lo up
cd $(printf %q "$PWD")
$(printf '%q ' "$@") </dev/null >&8 2>&1
echo \$? >&9
sync
echo o >/proc/sysrq-trigger
sleep 60
I
qemu-system-x86_64 -accel tcg -cpu max -smp 1 -m "${KERNEL_MB:-2048}" -machine q35 -nodefaults \
	-display none -no-reboot -serial "file:$job/console" \
	-kernel "$D/root/boot/vmlinuz-$release" -initrd "$D/first.img" \
	-append "console=ttyS0 quiet panic=1 rdinit=/init KERNEL_SCRIPT=$job/script" \
	-virtfs local,path=/,mount_tag=host,security_model=none,multidevs=remap &
echo $! >"$D/run/$$.pid"
wait_for "${KERNEL_SECONDS:-900}" eval "! kill -0 $!" || echo "not done in time" >&2
cat "$job/out" || cat "$job/console" >&2
rc=$(cat "$job/rc" 2>/dev/null)
[ -n "$rc" ] || { tail -20 "$job/console" >&2; rc=124; }
exit "$rc"
