/* SPDX-License-Identifier: ISC */
/*
 * Messages through cleanup: what is changed in them, what is refused, and
 * what happens when peers go away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "daemons/cleanup/cleanup.h"
#include "intake_peers.h"
#include "log/log.h"
#include "mail/date.h"

#define QID "4jWsk80sf8zX6"
#define WHEN 1795266000000000 /* Sat, 21 Nov 2026 13:00:00 +0000 */

struct rig {
	struct loop *loop;
	struct conf *conf;
	struct cleanup cl;
	struct chan *submit, *intake;	/* submitter's end, cleanup's */
	struct chan *commit, *queue;	/* cleanup's end, qmgr's */
	struct chan *ask, *rewrite;
	struct chan *find, *lookup;
	/* what came of it */
	char *content;
	struct buf rcpts;
	struct buf form;
	struct envelope env; /* into form */
	int code;
	char text[256];
	uint64_t slot;
	int done;
	bool deaf; /* rewrite does not answer */
};

static char said[4096];

static void
log_keep(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	(void)level, (void)service, (void)when_us, (void)arg;
	snprintf(said + strlen(said), sizeof(said) - strlen(said),
	    STR_FMT "\n", STR_ARG(text));
}

static void
taken(struct rig *r, struct str form, int fd)
{
	struct env_reader er;

	assert_int_equal(memfd_sealed(fd), 1);
	buf_reset(&r->form);
	buf_str(&r->form, form);
	env_open(&er, buf_get(&r->form));
	assert_int_equal(env_check(&er, (uint64_t)lseek(fd, 0, SEEK_END),
	    &r->env, NULL), 0);
	r->content = peers_edited(fd, form);
	peers_rcpts(form, &r->rcpts);
	(void)buf_cstr(&r->rcpts);
	r->done++;
	loop_stop(r->loop, 0);
}

static void
on_commit(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct commit_message *c = rec;
	struct rig *r = arg;

	(void)ch;
	r->slot = id;
	assert_true(str_eq(c->qid, STR(QID)));
	taken(r, c->envelope, fds[0]);
}

static void
on_commit_large(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	struct rig *r = arg;
	char *form;
	size_t n;

	(void)ch;
	(void)rec;
	r->slot = id;
	assert_int_equal(memfd_sealed(fds[1]), 1);
	assert_int_equal(fd_slurp(fds[1], 1 << 24, &form, &n), 0);
	taken(r, str_make(form, n), fds[0]);
	free(form);
}

static void
on_refused(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct intake_refused *f = rec;
	struct rig *r = arg;

	(void)ch;
	(void)fds;
	r->slot = id;
	r->code = f->code;
	snprintf(r->text, sizeof(r->text), STR_FMT " " STR_FMT,
	    STR_ARG(f->dsn), STR_ARG(f->text));
	r->done++;
	loop_stop(r->loop, 0);
}

static void
on_ask(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct rig *r = arg;

	if (r->deaf)
		loop_stop(r->loop, 0);
	else
		peers_resolve(ch, id, rec, fds, arg);
}

/* A table of virtual_alias_maps, and how it is looked into. */
static const struct {
	const char *key, *found, *value;
	bool ext_used;
} aliases[] = {
	{ "one@v.test", "one@v.test", "real@far.test", true },
	{ "list@v.test", "list@v.test", "a@far.test, "
	    "Bob <b@far.test>\n\tone@v.test",
	    true },
	{ "self@v.test", "self@v.test", "self@v.test, copy@far.test", true },
	{ "ring1@v.test", "ring1@v.test", "ring2@v.test", true },
	{ "ring2@v.test", "ring2@v.test", "ring1@v.test", true },
	{ "joe+x@v.test", "joe@v.test", "joseph@far.test", false },
	{ "al+y@v.test", "al+y@v.test", "alfred@far.test", true },
	{ "any+z@w.test", "@w.test", "@far.test", false },
	{ "root@origin.test", "root", "admin", true },
	{ "none@v.test", "none@v.test", "", true },
	{ "bad@v.test", "bad@v.test", "<@>", true },
	{ "half@v.test", "half@v.test", "bad!, good@far.test", true },
	{ "typo@v.test", "typo@v.test", "bad!", true },
	{ "far@v.test", "far@v.test",
	    "a1@f.t a2@f.t a3@f.t a4@f.t a5@f.t a6@f.t", true },
};

/* Tables of copies. */
static const struct {
	const char *param, *key, *value;
} copies[] = {
	{ "sender_bcc_maps", "a@b.c", "sent@far.test" },
	{ "sender_bcc_maps", "joe@origin.test", "sent" },
	{ "recipient_bcc_maps", "x@y.z", "got@far.test" },
	{ "recipient_bcc_maps", "list@v.test", "one@v.test" },
	{ "recipient_bcc_maps", "got@far.test", "never@far.test" },
};

static void
answer_copy(struct chan *ch, uint64_t id, const struct lookup_find *f)
{
	struct lookup_answer a = { .status = LOOKUP_NOT_FOUND };

	if (str_eq(f->key, STR("wait@v.test")))
		a.status = LOOKUP_LATER;
	for (size_t i = 0; i < NELEM(copies); i++)
		if (str_eq(f->param, str_of(copies[i].param)) &&
		    str_eq(f->key, str_of(copies[i].key))) {
			a.status = LOOKUP_FOUND;
			a.value = str_of(copies[i].value);
		}
	chan_answer(ch, LOOKUP_ANSWER, id, &a, NULL);
}

