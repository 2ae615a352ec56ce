/* SPDX-License-Identifier: ISC */
/*
 * Open tables.  Their files come from the broker; while they are on their way
 * the questions that need them wait.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "edge/broker.h"
#include "log/log.h"
#include "sandbox/sandbox.h"

#include "lookupd.h"

#define LOOK_MS 1000 /* how often a table is looked at for changes */
#define FILES_MAX 128 /* files behind one table */

struct file {
	char *path;
	int fd; /* -1: not there, see error */
	int error;
	struct entry *entry;
	uint64_t ask;
};

struct entry {
	TAILQ_ENTRY(entry) link;
	struct lookupd *lk;
	char *spec;
	unsigned flags; /* TABLE_... */
	struct table *table; /* NULL until first opened */
	struct file *files;
	size_t nfiles;
	size_t missing; /* answers still to come */
	struct wait_list waits;
	uint32_t owner; /* of its first file */
	int64_t looked_ms;
	bool fetching;
};

/* The open function of the table library: hands over what was fetched. */
static int
open_fetched(void *arg, const char *path)
{
	struct entry *e = arg;

	for (size_t i = 0; i < e->nfiles; i++) {
		int fd = e->files[i].fd;

		if (strcmp(e->files[i].path, path) != 0)
			continue;
		e->files[i].fd = -1;
		errno = e->files[i].error == 0 ? ENOENT : e->files[i].error;
		return fd;
	}
	errno = ENOENT;
	return -1;
}

static void
drop_files(struct entry *e)
{
	for (size_t i = 0; i < e->nfiles; i++) {
		if (e->files[i].ask != 0)
			chan_forget(e->lk->broker, e->files[i].ask);
		fd_close(&e->files[i].fd);
		free(e->files[i].path);
	}
	free(e->files);
	e->files = NULL;
	e->nfiles = 0;
}

static void
wake(struct entry *e)
{
	struct wait_list waits = TAILQ_HEAD_INITIALIZER(waits);
	struct wait *w;

	TAILQ_CONCAT(&waits, &e->waits, link);
	while ((w = TAILQ_FIRST(&waits)) != NULL) {
		TAILQ_REMOVE(&waits, w, link);
		w->fn(w);
	}
}

/* All files are here, or known not to be. */
static void
open_table(struct entry *e)
{
	struct table_env env = { .open = open_fetched, .arg = e,
		.config_dir = e->lk->config_dir, .flags = e->flags };
	struct str lines, line;

	table_close(&e->table);
	e->table = table_open(str_of(e->spec), &env);
	e->fetching = false;
	e->looked_ms = loop_now(e->lk->loop);
	drop_files(e);
	lines = table_warnings(e->table);
	while (str_token(&lines, "\n", &line))
		log_warn("table %s: " STR_FMT, e->spec, STR_ARG(line));
	if (table_broken(e->table) != NULL)
		log_error("table %s: %s", e->spec, table_broken(e->table));
	wake(e);
}

static void
on_file(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct broker_refused *no = rec;
	struct file *f = arg;
	struct entry *e = f->entry;
	struct stat st;

	f->ask = 0;
	if (type == BROKER_FILE) {
		if (f == &e->files[0] && sealed_fstat(fds[0], &st) == 0)
			e->owner = (uint32_t)st.st_uid;
		f->fd = fds[0];
		fds[0] = -1;
	} else {
		f->error = type == BROKER_REFUSED ? (int)no->error : EAGAIN;
	}
	if (--e->missing == 0)
		open_table(e);
}

static int
note_file(void *arg, enum table_file_kind kind, const char *path,
    const char *source)
{
	struct entry *e = arg;

	(void)kind;
	(void)source;
	if (e->nfiles == FILES_MAX)
		return -1;
	e->files = xreallocarray(e->files, e->nfiles + 1, sizeof(*e->files));
	e->files[e->nfiles++] = (struct file){ .path = xstrdup(path),
		.fd = -1, .entry = e };
	return 0;
}

static void
fetch(struct entry *e)
{
	struct table_env env = { .config_dir = e->lk->config_dir };
	size_t n;

	e->fetching = true;
	drop_files(e);
	table_files(str_of(e->spec), &env, note_file, e, NULL);
	e->missing = n = e->nfiles;
	if (n == 0) {
		open_table(e);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct broker_table q = { .table = str_of(e->files[i].path) };

		if (q.table.n > 512)
			q.table.n = 512; /* is then no table of ours */
		e->files[i].ask = chan_ask(e->lk->broker, BROKER_TABLE, &q,
		    NULL, on_file, &e->files[i]);
	}
}

static void
entry_free(struct entry *e)
{
	TAILQ_REMOVE(&e->lk->entries, e, link);
	drop_files(e);
	table_close(&e->table);
	free(e->spec);
	free(e);
}

/*
 * As many as the configuration names, and no more: only those are asked for,
 * and a reload forgets them.  None goes before, for a question that has
 * collected its tables holds them.
 */
struct entry *
entry_get(struct lookupd *lk, struct str spec, unsigned flags)
{
	struct entry *e;

	TAILQ_FOREACH(e, &lk->entries, link)
		if (e->flags == flags && str_eq(spec, str_of(e->spec)))
			return e;
	e = xcalloc(1, sizeof(*e));
	e->lk = lk;
	e->spec = str_dup(spec);
	e->flags = flags;
	TAILQ_INIT(&e->waits);
	TAILQ_INSERT_TAIL(&lk->entries, e, link);
	return e;
}

bool
entry_ready(struct entry *e, struct wait *w)
{
	int64_t now = loop_now(e->lk->loop);

	if (!e->fetching && e->table == NULL) {
		fetch(e);
	} else if (!e->fetching && now - e->looked_ms >= LOOK_MS) {
		e->looked_ms = now;
		if (table_broken(e->table) != NULL || table_stale(e->table))
			fetch(e);
	}
	if (!e->fetching)
		return true;
	TAILQ_INSERT_TAIL(&e->waits, w, link);
	return false;
}

struct table *
entry_table(struct entry *e)
{
	return e->table;
}

uint32_t
entry_owner(const struct entry *e)
{
	return e->owner;
}

void
entries_forget(struct lookupd *lk)
{
	struct entry *e, *next;

	for (e = TAILQ_FIRST(&lk->entries); e != NULL; e = next) {
		next = TAILQ_NEXT(e, link);
		if (!e->fetching)
			entry_free(e);
	}
}
