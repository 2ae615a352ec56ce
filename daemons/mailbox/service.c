/* SPDX-License-Identifier: ISC */
/*
 * Requests in, answers out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

#include "mailbox.h"

#define OPEN_MAX 1024 /* deliveries in hand: each has a descriptor */
#define EDITS_MAX 2048

/* --- clients -------------------------------------------------------------- */

/*
 * With nobody at the other end and nothing in hand we are of no use; a short
 * while later the process ends, and the broker makes another when there is
 * mail.  (An asker whose channel ends that moment asks the broker again.)
 */
static void
on_linger(void *arg)
{
	struct mailbox *mb = arg;

	if (TAILQ_EMPTY(&mb->clients) && mb->open == 0)
		mb->idle(mb->idle_arg);
}

static void
client_put(struct client *c, struct mailbox *mb)
{
	if (c->ch == NULL && c->open == 0) {
		TAILQ_REMOVE(&mb->clients, c, link);
		free(c);
	}
	if (mb->leave && mb->open == 0)
		mb->idle(mb->idle_arg);
	else if (TAILQ_EMPTY(&mb->clients))
		timer_set(&mb->linger, MAILBOX_LINGER_MS);
}

struct client *
mailbox_client(struct mailbox *mb, const struct chan *ch)
{
	struct client *c;

	TAILQ_FOREACH(c, &mb->clients, link)
		if (c->ch == ch)
			return c;
	return NULL;
}

void
mailbox_up(struct mailbox *mb, struct chan *ch)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->ch = ch;
	TAILQ_INSERT_TAIL(&mb->clients, c, link);
	timer_cancel(&mb->linger);
}

void
mailbox_down(struct mailbox *mb, struct chan *ch)
{
	struct client *c = mailbox_client(mb, ch);

	c->ch = NULL;
	c->open++; /* not freed by the last of its deliveries, but below */
	batch_forget(mb, c);
	c->open--;
	client_put(c, mb);
}

/* --- writing -------------------------------------------------------------- */

static void
delivery_free(struct delivery *d)
{
	fd_close(&d->fd);
	fd_close(&d->file_fd);
	free(d->edits);
	free(d->path);
	free(d->sender);
	free(d->copy);
	free(d);
}

static void
answer(struct chan *ch, uint64_t id, enum fate fate, const char *dsn,
    const char *text)
{
	struct mailbox_written rec = { .fate = (uint8_t)fate,
		.dsn = str_of(dsn),
		.text = str_of(text) };

	chan_answer(ch, MAILBOX_WRITTEN, id, &rec, NULL);
}

void
delivery_done(struct delivery *d)
{
	struct client *c = d->client;
	struct mailbox *mb = d->mb;

	/*
	 * His file in the mail spool is made as a process starts.  If it was
	 * there once, and is gone, who asked does so again, of a new process;
	 * if it never was, that would not help.
	 */
	if (c->ch != NULL && (!d->leave || !mb->proven))
		answer(c->ch, d->id, d->fate, d->dsn, d->text);
	mb->proven |= d->fate == FATE_SENT && d->root == MAILBOX_SPOOL;
	mb->leave |= d->leave;
	c->open--;
	mb->open--;
	delivery_free(d);
	client_put(c, mb);
}

/* The edits, over our copy of their bytes; -1 when they are none. */
static int
take_edits(struct delivery *d, struct str form)
{
	struct env_reader er;
	struct env_edit e;
	size_t cap = 0;
	int k;

	env_open_part(&er, form);
	while ((k = env_read_edit(&er, &e)) == 1) {
		if (d->nedits == EDITS_MAX)
			return -1;
		if (d->nedits == cap) {
			cap = cap == 0 ? 8 : cap * 2;
			d->edits =
			    xreallocarray(d->edits, cap, sizeof(*d->edits));
		}
		d->edits[d->nedits++] = e;
	}
	return k;
}

