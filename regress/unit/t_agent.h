/* SPDX-License-Identifier: ISC */
/*
 * A stage for delivery agents: everybody they talk to, played from tables.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "chan/chan.h"
#include "conf/build.h"
#include "conf/conf.h"
#include "edge/edges.h"
#include "log/log.h"
#include "queue/envelope.h"

/* What the players know: a line is { kind, key, value }. */
struct line {
	const char *kind; /* parameter, "user", "include", "file", "owner" */
	const char *key;
	const char *value; /* NULL: not now */
};

/* A message that was written to a mailbox. */
struct written {
	char who[128]; /* user, uid:gid, or directory */
	char path[256];
	char prefix[2048];
	char sender[256];
	uint8_t root, flags;
	char content[1024];
};

struct fate_seen {
	int fate;
	char dsn[16];
	char text[512];
};

struct fake_box;

struct stage {
	LIST_HEAD(, fake_box) boxes;
	struct loop *loop;
	const struct line *lines;
	struct chan *job;    /* we are qmgr */
	struct chan *broker; /* we are the broker */
	struct chan *lookup, *rewrite, *spool, *intake;
	struct written written[64];
	int nwritten;
	int fate;      /* that mailboxes answer; 0: they die instead */
	int dies;      /* so many writes are answered by death */
	int opened;    /* mailbox processes */
	int unstarted; /* the user `stuck' has one that does not start */
	int questions; /* to lookup */
	struct fate_seen fates[64];
	int nfates, done, lost;
	char log[8192];
	/* A message that came in. */
	char in_content[4096], in_env[4096];
	int in, refuse;
	uint64_t slots;
};

struct fake_box {
	LIST_ENTRY(fake_box) link;
	struct stage *s;
	struct chan *ch;
	char who[128];
};

static const char *
line_find(const struct stage *s, struct str kind, struct str key, bool *later)
{
	*later = false;
	for (const struct line *l = s->lines; l->kind != NULL; l++) {
		if (!str_eq(kind, str_of(l->kind)) ||
		    !str_caseeq(key, str_of(l->key)))
			continue;
		*later = l->value == NULL;
		return l->value;
	}
	return NULL;
}

/* Whose the file is that has this alias or list: a line "owner", or root. */
static uint32_t
line_owner(const struct stage *s, struct str key)
{
	bool later;
	const char *v = line_find(s, STR("owner"), key, &later);

	return v == NULL ? 0 : (uint32_t)atoi(v);
}

/* --- lookup --------------------------------------------------------------- */

static void
play_find(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct lookup_find *f = rec;
	struct lookup_answer a = { .status = LOOKUP_NOT_FOUND };
	struct stage *s = arg;
	const char *v;
	bool later;

	(void)fds;
	s->questions++;
	v = line_find(s, f->param, f->key, &later);
	if (later)
		a.status = LOOKUP_LATER;
	if (v != NULL) {
		a.status = LOOKUP_FOUND;
		a.value = str_of(v);
	}
	chan_answer(ch, LOOKUP_ANSWER, id, &a, NULL);
}

static void
play_user(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct lookup_user *u = rec;
	struct lookup_passwd p = { .status = LOOKUP_NOT_FOUND,
		.name = u->name };
	struct stage *s = arg;
	const char *v;
	bool later;

	(void)fds;
	s->questions++;
	v = line_find(s, STR("user"), u->name, &later);
	if (later)
		p.status = LOOKUP_LATER;
	if (v != NULL) {
		p.status = LOOKUP_FOUND;
		p.uid = p.gid = (uint32_t)atoi(v);
		p.home = str_of(strchr(v, '/'));
	}
	chan_answer(ch, LOOKUP_PASSWD, id, &p, NULL);
}

static void
play_include(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct lookup_include *q = rec;
	struct lookup_text a = { .status = LOOKUP_REFUSED };
	struct stage *s = arg;
	const char *v;
	bool later;

	(void)fds;
	v = line_find(s, STR("include"), q->path, &later);
	if (v != NULL) {
		/* In pieces of ten bytes, as if it were long. */
		a.status = LOOKUP_FOUND;
		a.text = str_sub(str_of(v), (size_t)q->offset,
		    (size_t)q->offset + 10);
		a.more = q->offset + 10 < strlen(v);
	}
	chan_answer(ch, LOOKUP_TEXT, id, &a, NULL);
}

