/* SPDX-License-Identifier: ISC */
/*
 * A message from its arrival to its commit.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"
#include "queue/qfile.h"
#include "queue/qid.h"
#include "sandbox/sandbox.h"

#include "cleanup.h"

#define FORM_MAX ((size_t)64 << 20)  /* of one envelope */
#define HELD_MAX ((size_t)256 << 20) /* of all that wait for answers */
#define WAITING_MAX 20000	     /* messages that wait for answers */
#define KEPT_MIN 1024

void
cleanup_init(struct cleanup *cl, const struct conf *conf)
{
	cl->conf = conf;
	settings_read(&cl->set, conf);
	TAILQ_INIT(&cl->messages);
	buf_init(&cl->out, ENV_SIZE_MAX);
}

static void
message_free(struct message *m)
{
	struct kept *k;

	question_forget(m);
	TAILQ_REMOVE(&m->cl->messages, m, link);
	m->cl->nmessages--;
	if (m->waits)
		m->cl->held -= m->form_len;
	while ((k = m->kept) != NULL) {
		m->kept = k->next;
		free(k);
	}
	edits_clear(&m->edits);
	free(m->rcpts);
	free(m->form);
	fd_close(&m->fd);
	free(m);
}

void
cleanup_clear(struct cleanup *cl)
{
	while (!TAILQ_EMPTY(&cl->messages))
		message_free(TAILQ_FIRST(&cl->messages));
	free(cl->win);
	cl->win = NULL;
	cl->win_cap = 0;
	buf_clear(&cl->out);
}

void
message_orphan(struct cleanup *cl, const struct chan *from)
{
	struct message *m;

	TAILQ_FOREACH(m, &cl->messages, link)
		if (m->from == from)
			m->from = NULL;
}

int
message_refuse(struct message *m, int code, struct dsn dsn, const char *text)
{
	if (m->refusal.code == 0)
		m->refusal = (struct refusal){ code, dsn, text };
	return -1;
}

struct str
message_keep(struct message *m, struct str s)
{
	struct kept *k = m->kept;
	char *p;

	if (k == NULL || s.n > k->size - k->used) {
		size_t size = s.n > KEPT_MIN ? s.n : KEPT_MIN;

		k = xmalloc(sizeof(*k) + size);
		*k = (struct kept){ .next = m->kept, .size = size };
		m->kept = k;
	}
	p = k->text + k->used;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	k->used += s.n;
	return str_make(p, s.n);
}

/* --- in ------------------------------------------------------------------- */

static int
broken(struct message *m, const char *what)
{
	log_warn("%s: %s", m->qid, what);
	return message_refuse(m, 451, DSN(4, 3, 0),
	    "Error: queue file write error");
}

/*
 * From here on nobody can change the content, the submitter neither.  A file
 * in the spool cannot be sealed: qmgr proves at the commit that nobody has it
 * open for writing.
 */
