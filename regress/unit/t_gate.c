/* SPDX-License-Identifier: ISC */
/*
 * gate: who is let in, how many at a time, and to whom they are handed.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "daemons/gate/gate.h"
#include "edge/edges.h"
#include "net/netaddr.h"

#define WORKERS 3

/* The other end of a worker's channel: what smtpd would see. */
struct end {
	struct chan *gate_side, *ch;
	unsigned got;
	uint64_t ids[64];
	int fds[64];
	struct gate_client last;
	const char *why;
	bool gone;
};

struct house {
	struct loop *loop;
	struct gate gate;
	struct end w[WORKERS];
	struct timer stop;
	uint16_t port;
	bool ipv6;
};

static void
on_client(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct end *e = arg;

	(void)ch;
	memcpy(&e->last, rec, sizeof(e->last));
	e->ids[e->got] = id;
	e->fds[e->got++] = fds[0];
	fds[0] = -1;
}

static const struct chan_on worker_on[] = {
	{ GATE_CLIENT, on_client },
	{ 0, NULL },
};

static const struct chan_on gate_on[] = {
	{ GATE_ENDED, on_ended },
	{ 0, NULL },
};

static struct house *the_house;

static void
on_gate_side_gone(struct chan *ch, const char *why, void *arg)
{
	(void)arg;
	for (int i = 0; i < WORKERS; i++) {
		struct end *e = &the_house->w[i];

		if (e->gate_side == ch) {
			e->why = why;
			e->gone = true;
			e->gate_side = NULL;
		}
	}
	gate_worker_down(&the_house->gate, ch);
	chan_free(&ch);
}

static void
on_worker_side_gone(struct chan *ch, const char *why, void *arg)
{
	struct end *e = arg;

	(void)why;
	e->ch = NULL;
	chan_free(&ch);
}

static void
stop(void *arg)
{
	struct house *h = arg;

	loop_stop(h->loop, 0);
}

static void
run(struct house *h, int64_t ms)
{
	timer_set(&h->stop, ms);
	loop_run(h->loop);
}

static void
add_worker(struct house *h, int i)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			     sv),
	    0);
	memset(&h->w[i], 0, sizeof(h->w[i]));
	h->w[i].gate_side = chan_new(h->loop, sv[0], &edge_gate, SIDE_A,
	    gate_on, on_gate_side_gone, &h->gate);
	h->w[i].ch = chan_new(h->loop, sv[1], &edge_gate, SIDE_B, worker_on,
	    on_worker_side_gone, &h->w[i]);
	gate_worker_up(&h->gate, h->w[i].gate_side, (unsigned)i);
}

static void
begin(struct house *h, unsigned max, unsigned per_client, bool ipv6)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr *sa =
	    ipv6 ? (struct sockaddr *)&sin6 : (struct sockaddr *)&sin;
	socklen_t len = ipv6 ? sizeof(sin6) : sizeof(sin);
	int fd = socket(sa->sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memset(h, 0, sizeof(*h));
	the_house = h;
	h->loop = loop_new();
	h->ipv6 = ipv6;
	timer_init(&h->stop, h->loop, stop, h);
	gate_init(&h->gate, h->loop);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin6.sin6_addr = in6addr_loopback;
	assert_int_equal(bind(fd, sa, len), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, sa, &len), 0);
	h->port = ntohs(ipv6 ? sin6.sin6_port : sin.sin_port);
	gate_limits(&h->gate, 7, max, per_client);
	gate_listen(&h->gate, STR("smtp"), 7, fd);
}

static void
end(struct house *h)
{
	for (int i = 0; i < WORKERS; i++) {
		for (unsigned k = 0; k < h->w[i].got; k++)
			fd_close(&h->w[i].fds[k]);
		chan_free(&h->w[i].gate_side);
		chan_free(&h->w[i].ch);
	}
	gate_clear(&h->gate);
	timer_clear(&h->stop);
	loop_free(&h->loop);
}

