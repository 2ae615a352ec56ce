/* SPDX-License-Identifier: ISC */
/*
 * Honest work for victims whose helpers lie.
 */
#include "errands.h"

#include <sys/socket.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "edge/control.h"
#include "edge/hosts.h"
#include "queue/envelope.h"
#include "queue/event.h"
#include "queue/qid.h"
#include "things.h"

static uint64_t
dice(uint64_t n)
{
	static uint64_t s = 88172645463325252ULL;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return s % n;
}

static struct str
pick(const char *const *v, size_t n)
{
	return str_of(v[dice(n)]);
}

static const char *const addresses[] = { "user@test.example",
	"root@test.example", "user@local.test.example",
	"postmaster@local.test.example", "", "x@elsewhere.example",
	"user+ext@test.example", "user%other@test.example",
	"a!b!c@test.example", "\"quoted user\"@test.example",
	"user@[127.0.0.1]", "@r1,@r2:user@test.example", "user" };
static const char *const values[] = { "user/", "4711", "other@test.example",
	"|/bin/sh", "/etc/cron.d/x", ":include:/etc/passwd",
	"user@test.example", "../../../etc/passwd", "REJECT", "OK",
	"smtp:[127.0.0.1]:1", "x, y, z", "user@test.example, user@test.example",
	"$1", "0", "-1", "error:5.7.1 no", "\"", "{ unbalanced", "~/x", "%u",
	"DISCARD", "REDIRECT a@b.example" };
static const char *const transports[] = { "smtp", "local", "virtual", "error",
	"discard", "relay", "retry", "nowhere" };

/* --- half of the truth ---------------------------------------------------- */

static size_t
encode(const struct edge *e, unsigned type, uint64_t id, const void *rec,
    uint8_t *p, size_t size)
{
	struct buf b;
	size_t n = 0;

	buf_init(&b, size < REC_MAX ? size : REC_MAX);
	if (rec_encode(&b, edge_type(e, type), id, rec) == 0) {
		n = b.len;
		memcpy(p, buf_get(&b).p, n);
	}
	buf_clear(&b);
	return n;
}

static size_t
hosts(uint64_t id, uint8_t *p, size_t size)
{
	struct dns_hosts a = { .status = DNS_OK };
	struct dns_host h = { .name = STR("mx.evil.example"),
		.addr = { .family = 4, .ip = { 127, 0, 0, 1 }, .port = 25 },
		.expires = UINT32_MAX,
		.ticket = 1 };
	struct buf b;
	size_t n;

	buf_init(&b, DNS_HOSTS_MAX);
	for (uint64_t i = dice(4); i-- > 0;)
		if (hosts_put(&b, &h) == -1)
			break;
	a.hosts = buf_get(&b);
	n = encode(&edge_dns, DNS_HOSTS, id, &a, p, size);
	buf_clear(&b);
	return n;
}

static size_t
resolved(uint64_t id, uint8_t *p, size_t size)
{
	struct resolve_answer a = { .class = (uint8_t)dice(6),
		.exists = (uint8_t)dice(4),
		.ticket = dice(2),
		.addr = pick(addresses, NELEM(addresses)),
		.transport = pick(transports, NELEM(transports)),
		.nexthop = STR("elsewhere.example") };

	return encode(&edge_resolve, RESOLVE_ANSWER, id, &a, p, size);
}

static size_t
looked_up(unsigned type, uint64_t id, uint8_t *p, size_t size)
{
	struct lookup_answer a = { .status = (uint8_t)dice(2),
		.key = STR("user@test.example"),
		.value = pick(values, NELEM(values)) };
	struct lookup_passwd u = { .status = (uint8_t)dice(2),
		.uid = 4711,
		.gid = 4711,
		.name = STR("user"),
		.home = STR("/home/user"),
		.shell = STR("/bin/sh") };
	struct lookup_text t = { .more = 1,
		.stamp = dice(3),
		.text = pick(values, NELEM(values)) };

	if (type == LOOKUP_ANSWER)
		return encode(&edge_lookup, type, id, &a, p, size);
	if (type == LOOKUP_PASSWD)
		return encode(&edge_lookup, type, id, &u, p, size);
	return encode(&edge_lookup, type, id, &t, p, size);
}

static size_t
done_with(const struct edge *e, unsigned type, uint64_t id, uint8_t *p,
    size_t size)
{
	struct mailbox_written w = { .fate = (uint8_t)(1 + dice(3)),
		.dsn = STR("2.0.0"),
		.text = STR("delivered") };
	struct mailbox_text t = { .status = (uint8_t)dice(5),
		.text = pick(values, NELEM(values)) };
	struct bounce_made b = { .status = (uint8_t)dice(3),
		.qid = STR("0C4B36912A5F0") };

	if (e == &edge_bounce)
		return encode(e, type, id, &b, p, size);
	return type == MAILBOX_WRITTEN ? encode(e, type, id, &w, p, size) :
					 encode(e, type, id, &t, p, size);
}

