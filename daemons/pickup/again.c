/* SPDX-License-Identifier: ISC */
/*
 * Messages of the queue that are to pass cleanup again.  qmgr gives us their
 * content as it was received and an envelope; we copy the one into an empty
 * file of qmgr's and send it on with the other, as it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "queue/envelope.h"

#include "pickup.h"

#define STEP_MAX ((size_t)1 << 20) /* copied in a turn */

struct again {
	TAILQ_ENTRY(again) link;
	struct pickup *p;
	uint64_t id; /* of qmgr's question */
	bool orphan; /* qmgr's channel has gone */
	char qid[QID_MAX + 1];
	int fd;
	uint64_t off, left;
	char *form; /* the envelope */
	size_t form_len;
	struct submit_slot *slot;
	struct submit_wait wait;
	struct timer step;
};

static void
again_free(struct again *a)
{
	struct submit *sub = &a->p->submit;

	TAILQ_REMOVE(&a->p->agains, a, link);
	submit_unwait(sub, &a->wait);
	if (a->slot != NULL)
		submit_drop(sub, &a->slot);
	timer_clear(&a->step);
	fd_close(&a->fd);
	free(a->form);
	free(a);
}

static void
end(struct again *a, int result, struct str why)
{
	struct maildrop_result r = { .result = (uint8_t)result,
		.why = str_sub(why, 0, 256) };

	if (!a->orphan && a->p->drops != NULL)
		chan_answer(a->p->drops, MAILDROP_RESULT, a->id, &r, NULL);
	again_free(a);
}

static void
on_done(const struct submit_result *res, void *arg)
{
	struct again *a = arg;

	a->slot = NULL;
	if (res->code == 250)
		end(a, 0, STR_NONE);
	else
		end(a, res->code >= 500 ? 2 : 1, res->text);
}

/* All is copied: off it goes. */
static void
send(struct again *a)
{
	struct env_reader er;
	struct envelope head;

	env_open(&er, str_make(a->form, a->form_len));
	if (env_read_head(&er, &head) == -1) {
		end(a, 2, STR("its envelope cannot be read"));
		return;
	}
	log_info(STR_FMT ": uid=0 from=<" STR_FMT "> orig_id=%s",
	    STR_ARG(submit_qid(a->slot)), STR_ARG(head.sender), a->qid);
	submit_send(&a->p->submit, a->slot, str_make(a->form, a->form_len));
}

static void
on_step(void *arg)
{
	static char window[65536];
	struct again *a = arg;

	for (size_t done = 0; a->left > 0 && done < STEP_MAX;) {
		size_t want =
		    a->left < sizeof(window) ? (size_t)a->left : sizeof(window);
		ssize_t n = fd_pread_all(a->fd, window, want, (off_t)a->off);

		if (n <= 0 ||
		    fd_write_all(a->slot->fd, window, (size_t)n) == -1) {
			end(a, 1,
			    str_of(
				n == 0 ? "it is too short" : strerror(errno)));
			return;
		}
		a->off += (uint64_t)n;
		a->left -= (uint64_t)n;
		done += (size_t)n;
	}
	if (a->left > 0)
		timer_set(&a->step, 0);
	else
		send(a);
}

static void
with_slot(void *arg)
{
	struct again *a = arg;
	struct submit *sub = &a->p->submit;

	if (!submit_possible(sub)) {
		end(a, 1, STR("no new mail can be taken in now"));
		return;
	}
	a->slot = submit_take(sub, on_done, a);
	if (a->slot == NULL)
		submit_wait(sub, &a->wait);
	else
		timer_set(&a->step, 0);
}

void
again_ask(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct maildrop_again *r = rec;
	struct pickup *p = arg;
	struct again *a = xcalloc(1, sizeof(*a));

	(void)ch;
	a->p = p;
	a->id = id;
	a->fd = fds[0];
	fds[0] = -1;
	a->off = r->offset;
	a->left = r->size;
	(void)str_copy(r->qid, a->qid, sizeof(a->qid));
	a->wait.cb = with_slot;
	a->wait.arg = a;
	timer_init(&a->step, p->submit.loop, on_step, a);
	TAILQ_INSERT_TAIL(&p->agains, a, link);
	if (r->offset > INT64_MAX || r->size > INT64_MAX - r->offset ||
	    fd_slurp(fds[1], ENV_SIZE_MAX, &a->form, &a->form_len) == -1)
		end(a, 1, STR("its envelope cannot be read"));
	else
		with_slot(a);
}

void
again_orphan(struct pickup *p)
{
	struct again *a;

	TAILQ_FOREACH(a, &p->agains, link)
		a->orphan = true;
}

void
again_clear(struct pickup *p)
{
	while (!TAILQ_EMPTY(&p->agains))
		again_free(TAILQ_FIRST(&p->agains));
}