static int
client(struct house *h)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(h->port) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(h->port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd =
	    socket(h->ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(h->ipv6 ?
		connect(fd, (struct sockaddr *)&sin6, sizeof(sin6)) :
		connect(fd, (struct sockaddr *)&sin, sizeof(sin)),
	    0);
	return fd;
}

static void
ended(struct end *e, unsigned i)
{
	struct gate_ended rec = { .messages = 0 };

	chan_tell(e->ch, GATE_ENDED, e->ids[i], &rec, NULL);
}

static int
have_ipv6(void)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int have =
	    fd != -1 && bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)) == 0;

	fd_close(&fd);
	return have;
}

static void
t_hand_over(void **state)
{
	char addr[NETADDR_TEXT], byte;
	struct house h;

	(void)state;
	for (int ipv6 = 0; ipv6 <= have_ipv6(); ipv6++) {
		int c;

		begin(&h, 10, 10, ipv6);
		add_worker(&h, 0);
		c = client(&h);
		run(&h, 30);
		assert_int_equal(h.w[0].got, 1);
		assert_int_equal(h.w[0].last.service, 7);
		assert_string_equal(netaddr_text(&h.w[0].last.client, addr),
		    ipv6 ? "::1" : "127.0.0.1");
		assert_int_equal(h.w[0].last.server.port, h.port);
		/* It is that very connection. */
		assert_int_equal(write(c, "x", 1), 1);
		run(&h, 10);
		assert_int_equal(read(h.w[0].fds[0], &byte, 1), 1);
		assert_int_equal(byte, 'x');
		close(c);
		end(&h);
	}
}

/* The one beyond the limit waits in the listen queue, and is served later. */
static void
t_process_limit(void **state)
{
	struct house h;
	int c[5];

	(void)state;
	begin(&h, 3, 0, false);
	add_worker(&h, 0);
	for (int i = 0; i < 5; i++)
		c[i] = client(&h);
	run(&h, 50);
	assert_int_equal(h.w[0].got, 3);
	ended(&h.w[0], 1);
	run(&h, 50);
	assert_int_equal(h.w[0].got, 4);
	ended(&h.w[0], 0);
	ended(&h.w[0], 2);
	run(&h, 50);
	assert_int_equal(h.w[0].got, 5);
	for (int i = 0; i < 5; i++)
		close(c[i]);
	end(&h);
}

/* --- more workers, others in their place ---------------------------------- */

static struct {
	unsigned n, instance;
	bool replace;
} wanted;

static void
on_want(unsigned instance, bool replace, void *arg)
{
	(void)arg;
	wanted.n++;
	wanted.instance = instance;
	wanted.replace = replace;
}

static void
clients(struct house *h, int *c, int n)
{
	for (int i = 0; i < n; i++)
		c[i] = client(h);
	run(h, 50);
}

static void
close_all(int *c, int n)
{
	for (int i = 0; i < n; i++)
		close(c[i]);
}

/* Many sessions: one more worker is asked for, once, and shares the load. */
static void
t_more_workers(void **state)
{
	struct house h;
	int c[40];

	(void)state;
	memset(&wanted, 0, sizeof(wanted));
	begin(&h, 0, 0, false);
	h.gate.want = on_want;
	add_worker(&h, 0);
	clients(&h, c, WORKER_SESSIONS_MANY - 1);
	assert_int_equal(wanted.n, 0);
	clients(&h, c + WORKER_SESSIONS_MANY - 1, 3);
	assert_int_equal(wanted.n, 1);
	/* Who comes in the same moment waits for it, but not for ever. */
	assert_int_equal(h.w[0].got, WORKER_SESSIONS_MANY);
	run(&h, WORKER_HOLD_MS + 50);
	assert_int_equal(h.w[0].got, WORKER_SESSIONS_MANY + 2);
	assert_int_equal(wanted.instance, 1);
	assert_false(wanted.replace);
	add_worker(&h, 1);
	clients(&h, c + 12, 8);
	assert_int_equal(h.w[1].got, 8);
	clients(&h, c + 20, 10);
	assert_int_equal(wanted.n, 2);
	assert_int_equal(wanted.instance, 2);
	/* There are no more: it is not asked for again. */
	gate_unwanted(&h.gate, 2, false, true);
	clients(&h, c + 30, 10);
	assert_int_equal(wanted.n, 2);
	/* Who has sessions does not leave. */
	assert_false(gate_may_leave(&h.gate, h.w[1].gate_side));
	for (unsigned i = 0; i < h.w[1].got; i++)
		ended(&h.w[1], i);
	run(&h, 30);
	assert_true(gate_may_leave(&h.gate, h.w[1].gate_side));
	close_all(c, 40);
	end(&h);
}

