/* SPDX-License-Identifier: ISC */
/*
 * SMTP dialogues, line by line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smtpd_fake.h"

/*
 * A dialogue is lines: "C:" is sent with CR LF, "R:" as it is, "S:" is the
 * next line of reply, "." says that nothing more was said, "X" that the
 * session is over.  What is not expected is an error.
 */
static void
check_line(struct fake *f, const char *want, const char *first)
{
	struct str out = buf_get(&f->out);
	ptrdiff_t lf = str_chr(out, '\n');
	char got[2048];

	if (lf < 1)
		fail_msg("%s: nothing said where \"%s\" was due", first, want);
	assert_int_equal(out.p[lf - 1], '\r');
	str_copy(str_sub(out, 0, (size_t)lf - 1), got, sizeof(got));
	assert_string_equal(got, want);
	buf_consume(&f->out, (size_t)lf + 1);
}

static void
check_quiet(struct fake *f, const char *at)
{
	if (f->out.len > 0)
		fail_msg("%s: not expected: %s", at, buf_cstr(&f->out));
}

static void
talk(struct fake *f, const char *const *lines)
{
	for (size_t i = 0; lines[i] != NULL; i++) {
		const char *l = lines[i];
		char *text;

		if (l[0] == 'C' || l[0] == 'R')
			check_quiet(f, l);
		if (l[0] == 'C') {
			text = xasprintf("%s\r\n", l + 2);
			fake_input(f, str_of(text));
			free(text);
		} else if (l[0] == 'R') {
			fake_input(f, str_of(l + 2));
		} else if (l[0] == 'S') {
			check_line(f, l + 2, lines[0]);
		} else if (l[0] == 'X') {
			check_quiet(f, l);
			assert_null(f->s);
		} else {
			check_quiet(f, l);
		}
	}
	check_quiet(f, "the end");
}

#define TALK(f, ...) talk(f, (const char *const[]){ __VA_ARGS__, NULL })

#define GREETING "S:220 mail.example.com ESMTP Postern"
#define HELO "C:HELO me.example.org", "S:250 mail.example.com"
#define MAIL "C:MAIL FROM:<a@example.org>", "S:250 2.1.0 Ok"
#define RCPT "C:RCPT TO:<bob@example.com>", "S:250 2.1.5 Ok"
#define DATA "C:DATA", "S:354 End data with <CR><LF>.<CR><LF>"

static void
begin(struct fake *f)
{
	fake_init(f);
	fake_relay_rules(f);
}

static bool
logged(struct fake *f, const char *text)
{
	return strstr(buf_cstr(&f->log), text) != NULL;
}

#define assert_logged(f, text)                                   \
	do {                                                     \
		if (!logged(f, text))                            \
			fail_msg("not in the log: %s\n%s", text, \
			    buf_cstr(&(f)->log));                \
	} while (0)