size_t
half_truth(const struct edge *e, unsigned type, uint64_t id, uint64_t chance,
    uint8_t *p, size_t size)
{
	if (chance % 4 == 0)
		return 0;
	if (e == &edge_dns && type == DNS_HOSTS)
		return hosts(id, p, size);
	if (e == &edge_resolve && type == RESOLVE_ANSWER)
		return resolved(id, p, size);
	if (e == &edge_lookup &&
	    (type == LOOKUP_ANSWER || type == LOOKUP_PASSWD ||
		type == LOOKUP_TEXT))
		return looked_up(type, id, p, size);
	if ((e == &edge_mailbox &&
		(type == MAILBOX_WRITTEN || type == MAILBOX_TEXT)) ||
	    (e == &edge_bounce && type == BOUNCE_MADE))
		return done_with(e, type, id, p, size);
	return 0;
}

/* --- errands -------------------------------------------------------------- */

static uint64_t
new_qid(char text[QID_TEXT_MAX])
{
	static uint64_t n;
	uint64_t qid = (uint64_t)clock_wall_us() + ++n;

	qid_format(qid, text);
	return qid;
}

static int
letter(bool seal)
{
	static const char text[] =
	    "From: a@evil.example\n"
	    "To: user@test.example\nSubject: x\n\nbody\n";
	int fd = memfd_new("letter");

	if (fd == -1 || fd_write_all(fd, text, sizeof(text) - 1) == -1 ||
	    (seal && memfd_seal(fd) == -1))
		fd_close(&fd);
	return fd;
}
#define LETTER_SIZE 60 /* or so: what lies behind its end is one more trap */

static void
put_rcpts(struct buf *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct env_rcpt r = { .addr = pick(addresses, 4),
			.orig = STR("user@test.example"),
			.notify = (uint32_t)dice(16),
			.transport = pick(transports, NELEM(transports)),
			.nexthop = STR("test.example") };

		if (dice(2) == 0)
			r.transport = r.nexthop = STR("");
		if (env_put_rcpt(b, &r) == -1)
			b->full = false;
	}
}

static void
put_envelope(struct buf *b)
{
	struct envelope e = { .arrival_us = clock_wall_us(),
		.origin = ENV_FROM_SMTPD,
		.sender = STR("a@evil.example") };
	unsigned n = 1 + (unsigned)dice(5);

	if (env_put_head(b, &e) == -1)
		return;
	put_rcpts(b, n);
	if (env_put_end(b, 0, n) == -1)
		b->full = false;
}

static bool
do_smtpd(void)
{
	struct gate_client c = {
		.client = { .family = 4, .ip = { 192, 0, 2, 1 }, .port = 1 },
		.server = { .family = 4, .ip = { 127, 0, 0, 1 }, .port = 25 },
		.when_us = clock_wall_us()
	};
	static uint64_t id;

	stage_tell(&edge_gate, "gate", GATE_CLIENT, ++id, &c,
	    thing_make(THING_RIGHT, &edge_gate));
	return true;
}

static bool
do_cleanup(void)
{
	struct intake_message m;
	char qid[QID_TEXT_MAX];
	struct buf b;

	buf_init(&b, ENVELOPE_INLINE_MAX);
	put_envelope(&b);
	new_qid(qid);
	m.qid = str_of(qid);
	m.envelope = buf_get(&b);
	stage_tell(&edge_intake, dice(2) == 0 ? "smtpd" : "pickup",
	    INTAKE_MESSAGE, dice(1u << 30), &m, letter(false));
	buf_clear(&b);
	return true;
}

/* A slot it handed out is filled and committed. */
static bool
do_qmgr(void)
{
	struct spool_want w = { .slots = 8 };
	struct commit_message m;
	struct stage_slot s;
	struct buf b;

	stage_tell(&edge_spool, "smtpd", SPOOL_WANT, 0, &w, -1);
	if (!stage_slot(&s))
		return true;
	buf_init(&b, ENVELOPE_INLINE_MAX);
	put_envelope(&b);
	m.qid = str_of(s.qid);
	m.envelope = buf_get(&b);
	if (write(s.fd, "Subject: x\n\nx\n", 14) != 14 ||
	    memfd_seal(s.fd) == -1)
		fd_close(&s.fd);
	else
		stage_tell(&edge_commit, "cleanup", COMMIT_MESSAGE, s.id, &m,
		    s.fd);
	buf_clear(&b);
	return true;
}

