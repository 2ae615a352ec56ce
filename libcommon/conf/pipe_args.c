/* SPDX-License-Identifier: ISC */
/*
 * Arguments of pipe lines.
 */
#include "conf/pipe_args.h"

#include <string.h>

#include "base/attr.h"
#include "conf/expand.h"

static int
read_flags(struct str v, struct pipe_args *out, struct buf *err)
{
	static const struct {
		char c;
		unsigned flag;
	} flags[] = { { 'B', PIPE_BLANK }, { 'D', PIPE_DELIVERED },
		{ 'F', PIPE_FROM }, { 'O', PIPE_ORIGINAL },
		{ 'R', PIPE_RETURN_PATH }, { 'X', PIPE_FINAL },
		{ 'h', PIPE_FOLD_HOST }, { 'q', PIPE_QUOTE },
		{ 'u', PIPE_FOLD_LOCAL }, { '>', PIPE_QUOTE_FROM },
		{ '.', PIPE_DOT } };

	for (size_t i = 0; i < v.n; i++) {
		size_t k = 0;

		while (k < NELEM(flags) && flags[k].c != v.p[i])
			k++;
		if (k == NELEM(flags)) {
			buf_printf(err, "flags=%c is not known", v.p[i]);
			return -1;
		}
		out->flags |= flags[k].flag;
	}
	return 0;
}

/* \r, \n and \\ stand for what they do in C. */
static int
read_eol(struct str v, struct pipe_args *out, struct buf *err)
{
	size_t n = 0;

	for (size_t i = 0; i < v.n && n + 1 < sizeof(out->eol); i++) {
		char c = v.p[i];

		if (c == '\\' && i + 1 < v.n) {
			c = v.p[++i];
			c = c == 'r' ? '\r' : c == 'n' ? '\n' : c;
		}
		out->eol[n++] = c;
	}
	out->eol[n] = '\0';
	if (n > 0 && v.n < 2 * sizeof(out->eol))
		return 0;
	buf_printf(err, "eol=\"" STR_FMT "\" is not an end of line",
	    STR_ARG(v));
	return -1;
}

static int
read_user(struct str v, struct pipe_args *out)
{
	ptrdiff_t colon = str_chr(v, ':');

	out->user = v;
	if (colon != -1) {
		out->user = str_sub(v, 0, (size_t)colon);
		out->group = str_sub(v, (size_t)colon + 1, v.n);
	}
	return 0;
}

/* 0, or -1 with a sentence; 1 when it is argv=. */
static int
read_one(struct str w, struct pipe_args *out, struct buf *err)
{
	ptrdiff_t eq = str_chr(w, '=');
	struct str name = str_sub(w, 0, eq == -1 ? 0 : (size_t)eq);
	struct str v = str_sub(w, eq == -1 ? 0 : (size_t)eq + 1, w.n);

	if (str_eq(name, STR("argv")))
		return 1;
	if (str_eq(name, STR("flags")))
		return read_flags(v, out, err);
	if (str_eq(name, STR("eol")))
		return read_eol(v, out, err);
	if (str_eq(name, STR("user")))
		return read_user(v, out);
	if (str_eq(name, STR("directory")))
		out->directory = v;
	else if (str_eq(name, STR("null_sender")))
		out->null_sender = v;
	else if (str_eq(name, STR("size"))) {
		if (str_u64(v, INT64_MAX, &out->size) == -1) {
			buf_printf(err, "size=" STR_FMT " is no number",
			    STR_ARG(v));
			return -1;
		}
	} else if (str_eq(name, STR("chroot"))) {
		buf_puts(err, "chroot= is not supported by this version");
		return -1;
	} else {
		buf_printf(err, "\"" STR_FMT "\" is not an attribute of pipe",
		    STR_ARG(w));
		return -1;
	}
	return 0;
}

/* --- names ---------------------------------------------------------------- */

bool
pipe_args_name(struct str name, bool *each)
{
	static const struct {
		const char *name;
		bool each;
	} names[] = { { "recipient", true }, { "original_recipient", true },
		{ "user", true }, { "extension", true }, { "mailbox", true },
		{ "domain", true }, { "sender", false }, { "nexthop", false },
		{ "size", false }, { "queue_id", false }, { "envid", false },
		/* Where the message came from: no agent is told yet. */
		{ "client_address", false }, { "client_helo", false },
		{ "client_hostname", false }, { "client_port", false },
		{ "client_protocol", false }, { "sasl_method", false },
		{ "sasl_sender", false }, { "sasl_username", false } };

	for (size_t i = 0; i < NELEM(names); i++) {
		if (!str_eq(name, str_of(names[i].name)))
			continue;
		*each = names[i].each;
		return true;
	}
	return false;
}

static void
check_name(void *arg, struct str name)
{
	struct buf *err = arg;
	bool each;

	if (err->len == 0 && !pipe_args_name(name, &each))
		buf_printf(err, "argv= has $" STR_FMT ", which is not known",
		    STR_ARG(name));
}

int
pipe_args_read(struct conf_list args, struct pipe_args *out, struct buf *err)
{
	size_t i;
	int r = 0;

	*out = (struct pipe_args){ .eol = "\n",
		.null_sender = STR("MAILER-DAEMON") };
	for (i = 0; i < args.n && r == 0; i++)
		r = read_one(args.v[i].text, out, err);
	if (r == -1)
		return -1;
	out->argv = i - 1;
	if (r == 0 || args.v[i - 1].text.n == strlen("argv=")) {
		buf_puts(err, "there is no argv=");
		return -1;
	}
	if (out->user.n == 0) {
		buf_puts(err, "there is no user=");
		return -1;
	}
	for (i = out->argv; i < args.n; i++)
		expand_names(args.v[i].text, check_name, err);
	return err->len > 0 ? -1 : 0;
}
