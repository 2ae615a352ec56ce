/* SPDX-License-Identifier: ISC */
/*
 * Records and channels: what a good peer sends arrives, and what a bad one
 * sends closes the channel.
 */
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "chan/chan.h"
#include "edge/edges.h"
#include "edge/ticket.h"

struct pair {
	struct loop *loop;
	struct chan *a, *b;
	const char *why;
	int gone;
	int got;
	int answers;
	int failures;
	uint64_t last_ask;
	char text[128];
	int fd;
	bool silent;
};

static void
on_gone(struct chan *ch, const char *why, void *arg)
{
	struct pair *p = arg;

	p->gone++;
	p->why = why;
	if (ch == p->a)
		chan_free(&p->a);
	else
		chan_free(&p->b);
	loop_stop(p->loop, 0);
}

static void
on_ask(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct resolve_ask *q = rec;
	struct resolve_answer a = { .class = 3, .addr = q->addr,
		.nexthop = STR("nh"), .ticket = 99 };
	struct pair *p = arg;

	(void)fds;
	p->got++;
	p->last_ask = id;
	if (!p->silent)
		chan_answer(ch, RESOLVE_ANSWER, id, &a, NULL);
}

static void
on_slot(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct pair *p = arg;

	(void)ch;
	(void)rec;
	p->got++;
	if (id == 7) {
		p->fd = fds[0];
		fds[0] = -1;
	}
	if (p->got == 2)
		loop_stop(p->loop, 0);
}

static const struct chan_on resolver[] = { { RESOLVE_ASK, on_ask }, { 0 } };
static const struct chan_on submitter[] = { { SPOOL_SLOT, on_slot }, { 0 } };
static const struct chan_on nothing[] = { { 0 } };

static void
on_answer(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct resolve_answer *a = rec;
	struct pair *p = arg;

	(void)fds;
	if (type == 0) {
		p->failures++;
		return;
	}
	assert_int_equal(type, RESOLVE_ANSWER);
	assert_int_equal(a->class, 3);
	assert_true(a->ticket == 99);
	str_copy(a->addr, p->text, sizeof(p->text));
	if (++p->answers == 100)
		loop_stop(p->loop, 0);
}

static void
start(struct pair *p, const struct edge *e, const struct chan_on *a,
    const struct chan_on *b, int *raw)
{
	int sv[2];

	memset(p, 0, sizeof(*p));
	p->fd = -1;
	p->loop = loop_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0,
	    sv), 0);
	if (raw == NULL)
		p->a = chan_new(p->loop, sv[0], e, SIDE_A, a, on_gone, p);
	else
		*raw = sv[0];
	p->b = chan_new(p->loop, sv[1], e, SIDE_B, b, on_gone, p);
}

static void
end(struct pair *p)
{
	chan_free(&p->a);
	chan_free(&p->b);
	loop_free(&p->loop);
}

static void
test_ask(void **state)
{
	struct pair p;

	(void)state;
	start(&p, &edge_resolve, nothing, resolver, NULL);
	for (int i = 0; i < 100; i++) {
		char addr[32];
		struct resolve_ask q = { .flags = 1 };

		snprintf(addr, sizeof(addr), "u%d@example", i);
		q.addr = str_of(addr);
		chan_ask(p.a, RESOLVE_ASK, &q, NULL, on_answer, &p);
	}
	loop_run(p.loop);
	assert_int_equal(p.got, 100);
	assert_int_equal(p.answers, 100);
	assert_string_equal(p.text, "u99@example");
	assert_int_equal(chan_waiting(p.a), 0);
	end(&p);
}

/* Not at the end of a turn: there is none here. */
static void
test_prompt(void **state)
{
	struct resolve_answer a = { .addr = STR("a@example.com") };
	char packet[4096];
	struct pair p;
	ssize_t one;
	int raw;

	(void)state;
	start(&p, &edge_resolve, nothing, resolver, &raw);
	chan_answer(p.b, RESOLVE_ANSWER, 1, &a, NULL);
	assert_int_equal(read(raw, packet, sizeof(packet)), -1);
	chan_prompt(p.b, 30000);
	chan_answer(p.b, RESOLVE_ANSWER, 2, &a, NULL);
	one = read(raw, packet, sizeof(packet)) / 2;
	assert_true(one > 0);
	for (int i = 0; i < 2; i++) {
		chan_answer(p.b, RESOLVE_ANSWER, 3, &a, NULL);
		assert_int_equal(read(raw, packet, sizeof(packet)), -1);
	}
	usleep(31000);
	chan_answer(p.b, RESOLVE_ANSWER, 4, &a, NULL);
	assert_int_equal(read(raw, packet, sizeof(packet)), 3 * one);
	close(raw);
	end(&p);
}

