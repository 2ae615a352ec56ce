/* SPDX-License-Identifier: ISC */
/*
 * control: who may ask what, that answers come back whole, and what a client
 * that lies or does not read can do: nothing.
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
#include "conf/build.h"
#include "daemons/control/control.h"
#include "edge/edges.h"

#define OWNER 1000
#define FRIEND 1001 /* listed in the configuration */
#define STRANGER 1002

/* control, with the other ends of its channels in our hands. */
struct house {
	struct loop *loop;
	struct control c;
	struct chan *qmgr, *broker; /* the far ends */
	struct timer stop;
	/* what the queue manager saw */
	unsigned lists, changes, opens, stats, mores, stops;
	uint64_t id;
	uint32_t credit;
	uint8_t op;
	bool silent;
	unsigned items; /* entries to be sent at once for a listing */
	/* what the broker saw */
	unsigned admins;
	uint8_t what;
	uint32_t uid;
};

/* --- the queue manager ---------------------------------------------------- */

static void
send_entries(struct house *h, unsigned n)
{
	struct queue_entry e = { .qid = STR("ABC"),
		.state = QSTATE_DEFERRED,
		.size = 7,
		.sender = STR("a@b"),
		.reason = STR("why") };
	struct queue_rcpt r = { .addr = STR("c@d"), .reason = STR("no") };

	for (unsigned i = 0; i < n; i++) {
		chan_tell(h->qmgr, QUEUE_ENTRY, h->id, &e, NULL);
		chan_tell(h->qmgr, QUEUE_RCPT, h->id, &r, NULL);
	}
}

static void
send_done(struct house *h, int error, uint32_t count)
{
	struct queue_done d = { .error = (uint32_t)error,
		.count = count,
		.text = STR("words") };

	chan_answer(h->qmgr, QUEUE_DONE, h->id, &d, NULL);
}

static void
q_list(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct queue_list *l = rec;
	struct house *h = arg;

	(void)ch;
	(void)fds;
	h->lists++;
	h->id = id;
	h->credit = l->credit;
	if (h->silent)
		return;
	send_entries(h, h->items);
	send_done(h, 0, h->items);
}

static void
q_more(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct queue_more *m = rec;
	struct house *h = arg;

	(void)ch;
	(void)fds;
	assert_true(id == h->id);
	h->mores++;
	h->credit += m->credit;
}

static void
q_stop(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct house *h = arg;

	(void)ch;
	(void)rec;
	(void)fds;
	assert_true(id == h->id);
	h->stops++;
	send_done(h, ECANCELED, 0);
}

static void
q_change(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct queue_change *q = rec;
	struct house *h = arg;

	(void)ch;
	(void)fds;
	h->changes++;
	h->id = id;
	h->op = q->op;
	if (!h->silent)
		send_done(h, 0, 3);
}

static void
q_open(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct queue_file f = { .file = 1, .size = 5, .events = STR("events") };
	struct house *h = arg;
	int fd = memfd_from("t", "hello", 5);

	(void)rec;
	(void)fds;
	h->opens++;
	chan_answer(ch, QUEUE_FILE, id, &f, &fd);
}

static void
q_stats(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct queue_numbers n = { .deferred = 42 };
	struct house *h = arg;

	(void)rec;
	(void)fds;
	h->stats++;
	chan_answer(ch, QUEUE_NUMBERS, id, &n, NULL);
}

static const struct chan_on far_qmgr_on[] = {
	{ QUEUE_LIST, q_list },
	{ QUEUE_MORE, q_more },
	{ QUEUE_STOP, q_stop },
	{ QUEUE_CHANGE, q_change },
	{ QUEUE_OPEN, q_open },
	{ QUEUE_STATS, q_stats },
	{ 0, NULL },
};

/* --- the broker ----------------------------------------------------------- */

