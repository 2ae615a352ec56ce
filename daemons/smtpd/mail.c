/* SPDX-License-Identifier: ISC */
/*
 * MAIL, RCPT, VRFY: the envelope.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/dsn.h"
#include "mail/xtext.h"
#include "queue/envelope.h"

#include "session.h"

/* Bytes of encoded recipients that a transaction may hold. */
#define RCPTS_BYTES_MAX (2 << 20)
/* Recipients asked for ahead of their turn. */
#define PREFETCH_MAX 100

void
rcpt_reset(struct session *s)
{
	resolver_unwait(&s->rwait);
	resolver_drop(&s->w->resolver, &s->answer);
	buf_reset(&s->rcpt);
	s->notify = 0;
	free(s->orcpt);
	s->orcpt = NULL;
}

void
mail_reset(struct session *s)
{
	struct mail *m = s->mail;

	rcpt_reset(s);
	buf_clear(&s->rcpt);
	slots_unwait(&s->w->slots, &s->swait);
	if (s->eval != NULL) {
		eval_clear(s->eval);
		free(s->eval);
		s->eval = NULL;
	}
	eval_later_clear(&s->later[STAGE_SENDER]);
	s->mail = NULL;
	if (m == NULL)
		return;
	if (m->slot != NULL && m->slot->state == SLOT_SENT)
		slots_abandon(&m->slot);
	else
		slots_drop(&s->w->slots, &m->slot);
	buf_clear(&m->rcpts);
	buf_clear(&m->content);
	free(m->sender);
	free(m->envid);
	free(m->only_rcpt);
	free(m->redirect);
	free(m->hold);
	free(m->prepend);
	free(m->bcc);
	free(m);
}

/* --- MAIL ----------------------------------------------------------------- */

static bool
is_word(const struct path_param *p, const char *keyword)
{
	return str_caseeq(p->keyword, str_of(keyword));
}

/* RFC 1870 allows twenty digits, which is more than fits. */
static bool
mail_size(struct session *s, struct str value)
{
	bool digits = value.n > 0;
	uint64_t n;

	for (size_t i = 0; i < value.n; i++)
		digits = digits && ascii_isdigit((unsigned char)value.p[i]);
	if (!digits) {
		reject(s, 501, DSN(5, 5, 4), "Bad message size syntax");
		return false;
	}
	if (str_u64(value, INT64_MAX / 2, &n) == -1) {
		reject(s, 552, DSN(5, 3, 4),
		    "Message size exceeds fixed limit");
		return false;
	}
	s->mail->declared = (int64_t)n;
	return true;
}

/* The parameters behind an address, one after the other. */
static bool
read_params(struct session *s, struct str rest,
    bool (*take)(struct session *s, const struct path_param *p))
{
	struct path_param p;
	int r;

	while ((r = path_param(&rest, &p)) == 1)
		if (!take(s, &p))
			return false;
	if (r == -1)
		reject(s, 501, DSN(5, 5, 4), "Error: bad parameter syntax");
	return r == 0;
}

/* One that is not known, or does not read as it should. */
static bool
bad_param(struct session *s, const struct path_param *p, bool known)
{
	if (known)
		reject(s, 501, DSN(5, 5, 4), "Bad " STR_FMT
		    " parameter syntax", STR_ARG(p->keyword));
	else
		reject(s, 555, DSN(5, 5, 4), "Unsupported option: " STR_FMT
		    "%s" STR_FMT, STR_ARG(p->keyword), p->has_value ? "=" : "",
		    STR_ARG(p->value));
	return false;
}

/* One parameter of MAIL; false when it was refused. */
static bool
mail_param(struct session *s, const struct path_param *p)
{
	struct mail *m = s->mail;
	enum dsn_ret ret;
	struct buf b;

	if (is_word(p, "SIZE") && (s->sv->ehlo & EHLO_SIZE) != 0)
		return mail_size(s, p->value);
	if (is_word(p, "BODY") && (s->sv->ehlo & EHLO_8BITMIME) != 0 &&
	    (str_caseeq(p->value, STR("7BIT")) ||
		str_caseeq(p->value, STR("8BITMIME")))) {
		if (p->value.p[0] == '8')
			m->flags |= ENV_8BITMIME;
		return true;
	}
	if (is_word(p, "RET") && (s->sv->ehlo & EHLO_DSN) != 0 &&
	    m->ret == ENV_RET_NONE && dsn_ret_parse(p->value, &ret) == 0) {
		m->ret = ret == DSN_RET_FULL ? ENV_RET_FULL : ENV_RET_HDRS;
		return true;
	}
	if (is_word(p, "ENVID") && (s->sv->ehlo & EHLO_DSN) != 0 &&
	    m->envid == NULL && p->value.n > 0) {
		buf_init(&b, ENVID_MAX);
		if (xtext_decode(&b, p->value) == 0) {
			m->envid = buf_take(&b);
			return true;
		}
		buf_clear(&b);
	}
	return bad_param(s, p,
	    (s->sv->ehlo & EHLO_DSN) != 0 &&
	    (is_word(p, "RET") || is_word(p, "ENVID")));
}