/* A worker for each session: those that are missing are made together. */
static void
t_gather(void **state)
{
	struct house h;
	int c[3];

	(void)state;
	memset(&wanted, 0, sizeof(wanted));
	begin(&h, 0, 0, false);
	h.gate.want = on_want;
	gate_mode(&h.gate, true, 3);
	gate_refill(&h.gate);
	assert_int_equal(wanted.n, 3); /* there is none at all */
	for (unsigned i = 0; i < 3; i++) {
		add_worker(&h, i);
		gate_got(&h.gate);
	}
	assert_int_equal(wanted.n, 3);
	assert_int_equal(h.gate.nready, 3);
	/* One is missing: others may be, in a moment. */
	h.gate.nready = 2;
	gate_refill(&h.gate);
	assert_int_equal(wanted.n, 3);
	assert_true(h.gate.gather.armed);
	/* More than half of them are: at once. */
	h.gate.nready = 1;
	gate_refill(&h.gate);
	assert_int_equal(wanted.n, 5);
	assert_false(h.gate.gather.armed);
	h.gate.nready = 3;
	h.gate.coming = 0;
	clients(&h, c, 1);
	run(&h, GATE_GATHER_MS + 30);
	assert_int_equal(wanted.n, 6);
	clients(&h, c + 1, 2);
	assert_int_equal(h.gate.nready, 0);
	assert_int_equal(wanted.n, 8);
	assert_int_equal(h.w[0].got + h.w[1].got + h.w[2].got, 3);
	/* Another mode, and back: nothing is waited for in vain. */
	gate_mode(&h.gate, false, 3);
	gate_refill(&h.gate);
	assert_int_equal(wanted.n, 8);
	gate_mode(&h.gate, true, 3);
	gate_refill(&h.gate);
	assert_int_equal(wanted.n, 11);
	close_all(c, 3);
	end(&h);
}

/* A worker is used up: the next one gets the sessions once it is there. */
static void
t_replace(void **state)
{
	struct house h;
	int c[10];

	(void)state;
	memset(&wanted, 0, sizeof(wanted));
	begin(&h, 0, 0, false);
	h.gate.want = on_want;
	h.gate.worker_sessions = 3;
	add_worker(&h, 0);
	clients(&h, c, 2);
	assert_int_equal(wanted.n, 0);
	clients(&h, c + 2, 3);
	assert_int_equal(wanted.n, 1);
	assert_int_equal(wanted.instance, 0);
	assert_true(wanted.replace);
	assert_int_equal(h.w[0].got, 5); /* nobody waits for the other */
	add_worker(&h, 1);
	TAILQ_LAST(&h.gate.workers, worker_list)->instance = 0;
	TAILQ_FIRST(&h.gate.workers)->old = true;
	clients(&h, c + 5, 2);
	assert_int_equal(h.w[0].got, 5);
	assert_int_equal(h.w[1].got, 2);
	/* It dies before it was any good: the old one goes on. */
	chan_free(&h.w[1].ch);
	run(&h, 30);
	clients(&h, c + 7, 1);
	assert_int_equal(h.w[0].got, 6);
	close_all(c, 8);
	end(&h);
}

/* A reload wants fewer: those beyond keep their sessions and get no more. */
static void
t_fewer(void **state)
{
	struct house h;
	int c[12];

	(void)state;
	begin(&h, 0, 0, false);
	add_worker(&h, 0);
	add_worker(&h, 1);
	clients(&h, c, 6);
	assert_int_equal(h.w[1].got, 3);
	gate_workers(&h.gate, 1);
	clients(&h, c + 6, 4);
	assert_int_equal(h.w[0].got, 7);
	assert_int_equal(h.w[1].got, 3);
	assert_false(gate_may_leave(&h.gate, h.w[1].gate_side));
	for (unsigned i = 0; i < h.w[1].got; i++)
		ended(&h.w[1], i);
	run(&h, 30);
	assert_true(gate_may_leave(&h.gate, h.w[1].gate_side));
	/* More again: another in its place, which need not wait for its end. */
	gate_workers(&h.gate, 2);
	clients(&h, c + 10, 1);
	assert_int_equal(h.w[0].got, 8);
	add_worker(&h, 2);
	clients(&h, c + 11, 1);
	assert_int_equal(h.w[2].got, 1);
	close_all(c, 12);
	end(&h);
}

