/* SPDX-License-Identifier: ISC */
#ifndef T_SMTP_H
#define T_SMTP_H

/*
 * The SMTP client with everybody around it played: qmgr, dns, the broker, and
 * servers that follow a script.
 *
 * A script is lines.  `< text` the server says, `> text` it waits for a line
 * that begins so, `>.` it waits for content up to the dot (kept in body), `!`
 * it hangs up, `~` it says nothing more.  `&` waits until the connection has
 * been closed by the client.  Connections follow scripts in turn.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "conf/build.h"
#include "daemons/smtp/smtp.h"
#include "edge/edges.h"
#include "log/log.h"
#include "net/netaddr.h"

#define RIG_MAX 16
#define RIG_TICKET 77

struct rig_server {
	struct rig *rig;
	const char *script; /* what is still to be done */
	struct watch watch;
	struct buf in, body;
	int fd;
	bool trouble;
};

struct rig_fate {
	unsigned rcpt, fate, flags;
	char dsn[16];
	char text[1100];
	char relay[600];
};

struct rig {
	struct smtp m; /* first: handlers get either */
	struct loop *loop;
	struct chan *qmgr, *agent; /* A, B of deliver */
	struct chan *dns_b, *broker_b;
	/* Listening on a loopback port. */
	int listen_fd;
	uint16_t port;
	struct watch listen;
	const char *script[RIG_MAX];
	size_t nscripts, nconns;
	struct rig_server server[RIG_MAX];
	/* What dns says: these addresses, at our port. */
	const char *host[RIG_MAX]; /* "127.0.0.1 10"; NULL ends */
	const char *fallback;	   /* for every question after the first */
	unsigned dns_status, dns_flags;
	const char *dns_text;
	size_t nroutes;
	bool self; /* 127.0.0.1 is an interface of ours */
	/* What came of it. */
	struct rig_fate fate[RIG_MAX];
	size_t nfates, ndone, njobs, failed;
	char log[8192];
	struct timer end;
	bool late;
	size_t stop_after; /* jobs */
};

static void
rig_log(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	struct rig *r = arg;
	size_t n = strlen(r->log);

	(void)level;
	(void)service;
	(void)when_us;
	snprintf(r->log + n, sizeof(r->log) - n, STR_FMT "\n", STR_ARG(text));
}

/* --- the server ----------------------------------------------------------- */

static void rig_play(struct rig_server *sv);

static void
rig_hang_up(struct rig_server *sv)
{
	watch_clear(&sv->watch);
	fd_close(&sv->fd);
}

/* Take a line off the input; false when there is none yet. */
static bool
rig_line(struct rig_server *sv, char *line, size_t size)
{
	struct str in = buf_get(&sv->in);
	ptrdiff_t lf = str_chr(in, '\n');

	if (lf == -1)
		return false;
	snprintf(line, size, STR_FMT, STR_ARG(str_sub(in, 0, (size_t)lf)));
	line[strcspn(line, "\r")] = '\0';
	buf_consume(&sv->in, (size_t)lf + 1);
	return true;
}

static bool
rig_body(struct rig_server *sv)
{
	struct str in = buf_get(&sv->in);
	const char *end = in.n < 3 ? NULL :
	    in.n >= 3 && memcmp(in.p, ".\r\n", 3) == 0 ?
				     in.p :
				     memmem(in.p, in.n, "\r\n.\r\n", 5);
	size_t n;

	if (end == NULL)
		return false;
	n = end == in.p ? 0 : (size_t)(end - in.p) + 2;
	buf_reset(&sv->body);
	buf_add(&sv->body, in.p, n);
	buf_consume(&sv->in, n + 3);
	return true;
}