/* --- mailboxes ------------------------------------------------------------ */

static void
fake_gone(struct chan *ch, const char *why, void *arg)
{
	struct fake_box *fb = arg;

	(void)why;
	chan_free(&ch);
	LIST_REMOVE(fb, link);
	free(fb);
}

static void
play_write(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct mailbox_write *w = rec;
	struct mailbox_written a = { .dsn = STR("2.0.0"),
		.text = STR("delivered to maildir") };
	struct fake_box *fb = arg;
	struct stage *s = fb->s;
	struct written *x = &s->written[s->nwritten];
	ssize_t n;

	if (s->dies > 0) {
		s->dies--;
		chan_drop(ch, "dies");
		return;
	}
	assert_true(s->nwritten < 64);
	s->nwritten++;
	strlcpy(x->who, fb->who, sizeof(x->who));
	str_copy(w->path, x->path, sizeof(x->path));
	str_copy(w->prefix, x->prefix, sizeof(x->prefix));
	str_copy(w->sender, x->sender, sizeof(x->sender));
	x->root = w->root;
	x->flags = w->flags;
	n = fd_pread_all(fds[0], x->content, sizeof(x->content) - 1,
	    (off_t)w->offset);
	assert_true(n >= (ssize_t)w->size);
	x->content[w->size] = '\0';
	a.fate = (uint8_t)s->fate;
	if (s->fate == FATE_DEFERRED) {
		a.dsn = STR("4.2.2");
		a.text = STR("disk full");
	}
	chan_answer(ch, MAILBOX_WRITTEN, id, &a, NULL);
}

static void
play_read(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct mailbox_read *r = rec;
	struct mailbox_text a = { .status = MAILBOX_READ_NONE };
	struct fake_box *fb = arg;
	char *key = xasprintf("%s/" STR_FMT, fb->who, STR_ARG(r->path));
	const char *v;
	bool later;

	(void)fds;
	v = line_find(fb->s, STR("file"), str_of(key), &later);
	free(key);
	if (later)
		a.status = MAILBOX_READ_LATER;
	if (v != NULL) {
		a.status = MAILBOX_READ_OK;
		a.text = str_of(v);
		if (strcmp(v, "REFUSED") == 0)
			a.status = MAILBOX_READ_REFUSED;
		if (strcmp(v, "NO HOME") == 0)
			a.status = MAILBOX_READ_NO_HOME;
	}
	chan_answer(ch, MAILBOX_TEXT, id, &a, NULL);
}

static const struct chan_on box_on[] = {
	{ MAILBOX_WRITE, play_write },
	{ MAILBOX_READ, play_read },
	{ 0, NULL },
};

static void
stage_pair(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			     sv),
	    0);
}

static void
play_mailbox(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct broker_mailbox *q = rec;
	struct broker_mailbox_open a = { .uid = q->uid };
	struct broker_refused no = { .error = EPERM, .why = STR("no user") };
	struct stage *s = arg;
	struct fake_box *fb;
	int sv[2];

	(void)fds;
	if (str_eq(q->user, STR("refused"))) {
		chan_answer(ch, BROKER_REFUSED, id, &no, NULL);
		return;
	}
	if (str_eq(q->user, STR("stuck")) && s->unstarted >= 0) {
		s->unstarted++;
		no.error = ECHILD;
		no.why = STR("it did not start");
		chan_answer(ch, BROKER_REFUSED, id, &no, NULL);
		return;
	}
	fb = xcalloc(1, sizeof(*fb));
	fb->s = s;
	if (q->user.n > 0)
		str_copy(q->user, fb->who, sizeof(fb->who));
	else if (q->dir.n > 0)
		str_copy(q->dir, fb->who, sizeof(fb->who));
	else
		snprintf(fb->who, sizeof(fb->who), "%u:%u", (unsigned)q->uid,
		    (unsigned)q->gid);
	stage_pair(sv);
	fb->ch = chan_new(s->loop, sv[1], &edge_mailbox, SIDE_B, box_on,
	    fake_gone, fb);
	LIST_INSERT_HEAD(&s->boxes, fb, link);
	s->opened++;
	chan_answer(ch, BROKER_MAILBOX_OPEN, id, &a, &sv[0]);
}

