/* SPDX-License-Identifier: ISC */
/*
 * Submissions through pickup: from the socket and from files, good, bad and
 * damaged; and what clients hear when qmgr or cleanup go away.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "daemons/pickup/pickup.h"
#include "intake_peers.h"
#include "log/log.h"
#include "queue/qid.h"

struct rig {
	struct loop *loop;
	struct conf *conf;
	struct pickup p;
	struct chan *spool, *qmgr; /* pickup's end, the other */
	struct chan *intake, *cleanup;
	struct chan *drops, *drop_asker;
	int client;
	unsigned nslots, given;
	/* what cleanup got */
	char *content;
	struct buf rcpts, form;
	struct envelope env;
	uint64_t slot;
	int refuse; /* cleanup refuses with this code */
	bool silent; /* cleanup does nothing */
	bool miser; /* qmgr gives no slots */
	int drops_seen, result, scans;
	char line[256];
	struct watch watch;
	struct timer timer;
};

static char said[4096];

static void
log_keep(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	size_t n = strlen(said);

	(void)level, (void)service, (void)when_us, (void)arg;
	snprintf(said + n, sizeof(said) - n, STR_FMT "\n", STR_ARG(text));
}

/* --- peers ---------------------------------------------------------------- */

static void
give(struct rig *r)
{
	char name[QID_TEXT_MAX];
	struct spool_slot rec = { .qid = STR_NONE };
	int fd = memfd_new("slot");

	rec.qid = str_make(name, qid_format(1795266000000000 + r->given,
	    name));
	chan_tell(r->qmgr, SPOOL_SLOT, 1000 + r->given++, &rec, &fd);
}

static void
on_want(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_want *w = rec;
	struct rig *r = arg;

	(void)ch, (void)id, (void)fds;
	for (; !r->miser && r->nslots < w->slots; r->nslots++)
		give(r);
}

static void
on_drop(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct rig *r = arg;

	(void)ch, (void)id, (void)rec, (void)fds;
	r->drops_seen++;
}

static void
accept_it(struct rig *r, uint64_t slot, struct str qid)
{
	struct spool_accepted a = { .qid = qid };

	chan_tell(r->qmgr, SPOOL_ACCEPTED, slot, &a, NULL);
	give(r);
}

static void
on_message(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct intake_message *m = rec;
	struct intake_refused no = { .text = STR("go away") };
	struct env_reader er;
	struct rig *r = arg;

	r->slot = id;
	if (r->silent) {
		loop_stop(r->loop, 0);
		return;
	}
	if (r->refuse != 0) {
		no.code = (uint16_t)r->refuse;
		no.dsn = r->refuse < 500 ? STR("4.3.0") : STR("5.7.1");
		chan_tell(ch, INTAKE_REFUSED, id, &no, NULL);
		return;
	}
	buf_reset(&r->form);
	buf_reset(&r->rcpts);
	buf_str(&r->form, m->envelope);
	env_open(&er, buf_get(&r->form));
	assert_int_equal(env_read_head(&er, &r->env), 0);
	free(r->content);
	r->content = peers_edited(fds[0], buf_get(&r->form));
	peers_rcpts(buf_get(&r->form), &r->rcpts);
	accept_it(r, id, m->qid);
}

static void
on_scan(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct rig *r = arg;

	(void)ch, (void)id, (void)rec, (void)fds;
	r->scans++;
}

static const struct chan_on qmgr_on[] = { { SPOOL_WANT, on_want },
	{ SPOOL_DROP, on_drop }, { 0, NULL } };
static const struct chan_on cleanup_on[] = { { INTAKE_MESSAGE, on_message },
	{ 0, NULL } };
static const struct chan_on scan_on[] = { { MAILDROP_SCAN, on_scan },
	{ 0, NULL } };

static void
on_line(int what, void *arg)
{
	struct rig *r = arg;
	ssize_t n = read(r->client, r->line, sizeof(r->line) - 1);

	(void)what;
	r->line[n < 0 ? 0 : n] = '\0';
	loop_stop(r->loop, 0);
}

