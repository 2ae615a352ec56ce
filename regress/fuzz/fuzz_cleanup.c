/* SPDX-License-Identifier: ISC */
/*
 * Messages through cleanup: half of the input is content that a local user
 * posts, the other an envelope of a submitter's.  What comes out, if anything
 * does, must be an envelope that fits its content.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "daemons/cleanup/cleanup.h"
#include "log/log.h"
#include "mail/date.h"
#include "regress/unit/intake_peers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig {
	struct loop *loop;
	struct cleanup cl;
	struct chan *submit, *intake, *commit, *queue, *ask, *rewrite;
} r;

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
quiet(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	(void)level, (void)service, (void)text, (void)when_us, (void)arg;
}

static void
on_commit(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct commit_message *c = rec;
	struct env_reader er;

	(void)ch, (void)id, (void)arg;
	env_open(&er, c->envelope);
	must(env_check(&er, (uint64_t)lseek(fds[0], 0, SEEK_END), NULL,
		 NULL) == 0);
	must(memfd_sealed(fds[0]));
	loop_stop(r.loop, 0);
}

static void
on_refused(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct intake_refused *f = rec;

	(void)ch, (void)id, (void)fds, (void)arg;
	must(f->code >= 400 && f->code < 600 && f->text.n > 0);
	loop_stop(r.loop, 0);
}

static const struct chan_on submit_on[] = { { INTAKE_REFUSED, on_refused },
	{ 0, NULL } };
static const struct chan_on queue_on[] = { { COMMIT_MESSAGE, on_commit },
	{ 0, NULL } };
static const struct chan_on rewrite_on[] = { { RESOLVE_ASK, peers_resolve },
	{ 0, NULL } };
static const struct chan_on nothing[] = { { 0, NULL } };

static void
start(void)
{
	setenv("TZ", "UTC", 1);
	date_init();
	log_sink(quiet, NULL);
	r.loop = loop_new();
	cleanup_init(&r.cl, peers_conf("append_dot_mydomain = yes\n"
				       "header_size_limit = 512\n"));
	r.cl.loop = r.loop;
	peers_pair(r.loop, &edge_intake, &r.submit, submit_on, NULL,
	    &r.intake, intake_on, &r.cl);
	peers_pair(r.loop, &edge_commit, &r.commit, nothing, NULL, &r.queue,
	    queue_on, NULL);
	peers_pair(r.loop, &edge_resolve, &r.ask, nothing, NULL, &r.rewrite,
	    rewrite_on, NULL);
	r.cl.qmgr = r.commit;
	r.cl.rewrite = r.ask;
}

static void
post(struct str form, struct str content)
{
	struct intake_message i = { .qid = STR("4jWsk80sf8zX6"),
		.envelope = form };
	int fd = peers_memfd(content.p, content.n);

	chan_tell(r.submit, INTAKE_MESSAGE, 42, &i, &fd);
	loop_run(r.loop);
	must(TAILQ_EMPTY(&r.cl.messages) && r.cl.held == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope e = { .origin = ENV_FROM_PICKUP,
		.sender = STR("joe"), .arrival_us = 1 };
	struct env_rcpt rcpt = { .addr = STR("x@y.z") };
	struct buf b;

	if (r.loop == NULL)
		start();
	if (size == 0 || size > 40000)
		return 0;
	if (data[0] % 2 == 0) {
		post(str_make(data + 1, size - 1), STR("To: x\n\nhi\n"));
		return 0;
	}
	buf_init(&b, 4096);
	must(env_put_head(&b, &e) == 0 && env_put_rcpt(&b, &rcpt) == 0 &&
	    env_put_end(&b, 0, 1) == 0);
	post(buf_get(&b), str_make(data + 1, size - 1));
	buf_clear(&b);
	return 0;
}
