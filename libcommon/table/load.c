/* SPDX-License-Identifier: ISC */
/*
 * Line by line into the index.
 */
#include "table/load.h"

#include "mail/utf8.h"
#include "table/source.h"
#include "table/table.h"

struct work {
	struct load *l;
	struct buf key, value, message;
};

static void
problem(struct work *w, unsigned line, bool error, const char *what)
{
	if (error)
		w->l->errors++;
	else
		w->l->warnings++;
	w->l->say(w->l->arg, line, error, what);
}

/* Cut a line into w->key and w->value; false when it is no good. */
static bool
split(struct work *w, const struct source_line *line)
{
	const char *error, *note;
	struct str key, value;

	if (w->l->format == LOAD_ALIASES) {
		error = source_alias(line->text, &w->key, &w->value, &note);
	} else {
		error = source_pair(line->text, &key, &value, &note);
		buf_reset(&w->key);
		buf_reset(&w->value);
		for (size_t i = 0; error == NULL && i < key.n; i++)
			buf_putc(&w->key,
			    w->l->fold ? ascii_lower(key.p[i]) : key.p[i]);
		if (error == NULL)
			buf_str(&w->value, value);
	}
	if (error == NULL && buf_full(&w->key))
		error = "the key is too long";
	if (error == NULL && buf_full(&w->value))
		error = "the value is too long";
	if (error == NULL && w->l->utf8 &&
	    (!utf8_valid(buf_get(&w->key)) || !utf8_valid(buf_get(&w->value))))
		error = "not valid UTF-8 (allowed with the option -u, or "
			"smtputf8_enable = no)";
	if (error != NULL)
		problem(w, line->first, true, error);
	else if (note != NULL)
		problem(w, line->first, false, note);
	return error == NULL;
}

static int
store(struct work *w, unsigned line)
{
	struct load *l = w->l;
	int r;

	if (l->value != NULL) {
		struct buf out;

		buf_init(&out, TABLE_VALUE_MAX);
		r = l->value(l->arg, line, buf_get(&w->value), &out);
		buf_reset(&w->value);
		buf_str(&w->value, buf_get(&out));
		buf_clear(&out);
		if (r == -1) {
			l->errors++;
			return 0;
		}
	}
	r = index_add(l->into, buf_get(&w->key), buf_get(&w->value),
	    l->dup == LOAD_DUP_REPLACE ? INDEX_REPLACE : INDEX_KEEP);
	if (r == -1) {
		problem(w, line, true, "the table is too large");
		return -1;
	}
	if (r == 0 && l->dup == LOAD_DUP_WARN) {
		buf_reset(&w->message);
		buf_printf(&w->message,
		    "duplicate entry \"" STR_FMT "\", the first one counts",
		    STR_ARG(str_sub(buf_get(&w->key), 0, 200)));
		problem(w, line, false, buf_cstr(&w->message));
	}
	return 0;
}

int
load_text(struct load *l, struct str text)
{
	struct work w = { .l = l };
	struct source_line line;
	struct source s;
	int r, ret = 0;

	buf_init(&w.key, TABLE_KEY_MAX);
	buf_init(&w.value, TABLE_VALUE_MAX);
	buf_init(&w.message, 1024);
	source_init(&s, text);
	while (ret == 0 && (r = source_next(&s, &line)) != 0) {
		if (r == -1)
			problem(&w, line.first, true, "the line is too long");
		else if (split(&w, &line))
			ret = store(&w, line.first);
	}
	source_clear(&s);
	buf_clear(&w.key);
	buf_clear(&w.value);
	buf_clear(&w.message);
	return ret;
}
