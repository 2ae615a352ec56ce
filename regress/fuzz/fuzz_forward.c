/* SPDX-License-Identifier: ISC */
/*
 * The text of a .forward file, which its user writes: at most so many items,
 * each a destination, the same again when it is parsed once more, and no more
 * of them when lines are added that are comments.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemons/local/local.h"

#define MAX 50

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	size_t n;
	uint64_t sum;
};

static void
on_item(const struct alias_item *it, void *arg)
{
	static const uint8_t key[SIPHASH_KEY];
	struct seen *s = arg;

	if (it->kind > ALIAS_INCLUDE || it->text.n > ALIAS_ITEM_MAX)
		abort();
	if (it->kind == ALIAS_FILE && !str_starts(it->text, STR("/")) &&
	    !str_starts(it->text, STR("~/")))
		abort();
	s->n++;
	s->sum = s->sum * 31 + (uint64_t)it->kind * 2 + it->direct +
	    (it->text.n > 0 ? siphash(key, it->text.p, it->text.n) : 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	struct seen a = { 0, 0 }, b = { 0, 0 };
	const char *why = NULL;
	long n = dotforward_parse(text, MAX, on_item, &a, &why);
	struct buf more;

	if (n > MAX || a.n > MAX || (n >= 0 && (size_t)n != a.n))
		abort();
	if (n == -1 && why == NULL)
		abort();
	buf_init(&more, size + 64);
	buf_puts(&more, "# a comment, with a comma\n");
	buf_str(&more, text);
	if (dotforward_parse(buf_get(&more), MAX, on_item, &b, &why) != n ||
	    a.n != b.n || a.sum != b.sum)
		abort();
	buf_clear(&more);
	return 0;
}
