// corpus-hsrp DIR: every capture of DIR/hsrp through the HSRP decoder, compared with
// DIR/hsrp/expected: the number of messages by kind, sender and authentication, each announced
// change field by field, that nothing else changed, and every message encoded again. Then
// corpus_hsrp_listen.c draws the conclusions of a router that listens.
#include "corpus_hsrp.h"

#include <dirent.h>
#include <pcap/pcap.h>

void corpus_line(struct capture *c, const char *what, const char *why, ...)
{
	char name[256], text[512] = "";
	va_list ap;

	snprintf(name, sizeof(name), "%s %s", c->name, what);
	if (why) {
		va_start(ap, why);
		vsnprintf(text, sizeof(text), why, ap);
		va_end(ap);
	}
	tally_line(c->t, why ? TALLY_FAILED : TALLY_PASSED, name, "%s", text);
}

struct hsrp_key corpus_key(const char *text)
{
	struct hsrp_key k = {.accept_until = HSRP_NEVER, .send_until = HSRP_NEVER};

	k.len = (uint8_t)strnlen(text, HSRP_KEY_LEN);
	memcpy(k.bytes, text, k.len);
	return k;
}

const char *corpus_op_name(const struct frame *f)
{
	if (f->msg.content == HSRP_HAS_INTERFACE && f->msg.version == 2)
		return "ifstate";
	return hsrp_op_name(f->msg.op);
}

const char *corpus_auth_name(const struct capture *c, const struct frame *f, char *buf, size_t cap)
{
	if (!f->msg.has_md5)
		return "none";
	if (f->key < 0)
		return "md5-bad";
	snprintf(buf, cap, "md5-ok key=%s", c->key[f->key]);
	return buf;
}

static void key_note(struct capture *c, const char *auth)
{
	const char *at = strstr(auth, "key=");

	if (!at || strlen(at + 4) > HSRP_KEY_LEN || c->keys == KEYS_MAX)
		return;
	for (unsigned i = 0; i < c->keys; i++)
		if (!strcmp(c->key[i], at + 4))
			return;
	snprintf(c->key[c->keys++], sizeof(c->key[0]), "%s", at + 4);
}

static void keys_collect(struct capture *c)
{
	const json_t *o;
	const char *name;
	size_t i;

	json_object_foreach((json_t *)json_object_get(c->expected, "counts_op_src_auth"), name, o)
		key_note(c, name);
	json_array_foreach(json_object_get(c->expected, "changes"), i, o)
		key_note(c, jstr(o, "md5"));
}

// The UDP payload of an HSRP packet in an Ethernet frame, VLAN tags or none. false: not one.
static bool packet_find(const uint8_t *p, size_t len, struct frame *f)
{
	struct hsrp_packet *out = &f->packet;
	size_t at = 14, head, udp;
	unsigned port;

	while (len >= at + 4 &&
	       ((p[at - 2] == 0x81 && p[at - 1] == 0) || (p[at - 2] == 0x88 && p[at - 1] == 0xa8)))
		at += 4;
	if (len < at + 20)
		return false;
	bool v4 = p[at - 2] == 8 && p[at - 1] == 0 && p[at] >> 4 == 4;
	bool v6 = p[at - 2] == 0x86 && p[at - 1] == 0xdd && p[at] >> 4 == 6 && len >= at + 40;
	head = v4 ? (size_t)(p[at] & 15) * 4 : 40;
	if ((!v4 && !v6) || p[at + (v4 ? 9 : 6)] != 17 || len < at + head + 8)
		return false;
	const uint8_t *u = p + at + head;
	port = (unsigned)u[2] << 8 | u[3];
	udp = (size_t)u[4] << 8 | u[5];
	if ((port != HSRP_PORT && port != HSRP_PORT_V6) || udp < 8 || udp > PAYLOAD_MAX ||
	    len < at + head + udp)
		return false;
	*out = (struct hsrp_packet){.src = addr_from_bytes(v4 ? 4 : 6, p + at + (v4 ? 12 : 8)),
				    .ttl = p[at + (v4 ? 8 : 7)],
				    .len = udp - 8};
	memcpy(f->payload, u + 8, udp - 8);
	out->data = f->payload;
	return true;
}

