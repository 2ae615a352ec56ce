/* SPDX-License-Identifier: ISC */
/*
 * The headers and lines of a message as keys, to try header_checks(5) and
 * body_checks(5) by hand.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/header.h"
#include "postmap.h"

#define MESSAGE_MAX (256 << 20)
#define NEST_MAX 100 /* multiparts within multiparts */

struct walk {
	struct queries *q;
	struct str boundary[NEST_MAX];
	size_t n;	  /* boundaries that are open */
	struct str inner; /* boundary of the part whose header was read */
	bool message;	  /* the part is a message: a header follows */
	bool any;
};

/* The value of a parameter of a Content-Type; borrowed. */
static struct str
parameter(struct str value, struct str name)
{
	struct str word;

	while (str_token(&value, ";", &word)) {
		ptrdiff_t eq = str_chr(word, '=');

		if (eq == -1 ||
		    !str_caseeq(str_trim(str_sub(word, 0, (size_t)eq)), name))
			continue;
		word = str_trim(str_sub(word, (size_t)eq + 1, word.n));
		if (word.n >= 2 && word.p[0] == '"' &&
		    word.p[word.n - 1] == '"')
			word = str_sub(word, 1, word.n - 1);
		return word;
	}
	return STR_NONE;
}

static void
content_type(struct walk *w, struct str value)
{
	value = str_trim(value);
	if (str_casestarts(value, STR("multipart/")))
		w->inner = parameter(value, STR("boundary"));
	else if (str_casestarts(value, STR("message/")) &&
	    !str_casestarts(value, STR("message/partial")) &&
	    !str_casestarts(value, STR("message/external-body")))
		w->message = true;
}

/* Ask about the header block at the front of s; the rest of s is returned. */
static struct str
headers(struct walk *w, struct str s)
{
	struct header_iter it;
	struct header h;

	w->inner = STR_NONE;
	w->message = false;
	header_iter_init(&it, s, s.n + 1, true);
	while (header_next(&it, &h) == HEADER_FIELD) {
		struct str text = str_sub(s, h.off, h.end);

		while (text.n > 0 &&
		    (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
			text.n--;
		if (w->q->opt->headers)
			w->any |= query_one(w->q, text, true);
		if (h.id == HEADER_CONTENT_TYPE)
			content_type(w, h.value);
	}
	/* The empty line between them is the first of the body. */
	if (it.blank && w->q->opt->body)
		w->any |= query_one(w->q, STR(""), true);
	if (w->inner.n > 0 && w->n < NEST_MAX)
		w->boundary[w->n++] = w->inner;
	return str_sub(s, it.pos, s.n);
}

/*
 * Is the line a boundary?  1 for one that starts a part, 2 for one that ends
 * the last; the boundaries within it are then closed.
 */
static int
at_boundary(struct walk *w, struct str line)
{
	if (!str_starts(line, STR("--")))
		return 0;
	line = str_sub(line, 2, line.n);
	for (size_t i = w->n; i > 0; i--) {
		if (!str_starts(line, w->boundary[i - 1]))
			continue;
		line = str_sub(line, w->boundary[i - 1].n, line.n);
		w->n = i;
		if (!str_starts(line, STR("--")))
			return 1;
		w->n--;
		return 2;
	}
	return 0;
}

static void
body(struct walk *w, struct str s)
{
	const struct options *opt = w->q->opt;

	while (s.n > 0) {
		ptrdiff_t nl = str_chr(s, '\n');
		size_t n = nl == -1 ? s.n : (size_t)nl;
		struct str line = str_sub(s, 0, n);
		int boundary;

		s = str_sub(s, n + 1, s.n);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		boundary = opt->mime ? at_boundary(w, line) : 0;
		if (opt->body)
			w->any |= query_one(w->q, line, true);
		if (boundary != 1)
			continue;
		do {
			s = headers(w, s);
		} while (w->message && s.n > 0);
	}
}

/* Standard input as a whole. */
static struct str
read_input(char **p)
{
	size_t n = 0, cap = 65536;
	ssize_t got;

	*p = xmalloc(cap);
	while ((got = read(STDIN_FILENO, *p + n, cap - n)) != 0) {
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			say_fatal("read standard input: %s", strerror(errno));
		n += (size_t)got;
		if (n < cap)
			continue;
		if (cap >= MESSAGE_MAX)
			say_fatal("the message is too large");
		cap *= 2;
		*p = xreallocarray(*p, cap, 1);
	}
	return str_make(*p, n);
}

bool
message_query(struct queries *q)
{
	struct walk w = { .q = q };
	struct str s;
	char *p;

	s = headers(&w, read_input(&p));
	while (q->opt->mime && w.message && s.n > 0)
		s = headers(&w, s);
	if (q->opt->body || q->opt->mime)
		body(&w, s);
	free(p);
	return w.any;
}
