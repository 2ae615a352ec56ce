/* SPDX-License-Identifier: ISC */
/*
 * A place as one word: "L2,uid=101,gid=101,filter=5,waived=0,trace=0".
 */
#include "sandbox/sandbox.h"

void
place_format(const struct sandbox_place *place, struct buf *out)
{
	buf_printf(out, "L%d,uid=%u,gid=%u,", (int)place->level,
	    (unsigned)place->uid, (unsigned)place->gid);
	if (place->filter_fd == -1)
		buf_puts(out, "filter=none");
	else
		buf_printf(out, "filter=%d", place->filter_fd);
	buf_printf(out, ",waived=%u,trace=%d", place->waived, place->trace);
}

/* The text behind key in the next field of s. */
static int
field(struct str *s, struct str key, struct str *out)
{
	struct str w;

	if (!str_token(s, ",", &w) || !str_starts(w, key))
		return -1;
	*out = str_sub(w, key.n, w.n);
	return 0;
}

static int
field_number(struct str *s, struct str key, uint64_t max, uint64_t *out)
{
	struct str v;

	return field(s, key, &v) == -1 ? -1 : str_u64(v, max, out);
}

int
place_parse(struct str s, struct sandbox_place *out)
{
	uint64_t level, uid, gid, filter, waived, trace;
	struct str v;

	*out = (struct sandbox_place){ .filter_fd = -1 };
	if (field_number(&s, STR("L"), LEVEL_ROOT, &level) == -1 ||
	    field_number(&s, STR("uid="), UINT32_MAX - 1, &uid) == -1 ||
	    field_number(&s, STR("gid="), UINT32_MAX - 1, &gid) == -1 ||
	    field(&s, STR("filter="), &v) == -1 ||
	    field_number(&s, STR("waived="), WALL_ALL, &waived) == -1 ||
	    field_number(&s, STR("trace="), 1, &trace) == -1 ||
	    s.n > 0)
		return -1;
	if (!str_eq(v, STR("none"))) {
		if (str_u64(v, SLOT_N - 1, &filter) == -1)
			return -1;
		out->filter_fd = (int)filter;
	}
	out->level = (enum sandbox_level)level;
	out->uid = (uid_t)uid;
	out->gid = (gid_t)gid;
	out->waived = (uint32_t)waived;
	out->trace = trace == 1;
	return 0;
}
