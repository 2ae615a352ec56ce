/* SPDX-License-Identifier: ISC */
/*
 * Reading master.cf.
 */
#include "conf/mastercf.h"

#include <arpa/inet.h>

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/mem.h"
#include "conf/lines.h"
#include "conf/value.h"

#define COLUMNS 8
#define SERVICES_MAX 1000
#define ARGS_MAX 1000

/*
 * The programs that lines in the field name, and who does that work here.
 */
static const struct {
	const char *command, *component;
} components[] = {
	{ "anvil", "anvil" },
	{ "bounce", "bounce" },
	{ "cleanup", "cleanup" },
	{ "discard", "qmgr" },
	{ "dnsblog", "dns" },
	{ "error", "qmgr" },
	{ "flush", "qmgr" },
	{ "lmtp", "smtp" },
	{ "local", "local" },
	{ "nqmgr", "qmgr" },
	{ "oqmgr", "qmgr" },
	{ "pickup", "pickup" },
	{ "pipe", "pipe" },
	{ "postlogd", "logd" },
	{ "postscreen", "gate" },
	{ "proxymap", "lookup" },
	{ "qmgr", "qmgr" },
	{ "retry", "qmgr" },
	{ "scache", "smtp" },
	{ "showq", "qmgr" },
	{ "smtp", "smtp" },
	{ "smtpd", "smtpd" },
	{ "spawn", "spawn" },
	{ "tlsmgr", "keys" },
	{ "tlsproxy", "smtpd" },
	{ "trivial-rewrite", "rewrite" },
	{ "verify", "anvil" },
	{ "virtual", "virtual" },
	/* Ours, where they may stand in a line of their own. */
	{ "rewrite", "rewrite" },
	{ "lookup", "lookup" },
	{ "gate", "gate" },
};

const char *
mastercf_component(struct str command)
{
	for (size_t i = 0; i < NELEM(components); i++)
		if (str_eq(command, str_of(components[i].command)))
			return components[i].component;
	return NULL;
}

void
mastercf_init(struct mastercf *cf)
{
	*cf = (struct mastercf){ 0 };
}

static void
service_clear(struct service *s)
{
	free(s->file);
	free(s->name);
	free(s->type);
	free(s->host);
	free(s->port);
	free(s->command);
	maincf_clear(&s->opts);
	for (size_t i = 0; i < s->nargs; i++)
		free(s->args[i]);
	free(s->args);
}

void
mastercf_clear(struct mastercf *cf)
{
	for (size_t i = 0; i < cf->n; i++)
		service_clear(&cf->v[i]);
	free(cf->v);
	mastercf_init(cf);
}

/* Where we are, for the report. */
struct place {
	const char *file;
	unsigned line;
	struct report *rep;
};

/* Report, and be -1. */
#define BAD(at, advice, ...)                                                \
	report_add((at)->rep, REPORT_ERROR, (at)->file, (at)->line, advice, \
	    __VA_ARGS__)

/* ---- columns ---- */

static int
parse_flag(const struct place *at, const char *column, struct str s, int *out)
{
	if (str_eq(s, STR("-")))
		*out = -1;
	else if (str_eq(s, STR("y")) || str_eq(s, STR("n")))
		*out = s.p[0] == 'y';
	else
		return BAD(at, "write y, n, or - for the default",
		    "\"" STR_FMT "\" in the column %s", STR_ARG(s), column);
	return 0;
}

static int
parse_count(const struct place *at, const char *column, struct str s,
    int64_t *out)
{
	uint64_t v;

	if (str_eq(s, STR("-"))) {
		*out = -1;
		return 0;
	}
	if (str_u64(s, INT32_MAX, &v) == -1)
		return BAD(at, "write a number, or - for the default",
		    "\"" STR_FMT "\" in the column %s", STR_ARG(s), column);
	*out = (int64_t)v;
	return 0;
}

