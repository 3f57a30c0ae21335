// Where the mirror's memory comes from: a file in memory (RUNDIR/mirror), or plain memory in tests;
// and whether what is there counts (rule 5: same boot, same virtual machine, same layout).

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror_private.h"
#include "secret.h"

#define RECORDS_DEFAULT (512ull << 20)

static size_t ring_offset(unsigned n)
{
	size_t words = (sizeof(struct mirror_memory) + 4095) & ~(size_t)4095;
	size_t ring = (ha_ring_size(MIRROR_RING_BYTES) + 4095) & ~(size_t)4095;
	return words + n * ring;
}

size_t mirror_chunks_offset(void)
{
	return ring_offset(2);
}

size_t mirror_min_size(void)
{
	return mirror_chunks_offset() + 64ul * CHUNK_BYTES;
}

// Hexadecimal digits of a line, dashes left out; a file that is not there leaves zeros.
static void uuid_read(const char *path, uint8_t out[16])
{
	char text[64] = {0};
	unsigned digits = 0;

	memset(out, 0, 16);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	for (ssize_t i = 0; i < n && digits < 32; i++) {
		char c = text[i];
		int v = c >= '0' && c <= '9'   ? c - '0'
			: c >= 'a' && c <= 'f' ? c - 'a' + 10
			: c >= 'A' && c <= 'F' ? c - 'A' + 10
					       : -1;
		if (v < 0)
			continue;
		out[digits / 2] |= (uint8_t)(v << (digits % 2 ? 0 : 4));
		digits++;
	}
}

void mirror_id_read(struct mirror_id *id)
{
	uuid_read("/proc/sys/kernel/random/boot_id", id->boot);
	uuid_read("/sys/class/dmi/id/product_uuid", id->generation);
}

static bool memory_valid(const struct mirror_memory *mem, size_t len, const struct mirror_id *id)
{
	return mem->magic == MIRROR_MAGIC && mem->version == MIRROR_VERSION &&
	       mem->chunk_bytes == CHUNK_BYTES && mem->bytes == len &&
	       memcmp(&mem->id, id, sizeof(*id)) == 0 &&
	       atomic_load(&mem->provisioned) <= (len - mirror_chunks_offset()) / CHUNK_BYTES;
}

static void memory_format(void *base, size_t len, const struct mirror_id *id, bool plain)
{
	struct mirror_memory *mem = base;

	mem->magic = 0;
	memset(mem->word, 0, sizeof(mem->word));
	mem->version = MIRROR_VERSION;
	mem->chunk_bytes = CHUNK_BYTES;
	mem->bytes = len;
	mem->id = *id;
	atomic_store(&mem->provisioned, 0);
	if (plain)
		memset((uint8_t *)base + mirror_chunks_offset(), 0, len - mirror_chunks_offset());
	ha_ring_format((uint8_t *)base + ring_offset(0), MIRROR_RING_BYTES);
	ha_ring_format((uint8_t *)base + ring_offset(1), MIRROR_RING_BYTES);
	atomic_thread_fence(memory_order_release);
	mem->magic = MIRROR_MAGIC;
}

static struct mirror *handle_make(void *base, size_t len)
{
	struct mirror *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	uint8_t *b = base;
	m->fd = -1;
	m->mem = base;
	m->to_standby = ha_ring_open(b + ring_offset(0), MIRROR_RING_BYTES);
	m->to_gateway = ha_ring_open(b + ring_offset(1), MIRROR_RING_BYTES);
	// Damaged rings are made anew: whoever attaches resynchronises.
	if (!m->to_standby)
		m->to_standby = ha_ring_format(b + ring_offset(0), MIRROR_RING_BYTES);
	if (!m->to_gateway)
		m->to_gateway = ha_ring_format(b + ring_offset(1), MIRROR_RING_BYTES);
	m->chunk = (struct chunk *)(b + mirror_chunks_offset());
	m->chunks = (uint32_t)((len - mirror_chunks_offset()) / CHUNK_BYTES);
	return m;
}

static struct mirror *handle_with_index(void *base, size_t len, struct err *err)
{
	struct mirror *m = handle_make(base, len);
	if (!m || index_init(&m->index, m->chunks / 2) || !(m->scratch = malloc(HA_PAYLOAD_MAX)) ||
	    mirror_scan(m)) {
		err_set(err, -ENOMEM, "Not enough memory for the index of the SA mirror");
		mirror_close(m);
		return NULL;
	}
	return m;
}

