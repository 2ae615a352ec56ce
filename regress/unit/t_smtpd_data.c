/* SPDX-License-Identifier: ISC */
/*
 * Content: what arrives, what is kept, and where a message ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smtpd_fake.h"

#define ENVELOPE                                   \
	"HELO me\r\nMAIL FROM:<a@example.org>\r\n" \
	"RCPT TO:<bob@example.com>\r\n"

/* What is kept behind our own header. */
static struct str
kept(const struct fake *f)
{
	const char *p = strstr(f->content, "; ");

	p = p == NULL ? NULL : strchr(p, '\n');
	assert_non_null(p);
	return str_make(p + 1, f->content_len - (size_t)(p + 1 - f->content));
}

static const struct conf_item loopback = { .kind = CONF_WORD,
	.text = { "127.0.0.0/8", 11 },
	.full = { "127.0.0.0/8", 11 } };

/* Start a message; the DATA line ends as said. */
static void
begin(struct fake *f, const char *client, const char *data_line)
{
	struct conf_list list = { &loopback, 1 };

	fake_init(f);
	netlist_init(&f->sv->bare_ok, list);
	fake_connect(f, client);
	for (const char *p = ENVELOPE; *p != '\0';) {
		const char *e = strchr(p, '\n') + 1;

		fake_input(f, str_make(p, (size_t)(e - p)));
		p = e;
	}
	fake_input(f, str_of(data_line));
	assert_int_equal(f->s->state, ST_DATA);
	buf_reset(&f->out);
}

static const struct {
	const char *sent, *kept, *why;
} cases[] = {
	{ ".\r\n", "", "nothing at all" },
	{ "\r\n.\r\n", "\n", "an empty line" },
	{ "a\r\nb\r\n.\r\n", "a\nb\n", "lines" },
	{ "..\r\n.\r\n", ".\n", "a stuffed dot" },
	{ "..a\r\n.\r\n", ".a\n", "and text behind it" },
	{ ".a\r\n.\r\n", "a\n", "a dot that was not doubled" },
	{ "a.\r\n.\r\n", "a.\n", "a dot at the end of a line" },
	{ "a\nb\r\n.\r\n", "a\nb\n", "a bare LF ends a line of content" },
	{ "a\n.\r\nb\r\n.\r\n", "a\n.\nb\n", "<LF>.<CR><LF> ends nothing" },
	{ "a\r\n.\nb\r\n.\r\n", "a\n.\nb\n", "<CR><LF>.<LF> neither" },
	{ "a\n.\nb\r\n.\r\n", "a\n.\nb\n", "nor <LF>.<LF>" },
	{ "a\r.\rb\r\n.\r\n", "a\r.\rb\n", "nor <CR>.<CR>" },
	{ "a\r.\r\nb\r\n.\r\n", "a\r.\nb\n", "nor <CR>.<CR><LF>" },
	{ "a\r\n.\rb\r\n.\r\n", "a\n\rb\n", "nor <CR><LF>.<CR>" },
	{ "a\r\n.\r\rb\r\n.\r\n", "a\n\r\rb\n", "nor with two CRs" },
	{ "a\r\n.\r\r\nb\r\n.\r\n", "a\n\r\nb\n", "nor <CR><CR><LF>" },
	{ "a\r\r\n.\r\n", "a\r\n", "a CR before the line end is content" },
	{ "\n.\r\n.\r\n", "\n.\n", "after a bare LF the dot is content" },
	{ "a\r\n\n.\r\nb\r\n.\r\n", "a\n\n.\nb\n", "smuggling, LF LF" },
	{ "\xff\x80\r\n.\r\n", "\xff\x80\n", "any byte" },
	{ "a\nb\r\n\r\n.\r\n", "a\nb\n\n", "mixed line ends" },
};

/* In pieces of every size: the parser must not care how bytes arrive. */
static void
t_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct str sent = str_of(cases[i].sent);

		for (size_t step = 1; step <= sent.n; step++) {
			struct fake f;

			begin(&f, "192.0.2.7", "DATA\r\n");
			for (size_t at = 0; at < sent.n; at += step)
				fake_input(&f, str_sub(sent, at, at + step));
			if (f.submitted != 1 ||
			    !str_eq(kept(&f), str_of(cases[i].kept)))
				fail_msg("%s (%zu at a time)", cases[i].why,
				    step);
			assert_int_equal(f.s->state, ST_COMMAND);
			assert_int_equal(f.s->in.len, 0);
			fake_clear(&f);
		}
	}
}

static void
t_nul(void **state)
{
	struct fake f;

	(void)state;
	begin(&f, "192.0.2.7", "DATA\r\n");
	fake_input(&f, STR("a\0b\r\n\0\r\n.\r\n"));
	assert_int_equal(f.submitted, 1);
	assert_true(str_eq(kept(&f), STR("a\0b\n\0\n")));
	fake_clear(&f);
}

/*
 * Messages of bare newlines end only for clients to whom that is allowed, and
 * only where nobody else can have a hand in them.
 */
