/* SPDX-License-Identifier: ISC */
/*
 * A recipient, from job to fate.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"

#include "local.h"

#define JOBS_MAX 4096 /* in hand: each has a descriptor of its own */

/* --- the end -------------------------------------------------------------- */

static void
job_end(struct local *lo, struct agent_job *j)
{
	TAILQ_REMOVE(&lo->jobs, j, link);
	lo->njobs--;
	agent_job_free(&j);
	if (lo->paused && lo->njobs < JOBS_MAX / 2 && lo->qmgr != NULL) {
		lo->paused = false;
		chan_reading(lo->qmgr, 1);
	}
}

static void
target_free(struct target *t)
{
	free(t->addr);
	free(t->text);
	free(t->file);
	free(t);
}

static void
item_free(struct item *it)
{
	if (it != NULL)
		free(it->file);
	free(it);
}

static void
errand_free(struct errand *e)
{
	struct item *it;
	struct alias *a;
	struct target *t;

	while ((it = STAILQ_FIRST(&e->todo)) != NULL) {
		STAILQ_REMOVE_HEAD(&e->todo, link);
		item_free(it);
	}
	while ((a = SLIST_FIRST(&e->aliases)) != NULL) {
		SLIST_REMOVE_HEAD(&e->aliases, link);
		free(a->name);
		free(a->owner);
		free(a);
	}
	while ((t = STAILQ_FIRST(&e->targets)) != NULL) {
		STAILQ_REMOVE_HEAD(&e->targets, link);
		target_free(t);
	}
	if (e->slot != NULL)
		submit_drop(&e->lo->submit, &e->slot);
	submit_unwait(&e->lo->submit, &e->wait);
	buf_clear(&e->text);
	item_free(e->item);
	free(e->name);
	free(e->addr);
	free(e->value);
	free(e->names);
	free(e->user);
	free(e->home);
	free(e->whose);
	free(e->reading);
	free(e->command);
	free(e->whom);
	free(e->pass_addr);
	free(e->pass_transport);
	free(e->pass_nexthop);
	free(e);
}

static void
report(struct errand *e, const struct agent_fate *f)
{
	struct local *lo = e->lo;
	struct agent_job *j = e->job;

	struct str whom = e->whom == NULL ? j->rcpts[e->n].addr :
					    str_of(e->whom);

	if (agent_report_as(j, e->n, whom, f))
		job_end(lo, j);
	errand_free(e);
}

void
errand_settle(struct errand *e, enum fate fate, const char *dsn,
    const char *fmt, ...)
{
	char text[1100];
	struct agent_fate f = { .fate = fate, .dsn = str_of(dsn) };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f.text = str_of(text);
	report(e, &f);
}

/* How bad: what is to be tried again hides what was refused. */
static int
weight(enum fate f)
{
	return f == FATE_DEFERRED ? 3 :
	    f == FATE_BOUNCED	  ? 2 :
	    f == FATE_SENT	  ? 1 :
				    0;
}

/* A line of the log for an outcome that is not the recipient's. */
static void
log_other(const struct errand *e, const char *whom, const struct agent_fate *f)
{
	const struct agent_rcpt *r = &e->job->rcpts[e->n];

	if (whom == NULL)
		agent_log(e->job, r->addr, r->orig, f);
	else
		agent_log(e->job, str_of(whom),
		    r->orig.n > 0 ? r->orig : r->addr, f);
}

/*
 * Of several outcomes the worst is the recipient's, and is reported at the
 * end; the others have a line of the log.
 */
void
errand_note(struct errand *e, enum fate fate, struct str dsn, struct str text)
{
	struct agent_fate old = { .fate = e->fate,
		.dsn = str_of(e->dsn),
		.text = str_of(e->text2) };
	struct agent_fate new = { .fate = fate, .dsn = dsn, .text = text };
	/* A new message is the recipient's, whoever it is to. */
	const char *whom = e->target == NULL || e->target->kind == TO_ADDRESS ?
	    NULL :
	    e->target->addr;

	if (weight(fate) <= weight(e->fate)) {
		log_other(e, whom, &new);
		return;
	}
	if (e->fate != 0)
		log_other(e, e->whom, &old);
	e->fate = fate;
	str_copy(str_sub(dsn, 0, sizeof(e->dsn) - 1), e->dsn, sizeof(e->dsn));
	str_copy(str_sub(text, 0, sizeof(e->text2) - 1), e->text2,
	    sizeof(e->text2));
	free(e->whom);
	e->whom = whom == NULL ? NULL : xstrdup(whom);
}

