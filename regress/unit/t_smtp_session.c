/* SPDX-License-Identifier: ISC */
/*
 * The SMTP client against servers that follow a script.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "t_smtp.h"

#define HELLO                                             \
	"< 220 mx.example ESMTP\n> EHLO client.example\n" \
	"< 250-mx.example\n< 250-PIPELINING\n< 250-8BITMIME\n"
#define PIPED HELLO "< 250 SIZE 1000000\n"
#define MAIL1 "> MAIL FROM:<s@a> SIZE=\n> RCPT TO:<r@b>\n> DATA\n"
#define MAIL1_OK "< 250 2.1.0 Ok\n< 250 2.1.5 Ok\n< 354 go\n"
#define TEXT "Subject: x\n\nhello\n"

struct want {
	unsigned fate; /* 0 ends */
	unsigned flags;
	const char *dsn;
	const char *text; /* begins so, with $P for :port */
};

struct scenario {
	const char *why;
	const char *main_cf;
	const char *transport;
	const char *hosts[4];
	const char *rcpts;
	uint32_t flags;
	const char *scripts[4];
	struct want want[4];
	const char *log; /* in the log, or NULL */
};

/* clang-format off */
static const struct scenario scenarios[] = {
{ "one write, one message", "", "smtp", { "127.0.0.1" }, "r@b", 0,
  { PIPED MAIL1 MAIL1_OK ">.\n< 250 2.0.0 Ok: queued as ABC\n> QUIT\n&" },
  { { FATE_SENT, 0, "2.0.0", "250 2.0.0 Ok: queued as ABC" } },
  "4Zabcd: to=<r@b>, relay=mx.example[127.0.0.1]:$P, delay=3." },
{ "without PIPELINING each command waits", "", "smtp", { "127.0.0.1" }, "r@b q@b", 0,
  { "< 220 mx\n> EHLO\n< 250 mx\n> MAIL FROM:<s@a>\n< 250 ok\n> RCPT TO:<r@b>\n< 250 ok\n"
    "> RCPT TO:<q@b>\n< 250 ok\n> DATA\n< 354 go\n>.\n< 250 done\n" },
  { { FATE_SENT, 0, "2.0.0", "250 done" }, { FATE_SENT, 0, "2.0.0", "250 done" } }, NULL },
{ "HELO when EHLO is refused", "", "smtp", { "127.0.0.1" }, "r@b", 0,
  { "< 220 mx\n> EHLO\n< 500 what\n> HELO client.example\n< 250 mx\n> MAIL FROM:<s@a>\n< 250 ok\n"
    "> RCPT TO:<r@b>\n< 250 ok\n> DATA\n< 354 go\n>.\n< 250 done\n" },
  { { FATE_SENT, 0, "2.0.0", "250 done" } }, NULL },
{ "each recipient its own fate", "", "smtp", { "127.0.0.1" }, "r@b q@b p@b", 0,
  { PIPED "> MAIL\n> RCPT\n> RCPT\n> RCPT\n> DATA\n< 250 ok\n< 550 5.1.1 none such\n< 450 4.2.0 wait\n< 250 ok\n"
    "< 354 go\n>.\n< 250 2.0.0 fine\n" },
  { { FATE_BOUNCED, 0, "5.1.1", "host mx.example[127.0.0.1] said: 550 5.1.1 none such (in reply to RCPT TO command)" },
    { FATE_SENT, 0, "2.0.0", "250 2.0.0 fine" },
    { FATE_DEFERRED, 0, "4.2.0", "host mx.example[127.0.0.1] said: 450 4.2.0 wait (in reply to RCPT TO command)" } },
  "status=bounced (host mx.example[127.0.0.1] said: 550 5.1.1 none such (in reply to RCPT TO command))" },
{ "what waits tries the next server", "", "smtp", { "127.0.0.1 1", "127.0.0.1 2" }, "r@b q@b", 0,
  { PIPED "> MAIL\n> RCPT TO:<r@b>\n> RCPT TO:<q@b>\n> DATA\n< 250 ok\n< 250 ok\n< 450 wait\n< 354 go\n>.\n< 250 fine\n",
    PIPED "> MAIL\n> RCPT TO:<q@b>\n> DATA\n< 250 ok\n< 250 ok\n< 354 go\n>.\n< 250 fine\n" },
  { { FATE_SENT, 0, "2.0.0", "250 fine" }, { FATE_SENT, 0, "2.0.0", "250 fine" } }, NULL },
{ "all recipients refused, 354 all the same", "", "smtp", { "127.0.0.1" }, "r@b", 0,
  { PIPED MAIL1 "< 250 ok\n< 550 no\n< 354 go\n> .\n< 554 no recipients\n&" },
  { { FATE_BOUNCED, 0, "5.0.0", "host mx.example[127.0.0.1] said: 550 no (in reply to RCPT" } }, NULL },
{ "MAIL refused for good", "", "smtp", { "127.0.0.1" }, "r@b q@b", 0,
  { PIPED "> MAIL\n> RCPT\n> RCPT\n> DATA\n< 553 5.7.1 go away\n< 503 no\n< 503 no\n< 503 no\n&" },
  { { FATE_BOUNCED, 0, "5.7.1", "host mx.example[127.0.0.1] said: 553 5.7.1 go away (in reply to MAIL FROM command)" },
    { FATE_BOUNCED, 0, "5.7.1", "host mx.example[127.0.0.1] said: 553 5.7.1 go away (in reply to MAIL FROM command)" } }, NULL },
{ "DATA answered as if it were NOOP", "", "smtp", { "127.0.0.1" }, "r@b", 0,
  { PIPED MAIL1 "< 250 ok\n< 250 ok\n< 250 sure\n&" },
  { { FATE_DEFERRED, 0, "4.5.0", "host mx.example[127.0.0.1] said: 250 sure (in reply to DATA command)" } }, NULL },
{ "refused at the dot", "", "smtp", { "127.0.0.1" }, "r@b", 0,
  { PIPED MAIL1 MAIL1_OK ">.\n< 554 5.6.0 virus\n&" },
  { { FATE_BOUNCED, 0, "5.6.0", "host mx.example[127.0.0.1] said: 554 5.6.0 virus (in reply to end of DATA command)" } }, NULL },
{ "connection refused, then another server", "", "smtp", { "127.0.0.3 1", "127.0.0.1 2" }, "r@b", 0,
  { PIPED MAIL1 MAIL1_OK ">.\n< 250 fine\n" },
  { { FATE_SENT, 0, "2.0.0", "250 fine" } }, "connect to mx.example[127.0.0.3]:$P: Connection refused" },
{ "connection refused by all", "", "smtp", { "127.0.0.3 1" }, "r@b", 0, { NULL },
  { { FATE_DEFERRED, FATE_DESTINATION, "4.4.1", "connect to mx.example[127.0.0.3]:$P: Connection refused" } },
  "relay=none, delay=3." },
{ "greeting of 5xx is for now", "", "smtp", { "127.0.0.1" }, "r@b", 0, { "< 554 no\n&" },
  { { FATE_DEFERRED, FATE_DESTINATION, "4.0.0", "host mx.example[127.0.0.1] refused to talk to me: 554 no" } }, NULL },
{ "greeting of 5xx is for good", "smtp_skip_5xx_greeting = no\n", "smtp", { "127.0.0.1" }, "r@b", 0, { "< 554 5.3.2 no\n&" },
  { { FATE_BOUNCED, 0, "5.3.2", "host mx.example[127.0.0.1] refused to talk to me: 554 5.3.2 no" } }, NULL },
{ "gone before the greeting", "", "smtp", { "127.0.0.1" }, "r@b", 0, { "!" },
  { { FATE_DEFERRED, FATE_DESTINATION, "4.4.", "" } }, NULL },
{ "gone in the greeting", "", "smtp", { "127.0.0.1" }, "r@b", 0, { "< 220-mx\n!" },
  { { FATE_DEFERRED, FATE_DESTINATION, "4.4.2", "lost connection with mx.example[127.0.0.1] while receiving the initial server greeting" } }, NULL },
{ "gone after EHLO", "", "smtp", { "127.0.0.1" }, "r@b", 0, { "< 220 mx\n> EHLO\n!" },
  { { FATE_DEFERRED, FATE_DESTINATION, "4.4.2", "lost connection with mx.example[127.0.0.1] while performing the EHLO handshake" } }, NULL },
{ "gone after MAIL", "", "smtp", { "127.0.0.1" }, "r@b", 0, { PIPED MAIL1 "!" },
  { { FATE_DEFERRED, 0, "4.4.2", "lost connection with mx.example[127.0.0.1] while sending MAIL FROM" } }, NULL },
{ "gone after RCPT", "", "smtp", { "127.0.0.1" }, "r@b", 0, { PIPED MAIL1 "< 250 ok\n!" },
  { { FATE_DEFERRED, 0, "4.4.2", "lost connection with mx.example[127.0.0.1] while sending RCPT TO" } }, NULL },
{ "gone after DATA, the next server takes it", "", "smtp", { "127.0.0.1 1", "127.0.0.1 2" }, "r@b", 0,
  { PIPED MAIL1 "< 250 ok\n< 250 ok\n!", PIPED MAIL1 MAIL1_OK ">.\n< 250 fine\n" },
  { { FATE_SENT, 0, "2.0.0", "250 fine" } }, NULL },
{ "gone after the dot: nobody else gets it", "", "smtp", { "127.0.0.1 1", "127.0.0.1 2" }, "r@b", 0,
  { PIPED MAIL1 MAIL1_OK ">.\n!" },
  { { FATE_DEFERRED, 0, "4.4.2", "lost connection with mx.example[127.0.0.1] while sending end of data -- message may be sent more than once" } }, NULL },
{ "silent server", "smtp_helo_timeout = 1s\n", "smtp", { "127.0.0.1" }, "r@b", 0, { "< 220 mx\n> EHLO\n~" },
  { { FATE_DEFERRED, FATE_DESTINATION, "4.4.2", "conversation with mx.example[127.0.0.1] timed out while performing the EHLO handshake" } }, NULL },
{ "silent from the start", "smtp_connect_timeout = 1s\nsmtp_helo_timeout = 1s\n", "smtp", { "127.0.0.1" }, "r@b", 0, { "~" },
  { { FATE_DEFERRED, FATE_DESTINATION, "4.4.2", "conversation with mx.example[127.0.0.1] timed out while receiving the initial server greeting" } }, NULL },
{ "too large", "", "smtp", { "127.0.0.1" }, "r@b", 0, { HELLO "< 250 SIZE 10\n> QUIT\n&" },
  { { FATE_BOUNCED, 0, "5.3.4", "message size 18 exceeds size limit 10 of server mx.example[127.0.0.1]" } }, NULL },
{ "8-bit content, and the server knows", "", "smtp", { "127.0.0.1" }, "r@b", ENV_8BITMIME,
  { PIPED "> MAIL FROM:<s@a> SIZE=18 BODY=8BITMIME\n> RCPT\n> DATA\n" MAIL1_OK ">.\n< 250 fine\n" },
  { { FATE_SENT, 0, "2.0.0", "250 fine" } }, NULL },
{ "DSN", "", "smtp", { "127.0.0.1" }, "r@b!6!rfc822;x+y@c q@b", 0,
  { HELLO "< 250 DSN\n> MAIL FROM:<s@a> RET=HDRS ENVID=Q+2B1\n> RCPT TO:<r@b> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+2By@c\n> RCPT TO:<q@b>\n> DATA\n"
    "< 250 ok\n< 250 ok\n< 250 ok\n< 354 go\n>.\n< 250 fine\n" },
  { { FATE_SENT, FATE_DSN, "2.0.0", "250 fine" }, { FATE_SENT, FATE_DSN, "2.0.0", "250 fine" } }, "to=<r@b>, orig_to=<orig@here>, relay=mx" },
{ "an original recipient that is none", "", "smtp", { "127.0.0.1" }, "r@b!4!rfc822\r\nRSET\r\n;x@c q@b!4!;x@c", 0,
  { HELLO "< 250 DSN\n> MAIL\n> RCPT TO:<r@b> NOTIFY=FAILURE ORCPT=rfc822;orig@here\n> RCPT TO:<q@b> NOTIFY=FAILURE ORCPT=rfc822;orig@here\n> DATA\n"
    "< 250 ok\n< 250 ok\n< 250 ok\n< 354 go\n>.\n< 250 fine\n" },
  { { FATE_SENT, FATE_DSN, "2.0.0", "250 fine" }, { FATE_SENT, FATE_DSN, "2.0.0", "250 fine" } }, NULL },
{ "SMTPUTF8 needed and not there", "", "smtp", { "127.0.0.1" }, "\303\274@b", ENV_SMTPUTF8, { PIPED "> QUIT\n&" },
  { { FATE_BOUNCED, 0, "5.6.7", "SMTPUTF8 is required, but was not offered by host mx.example[127.0.0.1]" } }, NULL },
{ "LMTP: an answer for each", "", "lmtp", { "127.0.0.1" }, "r@b q@b p@b", 0,
  { "< 220 mx\n> LHLO client.example\n< 250-mx\n< 250 PIPELINING\n> MAIL\n> RCPT\n> RCPT\n> RCPT\n> DATA\n"
    "< 250 ok\n< 250 ok\n< 550 5.1.1 no\n< 250 ok\n< 354 go\n>.\n< 250 2.1.5 r\n< 452 4.2.2 full\n&" },
  { { FATE_BOUNCED, 0, "5.1.1", "host" }, { FATE_SENT, 0, "2.1.5", "250 2.1.5 r" },
    { FATE_DEFERRED, 0, "4.2.2", "host mx.example[127.0.0.1] said: 452 4.2.2 full (in reply to end of DATA command)" } }, NULL },
{ "our own name", "", "smtp", { "127.0.0.1" }, "r@b", 0, { "< 220 x\n> EHLO\n< 250-client.example\n< 250 PIPELINING\n&" },
  { { FATE_BOUNCED, 0, "5.4.6", "mail for dest.example loops back to myself" } }, "greeted me with my own name" },
{ "soft_bounce", "soft_bounce = yes\n", "smtp", { "127.0.0.1" }, "r@b", 0,
  { PIPED MAIL1 "< 250 ok\n< 550 5.1.1 no\n< 554 no\n&" },
  { { FATE_DEFERRED, 0, "4.1.1", "host" } }, NULL },
{ "the log says why another server is tried", "", "smtp", { "127.0.0.1 1", "127.0.0.1 2" }, "r@b", 0,
  { "< 421 4.3.2 busy\n&", PIPED MAIL1 MAIL1_OK ">.\n< 250 fine\n" },
  { { FATE_SENT, 0, "2.0.0", "250 fine" } }, "4Zabcd: host mx.example[127.0.0.1] refused to talk to me: 421 4.3.2 busy\n" },
{ "two sessions and no more", "", "smtp", { "127.0.0.1 1", "127.0.0.1 2", "127.0.0.1 3" }, "r@b", 0,
  { "< 421 4.3.2 busy\n&", "< 421 4.3.2 busy, too\n&" },
  { { FATE_DEFERRED, FATE_DESTINATION, "4.3.2", "host mx.example[127.0.0.1] refused to talk to me: 421 4.3.2 busy, too" } }, NULL },
{ "the rest is not wanted", "", "smtp", { "127.0.0.1" }, "r@b", 0,
  { PIPED MAIL1 MAIL1_OK "< 552 5.3.4 too much\n!" },
  { { FATE_BOUNCED, 0, "5.3.4", "host mx.example[127.0.0.1] said: 552 5.3.4 too much (in reply to end of DATA command)" } }, NULL },
};
/* clang-format on */

