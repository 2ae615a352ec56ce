/* SPDX-License-Identifier: ISC */
/*
 * $name in what the administrator wrote.
 *
 * Values come from strangers.  They fill a place in one argument and are never
 * expanded, split or looked at again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/expand.h"
#include "conf/pipe_args.h"
#include "mail/address.h"

#include "command.h"

void
words_add(struct words *w, struct str s)
{
	w->v = xreallocarray(w->v, w->n + 2, sizeof(*w->v));
	w->v[w->n++] = str_dup(s);
	w->v[w->n] = NULL;
}

void
words_clear(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
	*w = (struct words){ 0 };
}

static bool
next_word(struct str *list, struct str *out)
{
	ptrdiff_t nul = str_chr(*list, '\0');

	if (nul == -1)
		return false;
	*out = str_sub(*list, 0, (size_t)nul);
	*list = str_sub(*list, (size_t)nul + 1, list->n);
	return true;
}

bool
whom_next(struct str *list, struct whom *out)
{
	return next_word(list, &out->addr) && next_word(list, &out->orig);
}

/* --- values --------------------------------------------------------------- */

struct expansion {
	const struct order_run *o;
	const struct run_for *r;
	struct whom whom;
	struct parts parts;
	const char *missing; /* a name without which it cannot be run */
	struct buf tmp, value;
};

static void
put_folded(struct buf *b, struct str s, bool fold)
{
	for (size_t i = 0; i < s.n; i++)
		buf_putc(b, fold ? ascii_lower(s.p[i]) : s.p[i]);
}

/* An address with the flags of the line: h, u, q. */
static void
put_addr(struct expansion *x, struct str addr, bool fold)
{
	struct str local = addr_local(addr), domain = addr_domain(addr);

	buf_reset(&x->tmp);
	put_folded(&x->tmp, local,
	    fold && (x->o->flags & ORDER_FOLD_LOCAL) != 0);
	if (addr.n > local.n) {
		buf_putc(&x->tmp, '@');
		put_folded(&x->tmp, domain,
		    fold && (x->o->flags & ORDER_FOLD_HOST) != 0);
	}
	if (x->o->flags & ORDER_QUOTE)
		addr_quote(&x->value, buf_get(&x->tmp));
	else
		buf_str(&x->value, buf_get(&x->tmp));
}

static void
put_part(struct expansion *x, struct str part, unsigned flag)
{
	put_folded(&x->value, part, (x->o->flags & flag) != 0);
}

/* The value of a name of the message or the recipient. */
static void
put_value(struct expansion *x, struct str name)
{
	struct str sender = x->r->sender;

	if (str_eq(name, STR("recipient")))
		put_addr(x, x->whom.addr, true);
	else if (str_eq(name, STR("original_recipient")))
		put_addr(x, x->whom.orig, true);
	else if (str_eq(name, STR("sender")) && sender.n == 0)
		buf_str(&x->value, x->o->null_sender);
	else if (str_eq(name, STR("sender")))
		put_addr(x, sender, false);
	else if (str_eq(name, STR("user")))
		put_part(x, x->parts.user, ORDER_FOLD_LOCAL);
	else if (str_eq(name, STR("extension")))
		put_part(x, x->parts.extension, ORDER_FOLD_LOCAL);
	else if (str_eq(name, STR("mailbox")))
		put_part(x, x->parts.local, ORDER_FOLD_LOCAL);
	else if (str_eq(name, STR("domain")))
		put_part(x, x->parts.domain, ORDER_FOLD_HOST);
	else if (str_eq(name, STR("nexthop")))
		put_part(x, x->r->nexthop, ORDER_FOLD_HOST);
	else if (str_eq(name, STR("queue_id")))
		buf_str(&x->value, x->r->qid);
	else if (str_eq(name, STR("envid")))
		buf_str(&x->value, x->r->envid);
	else if (str_eq(name, STR("size")))
		buf_printf(&x->value, "%llu", (unsigned long long)x->r->size);
}

/* A dollar sign in a value stays one: values are expanded in their turn. */
static void
double_dollars(struct expansion *x, char filter_to, struct str filter)
{
	buf_reset(&x->tmp);
	for (size_t i = 0; i < x->value.len; i++) {
		char c = buf_get(&x->value).p[i];

		if (filter.n > 0 && str_chr(filter, c) == -1)
			c = filter_to;
		if (c == '$')
			buf_putc(&x->tmp, '$');
		buf_putc(&x->tmp, c);
	}
}

