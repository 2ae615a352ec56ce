/* SPDX-License-Identifier: ISC */
#ifndef T_DNS_H
#define T_DNS_H

/*
 * The resolver with its broker and its name servers played.
 *
 * A zone is an array of records in text.  What the name begins with makes the
 * server misbehave: silent, servfail, forged (wrong answers first), cut (does
 * not fit in a datagram), formerr (does not know EDNS), far (an alias whose
 * target is not in the answer).
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "conf/build.h"
#include "daemons/dns/dns.h"
#include "edge/edges.h"
#include "edge/hosts.h"
#include "log/log.h"
#include "net/netaddr.h"

struct zone_rr {
	const char *name;
	uint16_t type;
	const char *data; /* MX: "10 host" */
};

#define RIG_SERVERS 2

struct rig_want {
	unsigned index;
	bool tcp;
	void *to;
};

struct rig {
	struct dns d;
	struct loop *loop;
	struct chan *asker, *dns_b;
	const struct zone_rr *zone;
	int udp_fd, tcp_fd, conn_fd;
	uint16_t port;
	struct watch udp, tcp, conn;
	bool dead[RIG_SERVERS]; /* the port is one where nobody listens */
	unsigned nservers;
	struct rig_want want[256];
	size_t nwants;
	struct turn turn;
	struct timer end;
	unsigned nqueries;    /* that reached the server */
	uint16_t ports[1024]; /* they came from */
	uint16_t ids[1024];
	uint32_t ttl;
	bool late;
	bool reload; /* while a question is on its way over TCP */
	/* The last answer. */
	unsigned got;
	unsigned status, flags, verified, authentic;
	char text[512];
	char name[260];
	char hosts[8192]; /* "name addr:port pref;" for each */
	uint64_t ticket;
	struct netaddr first;
	uint32_t expires;
};

/* --- the name server ------------------------------------------------------ */

static void
put16(struct buf *b, unsigned v)
{
	buf_putc(b, (int)(v >> 8 & 0xff));
	buf_putc(b, (int)(v & 0xff));
}

static void
put32(struct buf *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b, v & 0xffff);
}

static void
put_dname(struct buf *b, const char *name)
{
	struct str s = str_of(name), label;

	while (str_token(&s, ".", &label)) {
		buf_putc(b, (int)label.n);
		buf_str(b, label);
	}
	buf_putc(b, 0);
}

static void
put_rdata(struct buf *b, uint16_t type, const char *data)
{
	uint8_t ip[16];

	switch (type) {
	case RR_A:
		inet_pton(AF_INET, data, ip);
		buf_add(b, ip, 4);
		break;
	case RR_AAAA:
		inet_pton(AF_INET6, data, ip);
		buf_add(b, ip, 16);
		break;
	case RR_MX:
		put16(b, (unsigned)atoi(data));
		put_dname(b, strchr(data, ' ') + 1);
		break;
	case RR_TXT:
		buf_putc(b, (int)strlen(data));
		buf_puts(b, data);
		break;
	default:
		put_dname(b, data);
		break;
	}
}

static void
put_rr(struct rig *r, struct buf *b, const char *name, uint16_t type,
    const char *data)
{
	struct buf d;

	buf_init(&d, 1024);
	put_rdata(&d, type, data);
	put_dname(b, name);
	put16(b, type);
	put16(b, 1);
	put32(b, r->ttl);
	put16(b, (unsigned)d.len);
	buf_str(b, buf_get(&d));
	buf_clear(&d);
}

/* Records of a name; follows aliases.  How many, -1 when it is unknown. */
static int
put_answers(struct rig *r, struct buf *b, const char *name, uint16_t type)
{
	int n = 0, more;
	bool known = false;

	for (const struct zone_rr *z = r->zone; z->name != NULL; z++) {
		if (strcasecmp(z->name, name) != 0)
			continue;
		known = true;
		if (z->type != type && z->type != RR_CNAME)
			continue;
		put_rr(r, b, name, z->type, z->data);
		n++;
		if (z->type == RR_CNAME && type != RR_CNAME &&
		    strncmp(name, "far", 3) != 0) {
			more = put_answers(r, b, z->data, type);
			return more == -1 ? -1 : n + more;
		}
	}
	return known ? n : -1;
}

