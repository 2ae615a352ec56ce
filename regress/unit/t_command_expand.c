/* SPDX-License-Identifier: ISC */
/*
 * Command lines and environments, as strangers' addresses fill them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/run.h"
#include "base/attr.h"
#include "base/mem.h"
#include "conf/pipe_args.h"
#include "daemons/command/command.h"

/* Words joined by |, both ways. */
static struct str
words(const char *text, struct buf *b)
{
	buf_reset(b);
	for (; *text != '\0'; text++)
		buf_putc(b, *text == '|' ? '\0' : *text);
	return buf_get(b);
}

static char *
join(const struct words *w)
{
	struct buf b;

	buf_init(&b, 65536);
	for (size_t i = 0; i < w->n; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : "|", w->v[i]);
	return buf_take(&b);
}

/* clang-format off */
static const struct {
	const char *argv;
	unsigned flags;
	const char *rcpts; /* addr|orig| */
	const char *sender;
	const char *want; /* NULL: refused */
} lines[] = {
	{ "d|-e|-m|${extension}|${user}|", 0, "u+x@d.example|u+x@d.example|",
	    "s@x", "d|-e|-m|x|u" },
	{ "d|${extension}|${user}|", 0, "u@d|u@d|", "s@x", "d||u" },
	{ "uux|-a$sender|$nexthop!rmail|($recipient)|", 0,
	    "a@b|a@b|c@d|o@d|", "s@x", "uux|-as@x|hop!rmail|(a@b)|(c@d)" },
	{ "p|$original_recipient|$mailbox|$domain|", 0, "a+b@C|o@d|", "s",
	    "p|o@d|a+b|C" },
	{ "p|$sender|", 0, "a@b|a@b|", "", "p|NOBODY" },
	{ "p|$recipient|", 0, "$(rm) $HOME@b|x|", "s",
	    "p|$(rm) $HOME@b" },
	{ "p|${recipient}$$x|", 0, "$sender@b|x|", "s", "p|$sender@b$x" },
	{ "p|$recipient|", ORDER_FOLD_HOST, "Ab@CD|x|", "s", "p|Ab@cd" },
	{ "p|$recipient|", ORDER_FOLD_LOCAL, "Ab@CD|x|", "s", "p|ab@CD" },
	{ "p|$recipient|", ORDER_QUOTE, "a b@c|x|", "s", "p|\"a b\"@c" },
	{ "p|$size|$queue_id|", 0, "a@b|a@b|", "s", "p|42|QID" },
	{ "p|${extension?+$extension}|", 0, "a+b@c|x|", "s", "p|+b" },
	{ "p|${extension?+$extension}|", 0, "a@c|x|", "s", "p|" },
	{ "p|$client_address|", 0, "a@c|x|", "s", "p|" },
	{ "p|${user}|", 0, "@c|x|", "s", NULL },
	{ "p|${recipient|", 0, "a@c|x|", "s", NULL },
	{ "", 0, "a@c|x|", "s", NULL },
};

static const struct {
	const char *args;
	const char *want; /* what is wrong, or "" */
} attributes[] = {
	{ "flags=R|user=cyrus|argv=/bin/d|-m|${user}|", "" },
	{ "flags=DORhuqBX>F.|user=a:b|size=10|argv=x|", "" },
	{ "user=a|argv=x|flags=Z|", "" }, /* an argument, then */
	{ "flags=Z|user=a|argv=x|", "flags=Z is not known" },
	{ "user=a|", "there is no argv=" },
	{ "argv=x|", "there is no user=" },
	{ "user=a|argv=|", "there is no argv=" },
	{ "user=a|bogus=1|argv=x|", "is not an attribute" },
	{ "user=a|chroot=/x|argv=x|", "chroot= is not supported" },
	{ "user=a|size=1k|argv=x|", "is no number" },
	{ "user=a|argv=x|$home|", "$home, which is not known" },
};

