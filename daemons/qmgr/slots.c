/* SPDX-License-Identifier: ISC */
/*
 * Files handed out to those who bring in messages, and their commit.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "boot/boot.h"
#include "log/log.h"
#include "sandbox/sandbox.h"

#include "orders.h"

#define WANT_MAX 256 /* slots that one submitter may hold ahead */

/*
 * A number that only its holder knows, so that no submitter can have another's
 * message acknowledged.
 */
static uint64_t
slot_number(struct qmgr *q)
{
	uint64_t n = ++q->slot_count, number;

	do
		number = siphash(q->secret, &n, sizeof(n));
	while (number == 0);
	return number;
}

static struct slot *
slot_find(struct qmgr *q, uint64_t number)
{
	struct slot *s;

	LIST_FOREACH(s, &q->slots[number % SLOT_BUCKETS], hash)
		if (s->number == number)
			return s;
	return NULL;
}

static void
slot_free(struct slot *s)
{
	LIST_REMOVE(s, hash);
	free(s);
}

/* Free space below the limit: tell all submitters once, and once when over. */
static void
tell_full(struct qmgr *q, bool full)
{
	struct spool_full rec = { .on = full };
	struct submitter *sub;

	if (q->full == full)
		return;
	q->full = full;
	if (full)
		log_warn("not enough free space in mail queue: new mail is "
		    "put off");
	TAILQ_FOREACH(sub, &q->submitters, link)
		chan_tell(sub->ch, SPOOL_FULL, 0, &rec, NULL);
}

/* Hand out one slot; false when none can be had now. */
static bool
hand_out(struct qmgr *q, struct submitter *sub)
{
	struct spool_slot rec;
	struct store_new new;
	struct stat st;
	struct slot *s;
	char name[QID_TEXT_MAX];
	int fd;

	if (store_create(q->store, 0, &new) == -1)
		return false;
	fd = new.fd;
	/*
	 * No memory is left for another message: submitters wait until some
	 * of those in flight have got files.
	 */
	if (new.file || sealed_fstat(fd, &st) == -1) {
		fd_close(&fd);
		store_discard(q->store, new.qid);
		return false;
	}
	s = xcalloc(1, sizeof(*s));
	s->number = slot_number(q);
	s->qid = new.qid;
	s->dev = (uint64_t)st.st_dev;
	s->ino = (uint64_t)st.st_ino;
	s->owner = sub;
	s->q = q;
	LIST_INSERT_HEAD(&q->slots[s->number % SLOT_BUCKETS], s, hash);
	sub->have++;
	rec.qid = str_make(name, qid_format(new.qid, name));
	chan_tell(sub->ch, SPOOL_SLOT, s->number, &rec, &fd);
	return true;
}

static void
refill(struct qmgr *q, struct submitter *sub)
{
	while (!q->full && sub->have < sub->want && hand_out(q, sub))
		;
}

void
slots_refill(struct qmgr *q)
{
	struct submitter *sub;

	tell_full(q, store_space(q->store, 0) == -1);
	TAILQ_FOREACH(sub, &q->submitters, link)
		refill(q, sub);
}

static struct submitter *
submitter_of(struct qmgr *q, const struct chan *ch)
{
	struct submitter *sub;

	TAILQ_FOREACH(sub, &q->submitters, link)
		if (sub->ch == ch)
			return sub;
	return NULL;
}

void
submitter_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	struct qmgr *q = arg;
	struct submitter *sub = xcalloc(1, sizeof(*sub));
	struct spool_full rec = { .on = 1 };

	(void)instance;
	(void)pid;
	sub->ch = ch;
	sub->notices = strcmp(boot_peer_name(ch), "bounce") == 0;
	TAILQ_INSERT_TAIL(&q->submitters, sub, link);
	if (q->full)
		chan_tell(ch, SPOOL_FULL, 0, &rec, NULL);
}

/*
 * What it had not yet sent on is forgotten.  A message of it that cleanup is
 * working on finds no slot then, and is dropped: nobody was told 250.
 */
void
submitter_down(struct chan *ch, unsigned instance, void *arg)
{
	struct qmgr *q = arg;
	struct submitter *sub = submitter_of(q, ch);
	struct slot *s, *next;

	(void)instance;
	for (size_t i = 0; i < SLOT_BUCKETS; i++) {
		for (s = LIST_FIRST(&q->slots[i]); s != NULL; s = next) {
			next = LIST_NEXT(s, hash);
			if (s->owner != sub)
				continue;
			s->owner = NULL;
			if (!s->committing) {
				store_discard(q->store, s->qid);
				slot_free(s);
			}
		}
	}
	flushes_forget(orders_get(q), ch);
	TAILQ_REMOVE(&q->submitters, sub, link);
	free(sub);
}

static void
on_want(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_want *w = rec;
	struct qmgr *q = arg;
	struct submitter *sub = submitter_of(q, ch);

	(void)id;
	(void)fds;
	sub->want = w->slots > WANT_MAX ? WANT_MAX : w->slots;
	refill(q, sub);
}

