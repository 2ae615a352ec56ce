/* SPDX-License-Identifier: ISC */
/*
 * main.cf and master.cf, from text to a snapshot and back.  What stands
 * before the first line of "----" is main.cf, what is behind it master.cf.
 * Whatever the text is, findings are bounded, and a snapshot that was made
 * without an error can be read.
 */
#include <stdint.h>
#include <stdlib.h>

#include "conf/build.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = str_make(data, size), main = all,
		   master = STR("smtp unix - - - - - smtp\n");
	struct build b;
	struct buf out;
	struct conf *c;

	if (size > 100000)
		return 0;
	for (size_t i = 0; i + 5 <= size; i++)
		if (str_eq(str_sub(all, i, i + 5), STR("----\n"))) {
			main = str_sub(all, 0, i);
			master = str_sub(all, i + 5, size);
			break;
		}
	build_parse(&b, "/nonexistent", main, master);
	build_check(&b);
	if (b.rep.n > REPORT_MAX)
		abort();
	buf_init(&out, BUILD_MAX);
	if (build_snapshot(&b, b.master.n > 0 ? &b.master.v[0] : NULL, 1,
		&out) == 0) {
		c = conf_from(buf_get(&out).p, buf_get(&out).n);
		if (c == NULL)
			abort();
		conf_free(&c);
	}
	buf_clear(&out);
	build_clear(&b);
	return 0;
}
