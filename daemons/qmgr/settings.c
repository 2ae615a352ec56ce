/* SPDX-License-Identifier: ISC */
/*
 * What the configuration says.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"

#include "qmgr.h"

/*
 * What is free must do for the largest message and half as much again, since
 * messages arrive while others are written.
 */
static uint64_t
minfree(const struct conf *c)
{
	uint64_t least = (uint64_t)conf_size(c, P_QUEUE_MINFREE);
	uint64_t message = (uint64_t)conf_size(c, P_MESSAGE_SIZE_LIMIT);

	if (message > UINT64_MAX / 3)
		message = UINT64_MAX / 3;
	message += message / 2;
	return least > message ? least : message;
}

void
settings_store(const struct conf *c, struct store_opts *o)
{
	store_opts_init(o);
	o->segment_size = (uint64_t)conf_size(c, P_QUEUE_JOURNAL_SEGMENT_SIZE);
	o->age_ms = conf_ms(c, P_QUEUE_JOURNAL_AGE);
	o->memory_max = (uint64_t)conf_size(c, P_QUEUE_MEMORY_LIMIT);
	o->minfree = minfree(c);
	o->hash_depth = (unsigned)conf_int(c, P_HASH_QUEUE_DEPTH);
	o->long_ids = conf_bool(c, P_ENABLE_LONG_QUEUE_IDS);
}

static void
limits(const struct conf *c, struct sched_limits *l)
{
	sched_limits_init(l);
	l->active_limit = (uint32_t)conf_int(c, P_QMGR_MESSAGE_ACTIVE_LIMIT);
	l->rcpt_limit = (uint32_t)conf_int(c, P_QMGR_MESSAGE_RECIPIENT_LIMIT);
	l->rcpt_extra = (uint32_t)conf_int(c, P_DEFAULT_EXTRA_RECIPIENT_LIMIT);
	l->min_backoff_ms = conf_ms(c, P_MINIMAL_BACKOFF_TIME);
	l->max_backoff_ms = conf_ms(c, P_MAXIMAL_BACKOFF_TIME);
	l->lifetime_ms = conf_ms(c, P_MAXIMAL_QUEUE_LIFETIME);
	l->bounce_lifetime_ms = conf_ms(c, P_BOUNCE_QUEUE_LIFETIME);
	l->delay_warning_ms = conf_ms(c, P_DELAY_WARNING_TIME);
	l->transport_retry_ms = conf_ms(c, P_TRANSPORT_RETRY_TIME);
}

static void
transport_limits(const struct conf *c, struct str name, uint32_t maxproc,
    struct sched_transport_conf *t)
{
	sched_transport_conf_init(t);
	t->process_limit = maxproc;
	t->concurrency_limit = (uint32_t)conf_transport_int(c,
	    F_DESTINATION_CONCURRENCY_LIMIT, name);
	t->initial_concurrency = (uint32_t)conf_transport_int(c,
	    F_INITIAL_DESTINATION_CONCURRENCY, name);
	t->recipient_limit = (uint32_t)conf_transport_int(c,
	    F_DESTINATION_RECIPIENT_LIMIT, name);
	t->rcpt_limit = (uint32_t)conf_transport_int(c, F_RECIPIENT_LIMIT,
	    name);
	t->delivery_slots = (uint32_t)conf_transport_int(c,
	    F_MINIMUM_DELIVERY_SLOTS, name);
	t->slot_cost = (uint32_t)conf_transport_int(c, F_DELIVERY_SLOT_COST,
	    name);
	t->cohort_limit = (double)conf_transport_int(c,
	    F_DESTINATION_CONCURRENCY_FAILED_COHORT_LIMIT, name);
	if (feedback_parse(conf_transport_str(c,
	    F_DESTINATION_CONCURRENCY_POSITIVE_FEEDBACK, name),
	    &t->positive) == -1 ||
	    feedback_parse(conf_transport_str(c,
	    F_DESTINATION_CONCURRENCY_NEGATIVE_FEEDBACK, name),
	    &t->negative) == -1)
		log_warn("concurrency feedback of transport " STR_FMT
		    " is no proper value; the default is used",
		    STR_ARG(name));
	t->destination_rate_delay_ms = conf_transport_ms(c,
	    F_DESTINATION_RATE_DELAY, name);
	t->transport_rate_delay_ms = conf_transport_ms(c,
	    F_TRANSPORT_RATE_DELAY, name);
}

