#!/bin/bash
# A line that loses what the active gateway sends and carries what it is sent: it notices that nobody
# hears it, steps down, and its tracked interface takes the other group along; while the fault lasts
# nothing changes any more; mended, it takes both roles back, once. Then the same where only the other
# gateway does not hear it: without stamps it stays and says so, with stamps it gives way.
. "$(dirname "$0")/_init.sh"
need jq nft

bridge() { # bridge NS ADDRESS
	ns_ip "$1" link add br0 type bridge forward_delay 0 mcast_snooping 0
	ns_ip "$1" addr add "$2" dev br0
	ns_ip "$1" link set br0 up
}
ns_add wan lan gwa gwb
bridge wan 6.6.156.1/24
bridge lan 6.6.146.1/24
for n in a b; do
	link_add "gw$n" out - wan "w$n" -
	link_add "gw$n" in - lan "l$n" -
	ns_ip wan link set "w$n" master br0
	ns_ip lan link set "l$n" master br0
done

gw_config() { # gw_config LAST-OCTET PRIORITY
	cat <<-C
	hostname R$1
	dataplane workers 1
	dataplane idle-sleep 50
	track 1 interface GigabitEthernet0/0 line-protocol
	track 2 interface GigabitEthernet0/1 line-protocol
	track 3 list boolean and
	 object 1
	 object 2
	C
	local i
	for i in 0 1; do
		cat <<-C
		interface GigabitEthernet0/$i
		 device vdev net_af_packet$i,iface=$([ $i = 0 ] && echo in || echo out)
		 ip address 6.6.1$([ $i = 0 ] && echo 4 || echo 5)6.$1 255.255.255.0
		 standby $((i + 1)) ip 6.6.1$([ $i = 0 ] && echo 4 || echo 5)6.100
		 standby $((i + 1)) timers msec 50 msec 150
		 standby $((i + 1)) priority $2
		 standby $((i + 1)) preempt
		 standby $((i + 1)) authentication md5 key-string tandem
		 standby $((i + 1)) track 3 decrement 30
		C
	done
}
group() { clij "$1" "show standby" ".groups[] | select(.group == $2) | .$3"; }
are() { [ "$(group "$1" 1 state) $(group "$1" 2 state)" = "$2 $2" ]; }
all_at() { are "$1" Active && are "$2" Standby; }
changes() { echo "$(group a 1 state_changes) $(group a 2 state_changes) $(group b 1 state_changes) $(group b 2 state_changes)"; }
drop() { # drop RULE: of frames on their way from the port of a outside
	in_ns wan nft -f - <<-N
	table bridge cut {
	  chain c {
	    type filter hook prerouting priority 0;
	    iifname "wa" $1 drop
	  }
	}
	N
}
more_hellos() { [ "$(group "$1" 2 sent.hello)" -gt "$2" ]; }
mend() { in_ns wan nft delete table bridge cut; }

gw_config 10 110 >"$TMP/a.cfg"
gw_config 11 100 >"$TMP/b.cfg"
gateway_start a gwa "$TMP/a.cfg"
gateway_start b gwb "$TMP/b.cfg"
wait_event 10 all_at a b
# both know the station outside, and it answers
eq "pings lost" "$(ping_lost wan 6.6.156.10 3)" 0
eq "pings lost" "$(ping_lost wan 6.6.156.11 3)" 0
eq "questions in peace" "$(group a 2 questions)" 0

step "nothing that a sends outside arrives"
cut_at=$(now_ms)
drop ""
wait_event 5 all_at b a
# by the log: on a busy machine the client takes longer than all of it
when=$(grep -a 'Grp 1 state Standby -> Active' "$TMP/b.log" | tail -1 | cut -d% -f1 | tr -d '*')
took=$(($(date -d "${when%: }" +%s%3N) - cut_at))
echo "   both groups at b after $took ms"
num "milliseconds" "$took" -lt 1000
log_has a '%HSRP-3-UNHEARD: GigabitEthernet0/1 Grp 2: 6.6.156.11 does not hear this router and no station' ||
	fail "no log line"
log_has a 'TRACK-6-STATE: 2 interface Gi0/1 line-protocol Up -> Down' || fail "the track stays up"
eq "unheard" "$(group a 2 unheard) $(group a 1 unheard)" "true false"
eq "priority inside" "$(group a 1 priority)" 80
eq "pings lost inside" "$(ping_lost lan 6.6.146.100 20)" 0
eq "pings lost outside" "$(ping_lost wan 6.6.156.100 20)" 0
cli a "show standby GigabitEthernet0/1" >"$TMP/show"
grep -q 'Is not heard, and does not preempt' "$TMP/show" || fail "$(cat "$TMP/show")"

step "nothing moves while it lasts"
before=$(changes)
wait_event 10 more_hellos b $(($(group b 2 sent.hello) + 80)) # four seconds
eq "changes of state" "$(changes)" "$before"

step "mended"
mend
wait_event 10 all_at a b
log_has a '%HSRP-5-HEARD: GigabitEthernet0/1 Grp 2: stations answer this router again' || fail "no log line"
log_has a 'TRACK-6-STATE: 2 interface Gi0/1 line-protocol Down -> Up' || fail "the track stays down"
before=$(changes)
wait_event 10 more_hellos a $(($(group a 2 sent.hello) + 40))
eq "changes of state" "$(changes)" "$before"

step "b alone does not hear it: maybe a replay, both are active and it is said"
drop "ether daddr 01:00:5e:00:00:02"
disputed() { [ "$(group a 2 disputed_count)" = 1 ]; }
wait_event 5 disputed
are a Active || fail "a gave up the role"
log_has a '%HSRP-3-TWOACTIVE: GigabitEthernet0/1 Grp 2: 6.6.156.11, which is weaker, insists' || fail "no log line"
eq "who insists" "$(group a 2 insisting)" 6.6.156.11
mend
wait_event 5 all_at a b

step "the same with stamps: it gives way"
for n in a b; do
	cli $n "configure terminal" "interface GigabitEthernet0/1" "standby 2 replay-protection" "end" >/dev/null
done
wait_event 5 all_at a b
drop "ether daddr 01:00:5e:00:00:02"
wait_event 5 all_at b a
log_has a 'Grp 2: 6.6.156.11 does not hear this router, although other stations do' || fail "no log line"
mend
wait_event 10 all_at a b
