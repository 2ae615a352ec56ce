/* SPDX-License-Identifier: ISC */
/*
 * What listens, and when it accepts.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "net/netaddr.h"

#include "gate.h"

/* Connections taken from one socket in a turn. */
#define ACCEPT_BURST 64
/* Between two complaints about the same service. */
#define SAY_FULL_MS 1000000

/*
 * A service is known by its name: after a reload its line may be another, and
 * the sessions it has go on counting.
 */
struct service *
service_get(struct gate *g, struct str name, unsigned instance)
{
	struct service *s;

	TAILQ_FOREACH(s, &g->services, link)
		if (str_eq(name, str_of(s->name))) {
			s->instance = instance;
			return s;
		}
	s = xcalloc(1, sizeof(*s));
	s->gate = g;
	s->instance = instance;
	s->name = str_dup(name);
	TAILQ_INIT(&s->listeners);
	TAILQ_INSERT_TAIL(&g->services, s, link);
	return s;
}

static void
close_listeners(struct service *s)
{
	struct listener *li;

	while ((li = TAILQ_FIRST(&s->listeners)) != NULL) {
		TAILQ_REMOVE(&s->listeners, li, link);
		watch_clear(&li->watch);
		fd_close(&li->fd);
		free(li);
	}
}

void
service_free(struct service **sp)
{
	struct service *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	close_listeners(s);
	TAILQ_REMOVE(&s->gate->services, s, link);
	netlist_clear(&s->exceptions);
	conf_free(&s->conf);
	free(s->name);
	free(s);
}

/*
 * A service accepts while it is known what it may take, there is a worker, and
 * fewer sessions than master.cf allows.  Who comes meanwhile waits in the
 * listen queue of the kernel.
 */
static bool
may_accept(const struct service *s)
{
	struct gate *g = s->gate;
	struct worker *w;

	if (g->stopping || g->pause.armed || !s->have ||
	    (s->max > 0 && s->active >= s->max))
		return false;
	w = gate_worker(g);
	return w != NULL &&
	    !(g->hold.armed && w->active >= WORKER_SESSIONS_MANY);
}

/* An administrator is to know why clients wait, but not from each of them. */
static void
say_full(struct service *s)
{
	int64_t now = loop_now(s->gate->loop);

	if (s->said_full_ms != 0 && now - s->said_full_ms < SAY_FULL_MS)
		return;
	s->said_full_ms = now;
	log_warn("service \"%s\" (%u) has reached its process limit \"%u\""
		 ": new clients may experience noticeable delays",
	    s->name, s->port, s->max);
}

static void
update(struct service *s)
{
	struct listener *li;
	bool on = may_accept(s);

	if (on == s->watching)
		return;
	s->watching = on;
	TAILQ_FOREACH(li, &s->listeners, link)
		watch_set(&li->watch, on ? LOOP_READ : 0);
	if (!on && s->max > 0 && s->active >= s->max)
		say_full(s);
}

void
service_update(struct gate *g, struct service *only)
{
	struct service *s;

	if (only != NULL) {
		update(only);
		return;
	}
	TAILQ_FOREACH(s, &g->services, link)
		update(s);
}

/*
 * Who comes meanwhile waits in the listen queue, of which the launcher holds
 * another descriptor as long as the service is wanted.
 */
void
gate_relisten(struct gate *g)
{
	struct service *s, *next;

	TAILQ_FOREACH_SAFE(s, &g->services, link, next) {
		close_listeners(s);
		s->have = false; /* until its sockets come again */
		update(s);
		if (s->active == 0)
			service_free(&s);
	}
}

/*
 * The client's answer, as much of it as the socket takes.  Nothing is read:
 * should the client have talked already, it may see a reset instead.
 */
static void
turn_away(struct service *s, const struct netaddr *client, const char *what,
    int fd)
{
	char addr[NETADDR_TEXT], line[512];
	int n = snprintf(line, sizeof(line),
	    "421 4.7.0 " STR_FMT " Error: %s from %s\r\n", STR_ARG(s->hostname),
	    what, netaddr_text(client, addr));

	if (n > 0 && n < (int)sizeof(line) && write(fd, line, (size_t)n) == -1)
		log_debug("refusal to %s: %s", addr, strerror(errno));
}

/* Over a limit of this client?  Counts it in; what is said is logged. */
static const char *
over_limit(struct service *s, struct client *cl, const struct netaddr *a)
{
	int64_t now = loop_now(s->gate->loop);
	char addr[NETADDR_TEXT];
	unsigned rate;

	if (s->rate_max > 0 &&
	    (rate = clients_rate(cl, now, s->rate_ms)) > s->rate_max) {
		log_warn("Connection rate limit exceeded: %u from unknown[%s] "
			 "for service %s",
		    rate, netaddr_text(a, addr), s->name);
		return "too many connections";
	}
	if (s->per_client > 0 && cl->count > s->per_client) {
		log_warn("Connection concurrency limit exceeded: %u from "
			 "unknown[%s] for service %s",
		    cl->count, netaddr_text(a, addr), s->name);
		return "too many connections";
	}
	return NULL;
}