/* One step; false when it has to wait. */
static bool
rig_step(struct rig_server *sv, const char *step, size_t n)
{
	char line[4096], out[4096];

	switch (step[0]) {
	case '<':
		snprintf(out, sizeof(out), "%.*s\r\n", (int)n - 2, step + 2);
		if (write(sv->fd, out, strlen(out)) == -1)
			sv->trouble = true;
		return true;
	case '>':
		if (step[1] == '.')
			return rig_body(sv);
		if (!rig_line(sv, line, sizeof(line)))
			return false;
		if (strncmp(line, step + 2, n - 2) != 0) {
			fprintf(stderr, "# server got \"%s\", wants \"%.*s\"\n",
			    line, (int)n - 2, step + 2);
			sv->trouble = true;
		}
		return true;
	case '!':
		rig_hang_up(sv);
		return true;
	default: /* ~ & */
		return false;
	}
}

static void
rig_play(struct rig_server *sv)
{
	while (sv->script[0] != '\0' && sv->fd != -1) {
		size_t n = strcspn(sv->script, "\n");

		if (!rig_step(sv, sv->script, n))
			return;
		sv->script += n + (sv->script[n] == '\n');
	}
}

static void
rig_on_server(int what, void *arg)
{
	struct rig_server *sv = arg;
	char data[65536];
	ssize_t n = read(sv->fd, data, sizeof(data));

	(void)what;
	if (n <= 0) {
		if (sv->script[0] == '&')
			sv->script = "";
		rig_hang_up(sv);
		return;
	}
	buf_add(&sv->in, data, (size_t)n);
	rig_play(sv);
}

static void
rig_on_accept(int what, void *arg)
{
	struct rig *r = arg;
	struct rig_server *sv;
	int one = 1,
	    fd =
		accept4(r->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd == -1)
		return;
	if (r->nconns >= r->nscripts) {
		r->failed++;
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	sv = &r->server[r->nconns];
	sv->rig = r;
	sv->script = r->script[r->nconns++];
	sv->fd = fd;
	buf_init(&sv->in, 8U << 20);
	buf_init(&sv->body, 8U << 20);
	watch_init(&sv->watch, r->loop, fd, rig_on_server, sv);
	watch_set(&sv->watch, LOOP_READ);
	rig_play(sv);
}

/* --- dns and broker ------------------------------------------------------- */

static void
rig_on_route(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct rig *r = arg;
	struct dns_hosts a = { .status = (uint8_t)r->dns_status,
		.flags = (uint8_t)r->dns_flags,
		.text = str_of(r->dns_text) };
	struct buf b;

	(void)rec;
	(void)fds;
	r->nroutes++;
	if (r->nroutes > 1 && r->fallback != NULL)
		a.status = DNS_OK;
	buf_init(&b, DNS_HOSTS_MAX);
	for (size_t i = 0; r->host[i] != NULL; i++) {
		struct str s = str_of(r->nroutes > 1 && r->fallback != NULL ?
				   r->fallback :
				   r->host[i]),
			   addr, pref;
		struct dns_host h = { .ticket = RIG_TICKET };
		uint64_t n = 0;

		str_token(&s, " ", &addr);
		if (str_token(&s, " ", &pref))
			str_u64(pref, 65535, &n);
		netaddr_parse(addr, &h.addr);
		h.addr.port = r->port;
		h.name = STR("mx.example");
		h.pref = (uint16_t)n;
		if (hosts_put(&b, &h) == -1)
			abort();
	}
	a.hosts = buf_get(&b);
	chan_answer(ch, DNS_HOSTS, id, &a, NULL);
	buf_clear(&b);
}

static void
rig_on_connect(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct broker_connect *q = rec;
	struct broker_refused no = { .error = EPERM, .why = STR("no ticket") };
	struct broker_connected a;
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(q->to.port) };
	struct rig *r = arg;
	int fd;

	(void)fds;
	memset(&a, 0, sizeof(a));
	if (r->self && q->to.ip[3] == 1)
		a.local = q->to;
	memcpy(&sin.sin_addr, q->to.ip, 4);
	if (q->ticket != RIG_TICKET || q->to.family != 4) {
		chan_answer(ch, BROKER_REFUSED, id, &no, NULL);
		return;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 &&
	    errno != EINPROGRESS)
		abort();
	chan_answer(ch, BROKER_CONNECTED, id, &a, &fd);
}

/* --- qmgr ----------------------------------------------------------------- */

