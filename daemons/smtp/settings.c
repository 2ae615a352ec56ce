/* SPDX-License-Identifier: ISC */
/*
 * What a service of master.cf is set to.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"
#include "net/netaddr.h"

#include "smtp.h"

/* The parameter of this protocol. */
#define ID(st, name) ((st)->lmtp ? P_LMTP_##name : P_SMTP_##name)

static unsigned
discarded(struct conf_list list)
{
	unsigned all = 0;

	for (size_t i = 0; i < list.n; i++)
		all |= hello_feature(list.v[i].text);
	return all;
}

static uint16_t
port_number(struct str s, bool lmtp)
{
	static const struct {
		const char *name;
		uint16_t port;
	} names[] = { { "smtp", 25 }, { "lmtp", 24 }, { "submission", 587 },
		{ "smtps", 465 }, { "submissions", 465 } };
	uint64_t n;

	if (str_u64(s, 65535, &n) == 0 && n > 0)
		return (uint16_t)n;
	for (size_t i = 0; i < NELEM(names); i++)
		if (str_caseeq(s, str_of(names[i].name)))
			return names[i].port;
	log_warn("port \"" STR_FMT "\" is not known: using %d", STR_ARG(s),
	    lmtp ? 24 : 25);
	return lmtp ? 24 : 25;
}

static void
read_times(struct settings *st, const struct conf *c)
{
	st->ms[STAGE_CONNECT] = conf_ms(c, ID(st, CONNECT_TIMEOUT));
	st->ms[STAGE_GREETING] =
	    conf_ms(c, st->lmtp ? P_LMTP_LHLO_TIMEOUT : P_SMTP_HELO_TIMEOUT);
	st->ms[STAGE_EHLO] = st->ms[STAGE_HELO] = st->ms[STAGE_GREETING];
	st->ms[STAGE_STARTTLS] = conf_ms(c, ID(st, STARTTLS_TIMEOUT));
	st->ms[STAGE_HANDSHAKE] = st->ms[STAGE_STARTTLS];
	st->ms[STAGE_RSET] = conf_ms(c, ID(st, RSET_TIMEOUT));
	st->ms[STAGE_MAIL] = conf_ms(c, ID(st, MAIL_TIMEOUT));
	st->ms[STAGE_RCPT] = conf_ms(c, ID(st, RCPT_TIMEOUT));
	st->ms[STAGE_DATA] = conf_ms(c, ID(st, DATA_INIT_TIMEOUT));
	st->ms[STAGE_BODY] = conf_ms(c, ID(st, DATA_XFER_TIMEOUT));
	st->ms[STAGE_DOT] = conf_ms(c, ID(st, DATA_DONE_TIMEOUT));
	st->ms[STAGE_QUIT] = conf_ms(c, ID(st, QUIT_TIMEOUT));
}

static void
read_targets(struct settings *st, const struct conf *c)
{
	st->port = port_number(conf_str(c, ID(st, TCP_PORT)), st->lmtp);
	netaddr_parse(conf_str(c, ID(st, BIND_ADDRESS)), &st->bind4);
	netaddr_parse(conf_str(c, ID(st, BIND_ADDRESS6)), &st->bind6);
	st->bind_enforce = conf_bool(c, ID(st, BIND_ADDRESS_ENFORCE));
	/* RFC 2033: LMTP has nothing to do with MX records. */
	if (st->lmtp || conf_bool(c, P_DISABLE_DNS_LOOKUPS))
		st->route_flags |= DNS_NO_MX;
	if (conf_bool(c, ID(st, CNAME_OVERRIDES_SERVERNAME)))
		st->route_flags |= DNS_CANONICAL;
	if (conf_has(c, ID(st, HOST_LOOKUP), "native"))
		st->route_flags |= conf_has(c, ID(st, HOST_LOOKUP), "dns") ?
		    DNS_SYSTEM :
		    DNS_SYSTEM_ONLY;
	if (conf_is(c, ID(st, ADDRESS_PREFERENCE), "ipv4"))
		st->preference = PREFER_IPV4;
	else if (conf_is(c, ID(st, ADDRESS_PREFERENCE), "ipv6"))
		st->preference = PREFER_IPV6;
	st->balance = conf_bool(c, ID(st, BALANCE_INET_PROTOCOLS));
	st->randomize = conf_bool(c, ID(st, RANDOMIZE_ADDRESSES));
	st->address_limit = (unsigned)conf_int(c, ID(st, MX_ADDRESS_LIMIT));
	st->session_limit = (unsigned)conf_int(c, ID(st, MX_SESSION_LIMIT));
	st->fallback = conf_list(c, ID(st, FALLBACK_RELAY));
	st->defer_no_address =
	    conf_bool(c, ID(st, DEFER_IF_NO_MX_ADDRESS_FOUND));
	for (size_t i = 0; i < conf_list(c, P_INET_INTERFACES).n; i++)
		st->all_interfaces |=
		    str_caseeq(conf_list(c, P_INET_INTERFACES).v[i].text,
			STR("all"));
}

