// What the rest of the data plane provides to the ESP stages, when they are measured alone.
#include "sad.h"
#include "worker.h"

bool worker_event(struct worker *w, const struct dp_event *ev)
{
	(void)w;
	(void)ev;
	return true;
}

void spd_sa_gone(struct sa *sa)
{
	(void)sa;
}
