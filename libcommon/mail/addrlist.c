/* SPDX-License-Identifier: ISC */
/*
 * Address lists of headers.
 *
 * The list is read in runs: all that stands before the next ',' ';' ':' or
 * '<'.  What ended a run decides what it was: the name of a group, a display
 * name, or bare addresses, which are then taken from it one at a time.  A byte
 * is therefore looked at three times at most.
 */
#include "mail/addrlist.h"

#include "mail/lex.h"

void
addrlist_init(struct addrlist *l, struct str text)
{
	*l = (struct addrlist){ .text = text };
}

static void
found(struct addrlist *l, struct addrlist_item *out)
{
	if (l->joined)
		out->flags |= ADDRLIST_JOINED;
	if (l->group)
		out->flags |= ADDRLIST_GROUP;
	l->joined = true;
	l->pos = out->end;
}

/*
 * An address in angle brackets, of which t is the first.  A bracket that never
 * closes ends before the next separator: only commas of a source route belong
 * inside.
 */
static void
take_angle(struct addrlist *l, struct lex_tok *t, struct addrlist_item *out)
{
	size_t pos = t->end;
	bool route, first = true;

	out->flags |= ADDRLIST_ANGLE;
	out->spec_off = out->spec_end = out->end = t->end;
	for (route = false;; first = false) {
		lex_next(l->text, &pos, t);
		if (lex_is(t, '>')) {
			out->end = t->end;
			return;
		}
		if (first)
			route = lex_is(t, '@');
		if (t->type == LEX_END || lex_is(t, '<') || lex_is(t, ';') ||
		    (lex_is(t, ',') && !route)) {
			out->flags |= ADDRLIST_BROKEN;
			return;
		}
		if (lex_is(t, ':'))
			route = false;
		if (t->open)
			out->flags |= ADDRLIST_BROKEN;
		if (out->spec_off == out->spec_end)
			out->spec_off = t->off;
		out->spec_end = out->end = t->end;
	}
}

/*
 * Take one bare address from the run that ends at l->run_end: words that
 * operators join.  False when there is none left.
 */
static bool
take_bare(struct addrlist *l, struct addrlist_item *out)
{
	struct str run = str_sub(l->text, 0, l->run_end);
	bool started = false, word = false;
	size_t pos = l->pos;
	struct lex_tok t;

	for (lex_next(run, &pos, &t); t.type != LEX_END;
	     lex_next(run, &pos, &t)) {
		bool oper = lex_is(&t, '.') || lex_is(&t, '@');

		if (!oper && !lex_is_word(&t)) {
			if (started)
				break;
			continue; /* a stray bracket */
		}
		if (started && word && !oper && t.gap)
			break;
		if (!started)
			out->off = t.off;
		started = true;
		word = !oper;
		out->end = t.end;
		if (t.open)
			out->flags |= ADDRLIST_BROKEN;
	}
	out->spec_off = out->off;
	out->spec_end = out->end;
	return started;
}

/*
 * Look at the run that begins at l->pos.  1 when it gave a mailbox, 0 when it
 * did not (bare words are then to be taken, or the run was nothing), -1 at
 * the end.
 */
static int
take_run(struct addrlist *l, struct addrlist_item *out)
{
	size_t pos = l->pos;
	bool any = false;
	struct lex_tok t;

	for (lex_next(l->text, &pos, &t); t.type != LEX_END;
	     any = true, lex_next(l->text, &pos, &t)) {
		if (!any)
			out->off = t.off;
		if (lex_is(&t, '<')) {
			take_angle(l, &t, out);
			found(l, out);
			return 1;
		}
		if (lex_is(&t, ':')) {
			l->group = true;
			l->joined = false;
			l->pos = t.end;
			return 0;
		}
		if (lex_is(&t, ',') || lex_is(&t, ';'))
			break;
	}
	if (any) {
		l->bare = true;
		l->run_end = t.off;
		return 0;
	}
	l->pos = t.end;
	if (t.type == LEX_END)
		return -1;
	if (lex_is(&t, ';'))
		l->group = false;
	l->joined = false;
	return 0;
}

bool
addrlist_next(struct addrlist *l, struct addrlist_item *out)
{
	int r;

	for (;;) {
		*out = (struct addrlist_item){ 0 };
		if (l->bare) {
			if (take_bare(l, out)) {
				found(l, out);
				return true;
			}
			l->bare = false;
			l->pos = l->run_end;
			continue;
		}
		r = take_run(l, out);
		if (r != 0)
			return r == 1;
	}
}

enum addr_result
addrlist_addr(const struct addrlist *l, const struct addrlist_item *item,
    struct buf *out)
{
	return lex_addr(str_sub(l->text, item->spec_off, item->spec_end), out,
	    NULL);
}