static void
on_late(void *arg)
{
	struct rig *r = arg;

	loop_stop(r->loop, 1);
}

/* Run until the client hears something, or for so long: 1. */
static int
run(struct rig *r, int ms)
{
	timer_set(&r->timer, ms);
	return loop_run(r->loop);
}

static void
up(struct rig *r, const char *main_cf)
{
	memset(r, 0, sizeof(*r));
	said[0] = '\0';
	r->client = -1;
	r->loop = loop_new();
	r->conf = peers_conf(main_cf);
	buf_init(&r->rcpts, 1 << 20);
	buf_init(&r->form, 1 << 20);
	pickup_init(&r->p, r->loop, r->conf);
	peers_pair(r->loop, &edge_spool, &r->spool, submit_spool_on, &r->p,
	    &r->qmgr, qmgr_on, r);
	peers_pair(r->loop, &edge_intake, &r->intake, submit_intake_on,
	    &r->p, &r->cleanup, cleanup_on, r);
	peers_pair(r->loop, &edge_maildrop, &r->drop_asker, scan_on, r,
	    &r->drops, drops_on, &r->p);
	timer_init(&r->timer, r->loop, on_late, r);
	submit_qmgr_up(r->spool, 0, 0, &r->p);
	submit_cleanup_up(r->intake, 0, 0, &r->p);
	drops_up(r->drops, 0, 0, &r->p);
}

static void
down(struct rig *r)
{
	watch_clear(&r->watch);
	timer_clear(&r->timer);
	fd_close(&r->client);
	pickup_clear(&r->p);
	chan_free(&r->spool);
	chan_free(&r->qmgr);
	chan_free(&r->intake);
	chan_free(&r->cleanup);
	chan_free(&r->drops);
	chan_free(&r->drop_asker);
	conf_free(&r->conf);
	loop_free(&r->loop);
	free(r->content);
	buf_clear(&r->rcpts);
	buf_clear(&r->form);
}

static void
connect_as(struct rig *r, uint32_t uid)
{
	int sv[2];

	watch_clear(&r->watch);
	fd_close(&r->client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, sv), 0);
	r->client = sv[0];
	client_new(&r->p, sv[1], uid);
	watch_init(&r->watch, r->loop, r->client, on_line, r);
	watch_set(&r->watch, LOOP_READ);
}

/* --- submissions ---------------------------------------------------------- */

struct sample {
	const char *sender, *fullname, *content, *rcpts;
};

static void
make(struct buf *b, const struct sample *s)
{
	struct drop_writer w;
	struct drop head = { .type = DROP_HEAD, .when_us = 1 };
	struct drop d = { .type = DROP_SENDER, .text = str_of(s->sender) };
	struct str list = str_of(s->rcpts);

	assert_int_equal(drop_begin(&w, b), 0);
	assert_int_equal(drop_put(&w, b, &head), 0);
	assert_int_equal(drop_put(&w, b, &d), 0);
	if (s->fullname != NULL) {
		d = (struct drop){ .type = DROP_FULLNAME,
			.text = str_of(s->fullname) };
		assert_int_equal(drop_put(&w, b, &d), 0);
	}
	for (struct str t = str_of(s->content); t.n > 0;
	    t = str_sub(t, d.text.n, t.n)) {
		d = (struct drop){ .type = DROP_CONTENT,
			.text = str_sub(t, 0, DROP_CHUNK_MAX) };
		assert_int_equal(drop_put(&w, b, &d), 0);
	}
	d = (struct drop){ .type = DROP_RCPT };
	while (str_token(&list, " ", &d.text))
		assert_int_equal(drop_put(&w, b, &d), 0);
	assert_int_equal(drop_end(&w, b), 0);
}

static void
send_bytes(struct rig *r, struct str s)
{
	while (s.n > 0) {
		ssize_t n = write(r->client, s.p, s.n);

		if (n > 0)
			s = str_sub(s, (size_t)n, s.n);
		else if (run(r, 10) == 0)
			return; /* it answered already */
	}
}