static const struct {
	uint8_t how;
	uint32_t code;
	const char *output;
	enum fate fate;
	const char *dsn, *text;
} ends[] = {
	{ RUN_EXITED, 0, "", FATE_SENT, "2.0.0", "" },
	{ RUN_EXITED, 0, "ok\n", FATE_SENT, "2.0.0", "ok " },
	{ RUN_EXITED, 75, "", FATE_DEFERRED, "4.3.0", "temporary failure" },
	{ RUN_EXITED, 75, "no\tspace\n", FATE_DEFERRED, "4.3.0",
	    "temporary failure. Command output: no_space " },
	{ RUN_EXITED, 67, "", FATE_BOUNCED, "5.1.1", "user unknown" },
	{ RUN_EXITED, 71, "", FATE_DEFERRED, "4.3.0",
	    "system resource problem" },
	{ RUN_EXITED, 78, "", FATE_BOUNCED, "5.3.5",
	    "local configuration error" },
	{ RUN_EXITED, 79, "", FATE_BOUNCED, "5.3.0",
	    "Command died with status 79: \"cmd\"" },
	{ RUN_EXITED, 1, "x", FATE_BOUNCED, "5.3.0",
	    "Command died with status 1: \"cmd\". Command output: x" },
	{ RUN_EXITED, 67, "4.2.2 quota\n", FATE_DEFERRED, "4.2.2", "quota" },
	{ RUN_EXITED, 75, "5.7.1 never", FATE_BOUNCED, "5.7.1", "never" },
	{ RUN_EXITED, 75, "2.0.0 fine", FATE_DEFERRED, "4.3.0",
	    "temporary failure. Command output: 2.0.0 fine" },
	{ RUN_SIGNALED, 15, "", FATE_BOUNCED, "5.3.0",
	    "Command died with signal 15: \"cmd\"" },
	{ RUN_TIMEOUT, 0, "", FATE_BOUNCED, "5.3.0",
	    "Command time limit exceeded: \"cmd\"" },
	{ RUN_FAILED, 0, "why", FATE_DEFERRED, "4.3.0",
	    "temporary failure. Command output: why" },
	{ 77, 0, "", FATE_DEFERRED, "4.3.0",
	    "temporary failure. The command's end is not understood" },
};
/* clang-format on */

static void
test_argv(void **state)
{
	struct buf argv, rcpts, err;

	(void)state;
	buf_init(&argv, 4096);
	buf_init(&rcpts, 4096);
	buf_init(&err, 4096);
	for (size_t i = 0; i < NELEM(lines); i++) {
		struct order_run o = { .kind = COMMAND_MASTER,
			.flags = (uint8_t)lines[i].flags,
			.argv = words(lines[i].argv, &argv),
			.null_sender = STR("NOBODY"),
			.delimiter = STR("+") };
		struct run_for r = { .qid = STR("QID"),
			.sender = str_of(lines[i].sender),
			.nexthop = STR("hop"),
			.size = 42,
			.rcpts = words(lines[i].rcpts, &rcpts) };
		struct words out = { 0 };
		int rc;
		char *got;

		buf_reset(&err);
		rc = expand_argv(&o, &r, &out, &err);
		got = join(&out);
		if (lines[i].want == NULL) {
			assert_int_equal(rc, -1);
			assert_true(err.len > 0);
		} else {
			assert_string_equal(buf_cstr(&err), "");
			assert_int_equal(rc, 0);
			assert_string_equal(got, lines[i].want);
		}
		free(got);
		words_clear(&out);
	}
	buf_clear(&argv);
	buf_clear(&rcpts);
	buf_clear(&err);
}