/* Copy what the record lends us. */
static struct delivery *
delivery_new(struct mailbox *mb, struct client *c, uint64_t id,
    const struct mailbox_write *w)
{
	struct delivery *d = xcalloc(1, sizeof(*d));

	d->mb = mb;
	d->client = c;
	d->id = id;
	d->root = w->root;
	d->root_fd = mb->root_fd[w->root];
	d->flags = w->flags;
	d->maildir = str_ends(w->path, STR("/"));
	d->path = str_dup(str_sub(w->path, 0, w->path.n));
	for (size_t n = w->path.n; n > 1 && d->path[n - 1] == '/'; n--)
		d->path[n - 1] = '\0';
	d->sender = str_dup(w->sender);
	d->copy = xmalloc(w->prefix.n + w->edits.n + 1);
	if (w->prefix.n > 0)
		memcpy(d->copy, w->prefix.p, w->prefix.n);
	if (w->edits.n > 0)
		memcpy(d->copy + w->prefix.n, w->edits.p, w->edits.n);
	d->prefix = str_make(d->copy, w->prefix.n);
	d->limit = w->limit;
	d->off = w->offset;
	d->size = w->size;
	d->fd = d->file_fd = -1;
	d->fate = FATE_DEFERRED;
	return d;
}

/* A name in the mail spool, of his file or Maildir. */
static bool
is_in_spool(const struct mailbox *mb, const struct mailbox_write *w)
{
	struct str name = w->path;

	if (str_ends(name, STR("/")))
		name.n--;
	return w->root == MAILBOX_SPOOL && str_eq(name, str_of(mb->user));
}

/*
 * A user's files are not for local to choose: his mailbox, and what he has
 * written in his .forward.  Nor are those of aliases, in whose directory we
 * may be.
 */
static bool
may_write(const struct mailbox *mb, const struct mailbox_write *w)
{
	struct str home;

	if (!mb->key.have)
		return true;
	if (mb->user == NULL)
		return w->root == MAILBOX_HOME &&
		    (w->flags & MAILBOX_FILE) != 0 &&
		    ticket_command_ok(&mb->key, COMMAND_FILE, 0, STR_NONE,
			w->path, w->expires, w->ticket);
	if (is_in_spool(mb, w))
		return true;
	home = str_of(mb->home_mailbox);
	while (home.n > 0 && home.p[0] == '/')
		home = str_sub(home, 1, home.n);
	return (w->root == MAILBOX_HOME && home.n > 0 &&
		   str_eq(home, w->path)) ||
	    named_in(&mb->files, w->root == MAILBOX_HOME ? mb->home : mb->spool,
		w->path);
}

static void
on_write(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct mailbox_write *w = rec;
	struct mailbox *mb = arg;
	struct client *c = mailbox_client(mb, ch);
	struct delivery *d;

	if (w->root > MAILBOX_SPOOL) {
		chan_drop(ch, "no such root of mailboxes");
		return;
	}
	if (!path_ok(w->path)) {
		answer(ch, id, FATE_BOUNCED, "5.2.0",
		    "the path of the mailbox"
		    " leads out of its directory");
		return;
	}
	if (!may_write(mb, w)) {
		answer(ch, id, FATE_DEFERRED, "4.2.0",
		    mb->user == NULL ? "no alias names this file" :
				       "neither home_mailbox nor .forward "
				       "names this file");
		return;
	}
	if (mb->root_fd[w->root] == -1) {
		answer(ch, id, FATE_DEFERRED, "4.2.0",
		    w->root == MAILBOX_HOME ?
			"the home directory cannot be "
			"opened" :
			"the mail spool cannot be opened");
		return;
	}
	if (mb->open >= OPEN_MAX) {
		answer(ch, id, FATE_DEFERRED, "4.3.2",
		    "too many deliveries "
		    "to one user at once");
		return;
	}
	d = delivery_new(mb, c, id, w);
	if (take_edits(d, str_make(d->copy + w->prefix.n, w->edits.n)) == -1) {
		delivery_free(d);
		chan_drop(ch, "edits that are none");
		return;
	}
	d->fd = fds[0];
	fds[0] = -1;
	c->open++;
	mb->open++;
	batch_add(d);
}

/* --- reading -------------------------------------------------------------- */

static void
answer_text(struct user_file *f)
{
	struct mailbox_text rec = { .status = f->status,
		.text = buf_get(&f->text) };

	chan_answer(f->client->ch, MAILBOX_TEXT, f->id, &rec, NULL);
}

static void
answer_signed(struct user_file *f)
{
	struct mailbox_signed rec = { .status = f->status,
		.expires = ticket_expiry() };
	const struct ticket_key *k = &f->mb->key;

	if (rec.status == MAILBOX_READ_OK && !user_file_has(f))
		rec.status = MAILBOX_READ_NONE;
	else if (rec.status == MAILBOX_READ_OK && !k->have)
		rec.status = MAILBOX_READ_LATER;
	if (rec.status == MAILBOX_READ_OK)
		rec.ticket = ticket_command(k, COMMAND_FORWARD, 0, STR_NONE,
		    str_of(f->command), rec.expires);
	chan_answer(f->client->ch, MAILBOX_SIGNED, f->id, &rec, NULL);
}