static void
on_find(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct lookup_find *f = rec;
	struct lookup_answer a = { .status = LOOKUP_NOT_FOUND };

	(void)fds, (void)arg;
	assert_int_equal(f->how, FIND_ADDRESS);
	if (!str_eq(f->param, STR("virtual_alias_maps"))) {
		answer_copy(ch, id, f);
		return;
	}
	if (str_eq(f->key, STR("wait@v.test")))
		a.status = LOOKUP_LATER;
	for (size_t i = 0; i < NELEM(aliases); i++) {
		if (!str_eq(f->key, str_of(aliases[i].key)) ||
		    (str_chr(str_of(aliases[i].found), '@') == -1 &&
			(f->flags & FIND_BARE_USER) == 0))
			continue;
		a.status = LOOKUP_FOUND;
		a.key = str_of(aliases[i].found);
		a.value = str_of(aliases[i].value);
		a.flags = aliases[i].ext_used ? FIND_EXT_USED : 0;
	}
	chan_answer(ch, LOOKUP_ANSWER, id, &a, NULL);
}

static const struct chan_on lookup_on[] = { { LOOKUP_FIND, on_find },
	{ 0, NULL } };
static const struct chan_on submit_on[] = { { INTAKE_REFUSED, on_refused },
	{ 0, NULL } };
static const struct chan_on queue_on[] = { { COMMIT_MESSAGE, on_commit },
	{ COMMIT_LARGE, on_commit_large }, { 0, NULL } };
static const struct chan_on rewrite_on[] = { { RESOLVE_ASK, on_ask },
	{ 0, NULL } };
static const struct chan_on nothing[] = { { 0, NULL } };

static void
up(struct rig *r, const char *main_cf)
{
	char *text = xasprintf("myhostname = mx.test\nmyorigin = origin.test\n"
	    "mail_name = Postern\n%s", main_cf);

	memset(r, 0, sizeof(*r));
	said[0] = '\0';
	buf_init(&r->rcpts, 1 << 24);
	buf_init(&r->form, 1 << 24);
	r->loop = loop_new();
	r->conf = peers_conf(text);
	free(text);
	cleanup_init(&r->cl, r->conf);
	r->cl.loop = r->loop;
	peers_pair(r->loop, &edge_intake, &r->submit, submit_on, r,
	    &r->intake, intake_on, &r->cl);
	peers_pair(r->loop, &edge_commit, &r->commit, nothing, NULL,
	    &r->queue, queue_on, r);
	peers_pair(r->loop, &edge_resolve, &r->ask, nothing, NULL,
	    &r->rewrite, rewrite_on, r);
	r->cl.qmgr = r->commit;
	r->cl.rewrite = r->ask;
	peers_pair(r->loop, &edge_lookup, &r->find, nothing, NULL, &r->lookup,
	    lookup_on, r);
	r->cl.lookup = r->find;
}

static void
down(struct rig *r)
{
	cleanup_clear(&r->cl);
	chan_free(&r->submit);
	chan_free(&r->intake);
	chan_free(&r->commit);
	chan_free(&r->queue);
	chan_free(&r->ask);
	chan_free(&r->rewrite);
	chan_free(&r->find);
	chan_free(&r->lookup);
	conf_free(&r->conf);
	loop_free(&r->loop);
	free(r->content);
	buf_clear(&r->rcpts);
	buf_clear(&r->form);
}

/* rcpts: words; "a@b>t" has the route t, "a@b" none. */
static void
make_form(struct buf *b, const struct envelope *e, const char *rcpts)
{
	struct str list = str_of(rcpts), word;
	uint32_t n = 0;

	assert_int_equal(env_put_head(b, e), 0);
	while (str_token(&list, " ", &word)) {
		struct env_rcpt r = { .addr = word };
		ptrdiff_t at = str_chr(word, '>');

		if (at != -1) {
			r.addr = str_sub(word, 0, (size_t)at);
			r.transport = str_sub(word, (size_t)at + 1, word.n);
			r.orig = r.addr;
		}
		assert_int_equal(env_put_rcpt(b, &r), 0);
		n++;
	}
	assert_int_equal(env_put_end(b, 0, n), 0);
}

static void
post(struct rig *r, const struct envelope *e, const char *rcpts,
    struct str content)
{
	struct intake_message i = { .qid = STR(QID) };
	struct buf form;
	int fds[2] = { peers_memfd(content.p, content.n), -1 };

	buf_init(&form, 1 << 24);
	make_form(&form, e, rcpts);
	if (form.len <= ENVELOPE_INLINE_MAX) {
		i.envelope = buf_get(&form);
		chan_tell(r->submit, INTAKE_MESSAGE, 42, &i, fds);
	} else {
		struct intake_large l = { .qid = STR(QID) };

		fds[1] = memfd_from("env", buf_get(&form).p, form.len);
		chan_tell(r->submit, INTAKE_LARGE, 42, &l, fds);
	}
	buf_clear(&form);
}

