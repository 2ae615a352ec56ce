/* SPDX-License-Identifier: ISC */
/*
 * Clients of the submission socket.  One sends a submission (queue/maildrop.h)
 * and reads a line: `+ QUEUEID`, which means on disk, or `- CODE DSN TEXT`.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"

#include "pickup.h"

#define READ_SIZE 16384
#define ACCEPT_TURN 16
#define SWEEP_MS 10000

struct client {
	TAILQ_ENTRY(client) link;
	struct pickup *p;
	struct watch watch;
	struct submission sub;
	struct buf in;
	int64_t last_ms; /* when it last said something */
	bool answered;
	int fd;
};

struct listeners {
	struct listeners *next;
	struct pickup *p;
	struct watch watch;
	struct timer pause;
	int fd;
};

static void
client_free(struct client *c)
{
	TAILQ_REMOVE(&c->p->clients, c, link);
	c->p->nclients--;
	watch_clear(&c->watch);
	submission_clear(&c->sub);
	buf_clear(&c->in);
	fd_close(&c->fd);
	free(c);
}

/*
 * The last word.  A line this short always fits in an empty socket buffer; a
 * client that does not read it has lost it.
 */
static void
answer(struct client *c)
{
	const struct submission *s = &c->sub;
	char line[600];
	int n;

	if (s->code == 250)
		n = snprintf(line, sizeof(line), "+ %s\n", s->text);
	else if (s->code == 0)
		n = snprintf(line, sizeof(line), "- 554 5.6.0 %s\n", s->text);
	else
		n = snprintf(line, sizeof(line), "- %d %s %s\n", s->code,
		    s->dsn, s->text);
	if (s->code == 0)
		log_warn("uid=%u: submission is malformed: %s",
		    (unsigned)s->uid, s->text);
	else if (s->code != 250)
		log_info("uid=%u: reject: %d %s %s", (unsigned)s->uid, s->code,
		    s->dsn, s->text);
	/* Told to try later, sendmail leaves a file. */
	if (s->code >= 400 && s->code < 500)
		drops_rescan(c->p);
	(void)send(c->fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The submission has moved: read on, wait, or say what came of it. */
static void
moved(struct client *c)
{
	switch (c->sub.state) {
	case SUBMISSION_MORE:
		watch_set(&c->watch, LOOP_READ);
		return;
	case SUBMISSION_BLOCKED:
	case SUBMISSION_SENT:
		watch_set(&c->watch, 0);
		return;
	case SUBMISSION_OVER:
		answer(c);
		client_free(c);
		return;
	}
}

static void
feed(struct client *c)
{
	struct str in = buf_get(&c->in);
	size_t had = in.n;

	(void)submission_feed(&c->sub, &in);
	buf_consume(&c->in, had - in.n);
	moved(c);
}

static void
on_readable(int what, void *arg)
{
	struct client *c = arg;
	void *room = buf_reserve(&c->in, READ_SIZE);
	ssize_t n;

	(void)what;
	n = room == NULL ? 0 : read(c->fd, room, READ_SIZE);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_free(c); /* it gave up; so do we */
		return;
	}
	c->last_ms = loop_now(c->p->submit.loop);
	buf_grow(&c->in, (size_t)n);
	feed(c);
}

static void
on_resume(void *arg)
{
	feed(arg);
}

static void
on_done(void *arg)
{
	moved(arg);
}

static size_t
count_of(const struct pickup *p, uint32_t uid)
{
	const struct client *c;
	size_t n = 0;

	TAILQ_FOREACH(c, &p->clients, link)
		n += c->sub.uid == uid;
	return n;
}

static void
on_sweep(void *arg)
{
	struct pickup *p = arg;
	int64_t now = loop_now(p->submit.loop);
	struct client *c, *next;

	for (c = TAILQ_FIRST(&p->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		/* One that waits for us may wait. */
		if (c->sub.state == SUBMISSION_MORE &&
		    now - c->last_ms > CLIENT_IDLE_MS) {
			log_info("uid=%u: submission timed out",
			    (unsigned)c->sub.uid);
			client_free(c);
		}
	}
	if (!TAILQ_EMPTY(&p->clients))
		timer_set(&p->sweep, SWEEP_MS);
}

void
client_new(struct pickup *p, int fd, uint32_t uid)
{
	struct client *c;

	if (count_of(p, uid) >= CLIENTS_PER_USER) {
		log_warn("uid=%u: too many submissions at a time",
		    (unsigned)uid);
		fd_close(&fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->p = p;
	c->fd = fd;
	c->last_ms = loop_now(p->submit.loop);
	submission_init(&c->sub, p, uid, clock_wall_us());
	c->sub.resume = on_resume;
	c->sub.done = on_done;
	c->sub.arg = c;
	buf_init(&c->in, DROP_RECORD_MAX + READ_SIZE);
	TAILQ_INSERT_TAIL(&p->clients, c, link);
	p->nclients++;
	watch_init(&c->watch, p->submit.loop, fd, on_readable, c);
	watch_set(&c->watch, LOOP_READ);
	if (!p->sweep.armed)
		timer_set(&p->sweep, SWEEP_MS);
}

/* --- listening ------------------------------------------------------------ */

static void
on_connect(int what, void *arg)
{
	struct listeners *l = arg;
	uid_t uid;
	gid_t gid;

	(void)what;
	for (int i = 0; i < ACCEPT_TURN; i++) {
		int fd = -1;

		if (l->p->nclients < CLIENTS_MAX)
			fd = accept4(l->fd, NULL, NULL,
			    SOCK_NONBLOCK | SOCK_CLOEXEC);
		else
			errno = EMFILE;
		if (fd == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (fd == -1) {
			/* Out of something: they wait in the queue. */
			watch_set(&l->watch, 0);
			timer_set(&l->pause, 500);
			return;
		}
		if (getpeereid(fd, &uid, &gid) == -1)
			fd_close(&fd);
		else
			client_new(l->p, fd, (uint32_t)uid);
	}
}

static void
on_pause(void *arg)
{
	struct listeners *l = arg;

	watch_set(&l->watch, LOOP_READ);
}

static void
listeners_clear(struct pickup *p)
{
	struct listeners *l;

	while ((l = p->listeners) != NULL) {
		p->listeners = l->next;
		watch_clear(&l->watch);
		timer_clear(&l->pause);
		fd_close(&l->fd);
		free(l);
	}
}

/* The socket is granted anew with each reload. */
void
client_listen(struct pickup *p, int fd)
{
	struct listeners *l = xcalloc(1, sizeof(*l));

	listeners_clear(p);
	l->p = p;
	l->fd = fd;
	l->next = p->listeners;
	p->listeners = l;
	timer_init(&l->pause, p->submit.loop, on_pause, l);
	watch_init(&l->watch, p->submit.loop, fd, on_connect, l);
	watch_set(&l->watch, LOOP_READ);
}

void
clients_clear(struct pickup *p)
{
	while (!TAILQ_EMPTY(&p->clients))
		client_free(TAILQ_FIRST(&p->clients));
	listeners_clear(p);
	timer_clear(&p->sweep);
}

/* --- all of it ------------------------------------------------------------ */

void
pickup_config(struct pickup *p, const struct conf *c)
{
	struct users old = p->users;

	users_init(&p->users, conf_list(c, P_AUTHORIZED_SUBMIT_USERS),
	    p->conf == NULL ? NULL : &old);
	users_clear(&old);
	p->conf = c;
	p->size_max = (uint64_t)conf_size(c, P_MESSAGE_SIZE_LIMIT);
}

void
pickup_init(struct pickup *p, struct loop *l, const struct conf *c)
{
	memset(p, 0, sizeof(*p));
	submit_init(&p->submit, l, 4, 128);
	TAILQ_INIT(&p->clients);
	files_init(p);
	timer_init(&p->sweep, l, on_sweep, p);
	pickup_config(p, c);
}

void
pickup_clear(struct pickup *p)
{
	clients_clear(p);
	files_clear(p);
	users_clear(&p->users);
	submit_clear(&p->submit);
}