static void
b_admin(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct broker_admin *q = rec;
	struct broker_text t = { .text = STR("{\"a\":1}") };
	struct broker_done d = { .text = STR("done") };
	struct house *h = arg;

	(void)fds;
	h->admins++;
	h->what = q->what;
	h->uid = q->uid;
	for (int i = 0; i < 3; i++)
		chan_tell(ch, BROKER_TEXT, id, &t, NULL);
	chan_answer(ch, BROKER_DONE, id, &d, NULL);
}

static const struct chan_on far_broker_on[] = {
	{ BROKER_ADMIN, b_admin },
	{ 0, NULL },
};

static void
near_text(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct broker_text *t = rec;

	(void)ch;
	(void)fds;
	orders_text(id, t->text, arg);
}

static const struct chan_on near_broker_on[] = {
	{ BROKER_TEXT, near_text },
	{ 0, NULL },
};

/* --- the house ------------------------------------------------------------ */

static void
on_near_gone(struct chan *ch, const char *why, void *arg)
{
	struct control *c = arg;

	assert_null(why);
	if (ch == c->qmgr)
		c->qmgr = NULL;
	if (ch == c->broker)
		c->broker = NULL;
	chan_free(&ch);
}

static void
on_far_gone(struct chan *ch, const char *why, void *arg)
{
	struct house *h = arg;

	assert_null(why); /* control keeps to the rules */
	if (ch == h->qmgr)
		h->qmgr = NULL;
	if (ch == h->broker)
		h->broker = NULL;
	chan_free(&ch);
}

static void
connect_pair(struct house *h, const struct edge *e, struct chan **near,
    struct chan **far, const struct chan_on *near_on,
    const struct chan_on *far_on)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			     sv),
	    0);
	*near =
	    chan_new(h->loop, sv[0], e, SIDE_A, near_on, on_near_gone, &h->c);
	*far = chan_new(h->loop, sv[1], e, SIDE_B, far_on, on_far_gone, h);
}

static struct conf *
make_conf(const char *text)
{
	struct build b;
	struct conf *c;
	struct buf out;

	build_parse(&b, "/etc/x", str_of(text), STR_NONE);
	buf_init(&out, BUILD_MAX);
	assert_int_equal(build_snapshot(&b, NULL, 1, &out), 0);
	c = conf_from(out.base + out.off, out.len);
	assert_non_null(c);
	buf_clear(&out);
	build_clear(&b);
	return c;
}

static void
on_timer(void *arg)
{
	loop_stop(((struct house *)arg)->loop, 0);
}

static void
run(struct house *h)
{
	timer_set(&h->stop, 30);
	loop_run(h->loop);
}

static void
open_house(struct house *h)
{
	static struct user users[] = { { OWNER, NULL }, { FRIEND, NULL },
		{ STRANGER, NULL } };

	memset(h, 0, sizeof(*h));
	h->loop = loop_new();
	timer_init(&h->stop, h->loop, on_timer, h);
	control_init(&h->c, h->loop);
	h->c.conf = make_conf("authorized_mailq_users = friend\n"
			      "authorized_flush_users = !stranger, "
			      "static:anyone\n");
	h->c.owner = OWNER;
	users[0].name = xstrdup("owner");
	users[1].name = xstrdup("friend");
	users[2].name = xstrdup("stranger");
	h->c.users = users;
	h->c.nusers = NELEM(users);
	connect_pair(h, &edge_queue, &h->c.qmgr, &h->qmgr, orders_qmgr_on,
	    far_qmgr_on);
	connect_pair(h, &edge_broker, &h->c.broker, &h->broker, near_broker_on,
	    far_broker_on);
}

static void
close_house(struct house *h)
{
	control_stop(&h->c);
	chan_free(&h->c.qmgr);
	chan_free(&h->c.broker);
	chan_free(&h->qmgr);
	chan_free(&h->broker);
	for (size_t i = 0; i < h->c.nusers; i++)
		free(h->c.users[i].name);
	conf_free((struct conf **)(uintptr_t)&h->c.conf);
	timer_clear(&h->stop);
	loop_free(&h->loop);
}

