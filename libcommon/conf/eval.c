/* SPDX-License-Identifier: ISC */
/*
 * The value of a parameter, from overrides, main.cf, and defaults.
 */
#include "conf/eval.h"

#include <sys/socket.h>

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/mem.h"
#include "conf/expand.h"
#include "conf/netlist.h"
#include "conf/value.h"

#define VALUE_MAX (1 << 20)

void
eval_clear(struct eval *e)
{
	for (size_t i = 0; i < P_COUNT; i++)
		free(e->computed[i]);
	memset(e->computed, 0, sizeof(e->computed));
}

const struct maincf_entry *
eval_entry(struct eval *e, struct str name)
{
	const struct maincf_entry *found = NULL;

	if (e->over != NULL)
		found = maincf_find(e->over, name);
	if (found == NULL && e->self != NULL)
		found = maincf_find(&e->self->opts, name);
	if (found == NULL && e->main != NULL && !e->defaults_only)
		found = maincf_find(e->main, name);
	return found;
}

const struct maincf_entry *
eval_param_entry(struct eval *e, enum param_id id)
{
	const struct maincf_entry *found;

	found = eval_entry(e, str_of(params[id].name));
	for (size_t i = 0; found == NULL && i < params_old_n; i++)
		if (params_old[i].now != NULL &&
		    strcmp(params_old[i].now, params[id].name) == 0)
			found = eval_entry(e, str_of(params_old[i].name));
	return found;
}

/* ---- defaults that are computed ---- */

static char *
default_myhostname(struct eval *e)
{
	const char *host = e->host == NULL ? "localhost" : e->host->hostname;
	const struct maincf_entry *set;
	struct buf domain;
	char *name;

	if (strchr(host, '.') != NULL)
		return xstrdup(host);
	set = eval_param_entry(e, P_MYDOMAIN);
	buf_init(&domain, VALUE_MAX);
	if (set != NULL)
		eval_text(e, str_of(set->value), set, &domain);
	if (buf_get(&domain).n == 0)
		buf_puts(&domain, "localdomain");
	name = xasprintf("%s.%s", host, buf_cstr(&domain));
	buf_clear(&domain);
	return name;
}

static char *
default_mydomain(struct eval *e)
{
	struct buf host;
	char *domain;
	ptrdiff_t dot;

	buf_init(&host, VALUE_MAX);
	eval_param(e, P_MYHOSTNAME, &host);
	dot = str_chr(buf_get(&host), '.');
	domain = dot == -1 ?
	    xstrdup("localdomain") :
	    str_dup(str_sub(buf_get(&host), (size_t)dot + 1, buf_get(&host).n));
	buf_clear(&host);
	return domain;
}

/* The whole class around an IPv4 address, of the days before CIDR. */
static unsigned
class_bits(const struct host_addr *a)
{
	if (a->family != AF_INET)
		return a->bits;
	if (a->addr[0] < 128)
		return 8;
	return a->addr[0] < 192 ? 16 : 24;
}

static void
mask(struct net *n)
{
	for (unsigned i = n->bits; i < 128; i++)
		n->addr[i / 8] &= (uint8_t) ~(0x80 >> (i % 8));
}

/* Does a word of inet_interfaces mean this address? */
static bool
names_address(struct str word, const struct host_addr *a)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *res, *ai;
	char name[256];
	struct net n;
	bool hit = false;

	if (net_parse(word, &n, NULL) == 0)
		return n.family == a->family &&
		    memcmp(n.addr, a->addr, a->family == AF_INET ? 4 : 16) == 0;
	if (str_copy(word, name, sizeof(name)) == -1 ||
	    getaddrinfo(name, NULL, &hints, &res) != 0)
		return false;
	for (ai = res; ai != NULL; ai = ai->ai_next) {
		struct sockaddr_in sin;
		struct sockaddr_in6 sin6;

		if (ai->ai_family != a->family)
			continue;
		if (a->family == AF_INET) {
			memcpy(&sin, ai->ai_addr, sizeof(sin));
			hit |= memcmp(&sin.sin_addr, a->addr, 4) == 0;
		} else {
			memcpy(&sin6, ai->ai_addr, sizeof(sin6));
			hit |= memcmp(&sin6.sin6_addr, a->addr, 16) == 0;
		}
	}
	freeaddrinfo(res);
	return hit;
}