static const struct {
	const char *why, *main_cf;
	struct sample s;
	const char *line; /* begins so */
	const char *content, *rcpts;
} cases[] = {
	{ "as it should be", "",
	    { "joe", "Joe", "Subject: x\n\nhi\n", "a b@c" }, "+ 0000",
	    "Subject: x\n\nhi\n", "a()> b@c()>" },
	{ "a last line without its end", "", { "joe", NULL, "hi", "a" },
	    "+ 0000", "hi\n", "a()>" },
	{ "nothing to say", "", { "", NULL, "", "a" }, "+ 0000", "", "a()>" },
	{ "too long", "message_size_limit = 5\n",
	    { "joe", NULL, "123456", "a" }, "- 552 5.3.4 ", NULL, NULL },
	{ "no address", "", { "joe", NULL, "hi\n", "a @" }, "- 501 5.1.3 ",
	    NULL, NULL },
	{ "no address of a sender", "", { "@b", NULL, "hi\n", "a" },
	    "- 501 5.1.7 ", NULL, NULL },
	{ "a control character", "", { "joe", "J\noe", "hi\n", "a" },
	    "- 554 5.6.0 ", NULL, NULL },
	{ "nobody", "", { "joe", NULL, "hi\n", "" }, "- 554 5.6.0 ", NULL,
	    NULL },
	{ "one who may not", "authorized_submit_users = 1001, root\n",
	    { "joe", NULL, "hi\n", "a" }, "- 550 5.7.1 ", NULL, NULL },
	{ "one who may", "authorized_submit_users = !1001, 1000\n",
	    { "joe", NULL, "hi\n", "a" }, "+ 0000", "hi\n", "a()>" },
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct rig r;
		struct buf b;

		up(&r, cases[i].main_cf);
		buf_init(&b, 1 << 20);
		make(&b, &cases[i].s);
		connect_as(&r, 1000);
		send_bytes(&r, buf_get(&b));
		if (r.line[0] == '\0')
			run(&r, 2000);
		if (strncmp(r.line, cases[i].line, strlen(cases[i].line)) !=
		    0)
			fail_msg("%s: %s", cases[i].why, r.line);
		if (cases[i].content != NULL) {
			assert_string_equal(r.content, cases[i].content);
			assert_string_equal(buf_cstr(&r.rcpts),
			    cases[i].rcpts);
			assert_int_equal(r.env.origin, ENV_FROM_PICKUP);
			assert_true(str_eq(r.env.attr[ENV_A_UID],
			    STR("1000")));
			assert_true(str_eq(r.env.sender,
			    str_of(cases[i].s.sender)));
			assert_non_null(strstr(said, ": uid=1000 from=<"));
		}
		assert_true(TAILQ_EMPTY(&r.p.clients));
		assert_int_equal(r.p.held, 0);
		buf_clear(&b);
		down(&r);
	}
}

/* Byte by byte, and cut off anywhere: never accepted before the end. */
static void
test_pieces(void **state)
{
	static const struct sample s = { "joe", "Joe", "Subject: x\n\nhi\n",
		"a b@c" };
	struct rig r;
	struct buf b;

	(void)state;
	up(&r, "");
	buf_init(&b, 1 << 20);
	make(&b, &s);
	connect_as(&r, 1000);
	for (size_t i = 0; i + 1 < b.len; i++) {
		send_bytes(&r, str_sub(buf_get(&b), i, i + 1));
		if (i % 16 == 0)
			assert_int_equal(run(&r, 1), 1);
	}
	assert_int_equal(run(&r, 20), 1);
	assert_null(r.content);
	send_bytes(&r, str_sub(buf_get(&b), b.len - 1, b.len));
	assert_int_equal(run(&r, 2000), 0);
	assert_string_equal(r.content, s.content);
	buf_clear(&b);
	down(&r);
}

