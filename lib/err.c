// The operator's sentence: formatting only. Truncates quietly; a cut sentence is better than none.
#include "err.h"

#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *fmt, ...)
{
	if (!err)
		return code;

	va_list ap;

	err->code = code;
	va_start(ap, fmt);
	if (vsnprintf(err->msg, sizeof(err->msg), fmt, ap) < 0)
		err->msg[0] = '\0';
	va_end(ap);
	return code;
}

void err_prefix(struct err *err, const char *fmt, ...)
{
	if (!err)
		return;

	char old[ERR_MSG_MAX];
	va_list ap;

	memcpy(old, err->msg, sizeof(old));
	old[sizeof(old) - 1] = '\0';
	va_start(ap, fmt);
	int n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);

	size_t used = n < 0 ? 0 : (size_t)n;

	if (used >= sizeof(err->msg) - 1)
		return;
	(void)snprintf(err->msg + used, sizeof(err->msg) - used, ": %.*s",
		       (int)(sizeof(err->msg) - used - 3), old);
}