static struct envelope
from(enum env_origin origin, const char *sender)
{
	struct envelope e = { .origin = origin, .arrival_us = WHEN,
		.sender = str_of(sender) };

	if (origin == ENV_FROM_PICKUP)
		e.attr[ENV_A_UID] = STR("1000");
	return e;
}

/* --- what is changed ------------------------------------------------------ */

#define RCVD "Received: by mx.test (Postern, from userid 1000)\n" \
	"\tid " QID "; Sat, 21 Nov 2026 13:00:00 +0000 (UTC)\n"
#define MSGID "Message-Id: <20261121130000." QID "@mx.test>\n"
#define DATE "Date: Sat, 21 Nov 2026 13:00:00 +0000 (UTC)\n"

static const struct {
	const char *why;
	const char *main_cf;
	enum env_origin origin;
	const char *context, *sender, *fullname, *rcpts;
	const char *in, *out;
	const char *want_sender, *want_rcpts;
} good[] = {
	{ "remote mail is left alone", "", ENV_FROM_SMTPD, "remote", "a@b.c",
	    NULL, "x@y.z>smtp", "Subject: s\nFrom: joe\n\nbody\n",
	    "Subject: s\nFrom: joe\n\nbody\n", "a@b.c", "x@y.z(x@y.z)>smtp" },
	{ "remote mail may be completed", "always_add_missing_headers = yes\n",
	    ENV_FROM_SMTPD, "remote", "a@b.c", NULL, "x@y.z>smtp",
	    "Subject: s\nFrom: joe\n\nbody\n",
	    "Subject: s\nFrom: joe\n" MSGID DATE "\nbody\n", "a@b.c",
	    "x@y.z(x@y.z)>smtp" },
	{ "mail of our own networks is completed", "", ENV_FROM_SMTPD,
	    "local", "a@b.c", NULL, "x@y.z>smtp",
	    "Received: x\nFrom: joe\nTo: x@y.z, Al <al@host>\n\nbody\n",
	    "Received: x\nFrom: joe@origin.test\n"
	    "To: x@y.z, Al <al@host>\n" MSGID DATE "\nbody\n",
	    "a@b.c", "x@y.z(x@y.z)>smtp" },
	{ "a domain without a dot", "append_dot_mydomain = yes\n",
	    ENV_FROM_SMTPD, "local", "a@b", NULL, "x@y.z>smtp",
	    "Date: d\nMessage-Id: <1@b>\nFrom: a@b\nTo: \"A B\" <al@host>,\n"
	    " bob\n\nbody\n",
	    "Date: d\nMessage-Id: <1@b>\nFrom: a@b.test\n"
	    "To: \"A B\" <al@host.test>,\n bob@origin.test\n\nbody\n",
	    "a@b.test", "x@y.z(x@y.z)>smtp" },
	{ "copies", "always_bcc = all\nsender_bcc_maps = inline:{a=b}\n"
	    "recipient_bcc_maps = inline:{a=b}\n",
	    ENV_FROM_SMTPD, "remote", "a@b.c",
	    NULL, "x@y.z>smtp k@y.z>smtp", "Subject: s\n\nbody\n",
	    "Subject: s\n\nbody\n", "a@b.c", "x@y.z(x@y.z)>smtp "
	    "k@y.z(k@y.z)>smtp all@origin.test(all)>smtp "
	    "sent@far.test(sent@far.test)>smtp "
	    "got@far.test(got@far.test)>smtp" },
	{ "a copy of mail to an alias, to an alias",
	    "virtual_alias_maps = inline:{a=b}\n"
	    "recipient_bcc_maps = inline:{a=b}\n",
	    ENV_FROM_SMTPD, "remote", "a@b.c", NULL, "list@v.test>virtual",
	    "Subject: s\n\nbody\n", "Subject: s\n\nbody\n", "a@b.c",
	    "a@far.test(list@v.test)>smtp b@far.test(list@v.test)>smtp "
	    "real@far.test(one@v.test)>smtp real@far.test(list@v.test)>smtp" },
	{ "of what a local user posts", "sender_bcc_maps = inline:{a=b}\n",
	    ENV_FROM_PICKUP, NULL, "joe", NULL, "bob", "From: f\n\nhi\n",
	    RCVD "From: f@origin.test\n" MSGID DATE "\nhi\n",
	    "joe@origin.test",
	    "bob@origin.test(bob)>smtp sent@origin.test(sent)>smtp" },
	{ "none of what was forwarded", "always_bcc = all\n"
	    "sender_bcc_maps = inline:{a=b}\n"
	    "recipient_bcc_maps = inline:{a=b}\n",
	    ENV_FROM_FORWARD, NULL, "a@b.c", NULL, "x@y.z>smtp",
	    "Received: x\nMessage-Id: <1>\nDate: d\nFrom: f@b.c\n\nhi\n",
	    "Received: by mx.test (Postern)\n\tid " QID
	    "; Sat, 21 Nov 2026 13:00:00 +0000 (UTC)\n"
	    "Received: x\nMessage-Id: <1>\nDate: d\nFrom: f@b.c\n\nhi\n",
	    "a@b.c", "x@y.z(x@y.z)>smtp" },
	{ "a local user's", "", ENV_FROM_PICKUP, NULL, "joe", "Joe User",
	    "bob", "Subject: x\n\nhi\n",
	    RCVD "Subject: x\n" MSGID DATE "From: Joe User "
	    "<joe@origin.test>\n\nhi\n", "joe@origin.test",
	    "bob@origin.test(bob)>smtp" },
	{ "no header at all", "", ENV_FROM_PICKUP, NULL, "joe", NULL, "bob",
	    "hi there\n", RCVD MSGID DATE "From: joe@origin.test\n\nhi there\n",
	    "joe@origin.test", "bob@origin.test(bob)>smtp" },
	{ "an empty message", "", ENV_FROM_PICKUP, NULL, "joe", NULL, "bob",
	    "", RCVD MSGID DATE "From: joe@origin.test\n", "joe@origin.test",
	    "bob@origin.test(bob)>smtp" },
	{ "a name to be quoted", "", ENV_FROM_PICKUP, NULL, "joe@x.y",
	    "Joe \"J.\" (User)", "bob@x.y", "\nhi\n",
	    RCVD MSGID DATE "From: \"Joe \\\"J.\\\" (User)\" <joe@x.y>\n"
	    "\nhi\n", "joe@x.y", "bob@x.y(bob@x.y)>smtp" },
	{ "a name that is not ASCII", "", ENV_FROM_PICKUP, NULL, "joe@x.y",
	    "J\xc3\xb6", "bob@x.y", "\nhi\n",
	    RCVD MSGID DATE "From: =?utf-8?Q?J=C3=B6?= <joe@x.y>\n\nhi\n",
	    "joe@x.y", "bob@x.y(bob@x.y)>smtp" },
	{ "a name in the old form", "header_from_format = obsolete\n",
	    ENV_FROM_PICKUP, NULL, "joe@x.y", "Joe (U)", "bob@x.y", "\nhi\n",
	    RCVD MSGID DATE "From: joe@x.y (Joe \\(U\\))\n\nhi\n", "joe@x.y",
	    "bob@x.y(bob@x.y)>smtp" },
	{ "the null sender's", "", ENV_FROM_PICKUP, NULL, "", NULL, "bob@x.y",
	    "\nhi\n", RCVD MSGID DATE "From: MAILER-DAEMON@origin.test\n"
	    "\nhi\n", "", "bob@x.y(bob@x.y)>smtp" },
	{ "headers that are dropped", "", ENV_FROM_SMTPD, "remote", "a@b.c",
	    NULL, "x@y.z>smtp",
	    "Bcc: a,\n b\nReturn-Path: <x>\nSubject: s\nContent-Length: 3\n"
	    "resent-bcc: q\nMessage-Id: <1@b>\n\nBcc: x\n",
	    "Subject: s\nMessage-Id: <1@b>\n\nBcc: x\n", "a@b.c",
	    "x@y.z(x@y.z)>smtp" },
	{ "headers named in the configuration",
	    "message_drop_headers = x-junk\n", ENV_FROM_SMTPD, "remote",
	    "a@b.c", NULL, "x@y.z>smtp", "Bcc: a\nX-JUNK: 1\n\n", "Bcc: a\n\n",
	    "a@b.c", "x@y.z(x@y.z)>smtp" },
	{ "resent headers", "", ENV_FROM_PICKUP, NULL, "joe@x.y", NULL,
	    "bob@x.y", "Resent-To: bob@x.y\nFrom: al@x.y\n\nhi\n",
	    RCVD "Resent-To: bob@x.y\nFrom: al@x.y\nResent-" MSGID
	    "Resent-" DATE "Resent-From: joe@x.y\n\nhi\n", "joe@x.y",
	    "bob@x.y(bob@x.y)>smtp" },
	{ "nobody named in the header",
	    "undisclosed_recipients_header = To: somebody:;\n",
	    ENV_FROM_PICKUP, NULL, "joe@x.y", NULL, "bob@x.y",
	    "From: al@x.y\nDate: d\nMessage-Id: <1@x>\n\nhi\n",
	    RCVD "From: al@x.y\nDate: d\nMessage-Id: <1@x>\n"
	    "To: somebody:;\n\nhi\n", "joe@x.y", "bob@x.y(bob@x.y)>smtp" },
	{ "a body that begins too early", "", ENV_FROM_SMTPD, "remote",
	    "a@b.c", NULL, "x@y.z>smtp", "Received: x\nhi there\n: y\n",
	    "Received: x\n\nhi there\n: y\n", "a@b.c", "x@y.z(x@y.z)>smtp" },
	{ "a line of a mailbox file", "", ENV_FROM_SMTPD, "remote", "a@b.c",
	    NULL, "x@y.z>smtp", "From joe Sat\nSubject: x\n\nhi\n",
	    "Subject: x\n\nhi\n", "a@b.c", "x@y.z(x@y.z)>smtp" },
	{ "a last header without an end", "", ENV_FROM_PICKUP, NULL,
	    "joe@x.y", NULL, "bob@x.y", "Date: d\nFrom: al@x.y",
	    RCVD "Date: d\nFrom: al@x.y\n" MSGID, "joe@x.y",
	    "bob@x.y(bob@x.y)>smtp" },
	{ "recipients once each", "", ENV_FROM_SMTPD, "remote", "a@b.c", NULL,
	    "x@y.z>smtp X@Y.z>smtp q@y.z>smtp x@y.z>smtp", "Date: d\n\n",
	    "Date: d\n\n", "a@b.c", "x@y.z(x@y.z)>smtp q@y.z(q@y.z)>smtp" },
	{ "one that two addresses stand for is kept for both", "",
	    ENV_FROM_PICKUP, NULL, "a@b.c", NULL, "bob bob@origin.test bob",
	    "Date: d\nFrom: a@b.c\nMessage-Id: <1@b>\n\n",
	    RCVD "Date: d\nFrom: a@b.c\nMessage-Id: <1@b>\n\n", "a@b.c",
	    "bob@origin.test(bob)>smtp "
	    "bob@origin.test(bob@origin.test)>smtp" },
	{ "or not", "enable_original_recipient = no\n", ENV_FROM_PICKUP,
	    NULL, "a@b.c", NULL, "bob bob@origin.test bob",
	    "Date: d\nFrom: a@b.c\nMessage-Id: <1@b>\n\n",
	    RCVD "Date: d\nFrom: a@b.c\nMessage-Id: <1@b>\n\n", "a@b.c",
	    "bob@origin.test()>smtp" },
	{ "a table that cannot be read: qmgr asks again", "", ENV_FROM_PICKUP,
	    NULL, "a@b.c", NULL, "later",
	    "Date: d\nFrom: a@b.c\nMessage-Id: <1@b>\n\n",
	    RCVD "Date: d\nFrom: a@b.c\nMessage-Id: <1@b>\n\n", "a@b.c",
	    "later(later)>" },
	{ "our own notices", "", ENV_FROM_BOUNCE, NULL, "", NULL, "x@y.z",
	    "Date: d\nFrom: a@b.c\nMessage-Id: <1@b>\n\n",
	    "Received: by mx.test (Postern)\n\tid " QID
	    "; Sat, 21 Nov 2026 13:00:00 +0000 (UTC)\n"
	    "Date: d\nFrom: a@b.c\nMessage-Id: <1@b>\n\n", "",
	    "x@y.z(x@y.z)>smtp" },
};

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(good); i++) {
		struct envelope e = from(good[i].origin, good[i].sender);
		struct rig r;

		up(&r, good[i].main_cf);
		e.attr[ENV_A_CONTEXT] = str_of(good[i].context);
		e.attr[ENV_A_FULLNAME] = str_of(good[i].fullname);
		post(&r, &e, good[i].rcpts, str_of(good[i].in));
		loop_run(r.loop);
		if (r.code != 0)
			fail_msg("%s: %s", good[i].why, r.text);
		if (strcmp(r.content, good[i].out) != 0)
			fail_msg("%s: got\n%s", good[i].why, r.content);
		if (!str_eq(r.env.sender, str_of(good[i].want_sender)))
			fail_msg("%s: sender " STR_FMT, good[i].why,
			    STR_ARG(r.env.sender));
		if (!str_eq(buf_get(&r.rcpts), str_of(good[i].want_rcpts)))
			fail_msg("%s: rcpts %s", good[i].why,
			    buf_cstr(&r.rcpts));
		assert_true(r.slot == 42);
		down(&r);
	}
}