static void
read_talk(struct settings *st, const struct conf *c)
{
	st->helo = conf_str(c, st->lmtp ? P_LMTP_LHLO_NAME : P_SMTP_HELO_NAME);
	st->myhostname = conf_str(c, P_MYHOSTNAME);
	st->skip_5xx_greeting = conf_bool(c, ID(st, SKIP_5XX_GREETING));
	st->skip_quit = conf_bool(c, ID(st, SKIP_QUIT_RESPONSE));
	st->always_ehlo = conf_bool(c, P_SMTP_ALWAYS_SEND_EHLO) || st->lmtp;
	st->never_ehlo = conf_bool(c, P_SMTP_NEVER_SEND_EHLO) && !st->lmtp;
	st->line_limit = (size_t)conf_int(c, ID(st, LINE_LENGTH_LIMIT));
	st->quote = conf_bool(c, ID(st, QUOTE_RFC821_ENVELOPE));
	st->discard = discarded(conf_list(c,
	    st->lmtp ? P_LMTP_DISCARD_LHLO_KEYWORDS :
		       P_SMTP_DISCARD_EHLO_KEYWORDS));
	st->keep = conf_bool(c, ID(st, CONNECTION_CACHE_ON_DEMAND));
	st->keep_ms = conf_ms(c, ID(st, CONNECTION_CACHE_TIME_LIMIT));
	st->reuse_ms = conf_ms(c, ID(st, CONNECTION_REUSE_TIME_LIMIT));
	st->reuse_count =
	    (unsigned)conf_int(c, ID(st, CONNECTION_REUSE_COUNT_LIMIT));
	st->keep_for = conf_list(c, ID(st, CONNECTION_CACHE_DESTINATIONS));
	st->per_request = conf_bool(c, ID(st, PER_REQUEST_DEADLINE));
	st->min_rate = conf_int(c, ID(st, MIN_DATA_RATE));
	st->soft_bounce = conf_bool(c, P_SOFT_BOUNCE);
}

struct settings *
settings_new(struct str service, unsigned instance, struct conf *conf,
    struct str default_log_name, struct str trust)
{
	struct settings *st = xcalloc(1, sizeof(*st));
	const struct conf_service *self = conf_self(conf);
	struct str log_name = conf_str(conf, P_SYSLOG_NAME);

	st->refs = 1;
	st->service = str_dup(service);
	st->instance = instance;
	st->conf = conf;
	st->lmtp = self != NULL && str_eq(self->command, STR("lmtp"));
	if (!str_eq(log_name, default_log_name))
		st->log_name = str_sub(log_name, 0, 64);
	read_times(st, conf);
	read_targets(st, conf);
	read_talk(st, conf);
	secure_settings(st, conf, trust);
	return st;
}

struct settings *
settings_ref(struct settings *st)
{
	st->refs++;
	return st;
}

void
settings_unref(struct settings **stp)
{
	struct settings *st = *stp;

	*stp = NULL;
	if (st == NULL || --st->refs > 0)
		return;
	tls_ctx_unref(&st->tls);
	free(st->tls_trust);
	conf_free(&st->conf);
	free(st->service);
	free(st);
}

bool
settings_own_port(const struct settings *st, uint16_t port)
{
	const struct conf_service *sv;

	for (size_t i = 0; (sv = conf_service(st->conf, i)) != NULL; i++)
		if (sv->socket == CONF_INET && sv->port_num == port &&
		    str_eq(sv->component, STR("smtpd")))
			return true;
	return false;
}