static void
rig_on_fate(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct deliver_fate *f = rec;
	struct rig *r = arg;
	struct rig_fate *out = &r->fate[r->nfates % RIG_MAX];

	(void)ch;
	(void)id;
	(void)fds;
	r->nfates++;
	out->rcpt = f->rcpt;
	out->fate = f->fate;
	out->flags = f->flags;
	str_copy(f->dsn, out->dsn, sizeof(out->dsn));
	str_copy(f->text, out->text, sizeof(out->text));
	str_copy(f->relay, out->relay, sizeof(out->relay));
}

static void
rig_on_done(unsigned type, const void *rec, int *fds, void *arg)
{
	struct rig *r = arg;

	(void)rec;
	(void)fds;
	if (type != DELIVER_DONE)
		r->failed++;
	if (++r->ndone == r->stop_after)
		loop_stop(r->loop, 0);
}

static void
rig_gone(struct chan *ch, const char *why, void *arg)
{
	struct rig *r = arg;

	if (why != NULL)
		r->failed++;
	if (ch == r->agent) {
		smtp_orphan(&r->m, ch);
		r->agent = NULL;
	} else if (ch == r->qmgr) {
		r->qmgr = NULL;
	} else if (ch == r->m.dns) {
		r->m.dns = NULL;
	} else {
		abort();
	}
	chan_free(&ch);
}

/* rcpts: addresses separated by blanks, `addr!notify!orcpt` with DSN. */
static void
rig_job(struct rig *r, const char *transport, const char *nexthop,
    const char *sender, const char *rcpts, uint32_t flags, const char *content)
{
	struct str list = str_of(rcpts), one;
	struct deliver_job j = { .qid = STR("4Zabcd"),
		.sender = str_of(sender),
		.transport = str_of(transport),
		.nexthop = str_of(nexthop),
		.flags = flags,
		.arrived_us = clock_wall_us() - 3210000,
		.active_us = clock_wall_us() - 10000,
		.size = strlen(content),
		.ret = ENV_RET_HDRS,
		.envid = STR("Q+1") };
	struct buf b;
	int fd = memfd_from("message", content, strlen(content));

	buf_init(&b, DELIVER_RCPTS_MAX);
	while (str_token(&list, " ", &one)) {
		struct env_rcpt e = { .addr = one };
		ptrdiff_t bang = str_chr(one, '!');

		if (bang != -1) {
			e.addr = str_sub(one, 0, (size_t)bang);
			e.notify = (uint32_t)(one.p[bang + 1] - '0');
			e.orcpt = str_sub(one, (size_t)bang + 3, one.n);
			e.orig = STR("orig@here");
		}
		if (env_put_rcpt(&b, &e) == -1)
			abort();
	}
	j.rcpts = buf_get(&b);
	r->njobs++;
	chan_ask(r->qmgr, DELIVER_JOB, &j, &fd, rig_on_done, r);
	buf_clear(&b);
}

/* --- all of it ------------------------------------------------------------ */

static const struct chan_on rig_qmgr_on[] = { { DELIVER_FATE, rig_on_fate },
	{ 0, NULL } };
static const struct chan_on rig_agent_on[] = { { DELIVER_JOB, on_job },
	{ 0, NULL } };
static const struct chan_on rig_dns_on[] = { { DNS_ROUTE, rig_on_route },
	{ 0, NULL } };
static const struct chan_on rig_broker_on[] = {
	{ BROKER_CONNECT, rig_on_connect }, { 0, NULL }
};
static const struct chan_on rig_none[] = { { 0, NULL } };

static void
rig_pair(struct rig *r, const struct edge *e, const struct chan_on *a,
    const struct chan_on *b, void *arg_a, void *arg_b, struct chan **cha,
    struct chan **chb)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, sv) == -1)
		abort();
	*cha = chan_new(r->loop, sv[0], e, SIDE_A, a, rig_gone, arg_a);
	*chb = chan_new(r->loop, sv[1], e, SIDE_B, b, rig_gone, arg_b);
}

