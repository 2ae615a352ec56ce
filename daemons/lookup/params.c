/* SPDX-License-Identifier: ISC */
/*
 * Which asker may ask for which parameter: those its work needs, and no
 * others, so that a captured one cannot browse what is not its business.
 */
#include <string.h>

#include "lookupd.h"

static const struct {
	const char *asker;
	const char *param;
} allowed[] = {
	/* Who may relay, and what the administrator says of clients. */
	{ "smtpd", "mynetworks" },
	{ "smtpd", "smtpd_client_restrictions" },
	{ "smtpd", "smtpd_helo_restrictions" },
	{ "smtpd", "smtpd_sender_restrictions" },
	{ "smtpd", "smtpd_relay_restrictions" },
	{ "smtpd", "smtpd_recipient_restrictions" },
	{ "smtpd", "smtpd_data_restrictions" },
	{ "smtpd", "smtpd_end_of_data_restrictions" },
	{ "smtpd", "smtpd_etrn_restrictions" },
	{ "smtpd", "smtpd_client_event_limit_exceptions" },
	{ "smtpd", "smtpd_forbid_bare_newline_exclusions" },
	/* What an address means. */
	{ "rewrite", "mydestination" },
	{ "rewrite", "relay_domains" },
	{ "rewrite", "virtual_alias_domains" },
	{ "rewrite", "virtual_mailbox_domains" },
	{ "rewrite", "transport_maps" },
	{ "rewrite", "local_recipient_maps" },
	{ "rewrite", "relay_recipient_maps" },
	{ "rewrite", "virtual_alias_maps" },
	{ "rewrite", "virtual_mailbox_maps" },
	{ "rewrite", "canonical_maps" },
	{ "rewrite", "recipient_canonical_maps" },
	{ "rewrite", "sender_canonical_maps" },
	{ "rewrite", "sender_dependent_relayhost_maps" },
	{ "rewrite", "sender_dependent_default_transport_maps" },
	{ "rewrite", "relocated_maps" },
	{ "rewrite", "fast_flush_domains" },
	{ "rewrite", "mailbox_transport_maps" },
	{ "rewrite", "fallback_transport_maps" },
	/* What becomes of a message's addresses. */
	{ "cleanup", "canonical_maps" },
	{ "cleanup", "recipient_canonical_maps" },
	{ "cleanup", "sender_canonical_maps" },
	{ "cleanup", "virtual_alias_maps" },
	{ "cleanup", "header_checks" },
	{ "cleanup", "recipient_bcc_maps" },
	{ "cleanup", "sender_bcc_maps" },
	/* Where a mailbox is. */
	{ "local", "alias_maps" },
	{ "local", "mailbox_transport_maps" },
	{ "local", "mailbox_command_maps" },
	{ "virtual", "virtual_mailbox_maps" },
	{ "virtual", "virtual_uid_maps" },
	{ "virtual", "virtual_gid_maps" },
	/* How to talk to a server. */
	{ "smtp", "smtp_generic_maps" },
};

/* A name of the administrator's for a list of rules. */
static bool
is_class(const struct conf *c, struct str name)
{
	struct conf_list list = conf_list(c, P_SMTPD_RESTRICTION_CLASSES);

	for (size_t i = 0; i < list.n; i++)
		if (str_eq(name, list.v[i].text))
			return true;
	return false;
}

bool
param_allowed(const struct lookupd *lk, const char *asker, struct str param)
{
	for (size_t i = 0; i < NELEM(allowed); i++)
		if (strcmp(asker, allowed[i].asker) == 0 &&
		    str_eq(param, str_of(allowed[i].param)))
			return true;
	return strcmp(asker, "smtpd") == 0 && lk->conf != NULL &&
	    is_class(lk->conf, param);
}

/*
 * What stands in these is a command, a file, a user, a way: in a name that a
 * stranger makes up there is nothing that could become one of them.
 */
unsigned
param_flags(struct str param)
{
	static const char *const names[] = { "alias_maps",
		"mailbox_command_maps", "mailbox_transport_maps",
		"fallback_transport_maps", "virtual_mailbox_maps",
		"virtual_uid_maps", "virtual_gid_maps" };

	for (size_t i = 0; i < NELEM(names); i++)
		if (str_eq(param, str_of(names[i])))
			return TABLE_NOSUB;
	return 0;
}

static struct conf_list
list_of(const struct conf *c, struct str param)
{
	int id = param_find(param);

	return id == -1 ? conf_named_list(c, param) :
	    conf_list(c, (enum param_id)id);
}

static bool
has_table(const struct conf *c, struct str param, struct str table)
{
	struct conf_list list = list_of(c, param);

	for (size_t i = 0; i < list.n; i++)
		if (list.v[i].kind == CONF_TABLE &&
		    str_eq(list.v[i].full, table))
			return true;
	return false;
}

int
param_tables(const struct lookupd *lk, struct str param, struct str table,
    int (*fn)(void *arg, struct str spec), void *arg, size_t *out_n)
{
	struct conf_list list;
	bool has;
	int r = 1;

	*out_n = 0;
	if (table.n > 0) {
		has = has_table(lk->conf, param, table);
		for (size_t i = 0; i < lk->nservices && !has; i++)
			has = lk->services[i] != NULL &&
			    has_table(lk->services[i], param, table);
		*out_n = has;
		return has ? fn(arg, table) : 1;
	}
	list = list_of(lk->conf, param);
	for (size_t i = 0; i < list.n && r == 1; i++) {
		if (list.v[i].kind != CONF_TABLE)
			continue;
		(*out_n)++;
		r = fn(arg, list.v[i].full);
	}
	return r;
}