/* --- what is refused ------------------------------------------------------ */

static const struct {
	const char *why, *main_cf;
	enum env_origin origin;
	const char *sender, *rcpts, *in;
	int code;
	const char *dsn;
} bad[] = {
	{ "nobody", "", ENV_FROM_PICKUP, "a@b.c", "", "x\n", 550, "5.1.3" },
	{ "no address", "", ENV_FROM_PICKUP, "a@b.c", "x@y.z @", "x\n", 501,
	    "5.1.3" },
	{ "rewrite finds it bad", "", ENV_FROM_PICKUP, "a@b.c", "bad!", "x\n",
	    501, "5.1.3" },
	{ "no sender's address", "", ENV_FROM_PICKUP, "@b.c", "x@y.z", "x\n",
	    501, "5.1.7" },
	{ "a loop", "hopcount_limit = 3\n", ENV_FROM_SMTPD, "a@b.c",
	    "x@y.z>smtp", "Received: 1\nreceived: 2\n 2\nReceived: 3\n\n",
	    554, "5.4.0" },
	{ "too long", "message_size_limit = 10\n", ENV_FROM_SMTPD, "a@b.c",
	    "x@y.z>smtp", "12345678901", 552, "5.3.4" },
};

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct envelope e = from(bad[i].origin, bad[i].sender);
		struct rig r;

		up(&r, bad[i].main_cf);
		post(&r, &e, bad[i].rcpts, str_of(bad[i].in));
		loop_run(r.loop);
		if (r.code != bad[i].code ||
		    strncmp(r.text, bad[i].dsn, 5) != 0)
			fail_msg("%s: %d %s", bad[i].why, r.code, r.text);
		assert_true(TAILQ_EMPTY(&r.cl.messages));
		down(&r);
	}
}

