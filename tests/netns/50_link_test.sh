#!/bin/bash
# The replication link between two boxes over SCTP in user space: every stream in both directions,
# either side restarted, the network cut and healed, one of two paths lost, wrong and missing keys,
# strangers and a flood of forged packets.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/_link.sh"
need python3

ns_add a b x
link_add a e0 10.0.0.1/24 b e0 10.0.0.2/24
link_add a e1 10.1.0.1/24 b e1 10.1.0.2/24
link_add x e0 9.2.0.9/24 b e2 9.2.0.2/24
ns_ip x route add 10.0.0.0/24 via 9.2.0.2

common=(driver=user hb=200 rto-min=100 rto-max=1000 path=3 assoc=8)
a_start() { link_start a a local=10.0.0.1,10.1.0.1 remote=10.0.0.2,10.1.0.2 "${common[@]}" "$@"; }
b_start() { link_start b b local=10.0.0.2,10.1.0.2 remote=10.0.0.1,10.1.0.1 "${common[@]}" "$@"; }
both_up() { # both_up TIMES-A TIMES-B: how often each has come up by now
	wait_event 10 link_has a '^up ' "$1"
	wait_event 10 link_has b '^up ' "$2"
}

step "both directions, several streams"
b_start secret=$LINK_KEY
a_start secret=$LINK_KEY
both_up 1 1
link_has a 'driver=usrsctp security="TLS 1.3 PSK"' || fail "not protected"
for s in 0 1 2 16; do
	link_exchange a b $s 2000 900
	link_exchange b a $s 500 32768
done
link_no_faults

step "the parameters are SCTP's, read back from its socket"
for n in a b; do
	while read -r key value; do
		eq "$key of $n" "$(link_info $n "$key")" "$value"
	done <<-END
		rto_min 100
		rto_max 1000
		rto_initial 100
		path 3
		assoc 8
		path_hb 200
		sack 10
		locals 2
		paths 2
	END
	wait_event 5 link_is $n paths_up 2
done
wait_event 5 link_is a primary 10.0.0.2
wait_event 5 link_is b primary 10.0.0.1

step "throughput: 100,000 records of 900 bytes"
link_exchange a b 1 100000 900
grep 'count=100000' "$TMP/b.log"
ms=$(sed -n 's/^received stream=1 count=100000 .* ms=//p' "$TMP/b.log")
num "100,000 records took" "$ms" -lt 15000 # 1.7 s here when the machine is idle

step "one of two paths is lost: the association lives"
ns_ip a link set e0 down
link_exchange a b 3 100 900
link_exchange b a 3 100 900
wait_event 10 link_is a paths_up 1
wait_event 10 link_is b paths_up 1
ns_ip a link set e0 up
wait_event 20 link_is a paths_up 2
wait_event 20 link_is b paths_up 2
eq "associations so far" "$(link_ups a)/$(link_ups b)" 1/1

step "both are lost, and come back"
ns_ip a link set e0 down
ns_ip a link set e1 down
wait_event 10 link_has a '^down: '
wait_event 10 link_has b '^down: '
ns_ip a link set e0 up
ns_ip a link set e1 up
both_up 2 2
link_exchange a b 1 100 900

step "the listening side is killed and started again"
link_kill b
b_start secret=$LINK_KEY
both_up 3 3
link_exchange b a 1 100 900

step "the connecting side is killed and started again"
link_kill a
a_start secret=$LINK_KEY
both_up 4 4
link_exchange a b 1 100 900

step "one side stands still for longer than four heartbeats"
kill -STOP "${LINK_PID[a]}"
wait_event 5 link_has b '^down: the other box is silent' 2
kill -CONT "${LINK_PID[a]}"
both_up 5 5
link_exchange b a 1 100 900
link_quit a
wait_event 5 link_has b '^down: ' 4
link_quit b

