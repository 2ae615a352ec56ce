/* SPDX-License-Identifier: ISC */
/*
 * Lines of passwd(5).
 */
#include "lookupd.h"

/* The next field, up to a colon or the end. */
static struct str
field(struct str *line)
{
	ptrdiff_t colon = str_chr(*line, ':');
	struct str f;

	if (colon == -1) {
		f = *line;
		*line = STR_NONE;
		return f;
	}
	f = str_sub(*line, 0, (size_t)colon);
	*line = str_sub(*line, (size_t)colon + 1, line->n);
	return f;
}

bool
passwd_parse(struct str line, struct lookup_passwd *out)
{
	uint64_t uid, gid;

	out->name = field(&line);
	field(&line); /* the password is elsewhere, and nobody's business */
	if (str_u64(field(&line), UINT32_MAX, &uid) == -1 ||
	    str_u64(field(&line), UINT32_MAX, &gid) == -1)
		return false;
	out->uid = (uint32_t)uid;
	out->gid = (uint32_t)gid;
	out->gecos = str_sub(field(&line), 0, 512);
	out->home = field(&line);
	out->shell = field(&line);
	return out->name.n > 0 && out->name.n <= 256 && out->home.n <= 1024 &&
	    out->shell.n <= 256;
}
