// The SA mirror: records in and out, what never falls, counts, iteration, another boot; and the
// writer killed at random instants, after which every record is whole and nothing is lost that
// had been finished.

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ha_ring.h"
#include "mirror.h"

static const struct mirror_id here = {.boot = {1, 2, 3}};
#define SIZE (mirror_min_size() + (8ul << 20))

static void *memory_new(void)
{
	void *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(mem != MAP_FAILED);
	return mem;
}

static struct mirror *attach(void *mem, bool expect_made)
{
	struct err err = {0};
	bool made;
	struct mirror *m = mirror_attach(mem, SIZE, &here, &made, &err);
	assert_non_null(m);
	assert_int_equal(made, expect_made);
	return m;
}

static struct ha_sa record(uint64_t id, uint32_t len, uint8_t *payload)
{
	for (uint32_t i = 0; i < len; i++)
		payload[i] = (uint8_t)(id + len + i);
	return (struct ha_sa){.id = id,
			      .parent = id / 2,
			      .group = 1,
			      .kind = HA_CHILD_SA,
			      .spi_in = (uint32_t)id,
			      .ceiling = 10,
			      .edge = 20,
			      .len = len,
			      .payload = payload};
}

static void record_check(const struct ha_sa *sa)
{
	for (uint32_t i = 0; i < sa->len; i++)
		assert_int_equal(sa->payload[i], (uint8_t)(sa->id + sa->len + i));
	assert_int_equal(sa->parent, sa->id / 2);
	assert_int_equal(sa->spi_in, (uint32_t)sa->id);
}

static void test_records(void **state)
{
	uint8_t payload[HA_PAYLOAD_MAX];
	void *mem = memory_new();
	struct mirror *m = attach(mem, true);
	struct mirror_counts count;
	struct ha_sa got;

	static const uint32_t lens[] = {0, 1, 400, 415, 416, 417, 920, 921, 5000, HA_PAYLOAD_MAX};
	for (unsigned i = 0; i < 10; i++) {
		struct ha_sa sa = record(100 + i, lens[i], payload);
		assert_int_equal(mirror_put(m, &sa), 0);
	}
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 10; i++) {
			assert_true(mirror_get(m, 100 + i, &got));
			assert_int_equal(got.len, lens[i]);
			record_check(&got);
		}
		mirror_count(m, 1, &count);
		assert_int_equal(count.child, 10);
		mirror_close(m);
		m = attach(mem, false);
	}
	// what may only grow
	assert_int_equal(mirror_set_ceiling(m, 100, 500), 0);
	assert_int_equal(mirror_set_ceiling(m, 100, 400), 0);
	assert_int_equal(mirror_set_edge(m, 100, 600), 0);
	assert_int_equal(mirror_set_taint(m, 100, true), 0);
	assert_int_equal(mirror_set_edge(m, 999, 1), -ENOENT);
	struct ha_sa sa = record(100, 50, payload);
	sa.taint = true;
	assert_int_equal(mirror_put(m, &sa), 0);
	assert_true(mirror_get(m, 100, &got));
	assert_int_equal(got.ceiling, 500);
	assert_int_equal(got.edge, 600);
	assert_true(got.taint);
	mirror_count(m, 1, &count);
	assert_int_equal(count.tainted, 1);
	// gone, and its bytes with it
	assert_int_equal(mirror_del(m, 109), 0);
	assert_int_equal(mirror_del(m, 109), -ENOENT);
	assert_false(mirror_get(m, 109, &got));
	memset(payload, 'k', 2000);
	sa.id = 300, sa.len = 2000, sa.payload = payload;
	assert_int_equal(mirror_put(m, &sa), 0);
	assert_non_null(memmem(mem, SIZE, payload, 100));
	assert_int_equal(mirror_del(m, 300), 0);
	assert_null(memmem(mem, SIZE, payload, 20));
	sa.group = 0;
	assert_int_equal(mirror_put(m, &sa), -EINVAL);
	sa.group = HA_GROUPS_MAX + 1;
	assert_int_equal(mirror_put(m, &sa), -EINVAL);
	mirror_close(m);
	munmap(mem, SIZE);
}

