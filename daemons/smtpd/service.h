/* SPDX-License-Identifier: ISC */
#ifndef SMTPD_SERVICE_H
#define SMTPD_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "conf/conf.h"
#include "net/netlist.h"
#include "rules.h"
#include "secure.h"

/*
 * What one line of master.cf makes of us: its parameters, read once, and its
 * restrictions, compiled.  Sessions hold a reference, so that a reload changes
 * the rules for sessions to come and for nobody in the middle of one.
 */
enum bare_newline {
	BARE_ALLOW, /* and <LF>.<LF> may end a message */
	BARE_NORMALIZE,
	BARE_NOTE,
	BARE_REJECT,
};

/* Extensions that may be announced, and what smtpd_discard_ehlo_keywords
 * takes away. */
#define EHLO_PIPELINING 0x001
#define EHLO_SIZE 0x002
#define EHLO_VRFY 0x004
#define EHLO_ENHANCED 0x008
#define EHLO_8BITMIME 0x010
#define EHLO_DSN 0x020
#define EHLO_ETRN 0x040
#define EHLO_STARTTLS 0x080
#define EHLO_CHUNKING 0x100
#define EHLO_ALL 0x1ff

struct service {
	unsigned refs;
	unsigned instance;
	struct conf *conf; /* owner of all text below; NULL in tests */

	struct str syslog; /* syslog_name of its own, or empty */
	struct str name;   /* in master.cf */
	struct str myhostname, mail_name, banner, footer;
	unsigned ehlo; /* announced extensions */

	bool helo_required, no_vrfy, strict, delay_reject;
	bool relay_first, unlisted_rcpt, unlisted_sender;
	bool forbid_pipelining, soft_bounce, per_request, port_logging;
	bool name_lookup, show_table, allow_routing, allow_dash;
	bool sender_matters; /* for where mail goes */
	bool parents; /* in access tables, domains stand for subdomains */
	enum bare_newline bare;
	int bare_code;

	int64_t size_max; /* 0: no limit */
	unsigned rcpt_max, rcpt_overshoot, line_max;
	unsigned soft_errors, hard_errors, junk_max;
	int64_t timeout_ms, sleep_ms;
	int64_t data_rate;

	struct secure tls;
	struct conf_list noop, forbidden, rewrite_clients;
	struct netlist mynetworks, bare_ok;

	struct rule_book book; /* classes and what compiling ran into */
	struct rules client, helo, sender, relay, rcpt, data, end, etrn;

	/* Reply codes of rules. */
	int reject_code, defer_code, map_reject, map_defer;
	int bad_name, non_fqdn, relay_code, unk_client, multi_bounce;
	int unk_local, unk_relay, unk_alias, unk_mailbox, plaintext;
	int unk_address, unk_helo;
	bool unk_addr_now, unk_helo_now; /* defer at once, not if_permit */
	struct str null_key;
	struct str no_rules; /* why it must not take mail, or empty */
};

/*
 * A service with the values of a configuration that has no main.cf, for
 * myhostname mail.example.com; for tests, which change it.
 */
struct service *service_plain(void);

/*
 * From a snapshot, taken over; main is that of no service in particular, and
 * only looked at.  Never NULL: what is wrong with its restrictions is logged,
 * and makes it refuse mail.
 */
struct service *
service_new(struct conf *conf, unsigned instance, const struct conf *main);

/* After the restrictions were set: is a refusal among those that count? */
void service_check(struct service *sv);

struct service *service_ref(struct service *sv);
void service_unref(struct service **svp);

/* Is there a table that sessions may have to ask? */
bool service_has_tables(const struct service *sv);

#endif