static void
put_soa(struct rig *r, struct buf *b)
{
	struct buf d;

	buf_init(&d, 256);
	put_dname(&d, "ns.example");
	put_dname(&d, "root.example");
	for (int i = 0; i < 5; i++)
		put32(&d, i == 4 ? r->ttl : 3600);
	put_dname(b, "example");
	put16(b, RR_SOA);
	put16(b, 1);
	put32(b, r->ttl);
	put16(b, (unsigned)d.len);
	buf_str(b, buf_get(&d));
	buf_clear(&d);
}

static void
reply(struct rig *r, struct buf *b, const uint8_t *q, size_t qlen,
    const char *name, uint16_t type, bool tcp)
{
	struct buf rrs;
	bool edns = q[11] != 0;
	int n = 0, rcode = 0;
	size_t qend = 12;

	while (qend < qlen && q[qend] != 0)
		qend += 1U + q[qend];
	qend += 5;
	buf_init(&rrs, 65000);
	if (strncmp(name, "servfail", 8) == 0)
		rcode = 2;
	else if (strncmp(name, "formerr", 7) == 0 && edns)
		rcode = 1;
	else
		n = put_answers(r, &rrs, name, type);
	if (n == -1) {
		rcode = 3;
		n = 0;
	}
	buf_add(b, q, 2);
	buf_putc(b, 0x81 | (!tcp && strncmp(name, "cut", 3) == 0 ? 0x02 : 0));
	buf_putc(b, 0x80 | rcode);
	put16(b, 1);
	put16(b, (unsigned)n);
	put16(b, n == 0 ? 1 : 0);
	put16(b, 0);
	buf_add(b, q + 12, qend - 12);
	buf_str(b, buf_get(&rrs));
	if (n == 0)
		put_soa(r, b);
	buf_clear(&rrs);
}

static void
question_name(const uint8_t *q, size_t n, char *name, uint16_t *type)
{
	size_t at = 12, k = 0;

	while (at < n && q[at] != 0) {
		if (k > 0)
			name[k++] = '.';
		memcpy(name + k, q + at + 1, q[at]);
		k += q[at];
		at += 1U + q[at];
	}
	name[k] = '\0';
	*type = (uint16_t)(q[at + 1] << 8 | q[at + 2]);
}

static void
send_forged(struct rig *r, struct buf *b, const struct sockaddr_in *to)
{
	char *p = xmalloc(b->len);

	/* Another id; another question; no answer at all. */
	memcpy(p, b->base, b->len);
	p[0] ^= 0x55;
	sendto(r->udp_fd, p, b->len, 0, (const struct sockaddr *)to,
	    sizeof(*to));
	p[0] ^= 0x55;
	p[14] ^= 0x01;
	sendto(r->udp_fd, p, b->len, 0, (const struct sockaddr *)to,
	    sizeof(*to));
	sendto(r->udp_fd, p, 3, 0, (const struct sockaddr *)to, sizeof(*to));
	free(p);
}

static void
on_udp(int what, void *arg)
{
	struct rig *r = arg;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t q[2048];
	char name[300];
	uint16_t type;
	struct buf b;
	ssize_t n = recvfrom(r->udp_fd, q, sizeof(q), 0,
	    (struct sockaddr *)&from, &len);

	(void)what;
	if (n < 17)
		return;
	question_name(q, (size_t)n, name, &type);
	r->ports[r->nqueries % 1024] = ntohs(from.sin_port);
	r->ids[r->nqueries % 1024] = (uint16_t)(q[0] << 8 | q[1]);
	r->nqueries++;
	if (strncmp(name, "silent", 6) == 0)
		return;
	buf_init(&b, 65535);
	reply(r, &b, q, (size_t)n, name, type, false);
	if (strncmp(name, "forged", 6) == 0)
		send_forged(r, &b, &from);
	sendto(r->udp_fd, b.base, b.len, 0, (struct sockaddr *)&from, len);
	buf_clear(&b);
}

static void
on_conn(int what, void *arg)
{
	struct rig *r = arg;
	uint8_t q[2048];
	char name[300];
	uint16_t type;
	struct buf b;
	ssize_t n = read(r->conn_fd, q, sizeof(q));

	(void)what;
	if (r->reload)
		resolver_restart(&r->d.resolver);
	r->reload = false;
	if (n > 19) {
		question_name(q + 2, (size_t)n - 2, name, &type);
		buf_init(&b, 65535);
		put16(&b, 0);
		reply(r, &b, q + 2, (size_t)n - 2, name, type, true);
		b.base[0] = (char)((b.len - 2) >> 8);
		b.base[1] = (char)((b.len - 2) & 0xff);
		if (write(r->conn_fd, b.base, 1) == -1 ||
		    write(r->conn_fd, b.base + 1, b.len - 1) == -1)
			abort();
		buf_clear(&b);
		return;
	}
	watch_clear(&r->conn);
	fd_close(&r->conn_fd);
}