static void test_iteration(void **state)
{
	uint8_t payload[600], seen[3000] = {0};
	void *mem = memory_new();
	struct mirror *m = attach(mem, true);
	struct ha_sa got;
	uint64_t cursor = 0;

	for (uint64_t id = 1; id < 3000; id++) {
		struct ha_sa sa = record(id, 300 + id % 300, payload);
		sa.group = id % 3 ? 1 : 2;
		assert_int_equal(mirror_put(m, &sa), 0);
	}
	for (unsigned n = 0; mirror_next(m, 1, &cursor, &got); n++) {
		assert_int_equal(seen[got.id]++, 0);
		assert_int_not_equal(got.id % 3, 0);
		// others change meanwhile
		struct ha_sa sa = record(1 + (n * 7) % 2999, 500, payload);
		if (sa.id % 3) {
			assert_int_equal(mirror_put(m, &sa), 0);
		}
	}
	for (unsigned id = 1; id < 3000; id++)
		assert_int_equal(seen[id], id % 3 ? 1 : 0);
	mirror_word_set(m, 1, MIRROR_ROLE, HA_ROLE_ACTIVE);
	mirror_group_clear(m, 1);
	cursor = 0;
	assert_false(mirror_next(m, 1, &cursor, &got));
	assert_int_equal(mirror_word_get(m, 1, MIRROR_ROLE), 0);
	cursor = 0;
	assert_true(mirror_next(m, 2, &cursor, &got));
	mirror_close(m);
	munmap(mem, SIZE);
}

static void test_full(void **state)
{
	uint8_t payload[4000];
	void *mem = memory_new();
	struct mirror *m = attach(mem, true);
	uint64_t id = 1;
	struct ha_sa sa;
	int rc;

	do {
		sa = record(id++, sizeof(payload), payload);
		rc = mirror_put(m, &sa);
	} while (rc == 0);
	assert_int_equal(rc, -ENOSPC);
	assert_in_range(id, 1500, 2200);
	assert_int_equal(mirror_del(m, 5), 0);
	assert_int_equal(mirror_put(m, &sa), 0);
	assert_int_equal(mirror_put(m, &sa), -ENOSPC);
	struct ha_sa got;
	assert_true(mirror_get(m, sa.id, &got));
	record_check(&got);
	mirror_close(m);
	munmap(mem, SIZE);
}

static void test_other_boot(void **state)
{
	uint8_t payload[64];
	void *mem = memory_new();
	struct mirror *m = attach(mem, true);
	struct ha_sa sa = record(7, 64, payload), got;
	struct mirror_id other = here;
	struct err err = {0};
	bool made;

	assert_int_equal(mirror_put(m, &sa), 0);
	mirror_word_set(m, 1, MIRROR_ROLE, HA_ROLE_STANDBY);
	mirror_word_set(m, 1, MIRROR_RESTART, 254);
	assert_int_equal(mirror_restart_add(m), 0);
	assert_int_equal(mirror_word_get(m, 1, MIRROR_RESTART), 255);
	assert_int_equal(mirror_restart_add(m), -EOVERFLOW);
	assert_int_equal(mirror_word_get(m, 2, MIRROR_RESTART), 0);
	mirror_close(m);
	other.boot[5] ^= 1;
	m = mirror_attach(mem, SIZE, &other, &made, &err);
	assert_non_null(m);
	assert_true(made);
	assert_false(mirror_get(m, 7, &got));
	assert_int_equal(mirror_word_get(m, 1, MIRROR_ROLE), 0);
	mirror_close(m);
	munmap(mem, SIZE);
}