static bool
mail_fits(struct session *s)
{
	if (s->sv->size_max > 0 && s->mail->declared > s->sv->size_max) {
		reject(s, 552, DSN(5, 3, 4),
		    "Message size exceeds fixed limit");
		return false;
	}
	if (s->w->full) {
		reject(s, 452, DSN(4, 3, 1), "Insufficient system storage");
		return false;
	}
	return true;
}

static bool
mail_order(struct session *s)
{
	if (s->sv->helo_required && s->helo == NULL) {
		reject(s, 503, DSN(5, 5, 1), "Error: send HELO/EHLO first");
		return false;
	}
	if (s->mail != NULL) {
		reject(s, 503, DSN(5, 5, 1), "Error: nested MAIL command");
		return false;
	}
	if (s->stopped) {
		session_stop(s);
		return false;
	}
	return true;
}

/* What the restrictions decided, where they did not have to wait for RCPT. */
static void
mail_done(struct session *s)
{
	if (eval_refused(s))
		mail_reset(s);
	else
		reply(s, "250 2.1.0 Ok");
}

static void
check_sender(struct session *s)
{
	static const enum stage stages[] = { STAGE_SENDER, STAGE_LISTED };

	if (session_facts(s, check_sender))
		session_restrict(s, stages, s->sv->unlisted_sender ? 2 : 1,
		    mail_done);
}

/* Commands that get it as an argument might take it for an option. */
static bool
is_option(const struct session *s, const struct path *path)
{
	return str_starts(path->addr, STR("-")) && !s->sv->allow_dash;
}

void
verb_mail(struct session *s, struct str arg)
{
	struct path path;
	struct buf b;

	if (!mail_order(s))
		return;
	if (path_keyword(&arg, "FROM") == -1) {
		reject(s, 501, DSN(5, 5, 4), "Syntax: MAIL FROM:<address>");
		return;
	}
	buf_init(&b, ADDR_MAX);
	if (path_parse(arg, s->sv->strict ? PATH_STRICT : 0, &b, &path) !=
		ADDR_OK ||
	    (path.flags & PATH_BAD_UTF8) != 0 || is_option(s, &path)) {
		buf_clear(&b);
		reject(s, 501, DSN(5, 1, 7), "Bad sender address syntax");
		return;
	}
	slots_expect(&s->w->slots);
	s->mail = xcalloc(1, sizeof(*s->mail));
	s->mail->sender = str_dup(path.addr);
	buf_init(&s->mail->rcpts, RCPTS_BYTES_MAX);
	buf_clear(&b);
	if (!read_params(s, path.rest, mail_param) || !mail_fits(s))
		mail_reset(s);
	else if (s->sv->delay_reject ||
	    (s->sv->sender.n == 0 && !s->sv->unlisted_sender))
		reply(s, "250 2.1.0 Ok"); /* nothing was evaluated */
	else
		check_sender(s);
}

/* --- RCPT ----------------------------------------------------------------- */

static bool
rcpt_param(struct session *s, const struct path_param *p)
{
	bool dsn = (s->sv->ehlo & EHLO_DSN) != 0;
	struct str type;
	struct buf b;
	unsigned notify;

	if (dsn && is_word(p, "NOTIFY") && s->notify == 0 &&
	    dsn_notify_parse(p->value, &notify) == 0) {
		s->notify = notify;
		return true;
	}
	if (dsn && is_word(p, "ORCPT") && s->orcpt == NULL) {
		buf_init(&b, ENV_ADDR_MAX);
		if (orcpt_decode(p->value, &type, &b) == 0) {
			s->orcpt = xasprintf(STR_FMT ";%s", STR_ARG(type),
			    buf_cstr(&b));
			buf_clear(&b);
			return true;
		}
		buf_clear(&b);
	}
	return bad_param(s, p,
	    dsn && (is_word(p, "NOTIFY") || is_word(p, "ORCPT")));
}