/* --- a client ------------------------------------------------------------- */

static int
client(struct house *h, uid_t uid)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv),
	    0);
	client_new(&h->c, sv[0], uid);
	return sv[1];
}

static void
say(int fd, unsigned type, const void *rec)
{
	struct buf b;

	buf_init(&b, REC_MAX);
	assert_int_equal(control_put(&b, type, 9, rec), 0);
	assert_int_equal(write(fd, b.base + b.off, b.len), (ssize_t)b.len);
	buf_clear(&b);
}

/* What has come: how many of each type; the last one. */
struct heard {
	unsigned n[32];
	struct control_done done;
	bool closed;
	int fd;
};

static struct heard
hear(int fd)
{
	static char data[1 << 20];
	struct heard r = { .fd = -1 };
	struct control_rec rec;
	struct str in;
	size_t n = 0;

	for (;;) {
		char control[CMSG_SPACE(sizeof(int))];
		struct iovec iov = { data + n, sizeof(data) - n };
		struct msghdr mh = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control) };
		ssize_t k = recvmsg(fd, &mh, MSG_DONTWAIT);
		struct cmsghdr *cm = k > 0 ? CMSG_FIRSTHDR(&mh) : NULL;

		if (cm != NULL)
			memcpy(&r.fd, CMSG_DATA(cm), sizeof(int));
		r.closed = k == 0 || (k == -1 && errno == ECONNRESET);
		if (k <= 0)
			break;
		n += (size_t)k;
	}
	in = str_make(data, n);
	while (in.n > 0) {
		assert_int_equal(control_cut(&in, SIDE_B, &rec), 1);
		assert_true(rec.id == 9);
		r.n[rec.type]++;
		if (rec.type == CONTROL_DONE)
			memcpy(&r.done, rec.body, sizeof(r.done));
	}
	return r;
}

static struct heard
question(struct house *h, uid_t uid, unsigned type, const void *rec)
{
	int fd = client(h, uid);
	struct heard r;

	say(fd, type, rec);
	run(h);
	r = hear(fd);
	close(fd);
	run(h);
	return r;
}

/* --- tests ---------------------------------------------------------------- */

static void
test_rights(void **state)
{
	const struct control_list list = { .detail = 1 };
	const struct control_change flush = { .op = QOP_FLUSH_ALL };
	const struct control_change hold = { .op = QOP_HOLD };
	const struct control_change none = { .op = 99 };
	const struct control_open open = { .qid = STR("ABC") };
	const struct control_admin status = { .what = ADMIN_STATUS };
	const struct control_admin grants = { .what = ADMIN_GRANTS };
	const struct control_admin reload = { .what = ADMIN_RELOAD };
	const struct control_admin stop = { .what = ADMIN_STOP };
	const struct {
		const char *what;
		unsigned type;
		const void *rec;
		bool friend, stranger;
	} cases[] = {
		{ "list", CONTROL_LIST, &list, true, false },
		{ "flush", CONTROL_CHANGE, &flush, true, false },
		{ "hold", CONTROL_CHANGE, &hold, false, false },
		{ "unknown change", CONTROL_CHANGE, &none, false, false },
		{ "open", CONTROL_OPEN, &open, false, false },
		{ "status", CONTROL_ADMIN, &status, true, false },
		{ "grants", CONTROL_ADMIN, &grants, false, false },
		{ "reload", CONTROL_ADMIN, &reload, false, false },
		{ "stop", CONTROL_ADMIN, &stop, false, false },
	};
	const uid_t uids[] = { 0, OWNER, FRIEND, STRANGER, 77777 };
	struct house h;

	(void)state;
	open_house(&h);
	for (size_t i = 0; i < NELEM(cases); i++)
		for (size_t k = 0; k < NELEM(uids); k++) {
			bool may = k < 2 || (k == 2 && cases[i].friend) ||
			    (k == 3 && cases[i].stranger) ||
			    (k == 4 && cases[i].rec == &flush);
			unsigned before =
			    h.lists + h.changes + h.opens + h.admins;
			struct heard r =
			    question(&h, uids[k], cases[i].type, cases[i].rec);
			unsigned after =
			    h.lists + h.changes + h.opens + h.admins;

			if ((after - before == 1) != may)
				fail_msg("%s by %u", cases[i].what,
				    (unsigned)uids[k]);
			if (!may)
				assert_int_equal(r.done.error, EACCES);
		}
	close_house(&h);
}

