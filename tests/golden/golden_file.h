// Files of the golden tests.
#pragma once

char *golden_read(const char *path);  // the whole text, the caller frees it; NULL: cannot be read
