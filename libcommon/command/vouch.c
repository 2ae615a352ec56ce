/* SPDX-License-Identifier: ISC */
/*
 * Who may have which command run.
 */
#include "command/vouch.h"

#include <string.h>

bool
command_may_ask(const char *component, const struct broker_command *q)
{
	if (strcmp(component, "pipe") == 0)
		return q->kind == COMMAND_MASTER;
	return strcmp(component, "local") == 0 && q->kind != COMMAND_MASTER;
}

bool
command_vouched(const struct ticket_key *k, const struct launch_command *q)
{
	bool forward = q->kind == COMMAND_FORWARD;
	struct ticket_key signer =
	    ticket_derive(k, forward ? q->user : STR(KEY_TABLES));

	switch ((enum command_kind)q->kind) {
	case COMMAND_MASTER:
		return true;
	case COMMAND_MAILBOX:
		return q->user.n > 0;
	case COMMAND_MAPS:
	case COMMAND_FORWARD:
		if (q->user.n == 0)
			return false;
		break;
	case COMMAND_ALIAS:
		break;
	default:
		return false;
	}
	/* Whoever has a key that is one user's need not know his name. */
	return ticket_command_ok(&signer, q->kind, q->uid,
	    forward ? STR_NONE : q->user, q->text, q->expires, q->ticket);
}
