// Runs a fuzz target over files, so that corpora and past crashes are tested in every build, also
// without libFuzzer. Arguments are files or directories (read recursively); the empty input is
// always run. A child does the work and says in shared memory where it is; when it dies, the
// parent names the file and goes on behind it.
#include <errno.h>
#include <fts.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUT_SECONDS 10  // an input that takes longer failed

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char **paths;  // paths[0] is the empty input
static size_t path_count;
static volatile size_t *current;  // shared with the child

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

static void path_add(const char *path)
{
	char **more = reallocarray(paths, path_count + 1, sizeof(*paths));
	char *copy = strdup(path);

	if (!more || !copy)
		die("memory");
	paths = more;
	paths[path_count++] = copy;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void paths_collect(char **roots)
{
	FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	FTSENT *e;

	if (!tree)
		die("fts_open");
	while ((e = fts_read(tree))) {
		if (e->fts_info == FTS_F)
			path_add(e->fts_path);
		if (e->fts_info == FTS_NS || e->fts_info == FTS_DNR || e->fts_info == FTS_ERR) {
			errno = e->fts_errno;
			die(e->fts_path);
		}
	}
	(void)fts_close(tree);
}

// The bytes in a block of exactly their size, so that a sanitizer sees the first byte too many.
static uint8_t *file_read(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	long end;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (end = ftell(f)) < 0)
		die(path);
	rewind(f);
	uint8_t *data = malloc((size_t)end);  // NOLINT(clang-analyzer-optin.portability.UnixAPI)

	if (end > 0 && (!data || fread(data, 1, (size_t)end, f) != (size_t)end))
		die(path);
	(void)fclose(f);
	*size = (size_t)end;
	return data;
}

static _Noreturn void child_run(size_t from)
{
	for (size_t i = from; i < path_count; i++) {
		size_t size = 0;
		// NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI)
		uint8_t *data = i == 0 ? malloc(0) : file_read(paths[i], &size);

		*current = i;
		(void)alarm(INPUT_SECONDS);
		(void)LLVMFuzzerTestOneInput(data, size);
		(void)alarm(0);
		free(data);
	}
	*current = path_count;
	exit(0);  // not _exit: the leak check runs at exit
}

int main(int argc, char **argv)
{
	size_t failed = 0;

	path_add("(empty input)");
	if (argc > 1)
		paths_collect(argv + 1);
	current = mmap(NULL, sizeof(*current), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (current == MAP_FAILED)
		die("mmap");

	for (size_t from = 0; from < path_count; from = *current + 1) {
		int status;

		*current = from;
		(void)fflush(stdout);
		pid_t pid = fork();

		if (pid == 0)
			child_run(from);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			die("fork");
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			break;
		failed++;
		printf("FAIL %s: %s\n",
		       *current < path_count ? paths[*current] : "(leak in some input)",
		       WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "sanitizer report");
	}
	printf("%zu passed, %zu failed, 0 skipped\n", failed > path_count ? 0 : path_count - failed,
	       failed);
	return failed ? 1 : 0;
}
