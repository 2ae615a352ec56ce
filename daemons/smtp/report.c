/* SPDX-License-Identifier: ISC */
/*
 * What became of a recipient: one line for people, one report for qmgr.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"

#include "smtp.h"

#define TEXT_MAX 1024

void
why_clear(struct why *w)
{
	free(w->text);
	free(w->relay);
	free(w->remote_mta);
	free(w->remote_text);
	*w = (struct why){ .conn_use = 0 };
}

void
why_set(struct why *w, struct dsn dsn, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	why_clear(w);
	w->dsn = dsn;
	w->text = xstrdup(text);
}

void
report_delay(struct buf *b, int64_t us)
{
	/* In hundredths, rounded to where the digits end. */
	long long c;

	if (us < 0)
		us = 0;
	if (us < 995000)
		c = (us + 5000) / 10000;
	else if (us < 9950000)
		c = (us + 50000) / 100000 * 10;
	else
		c = (us + 500000) / 1000000 * 100;
	if (c % 100 == 0)
		buf_printf(b, "%lld", c / 100);
	else if (c % 10 == 0)
		buf_printf(b, "%lld.%lld", c / 100, c / 10 % 10);
	else
		buf_printf(b, "%lld.%02lld", c / 100, c % 100);
}

static void
put_delays(struct buf *b, const struct job *j, int64_t now)
{
	int64_t ready = j->ready_us < j->start_us ? j->start_us : j->ready_us;

	buf_puts(b, "delay=");
	report_delay(b, now - j->arrived_us);
	buf_puts(b, ", delays=");
	report_delay(b, j->active_us - j->arrived_us);
	buf_putc(b, '/');
	report_delay(b, j->start_us - j->active_us);
	buf_putc(b, '/');
	report_delay(b, (j->ready_us == 0 ? now : ready) - j->start_us);
	buf_putc(b, '/');
	report_delay(b, j->ready_us == 0 ? 0 : now - ready);
}

static void
put_addr(struct buf *b, struct str addr)
{
	if (addr_quote(b, addr) == -1)
		buf_str(b, STR("?"));
}

static const char *
status_word(const struct job *j, enum fate fate)
{
	if ((j->flags & ENV_PROBE) != 0)
		return fate == FATE_SENT ? "deliverable" : "undeliverable";
	if (fate == FATE_SENT)
		return "sent";
	return fate == FATE_BOUNCED ? "bounced" : "deferred";
}

static void
log_rcpt(const struct job *j, const struct rcpt *r, const struct why *w,
    enum fate fate, const char *dsn, int64_t now)
{
	struct buf b;
	struct str s;

	buf_init(&b, 8000);
	buf_str(&b, j->qid);
	buf_puts(&b, ": to=<");
	put_addr(&b, r->addr);
	buf_puts(&b, ">, ");
	if (r->orig.n > 0 && !str_caseeq(r->orig, r->addr)) {
		buf_puts(&b, "orig_to=<");
		put_addr(&b, r->orig);
		buf_puts(&b, ">, ");
	}
	buf_printf(&b, "relay=%s, ", w->relay == NULL ? "none" : w->relay);
	if (w->conn_use > 1)
		buf_printf(&b, "conn_use=%u, ", w->conn_use);
	put_delays(&b, j, now);
	buf_printf(&b, ", dsn=%s, status=%s (%s)", dsn,
	    status_word(j, fate),
	    w->text == NULL ? "" : w->text);
	s = buf_get(&b);
	log_fate(j->st->log_name, STR_FMT, STR_ARG(s));
	buf_clear(&b);
}

static struct str
clip(const char *s, size_t max)
{
	return str_sub(str_of(s), 0, max);
}

static uint32_t
ms_between(int64_t from_us, int64_t to_us)
{
	return to_us <= from_us ? 0 : (uint32_t)((to_us - from_us) / 1000);
}

static enum fate
fate_of(const struct why *w, struct dsn d)
{
	if (w->sent)
		return FATE_SENT;
	return d.class == 5 ? FATE_BOUNCED : FATE_DEFERRED;
}

void
report(struct job *j, struct rcpt *r, const struct why *w)
{
	int64_t now = clock_wall_us();
	struct dsn d = w->dsn;
	char dsn[DSN_MAX];
	struct deliver_fate rec;

	if (r->settled)
		return;
	if (d.class == 5 && j->st->soft_bounce)
		d.class = 4;
	dsn_text(d, dsn);
	rec = (struct deliver_fate){ .rcpt = r->number,
		.fate = (uint8_t)fate_of(w, d),
		.dsn = str_of(dsn),
		.text = clip(w->text, 1024),
		.relay = clip(w->relay, 512),
		.remote_mta = clip(w->remote_mta, 256),
		.remote_text = clip(w->remote_text, 1024),
		.connect_ms = ms_between(j->start_us, j->ready_us),
		.transfer_ms =
		    j->ready_us == 0 ? 0 : ms_between(j->ready_us, now) };
	if (rec.fate == FATE_DEFERRED && j->destination)
		rec.flags |= FATE_DESTINATION;
	if (w->dsn_passed)
		rec.flags |= FATE_DSN;
	log_rcpt(j, r, w, (enum fate)rec.fate, dsn, now);
	if (j->ch != NULL)
		chan_tell(j->ch, DELIVER_FATE, j->id, &rec, NULL);
	r->settled = true;
	why_clear(&r->why);
	j->nleft--;
}

void
report_left(struct job *j, const struct why *w)
{
	for (size_t i = 0; i < j->nrcpts; i++)
		report(j, &j->rcpt[i], w);
}