static void
test_env(void **state)
{
	struct order_run o = { .kind = COMMAND_ALIAS,
		.env = STR("PATH=/bin\0A=b\0"),
		.filter = STR("abcdefghijklmnopqrstuvwxyz@.+/"),
		.delimiter = STR("+"),
		.home = STR("/home/u"),
		.login_shell = STR("/bin/sh") };
	struct run_for r = { .sender = STR("a;b`@x.y"),
		.rcpts = STR("user+e$t@dom\0orig@dom\0") };
	struct words w = { 0 };
	char *got;

	(void)state;
	env_make(&o, &r, &w);
	got = join(&w);
	assert_string_equal(got, "PATH=/bin|A=b|HOME=/home/u|LOGNAME=user|"
	    "USER=user|SENDER=a_b_@x.y|RECIPIENT=user+e_t@dom|LOCAL=user+e_t|"
	    "SHELL=/bin/sh|DOMAIN=dom|EXTENSION=e_t|"
	    "ORIGINAL_RECIPIENT=orig@dom");
	free(got);
	words_clear(&w);
	/* Commands of master.cf have what the configuration lets through. */
	o.kind = COMMAND_MASTER;
	env_make(&o, &r, &w);
	got = join(&w);
	assert_string_equal(got, "PATH=/bin|A=b");
	free(got);
	words_clear(&w);
}

static void
test_shell(void **state)
{
	static const struct {
		const char *text;
		bool plain;
		size_t n;
	} texts[] = { { "/bin/cat -u x@y", true, 3 }, { "exit 75", true, 2 },
		{ "/bin/cat; rm", false, 0 }, { "a|b", false, 0 },
		{ "echo $USER", false, 0 }, { "x 'y z'", false, 0 },
		{ "  ", false, 0 }, { "a\nb", false, 0 } };

	(void)state;
	for (size_t i = 0; i < NELEM(texts); i++) {
		struct words w = { 0 };

		assert_int_equal(start_words(str_of(texts[i].text), &w),
		    texts[i].plain);
		assert_int_equal(w.n, texts[i].n);
		words_clear(&w);
	}
}

static void
test_dir(void **state)
{
	struct order_run o = { .kind = COMMAND_MAILBOX,
		.dir = STR("$home/x${extension?/$extension}"),
		.dir_filter = STR("abcdefgh/"),
		.home = STR("/h"),
		.delimiter = STR("+") };
	struct run_for r = { .rcpts = STR("u+a..b@d\0u@d\0") };
	struct buf out, err;

	(void)state;
	buf_init(&out, 4096);
	buf_init(&err, 512);
	assert_int_equal(expand_dir(&o, &r, &out, &err), 0);
	assert_string_equal(buf_cstr(&out), "/h/x/a__b");
	buf_reset(&out);
	o.home = STR_NONE;
	o.dir = STR("$home");
	assert_int_equal(expand_dir(&o, &r, &out, &err), -1);
	assert_true(err.len > 0);
	buf_clear(&out);
	buf_clear(&err);
}

static void
test_attributes(void **state)
{
	struct buf err;

	(void)state;
	buf_init(&err, 512);
	for (size_t i = 0; i < NELEM(attributes); i++) {
		struct conf_item v[16];
		struct conf_list list = { v, 0 };
		struct str rest = str_of(attributes[i].args);
		struct pipe_args a;

		while (str_token(&rest, "|", &v[list.n].text))
			list.n++;
		buf_reset(&err);
		assert_int_equal(pipe_args_read(list, &a, &err),
		    attributes[i].want[0] == '\0' ? 0 : -1);
		if (strstr(buf_cstr(&err), attributes[i].want) == NULL)
			fail_msg("%s: %s", attributes[i].args, buf_cstr(&err));
	}
	buf_clear(&err);
}

static void
test_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(ends); i++) {
		struct run_done d = { .how = ends[i].how,
			.code = ends[i].code,
			.command = STR("cmd"),
			.output = str_of(ends[i].output) };
		struct agent_fate f;
		struct buf text;
		char *s;

		buf_init(&text, RUN_TEXT_MAX);
		run_fate(&d, 0, &text, &f);
		assert_int_equal(f.fate, ends[i].fate);
		s = str_dup(f.dsn);
		assert_string_equal(s, ends[i].dsn);
		free(s);
		s = str_dup(f.text);
		assert_string_equal(s, ends[i].text);
		free(s);
		buf_clear(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_argv),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_shell),
		cmocka_unit_test(test_dir),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
