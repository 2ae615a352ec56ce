/* SPDX-License-Identifier: ISC */
/*
 * main.cf, master.cf, and the snapshots that are made of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/fd.h"
#include "base/mem.h"
#include "conf/build.h"
#include "conf/conf.h"
#include "conf/eval.h"
#include "conf/netlist.h"

#define MASTER                         \
	"smtp inet n - - - - smtpd\n"  \
	"qmgr unix n - - 300 1 qmgr\n" \
	"smtp unix - - - - - smtp\n"   \
	"local unix - n n - - local\n"

/* All findings, for looking something up in them. */
static char *
findings(const struct build *b)
{
	struct buf out;
	char *s;

	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < b->rep.n; i++) {
		s = report_line(&b->rep.v[i]);
		buf_printf(&out, "%s %s\n",
		    b->rep.v[i].level == REPORT_ERROR ? "E" : "W", s);
		free(s);
	}
	return buf_take(&out);
}

static struct conf *
open_conf(struct build *b, const struct service *self)
{
	struct conf *c;
	int fd = build_memfd(b, self, 7);

	if (fd == -1)
		fail_msg("no snapshot: %s", findings(b));
	assert_int_equal(memfd_sealed(fd), 1);
	c = conf_open(fd);
	close(fd);
	assert_non_null(c);
	return c;
}

/* ---- main.cf ---- */

static void
test_maincf(void **state)
{
	static const char text[] = "# comment\n"
				   "\n"
				   "a = 1\n"
				   "b=x,\n"
				   "\ty\n"
				   "  # comment inside\n"
				   "\n"
				   "  z  \r\n"
				   "a =   2\n"
				   "empty =\n";
	struct maincf cf;
	struct report rep;
	const struct maincf_entry *e;

	(void)state;
	maincf_init(&cf);
	report_init(&rep);
	maincf_parse(&cf, "main.cf", STR(text), &rep);
	assert_int_equal(cf.n, 3);
	e = maincf_find(&cf, STR("b"));
	assert_string_equal(e->value, "x,\ty  z");
	assert_int_equal(e->line, 4);
	e = maincf_find(&cf, STR("a"));
	assert_string_equal(e->value, "2"); /* the last one counts */
	assert_int_equal(e->line, 9);
	assert_string_equal(maincf_find(&cf, STR("empty"))->value, "");
	assert_null(maincf_find(&cf, STR("c")));
	assert_int_equal(rep.errors, 0);
	assert_int_equal(rep.warnings, 1);
	assert_int_equal(rep.v[0].line, 9);
	maincf_clear(&cf);
	report_clear(&rep);
}