static void
test_descriptors(void **state)
{
	struct pair p;
	int fd = memfd_from("x", "hello", 5), fd2 = memfd_from("y", "z", 1);
	struct spool_slot s = { .qid = STR("ABC") };
	char buf[8];

	(void)state;
	start(&p, &edge_spool, submitter, nothing, NULL);
	chan_tell(p.b, SPOOL_SLOT, 7, &s, &fd);
	chan_tell(p.b, SPOOL_SLOT, 8, &s, &fd2);
	assert_int_equal(fd, -1);
	loop_run(p.loop);
	assert_int_equal(p.got, 2);
	assert_int_equal(pread(p.fd, buf, 8, 0), 5);
	fd_close(&p.fd);
	end(&p);
}

/* The peer dies with questions open: each fails once, then gone() is called. */
static void
test_peer_gone(void **state)
{
	struct pair p;
	struct resolve_ask q = { .addr = STR("a") };
	uint64_t h;

	(void)state;
	start(&p, &edge_resolve, nothing, resolver, NULL);
	p.silent = true;
	chan_ask(p.a, RESOLVE_ASK, &q, NULL, on_answer, &p);
	h = chan_ask(p.a, RESOLVE_ASK, &q, NULL, on_answer, &p);
	chan_forget(p.a, h);
	chan_free(&p.b);
	loop_run(p.loop);
	assert_int_equal(p.failures, 1);
	assert_int_equal(p.gone, 1);
	assert_null(p.why);
	end(&p);
}

/* What a captured peer may try on the wire. */
static void
test_hostile(void **state)
{
	struct buf good, b;
	struct resolve_ask q = { .addr = STR("user@example") };
	struct resolve_answer a = { .addr = STR("x") };

	(void)state;
	buf_init(&good, 4096);
	assert_int_equal(rec_encode(&good, edge_type(&edge_resolve,
	    RESOLVE_ASK), 1, &q), 0);
	buf_init(&b, 65536);
	for (int attempt = 0; attempt < 8; attempt++) {
		struct pair p;
		int raw, extra = -1;
		struct str g = buf_get(&good), s;

		buf_reset(&b);
		buf_str(&b, g);
		s = buf_get(&b);
		start(&p, &edge_resolve, NULL, resolver, &raw);
		switch (attempt) {
		case 0: /* truncated */
			buf_trim(&b, 1);
			break;
		case 1: /* trailing byte */
			buf_putc(&b, 0);
			break;
		case 2: /* unknown type */
			b.base[4] = 77;
			break;
		case 3: /* length of a string beyond the record */
			b.base[REC_HEADER + 1] = 50;
			break;
		case 4: /* announces a descriptor */
			b.base[6] = 1;
			break;
		case 5: /* an answer nobody waits for, from the wrong side */
			buf_reset(&b);
			assert_int_equal(rec_encode(&b, edge_type(
			    &edge_resolve, RESOLVE_ANSWER), 1, &a), 0);
			break;
		case 6: /* a descriptor that was not announced */
			extra = dup(1);
			break;
		case 7: /* over a field's maximum */
			b.base[REC_HEADER + 1] = (char)0xff;
			b.base[REC_HEADER + 2] = (char)0xff;
			break;
		}
		s = buf_get(&b);
		if (extra == -1) {
			assert_int_equal(write(raw, s.p, s.n), s.n);
		} else {
			union {
				struct cmsghdr h;
				char space[CMSG_SPACE(sizeof(int))];
			} c = { 0 };
			struct iovec iov = { b.base, s.n };
			struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
				.msg_control = &c,
				.msg_controllen = sizeof(c) };

			c.h.cmsg_level = SOL_SOCKET;
			c.h.cmsg_type = SCM_RIGHTS;
			c.h.cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(&c.h), &extra, sizeof(int));
			assert_int_equal(sendmsg(raw, &mh, 0), s.n);
			close(extra);
		}
		loop_run(p.loop);
		assert_int_equal(p.gone, 1);
		assert_non_null(p.why);
		close(raw);
		end(&p);
	}
	buf_clear(&b);
	buf_clear(&good);
}

/* Every type of every edge: what was encoded decodes to the same bytes. */
static void
test_all_types(void **state)
{
	const struct edge *e;
	size_t types = 0;

	(void)state;
	for (size_t i = 0; (e = edge_at(i)) != NULL; i++) {
		assert_ptr_equal(edge_find(str_of(e->name)), e);
		for (unsigned t = 1; t <= e->ntypes; t++, types++) {
			_Alignas(16) char rec[REC_STRUCT_MAX] = { 0 };
			_Alignas(16) char again[REC_STRUCT_MAX];
			struct rec_head h;
			struct str p, body;
			struct buf b;

			buf_init(&b, REC_MAX);
			assert_int_equal(rec_encode(&b, edge_type(e, t), 5,
			    rec), 0);
			assert_int_equal(b.len, rec_size(edge_type(e, t),
			    rec));
			p = buf_get(&b);
			assert_int_equal(rec_next(e, &p, &h, &body), 0);
			assert_int_equal(rec_decode(h.type, body, again), 0);
			assert_true(h.id == 5);
			buf_clear(&b);
		}
	}
	assert_true(types > 40);
	for (size_t i = 0; edge_link_at(i) != NULL; i++)
		assert_non_null(edge_find(str_of(edge_link_at(i)->edge)));
}

