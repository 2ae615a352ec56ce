/* SPDX-License-Identifier: ISC */
/*
 * Notices: what servers said, addresses and content are strangers' words.  A
 * notice must have no control characters but those of the original, and the
 * reports must be read to their end.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemons/bounce/bounce.h"
#include "log/log.h"
#include "mail/date.h"
#include "regress/unit/intake_peers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* The front of the input up to a NUL. */
static struct str
cut(struct str *in)
{
	ptrdiff_t nul = str_chr(*in, '\0');
	size_t n = nul == -1 ? in->n : (size_t)nul;
	struct str s = str_sub(*in, 0, n);

	*in = str_sub(*in, n + 1, in->n);
	return s;
}

/* Everything before the original is printable, in lines of decent length. */
static void
check(int fd, const char *boundary)
{
	char *text, *end;
	size_t n, line = 0, parts = 0;

	must(fd_slurp(fd, 1 << 24, &text, &n) == 0);
	end = text;
	for (char *p = text; (p = strstr(p, boundary)) != NULL; p++)
		if (++parts == 4)
			end = p;
	must(parts >= 4);
	for (char *p = text; p < end; p++) {
		line = *p == '\n' ? 0 : line + 1;
		must(line < 998);
		must(*p == '\n' || *p == '\t' ||
		    ((unsigned char)*p >= ' ' && *p != 0x7f));
	}
	free(text);
}

static void
notice(struct bounce *b, struct outcome *o, uint8_t flags, struct str content)
{
	struct job j = { .b = b, .outcomes = o, .noutcomes = 1 };
	int fd = memfd_new("notice");

	j.fd = peers_memfd(content.p, content.n);
	j.make.kind = flags % BOUNCE_DOUBLE + 1;
	j.make.qid = STR("4jWsk80sf8zX6");
	j.make.sender = STR("joe@x.y");
	j.make.size = content.n;
	j.utf8 = (flags & 0x80) != 0;
	j.reader = (flags & 0x40) != 0 ? READER_POSTMASTER : READER_SENDER;
	must(notice_write(&j, fd, STR("4jWsk80sf8zX7")) == 0);
	check(fd, j.boundary);
	close(fd);
	close(j.fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bounce b;
	struct outcome o = { .event = { .type = EVENT_FATE } };
	struct str in, rest;

	if (b.conf == NULL) {
		date_init();
		bounce_init(&b, loop_new(),
		    peers_conf("enable_threaded_bounces = yes\n"));
	}
	if (size < 2 || size > 40000)
		return 0;
	in = str_make(data + 2, size - 2);
	for (rest = in; outcome_next(&rest, 1, &o) == 1;)
		must(rest.n < in.n);
	o.event.fate = data[1] % EVENT_FATE_LAST + 1;
	o.rcpt.addr = str_sub(cut(&in), 0, ADDR_MAX);
	o.rcpt.orig = str_sub(cut(&in), 0, ADDR_MAX);
	o.rcpt.orcpt = str_sub(cut(&in), 0, ADDR_MAX);
	o.event.dsn = cut(&in);
	o.event.mta = cut(&in);
	o.event.reason = cut(&in);
	notice(&b, &o, data[0], in);
	return 0;
}