static struct str
route_sender(const struct session *s)
{
	return s->sv->sender_matters && s->mail != NULL ?
	    str_of(s->mail->sender) :
	    STR_NONE;
}

/* The address of a RCPT; false when there is none that could be one. */
static bool
rcpt_path(const struct session *s, struct str arg, struct buf *b,
    struct path *path)
{
	if (path_parse(arg, s->sv->strict ? PATH_STRICT : 0, b, path) !=
		ADDR_OK ||
	    (path->flags & (PATH_NULL | PATH_BAD_UTF8)) != 0)
		return false;
	return !is_option(s, path);
}

/*
 * While we wait for one recipient, ask for those whose commands have arrived
 * already: all answers come in one packet.
 */
static void
prefetch(struct session *s)
{
	struct str v = s->behind, line, word;
	struct path path;
	struct buf b;
	ptrdiff_t lf;

	buf_init(&b, ADDR_MAX);
	for (int i = 0; i < PREFETCH_MAX && (lf = str_chr(v, '\n')) >= 0; i++) {
		struct resolved *r;

		line = str_trim(str_sub(v, 0, (size_t)lf));
		v = str_sub(v, (size_t)lf + 1, v.n);
		if (!str_token(&line, " \t", &word) ||
		    !str_caseeq(word, STR("RCPT")) ||
		    path_keyword(&line, "TO") == -1 ||
		    !rcpt_path(s, line, &b, &path))
			break;
		r = resolver_get(&s->w->resolver, RESOLVE_EXISTS,
		    route_sender(s), path.addr);
		resolver_drop(&s->w->resolver, &r);
	}
	buf_clear(&b);
}

/* Accepted: keep it in the form in which it will travel. */
static void
rcpt_keep(struct session *s)
{
	struct mail *m = s->mail;
	struct resolved *a = s->answer;
	struct env_rcpt r = { .notify = s->notify,
		.addr = a->addr,
		.orig = buf_get(&s->rcpt),
		.orcpt = str_of(s->orcpt),
		.transport = a->transport,
		.nexthop = a->nexthop,
		.ticket = a->ticket };
	struct str saved = buf_get(&m->rcpts);

	if (r.addr.n == 0)
		r.addr = r.orig;
	if (env_put_rcpt(&m->rcpts, &r) == -1) {
		/* More than a transaction may hold: later, in another one. */
		buf_trim(&m->rcpts, m->rcpts.len - saved.n);
		m->rcpts.full = false;
		reject(s, 452, DSN(4, 5, 3), "Error: too many recipients");
		return;
	}
	free(m->only_rcpt);
	m->only_rcpt = ++m->nrcpts == 1 ? str_dup(r.orig) : NULL;
	reply(s, "250 2.1.5 Ok");
}

/* Restrictions have decided. */
static void
rcpt_done(struct session *s)
{
	struct buf b;

	if (eval_refused(s)) {
		rcpt_reset(s);
		return;
	}
	if (s->verb == VERB_VRFY) {
		buf_init(&b, ADDR_QUOTED_MAX);
		addr_quote(&b, buf_get(&s->rcpt));
		replyf(s, 252, DSN(2, 0, 0), STR_FMT, STR_ARG(buf_get(&b)));
		buf_clear(&b);
	} else {
		rcpt_keep(s);
	}
	rcpt_reset(s);
}

static void
rcpt_refuse(struct session *s, int code, struct dsn dsn, const char *why)
{
	struct buf b;

	buf_init(&b, 2 * ADDR_QUOTED_MAX);
	buf_putc(&b, '<');
	addr_quote(&b, buf_get(&s->rcpt));
	buf_printf(&b, ">: %s", why);
	log_reject(s, "reject", code, dsn, buf_get(&b));
	reject_answer(s, (struct answer){ code, dsn, buf_get(&b) });
	buf_clear(&b);
	rcpt_reset(s);
}

