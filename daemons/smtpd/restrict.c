/* SPDX-License-Identifier: ISC */
/*
 * Evaluating restriction lists.
 */
#include "restrict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"

#include "session.h"

void
eval_init(struct eval *e, struct session *s)
{
	memset(e, 0, sizeof(*e));
	e->s = s;
	buf_init(&e->value, EVAL_VALUE_MAX);
	buf_init(&e->reply, EVAL_TEXT_MAX);
}

static void
leave_frame(struct eval *e)
{
	struct eval_frame *f = &e->frame[--e->depth];

	rules_clear(&f->own);
	buf_clear(&f->text);
}

void
eval_later_clear(struct eval_later *l)
{
	free(l->text);
	*l = (struct eval_later){ .set = false };
}

void
eval_clear(struct eval *e)
{
	while (e->depth > 0)
		leave_frame(e);
	resolver_drop(&e->s->w->resolver, &e->held);
	eval_later_clear(&e->if_permit);
	eval_later_clear(&e->if_reject);
	buf_clear(&e->value);
	buf_clear(&e->reply);
}

enum stage
eval_stage(const struct eval *e)
{
	return e->todo[e->stage];
}

/* smtpd_reject_unlisted_sender: a list of its own behind the sender's. */
static struct rule listed_rule = { .def = &rule_listed };
static const struct rules listed_rules = { .v = &listed_rule, .n = 1 };

static const struct rules *
stage_rules(const struct eval *e)
{
	struct service *sv = e->s->sv;

	switch (eval_stage(e)) {
	case STAGE_CLIENT:
		return &sv->client;
	case STAGE_HELO:
		return &sv->helo;
	case STAGE_SENDER:
		return &sv->sender;
	case STAGE_LISTED:
		return &listed_rules;
	case STAGE_RELAY:
		return &sv->relay;
	case STAGE_RCPT:
		return &sv->rcpt;
	case STAGE_DATA:
		return &sv->data;
	case STAGE_ETRN:
		return &sv->etrn;
	case STAGE_END:
	case STAGES:
	default:
		return &sv->end;
	}
}

static void
new_question(struct eval *e)
{
	resolver_drop(&e->s->w->resolver, &e->held);
	e->ask = ASK_NONE;
	e->step = 0;
	e->later = false;
}

static void
enter_stage(struct eval *e)
{
	eval_later_clear(&e->if_reject);
	e->warn_next = false;
	new_question(e);
	if (e->stage < e->ntodo)
		eval_enter(e, stage_rules(e));
}

static void
later_copy(struct eval_later *to, const struct eval_later *from)
{
	eval_later_clear(to);
	*to = *from;
	to->text = from->set ? xstrdup(from->text) : NULL;
}

/* A stage whose end is not yet the answer to a recipient. */
static bool
is_early(const struct eval *e)
{
	return !e->s->sv->delay_reject && e->todo[0] <= STAGE_SENDER;
}

/*
 * What is put off as evaluation begins: by the first of the stages that came
 * before.  A delayed evaluation goes through their lists itself, and content
 * is judged by its own.
 */
static void
inherit(struct eval *e)
{
	enum stage first = e->todo[0];

	eval_later_clear(&e->if_permit);
	if (first == STAGE_DATA || first == STAGE_END)
		return;
	for (enum stage st = STAGE_CLIENT;
	     st <= STAGE_SENDER && st < first && !e->if_permit.set; st++)
		later_copy(&e->if_permit, &e->s->later[st]);
}

void
eval_start(struct eval *e, const enum stage *stages, size_t n)
{
	while (e->depth > 0)
		leave_frame(e);
	memcpy(e->todo, stages, n * sizeof(*stages));
	e->ntodo = n;
	e->stage = 0;
	e->code = 0;
	e->dsn = DSN_NONE;
	e->hangup = false;
	buf_reset(&e->reply);
	inherit(e);
	enter_stage(e);
}

bool
eval_enter(struct eval *e, const struct rules *rules)
{
	struct eval_frame *f;

	if (e->depth == EVAL_DEPTH)
		return false;
	f = &e->frame[e->depth++];
	*f = (struct eval_frame){ .rules = rules, .warn = e->warn_next };
	e->warn_next = false;
	new_question(e);
	return true;
}

bool
eval_enter_text(struct eval *e, struct str text, int access)
{
	struct eval_frame *f;

	if (!eval_enter(e, NULL))
		return false;
	f = &e->frame[e->depth - 1];
	buf_init(&f->text, EVAL_VALUE_MAX);
	buf_str(&f->text, text);
	rules_words(&f->own, &e->s->sv->book, buf_get(&f->text), access);
	f->rules = &f->own;
	return true;
}

/* A frame inside a list that only warns warns, too. */
static bool
only_warns(const struct eval *e)
{
	if (e->warn_next)
		return true;
	for (size_t i = 0; i < e->depth; i++)
		if (e->frame[i].warn)
			return true;
	return false;
}