/* What is wrong, and what the report has to say about it. */
static void
test_errors(void **state)
{
	/* clang-format off */
	static const struct { const char *main, *master, *want; } cases[] = {
		/* misspelled names of the field, with the right ones */
		{ "smtpd_recipient_restricitons = permit\n", "",
		  "E main.cf, line 1: unknown parameter: "
		  "smtpd_recipient_restricitons (did you mean "
		  "smtpd_recipient_restrictions?)" },
		{ "relay_domain = a\n", "", "did you mean relay_domains?" },
		{ "mynetwork = a\n", "", "did you mean mynetworks?" },
		{ "smtp_recipient_restrictions = permit\n", "",
		  "did you mean smtpd_recipient_restrictions?" },
		{ "\n\nxyzzy_plugh = 1\n", "",
		  "E main.cf, line 3: unknown parameter: xyzzy_plugh" },
		/* unindented continuation */
		{ "mydestination = a,\nlocalhost, b\n", "",
		  "E main.cf, line 2: \"=\" is missing behind \"localhost, b\""
		  " (write name = value; a line that continues" },
		{ "  mail_name = x\n", "", "E main.cf, line 1: there is nothing" },
		{ "mydestination = a, \\\n  b\n", "",
		  "W main.cf, line 1: a backslash at the end" },
		{ "my destination = a\n", "", "\"my destination\" is not the" },
		{ "= a\n", "", "nothing before" },
		/* types and ranges */
		{ "smtpd_helo_required = maybe\n", "",
		  "E main.cf, line 1: smtpd_helo_required: \"maybe\" is neither" },
		{ "line_length_limit = 12\n", "", "\"12\" is out of range (from 512" },
		{ "reject_code = 200\n", "", "out of range" },
		{ "queue_run_delay = soon\n", "", "\"soon\" is not a time" },
		{ "message_size_limit = 10 MB\n", "", "is not a size" },
		{ "mynetworks_style = all\n", "", "is not one of the words" },
		{ "notify_classes = bounce, spam\n", "",
		  "\"spam\" is not one of the words" },
		{ "smtpd_client_connection_count_limit = $reject\n", "",
		  "W main.cf, line 1: undefined parameter: reject" },
		/* lists */
		{ "mynetworks = 10.0.0.1/8\n", "",
		  "\"10.0.0.1/8\" has bits set behind its prefix" },
		{ "mynetworks = fe80::/10\n", "", "without brackets" },
		{ "mydestination = ftp://www.$mydomain\n", "",
		  "there is no table type \"ftp\"" },
		{ "mydestination = \"a b\"\n", "", "is not a name" },
		{ "mydestination = /nonexistent/file\n", "",
		  "E main.cf, line 1: mydestination: cannot read /nonexistent/file" },
		{ "alias_maps = /etc/aliases\n", "",
		  "\"/etc/aliases\" is not a table" },
		{ "alias_maps = hsah:/etc/aliases\n", "", "no table type \"hsah\"" },
		{ "smtpd_client_restrictions = check_client_access inline:{a=b\n",
		  "", "\"}\" is missing" },
		/* expansion */
		{ "mail_name = $mail_name\n", "",
		  "E main.cf, line 1: mail_name: value refers to itself" },
		{ "mail_name = ${oops\n", "", "closing brace is missing" },
		{ "myhostname = a.$mydomain\nmydomain = b.$myhostname\n", "",
		  "value refers to itself" },
		/* other days, other versions */
		{ "maps_rbl_domains = rbl.example\n", "",
		  "E main.cf, line 1: maps_rbl_domains is not supported any more "
		  "(use one reject_rbl_client" },
		{ "virtual_maps = hash:/x\n", "", "W main.cf, line 1: virtual_maps "
		  "is the old name of another parameter (write virtual_alias_maps)" },
		{ "smtpd_milters = inet:x:1\n", "",
		  "smtpd_milters is not supported by this version" },
		{ "smtpd_recipient_restrictions = check_policy_service { "
		  "inet:127.0.0.1:10023, timeout=10s }, reject\n", "",
		  "smtpd_recipient_restrictions: check_policy_service is not "
		  "supported by this version: policy services (leave it out)" },
		{ "smtpd_restriction_classes = a\na = reject, SLEEP 1\n", "",
		  "E main.cf, line 2: a: SLEEP is not supported" },
		{ "max_use = 7\n", "", "W main.cf, line 1: max_use has no effect" },
		{ "process_id = 7\n", "", "process_id cannot be set" },
		{ "nosuch_destination_concurrency_limit = 7\n", "",
		  "there is no nosuch in master.cf" },
		/* master.cf */
		{ "", "pipe1 unix - n n - - pipe\nflags=R user=x argv=y\n",
		  "E master.cf, line 2: \"flags=R\" is not a name of a service" },
		{ "", "pipe1 unix - n n - - pipe\nflags=R a b c d e f g h i\n",
		  "E master.cf, line 2: \"flags=R\" is not a name of a service "
		  "(begin this line with a blank" },
		{ "", "smtp inet n - - - smtpd\n", "7 columns where there" },
		{ "", "smtp inte n - - - - smtpd\n", "\"inte\" in the column type" },
		{ "", "smtp inet x - - - - smtpd\n", "\"x\" in the column private" },
		{ "", "smtp inet n - - 6? x smtpd\n", "\"x\" in the column maxproc" },
		{ "", "smtp inet y - - - - smtpd\n", "cannot be private" },
		{ "", "smtp inet n - - - - smtpd\nsmtp inet n - - - - smtpd\n",
		  "E master.cf, line 2: the service smtp/inet is there already, "
		  "in line 1" },
		{ "", "x unix - - - - - frobnicate\n",
		  "there is no service program \"frobnicate\"" },
		{ "", "smtp inet n - - - - smtpd -o\n", "nothing behind -o" },
		{ "", "smtp inet n - - - - smtpd -o { a = b\n", "\"}\" is missing" },
		{ "", "smtp inet n - - - - smtpd -o smtpd_hello=1\n",
		  "E master.cf, line 1: unknown parameter: smtpd_hello" },
		{ "", "smtp inet n - - - - smtpd -o reject_code=x\n",
		  "E master.cf, line 1: reject_code: \"x\" is not a number" },
		{ "", "nosuchport-x inet n - - - - smtpd\n",
		  "unknown port \"nosuchport-x\"" },
		{ "", "::1:25 inet n - - - - smtpd\n", "without brackets" },
		{ "", "[::1]25 inet n - - - - smtpd\n", "no port in" },
		{ "", " smtp inet n - - - - smtpd\n", "nothing that this line" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct build b;
		size_t n;
		char *all;

		build_parse(&b, "/etc/x", str_of(cases[i].main),
		    str_of(cases[i].master));
		n = build_check(&b);
		all = findings(&b);
		if (strstr(all, cases[i].want) == NULL)
			fail_msg("%s%s: got %s", cases[i].main, cases[i].master,
			    all);
		if ((n > 0) !=
		    (strncmp(all, "E ", 2) == 0 || strstr(all, "\nE ") != NULL))
			fail_msg("%s: %zu errors", cases[i].main, n);
		free(all);
		build_clear(&b);
	}
}

/* What administrators write, and what is no mistake. */
static void
test_good(void **state)
{
	static const char *const mains[] = { "",
		/* made up and used, also from master.cf */
		"mua_x = permit_mynetworks, reject\n"
		"smtpd_client_restrictions = $mua_x\n",
		"smtpd_restriction_classes = strict\nstrict = reject\n",
		"only_in_master = 1\n",
		/* a table with its settings in main.cf, the old style */
		"alias_maps = ldap:people\npeople_server_host = h\n"
		"people_search_base = dc=x\n",
		/* a family of a transport that is there */
		"smtp_destination_concurrency_limit = 3\n"
		"local_destination_recipient_limit = 1\n",
		/* what is not supported, set to what it is anyway */
		"smtpd_use_tls = no\nheader_checks =\n",
		"inet_protocols = ipv4, ipv6\n",
		"mydestination = pcre:/x, !bad.example, example.com\n",
		"virtual_mailbox_maps = inline:{ {a@b = x/}, {c@d = y/} }\n",
		"smtpd_recipient_restrictions = check_client_access "
		"inline:{ {a.example = OK} }, reject\n" };
	static const char master[] = MASTER
	    "587 inet n - - - - smtpd -o { mail_name = $only_in_master }\n"
	    "	-o syslog_name=x/submission -v\n";

	(void)state;
	for (size_t i = 0; i < NELEM(mains); i++) {
		struct build b;
		char *all;

		build_parse(&b, "/etc/x", str_of(mains[i]), STR(master));
		build_check(&b);
		all = findings(&b);
		/* The one case without only_in_master in main.cf warns. */
		if (strstr(all, "E ") != NULL ||
		    (strstr(all, "W ") != NULL &&
			strstr(all, "only_in_master") == NULL))
			fail_msg("%s: %s", mains[i], all);
		free(all);
		build_clear(&b);
	}
}

/* ---- defaults of the host ---- */

static const char *
value(const char *main, const char *hostname, enum param_id id, struct buf *out)
{
	struct build b;
	struct eval e;

	build_parse(&b, "/etc/x", str_of(main), STR(MASTER));
	free(b.host.hostname);
	b.host.hostname = xstrdup(hostname);
	assert_int_equal(hostfacts_add(&b.host, "127.0.0.1/8"), 0);
	assert_int_equal(hostfacts_add(&b.host, "172.16.5.6/20"), 0);
	assert_int_equal(hostfacts_add(&b.host, "[::1]/128"), 0);
	assert_int_equal(hostfacts_add(&b.host, "[2001:db8::5]/64"), 0);
	assert_int_equal(hostfacts_add(&b.host, "nonsense"), -1);
	e = (struct eval){ .main = &b.main,
		.host = &b.host,
		.dir = b.dir,
		.rep = &b.rep };
	buf_reset(out);
	eval_param(&e, id, out);
	eval_clear(&e);
	build_clear(&b);
	return buf_cstr(out);
}

static void
test_host(void **state)
{
	/* clang-format off */
	static const struct {
		const char *main, *host; enum param_id id; const char *want;
	} cases[] = {
		{ "", "a.b.c", P_MYHOSTNAME, "a.b.c" },
		{ "", "a.b.c", P_MYDOMAIN, "b.c" },
		{ "", "a", P_MYHOSTNAME, "a.localdomain" },
		{ "", "a", P_MYDOMAIN, "localdomain" },
		{ "mydomain = x.y\n", "a", P_MYHOSTNAME, "a.x.y" },
		{ "myhostname = m.x.y\n", "a", P_MYDOMAIN, "x.y" },
		{ "myhostname = m.x.y\n", "a", P_MYDESTINATION,
		  "m.x.y, localhost.x.y, localhost" },
		{ "myhostname = m.x.y\n", "a", P_SMTPD_BANNER, "m.x.y ESMTP Postern" },
		{ "mydomain = $myhostname\n", "a.b", P_MYDOMAIN, "a.b" },
		{ "", "a", P_MYNETWORKS,
		  "127.0.0.1/32 172.16.5.6/32 [::1]/128 [2001:db8::5]/128" },
		{ "mynetworks_style = subnet\n", "a", P_MYNETWORKS,
		  "127.0.0.0/8 172.16.0.0/20 [::1]/128 [2001:db8::]/64" },
		{ "mynetworks_style = class\n", "a", P_MYNETWORKS,
		  "127.0.0.0/8 172.16.0.0/16 [::1]/128 [2001:db8::]/64" },
		{ "inet_interfaces = loopback-only\n", "a", P_MYNETWORKS,
		  "127.0.0.1/32 [::1]/128" },
		{ "inet_interfaces = 172.16.5.6\n", "a", P_MYNETWORKS,
		  "172.16.5.6/32" },
		{ "inet_protocols = ipv4\n", "a", P_MYNETWORKS,
		  "127.0.0.1/32 172.16.5.6/32" },
		{ "compatibility_level = 1\n", "a", P_MYNETWORKS_STYLE, "subnet" },
		{ "compatibility_level = 2\n", "a", P_RELAY_DOMAINS, "" },
		{ "compatibility_level = 0\n", "a", P_APPEND_DOT_MYDOMAIN, "yes" },
		{ "", "a", P_APPEND_DOT_MYDOMAIN, "no" },
		{ "stress = yes\n", "a", P_SMTPD_TIMEOUT, "10s" },
		{ "", "a", P_SMTPD_TIMEOUT, "300s" },
		{ "virtual_maps = hash:/v\n", "a", P_VIRTUAL_ALIAS_MAPS, "hash:/v" },
		{ "", "a", P_CONFIG_DIRECTORY, "/etc/x" },
		{ "", "a", P_FORWARD_PATH, "$home/.forward${recipient_delimiter}"
		  "${extension}, $home/.forward" }, /* for later */
	};
	/* clang-format on */
	struct buf out;

	(void)state;
	buf_init(&out, 10000);
	for (size_t i = 0; i < NELEM(cases); i++) {
		const char *got =
		    value(cases[i].main, cases[i].host, cases[i].id, &out);

		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s on %s, %s: %s", cases[i].main,
			    cases[i].host, params[cases[i].id].name, got);
	}
	buf_clear(&out);
}

