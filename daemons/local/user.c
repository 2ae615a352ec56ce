/* SPDX-License-Identifier: ISC */
/*
 * A user of the system: the password database, .forward, the mailbox.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"
#include "table/lookup.h"

#include "local.h"

static void next_forward(struct errand *e);

static struct str
extension(const struct errand *e)
{
	struct str name = str_of(e->target->text);
	size_t at = lookup_ext(name, e->lo->delimiter);

	return at < name.n ? str_sub(name, at + 1, name.n) : STR_NONE;
}

static struct str
delimiter(const struct errand *e)
{
	struct str name = str_of(e->target->text);
	size_t at = lookup_ext(name, e->lo->delimiter);

	return at < name.n	   ? str_sub(name, at, at + 1) :
	    e->lo->delimiter.n > 0 ? str_sub(e->lo->delimiter, 0, 1) :
				     STR_NONE;
}

static void
fill_names(const struct errand *e, struct names *n)
{
	struct str addr = str_of(e->target->addr);

	*n = (struct names){ .extension = extension(e),
		.domain = addr_domain(addr),
		.local = str_of(e->target->text),
		.recipient = addr,
		.filter = conf_str(e->lo->conf, P_FORWARD_EXPANSION_FILTER) };
	n->user = e->user != NULL ?
	    str_of(e->user) :
	    str_sub(n->local, 0, lookup_ext(n->local, e->lo->delimiter));
	n->delimiter = delimiter(e);
	if (e->home != NULL)
		n->home = str_of(e->home);
}

/* --- nobody --------------------------------------------------------------- */

static void
nobody(struct errand *e)
{
	struct str relay = conf_str(e->lo->conf, P_LUSER_RELAY);
	char text[ADDR_MAX + 32];
	struct names n;
	struct buf to;

	buf_init(&to, ADDR_MAX);
	fill_names(e, &n);
	if (relay.n > 0 && named_expand(relay, &n, &to) == 0 && to.len > 0) {
		free(e->target->addr);
		e->target->addr = str_dup(buf_get(&to));
		e->target->kind = TO_ADDRESS;
		e->target->done = false;
	} else {
		snprintf(text, sizeof(text), "unknown user: \"" STR_FMT "\"",
		    STR_ARG(n.user));
		errand_note(e, FATE_BOUNCED, STR("5.1.1"), str_of(text));
	}
	buf_clear(&to);
	route_next(e);
}

static void
unknown(struct errand *e)
{
	pass_ask(e, true, nobody);
}

/* --- the mailbox ---------------------------------------------------------- */

static void own_mailbox(struct errand *e);

static void
on_written(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct mailbox_written *w = rec;
	struct errand *e = arg;

	(void)fds;
	if (type == 0 && e->tries < BOX_TRIES) {
		own_mailbox(e); /* it was about to end */
		return;
	}
	if (type == 0 || w->fate < FATE_SENT || w->fate > FATE_DEFERRED)
		errand_note(e, FATE_DEFERRED, STR("4.3.0"),
		    STR("mailbox process ended unexpectedly"));
	else
		errand_note(e, (enum fate)w->fate, w->dsn, w->text);
	route_next(e);
}

static void
on_mailbox(struct box *b, const char *why, void *arg)
{
	struct errand *e = arg;
	struct str home = conf_str(e->lo->conf, P_HOME_MAILBOX);
	struct str spool = conf_str(e->lo->conf, P_MAIL_SPOOL_DIRECTORY);
	char path[USER_MAX + 2], text[400];

	if (b == NULL) {
		snprintf(text, sizeof(text), "mailbox cannot be opened: %s",
		    why);
		errand_note(e, FATE_DEFERRED, STR("4.3.0"), str_of(text));
		route_next(e);
		return;
	}
	while (home.n > 0 && home.p[0] == '/')
		home = str_sub(home, 1, home.n);
	if (home.n > 0) {
		box_write(e, b, MAILBOX_HOME, 0, home, on_written);
		return;
	}
	snprintf(path, sizeof(path), "%s%s", e->user,
	    str_ends(spool, STR("/")) ? "/" : "");
	box_write(e, b, MAILBOX_SPOOL, 0, str_of(path), on_written);
}

static void
would(struct errand *e)
{
	const struct conf *c = e->lo->conf;
	struct str home = conf_str(c, P_HOME_MAILBOX);
	struct str path = home.n > 0 ? home :
				       conf_str(c, P_MAIL_SPOOL_DIRECTORY);

	errand_note(e, FATE_SENT, STR("2.0.0"),
	    str_ends(path, STR("/")) ? STR("delivers to maildir") :
				       STR("delivers to mailbox"));
	route_next(e);
}

static void
own_mailbox(struct errand *e)
{
	struct box_who who = { .user = str_of(e->user) };

	e->tries++;
	if (agent_probe(e->job)) {
		would(e);
		return;
	}
	box_get(e->lo->boxes, &who, &e->box, on_mailbox, e);
}

