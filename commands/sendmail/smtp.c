/* SPDX-License-Identifier: ISC */
/*
 * -bs: mail programs that speak SMTP on standard input and output.  Every
 * message is posted as one of the user's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mail/dsn.h"
#include "mail/path.h"
#include "mail/xtext.h"

#include "sendmail.h"

#define RCPTS_MAX 10000
#define ERRORS_MAX 100

struct rcpt {
	char *addr, *orcpt;
	uint8_t notify;
};

struct smtp {
	const struct options *o;
	char *host, *queue_dir;
	uint64_t size_max;
	char *sender; /* NULL: no MAIL yet */
	char *envid;
	uint32_t flags;
	uint8_t ret;
	struct rcpt *rcpts;
	size_t nrcpts;
	unsigned errors;
	char *line; /* of getline() */
	size_t cap;
	bool over;
};

static void say(struct smtp *s, const char *fmt, ...) PRINTFLIKE(2, 3);

static void
say(struct smtp *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\r\n");
	if (fmt[0] == '5' && ++s->errors >= ERRORS_MAX)
		s->over = true;
}

/* The next line without its end; false when there is none. */
static bool
next_line(struct smtp *s, struct str *out)
{
	ssize_t n;

	fflush(stdout);
	n = getline(&s->line, &s->cap, stdin);
	if (n <= 0)
		return false;
	*out = str_make(s->line, (size_t)n);
	if (out->n > 0 && out->p[out->n - 1] == '\n')
		out->n--;
	if (out->n > 0 && out->p[out->n - 1] == '\r')
		out->n--;
	return true;
}

static void
reset(struct smtp *s)
{
	for (size_t i = 0; i < s->nrcpts; i++) {
		free(s->rcpts[i].addr);
		free(s->rcpts[i].orcpt);
	}
	free(s->rcpts);
	free(s->sender);
	free(s->envid);
	s->rcpts = NULL;
	s->nrcpts = 0;
	s->sender = s->envid = NULL;
	s->flags = 0;
	s->ret = ENV_RET_NONE;
}

/* --- verbs ---------------------------------------------------------------- */

static void
on_helo(struct smtp *s, struct str arg)
{
	reset(s);
	if (arg.n == 0)
		say(s, "501 Syntax: HELO hostname");
	else
		say(s, "250 %s", s->host);
}

static void
on_ehlo(struct smtp *s, struct str arg)
{
	reset(s);
	if (arg.n == 0) {
		say(s, "501 Syntax: EHLO hostname");
		return;
	}
	say(s, "250-%s", s->host);
	say(s, "250-PIPELINING");
	say(s, "250-SIZE %llu", (unsigned long long)s->size_max);
	say(s, "250-ENHANCEDSTATUSCODES");
	say(s, "250-8BITMIME");
	say(s, "250-DSN");
	say(s, "250 SMTPUTF8");
}

/* One parameter of MAIL; false when it is wrong. */
static bool
mail_param(struct smtp *s, const struct path_param *p)
{
	enum dsn_ret ret;
	struct buf b;
	uint64_t n;
	bool ok;

	if (str_caseeq(p->keyword, STR("SIZE")))
		return str_u64(p->value, UINT64_MAX, &n) == 0;
	if (str_caseeq(p->keyword, STR("BODY"))) {
		if (str_caseeq(p->value, STR("8BITMIME")))
			s->flags |= DROP_8BITMIME;
		return s->flags != 0 || str_caseeq(p->value, STR("7BIT"));
	}
	if (str_caseeq(p->keyword, STR("SMTPUTF8")) && !p->has_value) {
		s->flags |= DROP_SMTPUTF8;
		return true;
	}
	if (str_caseeq(p->keyword, STR("RET"))) {
		ok = dsn_ret_parse(p->value, &ret) == 0;
		s->ret = ok ? (uint8_t)ret : 0;
		return ok;
	}
	if (!str_caseeq(p->keyword, STR("ENVID")) || s->envid != NULL)
		return false;
	buf_init(&b, ENVID_MAX);
	ok = p->value.n > 0 && xtext_decode(&b, p->value) == 0;
	if (ok)
		s->envid = str_dup(buf_get(&b));
	buf_clear(&b);
	return ok;
}