static void
test_answers(void **state)
{
	const struct control_list list = { .detail = 1 };
	const struct control_change hold = { .op = QOP_HOLD,
		.arg = STR("ABC") };
	const struct control_open open = { .qid = STR("ABC") };
	const struct control_admin status = { .what = ADMIN_STATUS };
	struct control_stats stats;
	struct house h;
	struct heard r;
	char text[8] = "";

	(void)state;
	memset(&stats, 0, sizeof(stats));
	open_house(&h);
	h.items = 20;
	r = question(&h, 0, CONTROL_LIST, &list);
	assert_int_equal(r.n[CONTROL_ENTRY], 20);
	assert_int_equal(r.n[CONTROL_RCPT], 20);
	assert_int_equal(r.n[CONTROL_DONE], 1);
	assert_int_equal(r.done.count, 20);
	assert_int_equal(h.credit, LIST_CREDIT);
	r = question(&h, 0, CONTROL_CHANGE, &hold);
	assert_int_equal(h.op, QOP_HOLD);
	assert_int_equal(r.done.count, 3);
	r = question(&h, 0, CONTROL_OPEN, &open);
	assert_int_equal(r.n[CONTROL_FILE], 1);
	assert_int_not_equal(r.fd, -1);
	assert_int_equal(pread(r.fd, text, sizeof(text), 0), 5);
	assert_string_equal(text, "hello");
	close(r.fd);
	r = question(&h, 0, CONTROL_STATS, &stats);
	assert_int_equal(r.n[CONTROL_NUMBERS], 1);
	r = question(&h, OWNER, CONTROL_ADMIN, &status);
	assert_int_equal(r.n[CONTROL_TEXT], 3);
	assert_int_equal(r.n[CONTROL_DONE], 1);
	assert_int_equal(h.uid, OWNER); /* the broker hears who it was */
	close_house(&h);
}

/* Questions one behind the other are answered one after the other. */
static void
test_several(void **state)
{
	struct control_stats stats;
	struct house h;
	struct heard r;
	int fd;

	(void)state;
	memset(&stats, 0, sizeof(stats));
	open_house(&h);
	fd = client(&h, 0);
	for (int i = 0; i < 50; i++)
		say(fd, CONTROL_STATS, &stats);
	run(&h);
	r = hear(fd);
	assert_int_equal(r.n[CONTROL_NUMBERS], 50);
	assert_int_equal(h.stats, 50);
	close(fd);
	close_house(&h);
}

/* Bytes that are no question end the connection, and nothing else. */
static void
test_garbage(void **state)
{
	static const struct {
		const char *p;
		size_t n;
		bool closed;
	} cases[] = {
		{ "GET / HTTP/1.0\r\n\r\n", 18, true },
		{ "\x0f\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0", 16, true }, /* short */
		{ "\xff\xff\xff\x7f\1\0\0\0\0\0\0\0\0\0\0\0", 16, true },
		{ "\x10\0\0\0\x63\0\0\0\0\0\0\0\0\0\0\0", 16, true }, /* type */
		{ "\x10\0\0\0\1\0\1\0\0\0\0\0\0\0\0\0", 16, true },   /* fds */
		{ "\x10\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0", 16, true },   /* body */
		{ "\x10\0\0\0\1\0\0\0\0\0\0\0\0\0\0", 15, false },
	};
	const struct control_done done = { .error = 1 };
	struct house h;
	int fd;

	(void)state;
	open_house(&h);
	for (size_t i = 0; i < NELEM(cases); i++) {
		fd = client(&h, 0);
		assert_int_equal(write(fd, cases[i].p, cases[i].n),
		    (ssize_t)cases[i].n);
		run(&h);
		if (hear(fd).closed != cases[i].closed)
			fail_msg("case %zu", i);
		close(fd);
		run(&h);
	}
	/* An answer is not the client's to give. */
	fd = client(&h, 0);
	say(fd, CONTROL_DONE, &done);
	run(&h);
	assert_true(hear(fd).closed);
	close(fd);
	assert_int_equal(h.c.nclients, 0);
	close_house(&h);
}

