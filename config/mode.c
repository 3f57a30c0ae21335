// Modes: their prompts and their place in the mode stack of a session.
#include <stdio.h>
#include <string.h>

#include "session.h"

static const struct {
	const char *prompt, *name;
} modes[CLI_MODE_COUNT] = {
	[CLI_EXEC] = {">", "user exec"},
	[CLI_ENABLE] = {"#", "privileged exec"},
	[CLI_CONFIG] = {"(config)#", "global configuration"},
	[CLI_IF] = {"(config-if)#", "interface configuration"},
	[CLI_ISAKMP] = {"(config-isakmp)#", "IKE policy configuration"},
	[CLI_TRANSFORM] = {"(cfg-crypto-trans)#", "transform set configuration"},
	[CLI_MAP] = {"(config-crypto-map)#", "crypto map configuration"},
	[CLI_ACL] = {"(config-ext-nacl)#", "access list configuration"},
	[CLI_TRACK] = {"(config-track)#", "track configuration"},
	[CLI_KEYCHAIN] = {"(config-keychain)#", "key chain configuration"},
	[CLI_KEY] = {"(config-keychain-key)#", "key configuration"},
	[CLI_IPC_ZONE] = {"(config-ipczone)#", "IPC zone configuration"},
	[CLI_IPC_ASSOC] = {"(config-ipczone-assoc)#", "IPC association configuration"},
	[CLI_IPC_SCTP] = {"(config-ipc-protocol-sctp)#", "IPC SCTP configuration"},
	[CLI_IPC_LOCAL] = {"(config-ipc-local-sctp)#", "IPC local SCTP configuration"},
	[CLI_IPC_REMOTE] = {"(config-ipc-remote-sctp)#", "IPC remote SCTP configuration"},
	[CLI_RED] = {"(config-red-interdevice)#", "inter-device redundancy configuration"},
	[CLI_SSP] = {"(config-ssp)#", "state synchronisation, old syntax"},
	[CLI_LATER] = {"(config-later)#", "configuration kept without effect"},
};

const char *mode_prompt(enum cli_mode mode)
{
	return modes[mode].prompt;
}

const char *mode_name(enum cli_mode mode)
{
	return modes[mode].name;
}

bool mode_is_config(enum cli_mode mode)
{
	return mode >= CLI_CONFIG;
}

enum cli_mode session_mode(const struct cli *s)
{
	return s->stack[s->depth - 1].mode;
}

const char *session_prompt(const struct cli *s, char *buf, size_t cap)
{
	const struct session_level *top = &s->stack[s->depth - 1];
	const struct config *running = commit_running();
	const char *hostname = running != NULL ? running->hostname : "tandem";

	if (top->label[0] != '\0')
		snprintf(buf, cap, "%.20s(config-%s)#", hostname, top->label);
	else
		snprintf(buf, cap, "%.20s%s", hostname, modes[top->mode].prompt);
	return buf;
}

int cli_enter(struct cli *cli, enum cli_mode mode, void *object, const char *label)
{
	if (cli->depth == SESSION_DEPTH_MAX)
		return cli_error(cli, "too many nested modes");
	struct session_level *l = &cli->stack[cli->depth++];
	l->mode = mode;
	l->object = object;
	snprintf(l->label, sizeof(l->label), "%s", label == NULL ? "" : label);
	snprintf(l->line, sizeof(l->line), "%s", cli->lex.raw);
	return 0;
}