static void
rig_on_end(void *arg)
{
	struct rig *r = arg;

	r->late = true;
	loop_stop(r->loop, 1);
}

static void
rig_listen(struct rig *r)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(sin);

	r->listen_fd =
	    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(r->listen_fd, (struct sockaddr *)&sin, len) == -1 ||
	    listen(r->listen_fd, 16) == -1 ||
	    getsockname(r->listen_fd, (struct sockaddr *)&sin, &len) == -1)
		abort();
	r->port = ntohs(sin.sin_port);
	watch_init(&r->listen, r->loop, r->listen_fd, rig_on_accept, r);
	watch_set(&r->listen, LOOP_READ);
}

static void
rig_settings(struct rig *r, const char *main_cf)
{
	struct build b;
	char *master =
	    xasprintf("%u inet n - n - - smtpd\n"
		      "smtp unix - - n - - smtp\nlmtp unix - - n - - lmtp\n",
		r->port);

	build_parse(&b, "/nowhere", str_of(main_cf), str_of(master));
	for (size_t i = 0; i < b.master.n; i++) {
		const struct service *sv = &b.master.v[i];
		struct buf out;
		struct conf *c;

		buf_init(&out, BUILD_MAX);
		if (build_snapshot(&b, sv, 1, &out) == -1 ||
		    (c = conf_from(buf_get(&out).p, buf_get(&out).n)) == NULL) {
			fprintf(stderr, "# bad settings\n");
			abort();
		}
		buf_clear(&out);
		if (r->m.log_name.n == 0)
			smtp_shared(&r->m, c);
		smtp_config(&r->m, str_of(sv->name), (unsigned)i, c);
	}
	build_clear(&b);
	free(master);
}

static void
rig_init(struct rig *r, const char *more_main_cf)
{
	char *main_cf = xasprintf("myhostname = client.example\n"
				  "inet_interfaces = 127.0.0.77\n%s",
	    more_main_cf);
	int sv[2];

	memset(r, 0, sizeof(*r));
	r->dns_text = "";
	r->host[0] = "127.0.0.1";
	r->loop = loop_new();
	smtp_init(&r->m, r->loop);
	rig_listen(r);
	rig_settings(r, main_cf);
	free(main_cf);
	rig_pair(r, &edge_deliver, rig_qmgr_on, rig_agent_on, r, &r->m,
	    &r->qmgr, &r->agent);
	rig_pair(r, &edge_broker, rig_none, rig_broker_on, r, r, &r->m.broker,
	    &r->broker_b);
	rig_pair(r, &edge_dns, rig_none, rig_dns_on, r, r, &r->m.dns,
	    &r->dns_b);
	(void)sv;
	log_sink(rig_log, r);
	timer_init(&r->end, r->loop, rig_on_end, r);
}

/* Until all jobs are done; false when that takes too long. */
static bool
rig_run(struct rig *r)
{
	r->stop_after = r->njobs;
	timer_set(&r->end, 8000);
	if (r->ndone < r->njobs)
		loop_run(r->loop);
	timer_cancel(&r->end);
	return !r->late;
}

/* Let the loop turn for a while. */
static void UNUSED
rig_wait(struct rig *r, int64_t ms)
{
	r->stop_after = 0;
	timer_set(&r->end, ms);
	loop_run(r->loop);
	r->late = false;
}

static void UNUSED
rig_clear(struct rig *r)
{
	log_sink(NULL, NULL);
	timer_clear(&r->end);
	smtp_clear(&r->m);
	chan_free(&r->qmgr);
	chan_free(&r->agent);
	chan_free(&r->m.dns);
	chan_free(&r->dns_b);
	chan_free(&r->m.broker);
	chan_free(&r->broker_b);
	for (size_t i = 0; i < r->nconns; i++) {
		watch_clear(&r->server[i].watch);
		fd_close(&r->server[i].fd);
		buf_clear(&r->server[i].in);
		buf_clear(&r->server[i].body);
	}
	watch_clear(&r->listen);
	fd_close(&r->listen_fd);
	loop_free(&r->loop);
}

#endif
