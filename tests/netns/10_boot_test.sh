#!/bin/bash
# The gateway boots with the contract's example: ports, host interfaces, addresses, routes, displays
# and the messages for what goes wrong at the start.
#   hin e0 6.6.146.4 -- in [gw] out -- 6.6.156.1 g rt
. "$(dirname "$0")/_init.sh"
need jq

ns_add hin gw rt
link_add hin e0 6.6.146.4/24 gw in -
link_add gw out - rt g 6.6.156.1/24
ns_ip hin route add default via 6.6.146.10
daemon=$(bin tandemd) || skip "tandemd is not built"

cat >"$TMP/walk.cfg" <<C
hostname R10
dataplane workers 1
crypto isakmp policy 10
 encr aes
 authentication pre-share
 group 2
crypto isakmp key cisco address 6.6.25.2
crypto isakmp keepalive 10 3 periodic
crypto ipsec transform-set SET2 esp-aes esp-sha-hmac
crypto ipsec security-association replay window-size 1024
ip access-list extended HA_VPN
 permit ip 6.6.146.0 0.0.0.255 6.6.2.0 0.0.0.255
crypto map MAP2 10 ipsec-isakmp
 set peer 6.6.25.2
 set transform-set SET2
 set pfs group2
 match address HA_VPN
crypto map MAP2 redundancy replay-interval in 1000 out 1000
track 1 interface GigabitEthernet0/0 line-protocol
track 2 interface GigabitEthernet0/1 line-protocol
track 3 list boolean and
 object 1
 object 2
interface GigabitEthernet0/0
 device vdev net_af_packet0,iface=in
 ip address 6.6.146.10 255.255.255.0
interface GigabitEthernet0/1
 device vdev net_af_packet1,iface=out
 ip address 6.6.156.10 255.255.255.0
 standby 2 ip 6.6.156.100
 standby 2 preempt
 standby 2 priority 100
 standby 2 name HSRP
 standby 2 track 3 decrement 30
 crypto map MAP2 redundancy HSRP stateful
ip route 0.0.0.0 0.0.0.0 6.6.156.1
redundancy inter-device
 scheme standby HSRP
ipc zone default
 association 1
  no shutdown
  security psk a-long-random-string
  protocol sctp
   local-port 5000
    local-ip 6.6.146.10
    retransmit-timeout 300 10000
    path-retransmit 5
    assoc-retransmit 5
   remote-port 5000
    remote-ip 6.6.146.11
C

step "options and --check"
"$daemon" --version | has '^tandemd [0-9]' || fail "--version"
"$daemon" --check -c "$TMP/walk.cfg" || fail "--check of the contract's example"
printf 'hostname R10\n crypto isakmp polici 10\ninterface GigabitEthernet0/0\n ip address 1.2.3 255.0.0.0\n' >"$TMP/bad.cfg"
if "$daemon" --check -c "$TMP/bad.cfg" 2>"$TMP/bad.log"; then fail "--check accepted a bad file"; fi
grep -q 'bad.cfg:2' "$TMP/bad.log" && grep -q 'bad.cfg:4' "$TMP/bad.log" || fail "not every error was said"
grep -Eq '^ *\^$' "$TMP/bad.log" || fail "no caret"
if "$daemon" -c "$TMP/nowhere.cfg" -r "$TMP/run-x" 2>"$TMP/nowhere.log"; then fail "started without its file"; fi
grep -q nowhere.cfg "$TMP/nowhere.log" || fail "the missing file is not named"

step "boot"
gateway_start gw gw "$TMP/walk.cfg"
wait_event 5 eval "ns_ip gw addr show gi0-0 | has 'inet 6.6.146.10/24'"
wait_event 5 eval "ns_ip gw addr show gi0-1 | has 'inet 6.6.156.10/24'"
wait_event 5 eval "ns_ip gw -N route show default | has 'via 6.6.156.1 dev gi0-1 proto 214'"
eq "kernel forwarding on the tap" "$(in_ns gw cat /proc/sys/net/ipv4/conf/gi0-0/forwarding)" 0
wait_event 5 ping_works hin 6.6.146.10
wait_event 5 ping_works rt 6.6.156.10

