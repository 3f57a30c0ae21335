// The table of the redundancy groups, and the questions that others ask of it.

#include <string.h>

#include "redundancy.h"

struct redundancy redundancy;

struct redundancy_group *redundancy_get(unsigned number)
{
	return number >= 1 && number <= HA_GROUPS_MAX && redundancy.group[number].number
		       ? &redundancy.group[number]
		       : NULL;
}

struct redundancy_group *redundancy_named(const char *name)
{
	for (unsigned n = 1; name && n <= HA_GROUPS_MAX; n++) {
		struct redundancy_group *r = &redundancy.group[n];
		if (r->number && strcmp(r->name, name) == 0)
			return r;
	}
	return NULL;
}

uint16_t redundancy_group_of(const char *name)
{
	const struct redundancy_group *r = redundancy_named(name);
	return r ? r->number : 0;
}

bool redundancy_working(const char *name)
{
	const struct redundancy_group *r = redundancy_named(name);
	return !r || r->working;
}
