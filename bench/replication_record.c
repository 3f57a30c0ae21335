// tandem-bench replication: the configuration of many tunnels, and their SAs as records. Nobody
// negotiates them: a record is what another box would have told of an IKE SA and a pair of IPsec
// SAs that are up and quiet.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ike/replica.h"
#include "ike/replica_wire.h"
#include "ike/sa_record.h"
#include "ikev1/fsm.h"
#include "redundancy.h"
#include "replication.h"

#define LIFE_MS  (8ull * 3600 * 1000)
#define KEY_LEN  16
#define SALT_LEN 4
#define HASH_LEN 20
#define ID_FIRST 0x7465737400000000ull

// ---- configuration -----------------------------------------------------------------------------
static void *make(struct config *c, size_t len)
{
	return arena_alloc(c->arena, len);
}

static void interfaces(struct config *c)
{
	struct interface_config *i = make(c, sizeof(*i));
	struct standby_group *s = make(c, sizeof(*s));

	snprintf(i->name, sizeof(i->name), "%s", REP_INTERFACE);
	TAILQ_INIT(&i->secondary);
	TAILQ_INIT(&i->standby);
	TAILQ_INIT(&i->ignored);
	i->addr = (struct ip_prefix){addr_from_v4(REP_LOCAL + 1), 24};
	snprintf(i->crypto_map, sizeof(i->crypto_map), "%s", REP_MAP);
	snprintf(i->redundancy, sizeof(i->redundancy), "%s", REP_NAME);
	i->stateful = true;
	s->number = 1;
	s->ip_set = true;
	s->ip = addr_from_v4(REP_LOCAL);
	snprintf(s->name, sizeof(s->name), "%s", REP_NAME);
	TAILQ_INIT(&s->secondary);
	TAILQ_INIT(&s->tracks);
	TAILQ_INSERT_TAIL(&i->standby, s, link);
	TAILQ_INSERT_TAIL(&c->interfaces, i, link);
}

static void crypto(struct config *c)
{
	struct isakmp_policy *p = make(c, sizeof(*p));
	struct isakmp_key *k = make(c, sizeof(*k));
	struct transform_set *t = make(c, sizeof(*t));

	*p = (struct isakmp_policy){.priority = 10,
				    .encr = IKE_ENCR_AES,
				    .aes_bits = 128,
				    .auth = IKE_AUTH_PRE_SHARE,
				    .group = 14,
				    .lifetime_s = 86400};
	TAILQ_INSERT_TAIL(&c->isakmp_policies, p, link);
	k->key = REP_PSK;
	k->peer = (struct ip_prefix){addr_from_v4(0), 0};
	TAILQ_INSERT_TAIL(&c->isakmp_keys, k, link);
	*t = (struct transform_set){
		.cipher = ESP_CIPHER_AES_GCM, .key_bits = KEY_LEN * 8, .gcm_icv = 16};
	snprintf(t->name, sizeof(t->name), "SET");
	TAILQ_INSERT_TAIL(&c->transform_sets, t, link);
}

struct selector rep_selector(uint32_t i)
{
	return (struct selector){.src = {addr_from_v4(REP_HOME), 16},
				 .dst = {addr_from_v4(REP_NET + (i << 8)), 24},
				 .sport = {0, 65535},
				 .dport = {0, 65535}};
}

static void entry(struct config *c, struct crypto_map *m, uint32_t i)
{
	struct crypto_map_entry *e = make(c, sizeof(*e));
	struct map_peer *peer = make(c, sizeof(*peer));
	struct acl *acl = make(c, sizeof(*acl));
	struct acl_entry *a = make(c, sizeof(*a));

	snprintf(acl->name, sizeof(acl->name), "NET%u", i);
	TAILQ_INIT(&acl->entries);
	a->seq = 10;
	a->permit = true;
	a->sel = rep_selector(i);
	TAILQ_INSERT_TAIL(&acl->entries, a, link);
	TAILQ_INSERT_TAIL(&c->acls, acl, link);
	e->seq = i + 1;
	TAILQ_INIT(&e->peers);
	TAILQ_INIT(&e->ignored);
	peer->addr = addr_from_v4(REP_PEER + i);
	TAILQ_INSERT_TAIL(&e->peers, peer, link);
	snprintf(e->acl, sizeof(e->acl), "%s", acl->name);
	snprintf(e->transform_sets[0], sizeof(e->transform_sets[0]), "SET");
	e->transform_set_count = 1;
	TAILQ_INSERT_TAIL(&m->entries, e, link);
}

