/* SPDX-License-Identifier: ISC */
/*
 * Values that are the content of files, kept in base64.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "postmap.h"

#define CONTENT_MAX (TABLE_VALUE_MAX / 4 * 3 - 3)

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void
encode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i += 3) {
		unsigned v = (unsigned)(unsigned char)s.p[i] << 16;

		if (i + 1 < s.n)
			v |= (unsigned)(unsigned char)s.p[i + 1] << 8;
		if (i + 2 < s.n)
			v |= (unsigned char)s.p[i + 2];
		buf_putc(out, digits[v >> 18]);
		buf_putc(out, digits[v >> 12 & 63]);
		buf_putc(out, i + 1 < s.n ? digits[v >> 6 & 63] : '=');
		buf_putc(out, i + 2 < s.n ? digits[v & 63] : '=');
	}
}

int
values_decode(struct str value, struct buf *out)
{
	unsigned v = 0, bits = 0, pad = 0;

	buf_reset(out);
	if (value.n % 4 != 0)
		return -1;
	for (size_t i = 0; i < value.n; i++) {
		const char *d =
		    value.p[i] == '\0' ? NULL : strchr(digits, value.p[i]);

		if (value.p[i] == '=' && i + 2 >= value.n) {
			pad++;
			continue;
		}
		if (d == NULL || pad > 0)
			return -1;
		v = (v << 6 | (unsigned)(d - digits)) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_putc(out, (int)(v >> bits & 0xff));
		}
	}
	return buf_full(out) ? -1 : 0;
}

int
values_read(struct str value, struct buf *out, struct buf *err)
{
	struct buf all;
	struct str name;
	int ret = 0;

	buf_init(&all, CONTENT_MAX);
	while (ret == 0 && str_token(&value, ", \t\r\n", &name)) {
		char *path = str_dup(name), *text = NULL;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		size_t n;

		if (fd == -1 || fd_slurp(fd, CONTENT_MAX, &text, &n) == -1) {
			buf_printf(err, "%s: %s", path, strerror(errno));
			ret = -1;
		} else {
			if (buf_get(&all).n > 0)
				buf_putc(&all, '\n');
			buf_add(&all, text, n);
		}
		free(text);
		fd_close(&fd);
		free(path);
	}
	if (ret == 0 && buf_full(&all)) {
		buf_puts(err, "the files are too large for one value");
		ret = -1;
	}
	if (ret == 0)
		encode(buf_get(&all), out);
	buf_clear(&all);
	return ret;
}
