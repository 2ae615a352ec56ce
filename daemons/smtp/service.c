/* SPDX-License-Identifier: ISC */
/*
 * The component as a whole: services, jobs, sessions, time.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"
#include "tls/trust.h"

#include "smtp.h"

#define TICK_MS 1000
#define TRUST_READ 65536

static void
on_tick(void *arg)
{
	struct smtp *m = arg;
	int64_t now = loop_now(m->loop);
	struct session *s, *next;

	/* Whichever ends, or begins, meanwhile: the list holds. */
	TAILQ_FOREACH(s, &m->sessions, link) {
		s->held = true;
		s->busy++;
	}
	TAILQ_FOREACH(s, &m->sessions, link)
		if (s->held)
			session_tick(s, now);
	TAILQ_FOREACH_SAFE(s, &m->sessions, link, next) {
		if (s->held) {
			s->held = false;
			session_unhold(s);
		}
	}
	smtp_tick(m);
}

void
smtp_tick(struct smtp *m)
{
	if (!m->tick.armed && !TAILQ_EMPTY(&m->sessions))
		timer_set(&m->tick, TICK_MS);
}

void
smtp_init(struct smtp *m, struct loop *l)
{
	*m = (struct smtp){ .loop = l };
	TAILQ_INIT(&m->settings);
	TAILQ_INIT(&m->jobs);
	TAILQ_INIT(&m->sessions);
	TAILQ_INIT(&m->pool);
	timer_init(&m->tick, l, on_tick, m);
	buf_init(&m->trust, TLS_TRUST_MAX + TRUST_READ);
}

void
smtp_clear(struct smtp *m)
{
	struct settings *st;
	struct session *s;
	struct job *j;

	while ((s = TAILQ_FIRST(&m->sessions)) != NULL) {
		if (s->job != NULL)
			s->job->session = NULL;
		s->job = NULL;
		session_free(&s);
	}
	while ((j = TAILQ_FIRST(&m->jobs)) != NULL)
		job_free(&j);
	while ((st = TAILQ_FIRST(&m->settings)) != NULL) {
		TAILQ_REMOVE(&m->settings, st, link);
		settings_unref(&st);
	}
	timer_clear(&m->tick);
	free(m->own_log_name);
	m->own_log_name = NULL;
	buf_clear(&m->trust);
}

void
smtp_shared(struct smtp *m, const struct conf *conf)
{
	free(m->own_log_name);
	m->own_log_name = str_dup(conf_str(conf, P_SYSLOG_NAME));
	m->log_name = str_of(m->own_log_name);
}

void
smtp_trust(struct smtp *m, unsigned instance, int fd)
{
	ssize_t n;

	buf_reset(&m->trust);
	m->trust_instance = instance;
	while (m->trust.len < TLS_TRUST_MAX) {
		n = pread(fd, buf_reserve(&m->trust, TRUST_READ), TRUST_READ,
		    (off_t)m->trust.len);
		if (n <= 0)
			break;
		buf_grow(&m->trust, (size_t)n);
	}
}

void
smtp_config(struct smtp *m, struct str service, unsigned instance,
    struct conf *conf)
{
	struct settings *st, *old = smtp_settings(m, service);

	st = settings_new(service, instance, conf, m->log_name,
	    m->trust_instance == instance ? buf_get(&m->trust) : STR_NONE);
	buf_reset(&m->trust);
	if (old != NULL) {
		TAILQ_REMOVE(&m->settings, old, link);
		settings_unref(&old);
	}
	TAILQ_INSERT_TAIL(&m->settings, st, link);
	secure_keys(st, keyring_set(instance));
}

void
smtp_keys(struct smtp *m, const struct keyset *ks)
{
	struct settings *st;

	TAILQ_FOREACH(st, &m->settings, link)
		if (st->instance == ks->service)
			secure_keys(st, ks);
}

struct settings *
smtp_settings(struct smtp *m, struct str service)
{
	struct settings *st;

	TAILQ_FOREACH(st, &m->settings, link)
		if (str_eq(service, str_of(st->service)))
			return st;
	return NULL;
}

void
smtp_orphan(struct smtp *m, const struct chan *ch)
{
	struct job *j, *next;

	TAILQ_FOREACH_SAFE(j, &m->jobs, link, next)
		if (j->ch == ch)
			job_orphan(j);
}

void
smtp_stop(struct smtp *m)
{
	struct session *s;

	while ((s = TAILQ_FIRST(&m->pool)) != NULL) {
		pool_remove(s);
		session_quit(s);
	}
}

/*
 * A transport that we have no configuration of (it comes a moment later, or
 * has left master.cf): the job is as good as undone.
 */
static void
no_service(struct chan *ch, uint64_t id, const struct deliver_job *rec)
{
	struct deliver_fate fate = { .fate = FATE_DEFERRED,
		.flags = FATE_DESTINATION,
		.dsn = STR("4.3.5"),
		.text = STR("mail transport is not configured") };
	struct deliver_done done;
	struct env_reader er;
	struct env_rcpt r;

	memset(&done, 0, sizeof(done));
	log_warn(STR_FMT ": no service " STR_FMT " in master.cf",
	    STR_ARG(rec->qid), STR_ARG(rec->transport));
	env_open_part(&er, rec->rcpts);
	while (env_read_rcpt(&er, &r) == 1) {
		chan_tell(ch, DELIVER_FATE, id, &fate, NULL);
		fate.rcpt++;
	}
	env_close(&er);
	chan_answer(ch, DELIVER_DONE, id, &done, NULL);
}

void
on_job(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct deliver_job *job = rec;
	struct smtp *m = arg;
	struct settings *st = smtp_settings(m, job->transport);
	int fd = fds[0];

	if (st == NULL) {
		no_service(ch, id, job);
		return;
	}
	fds[0] = -1;
	job_new(m, st, ch, id, job, fd);
}
