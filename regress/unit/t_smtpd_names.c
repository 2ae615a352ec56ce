/* SPDX-License-Identifier: ISC */
/*
 * The restrictions that the server knows, and those that "mailctl check" takes
 * for right, are the same, but for what is known by name alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf/items.h"

#include "daemons/smtpd/rules.h"

/* Restrictions that exist elsewhere; one may be both here and in the server. */
static const char *const not_yet[] = { "permit_tls_clientcerts",
	"permit_tls_all_clientcerts", "permit_mx_backup",
	"permit_dnswl_client", "permit_rhswl_client",
	"permit_naked_ip_address", "reject_unknown_forward_client_hostname",
	"reject_unknown_helo_hostname", "reject_unknown_hostname",
	"reject_unknown_sender_domain", "reject_unknown_recipient_domain",
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

static bool
in_list(const char *const *list, const char *name)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

static bool
in_server(const char *name)
{
	for (const struct rule_def *d = rule_defs; d->name != NULL; d++)
		if (strcmp(d->name, name) == 0)
			return true;
	return false;
}

static void
test_server_names(void **state)
{
	(void)state;
	assert_non_null(rule_defs[0].name);
	for (const struct rule_def *d = rule_defs; d->name != NULL; d++)
		if (!in_list(restriction_names, d->name))
			fail_msg("%s: check would take it for a mistake",
			    d->name);
}

static void
test_checked_names(void **state)
{
	(void)state;
	for (const char *const *n = restriction_names; *n != NULL; n++)
		if (!in_server(*n) && !in_list(not_yet, *n))
			fail_msg("%s: the server does not know it", *n);
	for (const char *const *n = not_yet; *n != NULL; n++)
		if (!in_list(restriction_names, *n))
			fail_msg("%s: is in no list", *n);
}

static void
test_once(void **state)
{
	(void)state;
	for (const char *const *n = restriction_names; *n != NULL; n++)
		if (in_list(n + 1, *n))
			fail_msg("%s: is there twice", *n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_names),
		cmocka_unit_test(test_checked_names),
		cmocka_unit_test(test_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
