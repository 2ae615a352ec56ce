/* SPDX-License-Identifier: ISC */
/*
 * :include: files of aliases.
 *
 * local names an alias and a file; the tables of alias_maps must say that this
 * alias includes that file, or another file that was read for it must have said
 * so.  Only then is the broker asked for it: it is opened with the rights of
 * whoever owns the table (the other file), and with those of default_privs
 * where that is root.
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
#define SIGN_MAX (4 << 20) /* bytes of a file with a command */
#define NESTED_MAX 512
#define TEXT_MAX ((size_t)4 << 20)

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
	uint32_t owners[TABLE_MEMBERS_MAX];
	uint32_t uid; /* whose rights */
	char *command; /* or /file to be signed, when it has it; or NULL */
	enum command_kind kind;
};

/* What a file that was read includes in its turn: the newest of these. */
struct nested {
	char *alias, *path;
	uint32_t uid;
};

static struct nested nested[NESTED_MAX];
static size_t nnested;

static TAILQ_HEAD(, include) includes = TAILQ_HEAD_INITIALIZER(includes);

static void
end(struct include *in, const struct lookup_text *a)
{
	if (in->ch != NULL)
		chan_answer(in->ch, LOOKUP_TEXT, in->id, a, NULL);
	TAILQ_REMOVE(&includes, in, link);
	free(in->alias);
	free(in->path);
	free(in->command);
	free(in);
}

