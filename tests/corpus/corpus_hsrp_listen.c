// The listening router of corpus-hsrp: for every way to believe messages (each text, each MD5 key
// of the expectation, and a key that nobody has) and every group of the capture, a group of ours
// with priority 0 hears all packets. After each change of the expected list it must know as active
// and as standby router whom the announcements so far make that, among those it can believe.
#include <string.h>

#include "corpus_hsrp.h"

#define ROUTERS_MAX 16
#define DOUBT_MS    100  // for so long a message may be doubted

struct router {
	struct ip_addr addr;
	enum hsrp_state state;  // as announced by the last believed change
	uint8_t priority;
	uint32_t hold_ms;
	uint64_t heard_ms;  // its last believed message
};

struct listener {
	struct capture *c;
	bool md5;
	bool running;
	const char *secret;  // text or key
	uint16_t number;
	struct ip_addr virtual_ip;
	struct hsrp_group *g;
	struct router router[ROUTERS_MAX];
	unsigned routers;
	unsigned believed, refused, checks;
	const struct frame *owed;  // doubted: its conclusions are drawn when the doubt is over
	bool failed;
};

static bool is_believed(const struct listener *l, const struct frame *f)
{
	char text[9] = "";

	if (l->md5)
		return f->key >= 0 && !strcmp(l->c->key[f->key], l->secret);
	memcpy(text, f->msg.text, sizeof(f->msg.text));
	return !f->msg.has_md5 && f->msg.has_text && !strcmp(text, l->secret);
}

static struct router *router_of(struct listener *l, const struct ip_addr *addr)
{
	for (unsigned i = 0; i < l->routers; i++)
		if (addr_equal(&l->router[i].addr, addr))
			return &l->router[i];
	if (l->routers == ROUTERS_MAX)
		abort();
	l->router[l->routers] = (struct router){.addr = *addr, .state = HSRP_STATE_LISTEN};
	return &l->router[l->routers++];
}

// The change list's account of one router. A coup is the announcement of the active role, a resign
// of its end.
static void announce(struct router *r, const json_t *e)
{
	for (unsigned s = 0; s < HSRP_STATES; s++)
		if (!strcmp(jstr(e, "st"), hsrp_state_name((enum hsrp_state)s)))
			r->state = (enum hsrp_state)s;
	if (!strcmp(jstr(e, "op"), "coup"))
		r->state = HSRP_STATE_ACTIVE;
	r->priority = (uint8_t)jnum(e, "prio", 0);
	r->hold_ms = (uint32_t)jnum(e, "hold", 0) * (jnum(e, "v", 1) == 2 ? 1 : 1000);
}

// Who has the role by what was announced: the strongest that does and is still heard.
static const struct router *role_of(const struct listener *l, enum hsrp_state role, uint64_t now)
{
	const struct router *best = NULL;

	for (unsigned i = 0; i < l->routers; i++) {
		const struct router *r = &l->router[i];

		if (r->state != role || r->heard_ms + r->hold_ms <= now)
			continue;
		if (!best || r->priority > best->priority ||
		    (r->priority == best->priority && addr_compare(&r->addr, &best->addr) > 0))
			best = r;
	}
	return best;
}

static void role_check(struct listener *l, const struct frame *f, const char *role,
		       const struct router *want, const struct hsrp_peer_view *have)
{
	struct ip_addr none = addr_none();
	const struct ip_addr *addr = want ? &want->addr : &none;
	char a[ADDR_STR_MAX], b[ADDR_STR_MAX], what[160];

	l->checks++;
	if (addr_equal(addr, &have->addr) && (!want || want->priority == have->priority))
		return;
	if (!want && have->local && l->running)
		return;
	l->failed = true;
	snprintf(what, sizeof(what), "%s \"%s\" group %u frame %u", l->md5 ? "md5" : "text",
		 l->secret, l->number, f->number);
	corpus_line(l->c, what, "%s is %s, not %s", role, addr_format(&have->addr, a, sizeof(a)),
		    addr_format(addr, b, sizeof(b)));
}

static void roles_check(struct listener *l, const struct frame *f, uint64_t now)
{
	struct hsrp_snapshot s;

	hsrp_group_snapshot(l->g, now, &s);
	role_check(l, f, "active", role_of(l, HSRP_STATE_ACTIVE, now), &s.active);
	role_check(l, f, "standby", role_of(l, HSRP_STATE_STANDBY, now), &s.standby);
}

static void ticks_run(struct listener *l, uint64_t until)
{
	struct hsrp_actions out;

	while (l->running && hsrp_group_due(l->g) <= until) {
		out.count = 0;
		hsrp_group_tick(l->g, hsrp_group_due(l->g), &out);
	}
}

