// What the corpus runners count and print: one line per file or case, a summary, an exit status.
// One thread.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

enum tally_result { TALLY_PASSED, TALLY_FAILED, TALLY_SKIPPED };

struct tally {
	unsigned passed, failed, skipped;
	bool quiet;  // only failures and skips get a line
};

// Counts one case and prints "ok NAME", "FAILED NAME: why" or "skipped NAME: why".
__attribute__((format(printf, 4, 5))) static inline void tally_line(struct tally *t,
								    enum tally_result r,
								    const char *name,
								    const char *why, ...)
{
	static const char *const word[] = {"ok", "FAILED", "skipped"};
	unsigned *const count[] = {&t->passed, &t->failed, &t->skipped};
	va_list ap;

	(*count[r])++;
	if (r == TALLY_PASSED && t->quiet)
		return;
	printf("%s %s", word[r], name);
	if (why && why[0] && r != TALLY_PASSED) {
		printf(": ");
		va_start(ap, why);
		vprintf(why, ap);
		va_end(ap);
	}
	putchar('\n');
}

// Adds up the cases of one file so that thousands of vectors stay one line when all is well.
static inline void tally_file(struct tally *t, const struct tally *file, const char *name)
{
	t->passed += file->passed;
	t->failed += file->failed;
	t->skipped += file->skipped;
	printf("%s %s: %u passed, %u failed, %u skipped\n", file->failed ? "FAILED" : "ok", name,
	       file->passed, file->failed, file->skipped);
}

// Prints the summary line that scripts read; returns the process's exit status.
static inline int tally_end(const struct tally *t)
{
	printf("%u passed, %u failed, %u skipped\n", t->passed, t->failed, t->skipped);
	return t->failed || !t->passed ? 1 : 0;
}

// corpus_crypto_esp.c: DIR/vectors through the functions that ESP calls. 0, or -errno when the
// crypto library cannot be started.
int corpus_crypto_esp(const char *dir, struct tally *t);