static void
with_port(const char *in, uint16_t port, char *out, size_t size)
{
	const char *p = strstr(in, "$P");

	if (p == NULL)
		snprintf(out, size, "%s", in);
	else
		snprintf(out, size, "%.*s%u%s", (int)(p - in), in, port, p + 2);
}

static void
check(const struct scenario *sc, struct rig *r)
{
	char text[1200];
	size_t n = 0;

	while (sc->want[n].fate != 0)
		n++;
	if (r->nfates != n)
		fail_msg("%s: %zu fates, not %zu\n%s", sc->why, r->nfates, n,
		    r->log);
	for (size_t i = 0; i < n; i++) {
		const struct want *w = &sc->want[i];
		const struct rig_fate *f = &r->fate[i];

		with_port(w->text, r->port, text, sizeof(text));
		if (f->fate != w->fate || f->flags != w->flags ||
		    strncmp(f->dsn, w->dsn, strlen(w->dsn)) != 0 ||
		    strncmp(f->text, text, strlen(text)) != 0)
			fail_msg("%s: fate %u flags %u %s %s", sc->why, f->fate,
			    f->flags, f->dsn, f->text);
	}
	if (sc->log != NULL) {
		with_port(sc->log, r->port, text, sizeof(text));
		if (strstr(r->log, text) == NULL)
			fail_msg("%s: not in the log: %s\n%s", sc->why, text,
			    r->log);
	}
}

