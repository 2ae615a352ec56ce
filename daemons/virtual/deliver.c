/* SPDX-License-Identifier: ISC */
/*
 * A job of the queue manager: each recipient finds its mailbox, its owner, and
 * the process that may write there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"

#include "virtual.h"

#define JOBS_MAX 4096 /* in hand: each has a descriptor of its own */

/* A recipient on its way. */
struct rcpt {
	struct virtuald *v;
	struct agent_job *job;
	uint16_t n;
	struct map_call map;
	struct box_call box;
	char *path;
	uint32_t uid, gid;
	unsigned tries;
};

static void get_box(struct rcpt *r);

/* --- ends ----------------------------------------------------------------- */

static void
job_end(struct virtuald *v, struct agent_job *j)
{
	TAILQ_REMOVE(&v->jobs, j, link);
	v->njobs--;
	agent_job_free(&j);
	if (v->paused && v->njobs < JOBS_MAX / 2 && v->qmgr != NULL) {
		v->paused = false;
		chan_reading(v->qmgr, 1);
	}
}

static void
settle(struct rcpt *r, enum fate fate, struct str dsn, struct str text)
{
	struct agent_fate f = { .fate = fate, .dsn = dsn, .text = text };
	struct agent_job *j = r->job;
	struct virtuald *v = r->v;

	if (agent_report(j, r->n, &f))
		job_end(v, j);
	free(r->path);
	free(r);
}

static void
put_off(struct rcpt *r, const char *dsn, const char *text)
{
	settle(r, FATE_DEFERRED, str_of(dsn), str_of(text));
}

/* --- writing -------------------------------------------------------------- */

static void
on_written(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct mailbox_written *w = rec;
	struct rcpt *r = arg;

	(void)fds;
	if (type != 0 && w->fate >= FATE_SENT && w->fate <= FATE_DEFERRED)
		settle(r, (enum fate)w->fate, w->dsn, w->text);
	else if (type == 0 && r->tries < BOX_TRIES)
		get_box(r); /* it was about to end: there will be another */
	else
		put_off(r, "4.3.0", "mailbox process ended unexpectedly");
}

static void
on_box(struct box *b, const char *why, void *arg)
{
	struct rcpt *r = arg;
	struct agent_job *j = r->job;
	struct mailbox_write w = { .root = MAILBOX_HOME,
		.flags = r->v->lock,
		.path = str_of(r->path),
		.sender = j->sender,
		.limit = r->v->limit,
		.offset = j->offset,
		.size = j->size,
		.edits = j->edits };
	struct buf prefix;
	char text[320];
	int fd;

	if (b == NULL) {
		snprintf(text, sizeof(text), "mailbox cannot be opened: %s",
		    why);
		put_off(r, "4.3.0", text);
		return;
	}
	/* Each process gets a descriptor; ours stays for the others. */
	fd = fcntl(j->fd, F_DUPFD_CLOEXEC, 6);
	if (fd == -1) {
		put_off(r, "4.3.0", strerror(errno));
		return;
	}
	buf_init(&prefix, AGENT_PREFIX_MAX);
	agent_prefix(&prefix, AGENT_PREFIX_ALL, j->sender, j->rcpts[r->n].orig,
	    j->rcpts[r->n].addr);
	w.prefix = buf_get(&prefix);
	box_ask(b, &r->box, MAILBOX_WRITE, &w, &fd, on_written, r);
	buf_clear(&prefix);
}

static void
get_box(struct rcpt *r)
{
	struct box_who who = { .uid = r->uid, .gid = r->gid };

	r->tries++;
	box_get(r->v->boxes, &who, &r->box, on_box, r);
}

/* --- tables --------------------------------------------------------------- */

/* A table cannot be read: the recipient waits. */
static void
later(struct rcpt *r, const char *what, struct str why)
{
	char text[512];

	snprintf(text, sizeof(text), "%s: table lookup problem: " STR_FMT, what,
	    STR_ARG(why));
	put_off(r, "4.3.0", text);
}

/* What no table should say. */
static void
misconfigured(struct rcpt *r, const char *what, struct str value)
{
	log_warn(STR_FMT ": recipient " STR_FMT ": %s \"" STR_FMT "\"",
	    STR_ARG(r->job->qid), STR_ARG(r->job->rcpts[r->n].addr), what,
	    STR_ARG(value));
	put_off(r, "4.3.5", "mail system configuration error");
}

/* All is known that there is to know before something is written. */
static void
would(struct rcpt *r)
{
	settle(r, FATE_SENT, STR("2.0.0"),
	    str_ends(str_of(r->path), STR("/")) ? STR("delivers to maildir") :
						  STR("delivers to mailbox"));
}