static bool
on_arg(void *arg, struct str name, bool probe, struct str *value)
{
	struct expansion *x = arg;
	bool each;

	if (!pipe_args_name(name, &each))
		return false;
	buf_reset(&x->value);
	put_value(x, name);
	if (x->value.len == 0 && !probe &&
	    (str_eq(name, STR("user")) || str_eq(name, STR("mailbox"))))
		x->missing = "no user name in the recipient's address";
	double_dollars(x, 0, STR_NONE);
	*value = buf_get(&x->tmp);
	return true;
}

static void
expansion_init(struct expansion *x, const struct order_run *o,
    const struct run_for *r)
{
	*x = (struct expansion){ .o = o, .r = r };
	buf_init(&x->tmp, 4 * WORD_MAX);
	buf_init(&x->value, 2 * WORD_MAX);
}

static void
expansion_clear(struct expansion *x)
{
	buf_clear(&x->tmp);
	buf_clear(&x->value);
}

/* --- argv ----------------------------------------------------------------- */

static void
note_each(void *arg, struct str name)
{
	bool *any = arg, each;

	if (pipe_args_name(name, &each) && each)
		*any = true;
}

static int
one_word(struct expansion *x, struct str word, struct words *out,
    struct buf *err)
{
	struct expand_error e;
	struct buf b;
	int r;

	buf_init(&b, WORD_MAX);
	r = expand_value(word, on_arg, x, &b, &e);
	if (r == -1)
		buf_printf(err, "\"" STR_FMT "\": %s", STR_ARG(word), e.text);
	else if (x->missing != NULL)
		buf_puts(err, x->missing);
	else if (buf_full(&b) || buf_full(&x->tmp) || buf_full(&x->value) ||
	    out->n >= ARGS_MAX)
		buf_puts(err, "the command line is too long");
	else
		words_add(out, buf_get(&b));
	buf_clear(&b);
	return err->len > 0 ? -1 : 0;
}

int
expand_argv(const struct order_run *o, const struct run_for *r,
    struct words *out, struct buf *err)
{
	struct str list = o->argv, word, rcpts;
	struct expansion x;
	int rc = 0;

	expansion_init(&x, o, r);
	while (rc == 0 && next_word(&list, &word)) {
		bool each = false;

		expand_names(word, note_each, &each);
		rcpts = r->rcpts;
		if (!each)
			rc = one_word(&x, word, out, err);
		while (rc == 0 && each && whom_next(&rcpts, &x.whom)) {
			parts_of(x.whom.addr, o->delimiter, &x.parts);
			rc = one_word(&x, word, out, err);
		}
	}
	expansion_clear(&x);
	if (rc == 0 && out->n == 0) {
		buf_puts(err, "there is nothing to run");
		rc = -1;
	}
	return rc;
}

/* --- directories ---------------------------------------------------------- */

static bool
on_dir(void *arg, struct str name, bool probe, struct str *value)
{
	struct expansion *x = arg;

	buf_reset(&x->value);
	if (str_eq(name, STR("home")))
		buf_str(&x->value, x->o->home);
	else if (str_eq(name, STR("shell")))
		buf_str(&x->value, x->o->login_shell);
	else if (str_eq(name, STR("recipient")))
		buf_str(&x->value, x->whom.addr);
	else if (str_eq(name, STR("local")))
		buf_str(&x->value, x->parts.local);
	else if (str_eq(name, STR("user")))
		buf_str(&x->value,
		    x->o->user.n > 0 ? x->o->user : x->parts.user);
	else if (str_eq(name, STR("extension")))
		buf_str(&x->value, x->parts.extension);
	else if (str_eq(name, STR("domain")))
		buf_str(&x->value, x->parts.domain);
	else if (str_eq(name, STR("recipient_delimiter")))
		buf_str(&x->value, x->parts.delimiter);
	else
		return false;
	if (x->value.len == 0 && !probe)
		x->missing = "a value in command_execution_directory is empty";
	double_dollars(x, '_', x->o->dir_filter);
	*value = buf_get(&x->tmp);
	return true;
}

int
expand_dir(const struct order_run *o, const struct run_for *r, struct buf *out,
    struct buf *err)
{
	struct str rcpts = r->rcpts;
	struct expand_error e;
	struct expansion x;
	int rc = 0;

	expansion_init(&x, o, r);
	if (whom_next(&rcpts, &x.whom))
		parts_of(x.whom.addr, o->delimiter, &x.parts);
	if (o->kind == COMMAND_MASTER)
		rc = buf_str(out, o->dir);
	else if (expand_value(o->dir, on_dir, &x, out, &e) == -1)
		buf_printf(err, "command_execution_directory: %s", e.text);
	else if (x.missing != NULL)
		buf_puts(err, x.missing);
	if (rc == -1 || buf_full(out))
		buf_puts(err, "the name of the directory is too long");
	expansion_clear(&x);
	return err->len > 0 ? -1 : 0;
}
