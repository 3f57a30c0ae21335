// The configuration: plain structs of everything configurable.
//
// A `struct config` lives in one arena: created, filled by commands, replaced whole, freed whole.
// Every pointer below is owned by that arena. Subsystems read a committed config as const and
// copy what must outlive it; apply hooks get (old, new) and may keep `new` until the next commit.
// Lists keep the order in which `show running-config` prints them (sequence number, else entry
// order). Strings are never NULL unless marked "or NULL". Thread: control thread only.
// Secrets (keys) are in the arena, which wipes itself.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "addr.h"
#include "arena.h"
#include "err.h"

#define CONFIG_NAME_MAX 64  // longest name (map, set, ACL, trustpoint), with NUL

struct config_string {
	TAILQ_ENTRY(config_string) link;
	const char *text;
};
TAILQ_HEAD(config_strings, config_string);

// ---- crypto isakmp policy N (RFC 2409 appendix A names) --------------------------------------
enum ike_encr { IKE_ENCR_DES, IKE_ENCR_3DES, IKE_ENCR_AES };  // the reference's default: DES
enum ike_hash { IKE_HASH_SHA, IKE_HASH_MD5, IKE_HASH_SHA256, IKE_HASH_SHA384, IKE_HASH_SHA512 };
enum ike_auth { IKE_AUTH_RSA_SIG, IKE_AUTH_PRE_SHARE };  // the reference's default: rsa-sig

struct isakmp_policy {
	TAILQ_ENTRY(isakmp_policy) link;  // ascending priority
	uint32_t priority;                // 1 (first tried) .. 10000
	enum ike_encr encr;
	uint16_t aes_bits;  // 128, 192, 256
	enum ike_hash hash;
	enum ike_auth auth;
	uint16_t group;       // 1, 2, 5, 14, 15, 16, 19, 20, 21, 24
	uint32_t lifetime_s;  // default 86400
};

// crypto isakmp key [0|6] K address A [M] [no-xauth] | hostname H
struct isakmp_key {
	TAILQ_ENTRY(isakmp_key) link;
	const char *key;
	bool by_hostname;
	struct ip_prefix peer;  // 0.0.0.0/0 = wildcard; the longest match wins
	const char *hostname;   // or NULL
	bool no_xauth;
};

struct isakmp_config {
	bool keepalive_set;
	uint32_t keepalive_s;        // 10..3600
	uint32_t keepalive_retry_s;  // 2..60, default 2
	bool keepalive_periodic;     // else on-demand
	bool identity_hostname;      // crypto isakmp identity address|hostname
	bool aggressive_mode_disabled;
	uint32_t nat_keepalive_s;  // crypto isakmp nat keepalive N, 0 = 20 s default
	bool invalid_spi_recovery;
	uint32_t half_open_limit;  // crypto isakmp limit half-open N; 0 = default
};

// ---- crypto ipsec ----------------------------------------------------------------------------
enum esp_cipher {
	ESP_CIPHER_NONE,  // not configured
	ESP_CIPHER_NULL,
	ESP_CIPHER_DES,
	ESP_CIPHER_3DES,
	ESP_CIPHER_AES_CBC,
	ESP_CIPHER_AES_GCM,
	ESP_CIPHER_AES_GMAC,
};
enum esp_auth {
	ESP_AUTH_NONE,
	ESP_AUTH_MD5,
	ESP_AUTH_SHA1,
	ESP_AUTH_SHA256,
	ESP_AUTH_SHA384,
	ESP_AUTH_SHA512,
};

struct transform_set {
	TAILQ_ENTRY(transform_set) link;
	char name[CONFIG_NAME_MAX];
	enum esp_cipher cipher;
	uint16_t key_bits;  // AES: 128, 192, 256; else 0
	uint8_t gcm_icv;    // bytes: 8, 12, 16; only GCM and GMAC (esp-gcm N, default 16)
	enum esp_auth auth;
	bool transport;  // mode transport; default tunnel
};

struct ipsec_config {
	uint32_t lifetime_s;     // default 3600
	uint32_t lifetime_kb;    // default 4608000; 0 = disabled
	uint32_t replay_window;  // packets, 64..4096, default 64; 0 = replay disable
	uint32_t idle_time_s;    // 0 = off
	bool fragment_after;     // crypto ipsec fragmentation after-encryption
	enum { DF_BIT_COPY, DF_BIT_CLEAR, DF_BIT_SET } df_bit;  // default copy
	bool nat_transparency_off;  // no crypto ipsec nat-transparency udp-encapsulation
};