static void
on_accept(int what, void *arg)
{
	struct rig *r = arg;

	(void)what;
	watch_clear(&r->conn);
	fd_close(&r->conn_fd);
	r->conn_fd = accept4(r->tcp_fd, NULL, NULL, SOCK_CLOEXEC);
	watch_init(&r->conn, r->loop, r->conn_fd, on_conn, r);
	watch_set(&r->conn, LOOP_READ);
}

/* --- the broker ----------------------------------------------------------- */

static int
rig_socket(struct rig *r, const struct rig_want *w)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd;

	sin.sin_port = htons(r->dead[w->index] ? 1 : r->port);
	fd = socket(AF_INET,
	    (w->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 &&
	    errno != EINPROGRESS)
		abort();
	return fd;
}

static void
rig_give(void *arg)
{
	struct rig *r = arg;

	for (size_t i = 0; i < r->nwants; i++) {
		struct rig_want w = r->want[i];
		int fd = w.index < r->nservers ? rig_socket(r, &w) : -1;

		if (w.tcp)
			resolver_tcp(w.to, fd);
		else
			resolver_udp(w.to, fd, fd == -1);
	}
	r->nwants = 0;
}

static void
rig_want(unsigned index, bool tcp, void *to, void *arg)
{
	struct rig *r = arg;

	if (r->nwants == NELEM(r->want))
		abort();
	r->want[r->nwants++] = (struct rig_want){ index, tcp, to };
	turn_ask(&r->turn);
}

/* --- asking --------------------------------------------------------------- */

static void
rig_on_answer(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct dns_hosts *h = rec;
	const struct dns_named *n = rec;
	const struct dns_records *q = rec;
	struct rig *r = arg;
	struct str list;
	struct dns_host one;
	char addr[NETADDR_TEXT];

	(void)fds;
	r->got++;
	r->hosts[0] = r->text[0] = r->name[0] = '\0';
	r->status = 255;
	if (type == DNS_HOSTS) {
		r->status = h->status;
		r->flags = h->flags;
		str_copy(h->text, r->text, sizeof(r->text));
		list = h->hosts;
		while (hosts_next(&list, &one) == 1) {
			size_t k = strlen(r->hosts);

			if (k == 0) {
				r->ticket = one.ticket;
				r->first = one.addr;
				r->expires = one.expires;
			}
			snprintf(r->hosts + k, sizeof(r->hosts) - k,
			    STR_FMT " %s:%u %u;", STR_ARG(one.name),
			    netaddr_text(&one.addr, addr), one.addr.port,
			    one.pref);
		}
	} else if (type == DNS_NAMED) {
		r->status = n->status;
		r->verified = n->verified;
		str_copy(n->name, r->name, sizeof(r->name));
	} else if (type == DNS_RECORDS) {
		r->status = q->status;
		r->authentic = q->authentic;
		str_copy(q->records, r->hosts, sizeof(r->hosts));
	}
	loop_stop(r->loop, 0);
}

static void
rig_on_end(void *arg)
{
	struct rig *r = arg;

	r->late = true;
	loop_stop(r->loop, 1);
}

static bool
rig_run(struct rig *r)
{
	timer_set(&r->end, 25000);
	loop_run(r->loop);
	timer_cancel(&r->end);
	return !r->late;
}

static bool UNUSED
rig_route(struct rig *r, const char *nexthop, unsigned flags, uint64_t ticket)
{
	struct dns_route q = { .nexthop = str_of(nexthop),
		.port = 25,
		.flags = (uint8_t)flags,
		.route_ticket = ticket };

	chan_ask(r->asker, DNS_ROUTE, &q, NULL, rig_on_answer, r);
	return rig_run(r);
}

static bool UNUSED
rig_query(struct rig *r, const char *name, unsigned type)
{
	struct dns_query q = { .name = str_of(name), .rrtype = (uint16_t)type };

	chan_ask(r->asker, DNS_QUERY, &q, NULL, rig_on_answer, r);
	return rig_run(r);
}

