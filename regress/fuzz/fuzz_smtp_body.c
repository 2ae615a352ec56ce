/* SPDX-License-Identifier: ISC */
/*
 * Content on its way out, whatever it is: whole lines of a bounded length, no
 * CR or LF but at their ends, no dot alone but the last.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "daemons/smtp/smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
check(struct str out, size_t limit)
{
	while (out.n > 0) {
		ptrdiff_t lf = str_chr(out, '\n');
		struct str line;

		must(lf >= 1 && out.p[lf - 1] == '\r');
		line = str_sub(out, 0, (size_t)lf - 1);
		must(str_chr(line, '\r') == -1);
		must(limit == 0 || line.n <= limit + 1); /* and a dot */
		out = str_sub(out, (size_t)lf + 1, out.n);
		must(!str_eq(line, STR(".")) || out.n == 0);
		must(out.n > 0 || str_eq(line, STR(".")));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t limits[] = { 0, 5, 78, 998 };
	struct content c;
	struct body b;
	struct buf out, all;
	size_t limit;
	int fd;

	if (size < 2)
		return 0;
	limit = limits[data[0] % 4];
	fd = memfd_from("content", data + 2, size - 2);
	must(fd != -1 && content_init(&c, fd, 0, size - 2, NULL, 0) == 0);
	buf_init(&out, SESSION_OUT);
	buf_init(&all, 64 * size + 1024);
	body_init(&b, &c, limit);
	while (!b.ended) {
		must(body_fill(&b, &out, 1 + data[1]) == 0);
		must(buf_str(&all, buf_get(&out)) == 0);
		buf_reset(&out);
	}
	check(buf_get(&all), limit);
	buf_clear(&out);
	buf_clear(&all);
	content_clear(&c);
	close(fd);
	return 0;
}