/* The b of a pair answers one question with the answer of another. */
static void
on_find(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct lookup_passwd a = { .uid = 7, .name = STR("x") };

	(void)rec;
	(void)fds;
	(void)arg;
	chan_answer(ch, LOOKUP_PASSWD, id, &a, NULL);
}

/* It must not be taken for the struct that was asked for. */
static void
test_other_answer(void **state)
{
	static const struct chan_on liar[] = { { LOOKUP_FIND, on_find },
		{ 0 } };
	struct lookup_find q = { .param = STR("x") };
	struct pair p;

	(void)state;
	start(&p, &edge_lookup, nothing, liar, NULL);
	chan_ask(p.a, LOOKUP_FIND, &q, NULL, on_answer, &p);
	loop_run(p.loop);
	assert_int_equal(p.answers, 0);
	assert_int_equal(p.failures, 1);
	assert_int_equal(p.gone, 1);
	assert_string_equal(p.why, "record out of turn");
	end(&p);
}

/* The b of a pair answers the first question twice, and no other. */
static void
on_ask_twice(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	struct resolve_answer a = { .class = 3, .addr = STR("first"),
		.ticket = 99 };
	struct pair *p = arg;

	(void)rec;
	(void)fds;
	if (p->got++ > 0)
		return;
	chan_answer(ch, RESOLVE_ANSWER, id, &a, NULL);
	if (p->silent)
		chan_flush(ch); /* the other comes in a packet of its own */
	a.addr = STR("second");
	chan_answer(ch, RESOLVE_ANSWER, id, &a, NULL);
}

/* Whoever hears an answer asks again at once: its place is free. */
static void
on_first(unsigned type, const void *rec, int *fds, void *arg)
{
	struct resolve_ask q = { .addr = STR("again") };
	struct pair *p = arg;

	on_answer(type, rec, fds, arg);
	if (type != 0)
		chan_ask(p->a, RESOLVE_ASK, &q, NULL, on_answer, p);
}

/*
 * A second answer to a question that was alive a moment ago: it answers nobody,
 * not the question that took the place of the first, and ends the channel.
 */
static void
test_answer_twice(void **state)
{
	static const struct chan_on liar[] = { { RESOLVE_ASK, on_ask_twice },
		{ 0 } };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct resolve_ask q = { .addr = STR("once") };
		struct pair p;

		start(&p, &edge_resolve, nothing, liar, NULL);
		p.silent = (i & 1) != 0;
		chan_ask(p.a, RESOLVE_ASK, &q, NULL,
		    (i & 2) != 0 ? on_first : on_answer, &p);
		loop_run(p.loop);
		assert_int_equal(p.answers, 1);
		assert_string_equal(p.text, "first");
		assert_int_equal(p.failures, (i & 2) != 0 ? 1 : 0);
		assert_int_equal(p.gone, 1);
		assert_null(p.a);
		assert_non_null(p.why);
		end(&p);
	}
}

/* Every question has an answer, and no answer is to none. */
static void
test_answers(void **state)
{
	static const struct {
		unsigned ask, answer;
	} broker_does[] = { { BROKER_CONNECT, BROKER_CONNECTED },
		{ BROKER_RESOLVER, BROKER_SOCKET },
		{ BROKER_UNIX, BROKER_FILE },
		{ BROKER_TABLE, BROKER_FILE }, { BROKER_INCLUDE, BROKER_FILE },
		{ BROKER_MAILBOX, BROKER_MAILBOX_OPEN },
		{ BROKER_COMMAND, BROKER_COMMAND_OPEN },
		{ BROKER_START, BROKER_DONE }, { BROKER_ADMIN, BROKER_DONE } };
	const struct edge *e;

	(void)state;
	for (size_t i = 0; (e = edge_at(i)) != NULL; i++) {
		for (unsigned t = 1; t <= e->ntypes; t++) {
			const struct rec_type *rt = edge_type(e, t);
			unsigned n = 0;

			for (unsigned o = 1; o <= e->ntypes; o++)
				if (rt->role == REC_ASK)
					n += edge_answers(e, rt,
					    edge_type(e, o));
				else if (rt->role == REC_ANSWER &&
				    edge_type(e, o)->role == REC_ASK)
					n += edge_answers(e, edge_type(e, o),
					    rt);
			assert_true((rt->role != REC_ASK &&
			    rt->role != REC_ANSWER) || n > 0);
		}
	}
	assert_true(edge_answers(&edge_lookup, edge_type(&edge_lookup,
	    LOOKUP_FIND), edge_type(&edge_lookup, LOOKUP_ANSWER)));
	assert_false(edge_answers(&edge_lookup, edge_type(&edge_lookup,
	    LOOKUP_FIND), edge_type(&edge_lookup, LOOKUP_TEXT)));
	assert_true(edge_answers(&edge_broker, edge_type(&edge_broker,
	    BROKER_REOPEN), edge_type(&edge_broker, BROKER_FILE)));
	assert_true(edge_answers(&edge_broker, edge_type(&edge_broker,
	    BROKER_REOPEN), edge_type(&edge_broker, BROKER_REFUSED)));
	assert_false(edge_answers(&edge_broker, edge_type(&edge_broker,
	    BROKER_CONNECT), edge_type(&edge_broker, BROKER_FILE)));
	/* What the broker does answer, as its order must have it. */
	for (size_t i = 0; i < NELEM(broker_does); i++)
		assert_true(edge_answers(&edge_broker,
		    edge_type(&edge_broker, broker_does[i].ask),
		    edge_type(&edge_broker, broker_does[i].answer)));
}