static void association(struct config *c, unsigned box)
{
	static const char *const address[] = {"10.99.0.1", "10.99.0.2"};
	struct ipc_zone *z = make(c, sizeof(*z));
	struct ipc_association *a = make(c, sizeof(*a));

	snprintf(z->name, sizeof(z->name), "default");
	TAILQ_INIT(&z->associations);
	*a = (struct ipc_association){.number = 1,
				      .no_shutdown = true,
				      .sctp = true,
				      .local_port = 5000,
				      .remote_port = 5000,
				      .retransmit_min_ms = 300,
				      .retransmit_max_ms = 10000,
				      .path_retransmit = 5,
				      .assoc_retransmit = 5,
				      .security = IPC_SECURITY_PSK,
				      .security_arg = REP_PSK};
	TAILQ_INIT(&a->local_ips);
	TAILQ_INIT(&a->remote_ips);
	(void)config_string_add(c, &a->local_ips, address[box]);
	(void)config_string_add(c, &a->remote_ips, address[!box]);
	TAILQ_INSERT_TAIL(&z->associations, a, link);
	TAILQ_INSERT_TAIL(&c->ipc_zones, z, link);
}

struct config *rep_config(uint32_t tunnels, unsigned box)
{
	struct config *c = config_create();
	struct crypto_map *m = c ? make(c, sizeof(*m)) : NULL;

	if (!m)
		return NULL;
	interfaces(c);
	crypto(c);
	snprintf(m->name, sizeof(m->name), "%s", REP_MAP);
	TAILQ_INIT(&m->entries);
	TAILQ_INSERT_TAIL(&c->crypto_maps, m, link);
	for (uint32_t i = 0; i < tunnels; i++)
		entry(c, m, i);
	c->redundancy.inter_device = true;
	snprintf(c->redundancy.scheme, sizeof(c->redundancy.scheme), "%s", REP_NAME);
	association(c, box);
	return c;
}

// ---- records -----------------------------------------------------------------------------------
uint64_t rep_id(uint32_t i, enum ha_kind kind)
{
	return ID_FIRST + 2ull * i + (kind == HA_CHILD_SA);
}

void rep_key(uint32_t i, bool inbound, uint8_t key[KEY_LEN + SALT_LEN])
{
	memset(key, inbound ? 0x5a : 0xa5, KEY_LEN + SALT_LEN);
	memcpy(key, &i, sizeof(i));
}

static void address_put(struct wbuf *w, enum replica_tlv type, uint32_t v4)
{
	struct ip_addr a = addr_from_v4(v4);
	size_t at = replica_begin_tlv(w, type);

	replica_put_addr(w, &a);
	replica_end_tlv(w, at);
}

static void text_put(struct wbuf *w, enum replica_tlv type, uint32_t v4)
{
	struct ip_addr a = addr_from_v4(v4);
	char text[ADDR_STR_MAX];
	size_t at = replica_begin_tlv(w, type);

	replica_put_text(w, addr_format(&a, text, sizeof(text)));
	replica_end_tlv(w, at);
}

static void times_put(struct wbuf *w)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	const struct record_times t = {.wall_ms = (uint64_t)ts.tv_sec * 1000,
				       .hard_ms = LIFE_MS,
				       .renew_ms = LIFE_MS * 9 / 10,
				       .replaced_ms = RECORD_NEVER};
	record_times_put(w, &t);
}

static void zeros(struct wbuf *w, size_t n)
{
	static const uint8_t none[64];

	wbuf_put_bytes(w, none, n);
}

