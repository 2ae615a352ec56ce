/* SPDX-License-Identifier: ISC */
/*
 * Names of tables, and text tables: the first line is "type:name", the second
 * a key, the rest is what any file holds.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/fd.h"
#include "table/lookup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str content;

static int
open_fuzz(void *arg, const char *path)
{
	(void)arg;
	if (path[0] == '\0')
		abort();
	return memfd_from("fuzz", content.p == NULL ? "" : content.p,
	    content.n);
}

static struct str
cut_line(struct str *s)
{
	ptrdiff_t nl = str_chr(*s, '\n');
	size_t n = nl == -1 ? s->n : (size_t)nl;
	struct str line = str_sub(*s, 0, n);

	*s = str_sub(*s, n + 1, s->n);
	return line;
}

static int
note(void *arg, enum table_file_kind kind, const char *path, const char *source)
{
	(void)arg;
	(void)source;
	if (kind == TABLE_FILE_TEXT && path[0] == '\0')
		abort();
	return 0;
}

static int
walk(void *arg, struct str key, struct str value)
{
	(void)arg;
	(void)key;
	(void)value;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct table_env env = { .open = open_fuzz };
	struct str text = str_make(data, size), spec, key;
	struct lookup_keys k;
	struct tables ts;
	struct buf value;
	enum table_answer a;

	if (size > 20000)
		return 0;
	spec = cut_line(&text);
	key = cut_line(&text);
	content = text;
	buf_init(&value, 4096);
	lookup_keys_init(&k);
	table_files(spec, &env, note, NULL, NULL);
	if (tables_open(&ts, spec, &env) == 0) {
		lookup_keys_access(&k, key, STR("+-"), 0);
		a = tables_first(&ts, &k, &value, NULL);
		if (a != TABLE_FOUND && buf_get(&value).n > 0)
			abort();
		lookup_keys_address(&k, key, STR("+"), LOOKUP_BARE_USER);
		tables_first(&ts, &k, &value, NULL);
		lookup_keys_transport(&k, key, STR("+"), LOOKUP_PARENTS);
		tables_first(&ts, &k, &value, NULL);
		lookup_keys_ip(&k, key);
		tables_first(&ts, &k, &value, NULL);
		for (size_t i = 0; i < ts.n; i++)
			table_walk(ts.t[i], walk, NULL);
		tables_close(&ts);
	}
	lookup_keys_clear(&k);
	buf_clear(&value);
	return 0;
}
