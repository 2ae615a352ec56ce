/* SPDX-License-Identifier: ISC */
/*
 * Addresses: paths of SMTP commands, lists of headers, domains, xtext.
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
#include "mail/address.h"
#include "mail/addrlist.h"
#include "mail/domain.h"
#include "mail/path.h"
#include "mail/utf8.h"
#include "mail/xtext.h"

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* A result in one letter, for the tables. */
#define OK ADDR_OK
#define SYN ADDR_SYNTAX
#define CTL ADDR_CTRL
#define LIT ADDR_LITERAL
#define LNG ADDR_LONG

/* clang-format off */
static const struct {
	const char *arg;
	enum addr_result strict, lenient;
	const char *addr; /* where one of them is OK */
	unsigned flags;
	const char *rest;
} paths[] = {
	/* RFC 5321: appendix D, 4.1.1.3, 4.1.2 */
	{ "<Smith@bar.com>", OK, OK, "Smith@bar.com", 0, "" },
	{ "<>", OK, OK, "", PATH_NULL, "" },
	{ "<> RET=HDRS", OK, OK, "", PATH_NULL, " RET=HDRS" },
	{ "<Postmaster>", OK, OK, "Postmaster", PATH_NO_DOMAIN, "" },
	{ "<@hosta.int,@jkl.org:userc@d.bar.org>", OK, OK,
	    "userc@d.bar.org", PATH_SOURCE_ROUTE, "" },
	{ "<@a:postmaster>", OK, OK, "postmaster",
	    PATH_SOURCE_ROUTE | PATH_NO_DOMAIN, "" },
	{ "<\"Joe Blow\"@b.example>", OK, OK, "Joe Blow@b.example",
	    PATH_QUOTED, "" },
	{ "<\"a\\\"b\\\\c\"@b.example>", OK, OK, "a\"b\\c@b.example",
	    PATH_QUOTED, "" },
	{ "<\"a@b\"@c.example>", OK, OK, "a@b@c.example", PATH_QUOTED, "" },
	{ "<\"a>b\"@c.example> SIZE=1", OK, OK, "a>b@c.example", PATH_QUOTED,
	    " SIZE=1" },
	{ "<!#$%&'*+-/=?^_`{|}~@d.example>", OK, OK,
	    "!#$%&'*+-/=?^_`{|}~@d.example", 0, "" },
	{ "<u@[192.0.2.1]>", OK, OK, "u@[192.0.2.1]", 0, "" },
	{ "<u@[IPv6:2001:db8::1]>", OK, OK, "u@[IPv6:2001:db8::1]", 0, "" },
	{ "<u@[ipv6:::ffff:192.0.2.1]>", OK, OK, "u@[ipv6:::ffff:192.0.2.1]",
	    0, "" },
	{ "<u@under_score.example>", OK, OK, "u@under_score.example", 0, "" },
	{ "<u@1.2.3.4>", OK, OK, "u@1.2.3.4", 0, "" },
	{ " <u@d.example>", OK, OK, "u@d.example", 0, "" },
	{ "<u@d.example>\t SIZE=3", OK, OK, "u@d.example", 0, "\t SIZE=3" },

	/* open relay probes: an address, whose local part is a route */
	{ "<a%b.example@c.example>", OK, OK, "a%b.example@c.example", 0, "" },
	{ "<b.example!a@c.example>", OK, OK, "b.example!a@c.example", 0, "" },
	{ "<a@b.example@c.example>", SYN, OK, "a@b.example@c.example", 0, "" },
	{ "<\"a@b.example\">", SYN, SYN, NULL, 0, NULL },
	{ "<a\\@b.example>", SYN, SYN, NULL, 0, NULL },
	{ "<\"a\"@b.example@c.example>", SYN, OK, "a@b.example@c.example",
	    PATH_QUOTED, "" },

	/* what only Postfix takes */
	{ "u@d.example", SYN, OK, "u@d.example", 0, "" },
	{ "u@d.example SIZE=1", SYN, OK, "u@d.example", 0, " SIZE=1" },
	{ "\"Joe Blow\"@d.example X=1", SYN, OK, "Joe Blow@d.example",
	    PATH_QUOTED, " X=1" },
	{ "postmaster", SYN, OK, "postmaster", PATH_NO_DOMAIN, "" },
	{ "<u@d.example (Joe (the one) Blow)> A", SYN, OK, "u@d.example", 0,
	    " A" },
	{ "u@d.example(Joe Blow) A", SYN, OK, "u@d.example", 0, " A" },
	{ "<u@d.example>(hi \\) there) A", SYN, OK, "u@d.example", 0, " A" },
	{ "\"Joe Blow\"<u@d.example>", SYN, OK, "u@d.example", 0, "" },
	{ "< u @ d . example >", SYN, OK, "u@d.example", 0, "" },
	{ "< >", SYN, OK, "", PATH_NULL, "" },
	{ "<joe blow@d.example>", SYN, OK, "joe blow@d.example", 0, "" },
	{ "<u@d.example.>", SYN, OK, "u@d.example", 0, "" },
	{ "<.u..v.@d.example>", SYN, OK, ".u..v.@d.example", 0, "" },
	{ "<a\\,b@d.example>", SYN, OK, "a,b@d.example", 0, "" },
	{ "<\"a\".b@d.example>", SYN, OK, "a.b@d.example", PATH_QUOTED, "" },
	{ "<@a,@b,:u@d.example>", SYN, OK, "u@d.example", PATH_SOURCE_ROUTE,
	    "" },
	{ "<" X64 "x@d.example>", LNG, OK, X64 "x@d.example", 0, "" },

	/* what nobody takes */
	{ "", SYN, SYN, NULL, 0, NULL },
	{ "   ", SYN, SYN, NULL, 0, NULL },
	{ "<", SYN, SYN, NULL, 0, NULL },
	{ ">", SYN, SYN, NULL, 0, NULL },
	{ "<u@d.example", SYN, SYN, NULL, 0, NULL },
	{ "u@d.example>", SYN, SYN, NULL, 0, NULL },
	{ "<u@d.example> >", OK, OK, "u@d.example", 0, " >" },
	{ "<u@d.example>x", SYN, SYN, NULL, 0, NULL },
	{ "<<u@d.example>>", SYN, SYN, NULL, 0, NULL },
	{ "<u@d.example><v@d.example>", SYN, SYN, NULL, 0, NULL },
	{ "<u@d.example,v@d.example>", SYN, SYN, NULL, 0, NULL },
	{ "<u;v@d.example>", SYN, SYN, NULL, 0, NULL },
	{ "<u:v@d.example>", SYN, SYN, NULL, 0, NULL },
	{ "<u@>", SYN, SYN, NULL, 0, NULL },
	{ "<u@.>", SYN, SYN, NULL, 0, NULL },
	{ "<@>", SYN, SYN, NULL, 0, NULL },
	{ "<@d.example>", SYN, SYN, NULL, 0, NULL },
	{ "<@d.example:>", SYN, SYN, NULL, 0, NULL },
	{ "<@d.example:@e.example>", SYN, SYN, NULL, 0, NULL },
	{ "<\"\"@d.example>", SYN, SYN, NULL, 0, NULL },
	{ "<\"\">", SYN, SYN, NULL, 0, NULL },
	{ "<u@d..example>", SYN, SYN, NULL, 0, NULL },
	{ "<u@.d.example>", SYN, SYN, NULL, 0, NULL },
	{ "<u@d.example..>", SYN, SYN, NULL, 0, NULL },
	{ "<u@d example>", SYN, SYN, NULL, 0, NULL },
	{ "<u@\"d.example\">", SYN, SYN, NULL, 0, NULL },
	{ "<u@[192.0.2.1>", LIT, SYN, NULL, 0, NULL },
	{ "<u@[192.0.2.256]>", LIT, LIT, NULL, 0, NULL },
	{ "<u@[192.0.2]>", LIT, LIT, NULL, 0, NULL },
	{ "<u@[2001:db8::1]>", LIT, LIT, NULL, 0, NULL },
	{ "<u@[IPv6:192.0.2.1]>", LIT, LIT, NULL, 0, NULL },
	{ "<u@[x-tag:foo]>", LIT, LIT, NULL, 0, NULL },
	{ "<u@[]>", LIT, LIT, NULL, 0, NULL },
	{ "<u@a[192.0.2.1]>", SYN, SYN, NULL, 0, NULL },
	{ "<u@[192.0.2.1]a>", LIT, SYN, NULL, 0, NULL },
	{ "<[192.0.2.1]>", SYN, SYN, NULL, 0, NULL },
	{ "<\"u@d.example>", SYN, SYN, NULL, 0, NULL },
	{ "<u(@d.example>", SYN, SYN, NULL, 0, NULL },
	{ "<u)@d.example>", SYN, SYN, NULL, 0, NULL },
	{ "<u\r@d.example>", CTL, CTL, NULL, 0, NULL },
	{ "<\"u\x7f\"@d.example>", CTL, CTL, NULL, 0, NULL },
	{ "<\"u\033[m\"@d.example>", CTL, CTL, NULL, 0, NULL },

	/* SMTPUTF8, RFC 6531 and what is sent without it */
	{ "<d\xc3\xb6ner@m\xc3\xbcller.example>", OK, OK,
	    "d\xc3\xb6ner@m\xc3\xbcller.example", PATH_8BIT, "" },
	{ "<\xff@d.example>", OK, OK, "\xff@d.example",
	    PATH_8BIT | PATH_BAD_UTF8, "" },
};
/* clang-format on */