static bool UNUSED
rig_name(struct rig *r, const char *addr)
{
	struct dns_name q;

	if (netaddr_parse(str_of(addr), &q.addr) == -1)
		abort();
	chan_ask(r->asker, DNS_NAME, &q, NULL, rig_on_answer, r);
	return rig_run(r);
}

/* --- all of it ------------------------------------------------------------ */

static const struct chan_on rig_none[] = { { 0, NULL } };
static const struct chan_on rig_dns_on[] = { { DNS_ROUTE, on_route },
	{ DNS_NAME, on_name }, { DNS_QUERY, on_query }, { 0, NULL } };

static void
rig_gone(struct chan *ch, const char *why, void *arg)
{
	struct rig *r = arg;

	if (why != NULL)
		abort();
	if (ch == r->dns_b) {
		dns_forget(&r->d, ch);
		r->dns_b = NULL;
	} else {
		r->asker = NULL;
	}
	chan_free(&ch);
}

static void
rig_listen(struct rig *r)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(sin);

	do {
		fd_close(&r->udp_fd);
		fd_close(&r->tcp_fd);
		sin.sin_port = 0;
		r->udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		r->tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(r->udp_fd, (struct sockaddr *)&sin, len) == -1 ||
		    getsockname(r->udp_fd, (struct sockaddr *)&sin, &len) == -1)
			abort();
	} while (bind(r->tcp_fd, (struct sockaddr *)&sin, len) == -1);
	if (listen(r->tcp_fd, 16) == -1)
		abort();
	r->port = ntohs(sin.sin_port);
	watch_init(&r->udp, r->loop, r->udp_fd, on_udp, r);
	watch_set(&r->udp, LOOP_READ);
	watch_init(&r->tcp, r->loop, r->tcp_fd, on_accept, r);
	watch_set(&r->tcp, LOOP_READ);
}

static struct conf *
rig_conf(const char *main_cf)
{
	struct build b;
	struct buf out;
	struct conf *c;

	build_parse(&b, "/nowhere", str_of(main_cf),
	    STR("smtp inet n - n - - smtpd\n"
		"127.0.0.77:2525 inet n - n - - smtpd\n"));
	buf_init(&out, BUILD_MAX);
	if (build_snapshot(&b, NULL, 1, &out) == -1 ||
	    (c = conf_from(buf_get(&out).p, buf_get(&out).n)) == NULL)
		abort();
	buf_clear(&out);
	build_clear(&b);
	return c;
}

static void
rig_init(struct rig *r, const struct zone_rr *zone, const struct conf *c)
{
	int sv[2];

	memset(r, 0, sizeof(*r));
	r->udp_fd = r->tcp_fd = r->conn_fd = -1;
	r->zone = zone;
	r->nservers = 1;
	r->ttl = 60;
	r->loop = loop_new();
	rig_listen(r);
	turn_init(&r->turn, r->loop, rig_give, r);
	timer_init(&r->end, r->loop, rig_on_end, r);
	dns_init(&r->d, r->loop, rig_want, r);
	dns_config(&r->d, c);
	r->d.address_key.have = r->d.route_key.have = true;
	memset(r->d.route_key.key, 7, sizeof(r->d.route_key.key));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, sv) == -1)
		abort();
	r->asker =
	    chan_new(r->loop, sv[0], &edge_dns, SIDE_A, rig_none, rig_gone, r);
	r->dns_b = chan_new(r->loop, sv[1], &edge_dns, SIDE_B, rig_dns_on,
	    rig_gone, &r->d);
}

static void
rig_clear(struct rig *r)
{
	chan_free(&r->asker);
	chan_free(&r->dns_b);
	turn_cancel(&r->turn);
	dns_clear(&r->d);
	for (size_t i = 0; i < r->nwants; i++) {
		if (r->want[i].tcp)
			resolver_tcp(r->want[i].to, -1);
		else
			resolver_udp(r->want[i].to, -1, false);
	}
	timer_clear(&r->end);
	watch_clear(&r->udp);
	watch_clear(&r->tcp);
	watch_clear(&r->conn);
	fd_close(&r->udp_fd);
	fd_close(&r->tcp_fd);
	fd_close(&r->conn_fd);
	loop_free(&r->loop);
}

#endif
