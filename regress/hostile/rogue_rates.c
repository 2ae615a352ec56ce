/* SPDX-License-Identifier: ISC */
/*
 * Questions to the broker, more of them than the policy has: what it may not
 * have is refused each time, what it may have is given no more often than it
 * says there.
 */
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fd.h"
#include "boot/boot.h"
#include "log/log.h"
#include "rogue.h"
#include "sandbox/policy.h"

#define VERBS 8
#define MORE 40 /* than the burst */

static struct tally {
	const char *verb;
	unsigned asked, left, over, refused, granted;
} tallies[VERBS];

static void
on_answer(unsigned type, const void *rec, UNUSED int *fds, void *arg)
{
	const struct broker_refused *no = rec;
	const struct broker_done *d = rec;
	struct tally *t = arg;

	if (type == BROKER_REFUSED &&
	    str_starts(no->why, STR("more requests than")))
		t->over++;
	else if (type == 0 || type == BROKER_REFUSED ||
	    (type == BROKER_DONE && d->error != 0))
		t->refused++;
	else
		t->granted++;
	if (--t->left == 0)
		log_info("rogue: rates: %s: %u asked, %u over the rate, "
			 "%u refused, %u granted",
		    t->verb, t->asked, t->over, t->refused, t->granted);
}

static union {
	struct broker_connect connect;
	struct broker_resolver resolver;
	struct broker_unix local;
	struct broker_table table;
	struct broker_include include;
	struct broker_key key;
	struct broker_mailbox mailbox;
	struct broker_start start;
	struct broker_command command;
	struct broker_admin admin;
} q;

/* What it has no right to, or (reopen, admin) what hurts nobody. */
static unsigned
question(const char *component, const char *verb)
{
	static const struct netaddr here = { .family = 4,
		.ip = { 127, 0, 0, 1 },
		.port = 25 };

	memset(&q, 0, sizeof(q));
	if (strcmp(verb, "connect") == 0) {
		q.connect.to = here;
		q.connect.expires = UINT32_MAX;
		q.connect.ticket = rogue_life();
		return BROKER_CONNECT;
	}
	if (strcmp(verb, "unix") == 0) {
		q.local.nexthop = STR("unix:/run/dbus/system_bus_socket");
		return BROKER_UNIX;
	}
	if (strcmp(verb, "resolver") == 0) {
		q.resolver.index = 999;
		return BROKER_RESOLVER;
	}
	if (strcmp(verb, "table") == 0 || strcmp(verb, "key") == 0) {
		q.table.table = q.key.file = STR("/etc/shadow");
		return verb[0] == 't' ? BROKER_TABLE : BROKER_KEY;
	}
	if (strcmp(verb, "include") == 0) {
		q.include.path = STR("0:/etc/shadow");
		return BROKER_INCLUDE;
	}
	if (strcmp(verb, "mailbox") == 0) {
		/* Of root, or of somebody below virtual_minimum_uid. */
		q.mailbox.uid = q.mailbox.gid = rogue_life() % 2;
		if (strcmp(component, "local") == 0)
			q.mailbox.user = STR("root");
		return BROKER_MAILBOX;
	}
	if (strcmp(verb, "start") == 0) {
		q.start.component = strcmp(component, "gate") == 0 ?
		    STR("smtpd") :
		    STR("bounce");
		q.start.instance = 1000000;
		return BROKER_START;
	}
	if (strcmp(verb, "command") == 0) {
		q.command.kind = COMMAND_MAILBOX; /* pipe's are of master.cf */
		q.command.user = STR("root");
		if (strcmp(component, "local") == 0)
			q.command.kind = COMMAND_ALIAS;
		q.command.text = STR("/bin/sh");
		return BROKER_COMMAND;
	}
	if (strcmp(verb, "reopen") == 0)
		return BROKER_REOPEN;
	q.admin.what = ADMIN_TRACE; /* of itself, which is refused */
	q.admin.arg = STR("control");
	return BROKER_ADMIN;
}

void
rogue_rates(const char *component)
{
	const struct policy *p = policy_find(str_of(component));

	for (size_t i = 0; i < p->nrequests && i < VERBS; i++) {
		struct tally *t = &tallies[i];
		unsigned type = question(component, p->requests[i].verb);

		*t = (struct tally){ .verb = p->requests[i].verb,
			.asked = p->requests[i].burst + MORE };
		t->left = t->asked;
		for (unsigned n = t->asked; n > 0; n--)
			chan_ask(boot_broker(), type, &q, NULL, on_answer, t);
	}
	/* And what its policy does not have is asked at the end of a life. */
}
