/* SPDX-License-Identifier: ISC */
/*
 * The text of .forward and :include: files: lines of destinations.
 */
#include "local.h"

long
dotforward_parse(struct str text, size_t max,
    void (*fn)(const struct alias_item *it, void *arg), void *arg,
    const char **why)
{
	struct alias_parser ap;
	struct alias_item it;
	struct str line;
	long n = 0;
	int k;

	while (str_token(&text, "\n", &line)) {
		if (alias_is_comment(line))
			continue;
		alias_parse(&ap, line, max - (size_t)n);
		ap.home = true;
		while ((k = alias_next(&ap, &it)) == 1) {
			fn(&it, arg);
			n++;
		}
		*why = ap.error;
		alias_end(&ap);
		if (k == -1)
			return -1;
	}
	return n;
}
