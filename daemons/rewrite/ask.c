/* SPDX-License-Identifier: ISC */
/*
 * What a question needs from tables.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "rewrite.h"

void
ask_clear(struct question *q)
{
	for (size_t i = 0; i < q->nmemo; i++) {
		free(q->memo[i].id);
		free(q->memo[i].key);
		free(q->memo[i].value);
	}
	q->nmemo = 0;
}

static struct memo *
find(struct question *q, const char *id)
{
	for (size_t i = 0; i < q->nmemo; i++)
		if (strcmp(q->memo[i].id, id) == 0)
			return &q->memo[i];
	return NULL;
}

/* A new memo, whose id moves; NULL when the question has too many. */
static struct memo *
new_memo(struct question *q, char *id)
{
	struct memo *m;

	if (q->nmemo == MEMO_MAX || q->rw->lookup == NULL) {
		snprintf(q->reason, sizeof(q->reason), "%s",
		    q->rw->lookup == NULL ? "the lookup service is down" :
		    "too many lookups for one address");
		free(id);
		return NULL;
	}
	m = &q->memo[q->nmemo++];
	*m = (struct memo){ .id = id, .waiting = true };
	q->waits++;
	return m;
}

/* The question that waits for this answer goes on. */
static void
arrived(struct question *q)
{
	if (--q->waits == 0)
		question_run(q);
}

/* The memo of a question that is asked: its place may not change. */
struct pending {
	struct question *q;
	size_t index;
};

static void
on_found(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct lookup_answer *a = rec;
	struct pending *p = arg;
	struct memo *m = &p->q->memo[p->index];
	struct question *q = p->q;

	(void)fds;
	free(p);
	m->waiting = false;
	m->status = LOOKUP_LATER;
	if (type == LOOKUP_ANSWER) {
		m->status = (enum lookup_status)a->status;
		m->key = str_dup(a->key);
		m->value = str_dup(a->value);
	}
	arrived(q);
}

static struct pending *
pending_new(struct question *q)
{
	struct pending *p = xmalloc(sizeof(*p));

	p->q = q;
	p->index = q->nmemo - 1;
	return p;
}

static enum asked
outcome(struct question *q, const struct memo *m, struct str *out)
{
	if (m->waiting)
		return ASK_WAIT;
	switch (m->status) {
	case LOOKUP_FOUND:
		if (out != NULL)
			*out = str_of(m->value);
		return ASK_FOUND;
	case LOOKUP_NOT_FOUND:
		return ASK_NONE;
	case LOOKUP_LATER:
	case LOOKUP_REFUSED:
		break;
	}
	snprintf(q->reason, sizeof(q->reason), "%s",
	    m->value == NULL ? "table lookup problem" : m->value);
	return ASK_LATER;
}

enum asked
ask_find(struct question *q, enum find_how how, uint8_t flags,
    enum param_id param, struct str table, struct str key, struct str *out)
{
	struct lookup_find f = { .how = (uint8_t)how, .flags = flags,
		.param = str_of(params[param].name), .table = table,
		.key = key };
	char *id;
	struct memo *m;

	if (key.n == 0 || key.n > LOOKUP_KEY_MAX)
		return ASK_NONE;
	if (table.n > LOOKUP_TABLE_MAX) {
		snprintf(q->reason, sizeof(q->reason),
		    "%s: a table that is too long", params[param].name);
		return ASK_LATER;
	}
	id = xasprintf("%d %d %s " STR_FMT " " STR_FMT, (int)how, flags,
	    params[param].name, STR_ARG(table), STR_ARG(key));
	m = find(q, id);
	if (m != NULL) {
		free(id);
		return outcome(q, m, out);
	}
	if (new_memo(q, id) == NULL)
		return ASK_LATER;
	chan_ask(q->rw->lookup, LOOKUP_FIND, &f, NULL, on_found,
	    pending_new(q));
	return ASK_WAIT;
}