static void
run_scenario(const struct scenario *sc)
{
	struct rig r;

	rig_init(&r, sc->main_cf);
	for (size_t i = 0; i < 4; i++) {
		r.host[i] = sc->hosts[i];
		r.script[i] = sc->scripts[i];
		if (sc->scripts[i] != NULL)
			r.nscripts++;
	}
	rig_job(&r, sc->transport, "dest.example", "s@a", sc->rcpts, sc->flags,
	    TEXT);
	if (!rig_run(&r))
		fail_msg("%s: does not end\n%s", sc->why, r.log);
	rig_wait(&r, 20);
	check(sc, &r);
	for (size_t i = 0; i < r.nconns; i++)
		if (r.server[i].trouble)
			fail_msg("%s: server %zu is not content", sc->why, i);
	assert_int_equal(r.failed, 0);
	assert_int_equal(r.nconns, r.nscripts);
	rig_clear(&r);
}

static void
test_scenarios(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(scenarios); i++)
		run_scenario(&scenarios[i]);
}

static const struct {
	unsigned status, flags;
	const char *main_cf;
	unsigned fate;
	unsigned fate_flags;
	const char *dsn;
} routes[] = {
	{ DNS_NOT_FOUND, 0, "", FATE_BOUNCED, 0, "5.4.4" },
	{ DNS_NOT_FOUND, DNS_NO_ADDRESS, "", FATE_BOUNCED, 0, "5.4.4" },
	{ DNS_NOT_FOUND, DNS_NO_ADDRESS,
	    "smtp_defer_if_no_mx_address_found = yes\n", FATE_DEFERRED, 0,
	    "4.4.4" },
	{ DNS_NULL_MX, 0, "", FATE_BOUNCED, 0, "5.1.0" },
	{ DNS_LATER, 0, "", FATE_DEFERRED, FATE_DESTINATION, "4.4.3" },
	{ DNS_LOOP, 0, "", FATE_BOUNCED, 0, "5.4.6" },
	{ DNS_FORBIDDEN, 0, "", FATE_BOUNCED, 0, "5.4.4" },
	{ DNS_BAD, 0, "", FATE_BOUNCED, 0, "5.4.4" },
	{ 99, 0, "", FATE_DEFERRED, FATE_DESTINATION, "4.4.3" },
};

