// Identities in phase 1. See identity.h.

#include "ike/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ID_V4 = 1, ID_NAME = 2, ID_USER_NAME = 3, ID_V6 = 5, ID_OPAQUE = 11 };

void identity_own(struct ike_sa *sa, struct identity *out)
{
	const struct config *c = sa->ike->config;

	*out = (struct identity){.data = out->own};
	if (c && c->isakmp.identity_hostname) {
		int n = snprintf((char *)out->own, sizeof(out->own), "%s%s%s", c->hostname,
				 c->domain_name ? "." : "", c->domain_name ? c->domain_name : "");

		out->type = ID_NAME;
		out->len = (size_t)n < sizeof(out->own) ? (size_t)n : sizeof(out->own) - 1;
		snprintf(sa->local_id, sizeof(sa->local_id), "%.127s", (char *)out->own);
		return;
	}
	out->type = sa->local.family == 6 ? ID_V6 : ID_V4;
	out->len = addr_len(&sa->local);
	memcpy(out->own, sa->local.bytes, out->len);
	addr_format(&sa->local, sa->local_id, sizeof(sa->local_id));
}

// The peer's words in logs and displays: printable characters only.
static void text_set(struct ike_sa *sa, const struct identity *id)
{
	size_t n = id->len < sizeof(sa->remote_id) - 1 ? id->len : sizeof(sa->remote_id) - 1;

	for (size_t i = 0; i < n; i++)
		sa->remote_id[i] =
			id->data[i] > ' ' && id->data[i] < 0x7f ? (char)id->data[i] : '?';
	sa->remote_id[n] = '\0';
}

int identity_check(struct ike_sa *sa, const struct identity *id)
{
	// RFC 2407 4.6.2: 0/0 or UDP/500; RFC 3947: 4500 is seen too.
	bool port_ok = (id->protocol == 0 && id->port == 0) ||
		       (id->protocol == 17 &&
			(id->port == 0 || id->port == IKE_PORT || id->port == IKE_PORT_NATT));
	struct ip_addr a;

	if (id->type == ID_V4 || id->type == ID_V6) {
		if (id->len != (id->type == ID_V4 ? 4 : 16))
			return -EACCES;
		a = addr_from_bytes(id->type == ID_V4 ? 4 : 6, id->data);
		addr_format(&a, sa->remote_id, sizeof(sa->remote_id));
		sa->id_named = false;
		if (!addr_equal(&a, &sa->remote) && !sa->nat_remote)
			return -EACCES;
		return port_ok ? 0 : -EACCES;
	}
	text_set(sa, id);
	sa->id_named = true;
	if (id->type != ID_NAME && id->type != ID_USER_NAME)
		return -EACCES;
	return port_ok && id->len > 0 ? 0 : -EACCES;
}