/* --- qmgr ----------------------------------------------------------------- */

static void
play_fate(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct deliver_fate *f = rec;
	struct stage *s = arg;
	struct fate_seen *x;

	(void)ch;
	(void)id;
	(void)fds;
	assert_true(f->rcpt < 64);
	x = &s->fates[f->rcpt];
	assert_int_equal(x->fate, 0); /* once each */
	x->fate = f->fate;
	str_copy(f->dsn, x->dsn, sizeof(x->dsn));
	str_copy(f->text, x->text, sizeof(x->text));
	s->nfates++;
}

static void
play_done(unsigned type, const void *rec, int *fds, void *arg)
{
	struct stage *s = arg;

	(void)rec;
	(void)fds;
	if (type == DELIVER_DONE)
		s->done++;
	else
		s->lost++;
	loop_stop(s->loop, 0);
}

/* Any command or file is vouched for, and ends well at once; it is noted. */
static char stage_ran[512];
static struct chan *stage_run;

static void
play_sign(struct chan *ch, uint64_t id, const void *rec, UNUSED int *fds,
    void *arg)
{
	const struct lookup_command *q = rec;
	struct lookup_signed a = { .status = LOOKUP_FOUND,
		.uid = 7,
		.ticket = 1,
		.text = q->text };

	if (q->kind == COMMAND_FILE)
		a.uid = line_owner(arg, q->path.n > 0 ? q->path : q->key);
	if (q->kind == COMMAND_MAPS)
		a.status = LOOKUP_NOT_FOUND;
	chan_answer(ch, LOOKUP_SIGNED, id, &a, NULL);
}

static void
play_for(struct chan *ch, uint64_t id, const void *rec, UNUSED int *fds,
    UNUSED void *arg)
{
	const struct run_for *r = rec;
	struct run_done d = { .how = RUN_EXITED };
	size_t n = strlen(stage_ran);

	/* The first of the pair, up to its NUL. */
	snprintf(stage_ran + n, sizeof(stage_ran) - n, " for %s", r->rcpts.p);
	chan_answer(ch, RUN_DONE, id, &d, NULL);
}

static const struct chan_on run_on_stage[] = { { RUN_FOR, play_for },
	{ 0, NULL } };

static void
run_gone(UNUSED struct chan *ch, UNUSED const char *why, UNUSED void *arg)
{
	chan_free(&stage_run);
}

static void
play_command(struct chan *ch, uint64_t id, const void *rec, UNUSED int *fds,
    void *arg)
{
	const struct broker_command *q = rec;
	struct stage *s = arg;
	static int out = -1; /* where the message comes out */
	int sv[2], p[2];

	snprintf(stage_ran, sizeof(stage_ran), "%u %u " STR_FMT "|" STR_FMT,
	    q->kind, q->uid, STR_ARG(q->user), STR_ARG(q->text));
	chan_free(&stage_run);
	stage_pair(sv);
	stage_run = chan_new(s->loop, sv[0], &edge_run, SIDE_B, run_on_stage,
	    run_gone, s);
	chan_answer(ch, BROKER_COMMAND_OPEN, id, NULL, &sv[1]);
	/* The launcher's part, and the process's. */
	fd_close(&out);
	assert_int_equal(pipe(p), 0);
	out = p[0];
	chan_tell(stage_run, RUN_STDIN, 0, NULL, &p[1]);
	chan_tell(stage_run, RUN_READY, 0, NULL, NULL);
}

static const struct chan_on job_on[] = { { DELIVER_FATE, play_fate },
	{ 0, NULL } };