static bool
is_ours(struct str interfaces, const struct host_addr *a)
{
	struct str word;

	while (str_token(&interfaces, ", \t\n", &word)) {
		if (str_caseeq(word, STR("all")))
			return true;
		if (str_caseeq(word, STR("loopback-only"))) {
			if (a->loopback)
				return true;
			continue;
		}
		if (names_address(word, a))
			return true;
	}
	return false;
}

static bool
has_protocol(struct str protocols, int family)
{
	struct str word;

	while (str_token(&protocols, ", \t\n", &word))
		if (str_caseeq(word, STR("all")) ||
		    str_caseeq(word,
			family == AF_INET ? STR("ipv4") : STR("ipv6")))
			return true;
	return false;
}

static void
add_network(struct buf *out, const struct host_addr *a, struct str style)
{
	struct net n = { .family = a->family };
	char text[64];

	memcpy(n.addr, a->addr, sizeof(n.addr));
	n.bits = a->family == AF_INET ? 32 : 128;
	if (str_caseeq(style, STR("subnet")))
		n.bits = a->bits;
	else if (str_caseeq(style, STR("class")))
		n.bits = class_bits(a);
	mask(&n);
	net_format(&n, text, sizeof(text));

	/* Two addresses may be in the same network. */
	for (struct str all = buf_get(out), w; str_token(&all, " ", &w);)
		if (str_eq(w, str_of(text)))
			return;
	if (buf_get(out).n > 0)
		buf_putc(out, ' ');
	buf_puts(out, text);
}

static char *
default_mynetworks(struct eval *e)
{
	struct buf style, ifs, protocols, out;
	char *text;

	buf_init(&style, VALUE_MAX);
	buf_init(&ifs, VALUE_MAX);
	buf_init(&protocols, VALUE_MAX);
	buf_init(&out, VALUE_MAX);
	eval_param(e, P_MYNETWORKS_STYLE, &style);
	eval_param(e, P_INET_INTERFACES, &ifs);
	eval_param(e, P_INET_PROTOCOLS, &protocols);
	for (size_t i = 0; e->host != NULL && i < e->host->naddr; i++) {
		const struct host_addr *a = &e->host->addr[i];

		if (has_protocol(buf_get(&protocols), a->family) &&
		    is_ours(buf_get(&ifs), a))
			add_network(&out, a, buf_get(&style));
	}
	text = xstrdup(buf_cstr(&out));
	buf_clear(&style);
	buf_clear(&ifs);
	buf_clear(&protocols);
	buf_clear(&out);
	return text;
}

/* Addresses that are written out in a list, whatever the interfaces say. */
static void
add_literals(struct buf *out, struct str list)
{
	static const struct str host = { "host", 4 };
	struct str word;
	struct net n;

	while (str_token(&list, ", \t\n", &word)) {
		struct host_addr a = { .family = 0 };

		if (net_parse(word, &n, NULL) == -1)
			continue;
		a.family = n.family;
		memcpy(a.addr, n.addr, sizeof(a.addr));
		add_network(out, &a, host);
	}
}

static char *
default_own_addresses(struct eval *e)
{
	struct buf ifs, proxies, out;
	char *text;

	buf_init(&ifs, VALUE_MAX);
	buf_init(&proxies, VALUE_MAX);
	buf_init(&out, VALUE_MAX);
	eval_param(e, P_INET_INTERFACES, &ifs);
	eval_param(e, P_PROXY_INTERFACES, &proxies);
	for (size_t i = 0; e->host != NULL && i < e->host->naddr; i++)
		if (is_ours(buf_get(&ifs), &e->host->addr[i]))
			add_network(&out, &e->host->addr[i], STR("host"));
	add_literals(&out, buf_get(&ifs));
	add_literals(&out, buf_get(&proxies));
	text = xstrdup(buf_cstr(&out));
	buf_clear(&ifs);
	buf_clear(&proxies);
	buf_clear(&out);
	return text;
}

static char *
compute(struct eval *e, enum param_id id)
{
	switch (id) {
	case P_MYHOSTNAME:
		return default_myhostname(e);
	case P_MYDOMAIN:
		return default_mydomain(e);
	case P_MYNETWORKS:
		return default_mynetworks(e);
	case P_OWN_ADDRESSES:
		return default_own_addresses(e);
	case P_MAIL_VERSION:
		return xstrdup(POSTERN_VERSION);
	case P_MAIL_RELEASE_DATE:
		return xstrdup("20261121");
	case P_CONFIG_DIRECTORY:
		return xstrdup(e->dir == NULL ? SYSCONFDIR : e->dir);
	case P_COMMAND_DIRECTORY:
		return xstrdup(SBINDIR);
	case P_DAEMON_DIRECTORY:
		return xstrdup(LIBEXECDIR);
	case P_PROCESS_ID:
		return xasprintf("%ld", (long)getpid());
	case P_PROCESS_NAME:
		return xstrdup(e->self != NULL && e->self->component != NULL ?
			e->self->component :
			e->process_name == NULL ? "postern" :
						  e->process_name);
	default:
		return xstrdup("");
	}
}