/* A connection is there: refuse it, or hand it over. */
static void
take(struct service *s, struct worker *w, const struct netaddr *client, int fd)
{
	struct gate *g = s->gate;
	struct netaddr net = netaddr_prefix(client,
	    client->family == 4 ? s->prefix4 : s->prefix6);
	struct client *cl = clients_enter(&g->clients, &net);
	const char *why = NULL;

	if (!netlist_has(&s->exceptions, client))
		why = over_limit(s, cl, client);
	if (why != NULL) {
		turn_away(s, client, why, fd);
		fd_close(&fd);
	} else {
		gate_hand(g, s, w, client, fd); /* counts for itself */
	}
	clients_leave(&g->clients, &cl, loop_now(g->loop));
}

static void
rest(struct gate *g)
{
	log_warn("accept: %s: resting for %d seconds", strerror(errno),
	    GATE_PAUSE_MS / 1000);
	timer_set(&g->pause, GATE_PAUSE_MS);
	service_update(g, NULL);
}

static void
on_connection(int what, void *arg)
{
	struct listener *li = arg;
	struct service *s = li->service;
	struct sockaddr_storage ss;
	struct netaddr client;
	struct worker *w;

	(void)what;
	for (int i = 0; i < ACCEPT_BURST && may_accept(s); i++) {
		socklen_t len = sizeof(ss);
		int fd = accept4(li->fd, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOBUFS || errno == ENOMEM)
				rest(s->gate);
			if (errno == ECONNABORTED || errno == EINTR ||
			    errno == EPROTO)
				continue;
			break;
		}
		netaddr_from(&ss, &client);
		w = gate_worker(s->gate);
		take(s, w, &client, fd);
	}
	update(s);
}

/* Read the limits of a service, which may change while it runs. */
static void
apply(struct service *s, const struct conf *conf,
    const struct conf_service *line)
{
	s->have = true;
	s->hostname = conf_str(conf, P_MYHOSTNAME);
	s->max = line == NULL ? 0 : line->maxproc;
	s->per_client =
	    (unsigned)conf_int(conf, P_SMTPD_CLIENT_CONNECTION_COUNT_LIMIT);
	s->rate_max =
	    (unsigned)conf_int(conf, P_SMTPD_CLIENT_CONNECTION_RATE_LIMIT);
	s->rate_ms = conf_ms(conf, P_ANVIL_RATE_TIME_UNIT);
	s->prefix4 =
	    (unsigned)conf_int(conf, P_SMTPD_CLIENT_IPV4_PREFIX_LENGTH);
	s->prefix6 =
	    (unsigned)conf_int(conf, P_SMTPD_CLIENT_IPV6_PREFIX_LENGTH);
	netlist_clear(&s->exceptions);
	netlist_init(&s->exceptions,
	    conf_list(conf, P_SMTPD_CLIENT_EVENT_LIMIT_EXCEPTIONS));
	if (s->exceptions.bad > 0)
		log_warn("smtpd_client_event_limit_exceptions: \"" STR_FMT
			 "\" is no network",
		    STR_ARG(s->exceptions.first_bad));
	update(s);
}

void
gate_listen(struct gate *g, struct str name, unsigned instance, int fd)
{
	struct service *s = service_get(g, name, instance);
	struct listener *li = xcalloc(1, sizeof(*li));
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct netaddr own;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0) {
		netaddr_from(&ss, &own);
		s->port = own.port;
	}
	/*
	 * The broker made it nonblocking, and set TCP_NODELAY, which accepted
	 * sockets inherit: we may do neither.
	 */
	li->fd = fd;
	li->service = s;
	watch_init(&li->watch, g->loop, fd, on_connection, li);
	if (s->watching)
		watch_set(&li->watch, LOOP_READ);
	TAILQ_INSERT_TAIL(&s->listeners, li, link);
	if (!s->have && g->shared != NULL)
		apply(s, g->shared, conf_service(g->shared, instance));
	update(s);
}

void
gate_shared(struct gate *g, const struct conf *conf)
{
	struct service *s;

	g->shared = conf;
	gate_workers(g, (unsigned)conf_int(conf, P_SMTPD_WORKER_COUNT));
	gate_mode(g, conf_is(conf, P_SMTPD_ISOLATION, "connection"),
	    (unsigned)conf_int(conf, P_SMTPD_ISOLATION_READY));
	g->worker_sessions = (unsigned)conf_int(conf, P_SMTPD_WORKER_SESSIONS);
	TAILQ_FOREACH(s, &g->services, link)
		if (s->conf == NULL && s->have)
			apply(s, conf, conf_service(conf, s->instance));
}

void
gate_config(struct gate *g, struct str name, unsigned instance,
    struct conf *conf)
{
	struct service *s = service_get(g, name, instance);
	struct conf *old = s->conf;

	s->conf = conf;
	apply(s, conf, conf_self(conf));
	conf_free(&old);
}

void
gate_limits(struct gate *g, unsigned instance, unsigned max,
    unsigned per_client)
{
	struct service *s;

	TAILQ_FOREACH(s, &g->services, link)
		if (s->instance == instance)
			break;
	if (s == NULL)
		s = service_get(g, STR("smtp"), instance);
	s->have = true;
	s->hostname = STR("mail.example.com");
	s->prefix4 = 32;
	s->prefix6 = 128;
	s->max = max;
	s->per_client = per_client;
	update(s);
}