/* A file with any byte changed, or any part of it, is not accepted. */
static void
test_damage(void **state)
{
	static const struct sample s = { "joe", "Joe", "Subject: x\n\nhi\n",
		"a b@c" };
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	make(&b, &s);
	for (size_t i = 0; i <= b.len; i++) {
		struct drop_reader rd;
		struct str in = buf_get(&b);
		struct drop d;
		int k;

		if (i < b.len)
			b.base[b.off + i] ^= 1;
		drop_reader_init(&rd);
		while ((k = drop_get(&rd, &in, &d)) == 1 && d.type != DROP_END)
			;
		if (i < b.len)
			assert_int_not_equal(k, 1);
		else
			assert_int_equal(k, 1);
		if (i < b.len)
			b.base[b.off + i] ^= 1;
		in = str_sub(buf_get(&b), 0, i);
		drop_reader_init(&rd);
		while ((k = drop_get(&rd, &in, &d)) == 1 && d.type != DROP_END)
			;
		assert_int_equal(k, i == b.len);
	}
	buf_clear(&b);
}

/* Long content goes through a slot in pieces. */
static void
test_long(void **state)
{
	char *text = xmalloc(1000001);
	struct sample s = { "joe", NULL, text, "a" };
	struct rig r;
	struct buf b;

	(void)state;
	for (int i = 0; i < 1000000; i++)
		text[i] = i % 70 == 69 ? '\n' : (char)('a' + i % 26);
	text[999999] = '\n';
	text[1000000] = '\0';
	up(&r, "");
	buf_init(&b, 1 << 24);
	make(&b, &s);
	connect_as(&r, 1000);
	send_bytes(&r, buf_get(&b));
	assert_int_equal(run(&r, 5000), 0);
	assert_string_equal(r.content, text);
	free(text);
	buf_clear(&b);
	down(&r);
}

/* --- peers go away -------------------------------------------------------- */

static const struct sample good = { "joe", NULL, "hi\n", "a" };

static void
post_good(struct rig *r)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	make(&b, &good);
	connect_as(r, 1000);
	send_bytes(r, buf_get(&b));
	buf_clear(&b);
}

static void
test_refused(void **state)
{
	struct rig r;

	(void)state;
	up(&r, "");
	r.refuse = 550;
	post_good(&r);
	assert_int_equal(run(&r, 2000), 0);
	assert_string_equal(r.line, "- 550 5.7.1 go away\n");
	run(&r, 20);
	assert_int_equal(r.drops_seen, 1);
	down(&r);
}

/* No slot yet: the client waits until there is one. */
static void
test_wait(void **state)
{
	struct rig r;

	(void)state;
	up(&r, "");
	r.miser = true;
	post_good(&r);
	assert_int_equal(run(&r, 50), 1);
	give(&r);
	assert_int_equal(run(&r, 2000), 0);
	assert_true(r.line[0] == '+');
	down(&r);
}

static void
test_qmgr_dies(void **state)
{
	struct rig r;

	(void)state;
	up(&r, "");
	r.silent = true;
	post_good(&r);
	run(&r, 2000);
	submit_qmgr_down(r.spool, 0, &r.p);
	r.line[0] = '\0';
	run(&r, 2000);
	assert_true(strncmp(r.line, "- 451 4.3.0 ", 12) == 0);
	/* And the next client hears the same at once. */
	post_good(&r);
	r.line[0] = '\0';
	run(&r, 2000);
	assert_true(strncmp(r.line, "- 451 4.3.0 ", 12) == 0);
	down(&r);
}

/* cleanup dies after it handed the message on: qmgr's word counts. */
static void
test_cleanup_dies(void **state)
{
	struct rig r;

	(void)state;
	up(&r, "");
	r.silent = true;
	post_good(&r);
	run(&r, 2000);
	submit_cleanup_down(r.intake, 0, &r.p);
	assert_int_equal(run(&r, 50), 1);
	accept_it(&r, r.slot, STR("X"));
	assert_int_equal(run(&r, 2000), 0);
	assert_string_equal(r.line, "+ X\n");
	down(&r);
}

