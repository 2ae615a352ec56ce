/* SPDX-License-Identifier: ISC */
/*
 * One question: a key, in the tables of a parameter.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"

#include "lookupd.h"

/* A question whose tables are on their way. */
struct question {
	struct wait wait;
	struct lookupd *lk;
	struct chan *ch;
	uint64_t id;
	uint8_t how, flags;
	char *param, *table, *key;
	bool user; /* LOOKUP_USER */
	TAILQ_ENTRY(question) link;
};

static TAILQ_HEAD(, question) waiting = TAILQ_HEAD_INITIALIZER(waiting);

static void
refuse(struct question *q, enum lookup_status status, const char *why)
{
	struct lookup_answer a = { .status = (uint8_t)status,
		.value = str_of(why) };
	struct lookup_passwd p = { .status = (uint8_t)status };

	if (q->user)
		chan_answer(q->ch, LOOKUP_PASSWD, q->id, &p, NULL);
	else
		chan_answer(q->ch, LOOKUP_ANSWER, q->id, &a, NULL);
}

static void
write_keys(const struct question *q, struct lookup_keys *k)
{
	struct str key = str_of(q->key), delims = q->lk->delimiter;
	unsigned flags = 0;

	if (q->flags & FIND_BARE_USER)
		flags |= LOOKUP_BARE_USER;
	if (q->flags & FIND_NO_DOMAIN)
		flags |= LOOKUP_NO_DOMAIN;
	if (q->flags & FIND_PARENTS)
		flags |= LOOKUP_PARENTS;
	switch ((enum find_how)q->how) {
	case FIND_ADDRESS:
		lookup_keys_address(k, key, delims, flags);
		break;
	case FIND_ACCESS:
		lookup_keys_access(k, key, delims, flags);
		break;
	case FIND_DOMAIN:
		lookup_keys_domain(k, key, flags);
		break;
	case FIND_TRANSPORT:
		lookup_keys_transport(k, key, delims, flags);
		break;
	case FIND_NETWORK:
		lookup_keys_ip(k, key);
		break;
	case FIND_PLAIN:
		break;
	}
}

/* The tables of a question, as they are collected. */
struct collected {
	struct question *q;
	struct tables ts;
};

static void
answer(struct question *q, struct collected *c)
{
	struct tables *ts = &c->ts;
	static struct lookup_keys keys;
	static bool have_keys;
	struct lookup_answer a = { .status = LOOKUP_NOT_FOUND };
	struct tables_hit hit = { .key = 0 };
	enum table_answer r;
	struct buf value;

	if (!have_keys)
		lookup_keys_init(&keys);
	have_keys = true;
	buf_init(&value, LOOKUP_VALUE_MAX);
	if (q->how == FIND_PLAIN) {
		r = tables_get(ts, str_of(q->key), &value, NULL);
		a.key = str_of(q->key);
	} else {
		write_keys(q, &keys);
		r = tables_first(ts, &keys, &value, &hit);
		if (r == TABLE_FOUND)
			a.key = lookup_key_text(&keys, hit.key);
		if (hit.ext_used)
			a.flags = FIND_EXT_USED;
	}
	a.value = buf_get(&value);
	if (r == TABLE_FOUND)
		a.status = LOOKUP_FOUND;
	if (r == TABLE_LATER) {
		a.status = LOOKUP_LATER;
		a.value = str_of(ts->reason);
		log_warn("%s: %s", q->param, ts->reason);
	}
	chan_answer(q->ch, LOOKUP_ANSWER, q->id, &a, NULL);
	buf_clear(&value);
}

/* The line of passwd(5), by the table of that name. */
static void
answer_user(struct question *q, struct tables *ts)
{
	struct lookup_passwd a = { .status = LOOKUP_NOT_FOUND };
	enum table_answer r;
	struct buf value;

	buf_init(&value, 8192);
	r = tables_get(ts, str_of(q->key), &value, NULL);
	if (r == TABLE_LATER)
		a.status = LOOKUP_LATER;
	else if (r == TABLE_FOUND)
		a.status = passwd_parse(buf_get(&value), &a) ? LOOKUP_FOUND :
		    LOOKUP_LATER;
	chan_answer(q->ch, LOOKUP_PASSWD, q->id, &a, NULL);
	buf_clear(&value);
}

static int
add_table(void *arg, struct str spec)
{
	struct collected *c = arg;
	struct entry *e;

	if (c->ts.n == TABLE_MEMBERS_MAX)
		return -1;
	e = entry_get(c->q->lk, spec, param_flags(str_of(c->q->param)));
	if (!entry_ready(e, &c->q->wait))
		return 0;
	c->ts.t[c->ts.n++] = entry_table(e);
	return 1;
}

/* 1: all are open; 0: it waits; -1: too many, or not one of this parameter. */
static int
collect(struct collected *c)
{
	struct question *q = c->q;
	size_t n;
	int r;

	if (q->user)
		return add_table(c, STR("unix:passwd.byname"));
	r = param_tables(q->lk, str_of(q->param), str_of(q->table), add_table,
	    c, &n);
	return n == 0 && q->table[0] != '\0' ? -1 : r;
}

static void
question_free(struct question *q)
{
	TAILQ_REMOVE(&waiting, q, link);
	free(q->param);
	free(q->table);
	free(q->key);
	free(q);
}

static void
resume(struct wait *w)
{
	struct question *q = (struct question *)w;
	struct collected c = { .q = q };

	if (q->ch != NULL) {
		switch (collect(&c)) {
		case 0:
			return; /* for the next of its tables */
		case 1:
			if (q->user)
				answer_user(q, &c.ts);
			else
				answer(q, &c);
			break;
		default:
			refuse(q, LOOKUP_LATER, "no such table in this "
			    "parameter, or too many");
			break;
		}
	}
	question_free(q);
}

static struct question *
question_new(struct lookupd *lk, struct chan *ch, uint64_t id)
{
	struct question *q = xcalloc(1, sizeof(*q));

	q->wait.fn = resume;
	q->lk = lk;
	q->ch = ch;
	q->id = id;
	TAILQ_INSERT_TAIL(&waiting, q, link);
	return q;
}

void
find_ask(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct lookup_find *f = rec;
	struct lookupd *lk = arg;
	struct question *q = question_new(lk, ch, id);

	(void)fds;
	q->how = f->how;
	q->flags = f->flags;
	q->param = str_dup(f->param);
	q->table = str_dup(f->table);
	q->key = str_dup(f->key);
	if (!param_allowed(lk, lk->asker(ch), f->param)) {
		log_warn("security: %s asked for parameter " STR_FMT,
		    lk->asker(ch), STR_ARG(f->param));
		refuse(q, LOOKUP_REFUSED, "not a parameter of yours");
		question_free(q);
		return;
	}
	resume(&q->wait);
}

void
find_user(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct lookup_user *u = rec;
	struct lookupd *lk = arg;
	struct question *q;

	(void)fds;
	if (strcmp(lk->asker(ch), "local") != 0) {
		chan_drop(ch, "the system's users are not its business");
		return;
	}
	q = question_new(lk, ch, id);
	q->user = true;
	q->param = xstrdup("passwd");
	q->table = xstrdup("");
	q->key = str_dup(u->name);
	resume(&q->wait);
}

void
find_forget(struct chan *ch)
{
	struct question *q;

	TAILQ_FOREACH(q, &waiting, link)
		if (q->ch == ch)
			q->ch = NULL;
}
