/* SPDX-License-Identifier: ISC */
/*
 * Services: parameters and restrictions, read once.
 */
#include "service.h"

#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"

struct service *
service_ref(struct service *sv)
{
	sv->refs++;
	return sv;
}

void
service_unref(struct service **svp)
{
	struct service *sv = *svp;

	*svp = NULL;
	if (sv == NULL || --sv->refs > 0)
		return;
	rules_clear(&sv->client);
	rules_clear(&sv->helo);
	rules_clear(&sv->sender);
	rules_clear(&sv->relay);
	rules_clear(&sv->rcpt);
	rules_clear(&sv->data);
	rules_clear(&sv->end);
	rules_clear(&sv->etrn);
	rule_book_clear(&sv->book);
	secure_clear(&sv->tls);
	netlist_clear(&sv->mynetworks);
	netlist_clear(&sv->bare_ok);
	conf_free(&sv->conf);
	free(sv);
}

/*
 * Who lets strangers send to strangers by mistake is found on block lists the
 * next morning: without a rule that refuses, nobody is served.
 */
void
service_check(struct service *sv)
{
	if (sv->relay.refuses || sv->rcpt.refuses)
		return;
	sv->no_rules =
	    STR("in parameter smtpd_relay_restrictions or "
		"smtpd_recipient_restrictions, specify at least one working "
		"instance of: reject_unauth_destination, "
		"defer_unauth_destination, reject, defer, defer_if_permit or "
		"check_relay_domains");
	log_error("service " STR_FMT " takes no mail: " STR_FMT,
	    STR_ARG(sv->name), STR_ARG(sv->no_rules));
}

struct service *
service_plain(void)
{
	struct service *sv = xcalloc(1, sizeof(*sv));

	sv->refs = 1;
	sv->name = STR("smtp");
	sv->myhostname = STR("mail.example.com");
	sv->mail_name = STR("Postern");
	sv->banner = STR("mail.example.com ESMTP Postern");
	sv->ehlo = EHLO_ALL;
	sv->delay_reject = sv->relay_first = sv->unlisted_rcpt = true;
	sv->forbid_pipelining = sv->name_lookup = sv->show_table = true;
	sv->bare = BARE_NORMALIZE;
	sv->bare_code = 550;
	sv->size_max = 10240000;
	sv->rcpt_max = sv->rcpt_overshoot = 1000;
	sv->line_max = 2048;
	sv->soft_errors = 10;
	sv->hard_errors = 20;
	sv->junk_max = 100;
	sv->timeout_ms = 300000;
	sv->sleep_ms = 1000;
	sv->data_rate = 500;
	sv->reject_code = sv->map_reject = sv->relay_code = 554;
	sv->defer_code = sv->map_defer = sv->unk_client = 450;
	sv->unk_address = sv->unk_helo = sv->plaintext = 450;
	sv->bad_name = 501;
	sv->non_fqdn = 504;
	sv->multi_bounce = sv->unk_local = sv->unk_relay = 550;
	sv->unk_alias = sv->unk_mailbox = 550;
	sv->null_key = STR("<>");
	rule_book_init(&sv->book, NULL);
	return sv;
}

/* --- from a snapshot ------------------------------------------------------ */

static void
read_names(struct service *sv, struct str default_syslog)
{
	const struct conf *c = sv->conf;
	const struct conf_service *self = conf_self(c);

	sv->name = self == NULL ? STR("smtp") : self->name;
	sv->myhostname = conf_str(c, P_MYHOSTNAME);
	sv->mail_name = conf_str(c, P_MAIL_NAME);
	sv->banner = conf_str(c, P_SMTPD_BANNER);
	sv->footer = conf_str(c, P_SMTPD_REJECT_FOOTER);
	sv->null_key = conf_str(c, P_SMTPD_NULL_ACCESS_LOOKUP_KEY);
	sv->syslog = conf_str(c, P_SYSLOG_NAME);
	if (str_eq(sv->syslog, default_syslog))
		sv->syslog = STR_NONE;
	sv->noop = conf_list(c, P_SMTPD_NOOP_COMMANDS);
	sv->forbidden = conf_list(c, P_SMTPD_FORBIDDEN_COMMANDS);
	sv->rewrite_clients = conf_list(c, P_LOCAL_HEADER_REWRITE_CLIENTS);
}

static enum bare_newline
read_bare(const struct conf *c)
{
	if (conf_is(c, P_SMTPD_FORBID_BARE_NEWLINE, "no"))
		return BARE_ALLOW;
	if (conf_is(c, P_SMTPD_FORBID_BARE_NEWLINE, "reject"))
		return BARE_REJECT;
	if (conf_is(c, P_SMTPD_FORBID_BARE_NEWLINE, "note"))
		return BARE_NOTE;
	return BARE_NORMALIZE;
}

