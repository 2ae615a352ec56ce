/* SPDX-License-Identifier: ISC */
/*
 * Restrictions of the SMTP server, by name: those that this version does not
 * support are refused, and what is written but for a letter like one of these
 * is a mistake.  The server itself warns of every word it does not know; here
 * arguments cannot be told from restrictions.
 */
#include <stdio.h>

#include "conf/items.h"
#include "conf/later.h"
#include "conf/params.h"

const char *const restriction_names[] = { "permit", "reject", "defer",
	"defer_if_permit", "defer_if_reject", "warn_if_reject",
	"permit_mynetworks", "permit_inet_interfaces",
	"permit_sasl_authenticated", "permit_tls_clientcerts",
	"permit_tls_all_clientcerts", "permit_mx_backup",
	"permit_auth_destination", "permit_dnswl_client", "permit_rhswl_client",
	"permit_naked_ip_address", "reject_unauth_destination",
	"defer_unauth_destination", "check_relay_domains",
	"reject_unlisted_recipient", "check_recipient_maps",
	"reject_unlisted_sender", "reject_invalid_helo_hostname",
	"reject_invalid_hostname", "reject_non_fqdn_helo_hostname",
	"reject_non_fqdn_hostname", "reject_non_fqdn_sender",
	"reject_non_fqdn_recipient", "reject_unknown_client_hostname",
	"reject_unknown_client", "reject_unknown_reverse_client_hostname",
	"reject_unknown_forward_client_hostname",
	"reject_unknown_helo_hostname", "reject_unknown_hostname",
	"reject_unknown_sender_domain", "reject_unknown_recipient_domain",
	"reject_unknown_address", "reject_unauth_pipelining",
	"reject_multi_recipient_bounce", "reject_plaintext_session",
	"reject_unverified_recipient", "reject_unverified_sender",
	"reject_sender_login_mismatch",
	"reject_authenticated_sender_login_mismatch",
	"reject_unauthenticated_sender_login_mismatch",
	"reject_known_sender_login_mismatch", "reject_rbl_client",
	"reject_rhsbl_client", "reject_rhsbl_reverse_client",
	"reject_rhsbl_helo", "reject_rhsbl_sender", "reject_rhsbl_recipient",
	"reject_maps_rbl", "check_client_access",
	"check_reverse_client_hostname_access", "check_helo_access",
	"check_sender_access", "check_recipient_access", "check_etrn_access",
	"check_ccert_access", "check_sasl_access", "check_client_a_access",
	"check_client_mx_access", "check_client_ns_access",
	"check_reverse_client_hostname_a_access",
	"check_reverse_client_hostname_mx_access",
	"check_reverse_client_hostname_ns_access", "check_helo_a_access",
	"check_helo_mx_access", "check_helo_ns_access", "check_sender_a_access",
	"check_sender_mx_access", "check_sender_ns_access",
	"check_recipient_a_access", "check_recipient_mx_access",
	"check_recipient_ns_access", "check_policy_service", "sleep", NULL };

/* Those that this version does not support. */
static const char *const later[] = { "permit_tls_clientcerts",
	"permit_tls_all_clientcerts", "permit_mx_backup", "permit_dnswl_client",
	"permit_rhswl_client", "permit_naked_ip_address",
	"reject_unknown_forward_client_hostname",

	"reject_unknown_address", "reject_unverified_recipient",
	"reject_unverified_sender", "reject_sender_login_mismatch",
	"reject_authenticated_sender_login_mismatch",
	"reject_unauthenticated_sender_login_mismatch",
	"reject_known_sender_login_mismatch", "reject_rbl_client",
	"reject_rhsbl_client", "reject_rhsbl_reverse_client",
	"reject_rhsbl_helo", "reject_rhsbl_sender", "reject_rhsbl_recipient",
	"reject_maps_rbl", "check_ccert_access", "check_sasl_access",
	"check_client_a_access", "check_client_mx_access",
	"check_client_ns_access", "check_reverse_client_hostname_a_access",
	"check_reverse_client_hostname_mx_access",
	"check_reverse_client_hostname_ns_access", "check_helo_a_access",
	"check_helo_mx_access", "check_helo_ns_access", "check_sender_a_access",
	"check_sender_mx_access", "check_sender_ns_access",
	"check_recipient_a_access", "check_recipient_mx_access",
	"check_recipient_ns_access", "check_policy_service", "sleep", NULL };

/* A class may have any name. */
static bool
listed(struct str list, struct str name)
{
	struct str w;

	while (str_token(&list, ", \t\r\n", &w))
		if (str_caseeq(w, name))
			return true;
	return false;
}

static bool
check_later(const struct items *it, struct str word)
{
	struct later l = later_find(word);

	for (size_t i = 0; later[i] != NULL; i++) {
		if (!str_caseeq(word, str_of(later[i])))
			continue;
		report_add(it->rep, REPORT_ERROR,
		    it->at == NULL ? NULL : it->at->file,
		    it->at == NULL ? 0 : it->at->line, l.advice,
		    "%s: " STR_FMT " is not supported by this version%s%s",
		    it->name, STR_ARG(word), *l.what == '\0' ? "" : ": ",
		    l.what);
		return true;
	}
	return false;
}

void
items_check_rules(const struct items *it, struct str classes)
{
	for (size_t i = 0; i < it->n; i++) {
		struct str word = str_of(it->v[i].full);
		char advice[200];
		const char *near;

		if (it->v[i].kind == CONF_TABLE || listed(classes, word) ||
		    check_later(it, word))
			continue;
		/* Shorter ones, or with a dot, are somebody's argument. */
		if (word.n < 8 || str_chr(word, '_') == -1 ||
		    str_chr(word, '.') != -1)
			continue;
		near = name_nearest(word, restriction_names);
		if (near == NULL || str_caseeq(word, str_of(near)))
			continue;
		snprintf(advice, sizeof(advice), "did you mean %s?", near);
		report_add(it->rep, REPORT_WARN,
		    it->at == NULL ? NULL : it->at->file,
		    it->at == NULL ? 0 : it->at->line, advice,
		    "%s: unknown restriction: " STR_FMT, it->name,
		    STR_ARG(word));
	}
}