static void
t_bare_clients(void **state)
{
	static const struct {
		const char *client, *data, *sent;
		bool ends;
		const char *why;
	} c[] = {
		{ "192.0.2.7", "DATA\n", "a\n.\n", false, "a stranger" },
		{ "192.0.2.7", "DATA\n", ".\r\n", false, "at once" },
		{ "127.0.0.1", "DATA\n", "a\n.\n", true, "a trusted script" },
		{ "127.0.0.1", "DATA\n", ".\n", true, "an empty message" },
		{ "127.0.0.1", "DATA\r\n", "a\n.\n", false, "CR LF at DATA" },
		{ "127.0.0.1", "DATA\r\n", "a\r\n.\n", false, "a relay" },
		{ "127.0.0.1", "DATA\n", "a\r\nb\n.\n", false, "CR LF once" },
		{ "127.0.0.1", "DATA\n", "a\n.\r\n", false, "half and half" },
		{ "127.0.0.1", "DATA\r\n", "a\n.\r\n", false, "and so" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(c); i++) {
		struct fake f;

		begin(&f, c[i].client, c[i].data);
		fake_input(&f, str_of(c[i].sent));
		if ((f.submitted == 1) != c[i].ends)
			fail_msg("%s", c[i].why);
		fake_clear(&f);
	}
}

static const char *
answer_to(struct fake *f, const char *sent)
{
	fake_input(f, str_of(sent));
	return buf_cstr(&f->out);
}

static void
t_bare_refused(void **state)
{
	struct fake f;

	(void)state;
	begin(&f, "192.0.2.7", "DATA\r\n");
	f.sv->bare = BARE_REJECT;
	assert_string_equal(answer_to(&f, "a\nb\r\n.\r\n"),
	    "550 5.5.2 Error: bare <LF> received\r\n");
	assert_null(f.s);
	assert_int_equal(f.submitted, 0);
	assert_int_equal(f.dropped, 1);
	fake_clear(&f);

	/* Excluded clients may. */
	begin(&f, "127.0.0.1", "DATA\r\n");
	f.sv->bare = BARE_REJECT;
	assert_string_equal(answer_to(&f, "a\nb\r\n.\r\n"),
	    "250 2.0.0 Ok: queued as Q1\r\n");
	fake_clear(&f);

	/* Commands, too. */
	fake_init(&f);
	f.sv->bare = BARE_REJECT;
	fake_connect(&f, "192.0.2.7");
	buf_reset(&f.out);
	assert_string_equal(answer_to(&f, "NOOP\n"),
	    "550 5.5.2 mail.example.com Error: bare <LF> received\r\n");
	assert_null(f.s);
	fake_clear(&f);
}

static void
t_size(void **state)
{
	char line[1000];
	struct fake f;

	(void)state;
	memset(line, 'x', sizeof(line));
	line[998] = '\r';
	line[999] = '\n';
	begin(&f, "192.0.2.7", "DATA\r\n");
	f.sv->size_max = 100000;
	for (int i = 0; i < 100; i++)
		fake_input(&f, str_make(line, sizeof(line)));
	assert_string_equal(answer_to(&f, ".\r\n"),
	    "250 2.0.0 Ok: queued as Q1\r\n");
	assert_int_equal(kept(&f).n, 99900);
	fake_clear(&f);

	/* The end of a line is two bytes (RFC 1870). */
	for (int i = 0; i < 2; i++) {
		begin(&f, "192.0.2.7", "DATA\r\n");
		f.sv->size_max = 1200;
		for (int k = 0; k < 600; k++)
			fake_input(&f, STR("\r\n"));
		assert_string_equal(answer_to(&f, i == 0 ? ".\r\n" :
						      "\r\n.\r\n"),
		    i == 0 ? "250 2.0.0 Ok: queued as Q1\r\n" :
			     "552 5.3.4 Error: message file too big\r\n");
		fake_clear(&f);
	}

	begin(&f, "192.0.2.7", "DATA\r\n");
	f.sv->size_max = 100000;
	for (int i = 0; i < 100; i++)
		fake_input(&f, str_make(line, sizeof(line)));
	for (int i = 0; i < 5000; i++) /* more of it is no more memory */
		fake_input(&f, str_make(line, sizeof(line)));
	assert_true(f.s->mail->content.cap < 100000);
	assert_string_equal(answer_to(&f, "x\r\n.\r\n"),
	    "552 5.3.4 Error: message file too big\r\n");
	assert_int_equal(f.submitted, 0);
	fake_clear(&f);
}

/* The slot's file cannot be written: a temporary failure, later. */
static void
t_write_fails(void **state)
{
	struct fake f;

	(void)state;
	begin(&f, "192.0.2.7", "DATA\r\n");
	assert_int_equal(memfd_seal(f.s->mail->slot->fd), 0);
	assert_string_equal(answer_to(&f, "x\r\n.\r\n"),
	    "452 4.3.1 Insufficient system storage\r\n");
	assert_int_equal(f.submitted, 0);
	assert_int_equal(f.dropped, 1);
	fake_clear(&f);
}

/* A line of many megabytes goes through in pieces. */
static void
t_long_line(void **state)
{
	static char piece[65536];
	struct fake f;

	(void)state;
	memset(piece, 'x', sizeof(piece));
	begin(&f, "192.0.2.7", "DATA\r\n");
	f.sv->size_max = 0;
	for (int i = 0; i < 256; i++)
		fake_input(&f, str_make(piece, sizeof(piece)));
	assert_true(f.s->mail->content.cap < 400000);
	assert_string_equal(answer_to(&f, "\r\n.\r\n"),
	    "250 2.0.0 Ok: queued as Q1\r\n");
	assert_int_equal(kept(&f).n, 256 * sizeof(piece) + 1);
	fake_clear(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_cases),
		cmocka_unit_test(t_nul),
		cmocka_unit_test(t_bare_clients),
		cmocka_unit_test(t_bare_refused),
		cmocka_unit_test(t_size),
		cmocka_unit_test(t_write_fails),
		cmocka_unit_test(t_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