static const struct {
	const char *component;
	enum transport_kind kind;
	int agent;
} kinds[] = {
	{ "smtp", TRANSPORT_AGENT, AGENT_SMTP },
	{ "lmtp", TRANSPORT_AGENT, AGENT_SMTP },
	{ "local", TRANSPORT_AGENT, AGENT_LOCAL },
	{ "virtual", TRANSPORT_AGENT, AGENT_VIRTUAL },
	{ "error", TRANSPORT_ERROR, 0 },
	{ "retry", TRANSPORT_RETRY, 0 },
	{ "discard", TRANSPORT_DISCARD, 0 },
	{ "pipe", TRANSPORT_AGENT, AGENT_PIPE },
};

struct transport_info *
transport_find(struct qmgr *q, struct str name)
{
	struct transport_info *t;

	TAILQ_FOREACH(t, &q->transports, link)
		if (str_eq(name, str_of(t->name)))
			return t;
	return NULL;
}

static void
set_transport(struct qmgr *q, struct str name, enum transport_kind kind,
    int agent, uint32_t maxproc)
{
	struct transport_info *t = transport_find(q, name);
	struct sched_transport_conf tc;

	if (t == NULL) {
		t = xcalloc(1, sizeof(*t));
		t->name = str_dup(name);
		TAILQ_INSERT_TAIL(&q->transports, t, link);
	}
	t->kind = kind;
	t->agent = agent;
	t->current = true;
	if (kind != TRANSPORT_AGENT)
		return;
	transport_limits(q->conf, name, maxproc, &tc);
	t->st = sched_transport_set(q->sched, name, &tc);
}

static void
set_service(struct qmgr *q, const struct conf_service *sv)
{
	const char *command = str_eq(sv->command, STR("error")) ? "error" :
	    str_eq(sv->command, STR("retry")) ? "retry" :
	    str_eq(sv->command, STR("discard")) ? "discard" : NULL;

	for (size_t i = 0; i < NELEM(kinds); i++) {
		struct str component = command != NULL ? str_of(command) :
		    sv->component;

		/* `retry unix ... error` is how Postfix spells it. */
		if (str_eq(sv->name, STR("retry")) &&
		    str_eq(component, STR("error")))
			component = STR("retry");
		if (str_eq(component, str_of(kinds[i].component)))
			set_transport(q, sv->name, kinds[i].kind,
			    kinds[i].agent, sv->maxproc);
	}
}

void
settings_apply(struct qmgr *q)
{
	static const char *const own[] = { "error", "retry", "discard" };
	const struct conf_service *sv;
	struct transport_info *t;
	struct sched_limits l;

	limits(q->conf, &l);
	sched_limits_set(q->sched, &l);
	store_due_span(q->store, conf_ms(q->conf, P_QUEUE_RUN_DELAY) / 1000);
	TAILQ_FOREACH(t, &q->transports, link)
		t->current = false;
	q->drop_scan_ms = 0;
	for (size_t i = 0; (sv = conf_service(q->conf, i)) != NULL; i++) {
		if (sv->socket == CONF_UNIX)
			set_service(q, sv);
		if (str_eq(sv->component, STR("pickup")))
			q->drop_scan_ms = (int64_t)sv->wakeup * 1000;
	}
	/* These are ours whether a line of master.cf names them or not. */
	for (size_t i = 0; i < NELEM(own); i++)
		if (transport_find(q, str_of(own[i])) == NULL)
			set_transport(q, str_of(own[i]),
			    TRANSPORT_ERROR + (int)i, 0, 0);
	TAILQ_FOREACH(t, &q->transports, link) {
		if (t->current || t->st == NULL)
			continue;
		sched_transport_retire(q->sched, t->st);
		t->kind = TRANSPORT_NONE;
	}
}