/* What else a submitter may say of a recipient goes to other servers. */
static void
test_bad_original(void **state)
{
	static const struct {
		const char *orig, *orcpt;
		int code;
	} c[] = {
		{ "x@y.z", "rfc822;x@y.z", 0 },
		{ "", "utf-8;x@y.z", 0 },
		{ "x", "", 0 },
		{ "x@y.z\nBcc: q", "", 501 },
		{ "x@y.z", "rfc822\r\nRSET\r\n;x", 501 },
		{ "x@y.z", "rfc822;x\ny", 501 },
		{ "x@y.z", "rfc 822;x", 501 },
		{ "x@y.z", ";x", 501 },
		{ "x@y.z", "rfc822;", 501 },
		{ "x@y.z", "x@y.z", 501 },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(c); i++) {
		struct envelope e = from(ENV_FROM_SMTPD, "a@b.c");
		struct intake_message m = { .qid = STR(QID) };
		struct env_rcpt rc = { .addr = STR("x@y.z"),
			.orig = str_of(c[i].orig),
			.orcpt = str_of(c[i].orcpt),
			.transport = STR("smtp") };
		int fd = peers_memfd("x\n", 2);
		struct buf form;
		struct rig r;

		up(&r, "");
		buf_init(&form, 4096);
		assert_int_equal(env_put_head(&form, &e), 0);
		assert_int_equal(env_put_rcpt(&form, &rc), 0);
		assert_int_equal(env_put_end(&form, 0, 1), 0);
		m.envelope = buf_get(&form);
		chan_tell(r.submit, INTAKE_MESSAGE, 42, &m, &fd);
		buf_clear(&form);
		loop_run(r.loop);
		if (r.code != c[i].code)
			fail_msg("%s %s: %d", c[i].orig, c[i].orcpt, r.code);
		down(&r);
	}
}