static void
no_pass(struct errand *e)
{
	command_mailbox(e, own_mailbox);
}

static void
get_mailbox(struct errand *e)
{
	e->tries = 0;
	pass_ask(e, false, no_pass);
}

/* --- .forward ------------------------------------------------------------- */

/*
 * What it says takes the place of the user; he is then in it, too, or he gets
 * nothing.  Back to the first half, for these destinations alone.
 */
static bool
take_forward(struct errand *e, struct str text)
{
	unsigned before = e->nitems;
	const char *why;

	if (alias_items(e, text, true, FROM_FORWARD, NULL, &why) == -1) {
		log_warn("%s: .forward of user %s: %s", e->home, e->user, why);
		/* Half a list is none. */
		while (!STAILQ_EMPTY(&e->todo)) {
			struct item *it = STAILQ_FIRST(&e->todo);

			STAILQ_REMOVE_HEAD(&e->todo, link);
			free(it->file);
			free(it);
		}
		return false;
	}
	if (e->nitems == before)
		return false;
	/* His own address may be a target again. */
	e->nnames = 0;
	free(e->names);
	e->names = NULL;
	e->names_size = 0;
	e->forwarded = true;
	errand_next(e);
	return true;
}

static void
on_forward(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct mailbox_text *t = rec;
	struct errand *e = arg;

	(void)fds;
	if (type == 0 && e->tries < BOX_TRIES) {
		e->path--; /* the same again */
		next_forward(e);
		return;
	}
	switch (type == 0 ? MAILBOX_READ_LATER : t->status) {
	case MAILBOX_READ_OK:
		if (!take_forward(e, t->text))
			get_mailbox(e);
		break;
	case MAILBOX_READ_NONE:
		next_forward(e);
		break;
	case MAILBOX_READ_REFUSED:
		log_warn("a .forward file of user %s is not used: it must be a "
			 "regular file that nobody else can write",
		    e->user);
		get_mailbox(e);
		break;
	case MAILBOX_READ_NO_HOME:
		if (!conf_bool(e->lo->conf, P_REQUIRE_HOME_DIRECTORY)) {
			get_mailbox(e);
			break;
		}
		errand_note(e, FATE_DEFERRED, STR("4.3.0"),
		    STR("cannot access home directory"));
		route_next(e);
		break;
	default:
		errand_note(e, FATE_DEFERRED, STR("4.3.0"),
		    STR("cannot read .forward file"));
		route_next(e);
		break;
	}
}

static void
on_box(struct box *b, const char *why, void *arg)
{
	struct errand *e = arg;
	struct mailbox_read q;
	char text[400];

	if (b == NULL) {
		snprintf(text, sizeof(text), "mailbox cannot be opened: %s",
		    why);
		errand_note(e, FATE_DEFERRED, STR("4.3.0"), str_of(text));
		route_next(e);
		return;
	}
	q.path = buf_get(&e->text);
	free(e->reading);
	e->reading = str_dup(q.path);
	box_ask(b, &e->box, MAILBOX_READ, &q, NULL, on_forward, e);
	buf_clear(&e->text);
}

/*
 * The path of number e->path in forward_path, relative to the home; false when
 * it has a name without a value, or is elsewhere.
 */
static bool
forward_file(struct errand *e, struct str path, struct buf *out)
{
	struct str home = str_of(e->home);
	struct names n;
	struct buf full;
	bool ok;

	while (home.n > 1 && home.p[home.n - 1] == '/')
		home.n--;
	buf_init(&full, 1024);
	fill_names(e, &n);
	/* Without an extension there is no delimiter, either. */
	if (n.extension.n == 0)
		n.delimiter = STR_NONE;
	ok = named_expand(path, &n, &full) == 0 &&
	    str_starts(buf_get(&full), home) && full.len > home.n + 1 &&
	    buf_get(&full).p[home.n] == '/';
	if (ok) {
		buf_clear(out);
		buf_init(out, 1024);
		buf_str(out, str_sub(buf_get(&full), home.n + 1, full.len));
	}
	buf_clear(&full);
	return ok;
}

/* The number i of the words in forward_path. */
static bool
word(struct str list, size_t i, struct str *out)
{
	for (size_t k = 0; str_token(&list, ", \t\r\n", out); k++)
		if (k == i)
			return true;
	return false;
}

static void
next_forward(struct errand *e)
{
	struct str list = conf_str(e->lo->conf, P_FORWARD_PATH), path;
	struct box_who who = { .user = str_of(e->user) };

	while (word(list, e->path++, &path))
		if (forward_file(e, path, &e->text)) {
			e->tries++;
			box_get(e->lo->boxes, &who, &e->box, on_box, e);
			return;
		}
	e->tries = 0;
	get_mailbox(e);
}

