/* SPDX-License-Identifier: ISC */
/*
 * Checking the index against the directory, and writing it to disk.
 *
 * After a stop that was no proper one the index may lack entries.  A file
 * whose last change is older than the last sync of the index is in it; any
 * other gets an entry more.  Looking at a name and its times costs
 * microseconds, and is done in small steps while mail flows.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "store_parts.h"

#define STEP 500 /* names */
#define SYNC_MS 30000
#define AGAIN_MS 2000
#define SLACK_S 5 /* between the file system's clock and ours */

/* Something could not be read or written: look at all of it, by and by. */
void
check_later(struct store *s)
{
	index_distrust(s->x);
	s->check_again = true;
	s->check_after = clock_ms() + AGAIN_MS;
}

void
check_begin(struct store *s, int64_t from_s)
{
	s->check_again = false;
	s->check_from_s = from_s;
	s->check_count = 0;
	spool_walk_clear(&s->check);
	s->checking = spool_walk_open(&s->check, &s->sp, SPOOL_DEFERRED) == 0;
	if (!s->checking)
		check_later(s);
}

/* The destinations that a file's last deferral names. */
static size_t
keys_of(struct store *s, uint64_t qid, struct spool_at at,
    uint64_t keys[STORE_KEYS_MAX])
{
	int fd = spool_file(&s->sp, at, qid, O_RDONLY);
	struct event e;
	struct qfile q;
	struct buf b;
	struct str in;
	uint64_t end;
	size_t n = 0;

	static_assert(EVENT_KEYS_MAX == STORE_KEYS_MAX, "as many keys");
	buf_init(&b, EVENTS_MAX);
	if (fd == -1 || qfile_open(fd, qid, &q) != QFILE_OK ||
	    qfile_events(fd, &q, &b, &end) == -1)
		goto out;
	in = buf_get(&b);
	while (event_get(&in, qid, &e) == 1) {
		if (e.type != EVENT_DEFER)
			continue;
		for (n = 0; n < e.nkeys; n++)
			keys[n] = event_key(&e, (uint32_t)n);
	}
out:
	buf_clear(&b);
	fd_close(&fd);
	return n;
}

/* One file: is it sure to be in the index?  If not, put it there. */
static void
look(struct store *s)
{
	struct msg m = { .qid = s->check.qid, .state = STORE_DEFERRED };
	uint64_t keys[STORE_KEYS_MAX];
	struct spool_at at;
	struct stat st;
	size_t n;

	if (spool_find_in(&s->sp, SPOOL_DEFERRED, m.qid, &at, &st) == -1) {
		if (errno != ENOENT)
			check_later(s);
		return;
	}
	s->check_count++;
	if (st.st_ctime < s->check_from_s - SLACK_S ||
	    msg_find(s, m.qid) != NULL)
		return;
	n = keys_of(s, m.qid, at, keys);
	(void)land_index(s, &m, st.st_mtime, keys, n);
}

void
check_step(struct store *s)
{
	int rc = 1;

	if (!s->checking) {
		if (s->check_again && clock_ms() >= s->check_after)
			check_begin(s, 0);
		return;
	}
	for (int i = 0; i < STEP && rc == 1; i++) {
		rc = spool_walk_next(&s->check);
		if (rc == 1)
			look(s);
	}
	if (rc == 1)
		return;
	spool_walk_clear(&s->check);
	s->checking = false;
	if (rc == -1) {
		check_later(s);
		return;
	}
	s->deferred = s->check_count;
}

static void
sync_run(struct job *job)
{
	struct sync_job *y = (struct sync_job *)job;

	y->rc = index_sync(&y->s->sp);
}

static void
sync_done(struct job *job)
{
	struct sync_job *y = (struct sync_job *)job;

	y->busy = false;
	if (y->rc == 0)
		index_synced(y->s->x, y->at_s);
}

/*
 * From time to time, so that a check after a power cut has little to look at.
 * Not before the first check is over: until then the index is not known to be
 * whole, and a sync would say that it is.
 */
void
check_sync(struct store *s, int64_t now_ms)
{
	if (s->sync_at == 0)
		s->sync_at = now_ms + SYNC_MS;
	if (now_ms < s->sync_at || s->sync.busy || s->checking ||
	    s->check_again || !index_dirty(s->x))
		return;
	s->sync_at = now_ms + SYNC_MS;
	s->sync =
	    (struct sync_job){ .job = { .run = sync_run, .done = sync_done },
		    .s = s,
		    .busy = true,
		    .at_s = clock_wall_us() / 1000000 };
	jobs_put(s->t, JOB_FILE, &s->sync.job);
}
