#!/bin/bash
# Which transforms work with strongSwan: the phase 1 policies and the transform sets, one by one.
# The gateway offers and accepts them by configuration; charon proposes exactly one.
. "$(dirname "$0")/_init.sh"

walk_topology
policy() { # policy NUMBER ENCR HASH GROUP
	printf 'crypto isakmp policy %s\n encr %s\n hash %s\n authentication pre-share\n group %s\n' "$@"
}
GW_EXTRA="$(policy 20 'aes 256' sha256 14)
$(policy 30 3des md5 5)
$(policy 40 'aes 192' sha384 19)
$(policy 50 'aes 256' sha512 20)
crypto ipsec transform-set AES256-SHA256 esp-aes 256 esp-sha256-hmac
crypto ipsec transform-set AES192-SHA384 esp-aes 192 esp-sha384-hmac
crypto ipsec transform-set AES256-SHA512 esp-aes 256 esp-sha512-hmac
crypto ipsec transform-set AES128-MD5 esp-aes esp-md5-hmac
crypto ipsec transform-set 3DES-SHA esp-3des esp-sha-hmac
crypto ipsec transform-set 3DES-MD5 esp-3des esp-md5-hmac
crypto ipsec transform-set NULL-SHA esp-null esp-sha-hmac
crypto ipsec transform-set NULL-SHA256 esp-null esp-sha256-hmac
crypto ipsec transform-set GCM192 esp-gcm 192" gateway_start gw gw
ss_start spk spk

transform() { # transform SET IKE-PROPOSAL ESP-PROPOSAL
	cli gw "configure terminal" "crypto map MAP2 10" "set transform-set $1" "end" >/dev/null
	ss_conn spk walk IKEP="$2" ESPP="$3-modp1024"
	ss_init spk walk || fail "$1 with $2: no tunnel"
	wait_event 5 ping_works hsp 6.6.146.4
	eq "$1 pings lost" "$(ping_lost hin 6.6.2.4 20 -s 1000)" 0
	ss_term spk walk
	wait_event 5 eval '[ "$(sa_count gw in)" = 0 ]'
	step "$1 $2"
}
transform AES256-SHA256 aes256-sha256-modp2048 aes256-sha256
transform AES192-SHA384 aes192-sha384-ecp256 aes192-sha384
transform AES256-SHA512 aes256-sha512-ecp384 aes256-sha512
transform 3DES-MD5 3des-md5-modp1536 3des-md5
transform 3DES-SHA aes128-sha1-modp1024 3des-sha1
transform AES128-MD5 aes128-sha1-modp1024 aes128-md5
transform NULL-SHA aes128-sha1-modp1024 null-sha1
transform NULL-SHA256 aes128-sha1-modp1024 null-sha256
transform GCM192 aes128-sha1-modp1024 aes192gcm16