static void
test_ticket(void **state)
{
	struct ticket_key k = { { 1, 2, 3 }, true }, other = { { 9 }, true };
	struct netaddr to = { .family = 4, .ip = { 192, 0, 2, 1 }, .port = 25 };
	uint32_t exp = ticket_expiry();
	uint64_t t = ticket_address(&k, &to, exp);

	(void)state;
	assert_true(ticket_address_ok(&k, &to, exp, t));
	assert_false(ticket_address_ok(&other, &to, exp, t));
	assert_false(ticket_address_ok(&k, &to, exp + 1, t));
	assert_false(ticket_address_ok(&k, &to, exp - 2000, t));
	to.port = 80;
	assert_false(ticket_address_ok(&k, &to, exp, t));
	t = ticket_route(&k, STR("[10.0.0.5]"));
	assert_true(ticket_route_ok(&k, STR("[10.0.0.5]"), t));
	assert_false(ticket_route_ok(&other, STR("[10.0.0.5]"), t));
	assert_false(ticket_route_ok(&k, STR("[10.0.0.6]"), t));
	assert_false(ticket_route_ok(&k, STR("[10.0.0.5]"), 0));
}

/* What the peers of two channels have got when the turn ends: ours is asked
 * for before either channel has anything to send. */
struct look {
	struct loop *loop;
	int work, log; /* the other ends */
	bool work_there, log_there;
};

static bool
there(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void
on_look(void *arg)
{
	struct look *k = arg;

	k->work_there = there(k->work);
	k->log_there = there(k->log);
	loop_stop(k->loop, 0);
}

/* Lines of the log leave late, or first. */
static void
test_first(void **state)
{
	struct log_line line = { .level = 3, .text = STR("x") };
	struct look k = { .loop = loop_new() };
	struct chan *work, *log;
	struct turn look;
	int sv[2], sl[2];

	(void)state;
	assert_int_equal(chan_pair(sv), 0);
	assert_int_equal(chan_pair(sl), 0);
	k.work = sv[1];
	k.log = sl[1];
	work = chan_new(k.loop, sv[0], &edge_log, SIDE_A, nothing, on_gone,
	    NULL);
	log = chan_new(k.loop, sl[0], &edge_log, SIDE_A, nothing, on_gone,
	    NULL);
	chan_lazy(log, 3600 * 1000);
	turn_init(&look, k.loop, on_look, &k);
	chan_first(log); /* with nothing there: nothing */
	chan_tell(log, LOG_LINE, 0, &line, NULL);
	chan_tell(work, LOG_LINE, 0, &line, NULL);
	turn_ask(&look);
	(void)loop_run(k.loop);
	assert_true(k.work_there);
	assert_false(k.log_there);

	assert_int_equal(recv(k.work, sv, 1, 0), 1);
	turn_ask(&look);
	chan_tell(work, LOG_LINE, 0, &line, NULL);
	chan_tell(log, LOG_LINE, 0, &line, NULL);
	chan_first(log);
	chan_first(log);
	(void)loop_run(k.loop);
	assert_true(k.log_there);
	assert_false(k.work_there);
	assert_true(there(k.work));
	chan_free(&work);
	chan_free(&log);
	fd_close(&k.work);
	fd_close(&k.log);
	loop_free(&k.loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ask),
		cmocka_unit_test(test_prompt),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_peer_gone),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_all_types),
		cmocka_unit_test(test_other_answer),
		cmocka_unit_test(test_answer_twice),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_ticket),
		cmocka_unit_test(test_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