/* Name and trust of the client, and the address: all is known. */
static void
rcpt_decide(struct session *s)
{
	struct service *sv = s->sv;
	enum stage st[STAGES];
	size_t n = 0;

	if (!s->answer->ready || s->answer->failed ||
	    s->answer->status == RESOLVE_LATER) {
		rcpt_refuse(s, 451, DSN(4, 3, 0), "Temporary lookup failure");
		return;
	}
	if (s->answer->status != RESOLVE_OK) {
		rcpt_refuse(s, 501, DSN(5, 1, 3),
		    "Bad recipient address syntax");
		return;
	}
	if (sv->delay_reject) {
		st[n++] = STAGE_CLIENT;
		st[n++] = STAGE_HELO;
		st[n++] = STAGE_SENDER;
	}
	if (sv->delay_reject && sv->unlisted_sender)
		st[n++] = STAGE_LISTED;
	st[n++] = sv->relay_first ? STAGE_RELAY : STAGE_RCPT;
	st[n++] = sv->relay_first ? STAGE_RCPT : STAGE_RELAY;
	session_restrict(s, st, n, rcpt_done);
}

static void
on_resolved(void *arg)
{
	session_wake(arg);
}

static void
rcpt_facts(struct session *s)
{
	if (session_facts(s, rcpt_facts))
		rcpt_decide(s);
}

/* Ask what this address is; rcpt_decide() when everything is known. */
static void
rcpt_resolve(struct session *s, struct str addr)
{
	buf_reset(&s->rcpt);
	buf_str(&s->rcpt, addr);
	s->answer = resolver_get(&s->w->resolver, RESOLVE_EXISTS,
	    route_sender(s), addr);
	if (s->answer->ready) {
		rcpt_facts(s);
		return;
	}
	prefetch(s);
	s->rwait.cb = on_resolved;
	s->rwait.arg = s;
	resolver_wait(s->answer, &s->rwait);
	session_wait(s, WAIT_RESOLVE, rcpt_facts, WAIT_ANSWER_MS);
}

static bool
rcpt_order(struct session *s)
{
	struct mail *m = s->mail;

	if (m == NULL) {
		reject(s, 503, DSN(5, 5, 1), "Error: need MAIL command");
		return false;
	}
	if (m->chunked) {
		reject(s, 503, DSN(5, 5, 1), "Error: RCPT after BDAT");
		return false;
	}
	if (m->nrcpts >= s->sv->rcpt_max) {
		reject(s, 452, DSN(4, 5, 3), "Error: too many recipients");
		s->verb_excused = m->over++ < s->sv->rcpt_overshoot;
		return false;
	}
	return true;
}

void
verb_rcpt(struct session *s, struct str arg)
{
	struct path path;
	struct buf b;

	if (!rcpt_order(s))
		return;
	if (path_keyword(&arg, "TO") == -1) {
		reject(s, 501, DSN(5, 5, 4), "Syntax: RCPT TO:<address>");
		return;
	}
	buf_init(&b, ADDR_MAX);
	if (!rcpt_path(s, arg, &b, &path))
		reject(s, 501, DSN(5, 1, 3), "Bad recipient address syntax");
	else if (read_params(s, path.rest, rcpt_param))
		rcpt_resolve(s, path.addr);
	if (!s->rcpt.len)
		rcpt_reset(s);
	buf_clear(&b);
}

void
verb_vrfy(struct session *s, struct str arg)
{
	struct path path;
	struct buf b;

	if (s->sv->no_vrfy) {
		reject(s, 502, DSN(5, 5, 1), "VRFY command is disabled");
		return;
	}
	if (s->sv->helo_required && s->helo == NULL) {
		reject(s, 503, DSN(5, 5, 1), "Error: send HELO/EHLO first");
		return;
	}
	if (s->mail != NULL) {
		reject(s, 503, DSN(5, 5, 1),
		    "Error: MAIL transaction in progress");
		return;
	}
	buf_init(&b, ADDR_MAX);
	if (arg.n == 0)
		reject(s, 501, DSN(5, 5, 4), "Syntax: VRFY address");
	else if (path_parse(arg, 0, &b, &path) != ADDR_OK ||
	    (path.flags & (PATH_NULL | PATH_BAD_UTF8)) != 0)
		reject(s, 501, DSN(5, 1, 3), "Bad recipient address syntax");
	else if (path.rest.n > 0)
		reject(s, 501, DSN(5, 5, 4), "Syntax: VRFY address");
	else
		rcpt_resolve(s, path.addr);
	buf_clear(&b);
}