static void
check_path(size_t i, unsigned options, enum addr_result want)
{
	struct path p;
	struct buf b;
	enum addr_result r;

	buf_init(&b, ADDR_MAX);
	r = path_parse(str_of(paths[i].arg), options, &b, &p);
	if (r != want)
		fail_msg("path %s, options %x: %s, want %s", paths[i].arg,
		    options, addr_result_text(r), addr_result_text(want));
	if (r != ADDR_OK) {
		assert_int_equal(p.addr.n + p.rest.n + p.flags, 0);
		assert_int_equal(buf_get(&b).n, 0);
	} else {
		if (!str_eq(p.addr, str_of(paths[i].addr)))
			fail_msg("path %s: " STR_FMT, paths[i].arg,
			    STR_ARG(p.addr));
		if (!str_eq(p.rest, str_of(paths[i].rest)))
			fail_msg("path %s: rest '" STR_FMT "'", paths[i].arg,
			    STR_ARG(p.rest));
		if (p.flags != paths[i].flags)
			fail_msg("path %s: flags %x", paths[i].arg, p.flags);
		assert_true(p.addr.n == 0 || addr_valid(p.addr));
	}
	buf_clear(&b);
}

static void
test_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(paths); i++) {
		check_path(i, PATH_STRICT, paths[i].strict);
		check_path(i, 0, paths[i].lenient);
	}
}