void
errand_end(struct errand *e)
{
	struct agent_fate f = { .fate = e->fate,
		.dsn = str_of(e->dsn),
		.text = str_of(e->text2) };
	struct local *lo = e->lo;
	struct agent_job *j = e->job;
	bool last = false;

	if (pass_report(e, &last)) {
		if (last)
			job_end(lo, j);
		errand_free(e);
		return;
	}
	if (e->fate == 0) {
		/* Everything it led to was left out: there is nobody. */
		f.fate = FATE_DEFERRED;
		f.dsn = STR("4.3.5");
		f.text = STR("mail system configuration error: nobody to "
			     "deliver to");
	}
	report(e, &f);
}

/* --- lists ---------------------------------------------------------------- */

void
errand_add(struct errand *e, const struct alias_item *it, enum origin origin,
    const struct alias *alias)
{
	struct item *i = xmalloc(sizeof(*i) + it->text.n + 1);

	*i = (struct item){ .kind = it->kind,
		.origin = origin,
		.direct = it->direct,
		.listed = origin == FROM_FORWARD && e->item != NULL &&
		    e->item->kind == ALIAS_INCLUDE,
		.alias = alias };

	if (e->reading != NULL)
		i->file = xstrdup(e->reading);
	if (it->text.n > 0)
		memcpy(i->text, it->text.p, it->text.n);
	i->text[it->text.n] = '\0';
	e->nitems++;
	STAILQ_INSERT_TAIL(&e->todo, i, link);
}

static void
names_grow(struct errand *e)
{
	unsigned size = e->names_size == 0 ? 16 : e->names_size * 2;
	uint64_t *new = xcalloc(size, sizeof(*new));

	for (unsigned i = 0; i < e->names_size; i++) {
		unsigned at = e->names[i] % size;

		if (e->names[i] == 0)
			continue;
		while (new[at] != 0)
			at = (at + 1) % size;
		new[at] = e->names[i];
	}
	free(e->names);
	e->names = new;
	e->names_size = size;
}

/*
 * Is it new?  Up to duplicate_filter_limit names are remembered, by a keyed
 * hash of 64 bits: nobody can make two of them meet.
 */
