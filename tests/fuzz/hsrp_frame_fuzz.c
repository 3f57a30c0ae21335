// Frames as the wire brings them: whatever they hold, what comes out lies within them.
#include <stdlib.h>
#include <string.h>

#include "hsrp_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t copy[2048];
	struct hsrp_frame f;

	hsrp_frame_parse(data, size, &f);
	if (size >= 22 + 16 && size <= sizeof(copy)) {  // what the host sends is mended in place
		struct ip_addr addr = addr_from_bytes(6, data + 22);
		memcpy(copy, data, size);
		hsrp_frame_nd_mend(copy, size, &addr, data);
	}
	if (f.kind == HSRP_FRAME_HELLO &&
	    (f.payload < data || f.len > size || f.payload + f.len > data + size))
		abort();
	return 0;
}