static void
read_switches(struct service *sv)
{
	const struct conf *c = sv->conf;

	sv->helo_required = conf_bool(c, P_SMTPD_HELO_REQUIRED);
	sv->no_vrfy = conf_bool(c, P_DISABLE_VRFY_COMMAND);
	sv->strict = conf_bool(c, P_STRICT_RFC821_ENVELOPES);
	sv->delay_reject = conf_bool(c, P_SMTPD_DELAY_REJECT);
	sv->relay_first =
	    conf_bool(c, P_SMTPD_RELAY_BEFORE_RECIPIENT_RESTRICTIONS);
	sv->unlisted_rcpt = conf_bool(c, P_SMTPD_REJECT_UNLISTED_RECIPIENT);
	sv->unlisted_sender = conf_bool(c, P_SMTPD_REJECT_UNLISTED_SENDER);
	sv->forbid_pipelining = conf_bool(c, P_SMTPD_FORBID_UNAUTH_PIPELINING);
	sv->soft_bounce = conf_bool(c, P_SOFT_BOUNCE);
	sv->per_request = conf_bool(c, P_SMTPD_PER_REQUEST_DEADLINE);
	sv->port_logging = conf_bool(c, P_SMTPD_CLIENT_PORT_LOGGING);
	sv->name_lookup = conf_bool(c, P_SMTPD_PEERNAME_LOOKUP);
	sv->show_table = conf_bool(c, P_SHOW_USER_UNKNOWN_TABLE_NAME);
	sv->allow_routing = conf_bool(c, P_ALLOW_UNTRUSTED_ROUTING);
	sv->allow_dash = conf_bool(c, P_ALLOW_MIN_USER);
	sv->bare = read_bare(c);
	sv->parents = match_parents(c, "smtpd_access_maps");
	sv->sender_matters =
	    conf_list(c, P_SENDER_DEPENDENT_RELAYHOST_MAPS).n > 0 ||
	    conf_list(c, P_SENDER_DEPENDENT_DEFAULT_TRANSPORT_MAPS).n > 0;
}

static void
read_numbers(struct service *sv)
{
	const struct conf *c = sv->conf;

	sv->size_max = conf_size(c, P_MESSAGE_SIZE_LIMIT);
	sv->rcpt_max = (unsigned)conf_int(c, P_SMTPD_RECIPIENT_LIMIT);
	sv->rcpt_overshoot =
	    (unsigned)conf_int(c, P_SMTPD_RECIPIENT_OVERSHOOT_LIMIT);
	sv->line_max = (unsigned)conf_int(c, P_LINE_LENGTH_LIMIT);
	sv->soft_errors = (unsigned)conf_int(c, P_SMTPD_SOFT_ERROR_LIMIT);
	sv->hard_errors = (unsigned)conf_int(c, P_SMTPD_HARD_ERROR_LIMIT);
	sv->junk_max = (unsigned)conf_int(c, P_SMTPD_JUNK_COMMAND_LIMIT);
	sv->timeout_ms = conf_ms(c, P_SMTPD_TIMEOUT);
	sv->sleep_ms = conf_ms(c, P_SMTPD_ERROR_SLEEP_TIME);
	sv->data_rate = conf_int(c, P_SMTPD_MIN_DATA_RATE);
	sv->bare_code =
	    (int)conf_int(c, P_SMTPD_FORBID_BARE_NEWLINE_REJECT_CODE);
}

static void
read_codes(struct service *sv)
{
	/* clang-format off */
	const struct { int *p; enum param_id id; } codes[] = {
		{ &sv->reject_code, P_REJECT_CODE },
		{ &sv->defer_code, P_DEFER_CODE },
		{ &sv->map_reject, P_ACCESS_MAP_REJECT_CODE },
		{ &sv->map_defer, P_ACCESS_MAP_DEFER_CODE },
		{ &sv->bad_name, P_INVALID_HOSTNAME_REJECT_CODE },
		{ &sv->non_fqdn, P_NON_FQDN_REJECT_CODE },
		{ &sv->relay_code, P_RELAY_DOMAINS_REJECT_CODE },
		{ &sv->unk_client, P_UNKNOWN_CLIENT_REJECT_CODE },
		{ &sv->unk_address, P_UNKNOWN_ADDRESS_REJECT_CODE },
		{ &sv->unk_helo, P_UNKNOWN_HOSTNAME_REJECT_CODE },
		{ &sv->multi_bounce, P_MULTI_RECIPIENT_BOUNCE_REJECT_CODE },
		{ &sv->unk_local, P_UNKNOWN_LOCAL_RECIPIENT_REJECT_CODE },
		{ &sv->unk_relay, P_UNKNOWN_RELAY_RECIPIENT_REJECT_CODE },
		{ &sv->unk_alias, P_UNKNOWN_VIRTUAL_ALIAS_REJECT_CODE },
		{ &sv->unk_mailbox, P_UNKNOWN_VIRTUAL_MAILBOX_REJECT_CODE },
		{ &sv->plaintext, P_PLAINTEXT_REJECT_CODE },
	};
	/* clang-format on */

	for (size_t i = 0; i < NELEM(codes); i++)
		*codes[i].p = (int)conf_int(sv->conf, codes[i].id);
	sv->unk_addr_now =
	    conf_is(sv->conf, P_UNKNOWN_ADDRESS_TEMPFAIL_ACTION, "defer");
	sv->unk_helo_now =
	    conf_is(sv->conf, P_UNKNOWN_HELO_HOSTNAME_TEMPFAIL_ACTION, "defer");
}

