/* SPDX-License-Identifier: ISC */
/*
 * $name in values that differ from message to message.
 */
#include "conf/expand.h"

#include "local.h"

struct expansion {
	const struct names *n;
	struct buf value; /* of the name that was asked for last */
	bool missing;
};

static bool
find(const struct names *n, struct str name, struct str *out)
{
	const struct {
		struct str name, value;
	} known[] = {
		{ STR("user"), n->user },
		{ STR("extension"), n->extension },
		{ STR("recipient_delimiter"), n->delimiter },
		{ STR("home"), n->home },
		{ STR("domain"), n->domain },
		{ STR("local"), n->local },
		{ STR("recipient"), n->recipient },
	};

	for (size_t i = 0; i < NELEM(known); i++) {
		if (!str_eq(name, known[i].name))
			continue;
		*out = known[i].value;
		return true;
	}
	return false;
}

/*
 * A sender chooses the extension, so what is not in the filter becomes an
 * underscore, and a dollar sign stays one: values are expanded in their turn.
 */
static bool
on_name(void *arg, struct str name, bool probe, struct str *value)
{
	struct expansion *x = arg;
	struct str v = STR_NONE;

	if (!find(x->n, name, &v))
		return false;
	buf_reset(&x->value);
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (x->n->filter.n > 0 && str_chr(x->n->filter, c) == -1)
			c = '_';
		if (c == '$')
			buf_putc(&x->value, '$');
		buf_putc(&x->value, c);
	}
	if (v.n == 0 && !probe)
		x->missing = true;
	*value = buf_get(&x->value);
	return true;
}

int
named_expand(struct str text, const struct names *n, struct buf *out)
{
	struct expansion x = { .n = n };
	struct expand_error err;
	int r;

	buf_init(&x.value, 4096);
	r = expand_value(text, on_name, &x, out, &err);
	if (r == 0 && (buf_full(out) || buf_full(&x.value)))
		r = -1;
	buf_clear(&x.value);
	return r == -1 ? -1 : x.missing ? 1 : 0;
}
