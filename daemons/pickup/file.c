/* SPDX-License-Identifier: ISC */
/*
 * Files of maildrop: what users left there while nobody listened.  qmgr keeps
 * a file until it hears that its message is committed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"

#include "pickup.h"

#define WINDOW ((size_t)64 << 10)
#define RESCAN_MS 2000
#define STEP_MAX ((size_t)1 << 20) /* read of one file in a turn */

static_assert(DROP_RECORD_MAX <= WINDOW, "a window holds a record");

struct dropfile {
	TAILQ_ENTRY(dropfile) link;
	struct pickup *p;
	uint64_t id;   /* of qmgr's question */
	bool orphan;   /* qmgr's channel has gone */
	uint64_t pos;  /* behind what is in the window */
	uint64_t size; /* as qmgr saw it */
	struct submission sub;
	struct timer step;
	struct buf win;
	char name[65];
	int fd;
};

static void
file_free(struct dropfile *f)
{
	TAILQ_REMOVE(&f->p->files, f, link);
	timer_clear(&f->step);
	submission_clear(&f->sub);
	buf_clear(&f->win);
	fd_close(&f->fd);
	free(f);
}

/* What is refused for ever is set aside: nobody waits to be told. */
static void
answer(struct dropfile *f)
{
	const struct submission *s = &f->sub;
	struct maildrop_result r = { .name = str_of(f->name),
		.why = str_sub(str_of(s->text), 0, 256) };

	if (s->code == 250) {
		r.result = 0;
		r.why = STR_NONE;
	} else if (s->code != 0 && s->code < 500) {
		r.result = 1;
		log_info("maildrop/%s: put off: %d %s %s", f->name, s->code,
		    s->dsn, s->text);
		drops_rescan(f->p);
	} else {
		r.result = 2;
		log_warn("maildrop/%s: uid=%u: not accepted: %s%s%s", f->name,
		    (unsigned)s->uid, s->dsn, s->dsn[0] == '\0' ? "" : " ",
		    s->text);
	}
	if (!f->orphan && f->p->drops != NULL)
		chan_answer(f->p->drops, MAILDROP_RESULT, f->id, &r, NULL);
}

static void
fail(struct dropfile *f, int code, const char *text)
{
	f->sub.code = code;
	snprintf(f->sub.text, sizeof(f->sub.text), "%s", text);
	snprintf(f->sub.dsn, sizeof(f->sub.dsn), "%s",
	    code == 0 ? "" : "4.3.0");
	f->sub.state = SUBMISSION_OVER;
}

/* Fill up the window.  False at the end of the file, or when it failed. */
static bool
fill(struct dropfile *f)
{
	size_t want = WINDOW - f->win.len;
	void *room = buf_reserve(&f->win, want);
	ssize_t n;

	n = fd_pread_all(f->fd, room, want, (off_t)f->pos);
	if (n == -1) {
		fail(f, 451, strerror(errno));
		return false;
	}
	if (n == 0) {
		fail(f, 0, "it ends too early");
		return false;
	}
	buf_grow(&f->win, (size_t)n);
	f->pos += (uint64_t)n;
	return true;
}

static void
feed(struct dropfile *f)
{
	struct str in = buf_get(&f->win);
	size_t had = in.n;

	(void)submission_feed(&f->sub, &in);
	buf_consume(&f->win, had - in.n);
}

static void
go_on(struct dropfile *f)
{
	uint64_t from = f->pos;

	while (f->sub.state == SUBMISSION_MORE) {
		if (f->pos - from >= STEP_MAX) {
			timer_set(&f->step, 0);
			return;
		}
		if (fill(f))
			feed(f);
	}
	if (f->sub.state == SUBMISSION_OVER) {
		answer(f);
		file_free(f);
	}
}

static void
on_step(void *arg)
{
	go_on(arg);
}

static void
on_resume(void *arg)
{
	feed(arg);
	go_on(arg);
}

static void
on_done(void *arg)
{
	go_on(arg);
}

static void
on_file(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct maildrop_file *r = rec;
	struct pickup *p = arg;
	struct dropfile *f = xcalloc(1, sizeof(*f));
	int64_t now = clock_wall_us();

	(void)ch;
	f->p = p;
	f->id = id;
	f->size = r->size;
	f->fd = fds[0];
	fds[0] = -1;
	(void)str_copy(r->name, f->name, sizeof(f->name));
	/* The time of the file is when it was posted, if that can be. */
	submission_init(&f->sub, p, r->uid,
	    r->mtime_us > 0 && r->mtime_us < now ? r->mtime_us : now);
	f->sub.resume = on_resume;
	f->sub.done = on_done;
	f->sub.arg = f;
	buf_init(&f->win, WINDOW);
	timer_init(&f->step, p->submit.loop, on_step, f);
	TAILQ_INSERT_TAIL(&p->files, f, link);
	go_on(f);
}

const struct chan_on drops_on[] = {
	{ MAILDROP_FILE, on_file },
	{ MAILDROP_AGAIN, again_ask },
	{ 0, NULL },
};

static void
on_rescan(void *arg)
{
	struct pickup *p = arg;
	struct maildrop_scan rec;

	memset(&rec, 0, sizeof(rec));
	if (p->drops != NULL && submit_possible(&p->submit))
		chan_tell(p->drops, MAILDROP_SCAN, 0, &rec, NULL);
	else if (p->drops != NULL)
		drops_rescan(p);
}

void
drops_rescan(struct pickup *p)
{
	if (!p->rescan.armed)
		timer_set(&p->rescan, RESCAN_MS);
}

/* There may be files: nobody was there to take the messages. */
void
drops_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	struct pickup *p = arg;

	(void)instance;
	(void)pid;
	p->drops = ch;
	on_rescan(p);
}

/* A new queue manager gives them to us again. */
void
drops_down(struct chan *ch, unsigned instance, void *arg)
{
	struct pickup *p = arg;
	struct dropfile *f;

	(void)instance;
	if (p->drops == ch)
		p->drops = NULL;
	TAILQ_FOREACH(f, &p->files, link)
		f->orphan = true;
	again_orphan(p);
}

void
files_init(struct pickup *p)
{
	TAILQ_INIT(&p->files);
	TAILQ_INIT(&p->agains);
	timer_init(&p->rescan, p->submit.loop, on_rescan, p);
}

void
files_clear(struct pickup *p)
{
	while (!TAILQ_EMPTY(&p->files))
		file_free(TAILQ_FIRST(&p->files));
	timer_clear(&p->rescan);
	again_clear(p);
}
