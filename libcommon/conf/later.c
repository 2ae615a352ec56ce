/* SPDX-License-Identifier: ISC */
/*
 * Features of Postfix that this version does not have.
 */
#include "conf/later.h"

#include "base/attr.h"

#define OUT "remove the line, or make it a comment"

/* A part of the names, in this order. */
static const struct {
	const char *part, *what, *advice;
} features[] = {
	{ "smtpd_sasl", "logins of clients (AUTH)",
	    OUT "; only clients in mynetworks may relay then" },
	{ "smtpd_tls_auth", "logins of clients (AUTH)", OUT },
	{ "smtp_sasl", "logins at other servers (AUTH)",
	    OUT "; a relayhost that asks for a login cannot be used then" },
	{ "sasl", "logins (AUTH)", OUT },
	{ "login_mismatch", "logins of clients (AUTH)", "leave it out" },
	{ "milter", "mail filters that speak the milter protocol",
	    OUT "; mail is not filtered then" },
	{ "header_checks", "rules on message headers", OUT },
	{ "body_checks", "rules on message bodies", OUT },
	{ "content_filter", "content filters after the queue", OUT },
	{ "smtpd_proxy", "content filters before the queue", OUT },
	{ "receive_override_options", "switches for content filters", OUT },
	{ "postscreen", "tests before the greeting",
	    "remove it; name smtpd in master.cf" },
	{ "tlsproxy", "TLS of postscreen", OUT },
	{ "reject_rbl", "block lists in the DNS", "leave it out" },
	{ "reject_rhsbl", "block lists in the DNS", "leave it out" },
	{ "reject_maps_rbl", "block lists in the DNS", "leave it out" },
	{ "permit_dnswl", "allow lists in the DNS", "leave it out" },
	{ "permit_rhswl", "allow lists in the DNS", "leave it out" },
	{ "policy", "policy services", "leave it out" },
	{ "unverified_", "probes of addresses", "leave it out" },
	{ "address_verify", "probes of addresses", OUT },
	{ "mx_backup", "backup MX without a list of domains",
	    "leave it out, and name the domains in relay_domains" },
	{ "clientcerts", "certificates of clients", "leave it out" },
	{ "ccert", "certificates of clients", "leave it out" },
	{ "_tls_policy_maps", "TLS for each destination", OUT },
	{ "tlsrpt", "TLS reports", OUT },
	{ "_tls_", "this part of TLS", OUT },
	{ "verp", "senders that name the recipient (VERP)", OUT },
	{ "xclient", "XCLIENT", OUT },
	{ "xforward", "XFORWARD", OUT },
	{ "upstream_proxy", "the proxy protocol", OUT },
	{ "generic_maps", "addresses rewritten on the way out", OUT },
	{ "canonical", "canonical addresses", OUT },
	{ "masquerade", "hosts hidden behind their domain", OUT },
	{ "relocated", "users who have moved", OUT },
	{ "sender_dependent", "routes that depend on the sender", OUT },
	{ "delivery_status_filter", "rewritten delivery status", OUT },
	{ "multi_instance", "several instances under one command",
	    OUT "; run mailctl -c DIR for each" },
	{ "a_access", "rules on addresses of a host", "leave it out" },
	{ "mx_access", "rules on mail servers of a domain", "leave it out" },
	{ "ns_access", "rules on name servers of a domain", "leave it out" },
};

static bool
has(struct str name, struct str part)
{
	for (size_t i = 0; i + part.n <= name.n; i++)
		if (str_starts(str_sub(name, i, name.n), part))
			return true;
	return false;
}

struct later
later_find(struct str name)
{
	for (size_t i = 0; i < NELEM(features); i++)
		if (has(name, str_of(features[i].part)))
			return (struct later){ features[i].what,
				features[i].advice };
	return (struct later){ "", OUT };
}