/* The few computed defaults that depend on others have a bit each. */
static unsigned
busy_bit(enum param_id id)
{
	return id == P_MYHOSTNAME ? 1 :
	    id == P_MYDOMAIN	  ? 2 :
	    id == P_MYNETWORKS	  ? 4 :
				    0;
}

const char *
eval_default(struct eval *e, enum param_id id)
{
	unsigned bit = busy_bit(id);
	const struct maincf_entry *at = e->at;

	if (id == P_SERVICE_NAME && e->self != NULL)
		return e->self->name;
	if (params[id].dflt != NULL)
		return params[id].dflt;
	if (e->computed[id] != NULL)
		return e->computed[id];
	if ((e->busy & bit) != 0) {
		if (e->rep != NULL)
			report_add(e->rep, REPORT_ERROR,
			    at == NULL ? NULL : at->file,
			    at == NULL ? 0 : at->line,
			    "set myhostname to the full name of this machine",
			    "the default of %s depends on itself",
			    params[id].name);
		return "";
	}
	e->busy |= bit;
	e->computed[id] = compute(e, id);
	e->busy &= ~bit;
	e->at = at;
	return e->computed[id];
}

const char *
eval_raw(struct eval *e, enum param_id id)
{
	const struct maincf_entry *set = eval_param_entry(e, id);

	return set == NULL ? eval_default(e, id) : set->value;
}

/* ---- families ---- */

const char *
eval_family_default(struct eval *e, enum family_id id, struct str transport)
{
	static char text[F_COUNT][80]; /* what is lent stays */
	char name[256];
	int own;

	/* Declared by itself, with a default of its own. */
	snprintf(name, sizeof(name), STR_FMT "%s",
	    STR_ARG(str_sub(transport, 0, 100)), families[id].suffix);
	own = param_find(str_of(name));
	if (own != -1)
		return eval_default(e, (enum param_id)own);
	snprintf(text[id], sizeof(text[id]), "$%s",
	    params[families[id].dflt].name);
	return text[id];
}

/* ---- expansion ---- */

static void
undefined(struct eval *e, struct str name)
{
	/* Reported where it is written, not where that is referred to. */
	if (e->rep != NULL && e->at != NULL)
		report_add(e->rep, REPORT_WARN, e->at->file, e->at->line,
		    "it is taken to be empty", "undefined parameter: " STR_FMT,
		    STR_ARG(name));
}

static bool
lookup(void *arg, struct str name, bool probe, struct str *value)
{
	struct eval *e = arg;
	const struct maincf_entry *set;
	struct str transport;
	int id;

	id = param_find(name);
	if (id != -1) {
		*value = str_of(eval_raw(e, (enum param_id)id));
		return true;
	}
	set = eval_entry(e, name);
	if (set != NULL) {
		*value = str_of(set->value);
		return true;
	}
	id = family_find(name, &transport);
	if (id != -1) {
		*value = str_of(
		    eval_family_default(e, (enum family_id)id, transport));
		return true;
	}
	if (!probe)
		undefined(e, name);
	return false;
}

int
eval_text(struct eval *e, struct str text, const struct maincf_entry *at,
    struct buf *out)
{
	const struct maincf_entry *outer = e->at;
	struct expand_error err;
	int rc;

	if (at != NULL)
		e->at = at;
	rc = expand_value(text, lookup, e, out, &err);
	if (rc == -1 && e->rep != NULL)
		report_add(e->rep, REPORT_ERROR,
		    e->at == NULL ? NULL : e->at->file,
		    e->at == NULL ? 0 : e->at->line, NULL, "%s%s%s",
		    e->at == NULL ? "" : e->at->name, e->at == NULL ? "" : ": ",
		    err.text);
	e->at = outer;
	return rc;
}

int
eval_param(struct eval *e, enum param_id id, struct buf *out)
{
	const struct maincf_entry *set = eval_param_entry(e, id);
	const char *raw = set == NULL ? eval_default(e, id) : set->value;

	if (params[id].type == PT_RAW)
		return buf_puts(out, raw);
	return eval_text(e, str_of(raw), set, out);
}