static void
test_no_route(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(routes); i++) {
		struct rig r;

		rig_init(&r, routes[i].main_cf);
		r.host[0] = NULL;
		r.dns_status = routes[i].status;
		r.dns_flags = routes[i].flags;
		r.dns_text = "because";
		rig_job(&r, "smtp", "dest.example", "s@a", "r@b q@b", 0, TEXT);
		assert_true(rig_run(&r));
		assert_int_equal(r.nfates, 2);
		assert_int_equal(r.fate[1].fate, routes[i].fate);
		assert_int_equal(r.fate[1].flags, routes[i].fate_flags);
		assert_string_equal(r.fate[1].dsn, routes[i].dsn);
		assert_string_equal(r.fate[1].text, "because");
		assert_non_null(strstr(r.log, "relay=none"));
		rig_clear(&r);
	}
}

/* What cannot be reached, or is not found, goes to the fallback relay. */
static void
test_fallback(void **state)
{
	static const struct {
		const char *host;
		unsigned status, fate;
	} cases[] = {
		{ "127.0.0.3", DNS_OK, FATE_SENT },
		{ "127.0.0.3", DNS_NOT_FOUND, FATE_SENT },
		{ "127.0.0.3", DNS_LATER, FATE_SENT },
		{ "127.0.0.3", DNS_NULL_MX, FATE_BOUNCED },
		{ "127.0.0.3", DNS_LOOP, FATE_BOUNCED },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct rig r;

		rig_init(&r, "smtp_fallback_relay = [relay.example]\n");
		r.host[0] = cases[i].host;
		r.dns_status = cases[i].status;
		r.dns_text = "because";
		r.fallback = "127.0.0.1";
		r.script[0] = PIPED MAIL1 MAIL1_OK ">.\n< 250 fine\n";
		r.nscripts = 1;
		rig_job(&r, "smtp", "dest.example", "s@a", "r@b", 0, TEXT);
		assert_true(rig_run(&r));
		assert_int_equal(r.fate[0].fate, cases[i].fate);
		rig_clear(&r);
	}
}

