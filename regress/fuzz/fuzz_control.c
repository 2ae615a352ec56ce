/* SPDX-License-Identifier: ISC */
/*
 * The stream between mailctl and control, both ways, and the JSON that
 * mailctl reads.  The first byte says which.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "commands/mailctl/json.h"
#include "edge/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
stream(struct str in, enum side from)
{
	struct control_rec rec;
	struct buf again;
	struct str before;

	buf_init(&again, REC_MAX);
	for (;;) {
		before = in;
		if (control_cut(&in, from, &rec) != 1)
			break;
		/* What was understood is written as it was read. */
		buf_reset(&again);
		if (control_put(&again, rec.type, rec.id, rec.body) == -1 ||
		    !str_eq(buf_get(&again),
			str_sub(before, 0, before.n - in.n)))
			abort();
	}
	buf_clear(&again);
}

static void
walk(struct json v, unsigned depth)
{
	struct json m = json_find(v, "a"), list = v;
	struct buf b;

	if (depth > 4)
		return;
	json_num(v);
	buf_init(&b, 1 << 20);
	json_put(&b, json_str(v));
	buf_clear(&b);
	if (m.text.n > 0)
		walk(m, depth + 1);
	while (json_each(&list, &m))
		walk(m, depth + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in;

	if (size < 1 || size > 65536)
		return 0;
	in = str_make(data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		stream(in, SIDE_A);
		break;
	case 1:
		stream(in, SIDE_B);
		break;
	default:
		walk(json_of(in), 0);
		break;
	}
	return 0;
}
