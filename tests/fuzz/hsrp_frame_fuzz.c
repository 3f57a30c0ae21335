// Frames as the wire brings them: whatever they hold, what comes out lies within them.
#include <stdlib.h>

#include "hsrp_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hsrp_frame f;

	hsrp_frame_parse(data, size, &f);
	if (f.kind == HSRP_FRAME_HELLO &&
	    (f.payload < data || f.len > size || f.payload + f.len > data + size))
		abort();
	return 0;
}