static const struct {
	const char *word;
	unsigned bit;
} ehlo_words[] = {
	{ "PIPELINING", EHLO_PIPELINING },
	{ "SIZE", EHLO_SIZE },
	{ "VRFY", EHLO_VRFY },
	{ "ENHANCEDSTATUSCODES", EHLO_ENHANCED },
	{ "8BITMIME", EHLO_8BITMIME },
	{ "DSN", EHLO_DSN },
	{ "ETRN", EHLO_ETRN },
	{ "STARTTLS", EHLO_STARTTLS },
	{ "CHUNKING", EHLO_CHUNKING },
};

static void
read_ehlo(struct service *sv)
{
	struct conf_list l = conf_list(sv->conf, P_SMTPD_DISCARD_EHLO_KEYWORDS);

	sv->ehlo = EHLO_ALL;
	if (sv->no_vrfy)
		sv->ehlo &= ~(unsigned)EHLO_VRFY;
	for (size_t i = 0; i < l.n; i++)
		for (size_t k = 0; k < NELEM(ehlo_words); k++)
			if (str_caseeq(l.v[i].text, str_of(ehlo_words[k].word)))
				sv->ehlo &= ~ehlo_words[k].bit;
}

static void
read_nets(struct netlist *l, const struct conf *c, enum param_id id)
{
	netlist_init(l, conf_list(c, id));
	if (l->bad > 0)
		log_warn("%s: \"" STR_FMT "\" is no network", params[id].name,
		    STR_ARG(l->first_bad));
}

static void
read_rules(struct service *sv)
{
	/* clang-format off */
	const struct {
		struct rules *r; enum param_id id; enum access access;
	} lists[] = {
		{ &sv->client, P_SMTPD_CLIENT_RESTRICTIONS, ACCESS_CLIENT },
		{ &sv->helo, P_SMTPD_HELO_RESTRICTIONS, ACCESS_HELO },
		{ &sv->sender, P_SMTPD_SENDER_RESTRICTIONS, ACCESS_SENDER },
		{ &sv->relay, P_SMTPD_RELAY_RESTRICTIONS, ACCESS_RCPT },
		{ &sv->rcpt, P_SMTPD_RECIPIENT_RESTRICTIONS, ACCESS_RCPT },
		{ &sv->data, P_SMTPD_DATA_RESTRICTIONS, ACCESS_NONE },
		{ &sv->end, P_SMTPD_END_OF_DATA_RESTRICTIONS, ACCESS_NONE },
		{ &sv->etrn, P_SMTPD_ETRN_RESTRICTIONS, ACCESS_ETRN },
	};
	/* clang-format on */

	rule_book_init(&sv->book, sv->conf);
	for (size_t i = 0; i < NELEM(lists); i++)
		rules_compile(lists[i].r, &sv->book,
		    str_of(params[lists[i].id].name),
		    conf_list(sv->conf, lists[i].id), (int)lists[i].access);
	sv->book.closed = true;
}

struct service *
service_new(struct conf *conf, unsigned instance, const struct conf *main)
{
	struct service *sv = xcalloc(1, sizeof(*sv));

	sv->refs = 1;
	sv->conf = conf;
	sv->instance = instance;
	read_names(sv, conf_str(main, P_SYSLOG_NAME));
	read_switches(sv);
	read_numbers(sv);
	read_codes(sv);
	read_ehlo(sv);
	secure_read(&sv->tls, conf);
	read_nets(&sv->mynetworks, conf, P_MYNETWORKS);
	read_nets(&sv->bare_ok, conf, P_SMTPD_FORBID_BARE_NEWLINE_EXCLUSIONS);
	read_rules(sv);
	service_check(sv);
	return sv;
}

static bool
any_table(const struct rules *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].table.n > 0)
			return true;
	return false;
}

bool
service_has_tables(const struct service *sv)
{
	const struct rules *lists[] = { &sv->client, &sv->helo, &sv->sender,
		&sv->relay, &sv->rcpt, &sv->data, &sv->end, &sv->etrn };
	const struct rules *class;

	for (size_t i = 0; i < NELEM(lists); i++)
		if (any_table(lists[i]))
			return true;
	STAILQ_FOREACH(class, &sv->book.classes, link)
		if (any_table(class))
			return true;
	for (size_t i = 0; i < sv->mynetworks.n; i++)
		if (sv->mynetworks.v[i].table.n > 0)
			return true;
	return false;
}
