// IKEv1 as the engine sees it: the table of struct ike_version and the small functions in it.

#include <stdlib.h>

#include "ike/ike_engine.h"
#include "ikev1/fsm.h"
#include "ikev1/quick_mode.h"
#include "ikev1/sa_state.h"

static const char *state_name(const struct ike_sa *sa)
{
	const struct v1_sa *v = v1_of(sa);

	// The words of the reference's display.
	if (sa->established)
		return "QM_IDLE";
	if (!v || !v->main)
		return "MM_NO_STATE";
	switch (v->main->state) {
	case V1_MM_R2:
	case V1_MM_I2_DH: return "MM_SA_SETUP";
	case V1_MM_I3:
	case V1_MM_R3_DH:
	case V1_MM_I4_DH:
	case V1_MM_R4: return "MM_KEY_EXCH";
	case V1_MM_I5: return "MM_KEY_AUTH";
	default: return "MM_NO_STATE";
	}
}

static bool busy(const struct ike_sa *sa)
{
	const struct v1_exchange *x;

	TAILQ_FOREACH (x, &v1_of(sa)->exchanges, link)
		if (x->state != V1_DONE)
			return true;
	return false;
}

static void stop(struct ike_sa *sa)
{
	struct v1_sa *v = v1_of(sa);

	if (!v)
		return;
	if (v->main)
		ike_timer_stop(&sa->ike->timers, &v->main->timer);
	while (!TAILQ_EMPTY(&v->exchanges)) {
		struct v1_exchange *x = TAILQ_FIRST(&v->exchanges);

		if (x->type == ISAKMP_XCHG_QUICK_MODE && x->state != V1_DONE)
			quick_mode_abort(x, NULL);
		else
			v1_exchange_kill(x);
	}
}

static void fini(struct ike_sa *sa)
{
	struct v1_sa *v = v1_of(sa);

	if (!v)
		return;
	if (v->main)
		v1_exchange_free(v->main);
	ikev1_keys_clear(&v->keys);
	free(v);
}

const struct ike_version ikev1_version = {
	.number = 1,
	.start = main_mode_start,
	.rx = v1_rx,
	.child_start = quick_mode_start,
	.child_delete = v1_child_delete,
	.spi_delete = v1_spi_delete,
	.sa_delete = v1_sa_delete,
	.dpd_probe = v1_dpd_probe,
	.state_name = state_name,
	.busy = busy,
	.stop = stop,
	.fini = fini,
	.state_put = v1_state_put,
	.state_check = v1_state_check,
	.state_take = v1_state_take,
	.child_put = v1_child_put,
	.child_check = v1_child_check,
	.child_take = v1_child_take,
	.child_forget = v1_child_forget,
	.wake = v1_wake,
	.sleep = v1_sleep,
};
