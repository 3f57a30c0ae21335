# many.sh - thousands of reverse routes at once. Source it after pair.sh.
#
# Lines for PAIR_EXTRA (not exported: they are many): entry 20 of the map, for a peer that never
# answers, with as many access-list lines as asked for. Its reverse routes are switched by command.
many_config() { # many_config COUNT
	local i
	echo "crypto isakmp key cisco address 6.6.25.9"
	echo "ip access-list extended MANY"
	for ((i = 0; i < $1; i++)); do
		echo " permit ip 6.6.16.0 0.0.0.255 172.$((16 + i / 65536)).$((i / 256 % 256)).$((i % 256)) 0.0.0.0"
	done
	printf '%s\n' "crypto map MAP2 20 ipsec-isakmp" " set peer 6.6.25.9" \
		" set transform-set SET2" " match address MANY"
}
# many_on NODE. PAIR_ADVERTISE: routers are told that address, as the pair's own route
many_on() { many_line "$1" "reverse-route tag 77${PAIR_ADVERTISE:+ advertise $PAIR_ADVERTISE} static"; }
many_off() { many_line "$1" "no reverse-route"; }
many_line() {
	cli "$1" "configure terminal" "crypto map MAP2 20 ipsec-isakmp" "$2" "end" >/dev/null
}
# How many of them are where
many_kernel() { ns_ip "gw$1" route show proto 215 | wc -l; } # many_kernel NODE
many_static() { many_of "f$1" static; } # (asking staticd itself for its lines would hold it up)
many_bgp() { ns_ip rin route show proto bgp | wc -l; }
many_hops() { # how many of rin's routes by BGP or OSPF have which next hop
	{ ns_ip rin route show proto bgp && ns_ip rin route show proto ospf; } |
		sed -n 's/.* via \([^ ]*\) .*/\1/p' | sort | uniq -c | tr -s ' \n' ' '
}
many_ospf() { many_of fr ospf; }
many_of() { # many_of FRR TYPE: in zebra's table
	frr vtysh "$1" -c "show ip route summary json" | jq "[.routes[] | select(.type == \"$2\") | .rib] | add // 0"
}
at_least() { [ "$("${@:2}")" -ge "$1" ]; } # at_least N COMMAND...
at_most() { [ "$("${@:2}")" -le "$1" ]; }