static int key_find(const struct capture *c, const struct frame *f)
{
	struct hsrp_auth auth = {.kind = HSRP_AUTH_MD5, .keys = 1};

	for (unsigned i = 0; i < c->keys; i++) {
		auth.key[0] = corpus_key(c->key[i]);
		auth.key[0].id = f->msg.md5_key_id;
		if (hsrp_auth_check(&auth, &f->msg, &f->packet, 1) == HSRP_RX_OK)
			return (int)i;
	}
	return -1;
}

static void frames_read(struct capture *c, pcap_t *pcap)
{
	struct pcap_pkthdr *h;
	const uint8_t *p;
	uint64_t start = 0;

	for (unsigned n = 1; pcap_next_ex(pcap, &h, &p) == 1 && c->count < FRAMES_MAX; n++) {
		uint64_t us = (uint64_t)h->ts.tv_sec * 1000000u + (uint64_t)h->ts.tv_usec;
		struct frame *f = &c->frames[c->count];

		if (n == 1)
			start = us;
		*f = (struct frame){.number = n, .ms = (us - start) / 1000, .key = -1};
		if (!packet_find(p, h->caplen, f))
			continue;
		memcpy(f->smac, p + 6, 6);
		f->decoded = hsrp_decode(f->packet.data, f->packet.len, &f->msg);
		if (f->decoded == HSRP_RX_OK && f->msg.has_md5)
			f->key = key_find(c, f);
		c->count++;
	}
}

static void counts_check(struct capture *c)
{
	const json_t *want = json_object_get(c->expected, "counts_op_src_auth"), *n;
	json_t *got = json_object();
	char name[256], src[ADDR_STR_MAX], auth[128];
	const char *key;

	for (unsigned i = 0; i < c->count; i++) {
		const struct frame *f = &c->frames[i];

		if (f->decoded != HSRP_RX_OK) {
			corpus_line(c, "decoded", "frame %u: %s", f->number,
				    hsrp_rx_name(f->decoded));
			continue;
		}
		snprintf(name, sizeof(name), "%s|%s|%s", corpus_op_name(f),
			 addr_format(&f->packet.src, src, sizeof(src)),
			 corpus_auth_name(c, f, auth, sizeof(auth)));
		json_object_set_new(got, name, json_integer(jnum(got, name, 0) + 1));
	}
	long long packets = jnum(c->expected, "hsrp_packets", -1);
	corpus_line(c, "packets", packets == c->count ? NULL : "%u, not %lld", c->count, packets);
	json_object_foreach((json_t *)want, key, n)
	{
		long long have = jnum(got, key, 0);
		snprintf(name, sizeof(name), "count %s", key);
		corpus_line(c, name, have == json_integer_value(n) ? NULL : "%lld", have);
	}
	json_object_foreach(got, key, n)
	{
		if (!json_object_get(want, key))
			corpus_line(c, "counts", "%s is not expected", key);
	}
	json_decref(got);
}

#define DIFFERS(cond, what)          \
	do {                         \
		if (cond)            \
			return what; \
	} while (0)

static bool num_is(const json_t *e, const char *key, long long have)
{
	return !json_object_get(e, key) || jnum(e, key, -1) == have;
}

static bool text_is(const json_t *e, const char *key, const char *have)
{
	return !json_object_get(e, key) || !strcmp(jstr(e, key), have);
}

static void mac_format(const uint8_t *m, const char *sep, char out[18])
{
	snprintf(out, 18, "%02x%s%02x%s%02x%s%02x%s%02x%s%02x", m[0], sep, m[1], sep, m[2], sep,
		 m[3], sep, m[4], sep, m[5]);
}

