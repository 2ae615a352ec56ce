/* SPDX-License-Identifier: ISC */
/*
 * What main.cf says of protocols, ciphers and groups, for each side, and what
 * is wrong with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/ssl.h>

#include "base/attr.h"
#include "base/mem.h"
#include "conf/build.h"
#include "tls/rules.h"

static const struct {
	enum tls_side side;
	const char *prefix;
} sides[] = {
	{ TLS_SIDE_SMTPD, "smtpd" },
	{ TLS_SIDE_SMTP, "smtp" },
	{ TLS_SIDE_LMTP, "lmtp" },
};

/* Read main_cf; what is wrong with it, or "".  The caller frees that. */
static char *
read_text(const char *main_cf, enum tls_side side, bool forced,
    struct tls_rules *r)
{
	struct build b;
	struct buf out, err;
	struct conf *c;
	char *said;

	build_parse(&b, "/etc/x", str_of(main_cf),
	    STR("smtp inet n - - - - smtpd\n"));
	buf_init(&out, BUILD_MAX);
	assert_int_equal(build_snapshot(&b, NULL, 1, &out), 0);
	c = conf_from(buf_get(&out).p, buf_get(&out).n);
	assert_non_null(c);
	buf_init(&err, 4096);
	/* Nothing of what was there before counts. */
	memset(r, 'x', sizeof(*r));
	if (tls_rules_read(r, c, side, forced, &err) == 0)
		assert_int_equal(err.len, 0);
	else
		assert_true(err.len > 0);
	said = xstrdup(buf_cstr(&err));
	buf_clear(&err);
	buf_clear(&out);
	conf_free(&c);
	build_clear(&b);
	return said;
}

/* The form with the side's name wherever it has a dollar sign. */
static char *
of_side(const char *form, const char *prefix)
{
	char *text = xstrdup(""), *more;
	struct str rest = str_of(form);
	ptrdiff_t at;

	for (;;) {
		at = str_chr(rest, '$');
		more = xasprintf("%s" STR_FMT "%s", text,
		    STR_ARG(str_sub(rest, 0, at < 0 ? rest.n : (size_t)at)),
		    at < 0 ? "" : prefix);
		free(text);
		text = more;
		if (at < 0)
			return text;
		rest = str_sub(rest, (size_t)at + 1, rest.n);
	}
}

static void
t_protocols(void **state)
{
	static const struct {
		const char *text;
		int min, max;
		unsigned long without;
	} v[] = {
		{ "", 0, 0, 0 },
		{ ">=TLSv1.2", TLS1_2_VERSION, 0, 0 },
		{ ">=0303, <=TLSv1.3", TLS1_2_VERSION, TLS1_3_VERSION, 0 },
		{ "!SSLv2, !SSLv3, !TLSv1", 0, 0,
		    SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 },
		{ "tlsv1.2:TLSv1.3", 0, 0,
		    SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(v); i++)
		for (size_t k = 0; k < NELEM(sides); k++)
			for (int forced = 0; forced < 2; forced++) {
				struct tls_rules r;
				char *text = xasprintf("%s_tls_%sprotocols = "
						       "%s\n",
				    sides[k].prefix, forced ? "mandatory_" : "",
				    v[i].text);
				char *said =
				    read_text(text, sides[k].side, forced, &r);

				assert_string_equal(said, "");
				assert_int_equal(r.min, v[i].min);
				assert_int_equal(r.max, v[i].max);
				assert_int_equal(r.without, v[i].without);
				free(said);
				free(text);
			}
}

/* $ is smtpd, smtp, lmtp in turn. */
static const struct {
	const char *main_cf;
	bool forced;
	const char *want; /* ciphers, but what a server leaves out */
} ciphers[] = {
	{ "tls_medium_cipherlist = ECDHE-RSA-AES256-SHA\n", false,
	    "ECDHE-RSA-AES256-SHA" },
	{ "tls_medium_cipherlist = ECDHE-RSA-AES256-SHA\n", true,
	    "ECDHE-RSA-AES256-SHA" },
	{ "tls_high_cipherlist = ECDHE-RSA-AES256-SHA\n$_tls_ciphers = HIGH\n",
	    false, "ECDHE-RSA-AES256-SHA" },
	{ "tls_high_cipherlist = ECDHE-RSA-AES256-SHA\n"
	  "$_tls_mandatory_ciphers = high\n",
	    true, "ECDHE-RSA-AES256-SHA" },
	{ "tls_medium_cipherlist = HIGH\n$_tls_ciphers = export\n", false,
	    "HIGH" },
	{ "tls_medium_cipherlist = HIGH\n$_tls_ciphers = low\n", false,
	    "HIGH" },
	{ "tls_null_cipherlist = eNULL\n$_tls_ciphers = null\n", false,
	    "eNULL" },
	{ "tls_medium_cipherlist = HIGH\n"
	  "$_tls_exclude_ciphers = aNULL, MD5 DES\n"
	  "$_tls_mandatory_exclude_ciphers = 3DES\n",
	    false, "HIGH:!aNULL:!MD5:!DES" },
	{ "tls_medium_cipherlist = HIGH\n"
	  "$_tls_exclude_ciphers = aNULL\n"
	  "$_tls_mandatory_exclude_ciphers = 3DES:DES\n",
	    true, "HIGH:!aNULL:!3DES:!DES" },
	/* What the other level says is not read. */
	{ "tls_medium_cipherlist = HIGH\n$_tls_ciphers = fancy\n"
	  "$_tls_protocols = TLSv7\n",
	    true, "HIGH" },
	{ "tls_medium_cipherlist = HIGH\n$_tls_mandatory_ciphers = fancy\n",
	    false, "HIGH" },
};

static void
t_ciphers(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(ciphers); i++)
		for (size_t k = 0; k < NELEM(sides); k++) {
			bool server = sides[k].side == TLS_SIDE_SMTPD;
			struct tls_rules r;
			char *text =
			    of_side(ciphers[i].main_cf, sides[k].prefix);
			char *want = xasprintf("%s%s", ciphers[i].want,
			    server ? ":!kRSA" : "");
			char *said;

			said = read_text(text, sides[k].side, ciphers[i].forced,
			    &r);
			if (said[0] != '\0')
				fail_msg("%s: %s", text, said);
			else
				assert_string_equal(r.ciphers, want);
			free(said);
			free(want);
			free(text);
		}
}