/* ---- snapshots ---- */

static void
test_snapshot(void **state)
{
	static const char main_cf[] =
	    "myhostname = mx.example.com\n"
	    "mail_name = Test\n"
	    "minimal_backoff_time = 5m\n"
	    "delay_warning_time = 4\n" /* hours: the unit of its default */
	    "queue_memory_limit = 1g\n"
	    "mynetworks = !10.0.0.1, 10.0.0.0/8 hash:/etc/nets\n"
	    "notify_classes = bounce\n"
	    "smtp_destination_concurrency_limit = 3\n"
	    "default_destination_recipient_limit = 9\n"
	    "smtpd_restriction_classes = strict\n"
	    "strict = check_client_access hash:/a, reject\n"
	    "default_process_limit = 42\n"
	    "smtpd_recipient_restrictions = check_policy_service "
	    "{ inet:h:1, timeout=3 } reject\n";
	static const char master_cf[] = MASTER
	    "127.0.0.1:10025 inet n - y - 16 smtpd\n"
	    "	-o smtpd_banner=$myhostname\n"
	    "	-o { smtpd_helo_required = yes } -v\n"
	    "proc fifo - n n 60? - pipe flags=R user=v argv=/bin/p {a b}\n";
	const struct conf_service *s;
	struct conf_list l;
	struct build b;
	struct conf *c;
	struct str v;

	(void)state;
	build_parse(&b, "/etc/x", STR(main_cf), STR(master_cf));
	c = open_conf(&b, NULL);
	assert_int_equal(conf_generation(c), 7);
	assert_null(conf_self(c));
	assert_string_equal(conf_cstr(c, P_SMTPD_BANNER),
	    "mx.example.com ESMTP Test");
	assert_false(conf_bool(c, P_SMTPD_HELO_REQUIRED));
	assert_int_equal(conf_secs(c, P_MINIMAL_BACKOFF_TIME), 300);
	assert_int_equal(conf_secs(c, P_DELAY_WARNING_TIME), 4 * 3600);
	assert_int_equal(conf_size(c, P_QUEUE_MEMORY_LIMIT), 1LL << 30);
	assert_int_equal(conf_int(c, P_SMTPD_RECIPIENT_LIMIT), 1000);
	assert_true(conf_is(c, P_LOG_FORMAT, "postfix"));
	assert_true(conf_has(c, P_NOTIFY_CLASSES, "bounce"));
	assert_false(conf_has(c, P_NOTIFY_CLASSES, "resource"));
	assert_true(match_parents(c, "relay_domains"));
	assert_false(match_parents(c, "mydestination"));

	l = conf_list(c, P_MYNETWORKS);
	assert_int_equal(l.n, 3);
	assert_true(l.v[0].negate);
	assert_true(str_eq(l.v[0].text, STR("10.0.0.1")));
	assert_int_equal(l.v[2].kind, CONF_TABLE);
	assert_true(str_eq(l.v[2].type, STR("hash")));
	assert_true(str_eq(l.v[2].text, STR("/etc/nets")));
	assert_true(str_eq(l.v[2].full, STR("hash:/etc/nets")));
	l = conf_list(c, P_SMTPD_RECIPIENT_RESTRICTIONS);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.v[1].kind, CONF_GROUP);
	assert_true(str_eq(l.v[1].text, STR("inet:h:1, timeout=3")));

	assert_true(conf_named(c, STR("strict"), &v));
	l = conf_named_list(c, STR("strict"));
	assert_int_equal(l.n, 3);
	assert_int_equal(l.v[1].kind, CONF_TABLE);
	assert_false(conf_named(c, STR("lax"), &v));
	assert_int_equal(v.n, 0);

	assert_int_equal(conf_transport_int(c, F_DESTINATION_CONCURRENCY_LIMIT,
			     STR("smtp")),
	    3);
	assert_int_equal(conf_transport_int(c, F_DESTINATION_CONCURRENCY_LIMIT,
			     STR("local")),
	    2);
	assert_int_equal(conf_transport_int(c, F_DESTINATION_CONCURRENCY_LIMIT,
			     STR("nosuch")),
	    20);
	assert_int_equal(conf_transport_int(c, F_DESTINATION_RECIPIENT_LIMIT,
			     STR("smtp")),
	    9);
	assert_int_equal(conf_transport_int(c, F_DESTINATION_RECIPIENT_LIMIT,
			     STR("local")),
	    1);
	assert_int_equal(conf_transport_ms(c, F_TIME_LIMIT, STR("proc")),
	    1000000);

	s = conf_service_find(c, STR("proc"), CONF_UNIX);
	assert_non_null(s);
	assert_true(s->is_private && s->is_privileged && !s->is_chroot);
	assert_int_equal(s->wakeup, 60);
	assert_true(s->wakeup_lazy);
	assert_int_equal(s->maxproc, 42);
	assert_true(str_eq(s->component, STR("pipe")));
	assert_int_equal(s->args.n, 4);
	assert_true(str_eq(s->args.v[2].text, STR("argv=/bin/p")));
	assert_int_equal(s->args.v[3].kind, CONF_GROUP);
	assert_true(str_eq(s->args.v[3].text, STR("a b")));
	assert_non_null(conf_service(c, 5));
	assert_null(conf_service(c, 6));
	conf_free(&c);
	assert_null(c);

	c = open_conf(&b, mastercf_find(&b.master, "127.0.0.1:10025", "inet"));
	s = conf_self(c);
	assert_true(str_eq(s->host, STR("127.0.0.1")));
	assert_int_equal(s->port_num, 10025);
	assert_int_equal(s->maxproc, 16);
	assert_true(s->is_chroot && !s->is_private && !s->is_privileged);
	assert_int_equal(s->args.n, 1); /* -v */
	assert_string_equal(conf_cstr(c, P_SMTPD_BANNER), "mx.example.com");
	assert_true(conf_bool(c, P_SMTPD_HELO_REQUIRED));
	assert_string_equal(conf_cstr(c, P_SERVICE_NAME), "127.0.0.1:10025");
	conf_free(&c);
	build_clear(&b);
}

