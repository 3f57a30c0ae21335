// clear crypto isakmp|sa|session active|standby.
//
// Active: SAs of the redundancy groups that work here are deleted, as by the plain commands: peers
// get their Deletes, the other box is told. Standby: the copies of the groups that work on the
// other box are dropped and fetched from it again; no peer notices. The replicated stream carries
// both kinds of SAs together, so all three commands fetch both.

#include <errno.h>

#include "redundancy.h"
#include "show.h"

static const char *refusal(int rc)
{
	return rc == -ENOTCONN ? "The replication link is down: the copies stay as they are"
	       : rc == -EBUSY  ? "The copies are being fetched already"
			       : "This box holds no copies: it works itself, or has no state yet";
}

static int clear_standby(struct gateway *g, const struct config *c, struct err *err)
{
	unsigned groups = 0, done = 0;
	int rc = -EPERM;

	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		struct redundancy_group *r = redundancy_get(n);
		if (!r)
			continue;
		groups++;
		int one = agent_resync(r->agent, redundancy_now());
		done += one == 0;
		if (one && one != -EPERM)
			rc = one;
	}
	redundancy_rearm(g);
	char buf[160];
	if (!groups)
		return err_set(err, -ENOENT, "Nothing is replicated: %s",
			       redundancy_lack(c, buf, sizeof(buf)));
	return done ? 0 : err_set(err, rc, "%s", refusal(rc));
}

int clear_replicated(struct cli *cli, const struct cli_args *args, unsigned what)
{
	struct err err = {0};

	if (!cli_has(args, "active") && !cli_has(args, "standby"))
		return 1;
	if (cli_has(args, "standby"))
		return clear_standby(&gateway, cli_running(cli), &err)
			       ? cli_error(cli, "%% %s", err.msg)
			       : CLI_DONE;
	if (gateway.ike)
		(void)ike_clear_replicated(gateway.ike, what);
	return CLI_DONE;
}
