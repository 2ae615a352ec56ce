/* SPDX-License-Identifier: ISC */
/*
 * Connections and channels: a whole worker in one process with the other
 * components at the far ends of its channels, and what happens when they go.
 */
#include <sys/socket.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "daemons/smtpd/peers.h"
#include "edge/edges.h"
#include "log/log.h"

enum {
	GATE,
	REWRITE,
	DNS,
	QMGR,
	CLEANUP,
	PEERS
};

struct house {
	struct loop *loop;
	struct peers p;
	struct chan *near[PEERS], *far[PEERS];
	struct timer stop;
	int client; /* our end of the connection */
	uint64_t slots;
	unsigned wanted, dropped, ended, messages;
	uint64_t sent[512]; /* slots that came to cleanup */
	size_t nsent, large;
	bool hold; /* qmgr says nothing */
	const char *why; /* gate is to be cut off */
	char got[65536];
	size_t got_len;
};

static struct house h;

/* --- the far ends --------------------------------------------------------- */

static void
on_ended(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct gate_ended *e = rec;

	(void)ch;
	(void)fds;
	(void)arg;
	assert_int_equal(id, 77);
	h.ended++;
	h.messages += e->messages;
}

static void
on_resolve(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct resolve_ask *q = rec;
	struct resolve_answer a = { .class = CLASS_LOCAL,
		.addr = q->addr,
		.exists = EXISTS_YES };

	(void)fds;
	(void)arg;
	chan_answer(ch, RESOLVE_ANSWER, id, &a, NULL);
}

static void
on_name(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct dns_named a = { .status = DNS_OK,
		.verified = 1,
		.name = STR("client.example.org") };

	(void)rec;
	(void)fds;
	(void)arg;
	chan_answer(ch, DNS_NAMED, id, &a, NULL);
}

static void
give_slot(void)
{
	struct spool_slot rec;
	char qid[16];
	int fd = memfd_new("slot");

	snprintf(qid, sizeof(qid), "Q%u", (unsigned)++h.slots);
	rec.qid = str_of(qid);
	chan_tell(h.far[QMGR], SPOOL_SLOT, h.slots * 31, &rec, &fd);
}

static void
on_want(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_want *w = rec;

	(void)ch;
	(void)id;
	(void)fds;
	(void)arg;
	while (h.wanted < w->slots) {
		h.wanted++;
		give_slot();
	}
}

static void
on_drop(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	(void)arg;
	h.dropped++;
	give_slot();
}

static void
take(uint64_t id, int fd)
{
	struct spool_accepted a = { .qid = STR("DONE") };
	char *text;
	size_t n;

	assert_int_equal(fd_slurp(fd, 1 << 20, &text, &n), 0);
	assert_memory_equal(text, "Received: from ", 15);
	free(text);
	h.sent[h.nsent++] = id;
	if (h.hold)
		return;
	chan_tell(h.far[QMGR], SPOOL_ACCEPTED, id, &a, NULL);
	give_slot();
}

static void
on_message(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)rec;
	(void)arg;
	take(id, fds[0]);
}

static void
on_large(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)rec;
	(void)arg;
	assert_int_equal(memfd_sealed(fds[1]), 1);
	h.large++;
	take(id, fds[0]);
}

static const struct chan_on far_gate[] = { { GATE_ENDED, on_ended }, { 0 } };
static const struct chan_on far_rewrite[] = { { RESOLVE_ASK, on_resolve },
	{ 0 } };
static const struct chan_on far_dns[] = { { DNS_NAME, on_name }, { 0 } };
static const struct chan_on far_qmgr[] = { { SPOOL_WANT, on_want },
	{ SPOOL_DROP, on_drop }, { 0 } };
static const struct chan_on far_cleanup[] = { { INTAKE_MESSAGE, on_message },
	{ INTAKE_LARGE, on_large }, { 0 } };