/* A reload: the same sockets come anew, perhaps as another line. */
static void
t_relisten(void **state)
{
	struct house h;
	int c[4], fd;

	(void)state;
	begin(&h, 3, 0, false);
	add_worker(&h, 0);
	fd = dup(TAILQ_FIRST(&TAILQ_FIRST(&h.gate.services)->listeners)->fd);
	clients(&h, c, 2);
	assert_int_equal(h.w[0].got, 2);
	gate_relisten(&h.gate);
	clients(&h, c + 2, 1);
	assert_int_equal(h.w[0].got, 2); /* it waits */
	gate_listen(&h.gate, STR("smtp"), 9, fd);
	gate_limits(&h.gate, 9, 3, 0);
	run(&h, 50);
	assert_int_equal(h.w[0].got, 3);
	assert_int_equal(h.w[0].last.service, 9);
	/* Sessions from before count. */
	clients(&h, c + 3, 1);
	assert_int_equal(h.w[0].got, 3);
	ended(&h.w[0], 0);
	run(&h, 50);
	assert_int_equal(h.w[0].got, 4);
	/* Without its sockets it goes with its last session. */
	gate_relisten(&h.gate);
	assert_false(TAILQ_EMPTY(&h.gate.services));
	for (unsigned i = 1; i < 4; i++)
		ended(&h.w[0], i);
	run(&h, 30);
	assert_true(TAILQ_EMPTY(&h.gate.services));
	close_all(c, 4);
	end(&h);
}

static void
t_client_limit(void **state)
{
	char text[256];
	struct house h;
	int c[4];
	ssize_t n;

	(void)state;
	begin(&h, 100, 2, false);
	add_worker(&h, 0);
	for (int i = 0; i < 3; i++)
		c[i] = client(&h);
	run(&h, 50);
	assert_int_equal(h.w[0].got, 2);
	n = read(c[2], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text,
	    "421 4.7.0 mail.example.com Error: too many "
	    "connections from 127.0.0.1\r\n");
	assert_int_equal(read(c[2], text, sizeof(text)), 0);
	/* One goes, one may come. */
	ended(&h.w[0], 0);
	run(&h, 30);
	c[3] = client(&h);
	run(&h, 30);
	assert_int_equal(h.w[0].got, 3);
	for (int i = 0; i < 4; i++)
		close(c[i]);
	end(&h);
}

static void
t_workers(void **state)
{
	struct house h;
	int c[8];

	(void)state;
	begin(&h, 6, 0, false);
	/* Nobody there: clients wait. */
	for (int i = 0; i < 4; i++)
		c[i] = client(&h);
	run(&h, 30);
	add_worker(&h, 0);
	add_worker(&h, 1);
	run(&h, 50);
	assert_int_equal(h.w[0].got, 2);
	assert_int_equal(h.w[1].got, 2);
	/* One dies: what it had counts no more. */
	chan_free(&h.w[0].ch);
	run(&h, 30);
	assert_true(h.w[0].gone);
	for (int i = 4; i < 8; i++)
		c[i] = client(&h);
	run(&h, 50);
	assert_int_equal(h.w[1].got, 6);
	for (int i = 0; i < 8; i++)
		close(c[i]);
	end(&h);
}

/* A worker that ends sessions of others, or twice, is cut off. */
static void
t_lies(void **state)
{
	struct gate_ended rec = { .messages = 0 };
	struct house h;
	int c[2];

	(void)state;
	for (int twice = 0; twice < 2; twice++) {
		begin(&h, 10, 0, false);
		add_worker(&h, 0);
		add_worker(&h, 1);
		c[0] = client(&h);
		c[1] = client(&h);
		run(&h, 30);
		assert_int_equal(h.w[0].got, 1);
		assert_int_equal(h.w[1].got, 1);
		if (twice)
			ended(&h.w[0], 0);
		chan_tell(h.w[0].ch, GATE_ENDED,
		    twice ? h.w[0].ids[0] : h.w[1].ids[0], &rec, NULL);
		run(&h, 30);
		assert_true(h.w[0].gone);
		assert_string_equal(h.w[0].why,
		    "ended a session that it does not have");
		close(c[0]);
		close(c[1]);
		end(&h);
	}
}

