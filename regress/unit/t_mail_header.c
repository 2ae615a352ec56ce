/* SPDX-License-Identifier: ISC */
/*
 * Header blocks, dates, and our Received: header.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/mem.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/received.h"

#define S(lit) STR(lit)

/*
 * What the iterator finds, as "name=value|" for each header and "!" and the
 * rest of the message in the end; '+' where there was an empty line.  Line
 * ends are written as they are.
 */
/* clang-format off */
static const struct {
	struct str msg;
	const char *want;
} blocks[] = {
	{ S("From: a\nTo: b\n\nbody\n"), "From=a|To=b|+!body\n" },
	{ S("From: a\r\nTo: b\r\n\r\nbody\r\n"), "From=a|To=b|+!body\r\n" },
	{ S("Subject: a\n b\n\tc\nTo: d\n\n"), "Subject=a\n b\n\tc|To=d|+!" },
	{ S("Subject: a\r\n b\r\n\r\nx"), "Subject=a\r\n b|+!x" },
	{ S("Subject:\n a\n\nx"), "Subject=\n a|+!x" },
	{ S("Subject:\n\nx"), "Subject=|+!x" },
	{ S("Subject:    \n\nx"), "Subject=|+!x" },
	{ S("Subject: a \n \n\nx"), "Subject=a \n |+!x" },
	{ S("A : b\nC\t:d\n\nx"), "A=b|C=d|+!x" },
	{ S("A: b"), "A=b|!" },
	{ S("A: b\n"), "A=b|!" },
	{ S("A: b\n c"), "A=b\n c|!" },
	{ S(""), "!" },
	{ S("\n"), "+!" },
	{ S("\r\nx"), "+!x" },
	{ S("\r"), "+!" },
	/* the body begins where headers end, empty line or not */
	{ S("A: b\nno header\nC: d\n"), "A=b|!no header\nC: d\n" },
	{ S("A: b\n: c\n"), "A=b|!: c\n" },
	{ S("A: b\nx y: c\n"), "A=b|!x y: c\n" },
	{ S("A: b\n\xc3\xa4: c\n"), "A=b|!\xc3\xa4: c\n" },
	{ S(" A: b\n"), "! A: b\n" },
	{ S("hello"), "!hello" },
	{ S("A: b\n\r \nC: d\n"), "A=b|!\r \nC: d\n" },
	/* mbox */
	{ S("From joe Sat Nov 21 13:00:00 2026\nA: b\n\n"),
	    "@From joe Sat Nov 21 13:00:00 2026|A=b|+!" },
	{ S(">From joe\r\nA: b\n\n"), "@>From joe|A=b|+!" },
	{ S("A: b\nFrom joe: x\n"), "A=b|!From joe: x\n" },
	{ S("From : x\n\n"), "From=x|+!" },
	{ S("From: x\n\n"), "From=x|+!" },
	/* any byte in a value */
	{ S("A: \xff\x01\r\rx\n\n"), "A=\xff\x01\r\rx|+!" },
	{ S("!#$%&'*+-.^_`|~\x7f: x\n"), "!!#$%&'*+-.^_`|~\x7f: x\n" },
	{ S("!#$%&'*+-.^_`|~\"(),/;<=>?@[]{}: x\n"),
	    "!#$%&'*+-.^_`|~\"(),/;<=>?@[]{}=x|!" },
};
/* clang-format on */

static void
walk(struct header_iter *it, struct buf *out, struct str full, size_t step)
{
	enum header_result r;
	struct header h;
	size_t last = 0;

	while ((r = header_next(it, &h)) != HEADER_END) {
		if (r == HEADER_MORE) {
			assert_false(it->whole);
			it->msg.n += step;
			if (it->msg.n >= full.n) {
				it->msg.n = full.n;
				it->whole = true;
			}
			continue;
		}
		assert_int_equal(h.off, last);
		assert_int_equal(h.end, it->pos);
		last = h.end;
		if (h.id == HEADER_MBOX_FROM)
			buf_putc(out, '@');
		buf_str(out, h.name);
		if (h.id != HEADER_MBOX_FROM)
			buf_putc(out, '=');
		buf_str(out, h.value);
		buf_putc(out, '|');
	}
	if (it->blank)
		buf_putc(out, '+');
	buf_putc(out, '!');
	buf_str(out, str_sub(full, it->pos, full.n));
}

