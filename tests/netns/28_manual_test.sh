#!/bin/bash
# Manual keys (`ipsec-manual`) against the Linux kernel's ESP with the same keys by `ip xfrm`, in a
# guest: no IKE at all.
. "$(dirname "$0")/_init.sh"

walk_topology_guest
C1=0x$(printf 'a1b2c3d4%.0s' {1..4}) A1=0x$(printf 'deadbeef01%.0s' {1..4})
C2=0x$(printf '55667788%.0s' {1..4}) A2=0x$(printf 'cafe012345%.0s' {1..4})
manual_config() {
	GW_PFS="" walk_config | sed -e 's/ipsec-isakmp/ipsec-manual/' -e '/isakmp key/d' \
		-e "s/^ *match address HA_VPN/ set session-key outbound esp 4096 cipher ${C1#0x} authenticator ${A1#0x}\n set session-key inbound esp 4097 cipher ${C2#0x} authenticator ${A2#0x}\n&/" |
		sed '/keepalive/d'
}
manual_config >"$TMP/gw.cfg"
gateway_start gw gw "$TMP/gw.cfg"
xfrm() { printf 'ip xfrm %s\n' "$*"; }
key() { echo "mode tunnel enc 'cbc(aes)' $1 auth-trunc 'hmac(sha1)' $2 96"; }
tmpl="mode tunnel"
in_guest g sh -ec "
$(xfrm state add src 6.6.156.100 dst 6.6.25.2 proto esp spi 4096 "$(key $C1 $A1)")
$(xfrm state add src 6.6.25.2 dst 6.6.156.100 proto esp spi 4097 "$(key $C2 $A2)")
$(xfrm policy add src 6.6.2.0/24 dst 6.6.146.0/24 dir out tmpl src 6.6.25.2 dst 6.6.156.100 proto esp $tmpl)
$(xfrm policy add src 6.6.146.0/24 dst 6.6.2.0/24 dir in tmpl src 6.6.156.100 dst 6.6.25.2 proto esp $tmpl)
ip route add 6.6.146.0/24 via 6.6.25.1 src 6.6.2.4"
capture_start wire rt g
wait_event 10 ping_works hin 6.6.2.4
eq "pings lost" "$(ping_lost hin 6.6.2.4 200)" 0
eq "pings lost from the guest" "$(guest_ping_lost g 6.6.146.4 100 -I 6.6.2.4)" 0
eq "SPIs" "$(sa_spis gw)" "0x00001000 0x00001001"
capture_stop wire
eq "clear packets" "$(capture_clear wire)" 0
eq "IKE packets" "$(capture_filter wire 'udp port 500')" 0
num "ESP packets" "$(capture_filter wire esp)" -ge 600