static void
t_whole_message(void **state)
{
	struct env_reader r;
	struct envelope e;
	struct env_rcpt rc;
	struct fake f;

	(void)state;
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, "C:EHLO me.example.org", "S:250-mail.example.com",
	    "S:250-PIPELINING", "S:250-SIZE 10240000", "S:250-VRFY",
	    "S:250-ETRN", "S:250-ENHANCEDSTATUSCODES", "S:250-8BITMIME",
	    "S:250-DSN", "S:250 CHUNKING",
	    "C:MAIL FROM:<a@example.org> SIZE=100 BODY=8BITMIME RET=HDRS "
	    "ENVID=x+2By",
	    "S:250 2.1.0 Ok",
	    "C:RCPT TO:<bob@example.com> NOTIFY=SUCCESS,FAILURE "
	    "ORCPT=rfc822;bob@example.com",
	    "S:250 2.1.5 Ok", DATA,
	    "R:Subject: hi\r\n\r\n..dot\r\nbye\r\n.\r\n",
	    "S:250 2.0.0 Ok: queued as Q1", "C:QUIT", "S:221 2.0.0 Bye", "X");

	assert_non_null(strstr(f.content,
	    "Received: from me.example.org (client.example.org [192.0.2.7])"));
	assert_non_null(strstr(f.content, "with ESMTP id Q1"));
	assert_non_null(strstr(f.content, "\nSubject: hi\n\n.dot\nbye\n"));
	assert_int_equal(f.content[f.content_len - 1], '\n');
	env_open(&r, str_make(f.envelope, f.envelope_len));
	assert_int_equal(env_read_head(&r, &e), 0);
	assert_true(str_eq(e.sender, STR("a@example.org")));
	assert_int_equal(e.flags, ENV_8BITMIME);
	assert_int_equal(e.ret, ENV_RET_HDRS);
	assert_true(str_eq(e.attr[ENV_A_ENVID], STR("x+y")));
	assert_true(
	    str_eq(e.attr[ENV_A_CLIENT_NAME], STR("client.example.org")));
	assert_true(str_eq(e.attr[ENV_A_CONTEXT], STR("remote")));
	assert_int_equal(env_read_rcpt(&r, &rc), 1);
	assert_true(str_eq(rc.orig, STR("bob@example.com")));
	assert_true(str_eq(rc.orcpt, STR("rfc822;bob@example.com")));
	assert_int_equal(rc.notify, ENV_NOTIFY_SUCCESS | ENV_NOTIFY_FAILURE);
	assert_int_equal(env_read_rcpt(&r, &rc), 0);
	env_close(&r);
	assert_logged(&f, "connect from client.example.org[192.0.2.7]\n");
	assert_logged(&f, "Q1: client=client.example.org[192.0.2.7]\n");
	assert_logged(&f,
	    "disconnect from client.example.org[192.0.2.7] "
	    "ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n");
	fake_clear(&f);
}

static void
t_order(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	f.sv->helo_required = true;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, "C:MAIL FROM:<>",
	    "S:503 5.5.1 Error: send HELO/EHLO first", "C:HELO",
	    "S:501 Syntax: HELO hostname", "C:EHLO",
	    "S:501 Syntax: EHLO hostname", HELO, "C:RCPT TO:<bob@example.com>",
	    "S:503 5.5.1 Error: need MAIL command", "C:DATA",
	    "S:503 5.5.1 Error: need RCPT command", MAIL,
	    "C:MAIL FROM:<b@example.org>",
	    "S:503 5.5.1 Error: nested MAIL command", "C:DATA",
	    "S:554 5.5.1 Error: no valid recipients",
	    "C:RCPT TO:<bob@example.com>",
	    "S:503 5.5.1 Error: need MAIL command", MAIL, "C:RSET",
	    "S:250 2.0.0 Ok", "C:RSET now", "S:501 5.5.4 Syntax: RSET", ".");
	fake_clear(&f);
}

static void
t_reset_after_rejected_data(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, "C:RCPT TO:<nobody@example.com>",
	    "S:550 5.1.1 <nobody@example.com>: Recipient address rejected: "
	    "User unknown in local recipient table",
	    "C:DATA", "S:554 5.5.1 Error: no valid recipients",
	    "C:RCPT TO:<bob@example.com>",
	    "S:503 5.5.1 Error: need MAIL command", "C:DATA",
	    "S:503 5.5.1 Error: need RCPT command", MAIL, RCPT, DATA,
	    "R:x\r\n.\r\n", "S:250 2.0.0 Ok: queued as Q1",
	    /* and after one that was accepted */
	    "C:RCPT TO:<bob@example.com>",
	    "S:503 5.5.1 Error: need MAIL command", "C:DATA",
	    "S:503 5.5.1 Error: need RCPT command");
	fake_clear(&f);

	/* A restriction at DATA ends the transaction, too. */
	begin(&f);
	fake_rules(&f, &f.sv->data, "reject", ACCESS_NONE);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, RCPT, "C:DATA",
	    "S:554 5.7.1 <DATA>: Data command rejected: Access denied",
	    "C:RCPT TO:<bob@example.com>",
	    "S:503 5.5.1 Error: need MAIL command");
	fake_clear(&f);
}

