#!/bin/bash
# Junk at UDP 500 and 4500 and as ESP, from a stranger and from the peer's address: the gateway
# stays, counts it under named reasons, its log stays bounded, the tunnel next to it does not notice.
. "$(dirname "$0")/_init.sh"

walk_topology
walk_up
seq_start good hsp hin 6.6.146.4 200 10
ns_ip rt addr add 6.6.156.77/24 dev g
lines=$(wc -l <"$TMP/gw.log")

step "junk"
in_ns rt /usr/bin/python3 "$NETNS_DIR/junk.py" 6.6.156.77 6.6.156.100 "$REPO/tests/vectors" \
	"$REPO/tests/fuzz/corpus" >"$TMP/junk.log" || fail "$(tail -1 "$TMP/junk.log")"
cat "$TMP/junk.log"
wait_event 10 eval '[ "$(drop_count gw esp-spi)" -gt 0 ]'
num "broken NAT-T datagrams" "$(drop_count gw natt-runt)" -gt 0

step "junk with the tunnel's own SPI and peer"
spi=$(clij gw "show crypto ipsec sa" '.sas[] | select(.direction == "in").spi')
in_ns rt /usr/bin/python3 "$NETNS_DIR/junk.py" --spi "$spi" --port 4500 6.6.25.2 6.6.156.100
wait_event 5 eval '[ "$(drop_count gw esp-icv)" -gt 0 ]'

in_ns rt /usr/bin/python3 "$NETNS_DIR/junk.py" --spi "$spi" --port 5555 6.6.25.2 6.6.156.100
eq "port of the peer" "$(clij gw "show crypto isakmp sa" '.sas[0].peer_port')" 4500

step "recorded ESP again"
capture_start wire rt g
pings_both 50
capture_stop wire
before=$(drop_count gw esp-replay)
capture_start inside hin e0
in_ns rt /usr/bin/python3 "$NETNS_DIR/junk.py" --replay "$TMP/wire.pcap" 6.6.25.2 6.6.156.100
wait_event 5 eval '[ "$(drop_count gw esp-replay)" -ge $((before + 100)) ]'
capture_stop inside
eq "replayed packets that came through" "$(capture_filter inside 'icmp and src host 6.6.2.4')" 0

step "nothing happened"
gateway_alive gw || fail "the gateway died"
seq_perfect good
pings_both 50
num "log lines" $(($(wc -l <"$TMP/gw.log") - lines)) -le 300
ss_term spk walk
ss_init spk walk || fail "no new tunnel"
wait_event 5 ping_works hsp 6.6.146.4