/* The kernel shows that the server is this machine. */
static void
test_self(void **state)
{
	static const struct {
		const char *main_cf, *nexthop, *first, *second;
		unsigned fate;
		const char *text;
	} cases[] = {
		{ "inet_interfaces = all\n", "dest.example", "127.0.0.1", NULL,
		    FATE_BOUNCED,
		    "mail for dest.example loops back to myself" },
		{ "inet_interfaces = all\n", "dest.example", "127.0.0.3 1",
		    "127.0.0.1 2", FATE_DEFERRED, "connect to" },
		/* Who names a host and a port of his own means it. */
		{ "inet_interfaces = all\n", "[dest.example]:99", "127.0.0.1",
		    NULL, FATE_SENT, "250 fine" },
		/* An address that we do not listen at is somebody else's. */
		{ "", "dest.example", "127.0.0.1", NULL, FATE_SENT,
		    "250 fine" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct rig r;

		rig_init(&r, cases[i].main_cf);
		r.self = true;
		r.host[0] = cases[i].first;
		r.host[1] = cases[i].second;
		r.script[0] = PIPED MAIL1 MAIL1_OK ">.\n< 250 fine\n";
		r.nscripts = 1;
		rig_job(&r, "smtp", cases[i].nexthop, "s@a", "r@b", 0, TEXT);
		assert_true(rig_run(&r));
		if (r.fate[0].fate != cases[i].fate ||
		    strncmp(r.fate[0].text, cases[i].text,
			strlen(cases[i].text)) != 0)
			fail_msg("case %zu: %u %s", i, r.fate[0].fate,
			    r.fate[0].text);
		rig_clear(&r);
	}
}

/* --- connections kept ----------------------------------------------------- */

static void
two_jobs(struct rig *r, const char *second)
{
	rig_job(r, "smtp", "dest.example", "s@a", "r@b", 0, TEXT);
	assert_true(rig_run(r));
	rig_job(r, "smtp", second, "s@a", "r@b", 0, TEXT);
	assert_true(rig_run(r));
	assert_int_equal(r->nfates, 2);
	assert_int_equal(r->fate[0].fate, FATE_SENT);
}

#define ONCE PIPED MAIL1 MAIL1_OK ">.\n< 250 one\n"

static void
test_reuse(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "");
	r.script[0] = ONCE MAIL1 MAIL1_OK ">.\n< 250 two\n" MAIL1 MAIL1_OK
					  ">.\n< 250 three\n> QUIT\n&";
	r.nscripts = 1;
	two_jobs(&r, "dest.example");
	assert_int_equal(r.nconns, 1);
	assert_int_equal(r.nroutes, 1);
	assert_string_equal(r.fate[1].text, "250 two");
	assert_non_null(strstr(r.log, ", conn_use=2, delay="));
	rig_job(&r, "smtp", "dest.example", "s@a", "r@b", 0, TEXT);
	assert_true(rig_run(&r));
	assert_string_equal(r.fate[2].text, "250 three");
	rig_wait(&r, 4000); /* it says good-bye when it was idle too long */
	assert_string_equal(r.server[0].script, "");
	assert_true(TAILQ_EMPTY(&r.m.sessions));
	rig_clear(&r);
}