static void
on_drop(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct qmgr *q = arg;
	struct submitter *sub = submitter_of(q, ch);
	struct slot *s = slot_find(q, id);

	(void)rec;
	(void)fds;
	if (s == NULL)
		return; /* it crossed our answer */
	if (s->owner != sub) {
		chan_drop(ch, "slot of another");
		return;
	}
	if (s->committing)
		return; /* too late: it hears how that ends */
	store_discard(q->store, s->qid);
	slot_free(s);
	sub->have--;
	refill(q, sub);
}

/* smtpd alone has clients who say ETRN. */
const struct chan_on slots_etrn_on[] = {
	{ SPOOL_WANT, on_want },
	{ SPOOL_DROP, on_drop },
	{ SPOOL_FLUSH, flush_etrn },
	{ 0, NULL },
};

const struct chan_on slots_on[] = {
	{ SPOOL_WANT, on_want },
	{ SPOOL_DROP, on_drop },
	{ 0, NULL },
};

/* --- commit --------------------------------------------------------------- */

static void
refuse(struct slot *s, int error)
{
	struct spool_refused rec = { .code = 451, .dsn = STR("4.3.0"),
		.text = STR("Error: queue file write error") };

	if (error == ENOSPC || error == EDQUOT) {
		rec.code = 452;
		rec.dsn = STR("4.3.1");
		rec.text = STR("Insufficient system storage");
	}
	if (s->owner != NULL)
		chan_tell(s->owner->ch, SPOOL_REFUSED, s->number, &rec, NULL);
}

/* The slot is used up; another takes its place. */
static void
retire(struct slot *s)
{
	struct submitter *sub = s->owner;
	struct qmgr *q = s->q;

	slot_free(s);
	if (sub == NULL)
		return;
	sub->have--;
	refill(q, sub);
}

/*
 * The barrier is behind us: the message would survive a power cut.  Only now
 * the submitter hears of it, and whoever it serves gets his 250.
 */
static void
on_committed(uint64_t qid, int error, void *arg)
{
	struct slot *s = arg;
	struct qmgr *q = s->q;
	struct spool_accepted rec;
	char name[QID_TEXT_MAX];

	qmgr_touch(q);
	if (error != 0) {
		qid_format(qid, name);
		log_error("%s: not taken in: %s", name, strerror(error));
		refuse(s, error);
		retire(s);
		return;
	}
	q->accepted++;
	rec.qid = str_make(name, qid_format(qid, name));
	if (s->owner != NULL && s->owner->notices)
		notices_accepted(qid);
	if (s->owner != NULL)
		chan_tell(s->owner->ch, SPOOL_ACCEPTED, s->number, &rec,
		    NULL);
	retire(s);
	active_ready(q, qid, true);
}

/*
 * Is this the file that was handed out with the slot?  Else a captured
 * submitter could have had cleanup read one message and us keep another.
 */
static bool
same_file(const struct slot *s, int fd)
{
	struct stat st;

	return sealed_fstat(fd, &st) == 0 && (uint64_t)st.st_dev == s->dev &&
	    (uint64_t)st.st_ino == s->ino;
}

static void
commit(struct qmgr *q, struct chan *ch, uint64_t number, struct str qid,
    struct str env, int content_fd, int env_fd)
{
	struct slot *s = slot_find(q, number);
	uint64_t id;

	/* Its submitter may have gone meanwhile: then nobody waits for it. */
	if (s == NULL)
		return;
	if (qid_parse(qid, &id) == -1 || id != s->qid || s->committing) {
		chan_drop(ch, "commit of a slot that is not to be committed");
		return;
	}
	if (!same_file(s, content_fd)) {
		log_error("security: " STR_FMT ": content is not the file "
		    "that was handed out", STR_ARG(qid));
		refuse(s, EINVAL);
		store_discard(q->store, s->qid);
		retire(s);
		return;
	}
	s->committing = true;
	if (store_commit(q->store, s->qid, env, env_fd, on_committed, s) ==
	    -1) {
		log_error(STR_FMT ": not taken in: %s", STR_ARG(qid),
		    strerror(errno));
		refuse(s, errno);
		retire(s);
	}
	qmgr_touch(q);
}

static void
on_commit(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct commit_message *m = rec;

	/* The store kept the file it handed out; this one is compared. */
	commit(arg, ch, id, m->qid, m->envelope, fds[0], -1);
}

static void
on_commit_large(struct chan *ch, uint64_t id, const void *rec, int *fds,
    void *arg)
{
	const struct commit_large *m = rec;

	commit(arg, ch, id, m->qid, STR_NONE, fds[0], fds[1]);
}

const struct chan_on commits_on[] = {
	{ COMMIT_MESSAGE, on_commit },
	{ COMMIT_LARGE, on_commit_large },
	{ 0, NULL },
};