// ---- ip access-list extended NAME|N ----------------------------------------------------------
struct acl_entry {
	TAILQ_ENTRY(acl_entry) link;  // ascending seq
	uint32_t seq;                 // 10, 20, ... when not given
	bool permit;
	bool is_remark;
	const char *remark;  // or NULL
	struct selector sel;
};
struct acl {
	TAILQ_ENTRY(acl) link;
	char name[CONFIG_NAME_MAX];  // "HA_VPN" or "101"
	bool numbered;               // written `access-list 101 permit ...`
	TAILQ_HEAD(acl_entry_list, acl_entry) entries;
};

// ---- crypto map ------------------------------------------------------------------------------
struct map_peer {
	TAILQ_ENTRY(map_peer) link;
	struct ip_addr addr;   // unset while a name is not resolved
	const char *hostname;  // or NULL
	bool dynamic;          // resolve right before use
	bool is_default;
};

struct session_key {  // set session-key inbound|outbound esp SPI cipher HEX [authenticator HEX]
	bool set;
	uint32_t spi;  // 256 .. 2^32-1
	uint8_t cipher_key[64];
	uint16_t cipher_key_len;
	uint8_t auth_key[64];
	uint16_t auth_key_len;
};

enum map_kind { MAP_IPSEC_ISAKMP, MAP_IPSEC_MANUAL };

enum reverse_route_kind { RR_NONE, RR_PLAIN, RR_REMOTE_PEER, RR_REMOTE_PEER_ADDR };
struct reverse_route {
	enum reverse_route_kind kind;
	bool is_static;
	uint32_t tag;  // 0 = none
	struct ip_addr next_hop;
	struct ip_addr advertise;  // the next hop that other routers are told; unset = this box
};

// An entry of a static map, or of a dynamic map (where the peer is optional).
struct crypto_map_entry {
	TAILQ_ENTRY(crypto_map_entry) link;  // ascending seq
	uint32_t seq;                        // 1..65535
	enum map_kind kind;
	char dynamic_map[CONFIG_NAME_MAX];  // `ipsec-isakmp dynamic NAME`, "" = none
	TAILQ_HEAD(, map_peer) peers;
	char acl[CONFIG_NAME_MAX];  // "" = not set: entry incomplete
	char transform_sets[6][CONFIG_NAME_MAX];
	unsigned transform_set_count;
	bool pfs;
	uint16_t pfs_group;                // when pfs; default 1
	uint32_t lifetime_s, lifetime_kb;  // 0 = the global value
	bool replay_set;
	uint32_t replay_window;  // when replay_set; 0 = disabled
	uint32_t idle_time_s;    // 0 = global
	bool idle_default;
	struct session_key key_in, key_out;  // MAP_IPSEC_MANUAL
	struct reverse_route reverse_route;
	const char *description;        // or NULL
	struct config_strings ignored;  // accepted lines without effect, printed back
};

struct crypto_map {
	TAILQ_ENTRY(crypto_map) link;
	char name[CONFIG_NAME_MAX];
	bool is_dynamic_template;  // crypto dynamic-map
	TAILQ_HEAD(crypto_map_entries, crypto_map_entry) entries;
	char local_interface[CONFIG_NAME_MAX];  // crypto map M local-address I; "" = none
	uint32_t ha_replay_in, ha_replay_out;  // crypto map M redundancy replay-interval; 0 = unset
};

// ---- interfaces ------------------------------------------------------------------------------
enum if_kind { IF_ETHERNET, IF_SERIAL, IF_LOOPBACK, IF_TUNNEL, IF_BOND, IF_VLAN };
enum if_device { IF_DEV_NONE, IF_DEV_VDEV, IF_DEV_PCI, IF_DEV_HOST };