static bool
is_new(struct errand *e, enum target_kind kind, struct str text)
{
	char *key = xasprintf("%d " STR_FMT, (int)kind, STR_ARG(text));
	int64_t limit = conf_int(e->lo->conf, P_DUPLICATE_FILTER_LIMIT);
	uint64_t h;
	unsigned at;

	for (char *p = key; kind == TO_ADDRESS && *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	h = siphash(e->lo->key, key, strlen(key));
	h += h == 0;
	free(key);
	if (e->nnames * 2 >= e->names_size)
		names_grow(e);
	for (at = h % e->names_size; e->names[at] != 0;
	     at = (at + 1) % e->names_size)
		if (e->names[at] == h)
			return false;
	if (limit == 0 || e->nnames < limit) {
		e->names[at] = h;
		e->nnames++;
	}
	return true;
}

void
errand_target(struct errand *e, enum target_kind kind, struct str text,
    struct str addr, bool direct, const struct item *from)
{
	bool mail = kind == TO_USER || kind == TO_ADDRESS;
	struct target *t;

	/* A user and his address are one, whichever way they were found. */
	if (!is_new(e, mail ? TO_ADDRESS : kind, mail ? addr : text))
		return;
	t = xcalloc(1, sizeof(*t));
	t->kind = kind;
	t->direct = direct;
	t->origin = from->origin;
	t->owner = from->alias == NULL ? NULL : from->alias->owner;
	t->text = str_dup(text);
	t->alias = from->alias == NULL ? NULL : from->alias->name;
	if (!mail && from->file != NULL)
		t->file = xstrdup(from->file);
	if (mail)
		t->addr = str_dup(addr);
	STAILQ_INSERT_TAIL(&e->targets, t, link);
	e->ntargets++;
}

/* --- the first half ------------------------------------------------------- */

static void
file_item(struct errand *e)
{
	const struct item *it = e->item;
	char *path;

	if (strcmp(it->text, "/dev/null") == 0) {
		errand_note(e, FATE_SENT, STR("2.0.0"),
		    agent_probe(e->job) ? STR("delivers to /dev/null") :
					  STR("delivered to file: /dev/null"));
	} else if (!file_allowed(e, it)) {
		errand_note(e, FATE_BOUNCED, STR("5.7.1"),
		    STR("mail to files is restricted"));
	} else if (it->text[0] == '/') {
		errand_target(e, TO_FILE, str_of(it->text), STR_NONE, true, it);
	} else if (it->origin == FROM_FORWARD && e->home != NULL) {
		/* ~/file */
		path = xasprintf("%s%s", e->home, it->text + 1);
		errand_target(e, TO_FILE, str_of(path), STR_NONE, true, it);
		free(path);
	} else {
		errand_note(e, FATE_BOUNCED, STR("5.3.5"),
		    STR("unknown home directory"));
	}
}

static void
command_item(struct errand *e)
{
	if (command_allowed(e, e->item))
		errand_target(e, TO_COMMAND, str_of(e->item->text), STR_NONE,
		    true, e->item);
	else
		errand_note(e, FATE_BOUNCED, STR("5.7.1"),
		    STR("mail to commands is restricted"));
}

/* The next item that cannot be dealt with on the spot, or NULL. */
static struct item *
take_item(struct errand *e)
{
	for (;;) {
		item_free(e->item);
		e->item = STAILQ_FIRST(&e->todo);
		if (e->item == NULL)
			return NULL;
		STAILQ_REMOVE_HEAD(&e->todo, link);
		if (e->item->kind == ALIAS_FILE)
			file_item(e);
		else if (e->item->kind == ALIAS_COMMAND)
			command_item(e);
		else
			return e->item;
	}
}

void
errand_next(struct errand *e)
{
	if (take_item(e) == NULL) {
		route_begin(e);
		return;
	}
	switch (e->item->kind) {
	case ALIAS_FILE: /* see take_item() */
	case ALIAS_COMMAND:
		break;
	case ALIAS_ADDRESS:
		address_ask(e);
		break;
	case ALIAS_INCLUDE:
		if (e->item->origin == FROM_FORWARD)
			user_include(e);
		else
			alias_include(e);
		break;
	}
}

/* --- the beginning -------------------------------------------------------- */

static void
begin(struct local *lo, struct agent_job *j, uint16_t n)
{
	struct errand *e = xcalloc(1, sizeof(*e));
	struct str addr = j->rcpts[n].addr;
	struct alias_item it = { .kind = ALIAS_ADDRESS, .text = addr };

	e->lo = lo;
	e->job = j;
	e->n = n;
	STAILQ_INIT(&e->todo);
	STAILQ_INIT(&e->targets);
	SLIST_INIT(&e->aliases);
	switch (agent_delivered_to(j, addr)) {
	case -1:
		errand_settle(e, FATE_DEFERRED, "4.3.0",
		    "message cannot be read");
		return;
	case 1:
		errand_settle(e, FATE_BOUNCED, "5.4.6",
		    "mail forwarding loop for " STR_FMT, STR_ARG(addr));
		return;
	}
	errand_add(e, &it, FROM_JOB, NULL);
	errand_next(e);
}

static void
on_job(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct local *lo = arg;
	struct agent_job *j = agent_job_new(ch, id, rec, fds, "local");
	uint16_t n;

	if (j == NULL) {
		chan_drop(ch, "delivery job that is none");
		return;
	}
	TAILQ_INSERT_TAIL(&lo->jobs, j, link);
	if (++lo->njobs >= JOBS_MAX && !lo->paused) {
		lo->paused = true;
		chan_reading(ch, 0);
	}
	/* The last to be settled takes the job with it. */
	n = j->nrcpts;
	for (uint16_t i = 0; i < n; i++)
		begin(lo, j, i);
}

const struct chan_on local_on[] = {
	{ DELIVER_JOB, on_job },
	{ 0, NULL },
};

void
errand_forget(struct local *lo, const struct chan *qmgr)
{
	struct agent_job *j;

	TAILQ_FOREACH(j, &lo->jobs, link)
		if (j->ch == qmgr)
			j->ch = NULL;
	lo->paused = false;
}

/* --- configuration -------------------------------------------------------- */

void
local_init(struct local *lo, struct loop *l)
{
	lo->loop = l;
	TAILQ_INIT(&lo->jobs);
	submit_init(&lo->submit, l, 2, 64);
	maps_init(&lo->maps, l, &lo->lookup);
	arc4random_buf(lo->key, sizeof(lo->key));
}

void
local_config(struct local *lo, const struct conf *c)
{
	static const struct {
		const char *word;
		uint8_t flag;
	} locks[] = { { "dotlock", MAILBOX_DOTLOCK },
		{ "flock", MAILBOX_FLOCK }, { "fcntl", MAILBOX_FCNTL } };

	lo->conf = c;
	lo->delimiter = conf_str(c, P_RECIPIENT_DELIMITER);
	lo->limit = (uint64_t)conf_size(c, P_MAILBOX_SIZE_LIMIT);
	lo->have_aliases = conf_list(c, P_ALIAS_MAPS).n > 0;
	lo->lock = 0;
	for (size_t i = 0; i < NELEM(locks); i++)
		if (conf_has(c, P_MAILBOX_DELIVERY_LOCK, locks[i].word))
			lo->lock |= locks[i].flag;
	maps_config(&lo->maps, c);
}
