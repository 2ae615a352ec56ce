/* SPDX-License-Identifier: ISC */
/*
 * The message a notice is about: all of it, or its header.
 */
#include <errno.h>

#include "queue/content.h"

#include "bounce.h"

#define HEADER_MAX ((size_t)128 << 10)

/* For the line before and the lines behind it. */
#define AROUND 512

/*
 * How much there is room for: a notice that is larger than a message may be
 * would be refused, and nobody would hear of anything.
 */
static uint64_t
room(const struct job *j, const struct out *o)
{
	uint64_t max = (uint64_t)conf_size(j->b->conf, P_MESSAGE_SIZE_LIMIT);

	if (max == 0)
		return UINT64_MAX;
	return max > o->total + AROUND ? max - o->total - AROUND : 0;
}

/* A postmaster has no business with the body (NOT-15 in the tests). */
static bool
headers_only(const struct job *j, const struct out *o, uint64_t size)
{
	return size > room(j, o) || j->reader == READER_POSTMASTER ||
	    j->make.kind == BOUNCE_DELAYED || j->make.kind == BOUNCE_SUCCESS ||
	    j->make.kind == BOUNCE_STATUS ||
	    j->make.ret == ENV_RET_HDRS ||
	    size > (uint64_t)conf_size(j->b->conf, P_BOUNCE_SIZE_LIMIT);
}

static void
part_head(const struct job *j, struct out *o, bool header)
{
	const char *type = header ? "text/rfc822-headers" : "message/rfc822";

	if (j->utf8)
		type = header ? "message/global-headers" : "message/global";
	out_printf(o, "\n--%s\n", j->boundary);
	out_printf(o, "Content-Description: %s%s\n",
	    j->make.kind == BOUNCE_FAILED || j->make.kind == BOUNCE_DOUBLE ?
		"Undelivered Message" :
		"Message",
	    header ? " Headers" : "");
	out_printf(o, "Content-Type: %s\n", type);
	if (j->eightbit)
		out_puts(o, "Content-Transfer-Encoding: 8bit\n");
	out_puts(o, "\n");
}

static int
copy_all(struct content *c, struct out *o)
{
	struct str piece;
	int k;

	while ((k = content_next(c, &piece)) == 1)
		out_str(o, piece);
	return k;
}

/* Up to the first empty line, or max bytes. */
static int
copy_header(struct content *c, struct out *o, uint64_t max)
{
	struct str piece;
	uint64_t n = 0;
	int k, part;

	while ((k = content_line(c, &piece, &part)) == 1) {
		bool first = (part & CONTENT_FIRST) != 0;

		if (n + piece.n >= max && !first)
			out_puts(o, "\n"); /* the line is cut here */
		if (n + piece.n >= max || (first && piece.n == 0))
			return 0;
		out_str(o, piece);
		if ((part & CONTENT_LAST) != 0)
			out_puts(o, "\n");
		n += piece.n + 1;
	}
	return k == -1 ? -1 : 0;
}

int
original_write(const struct job *j, struct out *o)
{
	uint64_t max = room(j, o);
	struct content c;
	bool header;
	int rc;

	if (content_init(&c, j->fd, j->make.offset, j->make.size, j->edits,
		j->nedits) == -1)
		return -1;
	header = headers_only(j, o, content_size(&c));
	part_head(j, o, header);
	rc = header ? copy_header(&c, o, max < HEADER_MAX ? max : HEADER_MAX) :
		      copy_all(&c, o);
	content_clear(&c);
	return rc;
}