step "displays"
up() { clij gw "show interfaces" \
	'[.interfaces[] | select(.line_protocol == "up" and .admin_state == "up")] | length'; }
wait_event 5 eval '[ "$(up)" = 2 ]'
num "packets in" "$(clij gw "show interfaces GigabitEthernet0/0" '.interfaces[0].rx_packets')" -gt 0
eq "addresses" "$(clij gw "show interfaces" '.interfaces[1].addresses[0]')" 6.6.156.10/24
eq "session" "$(clij gw "show crypto session" '.sessions[0] | .peer + " " + .status')" "6.6.25.2 DOWN"
eq "static route" "$(clij gw "show ip route" \
	'.routes[] | select(.code == "S") | .prefix + " " + .next_hop')" "0.0.0.0/0 6.6.156.1"
cli gw "show crypto map" | has 'Peer = 6.6.25.2' || fail "show crypto map"
cli gw "show interfaces" "show ip interface brief" "show dataplane" "show crypto isakmp policy" \
	"show crypto isakmp key" "show crypto isakmp stats" "show crypto isakmp sa detail" \
	"show crypto ipsec sa detail" "show crypto ipsec sa address" "show crypto ipsec sa identity" \
	"show crypto ipsec transform-set" "show crypto ipsec security-association" \
	"show crypto session brief" "show crypto engine brief" "show version" "show processes" \
	>"$TMP/shows.log" || fail "a display failed"
! grep -q cisco "$TMP/shows.log" || fail "a display shows a key"

step "a second instance in the same directory"
if in_ns gw "$daemon" -c "$TMP/walk.cfg" -r "$TMP/run-gw" 2>"$TMP/second.log"; then
	fail "two instances in one directory"
fi
grep -q "already runs in $TMP/run-gw" "$TMP/second.log" || fail "no clear sentence: $(cat "$TMP/second.log")"
gateway_alive gw || fail "the first instance is gone"

step "changes while running"
cli gw enable "configure terminal" "interface GigabitEthernet0/0" shutdown end
wait_event 5 eval "! ping_works hin 6.6.146.10"
cli gw enable "configure terminal" "interface GigabitEthernet0/0" "no shutdown" end
wait_event 5 ping_works hin 6.6.146.10
cli gw enable "configure terminal" "ip route 10.99.0.0 255.255.0.0 6.6.146.4" end
wait_event 5 eval "ns_ip gw route show 10.99.0.0/16 | has 'via 6.6.146.4'"
cli gw enable "configure terminal" "no ip route 10.99.0.0 255.255.0.0 6.6.146.4" end
wait_event 5 eval "! ns_ip gw route show 10.99.0.0/16 | has ."

step "a device that goes away and comes back"
ns_ip gw link del in
wait_event 5 log_has gw 'LINK-3-DEVICE: Interface GigabitEthernet0/0'
link_add hin e0 6.6.146.4/24 gw in -
wait_event 10 ping_works hin 6.6.146.10
ping_works rt 6.6.156.10 || fail "the other interface suffered"

step "an end without remains"
gateway_stop gw || fail "the gateway did not stop cleanly"
! ns_ip gw addr show | has 'gi0-' || fail "a tap is left"
! ns_ip gw -N route show | has 'proto 214' || fail "a route is left"

step "a missing device"
sed 's/iface=in/iface=missing/' "$TMP/walk.cfg" >"$TMP/missing.cfg"
gateway_start gw2 gw "$TMP/missing.cfg"
log_has gw2 'Interface GigabitEthernet0/0 stays down: kernel interface missing does not exist' ||
	fail "no clear sentence about the missing device"
wait_event 5 ping_works rt 6.6.156.10
eq "line protocol" "$(clij gw2 "show interfaces GigabitEthernet0/0" '.interfaces[0].line_protocol')" down