/* A snapshot that is not whole, or not from here, is refused. */
static void
test_bad_snapshot(void **state)
{
	struct build b;
	struct buf out;
	struct conf *c;
	size_t n;
	char *copy;

	(void)state;
	build_parse(&b, "/etc/x", STR("mail_name = x\n"), STR(MASTER));
	buf_init(&out, BUILD_MAX);
	assert_int_equal(build_snapshot(&b, NULL, 1, &out), 0);
	n = buf_get(&out).n;
	for (size_t cut = 0; cut < n; cut += 1 + cut / 16)
		assert_null(conf_from(buf_get(&out).p, cut));
	copy = xmalloc(n + 1);
	memcpy(copy, buf_get(&out).p, n);
	copy[n] = 0;
	assert_null(conf_from(copy, n + 1)); /* something behind it */
	copy[9] ^= 1; /* another declaration of parameters */
	assert_null(conf_from(copy, n));
	copy[9] ^= 1;
	c = conf_from(copy, n);
	assert_non_null(c);
	conf_free(&c);
	/* Any byte changed: refused, or still a proper snapshot. */
	for (size_t i = 0; i < n; i += 7) {
		copy[i] ^= (char)0x80;
		c = conf_from(copy, n);
		if (c != NULL)
			assert_non_null(conf_cstr(c, P_MYNETWORKS));
		conf_free(&c);
		copy[i] ^= (char)0x80;
	}
	free(copy);
	buf_clear(&out);
	build_clear(&b);
}