static void
test_path_limits(void **state)
{
	char *big = xmalloc(100000);
	struct path p;
	struct buf b;

	(void)state;
	buf_init(&b, ADDR_MAX + 100);
	/* 1024 bytes fit, 1025 do not, whatever the buffer could take */
	memset(big, 'x', 100000);
	memcpy(big, "<u@d.", 5);
	big[1025] = '>';
	assert_int_equal(path_parse(str_make(big, 1026), 0, &b, &p), ADDR_OK);
	assert_int_equal(p.addr.n, ADDR_MAX);
	big[1025] = 'x';
	big[1026] = '>';
	assert_int_equal(path_parse(str_make(big, 1027), 0, &b, &p), ADDR_LONG);
	big[1026] = 'x';
	big[99999] = '>';
	assert_int_equal(path_parse(str_make(big, 100000), 0, &b, &p),
	    ADDR_LONG);
	assert_int_equal(path_parse(str_make(big, 100000), PATH_STRICT, &b, &p),
	    ADDR_LONG);
	/* the limits of RFC 5321: 64 and 256 with brackets */
	assert_int_equal(path_parse(STR("<" X64 "@d>"), PATH_STRICT, &b, &p),
	    ADDR_OK);
	assert_int_equal(path_parse(STR("<" X64 "y@d>"), PATH_STRICT, &b, &p),
	    ADDR_LONG);
	assert_int_equal(path_parse(STR("<u@" X64 X64 X64
					".xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
					"xxxxxxxxxxxxxxxxxxxxxxxxxxxxx>"),
			     PATH_STRICT, &b, &p),
	    ADDR_OK);
	assert_int_equal(path_parse(STR("<u@" X64 X64 X64
					".xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
					"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx>"),
			     PATH_STRICT, &b, &p),
	    ADDR_LONG);
	/* a NUL is a control character too */
	assert_int_equal(path_parse(STR("<a\0b@d>"), 0, &b, &p), ADDR_CTRL);
	buf_clear(&b);
	free(big);
}