#define EHLO "C:EHLO me.example.org", "S:250-mail.example.com", \
	    "S:250-PIPELINING", "S:250-SIZE 10240000", "S:250-VRFY", \
	    "S:250-ETRN", "S:250-ENHANCEDSTATUSCODES", "S:250-8BITMIME", \
	    "S:250-DSN", "S:250 CHUNKING"

/* Content by BDAT. */
static void
t_chunks(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, EHLO, MAIL, RCPT, "R:BDAT 13\r\nSubject: a\r\n\r",
	    "S:250 2.0.0 Ok: 13 bytes", "C:RCPT TO:<bob@example.com>",
	    "S:503 5.5.1 Error: RCPT after BDAT", "C:DATA",
	    "S:503 5.5.1 Error: DATA after BDAT", "C:MAIL FROM:<>",
	    "S:503 5.5.1 Error: nested MAIL command",
	    /* A dot is a dot, a lone one too, and no line must end. */
	    "R:bdat 12 last\r\n\n.\r\n..x\r\nend",
	    "S:250 2.0.0 Ok: queued as Q1");
	assert_non_null(strstr(f.content, "\nSubject: a\n\n.\n..x\nend\n"));
	/* All at once, the next transaction behind it; nothing to say. */
	TALK(&f, "R:MAIL FROM:<a@example.org>\r\nRCPT TO:<bob@example.com>\r\n"
	    "BDAT 3\r\na\r\nBDAT 0 LAST\r\n",
	    "S:250 2.1.0 Ok", "S:250 2.1.5 Ok", "S:250 2.0.0 Ok: 3 bytes",
	    "S:250 2.0.0 Ok: queued as Q2", "C:NOOP", "S:250 2.0.0 Ok",
	    "C:QUIT", "S:221 2.0.0 Bye", "X");
	assert_logged(&f, "bdat=4 noop=1 quit=1");
	fake_clear(&f);
}