static void
near_gone(struct chan *ch, const char *why, void *arg)
{
	(void)arg;
	if (h.why != NULL && ch == h.near[GATE])
		assert_string_equal(why, h.why);
	else
		assert_null(why);
	for (int i = 0; i < PEERS; i++)
		if (h.near[i] == ch)
			h.near[i] = NULL;
	if (h.p.qmgr == ch)
		peers_qmgr_down(&h.p);
	conns_gate_gone(&h.p.conns, ch);
	peer_remove(&h.p.rewrite, ch);
	peer_remove(&h.p.dns, ch);
	peers_cleanup_down(&h.p, ch);
	chan_free(&ch);
}

static void
far_gone(struct chan *ch, const char *why, void *arg)
{
	(void)arg;
	if (h.why == NULL || ch != h.far[GATE])
		fail_msg("a far end was closed: %s", why);
	h.far[GATE] = NULL;
	chan_free(&ch);
}

static void
add_peer(int i)
{
	static const struct {
		const struct edge *edge;
		const struct chan_on *near, *far;
		enum side near_side;
	} kinds[PEERS] = {
		{ &edge_gate, peers_gate_on, far_gate, SIDE_B },
		{ &edge_resolve, peers_asked_on, far_rewrite, SIDE_A },
		{ &edge_dns, peers_asked_on, far_dns, SIDE_A },
		{ &edge_spool, peers_qmgr_on, far_qmgr, SIDE_A },
		{ &edge_intake, peers_cleanup_on, far_cleanup, SIDE_A },
	};
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			     sv),
	    0);
	h.near[i] = chan_new(h.loop, sv[0], kinds[i].edge, kinds[i].near_side,
	    kinds[i].near, near_gone, &h.p);
	h.far[i] = chan_new(h.loop, sv[1], kinds[i].edge,
	    kinds[i].near_side == SIDE_A ? SIDE_B : SIDE_A, kinds[i].far,
	    far_gone, NULL);
	if (i == REWRITE)
		peer_add(&h.p.rewrite, h.near[i]);
	if (i == DNS)
		peer_add(&h.p.dns, h.near[i]);
	if (i == CLEANUP)
		peer_add(&h.p.cleanup, h.near[i]);
	if (i == QMGR) {
		h.wanted = 0;
		peers_qmgr_up(&h.p, h.near[i]);
	}
}

/* --- driving it ----------------------------------------------------------- */

static void
on_stop(void *arg)
{
	(void)arg;
	loop_stop(h.loop, 0);
}

static void
run(int64_t ms)
{
	timer_set(&h.stop, ms);
	loop_run(h.loop);
}

static void
no_log(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	(void)level;
	(void)service;
	(void)text;
	(void)when_us;
	(void)arg;
}

static void
connect_client(void)
{
	struct gate_client rec = { .service = 3,
		.client = { .family = 4, .ip = { 192, 0, 2, 7 } } };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
			     sv),
	    0);
	fd_close(&h.client);
	h.client = sv[0];
	chan_tell(h.far[GATE], GATE_CLIENT, 77, &rec, &sv[1]);
	run(20);
}

static void
begin(void)
{
	struct service *sv = service_plain();

	memset(&h, 0, sizeof(h));
	h.client = -1;
	log_sink(no_log, NULL);
	h.loop = loop_new();
	timer_init(&h.stop, h.loop, on_stop, NULL);
	peers_init(&h.p, h.loop);
	sv->instance = 3;
	sv->relay.refuses = true;
	worker_service(&h.p.w, sv);
	for (int i = 0; i < PEERS; i++)
		add_peer(i);
	connect_client();
}

static void
end(void)
{
	fd_close(&h.client);
	run(20);
	assert_false(conns_any(&h.p.conns));
	for (int i = 0; i < PEERS; i++) {
		chan_free(&h.near[i]);
		chan_free(&h.far[i]);
	}
	worker_clear(&h.p.w);
	timer_clear(&h.p.conns.tick);
	timer_clear(&h.stop);
	loop_free(&h.loop);
	log_sink(NULL, NULL);
}

