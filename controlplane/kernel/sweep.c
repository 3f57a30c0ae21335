// Start-up: removes what an earlier instance left in the kernel when it crashed.
//
// Works on its own socket with libnl's caches, before the loop runs; the tables are small then
// (a dump of one protocol number).

#include <errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>
#include <string.h>

#include "mirror.h"

static int cache_open(struct nl_sock **sock, struct err *err)
{
	*sock = nl_socket_alloc();
	if (!*sock)
		return err_set(err, -ENOMEM, "Not enough memory for a netlink socket");
	if (nl_connect(*sock, NETLINK_ROUTE) < 0) {
		nl_socket_free(*sock);
		return err_set(err, -EIO, "Cannot open a netlink socket to the kernel");
	}
	return 0;
}

int kernel_route_sweep(struct kernel *k, uint8_t proto, struct err *err)
{
	struct nl_sock *sock;
	struct nl_cache *cache;

	int rc = cache_open(&sock, err);
	if (rc)
		return rc;
	if (rtnl_route_alloc_cache(sock, AF_UNSPEC, 0, &cache) < 0) {
		nl_socket_free(sock);
		return err_set(err, -EIO, "Cannot read the kernel's routes");
	}
	unsigned swept = 0;
	struct nl_object *o = nl_cache_get_first(cache);
	for (; o; o = nl_cache_get_next(o)) {
		struct rtnl_route *r = (struct rtnl_route *)o;
		if (rtnl_route_get_protocol(r) == proto && rtnl_route_delete(sock, r, 0) == 0)
			swept++;
	}
	if (swept)
		log_event("KERNEL", LOG_L_NOTICE, "SWEPT",
			  "Removed %u routes (protocol %u) left by an earlier run", swept, proto);
	nl_cache_free(cache);
	nl_socket_free(sock);
	return 0;
}

int kernel_addr_sweep(struct kernel *k, struct err *err)
{
	struct nl_sock *sock;
	struct nl_cache *cache;

	int rc = cache_open(&sock, err);
	if (rc)
		return rc;
	if (rtnl_addr_alloc_cache(sock, &cache) < 0) {
		nl_socket_free(sock);
		return err_set(err, -EIO, "Cannot read the kernel's addresses");
	}
	unsigned swept = 0;
	struct nl_object *o = nl_cache_get_first(cache);
	for (; o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;
		const char *label = rtnl_addr_get_label(a);
		const char *colon = label ? strchr(label, ':') : NULL;
		if (colon && strcmp(colon, ":tandem") == 0 && rtnl_addr_delete(sock, a, 0) == 0)
			swept++;
	}
	if (swept)
		log_event("KERNEL", LOG_L_NOTICE, "SWEPT",
			  "Removed %u addresses left by an earlier run", swept);
	nl_cache_free(cache);
	nl_socket_free(sock);
	return 0;
}
