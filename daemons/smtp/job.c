/* SPDX-License-Identifier: ISC */
/*
 * A job: one message and its recipients, tried on one server after the other
 * until every recipient is settled or nobody is left to try.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "edge/ticket.h"
#include "log/log.h"
#include "net/netaddr.h"

#include "smtp.h"

static void ask_route(struct job *j);

/* --- birth and death ------------------------------------------------------ */

void
job_free(struct job **jp)
{
	struct job *j = *jp;

	*jp = NULL;
	if (j == NULL)
		return;
	if (j->ask != 0)
		chan_forget(j->asked, j->ask);
	if (j->content_ok)
		content_clear(&j->content);
	for (size_t i = 0; i < j->nrcpts; i++)
		why_clear(&j->rcpt[i].why);
	why_clear(&j->why);
	TAILQ_REMOVE(&j->smtp->jobs, j, link);
	settings_unref(&j->st);
	fd_close(&j->fd);
	free(j->host);
	free(j->host_text);
	free(j->edits);
	free(j->rcpt);
	free(j->mem);
	free(j);
}

static void
job_done(struct job *j)
{
	struct deliver_done rec;

	memset(&rec, 0, sizeof(rec));
	if (j->ch != NULL)
		chan_answer(j->ch, DELIVER_DONE, j->id, &rec, NULL);
	job_free(&j);
}