static int
parse_type(const struct place *at, struct str s, struct service *sv)
{
	static const struct {
		const char *name;
		enum conf_socket socket;
	} types[] = { { "inet", CONF_INET }, { "unix", CONF_UNIX },
		{ "fifo", CONF_UNIX }, { "unix-dgram", CONF_UNIX_DGRAM },
		{ "pass", CONF_PASS } };

	for (size_t i = 0; i < NELEM(types); i++) {
		if (!str_eq(s, str_of(types[i].name)))
			continue;
		sv->socket = types[i].socket;
		sv->type = str_dup(s);
		return 0;
	}
	return BAD(at, "write inet, unix, unix-dgram or pass",
	    "\"" STR_FMT "\" in the column type", STR_ARG(s));
}

/* host:port, [host]:port, :port, port. */
static int
parse_endpoint(const struct place *at, struct str s, struct service *sv)
{
	struct str host = STR_NONE, port = s;
	ptrdiff_t i;

	if (s.n > 0 && s.p[0] == '[') {
		if ((i = str_chr(s, ']')) == -1)
			return BAD(at, "write [address]:port",
			    "\"]\" is missing in \"" STR_FMT "\"", STR_ARG(s));
		host = str_sub(s, 1, (size_t)i);
		port = str_sub(s, (size_t)i + 1, s.n);
		if (port.n == 0 || port.p[0] != ':')
			return BAD(at, "write [address]:port",
			    "no port in \"" STR_FMT "\"", STR_ARG(s));
		port = str_sub(port, 1, port.n);
	} else if ((i = str_rchr(s, ':')) != -1) {
		host = str_sub(s, 0, (size_t)i);
		port = str_sub(s, (size_t)i + 1, s.n);
		if (str_chr(host, ':') != -1)
			return BAD(at, "write [address]:port",
			    "IPv6 address without brackets in \"" STR_FMT "\"",
			    STR_ARG(s));
	}
	if (port.n == 0)
		return BAD(at, "write host:port", "no port in \"" STR_FMT "\"",
		    STR_ARG(s));
	sv->host = str_dup(host);
	sv->port = str_dup(port);
	return 0;
}

static int
parse_name(const struct place *at, struct str s, struct service *sv)
{
	sv->name = str_dup(s);
	if (sv->socket == CONF_INET)
		return parse_endpoint(at, s, sv);
	sv->host = xstrdup("");
	sv->port = xstrdup("");
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalnum(s.p[i]) && strchr("_-.", s.p[i]) == NULL)
			return BAD(at,
			    "use letters, digits, dash, dot and underscore",
			    "\"" STR_FMT "\" is not a name of a service",
			    STR_ARG(s));
	return 0;
}

/* ---- command and arguments ---- */

/* The next word; { ... } is one word, blanks and all. */
static int
next_word(const struct place *at, struct str *s, struct str *word, bool *group)
{
	size_t n = 0;
	unsigned depth = 0;

	*s = str_trim(*s);
	*group = s->n > 0 && s->p[0] == '{';
	if (!*group) {
		while (n < s->n && !ascii_isspace(s->p[n]))
			n++;
	} else {
		for (n = 0; n < s->n; n++) {
			if (s->p[n] == '{')
				depth++;
			else if (s->p[n] == '}' && --depth == 0)
				break;
		}
		if (n == s->n)
			return BAD(at, "close it with \" }\"",
			    "\"}\" is missing behind \"" STR_FMT "\"",
			    STR_ARG(str_sub(*s, 0, 40)));
		n++;
		if (n < s->n && !ascii_isspace(s->p[n]))
			return BAD(at, "put a blank behind \"}\"",
			    "text right behind \"}\"");
	}
	*word = str_sub(*s, 0, n);
	*s = str_sub(*s, n, s->n);
	return word->n > 0;
}

static void
add_arg(struct service *sv, struct str s)
{
	if (sv->nargs % 16 == 0)
		sv->args =
		    xreallocarray(sv->args, sv->nargs + 16, sizeof(*sv->args));
	sv->args[sv->nargs++] = str_dup(s);
}

static int
parse_override(const struct place *at, struct service *sv, struct str word,
    bool group)
{
	if (group)
		word = value_unbrace(word);
	if (word.n == 0)
		return BAD(at, "write -o name=value", "nothing behind -o");
	return maincf_option(&sv->opts, at->file, at->line, word, at->rep);
}

