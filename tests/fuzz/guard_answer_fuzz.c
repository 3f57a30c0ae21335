// What the kernel answers to the link guard: any bytes in any datagrams, each [length, bytes].
// Octet 0 and 1: the numbers of the batch. Only an acknowledgement with the last number makes it
// good, and an error is one that errno knows.
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "link_guard_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool contains(const uint8_t *bytes, size_t len, uint32_t number)
{
	return memmem(bytes, len, &number, sizeof(number)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guard_answers a = {0};

	if (size < 2)
		return 0;
	a.first = (uint32_t)data[0] - 128;
	a.last = a.first + data[1] % 32;
	bool seen = contains(data, size, a.last);

	for (size_t at = 2; at < size;) {
		size_t n = data[at++];

		if (n > size - at)
			n = size - at;
		uint8_t *datagram = malloc(n ? n : 1);  // its exact size, for the sanitizer

		assert(datagram);
		memcpy(datagram, data + at, n);
		int before = a.error;

		guard_answers_read(&a, datagram, n);
		assert(before == 0 || a.error == before);  // the first one stays
		free(datagram);
		at += n;
	}
	assert(a.error <= 0 && a.error >= -4095);
	assert(!a.done || seen);
	assert(guard_answers_result(&a) != 0 || a.done);
	assert(a.error == 0 || guard_answers_result(&a) == a.error);
	return 0;
}