static void
test_path_keyword(void **state)
{
	struct str s = STR("From : <a@b>"), t = STR("TO:<x>"), u = STR("FROM"),
		   v = STR("FROMAGE:<x>");

	(void)state;
	assert_int_equal(path_keyword(&s, "FROM"), 0);
	assert_true(str_eq(s, STR(" <a@b>")));
	assert_int_equal(path_keyword(&t, "FROM"), -1);
	assert_true(str_eq(t, STR("TO:<x>")));
	assert_int_equal(path_keyword(&t, "TO"), 0);
	assert_int_equal(path_keyword(&u, "FROM"), -1);
	assert_int_equal(path_keyword(&v, "FROM"), -1);
}

static void
test_path_param(void **state)
{
	struct str s =
	    STR(" SIZE=100  body=8BITMIME\tSMTPUTF8 AUTH=<> X-y=a=b");
	struct path_param p;
	static const char *const bad[] = { "=x", "SIZE=", "SIZE= 1", "-a=1",
		"a_b=1", "a=\x01", "a=b\r", "(c)", "a\xc3\xb6=1" };

	(void)state;
	assert_int_equal(path_param(&s, &p), 1);
	assert_true(str_eq(p.keyword, STR("SIZE")) && p.has_value &&
	    str_eq(p.value, STR("100")));
	assert_int_equal(path_param(&s, &p), 1);
	assert_true(str_eq(p.keyword, STR("body")));
	assert_int_equal(path_param(&s, &p), 1);
	assert_true(str_eq(p.keyword, STR("SMTPUTF8")) && !p.has_value);
	assert_int_equal(path_param(&s, &p), 1);
	assert_true(str_eq(p.value, STR("<>")));
	assert_int_equal(path_param(&s, &p), 1);
	assert_true(
	    str_eq(p.keyword, STR("X-y")) && str_eq(p.value, STR("a=b")));
	assert_int_equal(path_param(&s, &p), 0);
	for (size_t i = 0; i < NELEM(bad); i++) {
		s = str_of(bad[i]);
		if (path_param(&s, &p) != -1)
			fail_msg("parameter %s taken", bad[i]);
	}
}

static void
test_accessors(void **state)
{
	static const struct {
		const char *addr, *local, *domain, *quoted;
		bool routed, valid;
	} c[] = {
		{ "a@b.c", "a", "b.c", "a@b.c", false, true },
		{ "a", "a", "", "a", false, true },
		{ "", "", "", "", false, false },
		{ "a@b@c", "a@b", "c", "\"a@b\"@c", true, true },
		{ "a%b@c", "a%b", "c", "a%b@c", true, true },
		{ "b!a@c", "b!a", "c", "b!a@c", true, true },
		{ "b!a", "b!a", "", "b!a", true, true },
		{ "a%b", "a%b", "", "a%b", true, true },
		{ "@a:u@b", "@a:u", "b", "\"@a:u\"@b", true, true },
		{ "a b@c", "a b", "c", "\"a b\"@c", false, true },
		{ ".a@c", ".a", "c", "\".a\"@c", false, true },
		{ "a..b@c", "a..b", "c", "\"a..b\"@c", false, true },
		{ "a.b.@c", "a.b.", "c", "\"a.b.\"@c", false, true },
		{ "a\"b\\@c", "a\"b\\", "c", "\"a\\\"b\\\\\"@c", false, true },
		{ "\xc3\xa9@c", "\xc3\xa9", "c", "\xc3\xa9@c", false, true },
		{ "@c", "", "c", "\"\"@c", false, false },
		{ "a@", "a", "", "a@", false, false },
		{ "a@b..c", "a", "b..c", "a@b..c", false, false },
		{ "a@b.", "a", "b.", "a@b.", false, false },
		{ "a@[1.2.3.4]", "a", "[1.2.3.4]", "a@[1.2.3.4]", false, true },
		{ "a@[1.2.3]", "a", "[1.2.3]", "a@[1.2.3]", false, false },
		{ "a\n@b", "a\n", "b", "\"a\n\"@b", false, false },
		{ "a@b c", "a", "b c", "a@b c", false, false },
		{ "a@b>", "a", "b>", "a@b>", false, false },
	};
	struct buf b;

	(void)state;
	buf_init(&b, ADDR_QUOTED_MAX);
	for (size_t i = 0; i < NELEM(c); i++) {
		struct str a = str_of(c[i].addr);

		assert_true(str_eq(addr_local(a), str_of(c[i].local)));
		assert_true(str_eq(addr_domain(a), str_of(c[i].domain)));
		assert_int_equal(addr_is_routed(a), c[i].routed);
		if (addr_valid(a) != c[i].valid)
			fail_msg("%s valid", c[i].addr);
		buf_reset(&b);
		assert_int_equal(addr_quote(&b, a), 0);
		assert_string_equal(buf_cstr(&b), c[i].quoted);
	}
	buf_clear(&b);
	buf_init(&b, 3);
	assert_int_equal(addr_quote(&b, STR("a b@c")), -1);
	buf_clear(&b);
}

