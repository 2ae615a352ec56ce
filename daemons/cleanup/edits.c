/* SPDX-License-Identifier: ISC */
/*
 * Edits of a message.
 */
#include <stdlib.h>

#include "base/mem.h"

#include "cleanup.h"

void
edits_init(struct edits *e)
{
	*e = (struct edits){ .v = NULL };
	buf_init(&e->text, EDITS_TEXT_MAX);
}

void
edits_clear(struct edits *e)
{
	free(e->v);
	buf_clear(&e->text);
	*e = (struct edits){ .v = NULL };
}

int
edits_set(struct edits *e, size_t i, struct str ins)
{
	e->v[i].ins = e->text.len;
	e->v[i].ins_len = ins.n;
	return buf_str(&e->text, ins);
}

int
edits_add(struct edits *e, uint64_t off, uint64_t del, struct str ins)
{
	if (e->n == EDITS_MAX)
		return -1;
	if (e->n == e->cap) {
		e->cap = e->cap == 0 ? 8 : e->cap * 2;
		e->v = xreallocarray(e->v, e->cap, sizeof(*e->v));
	}
	e->v[e->n] = (struct edit){ .off = off, .del = del };
	return edits_set(e, e->n++, ins);
}

int
edits_put(const struct edits *e, struct buf *out, uint32_t *n)
{
	struct str text = buf_get(&e->text);
	size_t before = out->len;

	*n = 0;
	for (size_t i = 0; i < e->n; i++) {
		const struct edit *x = &e->v[i];
		struct env_edit ed = { .off = x->off,
			.del = x->del,
			.ins = str_sub(text, x->ins, x->ins + x->ins_len) };

		/* An address that rewrite left as it was. */
		if (ed.del == 0 && ed.ins.n == 0)
			continue;
		if (env_put_edit(out, &ed) == -1)
			return -1;
		++*n;
	}
	return out->len - before > DELIVER_EDITS_MAX ? -1 : 0;
}