static const char *interface_compare(const json_t *e, const struct hsrp_msg *m)
{
	const json_t *pair = json_object_get(e, "ifstate");

	if (m->version == 2) {
		DIFFERS(json_integer_value(json_array_get(pair, 0)) != m->active_groups ||
				json_integer_value(json_array_get(pair, 1)) != m->passive_groups,
			"ifstate");
		return NULL;
	}
	DIFFERS(!num_is(e, "tlv", m->advert_type), "tlv");
	DIFFERS(!num_is(e, "len", m->advert_len), "len");
	DIFFERS(!num_is(e, "st", m->advert_state), "st");
	DIFFERS(!num_is(e, "act", m->active_groups), "act");
	DIFFERS(!num_is(e, "pas", m->passive_groups), "pas");
	return NULL;
}

// The field in which a packet differs from what is expected of it, or NULL.
static const char *change_compare(const struct capture *c, const json_t *e, const struct frame *f)
{
	const struct hsrp_msg *m = &f->msg;
	unsigned unit = m->version == 2 ? 1 : 1000;
	char text[128], auth[9] = "";

	DIFFERS(f->decoded != HSRP_RX_OK, hsrp_rx_name(f->decoded));
	DIFFERS(!text_is(e, "src", addr_format(&f->packet.src, text, sizeof(text))), "src");
	mac_format(f->smac, ":", text);
	DIFFERS(!text_is(e, "smac", text), "smac");
	DIFFERS(!text_is(e, "md5", corpus_auth_name(c, f, text, sizeof(text))), "md5");
	DIFFERS(!num_is(e, "v", m->version), "v");
	DIFFERS(!text_is(e, "op", corpus_op_name(f)), "op");
	if (m->content == HSRP_HAS_INTERFACE)
		return interface_compare(e, m);
	DIFFERS(!text_is(e, "st", hsrp_state_name(m->state)), "st");
	DIFFERS(!num_is(e, "hello", m->hello_ms / unit), "hello");
	DIFFERS(!num_is(e, "hold", m->hold_ms / unit), "hold");
	DIFFERS(!num_is(e, "prio", m->priority), "prio");
	DIFFERS(!num_is(e, "grp", m->group), "grp");
	DIFFERS(!num_is(e, "ipver", m->family), "ipver");
	DIFFERS(!text_is(e, "vip", addr_format(&m->virtual_ip, text, sizeof(text))), "vip");
	memcpy(auth, m->text, sizeof(m->text));
	DIFFERS(!text_is(e, "auth", auth), "auth");
	mac_format(m->identifier, "", text);
	DIFFERS(!text_is(e, "ident", text), "ident");
	return NULL;
}

static bool announces_same(const struct frame *a, const struct frame *b)
{
	const struct hsrp_msg *x = &a->msg, *y = &b->msg;

	return x->op == y->op && x->state == y->state && x->priority == y->priority &&
	       x->hello_ms == y->hello_ms && x->hold_ms == y->hold_ms && a->key == b->key &&
	       x->has_md5 == y->has_md5 && memcmp(x->text, y->text, sizeof(x->text)) == 0 &&
	       addr_equal(&x->virtual_ip, &y->virtual_ip) && x->advert_state == y->advert_state &&
	       x->active_groups == y->active_groups && x->passive_groups == y->passive_groups &&
	       memcmp(a->smac, b->smac, 6) == 0;
}

static const struct frame *frame_before(const struct capture *c, unsigned i)
{
	const struct frame *f = &c->frames[i];

	while (i-- > 0) {
		const struct frame *p = &c->frames[i];

		if (addr_equal(&p->packet.src, &f->packet.src) &&
		    p->msg.content == f->msg.content && p->msg.group == f->msg.group)
			return p;
	}
	return NULL;
}