/* Forget the refusal, after saying what would have been. */
static void
just_warn(struct eval *e)
{
	log_reject(e->s, "reject_warning", e->code, e->dsn, buf_get(&e->reply));
	e->code = 0;
	e->hangup = false;
	buf_reset(&e->reply);
}

/* The stage's list has ended with a permission, or without a word. */
static void
next_stage(struct eval *e)
{
	while (e->depth > 0)
		leave_frame(e);
	e->stage++;
	enter_stage(e);
}

/* Refused, but an earlier rule wanted that to be temporary. */
static void
soften(struct eval *e)
{
	struct eval_later *l = &e->if_reject;

	if (!l->set || e->code < 500)
		return;
	e->code = l->code;
	e->dsn = l->dsn;
	buf_reset(&e->reply);
	buf_puts(&e->reply, l->text);
}

/* One rule.  False when evaluation has to stop for now, or for good. */
static bool
step(struct eval *e, enum eval_result *out)
{
	struct eval_frame *f = &e->frame[e->depth - 1];
	const struct rule *r;
	enum verdict v;

	if (f->at == f->rules->n) { /* this list has nothing to say */
		leave_frame(e);
		new_question(e);
		if (e->depth == 0)
			next_stage(e);
		return true;
	}
	r = &f->rules->v[f->at];
	v = r->def->fn(e, r);
	if (v == RULE_WAIT) {
		*out = EVAL_WAIT;
		return false;
	}
	f->at++;
	if (v == RULE_ENTER)
		return true;
	new_question(e);
	if (v == RULE_PERMIT) {
		next_stage(e);
	} else if (v == RULE_REJECT && only_warns(e)) {
		just_warn(e);
	} else if (v == RULE_REJECT) {
		soften(e);
		*out = EVAL_REJECT;
		return false;
	}
	/* warn_if_reject is about the one rule behind it. */
	if (r->def->fn != on_warn_if_reject)
		e->warn_next = false;
	return true;
}

/*
 * Every list has been passed.  Is the recipient one that we do not have?  Did
 * a rule put off its decision?
 */
static enum eval_result
finish(struct eval *e)
{
	struct eval_later *l = &e->if_permit;
	enum verdict v = RULE_DUNNO;

	if ((e->s->verb == VERB_RCPT || e->s->verb == VERB_VRFY) &&
	    e->s->sv->unlisted_rcpt)
		v = reject_unlisted(e, STAGE_RCPT);
	if (v == RULE_REJECT)
		return EVAL_REJECT;
	if (is_early(e)) {
		later_copy(&e->s->later[e->todo[0]], l);
	} else if (l->set) {
		e->code = l->code;
		e->dsn = l->dsn;
		buf_reset(&e->reply);
		buf_puts(&e->reply, l->text);
		return EVAL_REJECT;
	}
	return EVAL_PERMIT;
}

enum eval_result
eval_run(struct eval *e)
{
	enum eval_result out = EVAL_PERMIT;

	while (e->stage < e->ntodo)
		if (!step(e, &out))
			return out;
	return finish(e);
}

void
eval_answer(struct eval *e, const struct lookup_answer *a)
{
	e->ask = ASK_DONE;
	buf_reset(&e->value);
	if (a == NULL) {
		e->status = LOOKUP_LATER;
		return;
	}
	e->status = a->status;
	/* An entry that is too long is no entry. */
	if (buf_str(&e->value, a->value) == -1)
		e->status = LOOKUP_LATER;
}

enum verdict
eval_lookup(struct eval *e, unsigned how, struct str param, struct str table,
    struct str key)
{
	struct lookup_find q = { .how = (uint8_t)how,
		.param = param,
		.flags = e->s->sv->parents ? FIND_PARENTS : 0,
		.table = table,
		.key = str_sub(key, 0, LOOKUP_KEY_MAX) };
	struct session *s = e->s;
	struct worker *w = s->w;

	if (e->ask == ASK_DONE)
		return RULE_DUNNO;
	s->lookup_ask = w->ports->lookup(w->ports_arg, &q, s);
	if (s->lookup_ask == 0) {
		eval_answer(e, NULL);
		return RULE_DUNNO;
	}
	e->ask = ASK_SENT;
	e->step++;
	return RULE_WAIT;
}

void
eval_records_answer(struct eval *e, const struct dns_records *a)
{
	e->ask = ASK_DONE;
	e->status = LOOKUP_LATER;
	buf_reset(&e->value);
	if (a == NULL || a->status == DNS_LATER)
		return;
	e->status = a->status == DNS_OK && a->records.n > 0 ? LOOKUP_FOUND :
							      LOOKUP_NOT_FOUND;
	/* The first ones are enough. */
	buf_str(&e->value, str_sub(a->records, 0, EVAL_VALUE_MAX));
}