/* /file in a list, with a list in it that includes another. */
static void
test_files(void **state)
{
	char dir[] = "/tmp/t_conf.XXXXXX", *main_cf, *path;
	struct build b;
	struct conf_list l;
	struct conf *c;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/list", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "# domains\na.example !b.example\n%s/more\n", dir);
	fclose(f);
	free(path);
	path = xasprintf("%s/more", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "origin.example\nhash:/x\n");
	fclose(f);
	main_cf = xasprintf("mydestination = first, !%s/list, last\n"
			    "myorigin = %s/more\n",
	    dir, dir);
	build_parse(&b, "/etc/x", str_of(main_cf), STR(MASTER));
	c = open_conf(&b, NULL);
	l = conf_list(c, P_MYDESTINATION);
	assert_int_equal(l.n, 6);
	assert_false(l.v[0].negate);
	assert_true(l.v[1].negate && !l.v[2].negate && l.v[3].negate);
	assert_true(str_eq(l.v[2].text, STR("b.example")));
	assert_int_equal(l.v[4].kind, CONF_TABLE);
	assert_false(l.v[5].negate);
	assert_string_equal(conf_cstr(c, P_MYORIGIN), "origin.example");
	conf_free(&c);
	build_clear(&b);

	/* A file that includes itself is an error, not the end. */
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", path);
	fclose(f);
	build_parse(&b, "/etc/x", str_of(main_cf), STR(MASTER));
	assert_int_not_equal(build_check(&b), 0);
	build_clear(&b);
	unlink(path);
	free(path);
	path = xasprintf("%s/list", dir);
	unlink(path);
	free(path);
	free(main_cf);
	rmdir(dir);
}