static int
parse_command(const struct place *at, struct str s, struct service *sv)
{
	bool group, in_options = true;
	struct str word;
	int rc;

	if ((rc = next_word(at, &s, &word, &group)) != 1)
		return rc == 0 ? BAD(at, "say which program it is",
				     "the column command is missing") :
				 -1;
	sv->command = str_dup(word);
	sv->component = mastercf_component(word);
	if (sv->component == NULL)
		BAD(at, "run a program of your own by pipe",
		    "there is no service program \"" STR_FMT "\"",
		    STR_ARG(word));
	while ((rc = next_word(at, &s, &word, &group)) == 1) {
		if (sv->nargs >= ARGS_MAX)
			return BAD(at, NULL, "too many arguments");
		add_arg(sv, word);
		if (!in_options || group || word.p[0] != '-') {
			in_options = false;
			continue;
		}
		if (str_eq(word, STR("--"))) {
			in_options = false;
			continue;
		}
		if (!str_starts(word, STR("-o"))) {
			continue;
		}
		if (word.n > 2) {
			word = str_sub(word, 2, word.n);
			group = word.p[0] == '{';
		} else if ((rc = next_word(at, &s, &word, &group)) != 1) {
			return rc == 0 ? BAD(at, "write -o name=value",
					     "nothing behind -o") :
					 -1;
		} else {
			add_arg(sv, word);
		}
		if (parse_override(at, sv, word, group) == -1)
			return -1;
	}
	return rc;
}

/* ---- lines ---- */

static int
parse_service(const struct place *at, struct str s, struct service *sv)
{
	struct str col[COLUMNS - 1], wakeup;
	size_t n = 0;

	while (n < COLUMNS - 1 && str_token(&s, " \t\r\n\v\f", &col[n]))
		n++;
	s = str_trim(s);
	if (n > 0 && str_chr(col[0], '=') != -1)
		return BAD(at,
		    "begin this line with a blank: it belongs to the service "
		    "above",
		    "\"" STR_FMT "\" is not a name of a service",
		    STR_ARG(col[0]));
	if (n < COLUMNS - 1 || s.n == 0)
		return BAD(at,
		    "name, type, private, unprivileged, chroot, wakeup, "
		    "maxproc, command",
		    "%zu columns where there should be %d", n, COLUMNS);
	wakeup = col[5];
	sv->wakeup_lazy = wakeup.n > 1 && str_ends(wakeup, STR("?"));
	if (sv->wakeup_lazy)
		wakeup.n--;
	if (parse_type(at, col[1], sv) == -1 ||
	    parse_name(at, col[0], sv) == -1 ||
	    parse_flag(at, "private", col[2], &sv->is_private) == -1 ||
	    parse_flag(at, "unprivileged", col[3], &sv->is_unprivileged) ==
		-1 ||
	    parse_flag(at, "chroot", col[4], &sv->is_chroot) == -1 ||
	    parse_count(at, "wakeup", wakeup, &sv->wakeup) == -1 ||
	    parse_count(at, "maxproc", col[6], &sv->maxproc) == -1)
		return -1;
	if (sv->socket == CONF_INET && sv->is_private == 1)
		return BAD(at, "write n in the column private",
		    "an inet service cannot be private");
	return parse_command(at, s, sv);
}

const struct service *
mastercf_find(const struct mastercf *cf, const char *name, const char *type)
{
	bool is_unix = strcmp(type, "unix") == 0 || strcmp(type, "fifo") == 0;

	for (size_t i = 0; i < cf->n; i++) {
		const struct service *s = &cf->v[i];

		if (strcmp(s->name, name) == 0 &&
		    (strcmp(s->type, type) == 0 ||
			(is_unix && s->socket == CONF_UNIX)))
			return s;
	}
	return NULL;
}

static void
add_service(struct mastercf *cf, const struct place *at, struct str text)
{
	struct service sv = { .file = xstrdup(at->file), .line = at->line };
	const struct service *old;

	if (memchr(text.p, '\0', text.n) != NULL) {
		BAD(at, "is this a text file?", "line has a NUL byte");
		service_clear(&sv);
		return;
	}
	if (cf->n >= SERVICES_MAX) {
		BAD(at, NULL, "more than %d services", SERVICES_MAX);
		service_clear(&sv);
		return;
	}
	maincf_init(&sv.opts);
	if (parse_service(at, text, &sv) == -1) {
		service_clear(&sv);
		return;
	}
	old = mastercf_find(cf, sv.name, sv.type);
	if (old != NULL)
		BAD(at, "remove one of the two",
		    "the service %s/%s is there already, in line %u", sv.name,
		    sv.type, old->line);
	if (cf->n % 16 == 0)
		cf->v = xreallocarray(cf->v, cf->n + 16, sizeof(*cf->v));
	cf->v[cf->n++] = sv;
}