static void
answer_file(struct user_file *f)
{
	if (f->client->ch == NULL)
		return;
	if (f->command != NULL)
		answer_signed(f);
	else
		answer_text(f);
}

static void
file_free(struct user_file *f)
{
	buf_clear(&f->text);
	free(f->path);
	free(f->command);
	free(f);
}

static void
on_read_done(struct pool_job *j)
{
	struct user_file *f = (struct user_file *)j;
	struct mailbox *mb = f->mb;
	struct client *c = f->client;

	if (f->status == MAILBOX_READ_OK)
		named_note(mb, buf_get(&f->text));
	answer_file(f);
	c->open--;
	mb->open--;
	file_free(f);
	client_put(c, mb);
}

/*
 * His .forward, and what that includes; commands are in the first alone.  For
 * local any other file is not there: what comes by mail ends up in files, too,
 * and is neither to be read nor to be vouched for.
 */
static bool
may_read(const struct mailbox *mb, struct str path, bool sign)
{
	return named_forward(mb, path) ||
	    (!sign && named_in(&mb->includes, mb->home, path));
}

/* Read it, or say at once why not. */
static void
read_file(struct mailbox *mb, struct chan *ch, uint64_t id, struct str path,
    const char *command)
{
	struct user_file *f = xcalloc(1, sizeof(*f));

	f->job.run = user_file_read;
	f->job.done = on_read_done;
	f->mb = mb;
	f->client = mailbox_client(mb, ch);
	f->id = id;
	f->path = str_dup(path);
	f->command = command == NULL ? NULL : xstrdup(command);
	buf_init(&f->text, MAILBOX_TEXT_MAX);
	f->status = mb->root_fd[MAILBOX_HOME] == -1 ? MAILBOX_READ_NO_HOME :
	    mb->open >= OPEN_MAX		    ? MAILBOX_READ_LATER :
	    !path_ok(path)			    ? MAILBOX_READ_REFUSED :
	    !may_read(mb, path, command != NULL)    ? MAILBOX_READ_NONE :
						      MAILBOX_READ_OK;
	if (f->status != MAILBOX_READ_OK) {
		answer_file(f);
		file_free(f);
		return;
	}
	f->client->open++;
	mb->open++;
	pool_put(mb->pool, &f->job);
}

static void
on_read(struct chan *ch, uint64_t id, const void *rec, UNUSED int *fds,
    void *arg)
{
	read_file(arg, ch, id, ((const struct mailbox_read *)rec)->path, NULL);
}

static void
on_sign(struct chan *ch, uint64_t id, const void *rec, UNUSED int *fds,
    void *arg)
{
	const struct mailbox_sign *q = rec;
	char *command = str_dup(q->command);

	read_file(arg, ch, id, q->path, command);
	free(command);
}

const struct chan_on mailbox_on[] = {
	{ MAILBOX_WRITE, on_write },
	{ MAILBOX_READ, on_read },
	{ MAILBOX_SIGN, on_sign },
	{ 0, NULL },
};

/* virtual has no .forward to look for: it cannot read what users have. */
const struct chan_on mailbox_write_on[] = {
	{ MAILBOX_WRITE, on_write },
	{ 0, NULL },
};

/* --- life ----------------------------------------------------------------- */

void
mailbox_init(struct mailbox *mb, struct loop *l)
{
	*mb = (struct mailbox){ .loop = l,
		.root_fd = { -1, -1 },
		.lock_attempts = 20,
		.lock_delay_ms = 1000,
		.lock_stale_s = 500,
		.strict_owner = true };
	TAILQ_INIT(&mb->clients);
	timer_init(&mb->linger, l, on_linger, mb);
	batch_init(mb);
	/* Whoever had us made may be gone before its channel is here. */
	timer_set(&mb->linger, 4 * MAILBOX_LINGER_MS);
}

void
mailbox_clear(struct mailbox *mb)
{
	struct client *c;

	while ((c = TAILQ_FIRST(&mb->clients)) != NULL) {
		TAILQ_REMOVE(&mb->clients, c, link);
		free(c);
	}
	timer_clear(&mb->linger);
	named_clear(&mb->includes);
	named_clear(&mb->files);
	free(mb->user);
	free(mb->home);
	free(mb->spool);
	free(mb->forward_path);
	free(mb->home_mailbox);
	batch_clear(mb);
	pool_free(&mb->pool);
}
