#!/bin/bash
# The demonstration (`make demo`): a gateway and a strongSwan spoke in network namespaces, a tunnel
# by the reference walkthrough's parameters, traffic through it, the outer link under tcpdump. Then
# failover.sh shows two gateways. Needs root and the built programs, nothing else of the machine. Each
# half ends with one machine-readable line; exit status 0 only if everything it shows has happened.
. "$(dirname "$(readlink -f "$0")")/../tests/netns/_init.sh"

PINGS=${DEMO_PINGS:-1000}
TCP_SECONDS=${DEMO_TCP_SECONDS:-5}
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
show() { sed 's/^/    /'; }

need ping iperf3 tcpdump jq ip
bin tandemd >/dev/null || fail "tandemd is not built: run make"

cat <<'DRAWING'

  inside host             gateway                router               spoke           host behind it
  +---------+        +----------------+       +----------+       +------------+       +---------+
  |   hin   |--------|    tandemd     |-------|    rt    |-------| strongSwan |-------|   hsp   |
  +---------+        +----------------+       +----------+       +------------+       +---------+
  6.6.146.4     6.6.146.10     6.6.156.100  .1   ^      .1    6.6.25.2    6.6.2.2       6.6.2.4
                                     |           |                |
                                     |        tcpdump             |
                                     +======= IPsec tunnel =======+
                                   6.6.146.0/24  <---->  6.6.2.0/24

  IKE: AES-128, SHA1, group 2, pre-shared key.  ESP: AES-128, SHA1, PFS group 2.
DRAWING

say "1. Five network namespaces and the links between them; tcpdump on the outer link"
walk_topology
capture_start outer rt g

say "2. The gateway starts; its configuration"
gateway_start gw gw
cli gw "show running-config" | grep -E '^(crypto| encr| auth| group| set| match| permit| ip address|interface|ip access)' | show

say "3. strongSwan starts as the spoke and builds the tunnel (IKEv1 main mode, quick mode)"
ss_start spk spk
ss_conn spk walk
ss_init spk walk || fail "no tunnel: $(tail -3 "$TMP/ss-init.log")"
wait_event 10 session_is gw 6.6.25.2 UP-ACTIVE
wait_event 5 ping_works hsp 6.6.146.4
peer sas spk | show

say "4. $PINGS pings each way"
lost_out=$(ping_lost hin 6.6.2.4 "$PINGS")
echo "inside host -> host behind the spoke: $PINGS sent, $lost_out lost" | show
lost_in=$(ping_lost hsp 6.6.146.4 "$PINGS")
echo "host behind the spoke -> inside host: $PINGS sent, $lost_in lost" | show

say "5. A TCP transfer through the tunnel (iperf3, $TCP_SECONDS s)"
tcp=$(tcp_mbit hin hsp 6.6.146.4 "$TCP_SECONDS")
echo "$tcp Mbit/s" | show

say "6. What tcpdump saw on the outer link"
capture_stop outer
clear=$(capture_clear outer)
ike=$(capture_filter outer "udp port 500 or (udp port 4500 and udp[8:4] = 0)")
esp=$(capture_esp outer)
tcpdump -nr "$TMP/outer.pcap" -c 14 'udp or esp' 2>/dev/null | cut -c 1-100 | show
echo "IKE packets: $ike, ESP packets: $esp, packets in clear: $clear" | show

say "7. tandem -c 'show crypto session detail'"
detail=$(cli gw "show crypto session detail")
show <<<"$detail"

say "Result"
ok=1
[ "$lost_out" = 0 ] && [ "$lost_in" = 0 ] && [ "$clear" = 0 ] || ok=0
[ "$ike" -ge 9 ] && [ "$esp" -ge $((4 * PINGS)) ] || ok=0
awk -v t="$tcp" 'BEGIN { exit !(t > 0) }' || ok=0
grep -q 'UP-ACTIVE' <<<"$detail" || ok=0
gateway_stop gw || ok=0
echo "demo: pings_sent=$((2 * PINGS)) pings_lost=$((lost_out + lost_in)) tcp_mbit=$tcp clear_packets=$clear"
[ $ok = 1 ] || fail "not everything that should have happened did"
"$(dirname "$(readlink -f "$0")")/failover.sh" || fail "the second half of the demonstration failed"