static void
on_mail(struct smtp *s, struct str arg)
{
	struct path_param param;
	struct path path;
	struct buf b;
	int k = 0;

	buf_init(&b, ADDR_MAX);
	if (s->sender != NULL)
		say(s, "503 5.5.1 Error: nested MAIL command");
	else if (path_keyword(&arg, "FROM") == -1)
		say(s, "501 5.5.4 Syntax: MAIL FROM:<address>");
	else if (path_parse(arg, 0, &b, &path) != ADDR_OK)
		say(s, "501 5.1.7 Bad sender address syntax");
	else {
		while ((k = path_param(&path.rest, &param)) == 1 &&
		    mail_param(s, &param))
			;
		if (k != 0) {
			reset(s);
			say(s, "501 5.5.4 Bad MAIL parameter");
		} else {
			s->sender = str_dup(path.addr);
			say(s, "250 2.1.0 Ok");
		}
	}
	buf_clear(&b);
}

static bool
rcpt_param(struct rcpt *r, const struct path_param *p)
{
	struct str type;
	struct buf b;
	unsigned notify;
	bool ok;

	if (str_caseeq(p->keyword, STR("NOTIFY"))) {
		ok = dsn_notify_parse(p->value, &notify) == 0;
		r->notify = ok ? (uint8_t)notify : 0;
		return ok;
	}
	if (!str_caseeq(p->keyword, STR("ORCPT")) || r->orcpt != NULL)
		return false;
	buf_init(&b, ADDR_MAX);
	ok = orcpt_decode(p->value, &type, &b) == 0;
	if (ok)
		r->orcpt = xasprintf(STR_FMT ";" STR_FMT, STR_ARG(type),
		    STR_ARG(buf_get(&b)));
	buf_clear(&b);
	return ok;
}

static void
add_rcpt(struct smtp *s, struct path *path)
{
	struct path_param param;
	struct rcpt r = { .addr = NULL };
	int k;

	while ((k = path_param(&path->rest, &param)) == 1 &&
	    rcpt_param(&r, &param))
		;
	if (k != 0) {
		free(r.orcpt);
		say(s, "501 5.5.4 Bad RCPT parameter");
		return;
	}
	r.addr = str_dup(path->addr);
	s->rcpts = xreallocarray(s->rcpts, s->nrcpts + 1, sizeof(r));
	s->rcpts[s->nrcpts++] = r;
	say(s, "250 2.1.5 Ok");
}

static void
on_rcpt(struct smtp *s, struct str arg)
{
	struct path path;
	struct buf b;

	buf_init(&b, ADDR_MAX);
	if (s->sender == NULL)
		say(s, "503 5.5.1 Error: need MAIL command");
	else if (s->nrcpts == RCPTS_MAX)
		say(s, "452 4.5.3 Error: too many recipients");
	else if (path_keyword(&arg, "TO") == -1)
		say(s, "501 5.5.4 Syntax: RCPT TO:<address>");
	else if (path_parse(arg, 0, &b, &path) != ADDR_OK || path.addr.n == 0)
		say(s, "501 5.1.3 Bad recipient address syntax");
	else
		add_rcpt(s, &path);
	buf_clear(&b);
}

/* Lines up to the one dot; false when they end before it. */
static bool
read_content(struct smtp *s, struct post *p)
{
	struct str line;

	while (next_line(s, &line)) {
		if (str_eq(line, STR(".")))
			return true;
		if (line.n > 0 && line.p[0] == '.')
			line = str_sub(line, 1, line.n);
		post_content(p, line);
		post_content(p, STR("\n"));
	}
	return false;
}

static void
put(struct post *p, enum drop_type type, const char *text)
{
	struct drop d = { .type = type, .text = str_of(text) };

	if (text != NULL)
		post_put(p, &d);
}