static void
refuse(struct include *in, enum lookup_status status, const char *why)
{
	struct lookup_text a = { .status = (uint8_t)status,
		.text = str_of(why) };
	struct lookup_signed none = { .status = (uint8_t)status };

	if (in->command != NULL && in->ch != NULL) {
		chan_answer(in->ch, LOOKUP_SIGNED, in->id, &none, NULL);
		in->ch = NULL;
	}
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

static const struct nested *
nested_find(const char *alias, const char *path)
{
	for (size_t i = 0; i < NESTED_MAX; i++)
		if (nested[i].path != NULL &&
		    strcmp(nested[i].path, path) == 0 &&
		    strcmp(nested[i].alias, alias) == 0)
			return &nested[i];
	return NULL;
}

static void
nested_add(const char *alias, struct str path, uint32_t uid)
{
	char *copy = str_dup(path);
	const struct nested *had = nested_find(alias, copy);
	struct nested *new = &nested[nnested % NESTED_MAX];

	if (had != NULL && had->uid == uid) {
		free(copy);
		return;
	}
	nnested++;
	free(new->alias);
	free(new->path);
	*new = (struct nested){ xstrdup(alias), copy, uid };
}

/* The whole of a file, whose first piece is asked for: what it includes. */
static void
note_nested(const struct include *in, int fd, uint32_t uid)
{
	struct str text, line;
	char *p = NULL;
	size_t n = 0;

	if (fd_slurp(fd, TEXT_MAX, &p, &n) == -1)
		return;
	text = str_make(p, n);
	while (str_token(&text, "\n", &line)) {
		struct alias_parser ap;
		struct alias_item it;

		if (alias_is_comment(line))
			continue;
		alias_parse(&ap, line, ITEMS_MAX);
		while (alias_next(&ap, &it) == 1)
			if (it.kind == ALIAS_INCLUDE)
				nested_add(in->alias, it.text, uid);
		alias_end(&ap);
	}
	free(p);
}

/* With whose rights what it names is written and read, and who runs it. */
static uint32_t
owner_of(const struct include *in, const struct stat *st)
{
	return st->st_uid != 0 || in->kind == COMMAND_ALIAS ?
	    (uint32_t)st->st_uid :
	    in->uid;
}

/*
 * Whoever can write to the file chooses what is run as its owner: nobody else
 * may.  What is written as its owner his group may choose.
 */
static void
sign(struct include *in, int fd, const struct stat *st)
{
	struct str text, line, command = str_of(in->command);
	mode_t by_others = in->kind == COMMAND_FILE ? S_IWOTH :
						      S_IWOTH | S_IWGRP;
	bool found = false;
	char *p = NULL;
	size_t n = 0;

	if ((st->st_mode & by_others) != 0 ||
	    fd_slurp(fd, SIGN_MAX, &p, &n) == -1) {
		refuse(in, LOOKUP_LATER, "");
		return;
	}
	text = str_make(p, n);
	while (!found && str_token(&text, "\n", &line))
		found = !alias_is_comment(line) &&
		    command_stands(line, in->kind, command);
	free(p);
	if (!found) {
		refuse(in, LOOKUP_NOT_FOUND, "");
		return;
	}
	if (in->ch != NULL)
		command_sign(in->lk, in->ch, in->id, in->kind,
		    owner_of(in, st), STR_NONE, command);
	in->ch = NULL;
	end(in, NULL);
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
	if (in->command != NULL) {
		sign(in, fds[0], &st);
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
	if (in->offset == 0)
		note_nested(in, fds[0], owner_of(in, &st));
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

/* May it be read, and with whose rights?  in->uid is that. */
static enum table_answer
permitted(struct include *in)
{
	const struct nested *ne;
	enum table_answer r;
	struct buf value;
	size_t which = 0;

	buf_init(&value, LOOKUP_VALUE_MAX);
	r = tables_get(&in->ts, str_of(in->alias), &value, &which);
	if (r == TABLE_FOUND && names(buf_get(&value), in->path)) {
		in->uid = in->owners[which];
	} else if (r != TABLE_LATER) {
		ne = nested_find(in->alias, in->path);
		r = ne != NULL ? TABLE_FOUND : TABLE_NONE;
		in->uid = ne != NULL ? ne->uid : 0;
	}
	buf_clear(&value);
	return r;
}

static void
ask_broker(struct include *in)
{
	struct broker_include q;
	char *path;

	switch (permitted(in)) {
	case TABLE_FOUND:
		path = xasprintf("%u:%s", (unsigned)in->uid, in->path);
		q.path = str_of(path);
		chan_ask(in->lk->broker, BROKER_INCLUDE, &q, NULL, on_file, in);
		free(path);
		break;
	case TABLE_LATER:
		refuse(in, LOOKUP_LATER, in->ts.reason);
		break;
	default:
		log_warn("security: local asked for file %s, which alias %s "
			 "does not include",
		    in->path, in->alias);
		refuse(in, LOOKUP_REFUSED, "the alias does not include it");
		break;
	}
}

static int
add_table(void *arg, struct str spec)
{
	struct include *in = arg;
	struct entry *e;

	if (in->ts.n == TABLE_MEMBERS_MAX)
		return -1;
	e = entry_get(in->lk, spec, param_flags(STR("alias_maps")));
	if (!entry_ready(e, &in->wait))
		return 0;
	in->owners[in->ts.n] = entry_owner(e);
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

static void
ask(struct lookupd *lk, struct chan *ch, uint64_t id, uint64_t offset,
    const struct lookup_command *what, struct str alias, struct str path)
{
	struct include *in = xcalloc(1, sizeof(*in));

	in->wait.fn = resume;
	in->lk = lk;
	in->ch = ch;
	in->id = id;
	in->offset = offset;
	in->alias = str_dup(alias);
	in->path = str_dup(path);
	if (what != NULL) {
		in->command = str_dup(what->text);
		in->kind = (enum command_kind)what->kind;
	}
	TAILQ_INSERT_TAIL(&includes, in, link);
	resume(&in->wait);
}

void
include_ask(struct chan *ch, uint64_t id, const void *rec, UNUSED int *fds,
    void *arg)
{
	const struct lookup_include *q = rec;
	struct lookupd *lk = arg;

	if (strcmp(lk->asker(ch), "local") != 0)
		chan_drop(ch, "an :include: file is not its business");
	else
		ask(lk, ch, id, q->offset, NULL, q->alias, q->path);
}

void
include_command(struct lookupd *lk, struct chan *ch, uint64_t id,
    const struct lookup_command *q)
{
	struct lookup_signed none = { .status = LOOKUP_NOT_FOUND };

	if (q->kind == COMMAND_MAPS || q->text.n == 0)
		chan_answer(ch, LOOKUP_SIGNED, id, &none, NULL);
	else
		ask(lk, ch, id, 0, q, q->key, q->path);
}

void
include_forget(struct chan *ch)
{
	struct include *in;

	TAILQ_FOREACH(in, &includes, link)
		if (in->ch == ch)
			in->ch = NULL;
}