/* --- :include: of a .forward ---------------------------------------------- */

static void
include_failed(struct errand *e, const char *why)
{
	log_warn("user %s: .forward: :include:%s: %s", e->user, e->item->text,
	    why);
	errand_settle(e, FATE_DEFERRED, "4.3.0",
	    "cannot read an :include: file");
}

static void
on_include(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct mailbox_text *t = rec;
	struct errand *e = arg;
	const char *why = "it cannot be read";

	(void)fds;
	if (type != 0 && t->status == MAILBOX_READ_OK &&
	    alias_items(e, t->text, true, FROM_FORWARD, NULL, &why) == 0)
		errand_next(e);
	else
		include_failed(e, why);
}

static void
on_include_box(struct box *b, const char *why, void *arg)
{
	struct errand *e = arg;
	struct str home = str_of(e->home), path = str_of(e->item->text);
	struct mailbox_read q;

	while (home.n > 1 && home.p[home.n - 1] == '/')
		home.n--;
	if (b == NULL || !str_starts(path, home) || path.n < home.n + 2 ||
	    path.p[home.n] != '/' || path.n > 1000) {
		include_failed(e,
		    b == NULL ? why : "it is outside of the home");
		return;
	}
	q.path = str_sub(path, home.n + 1, path.n);
	box_ask(b, &e->box, MAILBOX_READ, &q, NULL, on_include, e);
}

void
user_include(struct errand *e)
{
	struct box_who who = { .user = str_of(e->user) };

	box_get(e->lo->boxes, &who, &e->box, on_include_box, e);
}

/* --- who it is ------------------------------------------------------------ */

static void
known(struct errand *e, struct str name, struct str value)
{
	uint64_t uid;
	struct str field;

	free(e->user);
	free(e->home);
	/* Back from his .forward he is who he was, extension and all. */
	if (!e->forwarded) {
		free(e->whose);
		e->whose = xstrdup(e->target->addr);
	}
	e->user = str_dup(name);
	if (!str_token(&value, ":", &field) ||
	    str_u64(field, UINT32_MAX, &uid) == -1)
		uid = 0;
	str_token(&value, ":", &field); /* the group */
	if (value.n > 0 && value.p[0] == ':')
		value = str_sub(value, 1, value.n);
	e->home = str_dup(value);
	if (uid == 0) {
		log_warn(STR_FMT
		    ": mail for user %s is not delivered: there is"
		    " no mailbox for user id 0; add an alias for it",
		    STR_ARG(e->job->qid), e->user);
		errand_note(e, FATE_DEFERRED, STR("4.2.0"),
		    STR("mail for the superuser needs an alias"));
		route_next(e);
		return;
	}
	e->path = 0;
	e->tries = 0;
	if (e->target->direct || e->forwarded)
		get_mailbox(e);
	else
		next_forward(e);
}

static bool
answered(struct errand *e, enum map_status status)
{
	if (status != MAP_LATER)
		return true;
	errand_note(e, FATE_DEFERRED, STR("4.3.0"),
	    STR("user database unavailable"));
	route_next(e);
	return false;
}

/* Login names are looked for in lower case. */
static bool
login(struct str name, char dst[USER_MAX + 1])
{
	if (str_copy(name, dst, USER_MAX + 1) == -1 || dst[0] == '\0' ||
	    strchr(dst, '/') != NULL || strchr(dst, ':') != NULL)
		return false;
	for (char *p = dst; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	return true;
}

static struct str
bare(const struct errand *e)
{
	struct str name = str_of(e->target->text);

	return str_sub(name, 0, lookup_ext(name, e->lo->delimiter));
}

static void
on_bare(enum map_status status, struct str value, void *arg)
{
	struct errand *e = arg;
	char name[USER_MAX + 1];

	if (!answered(e, status))
		return;
	if (status == MAP_FOUND && login(bare(e), name))
		known(e, str_of(name), value);
	else
		unknown(e);
}

static void
ask_bare(struct errand *e)
{
	char name[USER_MAX + 1];

	if (bare(e).n < strlen(e->target->text) && login(bare(e), name))
		maps_user(&e->lo->maps, str_of(name), &e->map, on_bare, e);
	else
		unknown(e);
}

static void
on_full(enum map_status status, struct str value, void *arg)
{
	struct errand *e = arg;
	char name[USER_MAX + 1];

	if (!answered(e, status))
		return;
	if (status == MAP_FOUND && login(str_of(e->target->text), name))
		known(e, str_of(name), value);
	else
		ask_bare(e);
}

/* The name as it is before what is left of it without an extension. */
void
user_begin(struct errand *e)
{
	char name[USER_MAX + 1];

	if (login(str_of(e->target->text), name))
		maps_user(&e->lo->maps, str_of(name), &e->map, on_full, e);
	else
		ask_bare(e);
}