static int
open_content(struct message *m)
{
	struct stat st;

	if (memfd_seal(m->fd) == -1 && !memfd_sealed(m->fd)) {
		if (errno != EINVAL)
			return broken(m, "content cannot be sealed");
		m->base = QFILE_STREAM;
	}
	if (sealed_fstat(m->fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size < m->base)
		return broken(m, "content is no file of ours");
	m->size = (uint64_t)st.st_size - m->base;
	if (m->cl->set.size_max > 0 && m->size > m->cl->set.size_max)
		return message_refuse(m, 552, DSN(5, 3, 4),
		    "Error: message file too big");
	return 0;
}

static bool
is_local(const struct envelope *e)
{
	struct str context = e->attr[ENV_A_CONTEXT];

	if (context.n > 0)
		return str_eq(context, STR("local"));
	if (e->origin != ENV_FROM_SMTPD)
		return true;
	return (e->flags & ENV_TRUSTED) != 0;
}

static int
read_envelope(struct message *m, struct str form)
{
	struct env_reader r;
	struct env_edit e;

	m->form = xmalloc(form.n + 1);
	m->form_len = form.n;
	memcpy(m->form, form.p, form.n);
	env_open(&r, str_make(m->form, form.n));
	/* Edits are ours to make. */
	if (env_read_head(&r, &m->env) == -1 || env_read_edit(&r, &e) != 0)
		return message_refuse(m, 451, DSN(4, 3, 0),
		    "Error: malformed envelope");
	if (m->env.sender.n > ADDR_MAX ||
	    (m->env.sender.n > 0 && !addr_valid(m->env.sender)))
		return message_refuse(m, 501, DSN(5, 1, 7),
		    "Bad sender address syntax");
	if (m->env.attr[ENV_A_ENVID].n > 256)
		m->env.attr[ENV_A_ENVID] = STR_NONE;
	m->local = is_local(&m->env);
	if (question_needed(&m->cl->set, m->env.sender))
		question_add(m, ABOUT_SENDER, 0, m->env.sender);
	else
		bcc_sender(m);
	if (rcpts_read(m, &r) == -1)
		return -1;
	bcc_always(m);
	return 0;
}

/* What waits for answers is held in memory. */
static int
may_wait(struct message *m)
{
	struct cleanup *cl = m->cl;

	if (TAILQ_EMPTY(&m->todo))
		return 0;
	cl->held += m->form_len;
	m->waits = true;
	if (cl->nmessages > WAITING_MAX || cl->held > HELD_MAX)
		return message_refuse(m, 451, DSN(4, 3, 2),
		    "Error: too many messages wait for the address resolver");
	return 0;
}

static int
take(struct message *m, struct str form)
{
	if (open_content(m) == -1 || read_envelope(m, form) == -1 ||
	    missing_top(m) == -1 || head_scan(m) == -1 || may_wait(m) == -1)
		return -1;
	return 0;
}

/* --- out ------------------------------------------------------------------ */

static int
encode(struct message *m, struct buf *b)
{
	uint32_t nedits;

	buf_reset(b);
	if (m->head.utf8)
		m->env.flags |= ENV_HEADER_UTF8;
	if (env_put_head(b, &m->env) == -1)
		return -1;
	if (edits_put(&m->edits, b, &nedits) == -1)
		return message_refuse(m, 552, DSN(5, 3, 4),
		    "Error: too many changes to message header");
	for (size_t i = 0; i < m->nrcpts; i++) {
		struct env_rcpt *r = &m->rcpts[i].e;

		if (!m->cl->set.keep_original)
			r->orig = STR_NONE;
		if (env_put_rcpt(b, r) == -1)
			return -1;
	}
	return env_put_end(b, nedits, (uint32_t)m->nrcpts);
}

static int
send(struct message *m)
{
	struct chan *qmgr = m->cl->qmgr;
	struct str form = buf_get(&m->cl->out);
	int fds[2] = { m->fd, -1 };

	if (qmgr == NULL)
		return message_refuse(m, 451, DSN(4, 3, 0),
		    "Error: queue manager down");
	if (form.n <= ENVELOPE_INLINE_MAX) {
		struct commit_message c = { .qid = str_of(m->qid),
			.envelope = form };

		chan_tell(qmgr, COMMIT_MESSAGE, m->slot, &c, &m->fd);
	} else {
		struct commit_large c = { .qid = str_of(m->qid) };

		fds[1] = memfd_from("envelope", form.p, form.n);
		if (fds[1] == -1)
			return broken(m, strerror(errno));
		m->fd = -1;
		chan_tell(qmgr, COMMIT_LARGE, m->slot, &c, fds);
	}
	return 0;
}

static int
commit(struct message *m)
{
	rcpts_once(m);
	if (missing_add(m) == -1)
		return message_refuse(m, 552, DSN(5, 3, 4),
		    "Error: too many changes to message header");
	if (encode(m, &m->cl->out) == -1)
		return broken(m, "envelope cannot be encoded");
	return send(m);
}

static void
refuse(struct message *m)
{
	const struct refusal *f = &m->refusal;
	char dsn[DSN_MAX];
	struct intake_refused rec = { .code = (uint16_t)f->code,
		.dsn = str_of(dsn_text(f->dsn, dsn)),
		.text = str_of(f->text) };

	log_info("%s: reject: %d %s %s; from=<" STR_FMT ">", m->qid, f->code,
	    dsn, f->text, STR_ARG(m->env.sender));
	if (m->from != NULL)
		chan_tell(m->from, INTAKE_REFUSED, m->slot, &rec, NULL);
}

void
message_finish(struct message *m)
{
	if (m->refusal.code != 0 || commit(m) == -1)
		refuse(m);
	message_free(m);
}

/* --- intake --------------------------------------------------------------- */

static void
intake(struct cleanup *cl, struct chan *from, uint64_t slot, struct str qid,
    struct str form, int fd)
{
	struct message *m;
	uint64_t number;

	if (qid_parse(qid, &number) == -1) {
		fd_close(&fd);
		chan_drop(from, "message without a queue id");
		return;
	}
	m = xcalloc(1, sizeof(*m));
	m->cl = cl;
	m->from = from;
	m->slot = slot;
	m->fd = fd;
	(void)str_copy(qid, m->qid, sizeof(m->qid));
	edits_init(&m->edits);
	TAILQ_INIT(&m->todo);
	TAILQ_INIT(&m->open);
	TAILQ_INSERT_TAIL(&cl->messages, m, link);
	cl->nmessages++;
	if (take(m, form) == -1 || !question_run(m))
		message_finish(m);
}

static void
on_message(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct intake_message *i = rec;
	int fd = fds[0];

	fds[0] = -1;
	intake(arg, ch, id, i->qid, i->envelope, fd);
}

static void
on_large(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct intake_large *i = rec;
	char *form = NULL;
	size_t n = 0;
	int fd = fds[0];

	fds[0] = -1;
	/* What is not sealed, or too long, is as good as no envelope. */
	if (!memfd_sealed(fds[1]) ||
	    fd_slurp(fds[1], FORM_MAX, &form, &n) == -1)
		form = xstrdup("");
	intake(arg, ch, id, i->qid, str_make(form, n), fd);
	free(form);
}

const struct chan_on intake_on[] = {
	{ INTAKE_MESSAGE, on_message },
	{ INTAKE_LARGE, on_large },
	{ 0, NULL },
};