static const struct chan_on lookup_on[] = { { LOOKUP_FIND, play_find },
	{ LOOKUP_USER, play_user }, { LOOKUP_INCLUDE, play_include },
	{ LOOKUP_COMMAND, play_sign }, { 0, NULL } };
static const struct chan_on broker_on[] = { { BROKER_MAILBOX, play_mailbox },
	{ BROKER_COMMAND, play_command }, { 0, NULL } };

/* Give the agent a job; runs until it is answered. */
static UNUSED void
stage_job(struct stage *s, const char *transport, const char *sender,
    const char *content, const char *const *to)
{
	struct deliver_job rec = { .qid = STR("ABC123"),
		.sender = str_of(sender),
		.transport = str_of(transport),
		.size = strlen(content),
		.offset = 5 };
	char *file = xasprintf("JUNK:%s", content);
	int fd = memfd_from("m", file, strlen(file));
	struct buf b;

	buf_init(&b, DELIVER_RCPTS_MAX);
	for (; *to != NULL; to++) {
		struct env_rcpt r = { .addr = str_of(*to),
			.orig = str_of(*to) };

		assert_int_equal(env_put_rcpt(&b, &r), 0);
	}
	rec.rcpts = buf_get(&b);
	memset(s->fates, 0, sizeof(s->fates));
	s->nwritten = s->nfates = s->done = 0;
	s->log[0] = '\0';
	chan_ask(s->job, DELIVER_JOB, &rec, &fd, play_done, s);
	buf_clear(&b);
	free(file);
	loop_run(s->loop);
}

/* --- the stage ------------------------------------------------------------ */

static void
stage_gone(struct chan *ch, const char *why, void *arg)
{
	struct stage *s = arg;
	struct chan **all[] = { &s->job, &s->broker, &s->lookup, &s->rewrite,
		&s->spool, &s->intake };

	(void)why;
	for (size_t i = 0; i < NELEM(all); i++)
		if (*all[i] == ch)
			chan_free(all[i]);
	loop_stop(s->loop, 0);
}

static void
to_log(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	struct stage *s = arg;
	size_t n = strlen(s->log);

	(void)level;
	(void)service;
	(void)when_us;
	snprintf(s->log + n, sizeof(s->log) - n, STR_FMT "\n", STR_ARG(text));
}

/* Our end of an edge, with these handlers; the agent's descriptor is *out. */
static UNUSED struct chan *
stage_chan(struct stage *s, const struct edge *e, enum side ours,
    const struct chan_on *on, int *out)
{
	int sv[2];

	stage_pair(sv);
	*out = sv[1];
	return chan_new(s->loop, sv[0], e, ours, on, stage_gone, s);
}

static UNUSED void
stage_init(struct stage *s, const struct line *lines)
{
	memset(s, 0, sizeof(*s));
	s->loop = loop_new();
	s->lines = lines;
	s->fate = FATE_SENT;
	log_sink(to_log, s);
}

static UNUSED void
stage_clear(struct stage *s)
{
	struct fake_box *fb;

	while ((fb = LIST_FIRST(&s->boxes)) != NULL) {
		LIST_REMOVE(fb, link);
		chan_free(&fb->ch);
		free(fb);
	}
	chan_free(&stage_run);
	chan_free(&s->job);
	chan_free(&s->broker);
	chan_free(&s->lookup);
	chan_free(&s->rewrite);
	chan_free(&s->spool);
	chan_free(&s->intake);
	loop_free(&s->loop);
	log_sink(NULL, NULL);
}

/* A configuration with these lines of main.cf. */
static UNUSED struct conf *
stage_conf(const char *main_cf)
{
	struct build b;
	struct buf out;
	struct conf *c = NULL;

	build_parse(&b, "/nowhere", str_of(main_cf),
	    STR("local unix - n n - - local\n"
		"virtual unix - n n - - virtual\n"));
	buf_init(&out, BUILD_MAX);
	if (build_snapshot(&b, NULL, 1, &out) == 0)
		c = conf_from(buf_get(&out).p, buf_get(&out).n);
	buf_clear(&out);
	build_clear(&b);
	assert_non_null(c);
	return c;
}