bool
eval_records(struct eval *e, uint16_t rrtype, struct str name)
{
	struct session *s = e->s;
	struct worker *w = s->w;

	e->step++;
	s->dns_ask =
	    w->ports->records(w->ports_arg, rrtype, str_sub(name, 0, 255), s);
	if (s->dns_ask == 0) {
		e->later = true;
		return false;
	}
	e->ask = ASK_SENT;
	return true;
}

/* --- how refusals are worded ---------------------------------------------- */

const char *
eval_class(enum stage st)
{
	switch (st) {
	case STAGE_CLIENT:
		return "Client host";
	case STAGE_HELO:
		return "Helo command";
	case STAGE_SENDER:
	case STAGE_LISTED:
		return "Sender address";
	case STAGE_RELAY:
	case STAGE_RCPT:
		return "Recipient address";
	case STAGE_DATA:
		return "Data command";
	case STAGE_ETRN:
		return "Etrn command";
	case STAGE_END:
	case STAGES:
	default:
		return "End-of-data";
	}
}

static void
angle(struct buf *out, struct str addr)
{
	struct buf q;

	buf_init(&q, ADDR_QUOTED_MAX);
	addr_quote(&q, addr);
	buf_putc(out, '<');
	buf_str(out, buf_get(&q));
	buf_putc(out, '>');
	buf_clear(&q);
}

void
eval_subject(const struct eval *e, enum stage st, struct buf *out)
{
	struct session *s = e->s;

	switch (st) {
	case STAGE_CLIENT:
		buf_printf(out, "<%s>", session_peer(s));
		break;
	case STAGE_HELO:
		buf_printf(out, "<%s>", s->helo == NULL ? "" : s->helo);
		break;
	case STAGE_SENDER:
	case STAGE_LISTED:
		angle(out, str_of(s->mail == NULL ? "" : s->mail->sender));
		break;
	case STAGE_RELAY:
	case STAGE_RCPT:
		angle(out, buf_get(&s->rcpt));
		break;
	case STAGE_DATA:
		buf_puts(out, "<DATA>");
		break;
	case STAGE_ETRN:
		buf_printf(out, "<%s>", s->etrn == NULL ? "" : s->etrn);
		break;
	case STAGE_END:
	case STAGES:
	default:
		buf_puts(out, "<END-OF-MESSAGE>");
		break;
	}
}

static enum verdict
decide(struct eval *e, int code, struct dsn dsn)
{
	e->code = code;
	e->dsn = dsn;
	e->hangup = code == 421 || code == 521;
	return RULE_REJECT;
}

enum verdict
eval_reject(struct eval *e, int code, struct dsn dsn, const char *fmt, ...)
{
	char text[EVAL_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_reset(&e->reply);
	buf_puts(&e->reply, text);
	return decide(e, code, dsn);
}

/* `subject: class rejected: why` */
static void
word_refusal(const struct eval *e, enum stage st, struct str why,
    struct buf *out)
{
	eval_subject(e, st, out);
	buf_printf(out, ": %s rejected: " STR_FMT, eval_class(st),
	    STR_ARG(str_sub(why, 0, EVAL_TEXT_MAX / 2)));
}

/*
 * The class of an enhanced code follows the basic one, which may have been
 * set in main.cf.
 */
static struct dsn
dsn_for(int code, struct dsn dsn)
{
	dsn.class = code >= 500 ? 5 : 4;
	return dsn;
}

enum verdict
eval_refuse(struct eval *e, enum stage st, int code, struct dsn dsn,
    struct str why)
{
	buf_reset(&e->reply);
	word_refusal(e, st, why, &e->reply);
	return decide(e, code, dsn_for(code, dsn));
}

static enum verdict
put_off(struct eval_later *l, int code, struct dsn dsn, struct str text)
{
	if (!l->set) {
		l->set = true;
		l->code = code;
		l->dsn = dsn;
		l->text = str_dup(text);
	}
	return RULE_DUNNO;
}

enum verdict
eval_defer_if_permit(struct eval *e, int code, struct dsn dsn, struct str text)
{
	if (only_warns(e)) {
		decide(e, code, dsn);
		buf_reset(&e->reply);
		buf_str(&e->reply, text);
		just_warn(e);
		return RULE_DUNNO;
	}
	return put_off(&e->if_permit, code, dsn, text);
}

enum verdict
eval_defer_if_reject(struct eval *e, int code, struct dsn dsn, struct str text)
{
	return put_off(&e->if_reject, code, dsn, text);
}

/* --- for the verbs -------------------------------------------------------- */

static void
run(struct session *s)
{
	if (eval_run(s->eval) == EVAL_WAIT)
		session_wait(s, WAIT_RULE, run, WAIT_ANSWER_MS);
	else
		s->restricted(s);
}

void
session_restrict(struct session *s, const enum stage *stages, size_t n,
    void (*then)(struct session *s))
{
	if (s->eval == NULL) {
		s->eval = xmalloc(sizeof(*s->eval));
		eval_init(s->eval, s);
	}
	s->restricted = then;
	eval_start(s->eval, stages, n);
	run(s);
}