/* Whatever is wrong: the chunk is no command, and the rest is void. */
static void
t_chunks_refused(void **state)
{
	static const char *const nonsense[] = { "C:BDAT", "C:BDAT x LAST",
		"C:BDAT 1 FIRST", "C:BDAT 1 LAST x", "C:BDAT -1",
		"C:BDAT 99999999999999999999" };
	struct fake f;

	(void)state;
	begin(&f);
	f.sv->sleep_ms = 0;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, EHLO, "R:BDAT 6\r\nQUIT\r\n",
	    "S:503 5.5.1 Error: need RCPT command", MAIL,
	    "R:BDAT 6\r\nQUIT\r\n", "S:554 5.5.1 Error: no valid recipients",
	    "R:BDAT 6 LAST\r\nQUIT\r\n",
	    "S:503 5.5.1 Error: need RCPT command",
	    "C:RCPT TO:<bob@example.com>",
	    "S:503 5.5.1 Error: need MAIL command", MAIL, RCPT,
	    "R:BDAT 6\r\nhello\n", "S:250 2.0.0 Ok: 6 bytes", "C:RSET",
	    "S:250 2.0.0 Ok", "R:BDAT 6 LAST\r\nQUIT\r\n",
	    "S:503 5.5.1 Error: need RCPT command", ".");
	fake_clear(&f);

	begin(&f);
	fake_rules(&f, &f.sv->data, "reject", ACCESS_NONE);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, EHLO, MAIL, RCPT, "R:BDAT 6\r\nQUIT\r\nNOOP\r\n",
	    "S:554 5.7.1 <DATA>: Data command rejected: Access denied",
	    "S:250 2.0.0 Ok", "C:RCPT TO:<bob@example.com>",
	    "S:503 5.5.1 Error: need MAIL command",
	    "R:BDAT 6 LAST\r\nQUIT\r\n",
	    "S:503 5.5.1 Error: need RCPT command", ".");
	fake_clear(&f);

	/* A refusal that hangs up does so, whatever was under way. */
	begin(&f);
	f.sv->reject_code = 521;
	fake_rules(&f, &f.sv->data, "reject", ACCESS_NONE);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, EHLO, MAIL, RCPT, "R:BDAT 6\r\nQUIT\r\nNOOP\r\n",
	    "S:521 5.7.1 <DATA>: Data command rejected: Access denied", "X");
	fake_clear(&f);

	/* One that does not say where it ends ends it all. */
	for (size_t i = 0; i < NELEM(nonsense); i++) {
		begin(&f);
		fake_connect(&f, "192.0.2.7");
		TALK(&f, GREETING, EHLO, MAIL, RCPT, nonsense[i],
		    "S:521 5.5.4 Syntax: BDAT count [LAST]", "X");
		fake_clear(&f);
	}

	begin(&f);
	f.sv->size_max = 10;
	f.sv->ehlo &= ~(unsigned)EHLO_SIZE;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, RCPT, "R:BDAT 6\r\nabcde\n",
	    "S:250 2.0.0 Ok: 6 bytes", "R:BDAT 6\r\nabcde\n",
	    "S:552 5.3.4 Error: message file too big", "R:BDAT 2 LAST\r\na\n",
	    "S:503 5.5.1 Error: need RCPT command", ".");
	fake_clear(&f);

	begin(&f);
	f.sv->ehlo &= ~(unsigned)EHLO_CHUNKING;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, RCPT, "C:BDAT 0",
	    "S:502 5.5.1 Error: command not implemented", ".");
	fake_clear(&f);
}

static void
t_syntax(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	f.sv->sleep_ms = 0;
	f.sv->hard_errors = 1000;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, "C:MAIL a@example.org",
	    "S:501 5.5.4 Syntax: MAIL FROM:<address>",
	    "C:MAIL FROM:<a@example.org",
	    "S:501 5.1.7 Bad sender address syntax", "C:MAIL FROM:<a@@>",
	    "S:501 5.1.7 Bad sender address syntax",
	    "C:MAIL FROM:<-oX@example.org>",
	    "S:501 5.1.7 Bad sender address syntax",
	    "C:MAIL FROM:<a@example.org> SIZE=x",
	    "S:501 5.5.4 Bad message size syntax",
	    "C:MAIL FROM:<a@example.org> SIZE=99999999",
	    "S:552 5.3.4 Message size exceeds fixed limit",
	    "C:MAIL FROM:<a@example.org> BODY=9BIT",
	    "S:555 5.5.4 Unsupported option: BODY=9BIT",
	    "C:MAIL FROM:<a@example.org> SMTPUTF8",
	    "S:555 5.5.4 Unsupported option: SMTPUTF8",
	    "C:MAIL FROM:<a@example.org> RET=HDRS RET=FULL",
	    "S:501 5.5.4 Bad RET parameter syntax",
	    "C:MAIL FROM: a@example.org", "S:250 2.1.0 Ok", "C:RCPT <x@y>",
	    "S:501 5.5.4 Syntax: RCPT TO:<address>", "C:RCPT TO:<>",
	    "S:501 5.1.3 Bad recipient address syntax",
	    "C:RCPT TO:<-x@example.com>",
	    "S:501 5.1.3 Bad recipient address syntax",
	    "C:RCPT TO:<bob@example.com> NOTIFY=NEVER,DELAY",
	    "S:501 5.5.4 Bad NOTIFY parameter syntax",
	    "C:RCPT TO:<bob@example.com> FOO",
	    "S:555 5.5.4 Unsupported option: FOO", "C:DATA now",
	    "S:501 5.5.4 Syntax: DATA");
	fake_clear(&f);

	begin(&f);
	f.sv->strict = true;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, "C:MAIL FROM:user@dom.example",
	    "S:501 5.1.7 Bad sender address syntax",
	    "C:MAIL FROM:<user@dom.example>", "S:250 2.1.0 Ok",
	    "C:RCPT TO:bob@example.com",
	    "S:501 5.1.3 Bad recipient address syntax");
	fake_clear(&f);
}