static void
t_groups(void **state)
{
	(void)state;
	for (size_t k = 0; k < NELEM(sides); k++) {
		struct tls_rules r;
		char *said =
		    read_text("tls_eecdh_auto_curves = X25519 nosuch, P-256\n"
			      "tls_ffdhe_auto_groups = ffdhe3072\n"
			      "tls_preempt_cipherlist = yes\n",
			sides[k].side, false, &r);

		assert_string_equal(said, "");
		assert_string_equal(r.groups, "X25519:P-256:ffdhe3072");
		assert_int_equal(r.preempt, sides[k].side == TLS_SIDE_SMTPD);
		free(said);
		said = read_text("tls_eecdh_auto_curves =\n"
				 "tls_ffdhe_auto_groups =\n",
		    sides[k].side, true, &r);
		assert_string_equal(said, "");
		assert_string_equal(r.groups, "");
		assert_false(r.preempt);
		free(said);
	}
}

/* The same. */
static const struct {
	const char *main_cf;
	bool forced;
	const char *want;
} mistakes[] = {
	{ "$_tls_protocols = >=TLSv1, TLSv2\n", false,
	    "$_tls_protocols: TLSv2 is no TLS protocol" },
	{ "$_tls_mandatory_protocols = >=TLSv1.33\n", true,
	    "$_tls_mandatory_protocols: >=TLSv1.33 is no TLS protocol" },
	{ "$_tls_protocols = >=high\n", false,
	    "$_tls_protocols: >=high is no TLS protocol" },
	{ "$_tls_protocols = !\n", false,
	    "$_tls_protocols: ! is no TLS protocol" },
	{ "$_tls_ciphers = strong\n", false,
	    "$_tls_ciphers: strong is no grade of ciphers" },
	{ "$_tls_mandatory_ciphers = high medium\n", true,
	    "$_tls_mandatory_ciphers: high medium is no grade of ciphers" },
	{ "$_tls_ciphers =\n", false, "$_tls_ciphers: is no grade of ciphers" },
	{ "tls_medium_cipherlist = NOSUCH\n", false,
	    "tls_medium_cipherlist: NOSUCH holds no cipher" },
	{ "tls_high_cipherlist =\n$_tls_ciphers = high\n", false,
	    "tls_high_cipherlist: holds no cipher" },
	{ "$_tls_exclude_ciphers = ALL\n", true,
	    "$_tls_mandatory_ciphers: medium has no cipher left that is not "
	    "excluded" },
};

static void
t_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(mistakes); i++)
		for (size_t k = 0; k < NELEM(sides); k++) {
			struct tls_rules r;
			char *text =
			    of_side(mistakes[i].main_cf, sides[k].prefix);
			char *want = of_side(mistakes[i].want, sides[k].prefix);
			char *said = read_text(text, sides[k].side,
			    mistakes[i].forced, &r);

			assert_string_equal(said, want);
			free(said);
			free(want);
			free(text);
		}
}

/* Lists longer than there is room for. */
static void
t_too_long(void **state)
{
	static const struct {
		const char *name, *word, *want;
	} v[] = {
		{ "tls_medium_cipherlist",
		    "HIGH:", "tls_medium_cipherlist: too long" },
		{ "smtp_tls_exclude_ciphers", "MD5,",
		    "smtp_tls_exclude_ciphers: too long" },
		{ "tls_eecdh_auto_curves", "X25519 ",
		    "tls_eecdh_auto_curves: too long" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(v); i++) {
		struct tls_rules r;
		struct buf b;
		char *said;

		buf_init(&b, 8192);
		buf_printf(&b, "%s = ", v[i].name);
		for (int n = 0; n < 300; n++)
			buf_puts(&b, v[i].word);
		buf_putc(&b, '\n');
		said = read_text(buf_cstr(&b), TLS_SIDE_SMTP, false, &r);
		assert_string_equal(said, v[i].want);
		free(said);
		buf_clear(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_protocols),
		cmocka_unit_test(t_ciphers),
		cmocka_unit_test(t_groups),
		cmocka_unit_test(t_mistakes),
		cmocka_unit_test(t_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
