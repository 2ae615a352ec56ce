/* SPDX-License-Identifier: ISC */
/*
 * The environment of a command: what the configuration lets through, and for
 * commands of local what the message says, under names that nobody chooses and
 * in characters that no shell minds.
 */
#include <string.h>

#include "mail/address.h"
#include "table/lookup.h"

#include "command.h"

void
parts_of(struct str addr, struct str delimiters, struct parts *out)
{
	size_t ext;

	*out = (struct parts){ .local = addr_local(addr),
		.domain = addr_domain(addr) };
	ext = lookup_ext(out->local, delimiters);
	out->user = str_sub(out->local, 0, ext);
	if (ext < out->local.n) {
		out->delimiter = str_sub(out->local, ext, ext + 1);
		out->extension = str_sub(out->local, ext + 1, out->local.n);
	}
}

enum {
	ALWAYS = 1, /* also where it is empty */
	LOWER = 2, /* as local knows its users */
};

static void
put(struct words *out, const struct order_run *o, const char *name,
    struct str value, unsigned how)
{
	struct buf b;

	if (value.n == 0 && (how & ALWAYS) == 0)
		return;
	buf_init(&b, WORD_MAX);
	buf_printf(&b, "%s=", name);
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		if (how & LOWER)
			c = (char)ascii_lower((unsigned char)c);
		buf_putc(&b, str_chr(o->filter, c) == -1 ? '_' : c);
	}
	words_add(out, buf_get(&b));
	buf_clear(&b);
}

void
env_make(const struct order_run *o, const struct run_for *r, struct words *out)
{
	struct str list = o->env, rcpts = r->rcpts;
	struct parts p = { .local = STR_NONE };
	struct whom w = { .addr = STR_NONE };
	ptrdiff_t nul;

	while ((nul = str_chr(list, '\0')) != -1) {
		words_add(out, str_sub(list, 0, (size_t)nul));
		list = str_sub(list, (size_t)nul + 1, list.n);
	}
	if (o->kind == COMMAND_MASTER)
		return;
	if (whom_next(&rcpts, &w))
		parts_of(w.addr, o->delimiter, &p);
	put(out, o, "HOME", o->home, 0);
	put(out, o, "LOGNAME", p.user, ALWAYS | LOWER);
	put(out, o, "USER", p.user, ALWAYS | LOWER);
	put(out, o, "SENDER", r->sender, ALWAYS);
	put(out, o, "RECIPIENT", w.addr, ALWAYS);
	put(out, o, "LOCAL", p.local, ALWAYS | LOWER);
	put(out, o, "SHELL", o->login_shell, 0);
	put(out, o, "DOMAIN", p.domain, LOWER);
	put(out, o, "EXTENSION", p.extension, LOWER);
	put(out, o, "ORIGINAL_RECIPIENT", w.orig, 0);
}