/* REDIRECT of an access table: one recipient, and no copies. */
static void
test_redirect(void **state)
{
	struct envelope e = from(ENV_FROM_SMTPD, "a@b.c");
	struct rig r;

	(void)state;
	e.attr[ENV_A_REDIRECT] = STR("dora@origin.test");
	up(&r,
	    "always_bcc = all\nsender_bcc_maps = inline:{a=b}\n"
	    "recipient_bcc_maps = inline:{a=b}\n");
	post(&r, &e, "x@y.z>smtp k@y.z>smtp", STR("Subject: s\n\n"));
	loop_run(r.loop);
	assert_int_equal(r.code, 0);
	assert_string_equal(buf_cstr(&r.rcpts), "dora@origin.test(x@y.z)>smtp");
	down(&r);
	e.attr[ENV_A_REDIRECT] = STR("no\naddress");
	up(&r, "");
	post(&r, &e, "x@y.z>smtp", STR("Subject: s\n\n"));
	loop_run(r.loop);
	assert_int_equal(r.code, 451);
	down(&r);
	/* The same where only rewrite sees it: the client keeps the mail. */
	e.attr[ENV_A_REDIRECT] = STR("bad!");
	up(&r, "");
	post(&r, &e, "x@y.z>smtp", STR("Subject: s\n\n"));
	loop_run(r.loop);
	assert_int_equal(r.code, 451);
	down(&r);
}

/* Two loops of one Received less than the limit pass. */
static void
test_hops(void **state)
{
	struct envelope e = from(ENV_FROM_SMTPD, "a@b.c");
	struct rig r;

	(void)state;
	up(&r, "hopcount_limit = 3\n");
	post(&r, &e, "x@y.z>smtp", STR("Received: 1\nReceived: 2\n\n"));
	loop_run(r.loop);
	assert_int_equal(r.code, 0);
	down(&r);
}

/* --- aliases -------------------------------------------------------------- */

#define MAPS "virtual_alias_maps = inline:{a=b}\nrecipient_delimiter = +\n"

static const struct {
	const char *why, *main_cf, *rcpts;
	int code;
	const char *want; /* address(original) ... */
} expansions[] = {
	{ "no alias", MAPS, "x@y.z>smtp", 0, "x@y.z(x@y.z)>smtp" },
	{ "no tables", "", "one@v.test>error", 0,
	    "one@v.test(one@v.test)>error" },
	{ "one for another", MAPS, "one@v.test>error", 0,
	    "real@far.test(one@v.test)>smtp" },
	{ "one that is not yet resolved", MAPS, "one@v.test", 0,
	    "real@far.test(one@v.test)>smtp" },
	{ "several, and again", MAPS, "list@v.test>error", 0,
	    "a@far.test(list@v.test)>smtp b@far.test(list@v.test)>smtp "
	    "real@far.test(list@v.test)>smtp" },
	{ "itself and another", MAPS, "self@v.test>virtual", 0,
	    "self@v.test(self@v.test)>smtp copy@far.test(self@v.test)>smtp" },
	{ "in a circle", MAPS, "ring1@v.test>error", 0,
	    "ring1@v.test(ring1@v.test)>smtp" },
	{ "an extension goes along", MAPS, "joe+x@v.test>error", 0,
	    "joseph+x@far.test(joe+x@v.test)>smtp" },
	{ "or not", MAPS "propagate_unmatched_extensions = canonical\n",
	    "joe+x@v.test>error", 0, "joseph@far.test(joe+x@v.test)>smtp" },
	{ "one that was used does not", MAPS, "al+y@v.test>error", 0,
	    "alfred@far.test(al+y@v.test)>smtp" },
	{ "a whole domain", MAPS, "any+z@w.test>error", 0,
	    "any+z@far.test(any+z@w.test)>smtp" },
	{ "a bare name", MAPS, "root", 0, "admin@origin.test(root)>smtp" },
	{ "nothing", MAPS, "none@v.test>error", 451, NULL },
	{ "no address", MAPS, "bad@v.test>error", 451, NULL },
	{ "one of them is bad", MAPS, "half@v.test>error x@y.z>smtp", 0,
	    "x@y.z(x@y.z)>smtp bad!(half@v.test)> "
	    "good@far.test(half@v.test)>smtp" },
	{ "all of them are bad", MAPS, "typo@v.test>error", 0,
	    "bad!(typo@v.test)>" },
	{ "a bad copy", "always_bcc = bad!\n", "x@y.z>smtp", 0,
	    "x@y.z(x@y.z)>smtp" },
	{ "no table now", MAPS, "wait@v.test>error", 451, NULL },
	{ "no rewrite now", MAPS, "later", 451, NULL },
	{ "too many", MAPS "virtual_alias_expansion_limit = 5\n",
	    "far@v.test>error", 451, NULL },
	{ "not too many", MAPS "virtual_alias_expansion_limit = 6\n",
	    "far@v.test>error", 0, "a1@f.t(far@v.test)>smtp "
	    "a2@f.t(far@v.test)>smtp a3@f.t(far@v.test)>smtp "
	    "a4@f.t(far@v.test)>smtp a5@f.t(far@v.test)>smtp "
	    "a6@f.t(far@v.test)>smtp" },
	{ "too deep", MAPS "virtual_alias_recursion_limit = 1\n",
	    "list@v.test>error", 451, NULL },
	{ "too long", MAPS "virtual_alias_address_length_limit = 8\n",
	    "one@v.test>error", 451, NULL },
};