/* Whoever is kept waiting when we end is told so. */
static void
test_stop(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "");
	r.script[0] = ONCE "> QUIT\n&";
	r.nscripts = 1;
	rig_job(&r, "smtp", "dest.example", "s@a", "r@b", 0, TEXT);
	assert_true(rig_run(&r));
	smtp_stop(&r.m);
	rig_wait(&r, 50);
	assert_string_equal(r.server[0].script, "");
	assert_true(TAILQ_EMPTY(&r.m.sessions));
	rig_clear(&r);
}

static void
test_reuse_after_failure(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "");
	r.script[0] = PIPED MAIL1 "< 250 ok\n< 550 no\n< 554 no\n"
				  "> RSET\n" MAIL1 "< 250 ok\n" MAIL1_OK
				  ">.\n< 250 two\n";
	r.nscripts = 1;
	rig_job(&r, "smtp", "dest.example", "s@a", "r@b", 0, TEXT);
	assert_true(rig_run(&r));
	rig_job(&r, "smtp", "dest.example", "s@a", "r@b", 0, TEXT);
	assert_true(rig_run(&r));
	assert_string_equal(r.fate[1].text, "250 two");
	assert_false(r.server[0].trouble);
	rig_clear(&r);
}

static void
test_not_reused(void **state)
{
	static const struct {
		const char *main_cf, *first, *next;
	} cases[] = {
		{ "", ONCE "~", "other.example" }, /* another destination */
		{ "smtp_connection_cache_on_demand = no\n", ONCE "> QUIT\n&",
		    "dest.example" },
		{ "smtp_connection_reuse_count_limit = 1\n", ONCE "> QUIT\n&",
		    "dest.example" },
		{ "smtp_connection_cache_on_demand = no\n"
		  "smtp_connection_cache_destinations = x.example\n",
		    ONCE "> QUIT\n&", "dest.example" },
		{ "", ONCE "!", "dest.example" }, /* the server has gone */
		{ "", ONCE "> MAIL\n!", "dest.example" }, /* as we ask */
		{ "", ONCE "> MAIL\n< 421 4.4.2 idle\n!", "dest.example" },
		{ "", PIPED MAIL1 MAIL1_OK ">.\n< 250 one\n< 250 more\n~",
		    "dest.example" }, /* said too much */
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct rig r;

		rig_init(&r, cases[i].main_cf);
		r.script[0] = cases[i].first;
		r.script[1] = PIPED MAIL1 MAIL1_OK ">.\n< 250 two\n";
		r.nscripts = 2;
		two_jobs(&r, cases[i].next);
		if (r.nconns != 2 || strcmp(r.fate[1].text, "250 two") != 0)
			fail_msg("case %zu: %zu connections, %s", i, r.nconns,
			    r.fate[1].text);
		rig_clear(&r);
	}
}