static void
test_domain(void **state)
{
	static const struct {
		const char *s;
		bool host, fqdn, literal, address;
	} c[] = {
		{ "example.com", true, true, false, false },
		{ "example.com.", false, true, false, false },
		{ "localhost", true, false, false, false },
		{ "a_b.example", true, true, false, false },
		{ "3com.com", true, true, false, false },
		{ "1.2.3.4", false, false, false, true },
		{ "12345", false, false, false, false },
		{ "::1", false, false, false, true },
		{ "fe80::1%eth0", false, false, false, false },
		{ "-a.example", false, false, false, false },
		{ "a-.example", false, false, false, false },
		{ ".example", false, false, false, false },
		{ "a..example", false, false, false, false },
		{ "", false, false, false, false },
		{ ".", false, false, false, false },
		{ "a b.example", false, false, false, false },
		{ "m\xc3\xbcller.example", false, false, false, false },
		{ X64 ".example", false, false, false, false },
		{ "[1.2.3.4]", false, false, true, false },
		{ "[1.2.3.04]", false, false, false, false },
		{ "[IPv6:::1]", false, false, true, false },
		{ "[::1]", false, false, false, false },
		{ "[", false, false, false, false },
		{ "[]", false, false, false, false },
		{ "[1.2.3.4", false, false, false, false },
	};
	struct sockaddr_storage ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	socklen_t len;

	(void)state;
	for (size_t i = 0; i < NELEM(c); i++) {
		struct str s = str_of(c[i].s);

		if (domain_valid_hostname(s) != c[i].host ||
		    domain_is_fqdn(s) != c[i].fqdn ||
		    domain_valid_literal(s) != c[i].literal ||
		    domain_valid_address(s) != c[i].address)
			fail_msg("domain %s", c[i].s);
	}
	assert_int_equal(domain_parse_literal(STR("[IPv6:::2]"), &ss, &len), 0);
	assert_int_equal(ss.ss_family, AF_INET6);
	assert_int_equal(len, sizeof(*in6));
	assert_int_equal(in6->sin6_addr.s6_addr[15], 2);
	assert_false(domain_valid_literal(STR("[1.2.3.4\0]")));
	assert_true(domain_valid_hostname(STR(
	    "abcdefghijklmnopqrstuvwxyz-0123456789_abcdefghijklmnopqrstuvwxy"
	    ".example")));
}

/*
 * Mailboxes are written as they are found, separated by " | ": the internal
 * address, or !RESULT; then what is special: A angle, B broken, J joined,
 * G member of a group.
 */