/* Credit goes back as answers leave, and not when they do not. */
static void
test_credit(void **state)
{
	const struct control_list list = { .detail = 1 };
	static char bytes[65536];
	struct house h;
	int fd;

	(void)state;
	open_house(&h);
	h.silent = true;
	fd = client(&h, 0);
	say(fd, CONTROL_LIST, &list);
	run(&h);
	assert_int_equal(h.credit, LIST_CREDIT);
	send_entries(&h, LIST_CREDIT / 2);
	run(&h);
	assert_int_equal(h.mores, 1);
	assert_int_equal(h.credit, 2 * LIST_CREDIT);
	/* The client stops reading: the socket fills up, then our buffer. */
	for (int i = 0; i < 400; i++) {
		send_entries(&h, LIST_CREDIT / 2);
		if (i % 20 == 19)
			run(&h);
	}
	run(&h);
	h.mores = 0;
	send_entries(&h, LIST_CREDIT / 2);
	run(&h);
	assert_int_equal(h.mores, 0);
	/* It reads again. */
	for (int i = 0; i < 200 && h.mores == 0; i++) {
		while (read(fd, bytes, sizeof(bytes)) > 0)
			;
		run(&h);
	}
	assert_int_not_equal(h.mores, 0);
	/* It hangs up: the queue manager need not go on. */
	close(fd);
	run(&h);
	assert_int_equal(h.stops, 1);
	assert_int_equal(h.c.nclients, 0);
	close_house(&h);
}

static void
test_qmgr_dies(void **state)
{
	const struct control_change hold = { .op = QOP_HOLD };
	const struct control_list list = { .detail = 1 };
	struct house h;
	struct heard r;
	int fd, fd2;

	(void)state;
	open_house(&h);
	h.silent = true;
	fd = client(&h, 0);
	fd2 = client(&h, 0);
	say(fd, CONTROL_CHANGE, &hold);
	say(fd2, CONTROL_LIST, &list);
	run(&h);
	chan_free(&h.qmgr);
	run(&h);
	assert_int_equal(hear(fd).done.error, EAGAIN);
	assert_int_equal(hear(fd2).done.error, EAGAIN);
	assert_null(h.c.qmgr);
	say(fd, CONTROL_CHANGE, &hold);
	run(&h);
	r = hear(fd);
	assert_int_equal(r.done.error, EAGAIN);
	close(fd);
	close(fd2);
	close_house(&h);
}

/* Strangers cannot keep the owner out. */
static void
test_limits(void **state)
{
	struct house h;
	int fds[CLIENTS_MAX + 10];

	(void)state;
	open_house(&h);
	for (int i = 0; i < CLIENTS_EACH + 5; i++)
		fds[i] = client(&h, STRANGER);
	run(&h);
	assert_int_equal(h.c.nclients, CLIENTS_EACH);
	for (int i = 0; i < CLIENTS_EACH + 5; i++)
		close(fds[i]);
	run(&h);
	assert_int_equal(h.c.nclients, 0);
	for (int i = 0; i < CLIENTS_MAX + 10; i++)
		fds[i] = client(&h, OWNER);
	assert_int_equal(h.c.nclients, CLIENTS_MAX);
	for (int i = 0; i < CLIENTS_MAX + 10; i++)
		close(fds[i]);
	close_house(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_credit),
		cmocka_unit_test(test_qmgr_dies),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
