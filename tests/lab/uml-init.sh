#!/bin/bash
# uml-init.sh - process 1 of a lab guest (uml.sh): mounts, modules, then the commands that
# uml.sh sends over the serial line. LABAGENT (kernel command line) is the control directory.
export PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin HOME=/root TERM=dumb
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /run
mount -t devtmpfs none /dev 2>/dev/null
mkdir -p /dev/shm /dev/pts /run/lock /run/netns
mount -t tmpfs none /dev/shm
mount -t devpts none /dev/pts 2>/dev/null
# the guest's modules lie where the host's modprobe does not look
mkdir -p /lib/modules
[ -d "/lib/modules/$(uname -r)" ] || mount -t hostfs none /lib/modules -o /usr/lib/uml/modules
# one modprobe for all: a fork and exec costs 70 ms here, and boot time is made of them
modprobe -a ${LABMODS//,/ } 2>&1
ip link set lo up
stty -F /dev/ttyS0 raw -echo 2>/dev/null
exec 3<>/dev/ttyS0
echo ready >"$LABAGENT/ready"
while read -r id <&3; do
	[ "$id" = halt ] && break
	# each command in a shell of its own: commands may overlap
	(
		bash "$LABAGENT/cmd.$id" >"$LABAGENT/out.$id" 2>&1 </dev/null
		echo $? >"$LABAGENT/rc.$id.t"
		mv "$LABAGENT/rc.$id.t" "$LABAGENT/rc.$id"
	) 3<&- &
done
# reboot(2), POWER_OFF
perl -e 'syscall(169, 0xfee1dead, 672274793, 0x4321fedc, 0)'