/* clang-format off */
static const struct {
	const char *text, *want;
} lists[] = {
	/* RFC 5322 appendix A */
	{ "John Doe <jdoe@machine.example>", "jdoe@machine.example A" },
	{ "\"Joe Q. Public\" <john.q.public@example.com>",
	    "john.q.public@example.com A" },
	{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
	    "mary@x.test A | jdoe@example.org | one@y.test A" },
	{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
	    "boss@nil.test A | sysservices@example.net A" },
	{ "A Group:Ed Jones <joe@where.test>,john@one.test, "
	  "John <jdoe@one.test>;",
	    "joe@where.test AG | john@one.test G | jdoe@one.test AG" },
	{ "Undisclosed recipients:;", "" },
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
	    "pete@silly.test A" },
	{ "A Group(Some people)\n     :Chris Jones <c@(Chris's host.)public."
	  "example>,\n         joe@example.org,\n  John <jdoe@one.test> (my "
	  "dear friend); (the end of the group)",
	    "c@public.example AG | joe@example.org G | jdoe@one.test AG" },
	{ "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
	    "" },
	{ "Joe Q. Public <john.q.public@example.com>",
	    "john.q.public@example.com A" },
	{ "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
	    "mary@example.net A | jdoe@test.example" },
	{ "Mary Smith <@a.test,@b.test:mary@example.net>, x@y",
	    "mary@example.net A | x@y" },

	/* old and local habits */
	{ "root", "root" },
	{ "root (Cron Daemon)", "root" },
	{ "alice bob", "alice | bob J" },
	{ "undisclosed recipients", "undisclosed | recipients J" },
	{ "a@x b@y", "a@x | b@y J" },
	{ "a@x; b@y;c@z", "a@x | b@y | c@z" },
	{ "<a@x> <b@y>", "a@x A | b@y AJ" },
	{ "<a@x>b@y", "a@x A | b@y J" },
	{ "Full Name u@x", "Full | Name J | u@x J" },
	{ "mailto:u@x", "u@x G" },
	{ "@a,@b:u@x", "!SYN | u@x G" },
	{ "host!user@x, u%y@x", "host!user@x | u%y@x" },
	{ "\"Joe Blow\"@x", "Joe Blow@x" },
	{ "\"joe\n blow\"@x", "joe blow@x" },
	{ "[LIST] Name <a@x>", "a@x A" },
	{ "a@[192.0.2.1], b@[IPv6:::1]", "a@[192.0.2.1] | b@[IPv6:::1]" },
	{ "=?utf-8?q?a=2C_b?= <c@x>", "c@x A" },
	{ "a@b <c@d>", "c@d A" },
	{ "<>", "!EMPTY A" },
	{ "<>, <a@b>", "!EMPTY A | a@b A" },
	{ "", "" },
	{ " , ;,\n\t", "" },
	{ "A: a@x, b@y; c@z", "a@x G | b@y G | c@z" },

	/* nonsense */
	{ "<a@b", "a@b AB" },
	{ "<a@b, c@d", "a@b AB | c@d" },
	{ "<a@b <c@d>", "a@b AB | c@d AJ" },
	{ "a@b>, c@d", "a@b | c@d" },
	{ "\"a@b, c@d", "!SYN B" },
	{ "a@b (comment", "a@b" },
	{ "a@b ((comment), c@d", "a@b" },
	{ "a@[1.2, c@d", "!SYN B | c@d" },
	{ "[[[[", "!SYN B" },
	{ "a@b, ), c@d", "a@b | c@d" },
	{ "@", "!SYN" },
	{ "a@@b", "a@@b" },
	{ "a@", "!SYN" },
	{ "\\", "\\" },
	{ ":::", "" },
	{ "<<<>>>", "!EMPTY AB | !EMPTY ABJ | !EMPTY AJ" },
	{ "a\rb@c", "a | b@c J" },
	{ "\"a\rb\"@c", "!CTL" },
	{ "a\x01@b", "!CTL" },
};
/* clang-format on */

static void
describe(struct buf *out, const struct addrlist *l,
    const struct addrlist_item *item)
{
	static const char *const names[] = { [ADDR_EMPTY] = "!EMPTY",
		[ADDR_SYNTAX] = "!SYN",
		[ADDR_CTRL] = "!CTL",
		[ADDR_LITERAL] = "!LIT",
		[ADDR_LONG] = "!LNG" };
	enum addr_result r;
	struct buf addr;

	buf_init(&addr, ADDR_MAX);
	r = addrlist_addr(l, item, &addr);
	if (buf_get(out).n > 0)
		buf_puts(out, " | ");
	if (r == ADDR_OK)
		buf_str(out, buf_get(&addr));
	else
		buf_puts(out, names[r]);
	if (item->flags != 0)
		buf_putc(out, ' ');
	if ((item->flags & ADDRLIST_ANGLE) != 0)
		buf_putc(out, 'A');
	if ((item->flags & ADDRLIST_BROKEN) != 0)
		buf_putc(out, 'B');
	if ((item->flags & ADDRLIST_GROUP) != 0)
		buf_putc(out, 'G');
	if ((item->flags & ADDRLIST_JOINED) != 0)
		buf_putc(out, 'J');
	buf_clear(&addr);
}

static void
test_addrlist(void **state)
{
	struct addrlist_item item;
	struct addrlist l;
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	for (size_t i = 0; i < NELEM(lists); i++) {
		buf_reset(&b);
		addrlist_init(&l, str_of(lists[i].text));
		while (addrlist_next(&l, &item))
			describe(&b, &l, &item);
		if (!str_eq(buf_get(&b), str_of(lists[i].want)))
			fail_msg("list '%s':\n got  %s\n want %s",
			    lists[i].text, buf_cstr(&b), lists[i].want);
	}
	buf_clear(&b);
}