static void
t_small_verbs(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, "C:NOOP whatever", "S:250 2.0.0 Ok", "C:EXPN list",
	    "S:502 5.5.1 EXPN command is not available", "C:FOO",
	    "S:500 5.5.2 Error: command not recognized",
	    "C:AUTH PLAIN AGEAYg==",
	    "S:503 5.5.1 Error: authentication not enabled",
	    "C:", "S:500 5.5.2 Error: command not recognized", "C:VRFY",
	    "S:501 5.5.4 Syntax: VRFY address", "C:VRFY bob@example.com",
	    "S:252 2.0.0 bob@example.com", "C:VRFY nobody@example.com",
	    "S:550 5.1.1 <nobody@example.com>: Recipient address rejected: "
	    "User unknown in local recipient table",
	    "C:VRFY joe@far.example",
	    "S:554 5.7.1 <joe@far.example>: Relay access denied",
	    "C:MAIL FROM:<a@example.org>", "S:250 2.1.0 Ok", "C:RSET",
	    "S:250 2.0.0 Ok", "C:help",
	    "S:214 2.0.0 Commands: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP "
	    "VRFY ETRN HELP QUIT",
	    "C:GET / HTTP/1.1", "S:500 5.5.2 Error: command not recognized",
	    "C:Subject: x", "S:221 2.7.0 Error: this is a mail server. Goodbye",
	    "X");
	assert_logged(&f,
	    "non-SMTP command from client.example.org[192.0.2.7]"
	    ": Subject: x\n");
	fake_clear(&f);

	begin(&f);
	f.sv->no_vrfy = true;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, "C:VRFY bob",
	    "S:502 5.5.1 VRFY command is disabled");
	fake_clear(&f);
}

static void
t_recipient_limit(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	f.sv->rcpt_max = 2;
	f.sv->rcpt_overshoot = 1;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, RCPT, RCPT,
	    "C:RCPT TO:<bob@example.com>",
	    "S:452 4.5.3 Error: too many recipients");
	assert_int_equal(f.s->errors, 0);
	TALK(&f, "C:RCPT TO:<bob@example.com>",
	    "S:452 4.5.3 Error: too many recipients");
	assert_int_equal(f.s->errors, 1);
	TALK(&f, DATA, "R:x\r\n.\r\n", "S:250 2.0.0 Ok: queued as Q1");
	fake_clear(&f);
}

static void
t_pipelining(void **state)
{
	uint64_t before;
	struct fake f;

	(void)state;
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, "C:EHLO me", "S:250-mail.example.com",
	    "S:250-PIPELINING", "S:250-SIZE 10240000", "S:250-VRFY",
	    "S:250-ETRN", "S:250-ENHANCEDSTATUSCODES", "S:250-8BITMIME",
	    "S:250-DSN", "S:250 CHUNKING");
	/* All recipients are asked for before the first is answered. */
	f.silent = true;
	before = f.asks_resolve;
	fake_input(&f,
	    STR("MAIL FROM:<a@example.org>\r\n"
		"RCPT TO:<b1@example.com>\r\n"
		"RCPT TO:<b2@example.com>\r\n"
		"RCPT TO:<joe@far.example>\r\n"
		"RCPT TO:<b1@example.com>\r\nDATA\r\n"));
	assert_int_equal(f.asks_resolve - before, 3);
	f.silent = false;
	f.kicked = true;
	fake_settle(&f);
	TALK(&f, "S:250 2.1.0 Ok", "S:250 2.1.5 Ok", "S:250 2.1.5 Ok",
	    "S:554 5.7.1 <joe@far.example>: Relay access denied",
	    "S:250 2.1.5 Ok", "S:354 End data with <CR><LF>.<CR><LF>",
	    /* commands behind a message are in order */
	    "R:x\r\n.\r\nRSET\r\nQUIT\r\n", "S:250 2.0.0 Ok: queued as Q1",
	    "S:250 2.0.0 Ok", "S:221 2.0.0 Bye", "X");
	fake_clear(&f);
}

