#!/bin/bash
# The harness proves itself without a gateway: two strongSwan peers, then one of them as a guest
# with the kernel's ESP, build a tunnel; the capture sees ESP and nothing in clear; the datagram
# counter notices what is lost.
#   a (lo 10.1.0.1) --192.0.2.0-- b (lo 10.2.0.1)          a --192.0.2.0-- u (guest, lo 10.2.0.1)
. "$(dirname "$0")/_init.sh"

ns_add a b u
link_add a wan 192.0.2.1/24 b wan 192.0.2.2/24
ns_ip a addr add 10.1.0.1/24 dev lo
ns_ip b addr add 10.2.0.1/24 dev lo
there=(LOCAL=192.0.2.1 REMOTE=192.0.2.2 LTS=10.1.0.0/24 RTS=10.2.0.0/24)
here=(LOCAL=192.0.2.2 REMOTE=192.0.2.1 LTS=10.2.0.0/24 RTS=10.1.0.0/24)

step "user-space ESP on both sides"
ss_start a a
ss_start b b
ss_conn a t "${there[@]}"
ss_conn b t "${here[@]}"
capture_start wire a wan
ss_init a t || fail "no tunnel"
eq "pings lost" "$(ping_lost a 10.2.0.1 50 -I 10.1.0.1)" 0
seq_start up a b 10.2.0.1 500 1 2
seq_perfect up
num "TCP Mbit/s" "$(tcp_mbit b a 10.2.0.1 1 | cut -d. -f1)" -ge 1
capture_stop wire
eq "clear packets" "$(capture_clear wire)" 0
num "ESP packets" "$(capture_esp wire)" -ge 100

step "the counter sees loss"
seq_start lossy a b 10.2.0.1 500 3 1
wait_event 5 eval "in_ns b nstat -asz UdpInDatagrams | awk '/UdpInDatagrams/ { exit \$2 < 900 }'"
ns_ip b link set wan down
ns_ip b link set wan up
wait_event 10 eval "! seq_running lossy"
seq_wait lossy
num "lost while the link was down" "$(seq_get lossy lost)" -gt 0
ss_stop b

step "kernel ESP in a guest"
ns_ip b link del wan
link_add a wan 192.0.2.1/24 u p -
guest_start g u p
in_guest g sh -c "ip addr add 192.0.2.2/24 dev vec0; ip link set vec0 up
	ip addr add 10.2.0.1/24 dev lo"
capture_start kernel a wan
guest exec g env DP=kernel "$REPO/tests/lab/peer-strongswan.sh" start gb - || fail "charon in the guest"
guest_ss_conn g gb t "${here[@]}" ENCAP=no
ss_init a t || fail "no tunnel with the guest"
wait_event 5 ping_works a 10.2.0.1 -I 10.1.0.1
eq "pings lost" "$(ping_lost a 10.2.0.1 50 -I 10.1.0.1)" 0
capture_stop kernel
eq "clear packets" "$(capture_clear kernel)" 0