struct standby_track {
	TAILQ_ENTRY(standby_track) link;
	uint32_t object;                  // track object number, 0 when by interface (old form)
	char interface[CONFIG_NAME_MAX];  // old form: standby G track INTERFACE [D]
	uint32_t decrement;               // default 10
	bool shutdown;
};
struct standby_group {
	TAILQ_ENTRY(standby_group) link;  // ascending number
	uint16_t number;                  // 0..255 (v1), 0..4095 (v2)
	bool number_given;                // `standby 0 ip` against `standby ip`
	bool ip_set;
	struct ip_addr ip;  // unset = learn; IPv6: the link-local one, unset = from the MAC
	// `standby G ipv6 ...`: then `secondary` holds global addresses and prefixes, "A/len"
	bool ipv6;
	bool ipv6_auto;  // `ipv6 autoconfig` was written
	struct config_strings secondary;
	uint8_t priority;  // default 100
	bool preempt;
	uint32_t preempt_min_s, preempt_reload_s, preempt_sync_s;
	bool timers_set, hello_msec, hold_msec;  // how they were written
	uint32_t hello_ms, hold_ms;              // default 3000, 10000
	char name[CONFIG_NAME_MAX];              // "" = none
	char follow[CONFIG_NAME_MAX];            // it goes where the group of that name is
	enum { STANDBY_AUTH_TEXT, STANDBY_AUTH_MD5, STANDBY_AUTH_CHAIN } auth_kind;
	char auth_text[9];     // default "cisco"
	const char *auth_key;  // md5 key-string, or key chain name; or NULL
	uint32_t auth_timeout_s;
	bool replay_protection;  // stamps of our own, all routers must send them
	bool mac_set;
	uint8_t mac[6];
	bool use_bia;
	TAILQ_HEAD(, standby_track) tracks;
};
struct interface_config {
	TAILQ_ENTRY(interface_config) link;
	char name[CONFIG_NAME_MAX];  // canonical: "GigabitEthernet0/1"
	enum if_kind kind;
	enum if_device device;
	const char *device_arg;  // "net_af_packet0,iface=veth1", "0000:03:00.0", "eth0"; or NULL
	struct ip_prefix addr;   // family 0 = none
	struct config_strings secondary;  // "A/len"
	uint16_t mtu;                     // 0 = default 1500
	bool shutdown;
	const char *description;           // or NULL
	char crypto_map[CONFIG_NAME_MAX];  // "" = none
	char redundancy[CONFIG_NAME_MAX];  // crypto map M redundancy NAME
	bool stateful;
	uint32_t ssp;             // crypto map M ssp N while there is no such group, 0 = none
	uint8_t standby_version;  // 1 (default) or 2
	uint32_t standby_delay_min_s, standby_delay_reload_s;
	bool standby_use_bia;  // all groups of the interface
	TAILQ_HEAD(, standby_group) standby;
	struct config_strings ignored;  // accepted lines without effect, printed back
};

// ---- key chains ------------------------------------------------------------------------------
struct key_lifetime {
	bool set;             // else for ever
	bool local;           // written in the local time zone, else UTC
	int64_t from, until;  // seconds of the epoch; until INT64_MAX = infinite; exclusive
	uint32_t duration_s;  // how `until` was written, 0 = as a date
};
struct chain_key {
	TAILQ_ENTRY(chain_key) link;  // ascending id
	uint32_t id;
	const char *text;  // or NULL: not usable yet
	struct key_lifetime accept, send;
};
struct key_chain {
	TAILQ_ENTRY(key_chain) link;
	char name[CONFIG_NAME_MAX];
	TAILQ_HEAD(chain_keys, chain_key) keys;
};

// ---- routes, tracking, redundancy, ipc -------------------------------------------------------
struct static_route {
	TAILQ_ENTRY(static_route) link;
	struct ip_prefix dst;
	struct ip_addr next_hop;          // may be unset with an interface
	char interface[CONFIG_NAME_MAX];  // "" = none
	uint8_t distance;                 // default 1
	uint32_t tag;
	const char *name;  // or NULL
};

enum track_kind {
	TRACK_LINE_PROTOCOL,
	TRACK_IP_ROUTING,
	TRACK_IP_ROUTE,
	TRACK_LIST_AND,
	TRACK_LIST_OR,
	TRACK_LIST_THRESHOLD_WEIGHT,
	TRACK_LIST_THRESHOLD_PERCENTAGE,
};
struct track_member {
	TAILQ_ENTRY(track_member) link;
	uint32_t object;
	bool negate;
	uint32_t weight;  // default 10
};
struct track_config {
	TAILQ_ENTRY(track_config) link;  // ascending number
	uint32_t number;                 // 1..1000
	enum track_kind kind;
	char interface[CONFIG_NAME_MAX];
	struct ip_prefix route;
	TAILQ_HEAD(, track_member) members;
	uint32_t delay_up_s, delay_down_s;
	uint32_t threshold_up, threshold_down;
};