/* All at once, and through windows that grow by 1 to 7 bytes. */
static void
test_blocks(void **state)
{
	struct header_iter it;
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	for (size_t i = 0; i < NELEM(blocks); i++) {
		struct str m = blocks[i].msg;

		for (size_t step = 0; step < 8; step++) {
			buf_reset(&b);
			header_iter_init(&it, step == 0 ? m : str_sub(m, 0, 0),
			    1000, step == 0);
			walk(&it, &b, m, step);
			if (!str_eq(buf_get(&b), str_of(blocks[i].want)))
				fail_msg("block %zu step %zu: '%s' want '%s'",
				    i, step, buf_cstr(&b), blocks[i].want);
		}
	}
	buf_clear(&b);
}

static void
test_nul(void **state)
{
	struct header_iter it;
	struct header h;
	char line[8];

	(void)state;
	header_iter_init(&it, STR("A: b\0c\n d\0\nB\0: c\n"), 1000, true);
	assert_int_equal(header_next(&it, &h), HEADER_FIELD);
	assert_true(str_eq(h.value, STR("b\0c\n d\0")));
	assert_int_equal(header_unfold(h.value, line, sizeof(line)), 6);
	assert_string_equal(line, "b?c d?");
	assert_int_equal(header_unfold(h.value, line, 4), 3);
	assert_string_equal(line, "b?c");
	assert_int_equal(header_next(&it, &h), HEADER_END);
	assert_int_equal(it.pos, 11);
	assert_int_equal(header_unfold(STR("a\r\n\tb\r"), line, sizeof(line)),
	    4);
	assert_string_equal(line, "a\tb\r");
}

static void
test_limit(void **state)
{
	struct header_iter it;
	struct header h;

	(void)state;
	header_iter_init(&it, STR("Subject: 23456\n 89\nTo: x\n\n"), 12, true);
	assert_int_equal(header_next(&it, &h), HEADER_FIELD);
	assert_true(h.clipped);
	assert_true(str_eq(h.value, STR("234")));
	assert_int_equal(h.end, 19);
	assert_int_equal(header_next(&it, &h), HEADER_FIELD);
	assert_false(h.clipped);
	assert_int_equal(h.id, HEADER_TO);
	assert_int_equal(header_next(&it, &h), HEADER_END);
	/* a limit inside the name leaves no value */
	header_iter_init(&it, STR("Subject: 23456\n"), 3, true);
	assert_int_equal(header_next(&it, &h), HEADER_FIELD);
	assert_int_equal(h.value.n, 0);
	assert_int_equal(h.id, HEADER_SUBJECT);
}

static void
test_ids(void **state)
{
	(void)state;
	for (int id = HEADER_MBOX_FROM + 1; id < HEADER_IDS; id++) {
		char *name = str_dup_lower(str_of(header_name(id)));

		assert_true(name[0] != '\0');
		assert_int_equal(header_lookup(str_of(name)), id);
		free(name);
	}
	assert_int_equal(header_lookup(STR("X-Foo")), HEADER_OTHER);
	assert_int_equal(header_lookup(STR("")), HEADER_OTHER);
	assert_int_equal(header_lookup(STR("Subjec")), HEADER_OTHER);
	assert_int_equal(header_lookup(STR("MESSAGE-ID")), HEADER_MESSAGE_ID);
	assert_int_equal(header_flags(HEADER_OTHER), 0);
	assert_int_equal(header_flags(HEADER_RESENT_BCC),
	    HEADER_IS_RCPT | HEADER_EXTRACT | HEADER_IS_RESENT | HEADER_DROP);
	assert_int_equal(header_flags(HEADER_FROM), HEADER_IS_SENDER);
	assert_int_equal(header_flags(HEADER_CONTENT_ID), HEADER_MIME);
}

