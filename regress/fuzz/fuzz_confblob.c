/* SPDX-License-Identifier: ISC */
/*
 * A snapshot that was tampered with.  The input is a list of edits to a good
 * one: three bytes of offset, the byte to put there; the last, incomplete one
 * cuts the end off.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "conf/build.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf good;

static void
make_good(void)
{
	struct build b;

	build_parse(&b, "/nonexistent",
	    STR("smtpd_restriction_classes = a\n"
		"a = check_client_access hash:/x { b, c } reject\n"
		"mynetworks = !10.0.0.1 10.0.0.0/8\n"),
	    STR("smtp inet n - - - - smtpd -v\n"
		"smtp unix - - - - - smtp\n"));
	buf_init(&good, BUILD_MAX);
	if (build_snapshot(&b, &b.master.v[0], 1, &good) == -1)
		abort();
	build_clear(&b);
}

/* Touch everything that can be asked for. */
static size_t
touch(const struct conf *c)
{
	const struct conf_service *s;
	size_t sum = 0;

	for (int i = 0; i < P_COUNT; i++) {
		enum param_id id = (enum param_id)i;

		sum += strlen(conf_cstr(c, id)) == conf_str(c, id).n;
		if (params[i].type < PT_SET)
			continue;
		for (size_t k = 0; k < conf_list(c, id).n; k++) {
			const struct conf_item *it = &conf_list(c, id).v[k];

			sum += it->text.n + it->type.n + it->full.n;
			for (size_t n = 0; n < it->full.n; n++)
				sum += (uint8_t)it->full.p[n];
		}
	}
	for (size_t i = 0; (s = conf_service(c, i)) != NULL; i++) {
		sum += s->name.n + s->args.n;
		sum +=
		    (size_t)conf_transport_int(c, F_RECIPIENT_LIMIT, s->name);
	}
	sum += conf_named_list(c, STR("a")).n;
	return conf_self(c) == NULL ? 0 : sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static volatile size_t sink;
	struct conf *c;
	uint8_t *copy;
	size_t n;

	if (buf_get(&good).n == 0)
		make_good();
	n = buf_get(&good).n;
	copy = xmalloc(n);
	memcpy(copy, buf_get(&good).p, n);
	for (; size >= 4; data += 4, size -= 4)
		copy[(data[0] | data[1] << 8 | data[2] << 16) % n] = data[3];
	if (size > 0)
		n -= data[0] < n ? data[0] : n;
	c = conf_from(copy, n);
	free(copy);
	if (c != NULL)
		sink += touch(c);
	conf_free(&c);
	return 0;
}