static void
t_early_talkers(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, "R:EHLO me\r\nMAIL FROM:<>\r\n",
	    "S:554 5.5.0 Error: SMTP protocol synchronization", "X");
	assert_logged(&f,
	    "improper command pipelining after EHLO from "
	    "client.example.org[192.0.2.7]: MAIL FROM:<>");
	fake_clear(&f);

	/* DATA waits for 354, whatever was announced. */
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, RCPT, "R:DATA\r\nSubject: x\r\n.\r\n",
	    "S:554 5.5.0 Error: SMTP protocol synchronization", "X");
	assert_int_equal(f.submitted, 0);
	fake_clear(&f);

	/* Tolerated where an administrator says so, but noted. */
	begin(&f);
	f.sv->forbid_pipelining = false;
	fake_rules(&f, &f.sv->data, "reject_unauth_pipelining", ACCESS_NONE);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, RCPT, "R:DATA\r\nQUIT\r\n",
	    "S:503 5.5.0 <DATA>: Data command rejected: Improper use of SMTP "
	    "command pipelining",
	    "S:221 2.0.0 Bye", "X");
	fake_clear(&f);
}

static void
t_errors(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	f.sv->soft_errors = 2;
	f.sv->hard_errors = 4;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, "C:X", "S:500 5.5.2 Error: command not recognized",
	    "C:X", "S:500 5.5.2 Error: command not recognized", "C:X", ".");
	assert_int_equal(f.s->wait, WAIT_SLEEP);
	f.now += 999;
	worker_tick(&f.w);
	fake_settle(&f);
	check_quiet(&f, "a second is not over");
	f.now += 1;
	worker_tick(&f.w);
	fake_settle(&f);
	TALK(&f, "S:500 5.5.2 Error: command not recognized", "C:X",
	    "S:500 5.5.2 Error: command not recognized",
	    "S:421 4.7.0 mail.example.com Error: too many errors", "X");
	assert_logged(&f,
	    "too many errors after UNKNOWN from "
	    "client.example.org[192.0.2.7]\n");
	assert_logged(&f, "unknown=0/4 commands=0/4\n");
	fake_clear(&f);

	/* What is asked meanwhile is still answered. */
	begin(&f);
	f.sv->soft_errors = 0;
	f.silent = true;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, "C:X", ".");
	assert_int_equal(f.s->wait, WAIT_SLEEP);
	f.now += 1000;
	worker_tick(&f.w);
	f.silent = false;
	fake_settle(&f);
	TALK(&f, "S:500 5.5.2 Error: command not recognized", "C:QUIT",
	    "S:221 2.0.0 Bye", "X");
	assert_logged(&f, "connect from client.example.org[192.0.2.7]\n");
	fake_clear(&f);

	/* Junk commands count as errors beyond their limit. */
	begin(&f);
	f.sv->junk_max = 3;
	f.sv->hard_errors = 2;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, "C:NOOP", "S:250 2.0.0 Ok", "C:NOOP",
	    "S:250 2.0.0 Ok", "C:NOOP", "S:250 2.0.0 Ok", "C:NOOP",
	    "S:250 2.0.0 Ok", "C:NOOP", "S:250 2.0.0 Ok",
	    "S:421 4.7.0 mail.example.com Error: too many errors", "X");
	fake_clear(&f);
}