static void
t_stop(void **state)
{
	struct house h;
	int c;

	(void)state;
	begin(&h, 10, 0, false);
	add_worker(&h, 0);
	gate_stop(&h.gate);
	c = client(&h);
	run(&h, 30);
	assert_int_equal(h.w[0].got, 0);
	close(c);
	end(&h);
}

static void
t_clients(void **state)
{
	struct clients cs;
	struct netaddr a = { .family = 4, .ip = { 192, 0, 2, 1 } }, b = a;
	struct client *x, *y, *z;

	(void)state;
	clients_init(&cs);
	b.ip[3] = 2;
	x = clients_enter(&cs, &a);
	y = clients_enter(&cs, &a);
	z = clients_enter(&cs, &b);
	assert_ptr_equal(x, y);
	assert_ptr_not_equal(x, z);
	assert_int_equal(x->count, 2);
	assert_int_equal(clients_rate(x, 0, 60000), 1);
	assert_int_equal(clients_rate(x, 59999, 60000), 2);
	assert_int_equal(clients_rate(x, 60000, 60000), 1);
	clients_leave(&cs, &x, 60001);
	clients_leave(&cs, &y, 60001);
	clients_leave(&cs, &z, 60001);
	assert_int_equal(cs.n, 1); /* its rate is still being counted */
	x = clients_enter(&cs, &a);
	assert_int_equal(clients_rate(x, 60002, 60000), 2);
	clients_leave(&cs, &x, 200000);
	assert_int_equal(cs.n, 0);
	assert_int_equal(cs.idle, 0);
	clients_clear(&cs);
}

static void
t_netaddr(void **state)
{
	static const struct {
		const char *in, *out;
	} c[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "[192.0.2.1]", "192.0.2.1" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "[IPv6:2001:db8::1]", "2001:db8::1" },
		{ "192.0.2", NULL },
		{ "", NULL },
		{ "[192.0.2.1", NULL },
		{ "192.0.2.1 ", NULL },
	};
	char text[NETADDR_TEXT];
	struct netaddr a, net;
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_storage ss;

	(void)state;
	for (size_t i = 0; i < NELEM(c); i++) {
		if (netaddr_parse(str_of(c[i].in), &a) == -1)
			assert_null(c[i].out);
		else
			assert_string_equal(netaddr_text(&a, text), c[i].out);
	}
	inet_pton(AF_INET6, "::ffff:192.0.2.5", &sin6.sin6_addr);
	memset(&ss, 0, sizeof(ss));
	memcpy(&ss, &sin6, sizeof(sin6));
	netaddr_from(&ss, &a);
	assert_string_equal(netaddr_text(&a, text), "192.0.2.5");
	netaddr_parse(STR("192.0.2.0"), &net);
	assert_true(netaddr_within(&a, &net, 24));
	assert_true(netaddr_within(&a, &net, 29));
	assert_false(netaddr_within(&a, &net, 30));
	assert_true(netaddr_within(&a, &net, 0));
	net = netaddr_prefix(&a, 30);
	assert_string_equal(netaddr_text(&net, text), "192.0.2.4");
	netaddr_parse(STR("2001:db8:ffff:ffff:ffff::1"), &a);
	net = netaddr_prefix(&a, 84);
	assert_string_equal(netaddr_text(&net, text),
	    "2001:db8:ffff:ffff:ffff::");
	net = netaddr_prefix(&a, 44);
	assert_string_equal(netaddr_text(&net, text), "2001:db8:fff0::");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_hand_over),
		cmocka_unit_test(t_process_limit),
		cmocka_unit_test(t_more_workers),
		cmocka_unit_test(t_gather),
		cmocka_unit_test(t_replace),
		cmocka_unit_test(t_fewer),
		cmocka_unit_test(t_relisten),
		cmocka_unit_test(t_client_limit),
		cmocka_unit_test(t_workers),
		cmocka_unit_test(t_lies),
		cmocka_unit_test(t_stop),
		cmocka_unit_test(t_clients),
		cmocka_unit_test(t_netaddr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
