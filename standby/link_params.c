// The configured side of the replication link: what may be configured, which of the two boxes
// connects, and whose associations are taken at all.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "link_private.h"

// Without its interface it says nothing (RFC 4007 6).
static bool is_link_local(const struct ip_addr *a)
{
	return a->family == 6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static int addresses_check(const struct ip_addr *list, unsigned n, const char *which,
			   struct err *err)
{
	char text[ADDR_STR_MAX];

	if (n == 0 || n > LINK_ADDRS_MAX)
		return err_set(err, -EINVAL, "the replication link needs 1 to %u %s addresses",
			       LINK_ADDRS_MAX, which);
	for (unsigned i = 0; i < n; i++) {
		if (!addr_is_set(&list[i]) || addr_is_zero(&list[i]) ||
		    addr_is_multicast(&list[i]) || is_link_local(&list[i]))
			return err_set(err, -EINVAL, "%s is no %s address for an association",
				       addr_format(&list[i], text, sizeof(text)), which);
		if (list[i].family != list[0].family)
			return err_set(err, -EINVAL,
				       "the %s addresses of an association are of one family",
				       which);
		for (unsigned j = 0; j < i; j++) {
			if (addr_equal(&list[i], &list[j]))
				return err_set(err, -EINVAL, "%s stands twice",
					       addr_format(&list[i], text, sizeof(text)));
		}
	}
	return 0;
}

static void default_set(uint32_t *v, uint32_t value)
{
	if (*v == 0)
		*v = value;
}

int link_params_check(struct link_params *p, struct err *err)
{
	if (addresses_check(p->local, p->locals, "local", err) < 0 ||
	    addresses_check(p->remote, p->remotes, "remote", err) < 0)
		return -EINVAL;
	if (p->local[0].family != p->remote[0].family)
		return err_set(err, -EINVAL, "local and remote addresses are of one family");
	for (unsigned i = 0; i < p->locals; i++) {
		for (unsigned j = 0; j < p->remotes; j++) {
			if (addr_equal(&p->local[i], &p->remote[j]))
				return err_set(err, -EINVAL, "an address is both local and remote");
		}
	}
	if (p->local_port == 0 || p->remote_port == 0)
		return err_set(err, -EINVAL, "the replication link needs both ports");
	default_set(&p->rto_min_ms, 300);
	default_set(&p->rto_max_ms, 10000);
	default_set(&p->path_retransmit, 5);
	default_set(&p->assoc_retransmit, 5);
	default_set(&p->heartbeat_ms, 1000);
	if (p->rto_min_ms > p->rto_max_ms)
		return err_set(err, -EINVAL, "retransmit-timeout: %u ms is more than %u ms",
			       p->rto_min_ms, p->rto_max_ms);
	if (p->path_retransmit > UINT16_MAX || p->assoc_retransmit > UINT16_MAX ||
	    p->rto_max_ms > 60000 || p->heartbeat_ms < 10 || p->heartbeat_ms > 60000)
		return err_set(err, -EINVAL, "a parameter of the association is out of range");
	return 0;
}

static const struct ip_addr *lowest(const struct ip_addr *list, unsigned n)
{
	const struct ip_addr *low = &list[0];

	for (unsigned i = 1; i < n; i++) {
		if (addr_compare(&list[i], low) < 0)
			low = &list[i];
	}
	return low;
}

bool link_is_client(const struct link_params *p)
{
	return addr_compare(lowest(p->local, p->locals), lowest(p->remote, p->remotes)) < 0;
}

bool link_peer_allowed(const struct link_params *p, const struct link_status *st, char *why,
		       size_t cap)
{
	char text[ADDR_STR_MAX];

	if (st->peer_port != p->remote_port) {
		snprintf(why, cap, "it comes from port %u, not from %u", st->peer_port,
			 p->remote_port);
		return false;
	}
	if (st->paths == 0 || st->paths > LINK_ADDRS_MAX) {
		snprintf(why, cap, "it offers %u addresses", st->paths);
		return false;
	}
	for (unsigned i = 0; i < st->paths; i++) {
		bool known = false;

		for (unsigned j = 0; j < p->remotes && !known; j++)
			known = addr_equal(&st->peer[i], &p->remote[j]);
		if (!known) {
			snprintf(why, cap, "%s is not one of the configured remote addresses",
				 addr_format(&st->peer[i], text, sizeof(text)));
			return false;
		}
	}
	return true;
}
