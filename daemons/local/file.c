/* SPDX-License-Identifier: ISC */
/*
 * Writing by way of a mailbox process: what all deliveries have in common, and
 * /file targets.
 *
 * A file that an alias names is written by a process that has the rights of
 * the alias file's owner (of default_privs, where that is root) and nothing but
 * the directory the file is in; there it writes what lookup, which has read the
 * alias, vouches for.  One that a .forward names is written by the user's own
 * process, which has his home and the mail spool: what lies elsewhere cannot be
 * had, and waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "edge/ticket.h"
#include "mail/address.h"

#include "local.h"

#define FILE_MAX 500 /* bytes of a path */
#define BOX_PATH_MAX 900 /* the same below its root, of any mailbox */

bool
file_allowed(const struct errand *e, const struct item *it)
{
	const char *where = it->origin == FROM_FORWARD ? "forward" :
	    it->origin == FROM_INCLUDE		       ? "include" :
							 "alias";

	return conf_has(e->lo->conf, P_ALLOW_MAIL_TO_FILES, where) &&
	    strlen(it->text) <= FILE_MAX;
}

/* --- writing -------------------------------------------------------------- */

static unsigned
prefix_parts(const struct errand *e)
{
	return conf_has(e->lo->conf, P_PREPEND_DELIVERED_HEADER, "file") ?
	    AGENT_PREFIX_ALL :
	    AGENT_PREFIX_ALL & ~(unsigned)AGENT_DELIVERED_TO;
}

void
box_write(struct errand *e, struct box *b, uint8_t root, uint8_t flags,
    struct str path, chan_answer_fn *fn)
{
	struct agent_job *j = e->job;
	struct agent_rcpt *r = &j->rcpts[e->n];
	const char *owner = e->target->owner;
	struct mailbox_write w = { .root = root,
		.flags = (uint8_t)(e->lo->lock | flags),
		.path = path,
		.expires = flags & MAILBOX_FILE ? e->expires : 0,
		.ticket = flags & MAILBOX_FILE ? e->ticket : 0,
		.sender = owner != NULL ? str_of(owner) : j->sender,
		.limit = e->lo->limit,
		.offset = j->offset,
		.size = j->size,
		.edits = j->edits };
	struct buf prefix;
	int fd = -1;

	/* Each process gets a descriptor; ours stays for the others. */
	errno = ENAMETOOLONG;
	if (path.n <= BOX_PATH_MAX)
		fd = fcntl(j->fd, F_DUPFD_CLOEXEC, 6);
	if (fd == -1) {
		errand_note(e, FATE_DEFERRED, STR("4.3.0"),
		    str_of(strerror(errno)));
		route_next(e);
		return;
	}
	buf_init(&prefix, AGENT_PREFIX_MAX);
	agent_prefix(&prefix, prefix_parts(e), w.sender, r->orig, r->addr);
	w.prefix = buf_get(&prefix);
	box_ask(b, &e->box, MAILBOX_WRITE, &w, &fd, fn, e);
	buf_clear(&prefix);
}

/* --- files ---------------------------------------------------------------- */

static void
on_written(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct mailbox_written *w = rec;
	struct errand *e = arg;
	char text[FILE_MAX + 32];

	(void)fds;
	if (type == 0 && e->tries < BOX_TRIES) {
		file_begin(e); /* it was about to end */
		return;
	}
	if (type == 0 || w->fate < FATE_SENT || w->fate > FATE_DEFERRED) {
		errand_note(e, FATE_DEFERRED, STR("4.3.0"),
		    STR("mailbox process ended unexpectedly"));
	} else if (w->fate == FATE_SENT) {
		snprintf(text, sizeof(text), "delivered to file: %s",
		    e->target->text);
		errand_note(e, FATE_SENT, w->dsn,
		    str_ends(str_of(e->target->text), STR("/")) ?
			STR("delivered to maildir") :
			str_of(text));
	} else {
		errand_note(e, (enum fate)w->fate, w->dsn, w->text);
	}
	route_next(e);
}

static void
out_of_reach(struct errand *e, const char *why)
{
	char text[FILE_MAX + 300];

	snprintf(text, sizeof(text), "cannot append to file %s: %s",
	    e->target->text, why);
	errand_note(e, FATE_DEFERRED, STR("4.2.0"), str_of(text));
	route_next(e);
}

static void
on_dir(struct box *b, const char *why, void *arg)
{
	struct errand *e = arg;
	struct str dir, name = ticket_file_name(str_of(e->target->text), &dir);

	if (b == NULL)
		out_of_reach(e, why);
	else
		box_write(e, b, MAILBOX_HOME, MAILBOX_FILE, name, on_written);
}

/* What follows a directory in a path, or nothing. */
static struct str
beneath(const char *path, struct str dir)
{
	struct str p = str_of(path);

	while (dir.n > 1 && dir.p[dir.n - 1] == '/')
		dir.n--;
	if (dir.n < 2 || !str_starts(p, dir) || p.n < dir.n + 2 ||
	    p.p[dir.n] != '/')
		return STR_NONE;
	p = str_sub(p, dir.n, p.n);
	while (p.n > 0 && p.p[0] == '/')
		p = str_sub(p, 1, p.n);
	return p;
}

static void
on_user(struct box *b, const char *why, void *arg)
{
	struct errand *e = arg;
	const char *path = e->target->text;
	struct str rel;

	if (b == NULL) {
		out_of_reach(e, why);
		return;
	}
	rel = beneath(path, str_of(e->home));
	if (rel.n > 0) {
		box_write(e, b, MAILBOX_HOME, MAILBOX_FILE, rel, on_written);
		return;
	}
	rel = beneath(path, conf_str(e->lo->conf, P_MAIL_SPOOL_DIRECTORY));
	if (rel.n > 0)
		box_write(e, b, MAILBOX_SPOOL, MAILBOX_FILE, rel, on_written);
	else
		out_of_reach(e, "it is outside of the user's home");
}

/* A file of an alias, which lookup has signed. */
static void
on_signed(unsigned type, const void *rec, UNUSED int *fds, void *arg)
{
	const struct lookup_signed *s = rec;
	struct box_who who = { .uid = 0 };
	struct errand *e = arg;
	struct str dir;
	char *path;

	if (type == 0 || s->status != LOOKUP_FOUND) {
		/* It was there: the table, or the list, has changed. */
		out_of_reach(e, "alias database unavailable");
		return;
	}
	e->expires = s->expires;
	e->ticket = s->ticket;
	ticket_file_name(str_of(e->target->text), &dir);
	path = xasprintf("%u:" STR_FMT, (unsigned)s->uid, STR_ARG(dir));
	who.dir = str_of(path);
	box_get(e->lo->boxes, &who, &e->box, on_dir, e);
	free(path);
}

void
file_begin(struct errand *e)
{
	struct box_who who = { .user = str_of(e->user) };
	char *path;

	if (agent_probe(e->job)) {
		path = xasprintf("delivers to file: %s", e->target->text);
		errand_note(e, FATE_SENT, STR("2.0.0"), str_of(path));
		free(path);
		route_next(e);
		return;
	}
	e->tries++;
	e->ticket = 0;
	if (e->target->origin == FROM_FORWARD)
		box_get(e->lo->boxes, &who, &e->box, on_user, e);
	else if (!alias_sign(e, COMMAND_FILE, on_signed))
		out_of_reach(e, "alias database unavailable");
}