static bool
do_agent(const char *transport)
{
	char qid[QID_TEXT_MAX];
	struct deliver_job j = { .sender = STR("a@evil.example"),
		.transport = str_of(transport),
		.nexthop = STR("test.example"),
		.arrived_us = clock_wall_us(),
		.active_us = clock_wall_us(),
		.size = LETTER_SIZE };
	static uint64_t id = 1;
	struct buf b;

	buf_init(&b, DELIVER_RCPTS_MAX);
	put_rcpts(&b, 1 + (unsigned)dice(4));
	new_qid(qid);
	j.qid = str_of(qid);
	j.rcpts = buf_get(&b);
	stage_tell(&edge_deliver, "qmgr", DELIVER_JOB, ++id, &j, letter(true));
	buf_clear(&b);
	return true;
}

static bool
do_rewrite(void)
{
	static const char *const askers[] = { "smtpd", "cleanup", "qmgr",
		"local" };
	struct resolve_ask q = { .flags = (uint8_t)dice(4),
		.sender = pick(addresses, NELEM(addresses)),
		.addr = pick(addresses, NELEM(addresses)) };
	static uint64_t id;

	stage_tell(&edge_resolve, askers[dice(4)], RESOLVE_ASK, ++id, &q, -1);
	return true;
}

static bool
do_bounce(void)
{
	char qid[QID_TEXT_MAX];
	uint64_t number = new_qid(qid);
	struct event_range range = { 0, 1 };
	struct event e = { .type = EVENT_FATE,
		.time_us = clock_wall_us(),
		.fate = (enum event_fate)(1 + dice(6)),
		.ranges = &range,
		.nranges = 1,
		.dsn = STR("5.1.1"),
		.mta = STR("mx.evil.example"),
		.reason = STR("550 no\r\nsuch user \xff") };
	struct bounce_make m = { .kind = (uint8_t)(1 + dice(4)),
		.sender = pick(addresses, NELEM(addresses)),
		.ret = (uint8_t)dice(3),
		.arrived_us = clock_wall_us(),
		.size = LETTER_SIZE };
	static uint64_t id;
	struct buf b;

	buf_init(&b, 30720);
	for (unsigned i = 0; i < 3; i++) {
		put_rcpts(&b, 1);
		if (event_put(&b, number, &e) == -1)
			b.full = false;
	}
	m.qid = str_of(qid);
	m.reports = buf_get(&b);
	stage_tell(&edge_bounce, "qmgr", BOUNCE_MAKE, ++id, &m, letter(true));
	buf_clear(&b);
	return true;
}

/* A user's mailctl, who does not wait for the answer. */
static bool
do_control(void)
{
	struct control_list l = { .detail = (uint8_t)dice(2) };
	struct control_change c = { .op = (uint8_t)dice(12),
		.arg = STR("ALL") };
	struct control_open o = { .qid = STR("0C4B36912A5F0") };
	struct control_admin a = { .what = 1 };
	struct control_stats s;
	struct buf b;
	int r = 0;

	memset(&s, 0, sizeof(s));
	buf_init(&b, 65536);
	switch (dice(5)) {
	case 0:
		r = control_put(&b, CONTROL_LIST, 1, &l);
		break;
	case 1:
		r = control_put(&b, CONTROL_CHANGE, 1, &c);
		break;
	case 2:
		r = control_put(&b, CONTROL_OPEN, 1, &o);
		break;
	case 3:
		r = control_put(&b, CONTROL_ADMIN, 1, &a);
		break;
	default:
		r = control_put(&b, CONTROL_STATS, 1, &s);
	}
	thing_call(buf_get(&b).p, r == 0 ? b.len : 0);
	buf_clear(&b);
	return true;
}

bool
errand(struct victim *v, unsigned n)
{
	const char *name = v->policy->name;

	(void)n;
	if (strcmp(name, "smtpd") == 0)
		return do_smtpd();
	if (strcmp(name, "cleanup") == 0)
		return do_cleanup();
	if (strcmp(name, "qmgr") == 0)
		return do_qmgr();
	if (strcmp(name, "smtp") == 0 || strcmp(name, "local") == 0 ||
	    strcmp(name, "virtual") == 0)
		return do_agent(name);
	if (strcmp(name, "rewrite") == 0)
		return do_rewrite();
	if (strcmp(name, "bounce") == 0)
		return do_bounce();
	if (strcmp(name, "control") == 0)
		return do_control();
	return false;
}