/* --- peers that go -------------------------------------------------------- */

static void
test_qmgr_gone(void **state)
{
	static const char *const scripts[] = { "~", PIPED "~",
		PIPED MAIL1 MAIL1_OK "~", PIPED MAIL1 MAIL1_OK ">.\n~" };

	(void)state;
	for (size_t i = 0; i < NELEM(scripts); i++) {
		struct rig r;

		rig_init(&r, "smtp_data_done_timeout = 1s\n");
		r.script[0] = scripts[i];
		r.nscripts = 1;
		rig_job(&r, "smtp", "dest.example", "s@a", "r@b", 0, TEXT);
		rig_wait(&r, 100);
		chan_free(&r.qmgr);
		rig_wait(&r, i >= 2 ? 2500 : 100); /* the dot is out */
		if (!TAILQ_EMPTY(&r.m.jobs) || !TAILQ_EMPTY(&r.m.sessions))
			fail_msg("case %zu: there is something left", i);
		rig_clear(&r);
	}
}

static void
test_dns_gone(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "");
	chan_free(&r.dns_b);
	rig_job(&r, "smtp", "dest.example", "s@a", "r@b", 0, TEXT);
	assert_true(rig_run(&r));
	assert_int_equal(r.fate[0].fate, FATE_DEFERRED);
	rig_job(&r, "smtp", "dest.example", "s@a", "r@b", 0, TEXT);
	assert_true(rig_run(&r));
	assert_int_equal(r.fate[1].fate, FATE_DEFERRED);
	assert_string_equal(r.fate[1].dsn, "4.3.0");
	rig_clear(&r);
}

