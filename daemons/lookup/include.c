/* SPDX-License-Identifier: ISC */
/*
 * :include: files of aliases.
 *
 * local names an alias and a file; the tables of alias_maps must say that this
 * alias includes that file.  Only then is the broker asked for it: it is opened
 * with the rights of default_privs, so what is to be read there must be
 * readable by anybody.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "edge/broker.h"
#include "log/log.h"
#include "sandbox/sandbox.h"
#include "table/alias_value.h"

#include "lookupd.h"

#define ITEMS_MAX 100000

/* A question for a file. */
struct include {
	struct wait wait;
	TAILQ_ENTRY(include) link;
	struct lookupd *lk;
	struct chan *ch; /* NULL: gone */
	uint64_t id;
	uint64_t offset;
	char *alias, *path;
	struct tables ts;
};

static TAILQ_HEAD(, include) includes = TAILQ_HEAD_INITIALIZER(includes);

static void
end(struct include *in, const struct lookup_text *a)
{
	if (in->ch != NULL)
		chan_answer(in->ch, LOOKUP_TEXT, in->id, a, NULL);
	TAILQ_REMOVE(&includes, in, link);
	free(in->alias);
	free(in->path);
	free(in);
}

static void
refuse(struct include *in, enum lookup_status status, const char *why)
{
	struct lookup_text a = { .status = (uint8_t)status,
		.text = str_of(why) };

	end(in, &a);
}

/* The same for all pieces of a file, and another when it was written to. */
static uint64_t
stamp(const struct stat *st)
{
	return (uint64_t)st->st_ino * 0x9e3779b97f4a7c15 ^
	    (uint64_t)st->st_size << 20 ^
	    (uint64_t)st->st_mtim.tv_sec * 1000000000 ^
	    (uint64_t)st->st_mtim.tv_nsec;
}

static void
on_file(unsigned type, const void *rec, int *fds, void *arg)
{
	static char piece[LOOKUP_VALUE_MAX];
	const struct broker_refused *no = rec;
	struct include *in = arg;
	struct lookup_text a = { .status = LOOKUP_FOUND };
	struct stat st;
	ssize_t n;

	if (type != BROKER_FILE) {
		refuse(in, LOOKUP_LATER,
		    type == BROKER_REFUSED ? strerror((int)no->error) :
					     "the broker is gone");
		return;
	}
	if (sealed_fstat(fds[0], &st) == -1 || !S_ISREG(st.st_mode)) {
		refuse(in, LOOKUP_LATER, "it is not a regular file");
		return;
	}
	n = in->offset > INT64_MAX ?
	    -1 :
	    fd_pread_all(fds[0], piece, sizeof(piece), (off_t)in->offset);
	if (n == -1) {
		refuse(in, LOOKUP_LATER, "it cannot be read");
		return;
	}
	a.stamp = stamp(&st);
	a.text = str_make(piece, (size_t)n);
	a.more = in->offset + (uint64_t)n < (uint64_t)st.st_size && n > 0;
	end(in, &a);
}

/* Does the value of the alias name this file? */
static bool
names(struct str value, const char *path)
{
	struct alias_parser ap;
	struct alias_item it;
	bool found = false;

	alias_parse(&ap, value, ITEMS_MAX);
	while (!found && alias_next(&ap, &it) == 1)
		found =
		    it.kind == ALIAS_INCLUDE && str_eq(it.text, str_of(path));
	alias_end(&ap);
	return found;
}

static void
ask_broker(struct include *in)
{
	struct broker_include q = { .path = str_of(in->path) };
	enum table_answer r;
	struct buf value;
	bool ok;

	buf_init(&value, LOOKUP_VALUE_MAX);
	r = tables_get(&in->ts, str_of(in->alias), &value, NULL);
	ok = r == TABLE_FOUND && names(buf_get(&value), in->path);
	buf_clear(&value);
	if (ok) {
		chan_ask(in->lk->broker, BROKER_INCLUDE, &q, NULL, on_file, in);
	} else if (r == TABLE_LATER) {
		refuse(in, LOOKUP_LATER, in->ts.reason);
	} else {
		log_warn("security: local asked for file %s, which alias %s "
			 "does not include",
		    in->path, in->alias);
		refuse(in, LOOKUP_REFUSED, "the alias does not include it");
	}
}

static int
add_table(void *arg, struct str spec)
{
	struct include *in = arg;
	struct entry *e;

	if (in->ts.n == TABLE_MEMBERS_MAX)
		return -1;
	e = entry_get(in->lk, spec);
	if (!entry_ready(e, &in->wait))
		return 0;
	in->ts.t[in->ts.n++] = entry_table(e);
	return 1;
}

static void
resume(struct wait *w)
{
	struct include *in = (struct include *)w;
	size_t n;

	in->ts = (struct tables){ .n = 0 };
	switch (param_tables(in->lk, STR("alias_maps"), STR_NONE, add_table, in,
	    &n)) {
	case 0:
		break; /* for the next of its tables */
	case 1:
		ask_broker(in);
		break;
	default:
		refuse(in, LOOKUP_LATER, "too many tables");
		break;
	}
}

void
include_ask(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct lookup_include *q = rec;
	struct lookupd *lk = arg;
	struct include *in;

	(void)fds;
	if (strcmp(lk->asker(ch), "local") != 0) {
		chan_drop(ch, "an :include: file is not its business");
		return;
	}
	in = xcalloc(1, sizeof(*in));
	in->wait.fn = resume;
	in->lk = lk;
	in->ch = ch;
	in->id = id;
	in->offset = q->offset;
	in->alias = str_dup(q->alias);
	in->path = str_dup(q->path);
	TAILQ_INSERT_TAIL(&includes, in, link);
	resume(&in->wait);
}

void
include_forget(struct chan *ch)
{
	struct include *in;

	TAILQ_FOREACH(in, &includes, link)
		if (in->ch == ch)
			in->ch = NULL;
}
