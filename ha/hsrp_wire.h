// HSRP on the wire: numbers and layouts of version 1 (RFC 2281 5.1) and version 2. No code.
//
//  version 1, 20 octets                          version 2: TLVs (type 8, length 8, value)
//   0 version (0)  op code  state  hellotime      1 group state      40 octets, below
//   4 holdtime     priority group  reserved       2 interface state   4: active 16, passive 16
//   8 authentication data (8)                     3 text auth         8
//  16 virtual IP address                          4 MD5 auth         28, below
//  Behind it version 2's authentication TLVs may follow.
//
//  group state: version 8 (2), op code 8, state 8, IP version 8, group 16, identifier 48 (sender's
//   MAC address), priority 32, hellotime ms 32, holdtime ms 32, virtual address 128 (IPv4: first
//   32)
//  MD5: algorithm 8 (1), padding 8, flags 16, sender's IPv4 address 32, key id 32, digest 128
//  advertisement (version 1, op code 3): version, op code, type 16 (1: interface state), length 16,
//   state 8, reserved 8, active groups 16, passive groups 16, reserved 32
#pragma once

#define HSRP_V1_VERSION   0
#define HSRP_V1_LEN       20
#define HSRP_V1_GROUP_MAX 255
#define HSRP_V2_VERSION   2
#define HSRP_V2_GROUP_MAX 4095

#define HSRP_TLV_GROUP     1
#define HSRP_TLV_INTERFACE 2
#define HSRP_TLV_TEXT      3
#define HSRP_TLV_MD5       4
// Ours, when the stamps of hsrp.h are configured: magic 32, stamp 64. Others skip it.
#define HSRP_TLV_STAMP   240
#define HSRP_STAMP_MAGIC 0x54444d53u

#define HSRP_GROUP_LEN     40
#define HSRP_STAMP_LEN     12
#define HSRP_INTERFACE_LEN 4
#define HSRP_TEXT_LEN      8
#define HSRP_MD5_LEN       28
#define HSRP_MD5_ALGORITHM 1
#define HSRP_DIGEST_LEN    16

#define HSRP_ADVERT_INTERFACE 1
#define HSRP_ADVERT_LEN       10  // behind type and length

// State on the wire. Version 2 simply counts (1 Initial .. 6 Active).
#define HSRP_V1_INITIAL 0
#define HSRP_V1_LEARN   1
#define HSRP_V1_LISTEN  2
#define HSRP_V1_SPEAK   4
#define HSRP_V1_STANDBY 8
#define HSRP_V1_ACTIVE  16
#define HSRP_V2_INITIAL 1

#define HSRP_V1_MULTICAST    0xe0000002u  // 224.0.0.2
#define HSRP_V2_MULTICAST    0xe0000066u  // 224.0.0.102
#define HSRP_V2_MULTICAST_V6 "ff02::66"

// What version 1 can say and the configuration allows; a longer time would be a lasting hold on a
// role.
#define HSRP_HOLD_MAX_MS 255000u