struct ipc_association {
	TAILQ_ENTRY(ipc_association) link;
	uint32_t number;
	bool no_shutdown;
	bool sctp;
	uint16_t local_port, remote_port;
	struct config_strings local_ips, remote_ips;
	bool local_timers_set, remote_timers_set;
	uint32_t retransmit_min_ms, retransmit_max_ms;  // default 300, 10000
	uint32_t path_retransmit, assoc_retransmit;     // default 5, 5
	enum {
		IPC_SECURITY_UNSET,
		IPC_SECURITY_PSK,
		IPC_SECURITY_CERT,
		IPC_SECURITY_NONE
	} security;
	const char *security_arg;  // or NULL
	enum { IPC_TRANSPORT_AUTO, IPC_TRANSPORT_KERNEL, IPC_TRANSPORT_USER } transport;
};
struct ipc_zone {
	TAILQ_ENTRY(ipc_zone) link;
	char name[CONFIG_NAME_MAX];
	TAILQ_HEAD(, ipc_association) associations;
};
// The old syntax `ssp group N` (cmd_ssp.c).
struct ssp_group {
	TAILQ_ENTRY(ssp_group) link;
	uint32_t number;
	struct ip_addr remote;             // or unset
	char redundancy[CONFIG_NAME_MAX];  // "" = not yet
	bool mapped;                       // today's lines stand for it: it is not printed
};
struct redundancy_config {
	bool inter_device;
	char scheme[CONFIG_NAME_MAX];  // scheme standby NAME; "" = none
};

struct dataplane_config {
	uint16_t workers;   // default 1
	const char *cores;  // EAL core list, or NULL
	enum { IDLE_SLEEP_DEFAULT, IDLE_SLEEP_US, IDLE_SLEEP_NEVER } idle_kind;
	uint32_t idle_us;
	uint32_t routes;  // per family, 0 = default
};

struct config {
	struct arena *arena;
	const char *hostname;     // default "tandem"
	const char *domain_name;  // or NULL
	struct dataplane_config dataplane;
	TAILQ_HEAD(, isakmp_policy) isakmp_policies;
	TAILQ_HEAD(, isakmp_key) isakmp_keys;
	struct isakmp_config isakmp;
	struct ipsec_config ipsec;
	TAILQ_HEAD(, key_chain) key_chains;
	TAILQ_HEAD(, transform_set) transform_sets;
	TAILQ_HEAD(, acl) acls;
	TAILQ_HEAD(, crypto_map) crypto_maps;  // static ones and dynamic templates
	TAILQ_HEAD(, interface_config) interfaces;
	TAILQ_HEAD(, static_route) routes;
	TAILQ_HEAD(, track_config) tracks;
	struct redundancy_config redundancy;
	TAILQ_HEAD(, ipc_zone) ipc_zones;
	TAILQ_HEAD(, ssp_group) ssp_groups;
	struct config_strings ignored;  // accepted lines without a meaning here, printed back
};

// NULL and errno on failure. A new config holds the defaults.
struct config *config_create(void);
struct config *config_clone(const struct config *c);
void config_destroy(struct config *c);  // wipes; NULL is fine

// Appends a copy of text. 0 or -ENOMEM.
int config_string_add(struct config *c, struct config_strings *list, const char *text);

// Look-ups by name; borrowed, NULL when absent.
struct interface_config *config_interface(const struct config *c, const char *name);
struct crypto_map *config_crypto_map(const struct config *c, const char *name, bool dynamic);
struct crypto_map_entry *crypto_map_entry_get(const struct crypto_map *m, uint32_t seq);
struct acl *config_acl(const struct config *c, const char *name);
struct key_chain *config_key_chain(const struct config *c, const char *name);
struct transform_set *config_transform_set(const struct config *c, const char *name);
// The key for a peer address: longest prefix wins. NULL when none.
const struct isakmp_key *config_isakmp_key(const struct config *c, const struct ip_addr *peer);