struct mirror *mirror_attach(void *mem, size_t len, const struct mirror_id *id, bool *made,
			     struct err *err)
{
	if (len < mirror_min_size()) {
		err_set(err, -EINVAL, "The SA mirror needs %zu bytes", mirror_min_size());
		return NULL;
	}
	*made = !memory_valid(mem, len, id);
	if (*made)
		memory_format(mem, len, id, true);
	return handle_with_index(mem, len, err);
}

// The file at path as a mapping of its own length, or of `bytes` when it has to be made.
static void *file_map(const char *path, size_t *bytes, bool create, int *fd, struct err *err)
{
	struct stat st;
	void *mem = MAP_FAILED;

	*fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600);
	if (*fd < 0 || fstat(*fd, &st)) {
		err_set(err, -errno, "Cannot open %s: %s", path, strerror(errno));
		goto fail;
	}
	if (!create || (size_t)st.st_size >= mirror_min_size()) {
		if ((size_t)st.st_size < mirror_min_size()) {
			err_set(err, -ESTALE, "%s is no SA mirror", path);
			goto fail;
		}
		*bytes = (size_t)st.st_size;
	} else if (ftruncate(*fd, 0) || ftruncate(*fd, (off_t)*bytes) ||
		   posix_fallocate(*fd, 0, (off_t)mirror_chunks_offset())) {
		err_set(err, -ENOSPC, "Not enough space for %s", path);
		goto fail;
	}
	mem = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (mem != MAP_FAILED)
		return mem;
	err_set(err, -errno, "Cannot map %s: %s", path, strerror(errno));
fail:
	if (*fd >= 0)
		close(*fd);
	return NULL;
}

struct mirror *mirror_open(const char *path, size_t bytes, bool *made, struct err *err)
{
	struct mirror_id id;
	int fd;

	if (bytes == 0)
		bytes = mirror_chunks_offset() + RECORDS_DEFAULT;
	if (bytes < mirror_min_size())
		bytes = mirror_min_size();
	mirror_id_read(&id);
	void *mem = file_map(path, &bytes, true, &fd, err);
	if (!mem)
		return NULL;
	*made = !memory_valid(mem, bytes, &id);
	if (*made) {
		// Gives old pages back, wiped by the kernel, before new ones are asked for.
		if (ftruncate(fd, 0) || ftruncate(fd, (off_t)bytes) ||
		    posix_fallocate(fd, 0, (off_t)mirror_chunks_offset())) {
			err_set(err, -ENOSPC, "Not enough space for %s", path);
			munmap(mem, bytes);
			close(fd);
			return NULL;
		}
		memory_format(mem, bytes, &id, false);
	}
	struct mirror *m = handle_with_index(mem, bytes, err);
	if (!m) {
		munmap(mem, bytes);
		close(fd);
		return NULL;
	}
	m->fd = fd;
	m->mapped = bytes;
	return m;
}

struct mirror *mirror_join(const char *path, struct err *err)
{
	struct mirror_id id;
	size_t bytes = 0;
	int fd;

	mirror_id_read(&id);
	void *mem = file_map(path, &bytes, false, &fd, err);
	if (!mem)
		return NULL;
	struct mirror *m = memory_valid(mem, bytes, &id) ? handle_make(mem, bytes) : NULL;
	if (!m) {
		err_set(err, -ESTALE, "%s is of another boot or another release", path);
		munmap(mem, bytes);
		close(fd);
		return NULL;
	}
	m->joined = true;
	m->fd = fd;
	m->mapped = bytes;
	return m;
}

void mirror_close(struct mirror *m)
{
	if (!m)
		return;
	index_fini(&m->index);
	free(m->free);
	if (m->scratch)
		secret_wipe(m->scratch, HA_PAYLOAD_MAX);
	free(m->scratch);
	if (m->fd >= 0)
		close(m->fd);
	if (m->mapped)
		munmap(m->mem, m->mapped);
	free(m);
}

void mirror_discard(struct mirror *m, const char *path)
{
	m->mem->magic = 0;
	for (uint32_t n = 0; n < m->touched; n++)
		secret_wipe(&m->chunk[n], sizeof(m->chunk[n]));
	(void)unlink(path);
	mirror_close(m);
}
