/* SPDX-License-Identifier: ISC */
/*
 * Names of tables, for those too who open none: they are not to carry what
 * opens them, nor its libraries.
 */
#include "base/mem.h"
#include "table/impl.h"

bool
table_split(struct str spec, struct str *type, struct str *name)
{
	ptrdiff_t colon;

	spec = str_trim(spec);
	while (str_starts(spec, STR("proxy:")))
		spec = str_sub(spec, 6, spec.n);
	colon = str_chr(spec, ':');
	if (colon <= 0)
		return false;
	for (ptrdiff_t i = 0; i < colon; i++) {
		if (!ascii_isalnum(spec.p[i]) && spec.p[i] != '_')
			return false;
	}
	*type = str_sub(spec, 0, (size_t)colon);
	*name = str_sub(spec, (size_t)colon + 1, spec.n);
	return true;
}

bool
table_token(struct str *s, struct str *out)
{
	size_t i = 0, depth = 0;

	while (s->n > 0 && (ascii_isspace(s->p[0]) || s->p[0] == ','))
		*s = str_sub(*s, 1, s->n);
	if (s->n == 0)
		return false;
	for (; i < s->n; i++) {
		if (s->p[i] == '{')
			depth++;
		else if (s->p[i] == '}' && depth-- == 0)
			return false;
		else if (depth == 0 &&
		    (ascii_isspace(s->p[i]) || s->p[i] == ','))
			break;
	}
	if (depth > 0)
		return false;
	*out = str_sub(*s, 0, i);
	*s = str_sub(*s, i, s->n);
	return true;
}

bool
table_braced(struct str s, struct str *inner)
{
	s = str_trim(s);
	if (s.n < 2 || s.p[0] != '{' || s.p[s.n - 1] != '}')
		return false;
	*inner = str_trim(str_sub(s, 1, s.n - 1));
	return true;
}
