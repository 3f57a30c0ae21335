#!/bin/bash
# Replayed, truncated and forged hellos during the life of a pair change nothing and are counted:
# everything that was ever said on the LAN (elections, a fail-over, a planned change and back, an
# orderly stop) is said again while the pair stands still, first under keyed MD5 alone, then with
# replay-protection; and the keys of a key chain take turns.
. "$(dirname "$0")/_init.sh"
need python3 jq

ns_add wan gwa gwb
ns_ip wan link add br0 type bridge forward_delay 0 mcast_snooping 0
ns_ip wan addr add 6.6.156.1/24 dev br0
ns_ip wan link set br0 up
for n in a b; do
	link_add "gw$n" out - wan "w$n" -
	ns_ip wan link set "w$n" master br0
done

gw_config() { # gw_config LAST-OCTET PRIORITY [LINE]
	cat <<-C
	dataplane workers 1
	dataplane idle-sleep 50
	key chain K
	 key 1
	  key-string first
	  send-lifetime 00:00:00 Jan 1 2001 00:00:00 Jan 1 2002
	 key 2
	  key-string second
	interface GigabitEthernet0/1
	 device vdev net_af_packet0,iface=out
	 ip address 6.6.156.$1 255.255.255.0
	 standby 2 ip 6.6.156.100
	 standby 2 timers msec 200 msec 650
	 standby 2 priority $2
	 standby 2 preempt
	 standby 2 authentication md5 key-chain K
	 ${3:-}
	C
}
field() { clij "$1" "show standby" ".groups[0].$2"; }
role_is() { [ "$(field "$1" state)" = "$2" ]; }
priority_set() {
	cli a "configure terminal" "interface GigabitEthernet0/1" "standby 2 priority $1" "end" >/dev/null
}
record() {
	spawn record wan python3 "$NETNS_DIR/hsrp_replay.py" br0 record "$TMP/frames"
	RECORD=$!
	wait_event 5 test -e "$TMP/frames"
}
stories() { # all roles of both, one after the other
	gateway_start a gwa "$TMP/a.cfg"
	gateway_start b gwb "$TMP/b.cfg"
	wait_event 10 role_is a Active
	wait_event 10 role_is b Standby
	priority_set 90
	wait_event 5 role_is b Active
	wait_event 10 role_is a Standby
	priority_set 110
	wait_event 5 role_is a Active
	wait_event 10 role_is b Standby
	gateway_stop a
	wait_event 5 role_is b Active
	gateway_start a gwa "$TMP/a.cfg"
	wait_event 10 role_is a Active
	wait_event 10 role_is b Standby
	kill "$RECORD"
}
still() { # still ROUNDS: replays all of it and compares
	local before_a before_b n
	before_a=$(field a state_changes)
	before_b=$(field b state_changes)
	n=$(in_ns wan python3 "$NETNS_DIR/hsrp_replay.py" br0 replay "$TMP/frames" "$1")
	echo "$n frames, $1 times"
	num "recorded frames" "$n" -ge 12
	eq "changes of the active one" "$(field a state_changes)" "$before_a"
	eq "changes of the standby one" "$(field b state_changes)" "$before_b"
	role_is a Active && role_is b Standby || fail "a role has moved"
}

gw_config 10 110 >"$TMP/a.cfg"
gw_config 11 100 >"$TMP/b.cfg"
record
step "everything is said once"
stories
step "and again, under keyed MD5 alone"
still 3
num "denied by those quoted" "$(field b replayed)" -ge 3
num "own messages" "$(field a 'refused["own-address"]')" -ge 3
echo "replayed: active $(field a replayed), standby $(field b replayed)"
eq "the key that is sent" "$(field a 'refused["auth-digest"]')" 0
cli b "show standby all" >"$TMP/show"
grep -Eq 'Forged or foreign [0-9]+, truncated [0-9]+, replayed [1-9]' "$TMP/show" || fail "$(cat "$TMP/show")"
grep -q 'Authentication MD5, key-chain "K"' "$TMP/show" || fail "$(cat "$TMP/show")"

step "truncated and forged ones"
forged=$(field b forged)
in_ns wan python3 "$NETNS_DIR/hsrp_forge.py" br0 6.6.156.66 2 6.6.156.100
wait_event 5 eval '[ "$(field b forged)" -gt '"$forged"' ]'
num "truncated" "$(clij b "show standby" .frames_damaged)" -ge 1
role_is a Active && role_is b Standby || fail "a role has moved"

step "the next key of the chain, on one after the other"
changes=$(($(field a state_changes) + $(field b state_changes)))
for g in a b; do
	cli $g "configure terminal" "key chain K" "key 1" "no send-lifetime" "end" >/dev/null
done
# the lowest key that may be sent: the first again, and both are believed all the time
refused=$(field b 'refused["auth-digest"]')
heard=$(field b received.hello)
wait_event 5 eval '[ "$(field b received.hello)" -gt '$((heard + 3))' ]'
eq "refused" "$(field b 'refused["auth-digest"]')" "$refused"
eq "changes" $(($(field a state_changes) + $(field b state_changes))) "$changes"
gateways_stop

step "with replay-protection nothing old is believed at all"
rm -f "$TMP/frames"
gw_config 10 110 "standby 2 replay-protection" >"$TMP/a.cfg"
gw_config 11 100 "standby 2 replay-protection" >"$TMP/b.cfg"
record
stories
eq "shown" "$(field b replay_protection)" true
still 1
num "refused by their stamps" "$(field b 'refused["replayed"]')" -ge 10
gateways_stop