static void
t_long_lines(void **state)
{
	char big[4096];
	struct fake f;

	(void)state;
	memset(big, 'a', sizeof(big));
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING);
	for (int i = 0; i < 10000; i++)
		fake_input(&f, str_make(big, sizeof(big)));
	assert_true(f.s->in.cap < 16384);
	TALK(&f, "R:\r\nHELO me\r\n", "S:500 5.5.2 Error: line too long",
	    "S:250 mail.example.com");
	fake_clear(&f);
}

static void
t_timeouts(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO);
	f.now += 299999;
	worker_tick(&f.w);
	fake_settle(&f);
	check_quiet(&f, "not yet");
	f.now++;
	worker_tick(&f.w);
	fake_settle(&f);
	TALK(&f, "S:421 4.4.2 mail.example.com Error: timeout exceeded", "X");
	assert_logged(&f, "timeout after HELO from client.example.org");
	fake_clear(&f);

	/* Components that do not answer: a temporary failure. */
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL);
	f.silent = true;
	TALK(&f, "C:RCPT TO:<bob@example.com>", ".");
	f.now += WAIT_ANSWER_MS;
	worker_tick(&f.w);
	fake_settle(&f);
	TALK(&f, "S:451 4.3.0 <bob@example.com>: Temporary lookup failure");
	fake_clear(&f);

	/* The client's name: what cannot be found out is unknown. */
	begin(&f);
	f.silent = true;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, "C:RCPT TO:<bob@example.com>", ".");
	resolver_flush(&f.w.resolver);
	f.now += WAIT_ANSWER_MS;
	worker_tick(&f.w);
	fake_settle(&f);
	f.now += WAIT_NAME_MS;
	worker_tick(&f.w);
	fake_settle(&f);
	TALK(&f, "S:451 4.3.0 <bob@example.com>: Temporary lookup failure");
	assert_logged(&f, "connect from unknown[192.0.2.7]\n");
	fake_clear(&f);
}

static void
t_trouble(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	f.no_rewrite = true;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, "C:RCPT TO:<bob@example.com>",
	    "S:451 4.3.0 <bob@example.com>: Temporary lookup failure");
	f.no_rewrite = false;
	TALK(&f, "C:RCPT TO:<bob@later.example>",
	    "S:451 4.3.0 <bob@later.example>: Temporary lookup failure", RCPT,
	    DATA);
	/* The queue manager goes while content arrives. */
	f.no_qmgr = true;
	slots_down(&f.w.slots);
	TALK(&f, "R:x\r\n.\r\n", "S:451 4.3.0 Error: queue file write error",
	    MAIL, RCPT, "C:DATA", ".");
	assert_int_equal(f.s->wait, WAIT_SLOT);
	f.now += WAIT_SLOT_MS;
	worker_tick(&f.w);
	fake_settle(&f);
	TALK(&f, "S:451 4.3.0 Error: queue file write error");
	/* It is back: the waiting session gets its slot. */
	TALK(&f, MAIL, RCPT, "C:DATA", ".");
	f.no_qmgr = false;
	fake_settle(&f);
	TALK(&f, "S:354 End data with <CR><LF>.<CR><LF>");
	f.no_cleanup = true;
	TALK(&f, "R:x\r\n.\r\n", "S:451 4.3.0 Error: queue file write error");
	f.no_cleanup = false;
	/* It goes while the message is on its way. */
	f.hold_word = true;
	TALK(&f, MAIL, RCPT, DATA, "R:x\r\n.\r\n", ".");
	slots_down(&f.w.slots);
	fake_settle(&f);
	TALK(&f, "S:451 4.3.0 Error: queue file write error");
	/* A refusal in the queue manager's (cleanup's) words. */
	f.hold_word = false;
	f.refuse_code = 550;
	TALK(&f, MAIL, RCPT, DATA, "R:x\r\n.\r\n", "S:550 5.7.1 not this");
	f.refuse_code = 250; /* it lies: a refusal stays one */
	TALK(&f, MAIL, RCPT, DATA, "R:x\r\n.\r\n", "S:451 4.3.0 not this");
	f.w.full = true;
	TALK(&f, "C:MAIL FROM:<>", "S:452 4.3.1 Insufficient system storage");
	fake_clear(&f);
}