void
mastercf_parse(struct mastercf *cf, const char *file, struct str text,
    struct report *rep)
{
	struct lines l;
	struct buf line;

	if (text.n > MAINCF_SIZE_MAX) {
		report_add(rep, REPORT_ERROR, file, 0, NULL,
		    "file is longer than %d bytes", MAINCF_SIZE_MAX);
		return;
	}
	buf_init(&line, MAINCF_LINE_MAX);
	lines_init(&l, text);
	while (lines_next(&l, &line)) {
		struct place at = { file, l.first, rep };

		if (buf_full(&line))
			BAD(&at, NULL, "line is longer than %d bytes",
			    MAINCF_LINE_MAX);
		else if (l.orphan)
			BAD(&at,
			    "begin the first line of a service at the left "
			    "margin",
			    "there is nothing that this line continues");
		else
			add_service(cf, &at, buf_get(&line));
	}
	buf_clear(&line);
}

/* ---- what is not supported ---- */

/*
 * A line that nobody would serve: a port that stays closed, or a socket that
 * is not there, must not pass for one that works.
 */
static void
check_served(const struct place *at, const struct service *sv)
{
	if (strcmp(sv->command, "postscreen") == 0)
		BAD(at, "make this line a comment, and let smtpd have the port",
		    "postscreen is not supported by this version: tests before "
		    "the greeting");
	else if (strcmp(sv->command, "spawn") == 0)
		BAD(at, "make this line a comment, or run it by other means",
		    "spawn is not supported by this version: commands behind "
		    "a socket");
	else if (sv->socket == CONF_INET && sv->component != NULL &&
	    strcmp(sv->command, "smtpd") != 0)
		BAD(at, "make this line a comment",
		    "%s does not listen on a port in this version",
		    sv->command);
	else if (sv->socket == CONF_PASS)
		report_add(at->rep, REPORT_WARN, at->file, at->line,
		    "only postscreen would hand connections over",
		    "%s/pass has no effect", sv->name);
}

void
mastercf_check(const struct mastercf *cf, struct report *rep)
{
	for (size_t i = 0; i < cf->n; i++) {
		struct place at = { cf->v[i].file, cf->v[i].line, rep };

		check_served(&at, &cf->v[i]);
	}
}

/* ---- ports ---- */

/*
 * known is "lmtp=24, smtp=25, smtps=submissions=465": names that share what
 * the last one is.
 */
static bool
known_port(struct str known, struct str name, uint16_t *out)
{
	struct str group, word;

	while (str_token(&known, ", \t", &group)) {
		struct str rest = group;
		bool hit = false;
		uint64_t v;

		while (str_token(&rest, "=", &word)) {
			if (str_eq(word, name))
				hit = true;
			else if (hit && str_u64(word, UINT16_MAX, &v) == 0) {
				*out = (uint16_t)v;
				return true;
			}
		}
	}
	return false;
}

static int
port_number(const char *port, struct str known, uint16_t *out)
{
	struct servent *se;
	uint64_t v;

	if (str_u64(str_of(port), UINT16_MAX, &v) == 0 && v > 0) {
		*out = (uint16_t)v;
		return 0;
	}
	if (known_port(known, str_of(port), out))
		return 0;
	se = getservbyname(port, "tcp");
	if (se == NULL)
		return -1;
	*out = ntohs((uint16_t)se->s_port);
	return 0;
}

void
mastercf_resolve(struct mastercf *cf, struct str known, struct report *rep)
{
	for (size_t i = 0; i < cf->n; i++) {
		struct service *s = &cf->v[i];

		if (s->socket != CONF_INET)
			continue;
		if (port_number(s->port, known, &s->port_num) == -1)
			report_add(rep, REPORT_ERROR, s->file, s->line,
			    "write its number, or add it to known_tcp_ports",
			    "unknown port \"%s\"", s->port);
	}
}
