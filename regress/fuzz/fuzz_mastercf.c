/* SPDX-License-Identifier: ISC */
/*
 * master.cf alone: every line is a service or a finding.
 */
#include <stdint.h>
#include <stdlib.h>

#include "conf/mastercf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mastercf cf;
	struct report rep;

	mastercf_init(&cf);
	report_init(&rep);
	mastercf_parse(&cf, "master.cf", str_make(data, size), &rep);
	for (size_t i = 0; i < cf.n; i++) {
		const struct service *s = &cf.v[i];

		if (s->name == NULL || s->type == NULL || s->host == NULL ||
		    s->port == NULL || s->command == NULL ||
		    mastercf_find(&cf, s->name, s->type) == NULL)
			abort();
	}
	mastercf_clear(&cf);
	report_clear(&rep);
	return 0;
}