/* A client that goes away is forgotten, its slot returned. */
static void
test_client_dies(void **state)
{
	struct rig r;
	struct buf b;

	(void)state;
	up(&r, "");
	buf_init(&b, 1 << 20);
	make(&b, &good);
	connect_as(&r, 1000);
	send_bytes(&r, str_sub(buf_get(&b), 0, b.len - 3));
	run(&r, 20);
	watch_clear(&r.watch);
	fd_close(&r.client);
	run(&r, 20);
	assert_true(TAILQ_EMPTY(&r.p.clients));
	r.silent = true;
	post_good(&r);
	run(&r, 100);
	watch_clear(&r.watch);
	fd_close(&r.client);
	accept_it(&r, r.slot, STR("X"));
	run(&r, 20);
	assert_true(TAILQ_EMPTY(&r.p.clients));
	buf_clear(&b);
	down(&r);
}

static void
test_user_limit(void **state)
{
	struct rig r;
	int sv[2], fds[CLIENTS_PER_USER + 1];
	char c;

	(void)state;
	up(&r, "");
	for (int i = 0; i <= CLIENTS_PER_USER; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM |
		    SOCK_NONBLOCK, 0, sv), 0);
		fds[i] = sv[0];
		client_new(&r.p, sv[1], 1000);
	}
	assert_int_equal(r.p.nclients, CLIENTS_PER_USER);
	assert_int_equal(read(fds[CLIENTS_PER_USER], &c, 1), 0);
	assert_int_equal(read(fds[0], &c, 1), -1);
	post_good(&r); /* the same user: refused */
	assert_int_equal(run(&r, 100), 0);
	assert_string_equal(r.line, "");
	for (int i = 0; i <= CLIENTS_PER_USER; i++)
		close(fds[i]);
	watch_clear(&r.watch);
	run(&r, 50);
	assert_int_equal(r.p.nclients, 0);
	down(&r);
}

/* --- files ---------------------------------------------------------------- */

static void
on_result(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct maildrop_result *m = rec;
	struct rig *r = arg;

	(void)fds;
	r->result = type == MAILDROP_RESULT ? m->result : -1;
	loop_stop(r->loop, 0);
}

static void
offer(struct rig *r, struct str bytes)
{
	struct maildrop_file f = { .uid = 77, .size = bytes.n, .mtime_us = 5,
		.name = STR("abc") };
	int fd = peers_memfd(bytes.p, bytes.n);

	r->result = 99;
	chan_ask(r->drop_asker, MAILDROP_FILE, &f, &fd, on_result, r);
	assert_int_equal(run(r, 2000), 0);
}

static void
test_file(void **state)
{
	struct rig r;
	struct buf b;

	(void)state;
	up(&r, "");
	buf_init(&b, 1 << 20);
	make(&b, &good);
	offer(&r, buf_get(&b));
	assert_int_equal(r.result, 0);
	assert_int_equal(r.scans, 1);
	assert_true(str_eq(r.env.attr[ENV_A_UID], STR("77")));
	assert_true(r.env.arrival_us == 5);
	offer(&r, str_sub(buf_get(&b), 0, b.len - 1));
	assert_int_equal(r.result, 2);
	offer(&r, STR("root:x:0:0:root:/root:/bin/sh\n"));
	assert_int_equal(r.result, 2);
	offer(&r, STR_NONE);
	assert_int_equal(r.result, 2);
	r.refuse = 451;
	offer(&r, buf_get(&b));
	assert_int_equal(r.result, 1);
	r.refuse = 550;
	offer(&r, buf_get(&b));
	assert_int_equal(r.result, 2);
	submit_qmgr_down(r.spool, 0, &r.p);
	offer(&r, buf_get(&b));
	assert_int_equal(r.result, 1);
	buf_clear(&b);
	down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_qmgr_dies),
		cmocka_unit_test(test_cleanup_dies),
		cmocka_unit_test(test_client_dies),
		cmocka_unit_test(test_user_limit),
		cmocka_unit_test(test_file),
	};

	signal(SIGPIPE, SIG_IGN);
	log_sink(log_keep, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