static void
t_cleanup_dies(void **state)
{
	struct fake f;
	struct slot *sl;

	(void)state;
	begin(&f);
	f.hold_word = true;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, RCPT, DATA, "R:x\r\n.\r\n", ".");
	sl = slots_find(&f.w.slots, f.slot);
	sl->via = &f;
	slots_via_lost(&f.w.slots, &f);
	f.now += SLOT_LOST_MS - 1;
	worker_tick(&f.w);
	fake_settle(&f);
	check_quiet(&f, "the word may still come");
	f.now++;
	f.word_due = false;
	worker_tick(&f.w);
	fake_settle(&f);
	TALK(&f, "S:451 4.3.0 Error: queue file write error");
	assert_int_equal(f.dropped, 1);
	fake_clear(&f);
}

static void
t_hangups(void **state)
{
	struct fake f;

	(void)state;
	/* In the middle of content: the slot goes back. */
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, RCPT, DATA, "R:x\r\n");
	session_hangup(f.s);
	fake_settle(&f);
	assert_null(f.s);
	assert_int_equal(f.dropped, 1);
	assert_int_equal(f.submitted, 0);
	assert_logged(&f,
	    "lost connection after DATA (3 bytes) from client.ex");
	fake_clear(&f);

	/* After the end: the message is the queue's, the word is nobody's. */
	begin(&f);
	f.hold_word = true;
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, RCPT, DATA, "R:x\r\n.\r\n");
	session_hangup(f.s);
	f.kicked = true;
	f.hold_word = false;
	fake_settle(&f);
	assert_null(f.s);
	assert_int_equal(f.dropped, 0);
	assert_logged(&f, "lost connection after END-OF-MESSAGE from");
	fake_clear(&f);
}

static void
t_stop(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	fake_connect(&f, "192.0.2.7");
	TALK(&f, GREETING, HELO, MAIL, RCPT);
	worker_stop(&f.w);
	fake_settle(&f);
	TALK(&f, ".", DATA, "R:x\r\n.\r\n", "S:250 2.0.0 Ok: queued as Q1",
	    "S:421 4.3.2 mail.example.com Error: shutting down, come back "
	    "later",
	    "X");
	fake_clear(&f);
}

static void
t_without_rules(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f);
	f.sv->relay.refuses = f.sv->rcpt.refuses = false;
	service_check(f.sv);
	fake_connect(&f, "127.0.0.1");
	TALK(&f, "S:451 4.3.5 Server configuration error", "X");
	assert_logged(&f, "specify at least one working instance of");
	fake_clear(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_whole_message),
		cmocka_unit_test(t_order),
		cmocka_unit_test(t_reset_after_rejected_data),
		cmocka_unit_test(t_chunks),
		cmocka_unit_test(t_chunks_refused),
		cmocka_unit_test(t_syntax),
		cmocka_unit_test(t_small_verbs),
		cmocka_unit_test(t_recipient_limit),
		cmocka_unit_test(t_pipelining),
		cmocka_unit_test(t_early_talkers),
		cmocka_unit_test(t_errors),
		cmocka_unit_test(t_long_lines),
		cmocka_unit_test(t_timeouts),
		cmocka_unit_test(t_trouble),
		cmocka_unit_test(t_cleanup_dies),
		cmocka_unit_test(t_hangups),
		cmocka_unit_test(t_stop),
		cmocka_unit_test(t_without_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