/* Send, wait, and compare all that came back by its codes. */
static void
talk(const char *text, const char *codes)
{
	char seen[4096] = "";
	ssize_t n;

	assert_int_equal(write(h.client, text, strlen(text)), strlen(text));
	run(30);
	n = read(h.client, h.got, sizeof(h.got) - 1);
	h.got[n < 0 ? 0 : n] = '\0';
	for (char *line = strtok(h.got, "\n"); line != NULL;
	     line = strtok(NULL, "\n")) {
		if (strlen(line) < 4 || line[3] == '-')
			continue;
		line[3] = '\0';
		strlcat(seen, seen[0] == '\0' ? "" : " ", sizeof(seen));
		strlcat(seen, line, sizeof(seen));
	}
	assert_string_equal(seen, codes);
}

#define ENVELOPE "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"

static void
t_messages(void **state)
{
	(void)state;
	begin();
	talk("", "220");
	talk("EHLO me\r\n", "250");
	for (int i = 0; i < 50; i++) {
		talk(ENVELOPE, "250 250 354");
		talk("x\r\n.\r\n", "250");
	}
	assert_int_equal(h.nsent, 50);
	talk("QUIT\r\n", "221");
	assert_int_equal(h.ended, 1);
	assert_int_equal(h.messages, 50);
	end();
}

/* An envelope too large for a record travels as a sealed file. */
static void
t_large_envelope(void **state)
{
	static char cmd[65536];
	size_t n = 0;

	(void)state;
	begin();
	talk("", "220");
	talk("EHLO me\r\nMAIL FROM:<>\r\n", "554");
	connect_client();
	talk("", "220");
	talk("EHLO me\r\n", "250");
	talk("MAIL FROM:<>\r\n", "250");
	for (int i = 0; i < 900; i++)
		n += (size_t)snprintf(cmd + n, sizeof(cmd) - n,
		    "RCPT TO:<recipient-number-%d@d.example>\r\n", i);
	assert_int_equal(write(h.client, cmd, n), n);
	run(100);
	while (read(h.client, h.got, sizeof(h.got)) > 0)
		run(5);
	talk("DATA\r\n", "354");
	talk("x\r\n.\r\n", "250");
	assert_int_equal(h.large, 1);
	end();
}

/* Each peer goes at a bad moment, and comes back. */
static void
t_peers_go(void **state)
{
	(void)state;
	begin();
	talk("", "220");
	talk("EHLO me\r\n", "250");
	chan_free(&h.far[REWRITE]);
	run(10);
	talk("MAIL FROM:<>\r\nRCPT TO:<c@d>\r\n", "250 451");
	add_peer(REWRITE);
	talk("RCPT TO:<c@d>\r\nDATA\r\n", "250 354");
	chan_free(&h.far[QMGR]);
	run(10);
	talk("x\r\n.\r\n", "451");
	add_peer(QMGR);
	run(10);
	talk(ENVELOPE, "250 250 354");
	chan_free(&h.far[CLEANUP]);
	run(10);
	talk("x\r\n.\r\n", "451");
	assert_int_equal(h.dropped, 1);
	add_peer(CLEANUP);
	talk(ENVELOPE, "250 250 354");
	h.hold = true;
	talk("x\r\n.\r\n", "");
	chan_free(&h.far[QMGR]);
	talk("", "451");
	h.hold = false;
	add_peer(QMGR);
	/* gate starts anew: the session goes on, and is nobody's any more */
	chan_free(&h.far[GATE]);
	run(10);
	talk(ENVELOPE, "250 250 354");
	talk("x\r\n.\r\nQUIT\r\n", "250 221");
	assert_int_equal(h.ended, 0);
	add_peer(GATE);
	connect_client();
	talk("", "220");
	end();
	assert_int_equal(h.ended, 1);
}

