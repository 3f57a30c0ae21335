// The start-up configuration: read and checked only (tandemd --check), or read and put into effect.
//
// A line that is wrong is said with its place and left out; what is right runs. A gateway without a
// usable configuration still runs, unconfigured, for its command line.
#include "startup.h"

#include <errno.h>
#include <stdio.h>

#include "gateway.h"
#include "log.h"
#include "rri.h"

static void config_bad(void *ctx, unsigned line, unsigned column, const char *text, const char *why)
{
	struct gateway *g = ctx;
	fprintf(stderr, "%s:%u: %s\n  %s\n  ", g->config_file, line, why, text);
	for (unsigned i = 0; i < column; i++)
		fputc(text[i] == '\t' ? '\t' : ' ', stderr);
	fputs("^\n", stderr);
}

static void config_warn(void *ctx, const char *text)
{
	log_event("PARSER", LOG_L_WARNING, "CONFIG", "%s", text);
}

static void check_warn(void *ctx, const char *text)
{
	fprintf(stderr, "warning: %s\n", text);
}

int startup_check(struct gateway *g)
{
	struct err err = {0};
	unsigned errors = 0;

	if (!g->config_file) {
		fprintf(stderr, "tandemd: --check needs a file (-c FILE)\n");
		return 1;
	}
	if (cli_init(&err)) {
		fprintf(stderr, "tandemd: %s\n", err.msg);
		return 1;
	}
	struct config *c = config_create();
	if (!c || config_load_file(c, g->config_file, config_bad, g, &errors, &err)) {
		fprintf(stderr, "tandemd: %s\n", c ? err.msg : "not enough memory");
		config_destroy(c);
		return 1;
	}
	int (*const checks[])(const struct config *, struct err *) = {
		dataplane_validate, interface_validate, route_validate,
		track_validate,     crypto_validate,    rri_validate};
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (checks[i](c, &err) == 0)
			continue;
		fprintf(stderr, "%s: %s\n", g->config_file, err.msg);
		errors++;
	}
	tunnels_destroy(tunnels_build(c, NULL, NULL, NULL, check_warn, NULL));
	config_destroy(c);
	fprintf(stderr, "%s: %u error%s\n", g->config_file, errors, errors == 1 ? "" : "s");
	return errors ? 1 : 0;
}

int startup_load(struct gateway *g, struct err *err)
{
	struct config *c = config_create();
	if (!c)
		return err_set(err, -ENOMEM, "Not enough memory for a configuration");
	if (g->config_file) {
		int rc = config_load_file(c, g->config_file, config_bad, g, &g->config_errors, err);
		if (rc) {
			config_destroy(c);
			return rc;
		}
		(void)cli_set_startup_file(g->config_file);
	}
	struct err why = {0};
	if (commit_candidate(c, config_warn, g, &why)) {
		// unconfigured but reachable by the command line is better than not there
		log_event("PARSER", LOG_L_ERR, "COMMIT", "%s is not applied: %s", g->config_file,
			  why.msg);
		g->config_errors++;
		if (!commit_running()) {
			struct config *empty = config_create();
			if (!empty)
				return err_set(err, -ENOMEM,
					       "Not enough memory for a configuration");
			int rc = commit_candidate(empty, config_warn, g, err);
			if (rc)
				return rc;
		}
	}
	if (g->config_errors)
		log_event("PARSER", LOG_L_ERR, "STARTUP", "%s: %u error(s), the rest is in effect",
			  g->config_file, g->config_errors);
	return 0;
}