/* One header of a megabyte, and a megabyte of headers. */
static void
test_linear(void **state)
{
	static const char *const units[] = { "A:\n", "a", " \n", ":",
		"A:b\n \n", "\t" };
	size_t n = 1 << 20, fields = 0;
	int64_t start = clock_ms();
	struct header_iter it;
	struct header h;
	char *p = xmalloc(n);

	(void)state;
	for (size_t i = 0; i < NELEM(units); i++) {
		for (size_t k = 0; k < n; k++)
			p[k] = units[i][k % strlen(units[i])];
		p[0] = 'A';
		p[1] = ':';
		header_iter_init(&it, str_make(p, n), 102400, true);
		while (header_next(&it, &h) == HEADER_FIELD)
			fields++;
	}
	assert_true(fields > n / 3);
	assert_true(clock_ms() - start < 30000);
	free(p);
}

static void
set_zone(const char *tz)
{
	setenv("TZ", tz, 1);
	date_init();
}

static void
test_date_format(void **state)
{
	/* 2026-11-21 12:00:00 UTC */
	int64_t t = 1795262400LL * 1000000;

	(void)state;
	set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	assert_true(str_eq(date_rfc5322(t + 999999),
	    STR("Sat, 21 Nov 2026 13:00:00 +0100 (CET)")));
	assert_true(str_eq(date_rfc5322(t),
	    STR("Sat, 21 Nov 2026 13:00:00 +0100 (CET)")));
	assert_true(str_eq(date_rfc5322(t + 1000000),
	    STR("Sat, 21 Nov 2026 13:00:01 +0100 (CET)")));
	assert_true(str_eq(date_rfc5322(t - 1),
	    STR("Sat, 21 Nov 2026 12:59:59 +0100 (CET)")));
	/* summer, and one digit */
	assert_true(str_eq(date_rfc5322(1783080000LL * 1000000),
	    STR("Fri,  3 Jul 2026 14:00:00 +0200 (CEST)")));
	assert_true(str_eq(date_mbox(1783080000LL * 1000000),
	    STR("Fri Jul  3 14:00:00 2026")));
	assert_true(str_eq(date_stamp(t), STR("20261121120000")));
	set_zone("NST3:30");
	assert_true(str_eq(date_rfc5322(t + 2000000),
	    STR("Sat, 21 Nov 2026 08:30:02 -0330 (NST)")));
	set_zone("UTC0");
	assert_true(str_eq(date_rfc5322(-1),
	    STR("Wed, 31 Dec 1969 23:59:59 +0000 (UTC)")));
	/* a clock gone mad writes something, and within bounds */
	assert_true(date_rfc5322(INT64_MAX).n < DATE_MAX);
	assert_true(date_rfc5322(INT64_MIN).n < DATE_MAX);
	assert_true(date_stamp(INT64_MAX).n < DATE_MAX);
}

#define DATE "Sat, 21 Nov 2026 12:00:00 +0000 (UTC)"

static void
check_received(const struct received *r, const char *want)
{
	struct buf b;

	buf_init(&b, RECEIVED_MAX);
	assert_int_equal(received_format(&b, r), 0);
	assert_string_equal(buf_cstr(&b), want);
	buf_clear(&b);
}