static void ike_put(struct wbuf *w, uint32_t i)
{
	uint8_t key[HASH_LEN];
	size_t at = replica_begin_tlv(w, TLV_IKE);

	wbuf_put_u8(w, 1);
	wbuf_put_u8(w, 0);  // initiator
	wbuf_put_u8(w, 1);  // established
	zeros(w, 6);
	wbuf_put_u16(w, 500);
	wbuf_put_u16(w, 500);
	wbuf_put_u64(w, 0x1000000000ull + i);
	wbuf_put_u64(w, 0x2000000000ull + i);
	wbuf_put_u8(w, IKE_ENCR_AES);
	wbuf_put_u16(w, KEY_LEN * 8);
	wbuf_put_u8(w, IKE_HASH_SHA);
	wbuf_put_u8(w, IKE_AUTH_PRE_SHARE);
	wbuf_put_u16(w, 14);
	wbuf_put_u32(w, 86400);
	replica_end_tlv(w, at);
	at = replica_begin_tlv(w, TLV_DPD);
	zeros(w, 9);
	replica_end_tlv(w, at);
	address_put(w, TLV_LOCAL, REP_LOCAL);
	address_put(w, TLV_REMOTE, REP_PEER + i);
	text_put(w, TLV_LOCAL_ID, REP_LOCAL);
	text_put(w, TLV_REMOTE_ID, REP_PEER + i);
	times_put(w);
	memset(key, 0x3c, sizeof(key));
	memcpy(key, &i, sizeof(i));
	at = replica_begin_tlv(w, TLV_V1_KEYS);
	for (unsigned n = 0; n < 4; n++)
		replica_put_bytes(w, key, HASH_LEN);
	replica_put_bytes(w, key, KEY_LEN);
	replica_end_tlv(w, at);
	at = replica_begin_tlv(w, TLV_V1_PHASE1);
	zeros(w, CIPHER_BLOCK_MAX + 12);
	replica_end_tlv(w, at);
	at = replica_begin_tlv(w, TLV_V1_IDS);
	for (unsigned n = 0; n < 2; n++)
		wbuf_put_u32(w, 0x40000000u + i + n);
	replica_end_tlv(w, at);
}

static void child_put(struct wbuf *w, uint32_t i)
{
	const struct selector sel = rep_selector(i);
	uint8_t key[KEY_LEN + SALT_LEN];
	size_t at = replica_begin_tlv(w, TLV_CHILD);

	wbuf_put_u8(w, 0);
	wbuf_put_u8(w, 1);  // up
	zeros(w, 6);
	wbuf_put_u16(w, 500);
	wbuf_put_u16(w, 500);
	wbuf_put_u16(w, 0);
	wbuf_put_u32(w, 64);  // replay window
	wbuf_put_u32(w, 0);
	wbuf_put_u32(w, LIFE_MS / 1000);
	wbuf_put_u32(w, 0);
	wbuf_put_u64(w, 0);
	zeros(w, 32);
	replica_end_tlv(w, at);
	address_put(w, TLV_LOCAL, REP_LOCAL);
	address_put(w, TLV_REMOTE, REP_PEER + i);
	at = replica_begin_tlv(w, TLV_SELECTOR);
	replica_put_selector(w, &sel);
	replica_end_tlv(w, at);
	at = replica_begin_tlv(w, TLV_FLOW);
	replica_put_text(w, REP_MAP);
	wbuf_put_u32(w, i + 1);
	replica_put_text(w, REP_INTERFACE);
	replica_put_text(w, "");
	wbuf_put_u32(w, 0);
	replica_put_selector(w, &sel);
	replica_end_tlv(w, at);
	at = replica_begin_tlv(w, TLV_TRANSFORM);
	replica_put_text(w, "SET");
	wbuf_put_u8(w, ESP_CIPHER_AES_GCM);
	wbuf_put_u16(w, KEY_LEN * 8);
	wbuf_put_u8(w, 16);
	wbuf_put_u8(w, ESP_AUTH_NONE);
	wbuf_put_u8(w, 0);
	replica_end_tlv(w, at);
	for (unsigned in = 0; in < 2; in++) {
		rep_key(i, in, key);
		at = replica_begin_tlv(w, in ? TLV_KEYS_IN : TLV_KEYS_OUT);
		wbuf_put_bytes(w, key, sizeof(key));
		replica_end_tlv(w, at);
	}
	times_put(w);
}

int rep_record(uint32_t i, enum ha_kind kind, uint32_t spi, struct ha_sa *out, uint8_t *mem,
	       size_t cap)
{
	struct wbuf w;

	*out = (struct ha_sa){.id = rep_id(i, kind),
			      .group = redundancy_named(REP_NAME)->number,
			      .kind = (uint8_t)kind,
			      .birth = {1, 0},
			      .payload = mem};
	wbuf_init(&w, mem, cap);
	replica_head_put(&w, out->kind);
	if (kind == HA_CHILD_SA) {
		out->parent = rep_id(i, HA_IKE_SA);
		out->spi_in = spi;
		out->spi_out = 0x1000 + i;
		out->ceiling = 65536;
		child_put(&w, i);
	} else {
		ike_put(&w, i);
	}
	out->len = (uint32_t)w.len;
	return wbuf_check(&w);
}