static struct str
keep(char **at, struct str s)
{
	struct str out = { *at, s.n };

	if (s.n > 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return out;
}

static int
read_rcpts(struct job *j, struct str part)
{
	struct env_reader er;
	struct env_rcpt r;
	size_t cap = 0;
	int k;

	env_open_part(&er, part);
	while ((k = env_read_rcpt(&er, &r)) == 1) {
		if (j->nrcpts == cap) {
			cap = cap == 0 ? 4 : cap * 2;
			j->rcpt = xreallocarray(j->rcpt, cap, sizeof(*j->rcpt));
		}
		j->rcpt[j->nrcpts] = (struct rcpt){ .addr = r.addr,
			.orig = r.orig,
			.orcpt = r.orcpt,
			.notify = r.notify,
			.number = (uint16_t)j->nrcpts };
		j->nrcpts++;
	}
	env_close(&er);
	j->nleft = j->nrcpts;
	return k == -1 || j->nrcpts == 0 ? -1 : 0;
}

static int
read_edits(struct job *j, struct str part)
{
	struct env_reader er;
	struct env_edit e;
	size_t cap = 0;
	int k;

	env_open_part(&er, part);
	while ((k = env_read_edit(&er, &e)) == 1) {
		if (j->nedits == cap) {
			cap = cap == 0 ? 8 : cap * 2;
			j->edits =
			    xreallocarray(j->edits, cap, sizeof(*j->edits));
		}
		j->edits[j->nedits++] = e;
	}
	env_close(&er);
	return k;
}

/* Everything that is borrowed from the record, into memory of our own. */
static int
take_record(struct job *j, const struct deliver_job *rec)
{
	struct str rcpts, edits;
	char *at;

	at = j->mem = xmalloc(rec->qid.n + rec->sender.n + rec->nexthop.n +
	    rec->envid.n + rec->rcpts.n + rec->edits.n + 1);
	j->qid = keep(&at, rec->qid);
	j->sender = keep(&at, rec->sender);
	j->nexthop = keep(&at, rec->nexthop);
	j->envid = keep(&at, rec->envid);
	rcpts = keep(&at, rec->rcpts);
	edits = keep(&at, rec->edits);
	if (read_rcpts(j, rcpts) == -1 || read_edits(j, edits) == -1 ||
	    content_init(&j->content, j->fd, rec->offset, rec->size, j->edits,
		j->nedits) == -1)
		return -1;
	j->content_ok = true;
	return 0;
}

void
job_new(struct smtp *m, struct settings *st, struct chan *ch, uint64_t id,
    const struct deliver_job *rec, int fd)
{
	struct job *j = xcalloc(1, sizeof(*j));
	struct session *s;

	j->smtp = m;
	j->st = settings_ref(st);
	j->ch = ch;
	j->id = id;
	j->fd = fd;
	j->route_ticket = rec->route_ticket;
	j->flags = rec->flags;
	j->ret = rec->ret;
	j->arrived_us = rec->arrived_us;
	j->active_us = rec->active_us;
	j->start_us = clock_wall_us();
	TAILQ_INSERT_TAIL(&m->jobs, j, link);
	if (take_record(j, rec) == -1) {
		/* qmgr checked all of it: it lies, or one of us is wrong. */
		job_free(&j);
		chan_drop(ch, "malformed delivery request");
		return;
	}
	s = pool_take(m, st, j->nexthop, j->route_ticket);
	if (s != NULL)
		session_take(s, j);
	else
		ask_route(j);
}

void
job_orphan(struct job *j)
{
	j->ch = NULL;
	/* The message may be with the server already: let it say so. */
	if (j->session != NULL && j->session->stage == STAGE_DOT)
		return;
	if (j->session != NULL) {
		j->session->job = NULL;
		session_free(&j->session);
	}
	job_free(&j);
}

/* --- where to ------------------------------------------------------------- */

static void
no_route(struct job *j, const struct dns_hosts *a)
{
	struct dsn d = DSN(4, 4, 3);

	j->destination = false;
	switch ((enum dns_status)a->status) {
	case DNS_NOT_FOUND:
		d = j->st->defer_no_address && (a->flags & DNS_NO_ADDRESS) ?
		    DSN(4, 4, 4) :
		    DSN(5, 4, 4);
		break;
	case DNS_FORBIDDEN:
		d = DSN(5, 4, 4);
		break;
	case DNS_NULL_MX:
		d = DSN(5, 1, 0);
		break;
	case DNS_LOOP:
		d = DSN(5, 4, 6);
		break;
	case DNS_BAD:
		/* Our configuration's mistake is no reason to return mail. */
		d = j->route_ticket != 0 ? DSN(4, 3, 5) : DSN(5, 4, 4);
		break;
	case DNS_OK:
	case DNS_LATER:
	default:
		j->destination = true;
		break;
	}
	why_set(&j->why, d, STR_FMT, STR_ARG(a->text));
}

/* What a server said on a kept session it would say again. */
static void
skip_used(struct job *j)
{
	size_t n = 0;

	if (j->used.family == 0)
		return;
	for (size_t i = 0; i < j->nhosts; i++)
		if (!netaddr_same(&j->host[i].addr, &j->used))
			j->host[n++] = j->host[i];
	j->nhosts = n;
}

static int
take_hosts(struct job *j, struct str list)
{
	struct dns_host h;
	struct str rest;
	size_t n = 0;
	int k;

	free(j->host);
	free(j->host_text);
	j->host = NULL;
	j->next = j->nhosts = 0;
	j->host_text = str_dup(list);
	rest = str_make(j->host_text, list.n);
	j->host = xcalloc(HOSTS_MAX, sizeof(*j->host));
	while ((k = hosts_next(&rest, &h)) == 1 && n < HOSTS_MAX)
		j->host[n++] = h;
	if (k == -1 || n == 0)
		return -1;
	j->nhosts = target_order(j->st, j->host, n);
	skip_used(j);
	return 0;
}

static void
on_hosts(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct dns_hosts *a = rec;
	struct job *j = arg;

	(void)fds;
	j->ask = 0;
	if (type != DNS_HOSTS) {
		j->destination = false;
		why_set(&j->why, DSN(4, 3, 0), "resolver is not available");
	} else if (a->status != DNS_OK) {
		no_route(j, a);
		if (j->why.dsn.class == 5 &&
		    (a->status != DNS_NOT_FOUND ||
			j->hop == j->st->fallback.n)) {
			report_left(j, &j->why);
			job_done(j);
			return;
		}
	} else if (take_hosts(j, a->hosts) == -1) {
		why_set(&j->why, DSN(4, 3, 0), "resolver is out of order");
	}
	job_next(j);
}

static struct str
hop_name(const struct job *j)
{
	return j->hop == 0 ?
	    j->nexthop :
	    str_sub(j->st->fallback.v[j->hop - 1].full, 0, ADDR_MAX);
}

/* LMTP to a socket in the file system: there is one server, and no name. */
static void
socket_route(struct job *j)
{
	free(j->host);
	j->host = xcalloc(1, sizeof(*j->host));
	j->host->name = str_sub(j->nexthop, strlen(NEXTHOP_UNIX),
	    j->nexthop.n);
	j->nhosts = !j->spent;
	job_next(j);
}

static void
ask_route(struct job *j)
{
	struct str hop = hop_name(j);
	struct dns_route q = { .nexthop = hop,
		.port = j->st->port,
		.flags = j->st->route_flags,
		.route_ticket = j->hop == 0 ? j->route_ticket : 0 };

	j->routed = true;
	j->mx = hop.n > 0 && hop.p[0] != '[' &&
	    (j->st->route_flags & DNS_NO_MX) == 0;
	j->next = j->nhosts = 0;
	j->addresses = j->sessions = 0;
	j->local = j->st->lmtp && str_starts(hop, STR(NEXTHOP_UNIX));
	if (j->local) {
		socket_route(j);
		return;
	}
	j->asked = j->smtp->dns;
	if (j->asked == NULL) {
		j->destination = false;
		why_set(&j->why, DSN(4, 3, 0), "resolver is not available");
		job_next(j);
		return;
	}
	j->ask = chan_ask(j->asked, DNS_ROUTE, &q, NULL, on_hosts, j);
}

/* --- what next ------------------------------------------------------------ */

/* Put off those that are left, each with its own reason if it has one. */
static void
give_up(struct job *j)
{
	for (size_t i = 0; i < j->nrcpts; i++) {
		struct rcpt *r = &j->rcpt[i];
		struct why w;

		if (r->settled)
			continue;
		if (r->why.text == NULL) {
			report(j, r, &j->why);
			continue;
		}
		w = r->why; /* report() clears what the recipient holds */
		r->why = (struct why){ .conn_use = 0 };
		report(j, r, &w);
		why_clear(&w);
	}
}

static bool
may_try(const struct job *j)
{
	unsigned limit = j->st->session_limit;

	return j->next < j->nhosts && (limit == 0 || j->sessions < limit);
}

void
job_note(const struct job *j, const struct why *w)
{
	if (j->nleft > 0 && w->text != NULL && may_try(j))
		log_as(j->st->log_name, LOG_LEVEL_INFO, STR_FMT ": %s",
		    STR_ARG(j->qid), w->text);
}

void
job_next(struct job *j)
{
	if (j->nleft == 0) {
		job_done(j);
		return;
	}
	for (size_t i = 0; i < j->nrcpts; i++)
		j->rcpt[i].accepted = false;
	if (!j->routed) {
		ask_route(j);
		return;
	}
	if (may_try(j)) {
		j->addresses++;
		session_new(j, &j->host[j->next++]);
		return;
	}
	if (j->hop < j->st->fallback.n) {
		j->hop++;
		ask_route(j);
		return;
	}
	if (j->why.text == NULL)
		why_set(&j->why, DSN(4, 3, 0), "delivery was interrupted");
	give_up(j);
	job_done(j);
}