static void
on_gid(enum map_status status, struct str value, void *arg)
{
	struct rcpt *r = arg;
	uint64_t gid;

	if (status == MAP_LATER) {
		later(r, "virtual_gid_maps", value);
	} else if (status == MAP_NONE) {
		misconfigured(r, "not found in virtual_gid_maps", value);
	} else if (str_u64(str_trim(value), UINT32_MAX - 1, &gid) == -1 ||
	    gid == 0) {
		misconfigured(r, "bad gid in virtual_gid_maps", value);
	} else {
		r->gid = (uint32_t)gid;
		if (agent_probe(r->job))
			would(r);
		else
			get_box(r);
	}
}

static void
on_uid(enum map_status status, struct str value, void *arg)
{
	struct rcpt *r = arg;
	uint64_t uid;

	if (status == MAP_LATER) {
		later(r, "virtual_uid_maps", value);
	} else if (status == MAP_NONE) {
		misconfigured(r, "not found in virtual_uid_maps", value);
	} else if (str_u64(str_trim(value), UINT32_MAX - 1, &uid) == -1 ||
	    uid == 0 || uid < r->v->minimum_uid) {
		misconfigured(r, "bad uid in virtual_uid_maps", value);
	} else {
		r->uid = (uint32_t)uid;
		maps_find(&r->v->maps, FIND_ADDRESS, 0, P_VIRTUAL_GID_MAPS,
		    r->job->rcpts[r->n].addr, &r->map, on_gid, r);
	}
}

static void
on_path(enum map_status status, struct str value, void *arg)
{
	struct rcpt *r = arg;
	struct str addr = r->job->rcpts[r->n].addr;
	char text[ADDR_MAX + 64];

	if (status == MAP_LATER) {
		later(r, "virtual_mailbox_maps", value);
		return;
	}
	if (status == MAP_NONE) {
		snprintf(text, sizeof(text), "unknown user: \"" STR_FMT "\"",
		    STR_ARG(addr));
		settle(r, FATE_BOUNCED, STR("5.1.1"), str_of(text));
		return;
	}
	/* What a path begins with, the base directory ends with. */
	value = str_trim(value);
	while (value.n > 0 && value.p[0] == '/')
		value = str_sub(value, 1, value.n);
	if (value.n == 0 || value.n > 900) {
		misconfigured(r, "bad path in virtual_mailbox_maps", value);
		return;
	}
	r->path = str_dup(value);
	maps_find(&r->v->maps, FIND_ADDRESS, 0, P_VIRTUAL_UID_MAPS, addr,
	    &r->map, on_uid, r);
}

/* --- jobs ----------------------------------------------------------------- */

static void
begin(struct virtuald *v, struct agent_job *j, uint16_t n)
{
	struct rcpt *r = xcalloc(1, sizeof(*r));
	struct str addr = j->rcpts[n].addr;
	char text[ADDR_MAX + 64];

	r->v = v;
	r->job = j;
	r->n = n;
	switch (agent_delivered_to(j, addr)) {
	case -1:
		put_off(r, "4.3.0", "message cannot be read");
		return;
	case 1:
		snprintf(text, sizeof(text),
		    "mail forwarding loop for " STR_FMT, STR_ARG(addr));
		settle(r, FATE_BOUNCED, STR("5.4.6"), str_of(text));
		return;
	}
	maps_find(&v->maps, FIND_ADDRESS, 0, P_VIRTUAL_MAILBOX_MAPS, addr,
	    &r->map, on_path, r);
}

static void
on_job(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct virtuald *v = arg;
	struct agent_job *j = agent_job_new(ch, id, rec, fds, "virtual");
	uint16_t n;

	if (j == NULL) {
		chan_drop(ch, "delivery job that is none");
		return;
	}
	TAILQ_INSERT_TAIL(&v->jobs, j, link);
	if (++v->njobs >= JOBS_MAX && !v->paused) {
		v->paused = true;
		chan_reading(ch, 0);
	}
	/* The last to be settled takes the job with it. */
	n = j->nrcpts;
	for (uint16_t i = 0; i < n; i++)
		begin(v, j, i);
}

const struct chan_on virtual_on[] = {
	{ DELIVER_JOB, on_job },
	{ 0, NULL },
};

void
deliver_forget(struct virtuald *v, const struct chan *ch)
{
	struct agent_job *j;

	TAILQ_FOREACH(j, &v->jobs, link)
		if (j->ch == ch)
			j->ch = NULL;
	v->paused = false;
}

void
virtual_config(struct virtuald *v, const struct conf *c)
{
	static const struct {
		const char *word;
		uint8_t flag;
	} locks[] = { { "dotlock", MAILBOX_DOTLOCK },
		{ "flock", MAILBOX_FLOCK }, { "fcntl", MAILBOX_FCNTL } };

	v->conf = c;
	v->limit = (uint64_t)conf_size(c, P_VIRTUAL_MAILBOX_LIMIT);
	v->minimum_uid = (uint32_t)conf_int(c, P_VIRTUAL_MINIMUM_UID);
	v->lock = 0;
	for (size_t i = 0; i < NELEM(locks); i++)
		if (conf_has(c, P_VIRTUAL_MAILBOX_LOCK, locks[i].word))
			v->lock |= locks[i].flag;
	maps_config(&v->maps, c);
}
