// What the configuration says about stateful switchover: which groups there are, how the other box
// is reached.

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redundancy.h"
#include "secret.h"

#define SLICE_US       2000  // of reading the configuration,
#define SLICE_PAUSE_MS 1     // and then others have their turn

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static uint32_t name_hash(const char *s)
{
	uint32_t h = 2166136261u;

	while (*s)
		h = (h ^ (uint8_t)*s++) * 16777619u;
	return h;
}

unsigned redundancy_names(const struct config *c, char names[HA_GROUPS_MAX + 1][CONFIG_NAME_MAX])
{
	char list[HA_GROUPS_MAX][CONFIG_NAME_MAX];
	const struct interface_config *i;
	unsigned n = 0;

	memset(names, 0, (HA_GROUPS_MAX + 1) * sizeof(names[0]));
	if (!c->redundancy.inter_device)
		return 0;
	TAILQ_FOREACH (i, &c->interfaces, link) {
		bool there = !i->stateful || !i->redundancy[0] || n == HA_GROUPS_MAX;
		for (unsigned k = 0; k < n && !there; k++)
			there = strcmp(list[k], i->redundancy) == 0;
		if (!there)
			memcpy(list[n++], i->redundancy, sizeof(list[0]));
	}
	qsort(list, n, sizeof(list[0]), by_name);
	for (unsigned k = 0; k < n; k++) {
		unsigned at = name_hash(list[k]) % HA_GROUPS_MAX;
		while (names[at + 1][0])
			at = (at + 1) % HA_GROUPS_MAX;
		memcpy(names[at + 1], list[k], sizeof(list[k]));
	}
	return n;
}

static const struct ipc_association *association_find(const struct config *c)
{
	const struct ipc_zone *z;
	const struct ipc_association *a;

	TAILQ_FOREACH (z, &c->ipc_zones, link)
		TAILQ_FOREACH (a, &z->associations, link)
			if (a->sctp)
				return a;
	return NULL;
}

static unsigned addresses_fill(const struct config_strings *list, uint8_t family[HA_LOCAL_MAX],
			       uint8_t bytes[HA_LOCAL_MAX][16])
{
	const struct config_string *s;
	struct ip_addr a;
	unsigned n = 0;

	TAILQ_FOREACH (s, list, link) {
		if (n == HA_LOCAL_MAX || addr_parse(s->text, &a))
			continue;
		family[n] = a.family;
		memcpy(bytes[n++], a.bytes, 16);
	}
	return n;
}

void redundancy_config_fill(const struct config *c, struct ha_config *out)
{
	const struct ipc_association *a = association_find(c);

	memset(out, 0, sizeof(*out));
	if (!a)
		return;
	out->up = a->no_shutdown;
	out->transport = a->transport == IPC_TRANSPORT_KERNEL ? 1
			 : a->transport == IPC_TRANSPORT_USER ? 2
							      : 0;
	out->security = a->security == IPC_SECURITY_PSK    ? 1
			: a->security == IPC_SECURITY_CERT ? 2
			: a->security == IPC_SECURITY_NONE ? 3
							   : 0;
	out->local_port = a->local_port;
	out->remote_port = a->remote_port;
	out->rto_min_ms = a->retransmit_min_ms;
	out->rto_max_ms = a->retransmit_max_ms;
	out->path_retransmit = a->path_retransmit;
	out->assoc_retransmit = a->assoc_retransmit;
	out->locals = (uint8_t)addresses_fill(&a->local_ips, out->local_family, out->local);
	out->remotes = (uint8_t)addresses_fill(&a->remote_ips, out->remote_family, out->remote);
	if (a->security_arg) {
		size_t len = strlen(a->security_arg);
		out->secret_len = (uint16_t)(len < HA_PSK_MAX ? len : HA_PSK_MAX);
		memcpy(out->secret, a->security_arg, out->secret_len);
	}
}

// ---- the digest, in slices --------------------------------------------------------------------
static struct {
	struct redundancy_digest at;
	struct loop_timer timer;
	bool known;
} digest;

static void digest_known(const uint8_t value[32])
{
	memcpy(redundancy.config.digest, value, sizeof(redundancy.config.digest));
	digest.known = true;
}

static bool digest_slice(void)
{
	uint64_t until = loop_clock_us() + SLICE_US;

	while (redundancy_digest_step(&digest.at)) {
		if (loop_clock_us() >= until)
			return false;
	}
	digest_known(digest.at.out);
	return true;
}

static void on_digest(void *ctx, uint64_t now_ms)
{
	if (!digest_slice())
		loop_timer_start(&digest.timer, SLICE_PAUSE_MS);
	else if (redundancy.groups)
		redundancy_config_tell();
}

bool redundancy_config_known(void)
{
	return digest.known;
}

void redundancy_config_take(const struct config *c)
{
	static const uint8_t none[32];
	uint8_t before[sizeof(redundancy.config.digest)];

	memcpy(before, redundancy.config.digest, sizeof(before));
	secret_wipe(&redundancy.config, sizeof(redundancy.config));
	redundancy_config_fill(c, &redundancy.config);
	memcpy(redundancy.config.digest, before, sizeof(before));
	redundancy_config_drop();
	if (!association_find(c)) {
		digest_known(none);  // nobody to compare with
		return;
	}
	digest.at = (struct redundancy_digest){.config = c};
	if (!digest_slice())
		loop_timer_start(&digest.timer, SLICE_PAUSE_MS);
}

void redundancy_config_drop(void)
{
	loop_timer_stop(&digest.timer);
}

void redundancy_config_start(struct gateway *g)
{
	loop_timer_init(&digest.timer, g->loop, "configuration digest", on_digest, g);
}