static void
test_bad_jobs(void **state)
{
	struct deliver_job j = { .qid = STR("x"),
		.transport = STR("smtp"),
		.rcpts = STR("garbage") };
	struct rig r;
	int fd;

	(void)state;
	rig_init(&r, "");
	rig_job(&r, "nosuch", "dest.example", "s@a", "r@b q@b", 0, TEXT);
	assert_true(rig_run(&r));
	assert_int_equal(r.nfates, 2);
	assert_string_equal(r.fate[1].dsn, "4.3.5");
	fd = memfd_from("m", "x", 1);
	chan_ask(r.qmgr, DELIVER_JOB, &j, &fd, rig_on_done, &r);
	rig_wait(&r, 50);
	assert_null(r.agent); /* cut off */
	rig_clear(&r);
}

/* --- content -------------------------------------------------------------- */

static void
test_large(void **state)
{
	size_t n = 3000000;
	char *text = xmalloc(n + 1);
	struct rig r;
	struct str body;

	(void)state;
	for (size_t i = 0; i < n; i++)
		text[i] = i % 64 == 63 ? '\n' : i % 64 == 0 ? '.' : 'a';
	text[n - 1] = '\n';
	text[n] = '\0';
	rig_init(&r, "");
	r.script[0] = "< 220 mx\n> EHLO\n< 250-mx\n< 250 PIPELINING\n> MAIL\n"
		      "> RCPT\n> DATA\n" MAIL1_OK ">.\n< 250 fine\n";
	r.nscripts = 1;
	rig_job(&r, "smtp", "dest.example", "s@a", "r@b", 0, text);
	assert_true(rig_run(&r));
	assert_int_equal(r.fate[0].fate, FATE_SENT);
	body = buf_get(&r.server[0].body);
	assert_int_equal(body.n, n + (n + 63) / 64 * 2);
	assert_memory_equal(body.p, "..aaa", 5);
	rig_clear(&r);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_no_route),
		cmocka_unit_test(test_fallback),
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_reuse_after_failure),
		cmocka_unit_test(test_not_reused),
		cmocka_unit_test(test_qmgr_gone),
		cmocka_unit_test(test_dns_gone),
		cmocka_unit_test(test_bad_jobs),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