static void
test_aliases(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(expansions); i++) {
		struct envelope e = from(ENV_FROM_SMTPD, "a@b.c");
		struct rig r;

		up(&r, expansions[i].main_cf);
		post(&r, &e, expansions[i].rcpts, STR("\nhi\n"));
		loop_run(r.loop);
		if (r.code != expansions[i].code)
			fail_msg("%s: %d %s", expansions[i].why, r.code,
			    r.text);
		if (r.code == 0 && !str_eq(buf_get(&r.rcpts),
		    str_of(expansions[i].want)))
			fail_msg("%s: %s", expansions[i].why,
			    buf_cstr(&r.rcpts));
		if (r.code == 0 && strstr(expansions[i].why, "bad") != NULL)
			assert_non_null(strstr(said, "bad!"));
		assert_true(TAILQ_EMPTY(&r.cl.messages));
		down(&r);
	}
}

/* lookup is not there. */
static void
test_no_lookup(void **state)
{
	struct envelope e = from(ENV_FROM_SMTPD, "a@b.c");
	struct rig r;

	(void)state;
	up(&r, MAPS);
	r.cl.lookup = NULL;
	post(&r, &e, "x@y.z>smtp", STR("\nhi\n"));
	loop_run(r.loop);
	assert_int_equal(r.code, 451);
	down(&r);
}

/* --- sizes ---------------------------------------------------------------- */

/* Headers larger than any window, and one longer than header_size_limit. */
static void
test_long_header(void **state)
{
	struct envelope e = from(ENV_FROM_SMTPD, "a@b.c");
	struct buf in, out;
	struct rig r;

	(void)state;
	buf_init(&in, 1 << 24);
	buf_init(&out, 1 << 24);
	for (int i = 0; i < 5000; i++)
		buf_printf(&in, "X-Long-%d: some text that fills\n up\n", i);
	buf_str(&out, buf_get(&in));
	buf_puts(&in, "X-Cut: ");
	buf_puts(&out, "X-Cut: ");
	for (int i = 0; i < 200000; i++) {
		buf_putc(&in, 'x');
		if (i < 1024 - 7)
			buf_putc(&out, 'x');
	}
	buf_puts(&in, "\nBcc: x\nMessage-Id: <1@b>\n\nbody\n");
	buf_puts(&out, "\nMessage-Id: <1@b>\n\nbody\n");
	up(&r, "header_size_limit = 1024\n");
	post(&r, &e, "x@y.z>smtp", buf_get(&in));
	loop_run(r.loop);
	assert_int_equal(r.code, 0);
	assert_string_equal(r.content, buf_cstr(&out));
	assert_string_equal(said, QID ": message-id=<1@b>\n");
	down(&r);
	buf_clear(&in);
	buf_clear(&out);
}

/* Edits that no agent could be given are refused. */
static void
test_many_edits(void **state)
{
	struct envelope e = from(ENV_FROM_SMTPD, "a@b.c");
	struct buf in;
	struct rig r;

	(void)state;
	buf_init(&in, 1 << 24);
	for (int i = 0; i < 2000; i++)
		buf_puts(&in, "Bcc: x\n");
	up(&r, "");
	post(&r, &e, "x@y.z>smtp", buf_get(&in));
	loop_run(r.loop);
	assert_int_equal(r.code, 552);
	down(&r);
	buf_clear(&in);
}

/*
 * More recipients than fit in a record, all to be asked for, and more than
 * duplicate_filter_limit remembers.
 */
static void
many_rcpts(const char *main_cf, size_t want)
{
	struct envelope e = from(ENV_FROM_PICKUP, "joe");
	struct buf list;
	struct rig r;
	size_t n = 0;

	buf_init(&list, 1 << 24);
	for (int i = 0; i < 3000; i++)
		buf_printf(&list, "user%d user%d ", i, i);
	up(&r, main_cf);
	post(&r, &e, buf_cstr(&list), STR("\nhi\n"));
	loop_run(r.loop);
	assert_int_equal(r.code, 0);
	for (size_t i = 0; i < r.rcpts.len; i++)
		n += buf_get(&r.rcpts).p[i] == '>';
	assert_int_equal(n, want);
	down(&r);
	buf_clear(&list);
}

