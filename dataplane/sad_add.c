// The SA calls of dp.h: add, delete, limits, state, endpoint, statistics. Control thread.
//
// Handles come from an id table with generations, so an event that names an SA that is gone finds
// nothing. A deletion unlinks from the SPI table and from the policies, then frees after a grace
// period.
#include "sad.h"

#include <rte_byteorder.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include <errno.h>
#include <string.h>

#include "idmap.h"
#include "loop.h"
#include "rcu.h"
#include "secret.h"
#include "worker.h"

#define HANDLES_MAX (2u * SA_MAX)

static struct idmap *handles;
static unsigned workers = 1, next_worker;
static int worker_socket[WORKER_MAX] = {[0 ... WORKER_MAX - 1] = SOCKET_ID_ANY};
static uint32_t owned[WORKER_MAX];

void sad_workers(unsigned n, const unsigned *socket)
{
	workers = n < 1 ? 1 : n > WORKER_MAX ? WORKER_MAX : n;
	for (unsigned i = 0; i < workers; i++)
		worker_socket[i] = (int)socket[i];
	next_worker = 0;
}

int sad_init(struct err *err)
{
	int rc = crypto_init(err);

	if (rc)
		return rc;
	handles = idmap_create(HANDLES_MAX);
	if (!handles)
		return err_set(err, -ENOMEM, "no memory for SA handles");
	rc = sad_table_init(err);
	if (rc)
		sad_fini();
	return rc;
}

static void destroy(void *obj)
{
	sa_destroy(obj);
}

void sad_fini(void)
{
	uint32_t h;

	while (handles && (h = idmap_next(handles, 0)))
		dp_sa_del(h);
	while (rcu_pending())  // workers have stopped: nothing can hold a grace period up
		rcu_poll();
	idmap_destroy(handles);
	handles = NULL;
	sad_table_fini();
	sad_groups_reset();
	crypto_fini();
}

struct sa *sad_get(uint32_t handle)
{
	return handles ? idmap_get(handles, handle) : NULL;
}

uint32_t sad_count(void)
{
	return handles ? idmap_count(handles) : 0;
}

uint32_t sad_count_of(unsigned worker)
{
	return worker < WORKER_MAX ? owned[worker] : 0;
}

uint32_t sad_next(uint32_t after)
{
	return handles ? idmap_next(handles, after) : 0;
}

// Both directions of a tunnel go to one worker, whichever of them comes first.
static unsigned owner_choose(const struct dp_sa *p)
{
	if (p->worker >= 0)
		return (unsigned)p->worker % workers;
	if (p->pair)
		return (unsigned)(p->pair % workers);
	return next_worker++ % workers;
}

int sad_add(const struct dp_sa *p, uint32_t *handle, struct err *err)
{
	struct err local;
	struct sa *sa;
	unsigned owner;
	int rc = 0;

	if (!err)
		err = &local;
	if (!handles)
		return err_set(err, -EINVAL, "the data plane is not running");
	owner = owner_choose(p);
	sa = sa_create_on(p, 0, (uint16_t)owner, worker_socket[owner], err);
	if (!sa)
		return err->code ? err->code : -EINVAL;
	sa->handle = idmap_add(handles, sa);
	if (p->dir == DP_IN)
		sa->note = sa->handle;
	if (!sa->handle)
		rc = err_set(err, -ENOSPC, "too many SAs");
	else if (p->dir == DP_IN)
		rc = sad_publish(sa, err);
	if (rc) {
		if (sa->handle)
			idmap_del(handles, sa->handle);
		sa_destroy(sa);
		return rc;
	}
	sa->rate_us = loop_clock_us();
	owned[owner]++;
	*handle = sa->handle;
	return 0;
}

bool dp_sa_algorithm_supported(enum dp_cipher c, enum dp_auth a, uint16_t key_len)
{
	// RFC 4303 3.2: not both NULL; RFC 3686 7: CTR without authentication is forgeable
	if (a == DP_AUTH_NONE && (c == DP_CIPHER_NULL || c == DP_CIPHER_AES_CTR))
		return false;
	return crypto_can(c, a, key_len);
}

int dp_sa_add(const struct dp_sa *p, uint32_t *sa, struct err *err)
{
	if (!dp_sa_algorithm_supported(p->cipher, p->auth, p->key_len))
		return err_set(err, crypto_can(p->cipher, p->auth, p->key_len) ? -EINVAL : -ENOTSUP,
			       "SA 0x%08x: these algorithms are not offered", p->spi);
	if (p->spi < 256)  // RFC 4303 2.1; captures of others may hold them, sad_add takes them
		return err_set(err, -EINVAL, "SPI 0x%08x is reserved", p->spi);
	return sad_add(p, sa, err);
}