static void listen_frame(struct listener *l, const struct frame *f, const json_t *e)
{
	uint64_t now = f->ms + 1;  // 0 is no time
	bool group = f->decoded == HSRP_RX_OK && f->msg.content == HSRP_HAS_GROUP &&
		     f->msg.group == l->number;
	bool believed = group && is_believed(l, f);
	struct hsrp_actions out = {0};
	enum hsrp_rx rx;

	if (l->owed && now > l->owed->ms + 1 + DOUBT_MS) {
		ticks_run(l, l->owed->ms + 1 + DOUBT_MS);
		roles_check(l, l->owed, l->owed->ms + 1 + DOUBT_MS);
		l->owed = NULL;
	}
	ticks_run(l, now);
	rx = hsrp_group_receive(l->g, &f->packet, now, &out);

	if (believed) {
		struct router *r = router_of(l, &f->packet.src);

		l->believed++;
		r->heard_ms = now;
		if (e)
			announce(r, e);
	} else if (group) {
		l->refused++;
	}
	if (group && believed != (rx == HSRP_RX_OK || rx >= HSRP_RX_ERRORS)) {
		l->failed = true;
		corpus_line(l->c, "believed", "frame %u: %s", f->number, hsrp_rx_name(rx));
	}
	if (!e)
		return;
	l->owed = rx == HSRP_RX_DOUBTED ? f : NULL;
	if (!l->owed)
		roles_check(l, f, now);
}

// What is wrong at the end of the capture, or NULL.
static const char *end_check(const struct listener *l, const struct hsrp_snapshot *s, uint64_t now)
{
	uint64_t refused = 0;

	for (unsigned r = HSRP_RX_AUTH_TYPE; r <= HSRP_RX_AUTH_DIGEST; r++)
		refused += s->reasons[r];
	if (refused != l->refused)
		return "the counters do not add up to the refused";
	if (!l->running)
		return s->state == HSRP_STATE_LISTEN ? NULL : "the listener left Listen";
	if (l->believed == 0 && now > 21000 && s->state != HSRP_STATE_ACTIVE)
		return "nobody was believed, and it is not active";
	if (role_of(l, HSRP_STATE_ACTIVE, now) && s->state == HSRP_STATE_ACTIVE)
		return "it is active beside another";
	return NULL;
}

static void listener_run(struct listener *l, uint8_t version, uint8_t family)
{
	const json_t *changes = json_object_get(l->c->expected, "changes");
	struct hsrp_conf conf = {
		.version = version,
		.number = l->number,
		.family = family,
		.virtual_ip = l->virtual_ip,
		.timers_set = true,
		.hello_ms = 3000,
		.hold_ms = 10000,
		.auth = {.kind = l->md5 ? HSRP_AUTH_MD5 : HSRP_AUTH_TEXT, .keys = 1},
		.local = addr_from_v4(1),  // weaker than any
	};
	struct hsrp_actions out = {0};
	struct hsrp_snapshot s;
	char what[160];
	size_t n = 0;

	if (l->md5)
		conf.auth.key[0] = corpus_key(l->secret);
	else
		memcpy(conf.auth.text, l->secret, strnlen(l->secret, sizeof(conf.auth.text)));
	l->g = hsrp_group_create(&conf, false, 1);
	if (!l->g)
		abort();
	hsrp_group_link(l->g, true, 1, &out);
	for (unsigned i = 0; i < l->c->count; i++) {
		const struct frame *f = &l->c->frames[i];
		const json_t *e = json_array_get(changes, n);
		bool is = e && jnum(e, "frame", 0) == (long long)f->number;

		n += is;
		listen_frame(l, f, is ? e : NULL);
	}
	uint64_t last = l->c->frames[l->c->count - 1].ms + 1;
	hsrp_group_snapshot(l->g, last, &s);
	const char *why = end_check(l, &s, last);
	snprintf(what, sizeof(what),
		 "%s \"%s\" group %u%s: %u believed, %u refused, %u conclusions",
		 l->md5 ? "md5" : "text", l->secret, l->number, l->running ? " running" : "",
		 l->believed, l->refused, l->checks);
	if (why || !l->failed)
		corpus_line(l->c, what, why ? "%s" : NULL, why);
	hsrp_group_destroy(l->g);
}

static void groups_listen(struct capture *c, bool md5, const char *secret)
{
	for (unsigned i = 0; i < c->count; i++) {
		const struct frame *f = &c->frames[i];
		bool seen = false;

		if (f->decoded != HSRP_RX_OK || f->msg.content != HSRP_HAS_GROUP)
			continue;
		for (unsigned k = 0; k < i && !seen; k++)
			seen = c->frames[k].msg.content == HSRP_HAS_GROUP &&
			       c->frames[k].decoded == HSRP_RX_OK &&
			       c->frames[k].msg.group == f->msg.group;
		for (unsigned running = 0; running < 2 && !seen; running++) {
			struct listener l = {.c = c,
					     .md5 = md5,
					     .running = running == 1,
					     .secret = secret,
					     .number = f->msg.group,
					     .virtual_ip = f->msg.virtual_ip};
			listener_run(&l, f->msg.version, f->msg.family);
		}
	}
}

void corpus_listen(struct capture *c)
{
	const json_t *changes = json_object_get(c->expected, "changes"), *e;
	size_t i;
	char texts[8][9];
	unsigned n = 0;

	json_array_foreach(changes, i, e)
	{
		const char *text = jstr(e, "auth");
		bool seen =
			text[0] == '\0' || strlen(text) > 8 || strcmp(jstr(e, "md5"), "none") != 0;

		for (unsigned k = 0; k < n; k++)
			seen |= !strcmp(texts[k], text);
		if (!seen && n < 8)
			strcpy(texts[n++], text);
	}
	for (unsigned k = 0; k < n; k++)
		groups_listen(c, false, texts[k]);
	for (unsigned k = 0; k < c->keys; k++)
		groups_listen(c, true, c->key[k]);
	groups_listen(c, true, "nobody's key");
	groups_listen(c, false, "nobody");
}
