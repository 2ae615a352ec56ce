/* SPDX-License-Identifier: ISC */
/*
 * After a stop of any kind: find what was committed and is not finished.
 *
 * The journal is read twice.  The first time collects the ids of messages that
 * ended or moved into a file, the second time makes the others anew.  One that
 * has a file all the same (the machine stopped between the file's name and
 * the record that says so) lives on as that file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "store_parts.h"

/* A set of ids: open addressing, 0 is free. */
struct ids {
	uint64_t *v;
	size_t cap; /* a power of two */
	size_t n;
};

struct recovery {
	struct store *s;
	struct ids gone;
	struct ids landed; /* that got a file while we read */
	uint64_t qid_max;
	int error;
};

static uint64_t *
ids_slot(const struct ids *t, uint64_t qid)
{
	size_t i = (size_t)(qid * UINT64_C(0x9E3779B97F4A7C15) >> 20);

	while (t->v[i & (t->cap - 1)] != 0 && t->v[i & (t->cap - 1)] != qid)
		i++;
	return &t->v[i & (t->cap - 1)];
}

static void
ids_add(struct ids *t, uint64_t qid)
{
	struct ids bigger;
	uint64_t *at;

	if (t->n * 2 >= t->cap) {
		bigger = (struct ids){ .cap = t->cap == 0 ? 1024 : t->cap * 2,
			.n = t->n };
		bigger.v = xcalloc(bigger.cap, sizeof(*bigger.v));
		for (size_t i = 0; i < t->cap; i++) {
			if (t->v[i] != 0)
				*ids_slot(&bigger, t->v[i]) = t->v[i];
		}
		free(t->v);
		*t = bigger;
	}
	at = ids_slot(t, qid);
	t->n += *at == 0;
	*at = qid;
}

static bool
ids_has(const struct ids *t, uint64_t qid)
{
	return t->cap > 0 && *ids_slot(t, qid) == qid;
}

static void
on_damage(void *arg, const char *text)
{
	struct recovery *r = arg;

	store_say(r->s, 0, "%s", text);
}

/* The first reading. */
static void
note_end(void *arg, const struct journal_rec *rec, struct str body,
    struct str content, uint64_t segment)
{
	struct recovery *r = arg;

	(void)body, (void)content, (void)segment;
	if ((rec->qid & ~QID_LONG) > r->qid_max)
		r->qid_max = rec->qid & ~QID_LONG;
	if (rec->type == JOURNAL_DONE || rec->type == JOURNAL_MOVED)
		ids_add(&r->gone, rec->qid);
}

/* Give it a file at once, as memory for messages in flight is used up. */
static int
land_now(struct store *s, struct msg *m)
{
	struct file_job *f = file_job(s, m, FILE_PLACE);
	int rc;

	f->to = SPOOL_INCOMING;
	file_place_run(f);
	rc = f->error;
	buf_clear(&f->loaded);
	free(f);
	msg_free(s, &m);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

/*
 * What the record holds verified when the segment was read; that it is proper
 * is asked again, as of everything that comes from disk.
 */
static int
make_anew(struct store *s, uint64_t qid, struct str body, struct str content,
    uint64_t segment)
{
	struct env_counts c;
	struct env_reader r;
	struct msg *m;

	env_open(&r, body);
	if (env_check(&r, content.n, NULL, &c) == -1) {
		store_say(s, qid, "message in the journal is damaged: lost");
		s->corrupt++;
		return 0;
	}
	m = msg_new(s, qid, STORE_NONE);
	m->size = content.n;
	m->nrcpts = c.nrcpts;
	m->nedits = c.nedits;
	m->env_len = body.n;
	m->env = xmalloc(body.n);
	memcpy(m->env, body.p, body.n);
	m->fd = memfd_from("message", content.p, content.n);
	if (m->fd == -1) {
		msg_free(s, &m);
		return -1;
	}
	s->nmemory++;
	m->memory = content.n;
	s->memory += content.n;
	if (s->memory > s->o.memory_max || s->nmemory > s->o.memory_files) {
		m->state = STORE_NEW;
		s->nnew++;
		return land_now(s, m);
	}
	journal_hold(s->j, segment);
	msg_fly(s, m, segment);
	msg_hand(s, m, true);
	return 0;
}

/* Whole events, of a message that is in memory or got a file just now. */
static void
revive_events(struct recovery *r, uint64_t qid, struct str in)
{
	struct msg *m = msg_find(r->s, qid);
	struct str whole = in;
	struct msg file = { .qid = qid };
	struct event e;

	while (event_get(&in, qid, &e) == 1)
		;
	whole.n -= in.n;
	if (whole.n == 0)
		return;
	if (m != NULL) {
		(void)buf_str(&m->events, whole);
		return;
	}
	if (!ids_has(&r->landed, qid) ||
	    spool_find_in(&r->s->sp, SPOOL_INCOMING, qid, &file.at, NULL) == -1)
		return;
	buf_init(&file.events, EVENTS_MAX);
	(void)buf_str(&file.events, whole);
	(void)file_append(r->s, &file);
	buf_clear(&file.events);
}

/* The second reading. */
static void
revive(void *arg, const struct journal_rec *rec, struct str body,
    struct str content, uint64_t segment)
{
	struct recovery *r = arg;
	struct store *s = r->s;
	struct msg *m = msg_find(s, rec->qid);

	if (r->error != 0 || ids_has(&r->gone, rec->qid))
		return;
	if (rec->type == JOURNAL_COMMIT && m == NULL) {
		struct spool_at at;

		if (spool_find(&s->sp, rec->qid, &at, NULL) == 0)
			return;
		if (errno != ENOENT ||
		    make_anew(s, rec->qid, body, content, segment) == -1)
			r->error = errno;
		else if (msg_find(s, rec->qid) == NULL)
			ids_add(&r->landed, rec->qid);
	} else if (rec->type == JOURNAL_EVENT)
		revive_events(r, rec->qid, body);
}

/*
 * incoming: what has a name is a message and is due; what is named new.ID was
 * being written and means nothing.
 */
static int
sweep_incoming(struct store *s)
{
	int64_t due_s = INDEX_NOW(clock_wall_us() / 1000000);
	struct spool_walk w;
	int rc;

	if (spool_walk_open(&w, &s->sp, SPOOL_INCOMING) == -1)
		return -1;
	while ((rc = spool_walk_next(&w)) == 1) {
		struct msg m = { .qid = w.qid, .state = STORE_INCOMING };

		qid_seen(&s->maker, w.qid);
		if (w.is_new)
			spool_new_remove(&s->sp, w.qid);
		else if (land_index(s, &m, due_s, NULL, 0) == -1) {
			rc = -1;
			break;
		}
	}
	spool_walk_clear(&w);
	return rc;
}

int
store_recover(struct store *s, void (*found)(uint64_t qid, void *arg),
    void *arg)
{
	struct recovery r = { .s = s };
	struct journal_reader reader = { .record = note_end,
		.damage = on_damage,
		.arg = &r };
	struct msg *m, *next;
	int rc = journal_read(s->j, &reader);

	reader.record = revive;
	if (rc == 0)
		rc = journal_read(s->j, &reader);
	free(r.gone.v);
	free(r.landed.v);
	if (r.error != 0) {
		errno = r.error;
		rc = -1;
	}
	if (rc == -1 || sweep_incoming(s) == -1 ||
	    journal_start(s->j, r.qid_max) == -1)
		return -1;
	qid_seen(&s->maker, journal_qid_max(s->j));
	s->recovered = true;
	TAILQ_FOREACH_SAFE(m, &s->flight, flight, next)
		found(m->qid, arg);
	return 0;
}