step "configured anew in the same process, with an address that is new too"
b_start secret=$LINK_KEY
a_start secret=$LINK_KEY
both_up 6 6
link_do b again
both_up 7 7
ns_ip b addr add 10.0.0.7/24 dev e0
link_do b "again 10.0.0.7 10.0.0.1"
link_do a "again 10.0.0.1 10.0.0.7"
both_up 8 8
link_exchange a b 1 100 900
link_quit a
link_quit b

step "a wrong key"
b_start secret=$LINK_KEY
a_start secret=another-long-random-string
wait_event 10 link_has a 'LINK_REFUSED.*the keys differ'
wait_event 10 link_has b 'LINK_REFUSED.*wrong key'
link_quit a
eq "associations so far" "$(link_ups a)/$(link_ups b)" 8/8

step "no key, a short key"
a_start
wait_event 5 link_has a 'no link: the key of the replication link is not configured'
a_start secret=short
wait_event 5 link_has a 'no link: the key of the replication link is shorter'

step "protection on one side only"
a_start security=none
wait_event 10 link_has b 'LINK_REFUSED.*runs without protection'
link_quit a
eq "associations so far" "$(link_ups a)/$(link_ups b)" 8/8

step "strangers: an address that is not configured, packets from nowhere"
a_start secret=$LINK_KEY hb=500 # the flood takes processor time too
both_up 9 9
link_start x x local=9.2.0.9 remote=10.0.0.2 driver=user secret=$LINK_KEY
wait_event 10 link_has b 'LINK_REFUSED.*9.2.0.9 is not one of'
in_ns x python3 "$NETNS_DIR/sctp_forge.py" e0 10.0.0.2 10.0.0.1 5000 20000 >"$TMP/forge.log"
cat "$TMP/forge.log"
num "packets that came from there" "$(ip -j -s -n "$(nsname b)" link show e2 | jq '.[0].stats64.rx.packets')" -ge 20000
link_exchange a b 1 1000 900
link_exchange b a 1 1000 900
link_has b 'LINK_REFUSED' || fail "nothing refused"
num "refused" "$(link_info b refused)" -ge 1
num "lines about refused ones" "$(link_count b LINK_REFUSED)" -le 40
eq "associations so far" "$(link_ups a)/$(link_ups b)" 9/9
eq "of the stranger" "$(link_ups x)" 0
link_quit a
link_quit b
link_quit x

step "certificates: each side's, another's of the same authority, none"
cert() { # cert NAME ADDRESS: an end's key and certificate, signed by the authority
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$TMP/$1.key" \
		-subj "/CN=$1" -out "$TMP/$1.csr"
	openssl x509 -req -in "$TMP/$1.csr" -CA "$TMP/ca.crt" -CAkey "$TMP/ca.key" -days 2 \
		-extfile <(echo "subjectAltName=IP:$2") -out "$TMP/$1.crt"
	cp "$TMP/ca.crt" "$TMP/$1.ca"
}
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-keyout "$TMP/ca.key" -out "$TMP/ca.crt" -subj /CN=authority
	cert boxa 10.1.0.1
	cert boxb 10.0.0.2
	cert spoke 172.16.9.9
} 2>"$TMP/openssl.log"
pem=(security=certificate pki="$TMP")
b_start "${pem[@]}" secret=boxb
a_start "${pem[@]}" secret=spoke
wait_event 10 link_has b "LINK_REFUSED.*names none of its addresses"
link_quit a
a_start secret=$LINK_KEY
wait_event 10 link_has a 'LINK_REFUSED.*authenticates in another way'
link_quit a
a_start "${pem[@]}" secret=nobody
wait_event 5 link_has a 'no link: .*/nobody.crt: cannot read the certificate'
a_start "${pem[@]}" secret=boxa
both_up 10 10
link_has a 'security="TLS 1.3 certificate"' || fail "which security?"
link_exchange a b 1 1000 900
link_exchange b a 16 1000 900
link_no_faults
link_quit a
link_quit b