static void
test_received(void **state)
{
	struct received r = { .helo = S("mail.example.org"),
		.name = S("mx.example.org"),
		.addr = S("192.0.2.1"),
		.by = S("host.example.com"),
		.mail_name = S("Postfix"),
		.id = S("4XyZ01"),
		.rcpt = S("joe blow@example.com"),
		.us = 1795262400LL * 1000000 };
	struct buf b;

	(void)state;
	set_zone("UTC0");
	check_received(&r,
	    "Received: from mail.example.org (mx.example.org [192.0.2.1])\n"
	    "\tby host.example.com (Postfix) with SMTP id 4XyZ01\n"
	    "\tfor <\"joe blow\"@example.com>; " DATE "\n");
	r.rcpt = STR_NONE;
	r.addr = STR("2001:db8::1");
	r.flags = RECEIVED_ESMTP | RECEIVED_TLS | RECEIVED_AUTH;
	r.sasl_user = STR("joe)\r\n(x");
	r.tls = (struct received_tls){ .protocol = S("TLSv1.3"),
		.cipher = S("TLS_AES_256_GCM_SHA384"),
		.bits_used = 256,
		.bits = 256,
		.details = S("key-exchange X25519 server-signature "
			     "RSA-PSS (2048 bits)"),
		.cert = RECEIVED_CERT_VERIFIED,
		.subject_cn = S("a(b"),
		.issuer_cn = S("c\nd") };
	check_received(&r,
	    "Received: from mail.example.org (mx.example.org "
	    "[IPv6:2001:db8::1])\n"
	    "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 "
	    "bits)\n"
	    "\t key-exchange X25519 server-signature RSA-PSS (2048 bits))\n"
	    "\t(Client CN \"a?b\", Issuer \"c?d\" (verified OK))\n"
	    "\t(Authenticated sender: joe????x)\n"
	    "\tby host.example.com (Postfix) with ESMTPSA id 4XyZ01;\n"
	    "\t" DATE "\n");
	r.tls.cert = RECEIVED_CERT_NONE;
	r.tls.details = r.sasl_user = STR_NONE;
	r.helo = STR("a b\r\nX: y (;<\xc3\xa4>\")");
	r.rcpt = STR("d\xc3\xb6@x");
	r.flags |= RECEIVED_UTF8;
	check_received(&r,
	    "Received: from a?b??X:?y????????? (mx.example.org "
	    "[IPv6:2001:db8::1])\n"
	    "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 "
	    "bits))\n"
	    "\t(Client did not present a certificate)\n"
	    "\tby host.example.com (Postfix) with UTF8SMTPSA id 4XyZ01\n"
	    "\tfor <d\xc3\xb6@x>; " DATE "\n");
	buf_init(&b, 100);
	assert_int_equal(received_format(&b, &r), -1);
	buf_clear(&b);
	buf_init(&b, RECEIVED_MAX);
	assert_int_equal(received_format_local(&b, STR("h.example"),
			     STR("Postfix"), 1000, STR("4XyZ"), r.us),
	    0);
	assert_string_equal(buf_cstr(&b),
	    "Received: by h.example (Postfix, from userid 1000)\n"
	    "\tid 4XyZ; " DATE "\n");
	buf_clear(&b);
}

/* Whatever strangers write, the header fits its promise. */
static void
test_received_max(void **state)
{
	char *p = xmalloc(10000);
	struct str s = str_make(p, 10000);
	struct received r = { s, s, s,
		{ s, s, 1, 1, s, RECEIVED_CERT_UNVERIFIED, s, s }, s, s, s, 31,
		s, s, 0 };
	struct buf b;

	(void)state;
	memset(p, '\n', 10000);
	buf_init(&b, RECEIVED_MAX);
	assert_int_equal(received_format(&b, &r), 0);
	assert_null(strstr(buf_cstr(&b), "\tfor"));
	r.rcpt.n = 500;
	buf_reset(&b);
	assert_int_equal(received_format(&b, &r), 0);
	assert_non_null(strstr(buf_cstr(&b), "\tfor"));
	buf_clear(&b);
	free(p);
}

static void
test_with(void **state)
{
	(void)state;
	assert_string_equal(received_with(0), "SMTP");
	assert_string_equal(received_with(RECEIVED_ESMTP), "ESMTP");
	assert_string_equal(received_with(RECEIVED_ESMTP | RECEIVED_TLS),
	    "ESMTPS");
	assert_string_equal(received_with(RECEIVED_LMTP | RECEIVED_AUTH),
	    "LMTPA");
	assert_string_equal(received_with(RECEIVED_ESMTP | RECEIVED_UTF8),
	    "UTF8SMTP");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_date_format),
		cmocka_unit_test(test_received),
		cmocka_unit_test(test_received_max),
		cmocka_unit_test(test_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