static void test_file(void **state)
{
	char path[] = "/tmp/mirror-test-XXXXXX";
	uint8_t payload[2000];
	struct err err = {0};
	struct stat st;
	bool made;

	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	assert_null(mirror_join(path, &err));
	struct mirror *m = mirror_open(path, mirror_min_size() + (64ul << 20), &made, &err);
	assert_non_null(m);
	assert_true(made);
	struct ha_sa sa = record(3, sizeof(payload), payload), got;
	assert_int_equal(mirror_put(m, &sa), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	// the gateway process's view
	struct mirror *j = mirror_join(path, &err);
	assert_non_null(j);
	mirror_word_set(j, 1, MIRROR_HELLO_SENT, 99);
	assert_int_equal(mirror_word_get(m, 1, MIRROR_HELLO_SENT), 99);
	assert_int_equal(mirror_put(j, &sa), -EINVAL);
	struct ha_word w = {.type = HA_FLUSH, .seq = 5}, r;
	assert_int_equal(ha_ring_put(mirror_ring_to_standby(j), &w), 0);
	assert_int_equal(ha_ring_peek(mirror_ring_to_standby(m), &r), 1);
	assert_int_equal(r.seq, 5);
	mirror_close(j);
	mirror_close(m);
	m = mirror_open(path, 0, &made, &err);
	assert_non_null(m);
	assert_false(made);
	assert_true(mirror_get(m, 3, &got));
	record_check(&got);
	mirror_discard(m, path);
	assert_int_not_equal(access(path, F_OK), 0);
}

// The writer of test_killed: says on the pipe which operation is finished.
static void writer(void *mem, int pipe_fd)
{
	static uint8_t payload[HA_PAYLOAD_MAX];
	struct err err = {0};
	bool made;
	struct mirror *m = mirror_attach(mem, SIZE, &here, &made, &err);
	uint32_t n;

	srand((unsigned)getpid());
	for (n = 0; m && !made; n++) {
		uint64_t id = 1 + (uint64_t)rand() % 500;
		if (rand() % 4 == 0) {
			mirror_del(m, id);
		} else {
			struct ha_sa sa = record(id, (uint32_t)rand() % 3000, payload);
			mirror_put(m, &sa);
		}
		mirror_set_ceiling(m, 1000, n);
		if (write(pipe_fd, &n, sizeof(n)) != sizeof(n))
			break;
	}
	_exit(3);
}

static void test_killed(void **state)
{
	uint8_t payload[10];
	void *mem = memory_new();
	struct mirror *m = attach(mem, true);
	struct ha_sa sa = record(1000, 10, payload), got;
	uint64_t last = 0;

	assert_int_equal(mirror_put(m, &sa), 0);
	mirror_close(m);
	for (unsigned round = 0; round < 40; round++) {
		int fds[2];
		assert_int_equal(pipe(fds), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			writer(mem, fds[1]);
		close(fds[1]);
		uint32_t n = 0;
		unsigned stop = 20 + round * 7;
		for (unsigned i = 0; i < stop; i++)
			assert_int_equal(read(fds[0], &n, sizeof(n)), sizeof(n));
		kill(pid, SIGKILL);
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		while (read(fds[0], &n, sizeof(n)) == sizeof(n))
			;
		close(fds[0]);

		m = attach(mem, false);
		uint64_t cursor = 0;
		unsigned count = 0;
		while (mirror_next(m, 1, &cursor, &got)) {
			record_check(&got);
			count++;
		}
		assert_in_range(count, 1, 501);
		struct mirror_counts c;
		mirror_count(m, 1, &c);
		assert_int_equal(c.child, count);
		assert_true(mirror_get(m, 1000, &got));
		assert_true(got.ceiling >= n);
		last = got.ceiling > last ? got.ceiling : last;
		assert_int_equal(got.ceiling, last);
		mirror_close(m);
	}
	munmap(mem, SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records), cmocka_unit_test(test_iteration),
		cmocka_unit_test(test_full),    cmocka_unit_test(test_other_boot),
		cmocka_unit_test(test_file),    cmocka_unit_test(test_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