static void
test_many_rcpts(void **state)
{
	(void)state;
	many_rcpts("", 1000 + 2 * 2000);
	many_rcpts("duplicate_filter_limit = 0\n", 3000);
}

/* --- peers ---------------------------------------------------------------- */

static void
test_no_qmgr(void **state)
{
	struct envelope e = from(ENV_FROM_SMTPD, "a@b.c");
	struct rig r;

	(void)state;
	up(&r, "");
	r.cl.qmgr = NULL;
	post(&r, &e, "x@y.z>smtp", STR("\nhi\n"));
	loop_run(r.loop);
	assert_int_equal(r.code, 451);
	down(&r);
}

static void
test_no_rewrite(void **state)
{
	struct envelope e = from(ENV_FROM_PICKUP, "a@b.c");
	struct rig r;

	(void)state;
	up(&r, "");
	r.cl.rewrite = NULL;
	post(&r, &e, "x@y.z", STR("\nhi\n"));
	loop_run(r.loop);
	assert_int_equal(r.code, 451);
	down(&r);
}

/* rewrite dies with questions: the submitter hears. */
static void
test_rewrite_dies(void **state)
{
	struct envelope e = from(ENV_FROM_PICKUP, "joe");
	struct rig r;

	(void)state;
	up(&r, "");
	r.deaf = true;
	post(&r, &e, "x@y.z bob", STR("\nhi\n"));
	loop_run(r.loop);
	assert_int_equal(r.done, 0);
	assert_false(TAILQ_EMPTY(&r.cl.messages));
	chan_free(&r.rewrite);
	loop_run(r.loop);
	assert_int_equal(r.code, 451);
	assert_true(TAILQ_EMPTY(&r.cl.messages));
	assert_int_equal(r.cl.held, 0);
	down(&r);
}

static void
stop(void *arg)
{
	struct rig *r = arg;

	loop_stop(r->loop, 0);
}

/* The submitter dies while its message waits: qmgr will know of no slot. */
static void
test_submitter_dies(void **state)
{
	struct envelope e = from(ENV_FROM_PICKUP, "joe");
	struct timer t;
	struct rig r;

	(void)state;
	up(&r, "");
	r.deaf = true;
	post(&r, &e, "bad!", STR("\nhi\n"));
	loop_run(r.loop);
	message_orphan(&r.cl, r.intake);
	chan_free(&r.intake);
	chan_free(&r.rewrite);
	timer_init(&t, r.loop, stop, &r);
	timer_set(&t, 20);
	loop_run(r.loop);
	timer_clear(&t);
	assert_true(TAILQ_EMPTY(&r.cl.messages));
	down(&r);
}

/* Neither a pipe nor an envelope with edits gets anywhere. */
static void
test_no_file(void **state)
{
	struct envelope e = from(ENV_FROM_SMTPD, "a@b.c");
	struct intake_message i = { .qid = STR(QID) };
	struct buf form;
	struct rig r;
	int p[2];

	(void)state;
	up(&r, "");
	buf_init(&form, 1 << 16);
	make_form(&form, &e, "x@y.z>smtp");
	i.envelope = buf_get(&form);
	assert_int_equal(pipe(p), 0);
	chan_tell(r.submit, INTAKE_MESSAGE, 42, &i, p);
	loop_run(r.loop);
	assert_int_equal(r.code, 451);
	fd_close(&p[1]);
	buf_clear(&form);
	down(&r);
}

static void
test_edits_in(void **state)
{
	struct envelope e = from(ENV_FROM_SMTPD, "a@b.c");
	struct env_edit ed = { .off = 0, .ins = STR("X: y\n") };
	struct env_rcpt rc = { .addr = STR("x@y.z"), .transport = STR("t") };
	struct intake_message i = { .qid = STR(QID) };
	struct buf form;
	struct rig r;
	int fd = peers_memfd("\n", 1);

	(void)state;
	up(&r, "");
	buf_init(&form, 1 << 16);
	assert_int_equal(env_put_head(&form, &e), 0);
	assert_int_equal(env_put_edit(&form, &ed), 0);
	assert_int_equal(env_put_rcpt(&form, &rc), 0);
	assert_int_equal(env_put_end(&form, 1, 1), 0);
	i.envelope = buf_get(&form);
	chan_tell(r.submit, INTAKE_MESSAGE, 42, &i, &fd);
	loop_run(r.loop);
	assert_int_equal(r.code, 451);
	buf_clear(&form);
	down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bad_original),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_hops),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_no_lookup),
		cmocka_unit_test(test_long_header),
		cmocka_unit_test(test_many_edits),
		cmocka_unit_test(test_many_rcpts),
		cmocka_unit_test(test_no_qmgr),
		cmocka_unit_test(test_no_rewrite),
		cmocka_unit_test(test_rewrite_dies),
		cmocka_unit_test(test_submitter_dies),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_edits_in),
	};

	setenv("TZ", "UTC", 1);
	date_init();
	log_sink(log_keep, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
