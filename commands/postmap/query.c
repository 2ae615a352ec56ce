/* SPDX-License-Identifier: ISC */
/*
 * Asking tables, and listing them.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "postmap.h"

static int
open_path(void *arg, const char *path)
{
	(void)arg;
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

/* Old answers come from an old file: say so (the mail system does, too). */
static int
check_age(void *arg, enum table_file_kind kind, const char *path,
    const char *source)
{
	struct stat a, b;

	(void)arg;
	if (kind != TABLE_FILE_COMPILED || stat(path, &a) == -1 ||
	    stat(source, &b) == -1)
		return 0;
	if (a.st_mtim.tv_sec < b.st_mtim.tv_sec ||
	    (a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
		a.st_mtim.tv_nsec < b.st_mtim.tv_nsec))
		say_warn("database %s is older than source file %s", path,
		    source);
	return 0;
}

static void
queries_open(struct queries *q, const struct options *opt, char *const specs[],
    int n)
{
	struct table_env env = { .open = open_path };

	*q = (struct queries){ .opt = opt };
	buf_init(&q->value, TABLE_VALUE_MAX);
	if (opt->nofold)
		env.flags |= TABLE_NOFOLD;
	if (n > TABLE_MEMBERS_MAX)
		say_fatal("too many tables");
	for (; q->n < n; q->n++) {
		struct str spec = str_of(specs[q->n]), line, all;
		struct table *t = table_open(spec, &env);

		q->t[q->n] = t;
		table_files(spec, &env, check_age, NULL, NULL);
		all = table_warnings(t);
		while (str_token(&all, "\n", &line))
			say_warn(STR_FMT, STR_ARG(line));
	}
}

static void
queries_close(struct queries *q)
{
	for (int i = 0; i < q->n; i++)
		table_close(&q->t[i]);
	buf_clear(&q->value);
}

/* The value as it is to be shown, given that -F may want it decoded. */
static struct str
shown(const struct options *opt, struct str value, struct buf *decoded,
    const char *table)
{
	if (!opt->file_values)
		return value;
	buf_init(decoded, TABLE_VALUE_MAX);
	if (values_decode(value, decoded) == -1)
		say_fatal("table %s: a value that is not base64", table);
	return buf_get(decoded);
}

static void
print_pair(const struct options *opt, struct str key, struct str value,
    bool with_key)
{
	if (with_key) {
		fwrite(key.p, 1, key.n, stdout);
		fputs(opt->alias ? ":\t" : "\t", stdout);
	}
	fwrite(value.p, 1, value.n, stdout);
	putchar('\n');
}

bool
query_one(struct queries *q, struct str key, bool with_key)
{
	for (int i = 0; i < q->n; i++) {
		struct buf decoded = { 0 };

		switch (table_get(q->t[i], key, &q->value)) {
		case TABLE_LATER:
			fflush(stdout);
			say_fatal("%s", table_reason(q->t[i]));
		case TABLE_FOUND:
			print_pair(q->opt, key,
			    shown(q->opt, buf_get(&q->value), &decoded,
				table_name(q->t[i])),
			    with_key);
			buf_clear(&decoded);
			return true;
		case TABLE_NONE:
			break;
		}
	}
	return false;
}

static bool
query_lines(struct queries *q)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	bool any = false;

	while ((n = getline(&line, &cap, stdin)) != -1) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		any |= query_one(q, str_make(line, (size_t)n), true);
	}
	free(line);
	return any;
}

/* What was printed must have arrived. */
static int
finish(bool found)
{
	if (fflush(stdout) == EOF || ferror(stdout))
		say_fatal("write standard output: %s", strerror(errno));
	return found ? 0 : 1;
}

int
query_run(const struct options *opt, char *const specs[], int n)
{
	struct queries q;
	bool found;

	queries_open(&q, opt, specs, n);
	if (strcmp(opt->query, "-") != 0)
		found = query_one(&q, str_of(opt->query), false);
	else if (opt->headers || opt->body)
		found = message_query(&q);
	else
		found = query_lines(&q);
	queries_close(&q);
	return finish(found);
}

struct listing {
	const struct options *opt;
	const char *table;
};

static int
list_pair(void *arg, struct str key, struct str value)
{
	const struct listing *l = arg;
	struct buf decoded = { 0 };

	print_pair(l->opt, key, shown(l->opt, value, &decoded, l->table),
	    true);
	buf_clear(&decoded);
	return 0;
}

int
list_run(const struct options *opt, char *const specs[], int n)
{
	struct queries q;

	queries_open(&q, opt, specs, n);
	for (int i = 0; i < n; i++) {
		struct listing l = { opt, table_name(q.t[i]) };

		if (table_walk(q.t[i], list_pair, &l) != 0) {
			fflush(stdout);
			say_fatal("%s", table_reason(q.t[i]));
		}
	}
	queries_close(&q);
	return finish(true);
}