/* The word comes when the client has long gone; cleanup refuses late. */
static void
t_late_words(void **state)
{
	struct spool_accepted a = { .qid = STR("Q1") };
	struct intake_refused no = { .code = 550,
		.dsn = STR("5.7.1"),
		.text = STR("no") };

	(void)state;
	begin();
	talk("", "220");
	talk("HELO me\r\n", "250");
	h.hold = true;
	talk("MAIL FROM:<>\r\n", "250");
	talk("RCPT TO:<c@d>\r\n", "250");
	talk("DATA\r\n", "354");
	talk("x\r\n.\r\n", "");
	/* A word about a slot that was never ours changes nothing. */
	chan_tell(h.far[QMGR], SPOOL_ACCEPTED, 12345, &a, NULL);
	chan_tell(h.far[CLEANUP], INTAKE_REFUSED, 12345, &no, NULL);
	talk("", "");
	chan_tell(h.far[CLEANUP], INTAKE_REFUSED, h.sent[0], &no, NULL);
	talk("", "550");
	assert_int_equal(h.dropped, 1);
	/* Too late, and twice. */
	chan_tell(h.far[QMGR], SPOOL_ACCEPTED, h.sent[0], &a, NULL);
	chan_tell(h.far[CLEANUP], INTAKE_REFUSED, h.sent[0], &no, NULL);
	talk("NOOP\r\n", "250");
	assert_int_equal(h.dropped, 1);
	end();
}

/* A client that does not read its replies does not grow. */
static void
t_deaf_client(void **state)
{
	static char cmd[60000];
	size_t n = 0;
	ssize_t k;

	(void)state;
	begin();
	talk("", "220");
	h.p.w.services[3]->junk_max = 1000000;
	talk("EHLO me\r\n", "250");
	while (n + 6 < sizeof(cmd)) {
		memcpy(cmd + n, "RSET\r\n", 6);
		n += 6;
	}
	for (int i = 0; i < 400; i++) {
		k = write(h.client, cmd, n / 6 * 6);
		if (k < 0)
			break;
		run(1);
	}
	assert_true(TAILQ_FIRST(&h.p.w.sessions)->out.len <= OUT_HIGH + 64);
	assert_true(TAILQ_FIRST(&h.p.w.sessions)->in.len <= IN_MAX);
	end();
}

/* A gate that hands over what it must not is cut off; its sessions go on. */
static void
gate_lies(uint64_t id, const char *why)
{
	struct gate_client rec = { .service = 3 };
	int sv[2];

	talk("HELO me\r\n", "250");
	h.why = why;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
			     sv),
	    0);
	chan_tell(h.far[GATE], GATE_CLIENT, id, &rec, &sv[1]);
	run(20);
	assert_null(h.near[GATE]);
	fd_close(&sv[0]);
	talk("NOOP\r\n", "250");
	end();
}

static void
t_gate_number_twice(void **state)
{
	(void)state;
	begin();
	talk("", "220");
	gate_lies(77, "session that is under way already");
}

static void
t_gate_too_many(void **state)
{
	(void)state;
	begin();
	talk("", "220");
	h.p.conns.counted = GATE_SESSIONS_MAX; /* as if there were */
	gate_lies(78, "more sessions than there may be");
}

static void
t_gate_second_session(void **state)
{
	(void)state;
	begin();
	talk("", "220");
	h.p.once = h.p.ready = true;
	h.p.conns.idle = NULL;
	gate_lies(78, "second session");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_gate_number_twice),
		cmocka_unit_test(t_gate_too_many),
		cmocka_unit_test(t_gate_second_session),
		cmocka_unit_test(t_messages),
		cmocka_unit_test(t_large_envelope),
		cmocka_unit_test(t_peers_go),
		cmocka_unit_test(t_late_words),
		cmocka_unit_test(t_deaf_client),
	};

	signal(SIGPIPE, SIG_IGN); /* as boot_start() has it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
