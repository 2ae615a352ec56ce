/* SPDX-License-Identifier: ISC */
/*
 * Submissions: read whole and in pieces of any size, both must find the same;
 * then through pickup, without a queue manager (told 451) and with all that
 * a submission can say.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemons/pickup/pickup.h"
#include "log/log.h"
#include "regress/unit/intake_peers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
quiet(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	(void)level, (void)service, (void)text, (void)when_us, (void)arg;
}

/* Records found, and whether it ends in END: 2 * n + ended. */
static size_t
read_all(struct str s, size_t step)
{
	struct drop_reader r;
	struct drop d = { .type = DROP_HEAD };
	size_t at = 0, have = 0, n = 0;
	struct str in;
	int k;

	drop_reader_init(&r);
	for (;;) {
		in = str_sub(s, at, have);
		k = drop_get(&r, &in, &d);
		at = have - in.n;
		if (k == -1)
			return 2 * n;
		if (k == 1 && ++n > 0 && d.type == DROP_END)
			return 2 * n + 1;
		if (k == 1)
			continue;
		if (have == s.n)
			return 2 * n;
		have = have + step > s.n ? s.n : have + step;
		must(have - at <= DROP_RECORD_MAX + step);
	}
}

static void
on_over(void *arg)
{
	(void)arg;
}

static void
submit(struct pickup *p, struct str s)
{
	struct submission sub;

	submission_init(&sub, p, 1000, 1);
	sub.resume = sub.done = on_over;
	must(submission_feed(&sub, &s) != SUBMISSION_BLOCKED);
	must(sub.state != SUBMISSION_OVER || sub.text[0] != '\0');
	must(sub.state != SUBMISSION_SENT);
	submission_clear(&sub);
	must(p->held == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pickup p;
	struct str s;

	if (p.conf == NULL) {
		log_sink(quiet, NULL);
		pickup_init(&p, loop_new(), peers_conf(""));
	}
	if (size == 0)
		return 0;
	s = str_make(data + 1, size - 1);
	must(read_all(s, SIZE_MAX / 2) == read_all(s, data[0] % 64 + 1U));
	submit(&p, s);
	return 0;
}