/* Put brackets around the addresses, to see where they are. */
static void
test_addrlist_offsets(void **state)
{
	static const struct {
		const char *text, *want;
	} c[] = {
		{ "Joe <a@b> (x), (y) c @ d (z)",
		    "{Joe <[a@b]>} (x), (y) {[c @ d]} (z)" },
		{ "G:\n <@r:a@b>,\n c;", "G:\n {<[@r:a@b]>},\n {[c]};" },
		{ "x y, < a@b (c) >", "{[x]} {[y]}, {< [a@b] (c) >}" },
		{ "<>", "{<[]>}" },
	};
	struct addrlist_item item;
	struct addrlist l;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < NELEM(c); i++) {
		struct str s = str_of(c[i].text);
		size_t at = 0;

		buf_reset(&b);
		addrlist_init(&l, s);
		while (addrlist_next(&l, &item)) {
			buf_str(&b, str_sub(s, at, item.off));
			buf_putc(&b, '{');
			buf_str(&b, str_sub(s, item.off, item.spec_off));
			buf_putc(&b, '[');
			buf_str(&b, str_sub(s, item.spec_off, item.spec_end));
			buf_putc(&b, ']');
			buf_str(&b, str_sub(s, item.spec_end, item.end));
			buf_putc(&b, '}');
			at = item.end;
		}
		buf_str(&b, str_sub(s, at, s.n));
		assert_string_equal(buf_cstr(&b), c[i].want);
	}
	buf_clear(&b);
}

/*
 * A megabyte of each of these takes milliseconds; were any of it quadratic, it
 * would take hours.
 */
static void
test_addrlist_linear(void **state)
{
	static const char *const units[] = { "(", "<", "[", "\"", "\\", ",",
		":", ";", "@", ".", "a ", "a@b ", "a@b,", "<a@b>", "<@a,", "()",
		"(\"", "[(", "a:", "a\n ", ")", ">", "<\"", "a.(" };
	size_t n = 1 << 20, items = 0;
	char *p = xmalloc(n);
	int64_t start = clock_ms();
	struct addrlist_item item;
	struct addrlist l;
	struct buf b;

	(void)state;
	buf_init(&b, ADDR_MAX);
	for (size_t i = 0; i < NELEM(units); i++) {
		size_t unit = strlen(units[i]);

		for (size_t k = 0; k < n; k++)
			p[k] = units[i][k % unit];
		addrlist_init(&l, str_make(p, n));
		while (addrlist_next(&l, &item)) {
			addrlist_addr(&l, &item, &b);
			items++;
		}
	}
	assert_true(items > n);
	assert_true(clock_ms() - start < 60000);
	buf_clear(&b);
	free(p);
}

static void
test_xtext(void **state)
{
	static const struct {
		const char *in, *out;
	} c[] = {
		{ "a+2Bb", "a+b" },
		{ "", "" },
		{ "a+3db", "a=b" },
		{ "QQ314159", "QQ314159" },
		{ "a+20b", "a b" },
		{ "+", NULL },
		{ "+2", NULL },
		{ "+2G", NULL },
		{ "+00", NULL },
		{ "a=b", NULL },
		{ "a b", NULL },
		{ "a\n", NULL },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < NELEM(c); i++) {
		buf_reset(&b);
		assert_int_equal(xtext_decode(&b, str_of(c[i].in)),
		    c[i].out == NULL ? -1 : 0);
		if (c[i].out != NULL)
			assert_string_equal(buf_cstr(&b), c[i].out);
	}
	buf_reset(&b);
	assert_int_equal(xtext_encode(&b, STR("a+b=c \xc3\xa4\n")), 0);
	assert_string_equal(buf_cstr(&b), "a+2Bb+3Dc+20+C3+A4+0A");
	buf_clear(&b);
	buf_init(&b, 2);
	assert_int_equal(xtext_encode(&b, STR("+")), -1);
	assert_int_equal(xtext_decode(&b, STR("abc")), -1);
	buf_clear(&b);
}