/* What stands before the content; behind it come the recipients. */
static void
put_front(const struct smtp *s, struct post *p)
{
	struct drop head = { .type = DROP_HEAD,
		.when_us = clock_wall_us(),
		.flags = s->flags,
		.ret = s->ret };

	post_put(p, &head);
	put(p, DROP_SENDER, s->sender);
	put(p, DROP_FULLNAME, s->o->fullname);
	put(p, DROP_ENVID, s->envid);
}

static void
put_rcpts(const struct smtp *s, struct post *p)
{
	for (size_t i = 0; i < s->nrcpts; i++) {
		struct drop d = { .type = DROP_RCPT,
			.text = str_of(s->rcpts[i].addr),
			.orcpt = str_of(s->rcpts[i].orcpt),
			.notify = s->rcpts[i].notify };

		post_put(p, &d);
	}
}

static void
on_data(struct smtp *s, struct str arg)
{
	struct posted res = { .status = EX_OK };
	struct post p;

	(void)arg;
	if (s->nrcpts == 0) {
		say(s,
		    s->sender == NULL ? "503 5.5.1 Error: need RCPT command" :
					"554 5.5.1 Error: no valid recipients");
		return;
	}
	post_init(&p, s->size_max);
	put_front(s, &p);
	say(s, "354 End data with <CR><LF>.<CR><LF>");
	if (!read_content(s, &p))
		s->over = true;
	else if (p.too_big)
		say(s, "552 5.3.4 Error: message file too big");
	else {
		put_rcpts(s, &p);
		post_send(&p, s->queue_dir, &res);
		if (res.status == EX_OK)
			say(s, "250 2.0.0 Ok: queued as %s", res.text);
		else if (res.status == EX_TEMPFAIL)
			say(s, "451 4.3.0 Error: %s", res.text);
		else
			say(s, "554 5.3.0 Error: %s", res.text);
	}
	post_clear(&p);
	reset(s);
}

static void
on_rset(struct smtp *s, struct str arg)
{
	(void)arg;
	reset(s);
	say(s, "250 2.0.0 Ok");
}

static void
on_noop(struct smtp *s, struct str arg)
{
	(void)arg;
	say(s, "250 2.0.0 Ok");
}

static void
on_vrfy(struct smtp *s, struct str arg)
{
	(void)arg;
	say(s, "252 2.0.0 Post it and see");
}

static void
on_quit(struct smtp *s, struct str arg)
{
	(void)arg;
	say(s, "221 2.0.0 Bye");
	s->over = true;
}

static const struct {
	const char *name;
	void (*fn)(struct smtp *s, struct str arg);
} verbs[] = { { "HELO", on_helo }, { "EHLO", on_ehlo }, { "MAIL", on_mail },
	{ "RCPT", on_rcpt }, { "DATA", on_data }, { "RSET", on_rset },
	{ "NOOP", on_noop }, { "VRFY", on_vrfy }, { "QUIT", on_quit } };

static void
command(struct smtp *s, struct str line)
{
	struct str rest = line, verb;

	if (!str_token(&rest, " \t", &verb)) {
		say(s, "500 5.5.2 Error: bad syntax");
		return;
	}
	for (size_t i = 0; i < NELEM(verbs); i++) {
		if (!str_caseeq(verb, str_of(verbs[i].name)))
			continue;
		verbs[i].fn(s, str_trim(rest));
		return;
	}
	say(s, "500 5.5.2 Error: command not recognized");
}

int
smtp_run(const struct options *o)
{
	struct smtp s = { .o = o,
		.host = config_get(P_MYHOSTNAME),
		.queue_dir = config_get(P_QUEUE_DIRECTORY),
		.size_max = config_size(P_MESSAGE_SIZE_LIMIT) };
	struct str line;

	say(&s, "220 %s ESMTP", s.host);
	while (!s.over && next_line(&s, &line)) {
		char *copy = str_dup(line);

		command(&s, str_of(copy));
		free(copy);
	}
	fflush(stdout);
	reset(&s);
	free(s.line);
	free(s.host);
	free(s.queue_dir);
	return EX_OK;
}
