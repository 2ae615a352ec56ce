/* SPDX-License-Identifier: ISC */
/*
 * The right-hand side of aliases, .forward and :include: files.  What is
 * parsed and printed must parse to the same again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "table/alias_value.h"
#include "table/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same_again(const struct alias_item *item)
{
	struct alias_parser ap;
	struct alias_item again;
	struct buf out;

	buf_init(&out, 4 * ALIAS_ITEM_MAX);
	if (alias_print(item, &out) == -1)
		abort();
	alias_parse(&ap, buf_get(&out), 2);
	/* Quotes and backslashes may make it longer than an item may be. */
	if (buf_get(&out).n <= ALIAS_ITEM_MAX) {
		if (alias_next(&ap, &again) != 1 || again.kind != item->kind ||
		    again.direct != item->direct ||
		    !str_eq(again.text, item->text) ||
		    alias_next(&ap, &again) != 0)
			abort();
	}
	alias_end(&ap);
	buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	struct alias_parser ap;
	struct alias_item item;
	struct buf key, value;
	const char *note;
	size_t n = 0;
	int r;

	alias_parse(&ap, text, 1000);
	while ((r = alias_next(&ap, &item)) == 1) {
		if (item.text.n == 0 || item.text.n > ALIAS_ITEM_MAX ||
		    ++n > 1000)
			abort();
		same_again(&item);
	}
	if ((r == -1) != (ap.error != NULL))
		abort();
	buf_init(&key, 1000);
	buf_init(&value, 1 << 20);
	source_alias(text, &key, &value, &note);
	buf_clear(&key);
	buf_clear(&value);
	return 0;
}