static void
test_orcpt(void **state)
{
	static const struct {
		const char *in, *type, *addr;
	} c[] = {
		{ "rfc822;Bob@Example.COM", "rfc822", "Bob@Example.COM" },
		{ "rfc822;a+2Bb@c", "rfc822", "a+b@c" },
		{ "utf-8;d\\x{F6}ner@x", "utf-8", "d\xc3\xb6ner@x" },
		{ "utf-8;d\xc3\xb6ner@x", "utf-8", "d\xc3\xb6ner@x" },
		{ "UTF-8;\\x{1F40C}\\x{2B}", "UTF-8", "\xf0\x9f\x90\x8c+" },
		{ "rfc822;", NULL, NULL },
		{ ";a", NULL, NULL },
		{ "rfc822", NULL, NULL },
		{ "rf c;a", NULL, NULL },
		{ "rfc822;a+0Ab", NULL, NULL },
		{ "rfc822;+7F", NULL, NULL },
		{ "utf-8;\\x{D800}", NULL, NULL },
		{ "utf-8;\\x{110000}", NULL, NULL },
		{ "utf-8;\\x{0A}", NULL, NULL },
		{ "utf-8;\\x{}", NULL, NULL },
		{ "utf-8;\\x{1234567}", NULL, NULL },
		{ "utf-8;\\x{12", NULL, NULL },
		{ "utf-8;a\\", NULL, NULL },
		{ "utf-8;\xff", NULL, NULL },
	};
	struct str type;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < NELEM(c); i++) {
		buf_reset(&b);
		if (orcpt_decode(str_of(c[i].in), &type, &b) !=
		    (c[i].addr == NULL ? -1 : 0))
			fail_msg("orcpt %s", c[i].in);
		if (c[i].addr == NULL)
			continue;
		assert_string_equal(buf_cstr(&b), c[i].addr);
		assert_true(str_eq(type, str_of(c[i].type)));
	}
	buf_reset(&b);
	assert_int_equal(orcpt_encode(&b, STR("rfc822"), STR("a+b@c d")), 0);
	assert_string_equal(buf_cstr(&b), "rfc822;a+2Bb@c+20d");
	buf_reset(&b);
	assert_int_equal(orcpt_encode(&b, STR("rfc822"),
			     STR("a+\xc3\xb6\xf0\x9f\x90\x8c@c")),
	    0);
	assert_string_equal(buf_cstr(&b), "utf-8;a\\x{2B}\\x{F6}\\x{1F40C}@c");
	buf_clear(&b);
}

static void
test_utf8(void **state)
{
	static const struct {
		const char *s;
		bool valid;
		const char *clean, *ascii;
	} c[] = {
		{ "abc", true, "abc", "abc" },
		{ "\xc3\xa4", true, "\xc3\xa4", "??" },
		{ "\xe2\x82\xac", true, "\xe2\x82\xac", "???" },
		{ "\xf4\x8f\xbf\xbf", true, "\xf4\x8f\xbf\xbf", "????" },
		{ "\xf4\x90\x80\x80", false, "????", "????" },
		{ "\xc0\x80", false, "??", "??" },
		{ "\xe0\x80\xaf", false, "???", "???" },
		{ "\xf0\x80\x80\xaf", false, "????", "????" },
		{ "\xed\xa0\x80", false, "???", "???" },
		{ "a\xc3", false, "a?", "a?" },
		{ "\x80", false, "?", "?" },
		{ "\xc2\x9b", true, "??", "??" },
		{ "a\033[0m\r\n\x7f", true, "a?[0m???", "a?[0m???" },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < NELEM(c); i++) {
		struct str s = str_of(c[i].s);

		assert_int_equal(utf8_valid(s), c[i].valid);
		buf_reset(&b);
		utf8_sanitize(&b, s, 50, true);
		assert_string_equal(buf_cstr(&b), c[i].clean);
		buf_reset(&b);
		utf8_sanitize(&b, s, 50, false);
		assert_string_equal(buf_cstr(&b), c[i].ascii);
	}
	assert_true(utf8_is_ascii(STR("abc\x7f")));
	assert_false(utf8_is_ascii(STR("abc\x80")));
	buf_reset(&b);
	utf8_sanitize(&b, STR("ab\xc3\xa4"), 2, true);
	assert_string_equal(buf_cstr(&b), "ab");
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_path_limits),
		cmocka_unit_test(test_path_keyword),
		cmocka_unit_test(test_path_param),
		cmocka_unit_test(test_accessors),
		cmocka_unit_test(test_domain),
		cmocka_unit_test(test_addrlist),
		cmocka_unit_test(test_addrlist_offsets),
		cmocka_unit_test(test_addrlist_linear),
		cmocka_unit_test(test_xtext),
		cmocka_unit_test(test_orcpt),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