static void changes_check(struct capture *c)
{
	const json_t *changes = json_object_get(c->expected, "changes");
	size_t n = 0;
	char what[64];

	for (unsigned i = 0; i < c->count; i++) {
		const struct frame *f = &c->frames[i], *before = frame_before(c, i);
		const json_t *e = json_array_get(changes, n);

		if (e && jnum(e, "frame", 0) == (long long)f->number) {
			const char *differs = change_compare(c, e, f);
			snprintf(what, sizeof(what), "frame %u", f->number);
			corpus_line(c, what, differs ? "%s differs" : NULL, differs);
			n++;
		} else if (!before || !announces_same(before, f)) {
			snprintf(what, sizeof(what), "frame %u", f->number);
			corpus_line(c, what, "a change that is not expected");
		}
	}
	if (n < json_array_size(changes))
		corpus_line(c, "changes", "%zu of %zu were found", n, json_array_size(changes));
}

// Our encoder makes the same octets of the same message, digest included. Only TLVs that we do not
// know may stand behind them.
static void encode_check(struct capture *c)
{
	uint8_t bytes[HSRP_WIRE_MAX];
	unsigned same = 0, differ = 0;
	char what[64];

	for (unsigned i = 0; i < c->count; i++) {
		const struct frame *f = &c->frames[i];
		struct hsrp_auth auth = {.kind = HSRP_AUTH_TEXT, .keys = 1};

		if (f->decoded != HSRP_RX_OK || f->msg.content != HSRP_HAS_GROUP ||
		    (f->msg.has_md5 && f->key < 0))
			continue;
		memcpy(auth.text, f->msg.text, sizeof(auth.text));
		if (f->msg.has_md5) {
			auth.kind = HSRP_AUTH_MD5;
			auth.key[0] = corpus_key(c->key[f->key]);
			auth.key[0].id = f->msg.md5_key_id;
		}
		int n = hsrp_encode(&f->msg, &auth, &f->packet.src, 1, bytes, sizeof(bytes));
		bool whole = n == (int)f->packet.len || (!f->msg.has_md5 && n < (int)f->packet.len);
		if (n > 0 && whole && memcmp(bytes, f->packet.data, (size_t)n) == 0)
			same++;
		else
			differ = f->number;
	}
	snprintf(what, sizeof(what), "%u messages encoded again", same);
	corpus_line(c, what, differ ? "frame %u differs" : NULL, differ);
}

static void capture_run(const char *dir, const char *name, struct tally *t)
{
	struct capture c = {.name = name, .t = t};
	char path[4096], err[PCAP_ERRBUF_SIZE];
	json_t *expected;

	snprintf(path, sizeof(path), "hsrp/expected/%.*s.json", (int)strlen(name) - 5, name);
	expected = jload(dir, path);
	c.expected = expected;
	snprintf(path, sizeof(path), "%s/hsrp/%s", dir, name);
	pcap_t *pcap = pcap_open_offline(path, err);
	c.frames = calloc(FRAMES_MAX, sizeof(*c.frames));
	if (!c.frames)
		abort();
	if (!pcap || pcap_datalink(pcap) != DLT_EN10MB) {
		corpus_line(&c, "opened", "%s", pcap ? "not Ethernet" : err);
	} else if (!expected) {
		tally_line(t, TALLY_SKIPPED, name, "there is no %s", "expected file");
	} else {
		keys_collect(&c);
		frames_read(&c, pcap);
		counts_check(&c);
		changes_check(&c);
		encode_check(&c);
		corpus_listen(&c);
	}
	free(c.frames);
	if (pcap)
		pcap_close(pcap);
	json_decref(expected);
}

static int is_pcap(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && !strcmp(d->d_name + n - 5, ".pcap");
}

int main(int argc, char **argv)
{
	struct tally t = {0};
	struct dirent **list;
	char path[4096];

	if (argc != 2) {
		fprintf(stderr, "usage: corpus-hsrp DIR\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/hsrp", argv[1]);
	int n = scandir(path, &list, is_pcap, alphasort);
	if (n < 0) {
		perror(path);
		return 2;
	}
	for (int i = 0; i < n; i++) {
		capture_run(argv[1], list[i]->d_name, &t);
		free(list[i]);
	}
	free(list);
	return tally_end(&t);
}