int dp_sa_del(uint32_t handle)
{
	struct sa *sa = sad_get(handle);

	if (!sa)
		return -ENOENT;
	idmap_del(handles, handle);
	spd_sa_gone(sa);
	if (sa->dir == DP_IN)
		sad_retire(sa);
	owned[sa->owner]--;
	rcu_defer(destroy, sa);
	return 0;
}

int dp_sa_set_lim(uint32_t handle, uint64_t lim)
{
	struct sa *sa = sad_get(handle);

	if (!sa)
		return -ENOENT;
	if (!sa->esn)  // RFC 4303 3.3.3: never cycles
		lim = RTE_MIN(lim, (uint64_t)UINT32_MAX);
	if (lim != __atomic_load_n(&sa->lim, __ATOMIC_RELAXED)) {
		sa->rate_seq = __atomic_load_n(&sa->seq, __ATOMIC_RELAXED);
		sa->rate_us = loop_clock_us();
	}
	__atomic_store_n(&sa->lim, lim, __ATOMIC_RELAXED);
	return 0;
}

int dp_sa_set_remote(uint32_t handle, const struct ip_addr *remote, uint16_t remote_port)
{
	struct sa *sa = sad_get(handle);
	struct sa_outer *old;
	struct sa_outer *outer;
	uint64_t words[2] = {0, 0};

	if (!sa)
		return -ENOENT;
	if (remote->family != sa->family)
		return -EINVAL;
	if (sa->dir == DP_OUT) {
		outer = sa_outer_create(sa, remote, remote_port);
		if (!outer)
			return -ENOMEM;
		old = sa->outer;
		__atomic_store_n(&sa->outer, outer, __ATOMIC_RELEASE);
		if (old != &sa->outer0)
			rcu_defer(rte_free, old);
	}
	// a worker that sees half of it compares wrongly once and reports the move again
	memcpy(words, remote->bytes, sizeof(words));
	for (unsigned i = 0; i < 2; i++)
		__atomic_store_n(&sa->remote[i], words[i], __ATOMIC_RELAXED);
	__atomic_store_n(&sa->remote_port_be, rte_cpu_to_be_16(remote_port), __ATOMIC_RELAXED);
	sa->conf.remote = *remote;
	sa->conf.remote_port = remote_port;
	return 0;
}

static uint64_t racy(const uint64_t *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

int dp_sa_get_stats(uint32_t handle, struct dp_sa_stats *out)
{
	const struct sa *sa = sad_get(handle);

	if (!sa)
		return -ENOENT;
	_Static_assert(DP_SA_DROP_COUNT <= RTE_DIM(out->drops), "drop counters fit the API");
	*out = (struct dp_sa_stats){
		.packets = racy(&sa->packets),
		.bytes = racy(&sa->bytes),
		.seq = racy(&sa->seq),
		.lim = racy(&sa->lim),
		.iv_counter = racy(&sa->iv_counter),
		.last_used_us = 1000000ull * __atomic_load_n(&sa->last_used_s, __ATOMIC_RELAXED),
		.worker = sa->owner,
		.state = sa_held(sa) ? DP_SA_STANDBY : DP_SA_ACTIVE,
	};
	for (unsigned i = 0; i < DP_SA_DROP_COUNT; i++)
		out->drops[i] = racy(&sa->drops[i]);
	return 0;
}

const char *dp_sa_drop_name(enum dp_sa_drop d)
{
	static const char *const name[DP_SA_DROP_COUNT] = {
		[DP_SA_DROP_REPLAY] = "replay",   [DP_SA_DROP_ICV] = "icv",
		[DP_SA_DROP_PAD] = "pad",         [DP_SA_DROP_SELECTOR] = "selector",
		[DP_SA_DROP_INNER] = "inner",     [DP_SA_DROP_LIM] = "lim",
		[DP_SA_DROP_EXPIRED] = "expired", [DP_SA_DROP_STANDBY] = "standby",
		[DP_SA_DROP_MTU] = "mtu",         [DP_SA_DROP_ENCAP] = "encap",
	};

	return d < DP_SA_DROP_COUNT ? name[d] : "unknown";
}