/* Every declared default is a proper value of its own type. */
static void
test_defaults(void **state)
{
	struct build b;
	char *all;

	(void)state;
	build_parse(&b, "/etc/x", STR(""), STR(MASTER));
	build_check(&b);
	all = findings(&b);
	assert_string_equal(all, "");
	free(all);
	build_clear(&b);
	for (int i = 0; i < P_COUNT; i++) {
		if (params[i].status == PS_OK || params[i].status == PS_VOID)
			assert_non_null(params[i].text);
		assert_int_equal(param_find(str_of(params[i].name)), i);
		if (i > 0)
			assert_true(
			    strcmp(params[param_sorted((size_t)i - 1)].name,
				params[param_sorted((size_t)i)].name) < 0);
	}
	for (size_t i = 0; i < params_old_n; i++) {
		assert_int_equal(param_find(str_of(params_old[i].name)), -1);
		if (params_old[i].now != NULL)
			assert_int_not_equal(param_find(
						 str_of(params_old[i].now)),
			    -1);
	}
}

/* The files we ship are without a mistake on the host that this is. */
static void
test_shipped(void **state)
{
	struct build b;
	struct conf *c;
	char *all;

	(void)state;
	build_load(&b, "etc");
	build_check(&b);
	all = findings(&b);
	assert_string_equal(all, "");
	free(all);
	assert_true(b.host.naddr > 0 || b.host.cpus > 0);
	c = open_conf(&b, mastercf_find(&b.master, "smtp", "inet"));
	assert_int_equal(conf_self(c)->port_num, 25);
	assert_string_equal(conf_cstr(c, P_CONFIG_DIRECTORY), "etc");
	conf_free(&c);
	build_clear(&b);

	build_load(&b, "/nonexistent");
	assert_int_equal(b.rep.errors, 2);
	build_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maincf),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_bad_snapshot),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_shipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