void redundancy_config_stop(void)
{
	loop_timer_fini(&digest.timer);
	digest.known = false;
}

// ---- what lacks -------------------------------------------------------------------------------
static bool group_exists(const struct config *c, const char *name)
{
	const struct interface_config *i;
	const struct standby_group *s;

	TAILQ_FOREACH (i, &c->interfaces, link)
		TAILQ_FOREACH (s, &i->standby, link)
			if (strcmp(s->name, name) == 0)
				return true;
	return false;
}

static bool stateful_any(const struct config *c)
{
	const struct interface_config *i;

	TAILQ_FOREACH (i, &c->interfaces, link)
		if (i->stateful)
			return true;
	return false;
}

const char *redundancy_link_lack(const struct config *c, char *buf, size_t cap)
{
	const struct ipc_association *a = association_find(c);

	if (!a)
		return "no ipc zone has an association with protocol sctp";
	if (!a->no_shutdown)
		snprintf(buf, cap, "ipc association %u is shut down", a->number);
	else if (a->security == IPC_SECURITY_UNSET)
		snprintf(buf, cap,
			 "ipc association %u has no key: configure security psk, or security none",
			 a->number);
	else if (!a->local_port || !a->remote_port || TAILQ_EMPTY(&a->local_ips) ||
		 TAILQ_EMPTY(&a->remote_ips))
		snprintf(buf, cap,
			 "ipc association %u needs local-port, local-ip, remote-port and remote-ip",
			 a->number);
	else
		return NULL;
	return buf;
}

const char *redundancy_lack(const struct config *c, char *buf, size_t cap)
{
	if (!c->redundancy.inter_device)
		return "redundancy inter-device is not configured";
	if (!stateful_any(c))
		return "no crypto map is applied with redundancy NAME stateful";
	return redundancy_link_lack(c, buf, cap);
}

const struct ipc_association *redundancy_association(const struct config *c, const char **zone)
{
	const struct ipc_zone *z;
	const struct ipc_association *a, *used = association_find(c);

	TAILQ_FOREACH (z, &c->ipc_zones, link)
		TAILQ_FOREACH (a, &z->associations, link)
			if (a == used)
				*zone = z->name;
	return used;
}

// ---- warnings ---------------------------------------------------------------------------------
// Each line of a configuration session is a commit: what lacked before it is not said again.
#define SAID_MAX 64
static struct {
	uint32_t hash[SAID_MAX];
	unsigned count;
} said, saying;

static void warn_new(struct gateway *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn_new(struct gateway *g, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	uint32_t h = name_hash(text);
	if (saying.count < SAID_MAX)
		saying.hash[saying.count++] = h;
	for (unsigned i = 0; i < said.count; i++)
		if (said.hash[i] == h)
			return;
	apply_warn(g, "%s", text);
}

static void associations_warn(struct gateway *g, const struct config *c)
{
	const struct ipc_association *a, *used = association_find(c);
	const struct ipc_zone *z;
	char buf[160];
	const char *lack = redundancy_link_lack(c, buf, sizeof(buf));

	if (lack)
		warn_new(g, "%s%s; nothing is replicated",
			 lack == buf ? "" : "redundancy inter-device: ", lack);
	TAILQ_FOREACH (z, &c->ipc_zones, link)
		TAILQ_FOREACH (a, &z->associations, link)
			if (used && a != used && a->no_shutdown)
				warn_new(g,
					 "ipc association %u is not used: the replication link is "
					 "association %u",
					 a->number, used->number);
}

// A standby group follows where the SAs are; without replication each has an election of its own.
static void follow_warn(struct gateway *g, const struct config *c)
{
	const struct interface_config *i, *leader;
	const struct standby_group *s;

	TAILQ_FOREACH (i, &c->interfaces, link) {
		TAILQ_FOREACH (s, &i->standby, link) {
			if (!s->follow[0])
				continue;
			TAILQ_FOREACH (leader, &c->interfaces, link)
				if (leader->stateful && strcmp(leader->redundancy, s->follow) == 0)
					break;
			if (!leader || !c->redundancy.inter_device)
				warn_new(g,
					 "Interface %s: standby %u follow %s has no effect: no "
					 "crypto map is replicated under that name",
					 i->name, s->number, s->follow);
		}
	}
}

static void groups_warn(struct gateway *g, const struct config *c)
{
	const struct interface_config *i;

	TAILQ_FOREACH (i, &c->interfaces, link) {
		if (i->stateful && !group_exists(c, i->redundancy))
			warn_new(g,
				 "Interface %s: there is no standby group named %s; the SAs of "
				 "crypto map %s are not replicated",
				 i->name, i->redundancy, i->crypto_map);
	}
}

void redundancy_warn(struct gateway *g, const struct config *c)
{
	bool stateful = stateful_any(c), asked = c->redundancy.inter_device;

	saying.count = 0;
	follow_warn(g, c);
	groups_warn(g, c);
	if (stateful && !asked)
		warn_new(g, "crypto map ... stateful has no effect without redundancy "
			    "inter-device");
	if (asked && !stateful)
		warn_new(g, "redundancy inter-device: no crypto map is applied with "
			    "redundancy NAME stateful");
	if (asked && !c->redundancy.scheme[0])
		warn_new(g, "redundancy inter-device: scheme standby NAME is missing");
	else if (asked && !group_exists(c, c->redundancy.scheme))
		warn_new(g, "redundancy inter-device: there is no standby group named %s",
			 c->redundancy.scheme);
	if (asked)
		associations_warn(g, c);
	said = saying;
}
