/* SPDX-License-Identifier: ISC */
/*
 * What local may have read and written with a user's rights: the files that
 * forward_path means, what those include, and the mailboxes that are named in
 * them or in the configuration.  Local says which; we look for ourselves.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "table/alias_value.h"

#include "mailbox.h"

#define ITEMS_MAX 1000 /* of a line */

/* How long the name is that a pattern begins with, behind its $. */
static size_t
name_length(struct str pattern)
{
	size_t i = 0, depth = 0;

	do {
		char c = i < pattern.n ? pattern.p[i] : '\0';

		if (c == '{' || c == '(')
			depth++;
		else if (depth > 0 && (c == '}' || c == ')'))
			depth--;
		else if (depth == 0 && c != '_' && (c < 'a' || c > 'z'))
			break;
	} while (++i < pattern.n);
	return i;
}

/* A name in a pattern may have any value, but for one with a slash in it. */
static bool
matches(struct str pattern, struct str path)
{
	struct str name;
	size_t i = 0;

	while (i < pattern.n && pattern.p[i] != '$') {
		if (i >= path.n || pattern.p[i] != path.p[i])
			return false;
		i++;
	}
	if (i == pattern.n)
		return i == path.n;
	pattern = str_sub(pattern, i + 1, pattern.n);
	path = str_sub(path, i, path.n);
	i = name_length(pattern);
	name = str_sub(pattern, 0, i);
	pattern = str_sub(pattern, i, pattern.n);
	for (i = 0; i <= path.n; i++) {
		if (matches(pattern, str_sub(path, i, path.n)))
			return true;
		if (i < path.n && path.p[i] == '/' && str_chr(name, '/') == -1)
			return false;
	}
	return false;
}

/* A word of forward_path begins with the home, by its name or as it is. */
static bool
word_matches(const char *home, struct str word, struct str path)
{
	static const struct str homes[] = { { "$home/", 6 }, { "${home}/", 8 },
		{ "$(home)/", 8 } };
	struct str h = str_of(home);
	struct buf full;
	bool ok;

	for (size_t i = 0; i < NELEM(homes); i++)
		if (str_starts(word, homes[i]))
			return matches(str_sub(word, homes[i].n, word.n), path);
	while (h.n > 1 && h.p[h.n - 1] == '/')
		h.n--;
	buf_init(&full, 2 * MAILBOX_PATH + MAILBOX_BIRTH_MAX);
	buf_str(&full, h);
	buf_putc(&full, '/');
	buf_str(&full, path);
	ok = !buf_full(&full) && matches(word, buf_get(&full));
	buf_clear(&full);
	return ok;
}

bool
named_forward(const struct mailbox *mb, struct str path)
{
	struct str list, word;

	if (mb->forward_path == NULL)
		return false;
	list = str_of(mb->forward_path);
	while (str_token(&list, ", \t\r\n", &word))
		if (word_matches(mb->home, word, path))
			return true;
	return false;
}

/* --- what they name ------------------------------------------------------- */

static bool
has(const struct named *n, struct str text)
{
	for (size_t i = 0; i < NAMED_MAX && n->v[i] != NULL; i++)
		if (str_eq(text, str_of(n->v[i])))
			return true;
	return false;
}

static void
add(struct named *n, struct str text)
{
	if (has(n, text))
		return;
	free(n->v[n->next]);
	n->v[n->next] = str_dup(text);
	n->next = (n->next + 1) % NAMED_MAX;
}

/* ~/name means a file of his home. */
static void
add_file(struct mailbox *mb, struct str text)
{
	char *whole;

	if (!str_starts(text, STR("~/"))) {
		add(&mb->files, text);
	} else if (mb->home != NULL) {
		whole = xasprintf("%s" STR_FMT, mb->home,
		    STR_ARG(str_sub(text, 1, text.n)));
		add(&mb->files, str_of(whole));
		free(whole);
	}
}

void
named_note(struct mailbox *mb, struct str text)
{
	struct alias_parser ap;
	struct alias_item it;
	struct str line;

	while (str_token(&text, "\n", &line)) {
		if (alias_is_comment(line))
			continue;
		alias_parse(&ap, line, ITEMS_MAX);
		ap.home = true;
		while (alias_next(&ap, &it) == 1)
			if (it.kind == ALIAS_INCLUDE)
				add(&mb->includes, it.text);
			else if (it.kind == ALIAS_FILE)
				add_file(mb, it.text);
		alias_end(&ap);
	}
}

/* They have whole paths, in which any number of slashes is one. */
static bool
is_beneath(struct str whole, struct str dir, struct str path)
{
	while (dir.n > 1 && dir.p[dir.n - 1] == '/')
		dir.n--;
	if (dir.n < 2 || !str_starts(whole, dir) || whole.n <= dir.n ||
	    whole.p[dir.n] != '/')
		return false;
	whole = str_sub(whole, dir.n, whole.n);
	while (whole.n > 0 && whole.p[0] == '/')
		whole = str_sub(whole, 1, whole.n);
	return str_eq(whole, path);
}

bool
named_in(const struct named *n, const char *dir, struct str path)
{
	for (size_t i = 0; i < NAMED_MAX && n->v[i] != NULL; i++)
		if (is_beneath(str_of(n->v[i]), str_of(dir), path))
			return true;
	return false;
}

void
named_birth(struct mailbox *mb, struct str birth)
{
	struct str name;

	if (!str_token(&birth, ":", &name))
		return;
	mb->user = str_dup(name);
	mb->home = str_dup(str_sub(birth, 1, birth.n)); /* the colon */
}

void
named_clear(struct named *n)
{
	for (size_t i = 0; i < NAMED_MAX; i++)
		free(n->v[i]);
	*n = (struct named){ .next = 0 };
}
