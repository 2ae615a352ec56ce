/* SPDX-License-Identifier: ISC */
/*
 * Restrictions: who is refused, in which words, and no open relay.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smtpd_fake.h"

#define STRANGER "192.0.2.7"
#define FRIEND "127.0.0.1"

static const struct conf_item nets[] = {
	{ .kind = CONF_WORD,
	    .negate = true,
	    .text = { "127.0.0.9", 9 },
	    .full = { "127.0.0.9", 9 } },
	{ .kind = CONF_WORD,
	    .text = { "127.0.0.0/8", 11 },
	    .full = { "127.0.0.0/8", 11 } },
	{ .kind = CONF_WORD,
	    .text = { "[::1]/128", 9 },
	    .full = { "[::1]/128", 9 } },
};

static void
init(struct fake *f)
{
	struct conf_list list = { nets, NELEM(nets) };

	fake_init(f);
	netlist_init(&f->sv->mynetworks, list);
	fake_relay_rules(f);
}

/* Send a line, return what it brings; empty when the session waits. */
static const char *
say(struct fake *f, const char *line)
{
	static char text[4096];

	buf_reset(&f->out);
	snprintf(text, sizeof(text), "%s\r\n", line);
	fake_input(f, str_of(text));
	snprintf(text, sizeof(text), "%s", buf_cstr(&f->out));
	text[strcspn(text, "\r")] = '\0';
	return text;
}

/* Say them all, return the answer to the last. */
static const char *
dialogue(struct fake *f, const char *client, const char *helo,
    const char *sender, const char *rcpt)
{
	char line[2048];

	fake_connect(f, client);
	if (helo != NULL) {
		snprintf(line, sizeof(line), "EHLO %s", helo);
		say(f, line);
	}
	snprintf(line, sizeof(line), "MAIL FROM:<%s>", sender);
	say(f, line);
	snprintf(line, sizeof(line), "RCPT TO:%s", rcpt);
	return say(f, line);
}

/*
 * Twenty ways to ask a stranger's server to pass on mail, all refused; the
 * same from a trusted client are taken (where they are addresses at all).
 */
static void
t_open_relay(void **state)
{
	static const char *const probes[] = {
		"<joe@far.example>",
		"<joe%far.example@example.com>",
		"<joe%far.example@[127.0.0.1]>",
		"<\"joe%far.example\"@example.com>",
		"<\"joe@far.example\"@example.com>",
		"<\"joe@far.example\">",
		"<joe@far.example@example.com>",
		"<@example.com:joe@far.example>",
		"<@example.com,@relay.example:joe@far.example>",
		"<@[127.0.0.1]:joe@far.example>",
		"<far.example!joe>",
		"<far.example!joe@example.com>",
		"<far.example!joe@[127.0.0.1]>",
		"<far.example!joe@relay.example>",
		"<joe%far.example>",
		"<joe%far.example@relay.example>",
		"<joe@[192.0.2.99]>",
		"<joe@far.example.>",
		"joe@far.example",
		"<@far.example:joe%far.example@example.com>",
		"<\"far.example!joe\"@example.com>",
		"<joe@example.com.far.example>",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(probes); i++) {
		struct fake f;
		const char *r;

		init(&f);
		f.now += (int64_t)i;
		r = dialogue(&f, STRANGER, "me.example.org", "a@example.org",
		    probes[i]);
		if (r[0] != '5')
			fail_msg("%s: %s", probes[i], r);
		fake_clear(&f);
		/* as the null sender, and as somebody of ours */
		init(&f);
		r = dialogue(&f, STRANGER, "me.example.org", "", probes[i]);
		if (r[0] != '5')
			fail_msg("from <>: %s: %s", probes[i], r);
		fake_clear(&f);
		init(&f);
		r = dialogue(&f, STRANGER, "mail.example.com",
		    "bob@example.com", probes[i]);
		if (r[0] != '5')
			fail_msg("from bob: %s: %s", probes[i], r);
		fake_clear(&f);
	}
}

static const struct {
	const char *client, *rcpt, *want;
} relaying[] = {
	{ STRANGER, "<bob@example.com>", "250 2.1.5 Ok" },
	{ STRANGER, "<bob@relay.example>", "250 2.1.5 Ok" },
	{ STRANGER, "<bob@virtual.example>", "250 2.1.5 Ok" },
	{ STRANGER, "<bob@[127.0.0.1]>", "250 2.1.5 Ok" },
	{ STRANGER, "<postmaster>", "250 2.1.5 Ok" },
	{ STRANGER, "<joe@far.example>",
	    "554 5.7.1 <joe@far.example>: Relay access denied" },
	{ FRIEND, "<joe@far.example>", "250 2.1.5 Ok" },
	{ "::1", "<joe@far.example>", "250 2.1.5 Ok" },
	{ "2001:db8::1", "<joe@far.example>",
	    "554 5.7.1 <joe@far.example>: Relay access denied" },
	{ "127.0.0.9", "<joe@far.example>",
	    "554 5.7.1 <joe@far.example>: Relay access denied" },
	{ FRIEND, "<joe%far.example@example.com>", "250 2.1.5 Ok" },
	{ STRANGER, "<nobody@example.com>",
	    "550 5.1.1 <nobody@example.com>: Recipient address rejected: User "
	    "unknown in local recipient table" },
	{ FRIEND, "<nobody@virtual.example>",
	    "550 5.1.1 <nobody@virtual.example>: Recipient address rejected: "
	    "User unknown in virtual mailbox table" },
	{ STRANGER, "<nobody@relay.example>",
	    "550 5.1.1 <nobody@relay.example>: Recipient address rejected: "
	    "User unknown in relay recipient table" },
};

static void
t_relaying(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(relaying); i++) {
		struct fake f;

		init(&f);
		assert_string_equal(dialogue(&f, relaying[i].client,
					"me.example.org", "a@example.org",
					relaying[i].rcpt),
		    relaying[i].want);
		fake_clear(&f);
	}
}

/* One rule in a list, a dialogue, the answer to RCPT. */
static const struct {
	enum stage st;
	const char *rules, *helo, *sender, *rcpt, *want;
} rules[] = {
	{ STAGE_CLIENT, "reject", "h", "", "<bob@example.com>",
	    "554 5.7.1 <client.example.org[192.0.2.7]>: Client host rejected: "
	    "Access denied" },
	{ STAGE_CLIENT, "permit reject", "h", "", "<bob@example.com>",
	    "250 2.1.5 Ok" },
	{ STAGE_CLIENT, "permit", "h", "", "<joe@far.example>",
	    "554 5.7.1 <joe@far.example>: Relay access denied" },
	{ STAGE_CLIENT, "permit_mynetworks reject", "h", "",
	    "<bob@example.com>",
	    "554 5.7.1 <client.example.org[192.0.2.7]>: Client host rejected: "
	    "Access denied" },
	{ STAGE_CLIENT, "permit_mynetworks permit_inet_interfaces", "h", "",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_CLIENT, "defer", "h", "", "<bob@example.com>",
	    "450 4.3.2 <client.example.org[192.0.2.7]>: Client host rejected: "
	    "Try again later" },
	{ STAGE_CLIENT, "warn_if_reject reject", "h", "", "<bob@example.com>",
	    "250 2.1.5 Ok" },
	{ STAGE_CLIENT, "warn_if_reject reject, reject", "h", "",
	    "<bob@example.com>",
	    "554 5.7.1 <client.example.org[192.0.2.7]>: Client host rejected: "
	    "Access denied" },
	{ STAGE_CLIENT,
	    "reject_unknown_client_hostname "
	    "reject_unknown_reverse_client_hostname",
	    "h", "", "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_CLIENT, "no_such_rule", "h", "", "<bob@example.com>",
	    "451 4.3.5 Server configuration error" },
	{ STAGE_CLIENT, "reject_rbl_client bl.example", "h", "",
	    "<bob@example.com>", "451 4.3.5 Server configuration error" },
	{ STAGE_CLIENT, "check_client_access", "h", "", "<bob@example.com>",
	    "451 4.3.5 Server configuration error" },
	{ STAGE_CLIENT, "permit, no_such_rule", "h", "", "<bob@example.com>",
	    "250 2.1.5 Ok" },
	{ STAGE_HELO, "reject_non_fqdn_helo_hostname", "short", "",
	    "<bob@example.com>",
	    "504 5.5.2 <short>: Helo command rejected: need fully-qualified "
	    "hostname" },
	{ STAGE_HELO, "reject_non_fqdn_hostname", "full.example.org", "",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_HELO, "reject_non_fqdn_hostname", "[192.0.2.7]", "",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_HELO, "reject_invalid_helo_hostname", "bad_-.name$", "",
	    "<bob@example.com>",
	    "501 5.5.2 <bad_-.name$>: Helo command rejected: Invalid name" },
	{ STAGE_HELO, "reject_invalid_hostname", "[999.1.1.1]", "",
	    "<bob@example.com>",
	    "501 5.5.2 <[999.1.1.1]>: Helo command rejected: invalid ip "
	    "address" },
	{ STAGE_HELO, "reject_invalid_hostname, reject_non_fqdn_hostname", NULL,
	    "", "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "reject_non_fqdn_sender", "h", "joe",
	    "<bob@example.com>",
	    "504 5.5.2 <joe>: Sender address rejected: need fully-qualified "
	    "address" },
	{ STAGE_SENDER, "reject_non_fqdn_sender", "h", "", "<bob@example.com>",
	    "250 2.1.5 Ok" },
	{ STAGE_SENDER, "reject_non_fqdn_sender", "h", "a@b",
	    "<bob@example.com>",
	    "504 5.5.2 <a@b>: Sender address rejected: need fully-qualified "
	    "address" },
	{ STAGE_SENDER, "reject_unlisted_sender", "h", "nobody@example.com",
	    "<bob@example.com>",
	    "550 5.1.0 <nobody@example.com>: Sender address rejected: User "
	    "unknown in local recipient table" },
	{ STAGE_SENDER, "reject_unlisted_sender", "h", "x@later.example",
	    "<bob@example.com>",
	    "451 4.3.0 <x@later.example>: Temporary lookup failure" },
	{ STAGE_SENDER, "reject_unlisted_sender", "h", "alice@example.com",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_RCPT, "reject_non_fqdn_recipient", "h", "", "<joe@b>",
	    "554 5.7.1 <joe@b>: Relay access denied" },
	{ STAGE_RCPT, "reject_non_fqdn_recipient", "h", "", "<joe>",
	    "504 5.5.2 <joe>: Recipient address rejected: need "
	    "fully-qualified address" },
	{ STAGE_RCPT, "reject_non_fqdn_recipient", "h", "", "<postmaster>",
	    "250 2.1.5 Ok" },
	{ STAGE_RCPT, "permit_auth_destination reject", "h", "",
	    "<bob@relay.example>", "250 2.1.5 Ok" },
	{ STAGE_RCPT, "defer_if_permit", "h", "", "<bob@example.com>",
	    "450 4.3.2 <bob@example.com>: Recipient address rejected: "
	    "temporary refusal was asked for" },
	{ STAGE_RCPT, "defer_if_permit reject", "h", "", "<bob@example.com>",
	    "554 5.7.1 <bob@example.com>: Recipient address rejected: Access "
	    "denied" },
	{ STAGE_RCPT, "defer_if_reject reject", "h", "", "<bob@example.com>",
	    "450 4.3.2 <bob@example.com>: Recipient address rejected: refusal "
	    "was made temporary" },
	{ STAGE_RCPT, "defer_if_reject", "h", "", "<bob@example.com>",
	    "250 2.1.5 Ok" },
	{ STAGE_SENDER, "reject_unknown_sender_domain", "h", "a@far.example",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "reject_unknown_sender_domain", "h", "a@host.example",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "reject_unknown_sender_domain", "h", "a@six.example",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "reject_unknown_sender_domain", "h", "a@half.example",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "reject_unknown_sender_domain", "h", "",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "reject_unknown_sender_domain", "h", "a@[192.0.2.9]",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "reject_unknown_sender_domain", "h",
	    "alice@example.com", "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "reject_unknown_sender_domain", "h", "a@gone.example",
	    "<bob@example.com>",
	    "450 4.1.8 <a@gone.example>: Sender address rejected: Domain "
	    "not found" },
	{ STAGE_SENDER, "reject_unknown_sender_domain, reject", "h",
	    "a@slow.example", "<bob@example.com>",
	    "554 5.7.1 <a@slow.example>: Sender address rejected: Access "
	    "denied" },
	{ STAGE_SENDER, "reject_unknown_sender_domain", "h", "a@slow.example",
	    "<bob@example.com>",
	    "450 4.1.8 <a@slow.example>: Sender address rejected: Domain "
	    "not found" },
	{ STAGE_SENDER, "reject_unknown_sender_domain", "h", "a@null.example",
	    "<bob@example.com>",
	    "550 5.7.27 <a@null.example>: Sender address rejected: Domain "
	    "null.example does not accept mail (nullMX)" },
	{ STAGE_SENDER, "reject_unknown_sender_domain", "h", "a@later.example",
	    "<bob@example.com>",
	    "450 4.1.8 <a@later.example>: Sender address rejected: Domain "
	    "not found" },
	{ STAGE_RCPT, "reject_unknown_recipient_domain", "h", "",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_RCPT, "reject_unknown_recipient_domain", "h", "",
	    "<bob@relay.example>",
	    "450 4.1.2 <bob@relay.example>: Recipient address rejected: "
	    "Domain not found" },
	{ STAGE_HELO, "reject_unknown_helo_hostname", "host.example", "",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_HELO, "reject_unknown_helo_hostname", "far.example", "",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_HELO, "reject_unknown_helo_hostname", "[192.0.2.7]", "",
	    "<bob@example.com>", "250 2.1.5 Ok" },
	{ STAGE_HELO, "reject_unknown_helo_hostname", "gone.example", "",
	    "<bob@example.com>",
	    "450 4.7.1 <gone.example>: Helo command rejected: Host not "
	    "found" },
	{ STAGE_HELO, "reject_unknown_hostname", "slow.example", "",
	    "<bob@example.com>",
	    "450 4.7.1 <slow.example>: Helo command rejected: Host not "
	    "found" },
	{ STAGE_RELAY, "defer_unauth_destination", "h", "", "<joe@far.example>",
	    "454 4.7.1 <joe@far.example>: Relay access denied" },
};

static struct rules *
list_of(struct service *sv, enum stage st, enum access *access)
{
	static const enum access kinds[] = { ACCESS_CLIENT, ACCESS_HELO,
		ACCESS_SENDER, ACCESS_SENDER, ACCESS_RCPT, ACCESS_RCPT,
		ACCESS_NONE, ACCESS_NONE };

	*access = kinds[st];
	switch (st) {
	case STAGE_CLIENT:
		return &sv->client;
	case STAGE_HELO:
		return &sv->helo;
	case STAGE_SENDER:
		return &sv->sender;
	case STAGE_RELAY:
		return &sv->relay;
	case STAGE_DATA:
		return &sv->data;
	case STAGE_END:
		return &sv->end;
	case STAGE_RCPT:
	case STAGE_LISTED:
	case STAGES:
	default:
		return &sv->rcpt;
	}
}

static void
set_rules(struct fake *f, enum stage st, const char *text)
{
	enum access access;
	struct rules *r = list_of(f->sv, st, &access);

	fake_rules(f, r, text, access);
}

static void
t_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(rules); i++) {
		struct fake f;
		const char *r;

		init(&f);
		set_rules(&f, rules[i].st, rules[i].rules);
		r = dialogue(&f, STRANGER, rules[i].helo, rules[i].sender,
		    rules[i].rcpt);
		if (strcmp(r, rules[i].want) != 0)
			fail_msg("%s %s: %s", rules[i].rules, rules[i].sender,
			    r);
		fake_clear(&f);
	}
}

/* What an access table's entry does. */
static const struct {
	enum stage st;
	const char *key, *value, *want;
} entries[] = {
	{ STAGE_CLIENT, "192.0.2.7", "REJECT",
	    "554 5.7.1 <client.example.org[192.0.2.7]>: Client host rejected: "
	    "Access denied" },
	{ STAGE_CLIENT, "client.example.org", "reject go away",
	    "554 5.7.1 <client.example.org[192.0.2.7]>: Client host rejected: "
	    "go away" },
	{ STAGE_HELO, "h.example.org", "521 5.5.9 no",
	    "521 5.5.9 "
	    "<h.example.org>: Helo command rejected: no" },
	{ STAGE_SENDER, "a@example.org", "450 later",
	    "450 4.7.1 <a@example.org>: Sender address rejected: later" },
	{ STAGE_SENDER, "a@example.org", "550",
	    "550 5.7.1 "
	    "<a@example.org>: Sender address rejected: Access denied" },
	{ STAGE_SENDER, "a@example.org", "DEFER 4.7.7 no",
	    "450 4.7.7 <a@example.org>: Sender address rejected: no" },
	{ STAGE_SENDER, "a@example.org", "OK", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "a@example.org", "1234567890", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "a@example.org", "DUNNO", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "a@example.org", "WARN strange", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "a@example.org", "DEFER_IF_PERMIT wait",
	    "450 4.7.1 <a@example.org>: Sender address rejected: wait" },
	{ STAGE_RCPT, "bob@example.com", "reject_non_fqdn_sender, reject",
	    "554 5.7.1 <bob@example.com>: Recipient address rejected: Access "
	    "denied" },
	{ STAGE_RCPT, "bob@example.com", "no_such_thing",
	    "451 4.3.5 Server configuration error" },
	{ STAGE_RCPT, "bob@example.com", "", "250 2.1.5 Ok" },
	{ STAGE_RCPT, "other@example.com", "REJECT", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "a@example.org", "FILTER smtp:[127.0.0.1]:10025",
	    "451 4.3.5 Server configuration error" },
	{ STAGE_SENDER, "a@example.org", "REDIRECT nobody", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "a@example.org", "BCC", "250 2.1.5 Ok" },
	{ STAGE_SENDER, "a@example.org", "PREPEND no header", "250 2.1.5 Ok" },
};

static void
t_access(void **state)
{
	static const char *const names[] = { "check_client_access",
		"check_helo_access", "check_sender_access", NULL, NULL,
		"check_recipient_access" };

	(void)state;
	for (size_t i = 0; i < NELEM(entries); i++) {
		for (int bare = 0; bare < 2; bare++) {
			struct fake f;
			const char *r;
			char text[256];

			init(&f);
			f.table[0][0] = entries[i].key;
			f.table[0][1] = entries[i].value;
			snprintf(text, sizeof(text), "%s hash:/etc/access",
			    bare ? "" : names[entries[i].st]);
			set_rules(&f, entries[i].st, text);
			r = dialogue(&f, STRANGER, "h.example.org",
			    "a@example.org", "<bob@example.com>");
			if (strcmp(r, entries[i].want) != 0)
				fail_msg("%s: %s", entries[i].value, r);
			fake_clear(&f);
		}
	}
}

static void
t_access_fails(void **state)
{
	struct fake f;

	(void)state;
	init(&f);
	set_rules(&f, STAGE_CLIENT, "check_client_access hash:x");
	f.table_fails = LOOKUP_LATER;
	assert_string_equal(dialogue(&f, STRANGER, "h", "",
				"<bob@example.com>"),
	    "451 4.3.0 Temporary lookup failure");
	fake_clear(&f);
	init(&f);
	set_rules(&f, STAGE_CLIENT, "check_client_access hash:x");
	f.no_lookup = true;
	assert_string_equal(dialogue(&f, STRANGER, "h", "",
				"<bob@example.com>"),
	    "451 4.3.0 Temporary lookup failure");
	fake_clear(&f);
}

/* Nothing is heard of the sender's address: the client is not kept for ever. */
static void
t_sender_silence(void **state)
{
	static const char *const lists[] = { "reject_unlisted_sender",
		"reject_unknown_sender_domain" };

	(void)state;
	for (size_t i = 0; i < NELEM(lists); i++) {
		struct fake f;

		init(&f);
		set_rules(&f, STAGE_SENDER, lists[i]);
		assert_string_equal(dialogue(&f, STRANGER, "h",
					"x@never.example", "<bob@example.com>"),
		    "");
		f.now += WAIT_ANSWER_MS;
		worker_tick(&f.w);
		fake_settle(&f);
		assert_int_equal(strncmp(buf_cstr(&f.out), "45", 2), 0);
		fake_clear(&f);
	}
}

/* An entry that names the table again, for ever: stopped, and temporary. */
static void
t_circles(void **state)
{
	struct fake f;

	(void)state;
	init(&f);
	f.table[0][0] = "192.0.2.7";
	f.table[0][1] = "check_client_access hash:x";
	set_rules(&f, STAGE_CLIENT, "check_client_access hash:x");
	assert_string_equal(dialogue(&f, STRANGER, "h", "",
				"<bob@example.com>"),
	    "451 4.3.5 Server configuration error");
	fake_clear(&f);
}

static void
t_delay(void **state)
{
	struct fake f;

	(void)state;
	/* Without delay the client is refused as it connects. */
	init(&f);
	f.sv->delay_reject = false;
	set_rules(&f, STAGE_CLIENT, "reject");
	fake_connect(&f, STRANGER);
	assert_string_equal(buf_cstr(&f.out),
	    "554 5.7.1 "
	    "<client.example.org[192.0.2.7]>: Client host rejected: Access "
	    "denied\r\n");
	assert_string_equal(say(&f, "EHLO h"),
	    "503 5.7.0 Error: access denied "
	    "for client.example.org[192.0.2.7]");
	assert_string_equal(say(&f, "QUIT"), "221 2.0.0 Bye");
	fake_clear(&f);

	init(&f);
	f.sv->delay_reject = false;
	set_rules(&f, STAGE_HELO, "reject_non_fqdn_helo_hostname");
	fake_connect(&f, STRANGER);
	assert_string_equal(say(&f, "EHLO h"),
	    "504 5.5.2 <h>: Helo command "
	    "rejected: need fully-qualified hostname");
	assert_string_equal(say(&f, "EHLO h.example.org"),
	    "250-mail.example.com");
	set_rules(&f, STAGE_SENDER, "reject");
	assert_string_equal(say(&f, "MAIL FROM:<a@b>"),
	    "554 5.7.1 <a@b>: "
	    "Sender address rejected: Access denied");
	assert_string_equal(say(&f, "RCPT TO:<a@b>"),
	    "503 5.5.1 Error: need MAIL command");
	fake_clear(&f);

	/* The greeting waits for the name, and notes who does not wait. */
	init(&f);
	f.sv->delay_reject = false;
	set_rules(&f, STAGE_CLIENT, "permit");
	f.silent = true;
	fake_connect(&f, STRANGER);
	assert_int_equal(f.out.len, 0);
	say(&f, "EHLO h");
	assert_string_equal(buf_cstr(&f.out),
	    "554 5.5.0 Error: SMTP protocol synchronization\r\n");
	fake_clear(&f);
}

/*
 * What the client, its name or the sender made doubtful before RCPT is put off
 * until then, and so long as what it hangs on stands.
 */
static void
t_put_off(void **state)
{
	static const char rcpt[] = "RCPT TO:<bob@example.com>";
	static const char *const said[] = {
		"450 4.3.2 <client.example.org[192.0.2.7]>: Client host "
		"rejected: temporary refusal was asked for",
		"450 4.3.2 <h>: Helo command rejected: temporary refusal was "
		"asked for",
		"450 4.3.2 <a@b.example>: Sender address rejected: temporary "
		"refusal was asked for",
	};

	(void)state;
	for (enum stage st = STAGE_CLIENT; st <= STAGE_SENDER; st++) {
		struct fake f;

		init(&f);
		f.sv->delay_reject = false;
		set_rules(&f, st, "defer_if_permit");
		assert_string_equal(dialogue(&f, STRANGER, "h", "a@b.example",
					"<bob@example.com>"),
		    said[st]);
		/* Refused for good, it is not temporary. */
		assert_string_equal(say(&f, "RCPT TO:<joe@far.example>"),
		    "554 5.7.1 <joe@far.example>: Relay access denied");
		/* The next recipient and the next mail fare no better. */
		assert_string_equal(say(&f, rcpt), said[st]);
		say(&f, "RSET");
		assert_string_equal(say(&f, "MAIL FROM:<a@b.example>"),
		    "250 2.1.0 Ok");
		assert_string_equal(say(&f, rcpt), said[st]);
		/* But with another name it is another client. */
		set_rules(&f, STAGE_HELO, "permit");
		set_rules(&f, STAGE_SENDER, "permit");
		say(&f, "EHLO other");
		say(&f, "MAIL FROM:<a@b.example>");
		assert_string_equal(say(&f, rcpt),
		    st == STAGE_CLIENT ? said[st] : "250 2.1.5 Ok");
		fake_clear(&f);

		/* A refusal is made temporary in its own list only. */
		init(&f);
		f.sv->delay_reject = false;
		set_rules(&f, st, "defer_if_reject");
		assert_string_equal(dialogue(&f, STRANGER, "h", "a@b.example",
					"<joe@far.example>"),
		    "554 5.7.1 <joe@far.example>: Relay access denied");
		fake_clear(&f);
	}
}

static void
t_log(void **state)
{
	struct fake f;

	(void)state;
	init(&f);
	f.name = NULL;
	f.reverse = "dyn.example.org";
	dialogue(&f, STRANGER, "me", "a@example.org", "<joe@far.example>");
	assert_non_null(strstr(buf_cstr(&f.log),
	    "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 "
	    "<joe@far.example>: Relay access denied; from=<a@example.org> "
	    "to=<joe@far.example> proto=ESMTP helo=<me>\n"));
	fake_clear(&f);
	init(&f);
	set_rules(&f, STAGE_CLIENT, "warn_if_reject reject");
	dialogue(&f, STRANGER, "me", "", "<bob@example.com>");
	assert_non_null(strstr(buf_cstr(&f.log),
	    "NOQUEUE: reject_warning: RCPT from client.example.org[192.0.2.7]:"
	    " 554 5.7.1 <client.example.org[192.0.2.7]>: Client host rejected:"
	    " Access denied; from=<> to=<bob@example.com> proto=ESMTP "
	    "helo=<me>\n"));
	fake_clear(&f);
}

static void
t_soft(void **state)
{
	struct fake f;

	(void)state;
	init(&f);
	f.sv->soft_bounce = true;
	f.sv->footer = STR("Call us.\\nOr not.");
	dialogue(&f, STRANGER, "me", "", "<joe@far.example>");
	assert_string_equal(buf_cstr(&f.out),
	    "454-4.7.1 <joe@far.example>: Relay access denied\r\n"
	    "454-4.7.1 Call us.\r\n454 4.7.1 Or not.\r\n");
	fake_clear(&f);

	init(&f);
	f.sv->unlisted_rcpt = false;
	assert_string_equal(dialogue(&f, STRANGER, "me", "",
				"<nobody@example.com>"),
	    "250 2.1.5 Ok");
	fake_clear(&f);
	init(&f);
	f.sv->unlisted_sender = true;
	assert_string_equal(dialogue(&f, STRANGER, "me", "nobody@example.com",
				"<bob@example.com>"),
	    "550 5.1.0 <nobody@example.com>: Sender address rejected: User "
	    "unknown in local recipient table");
	fake_clear(&f);
}

/* Tables in mynetworks are asked, as the client connects. */
static void
t_net_tables(void **state)
{
	static const struct conf_item table = { .kind = CONF_TABLE,
		.text = { "x", 1 },
		.type = { "hash", 4 },
		.full = { "hash:x", 6 } };
	struct conf_list list = { &table, 1 };
	struct fake f;

	(void)state;
	fake_init(&f);
	netlist_init(&f.sv->mynetworks, list);
	fake_relay_rules(&f);
	f.table[0][0] = STRANGER;
	f.table[0][1] = "yes";
	assert_string_equal(dialogue(&f, STRANGER, "me", "",
				"<joe@far.example>"),
	    "250 2.1.5 Ok");
	fake_clear(&f);
	fake_init(&f);
	netlist_init(&f.sv->mynetworks, list);
	fake_relay_rules(&f);
	f.table_fails = LOOKUP_LATER;
	assert_string_equal(dialogue(&f, STRANGER, "me", "",
				"<joe@far.example>"),
	    "451 4.3.0 <client.example.org[192.0.2.7]>: "
	    "Temporary lookup failure");
	fake_clear(&f);
}

static void
t_actions(void **state)
{
	struct env_reader r;
	struct envelope e;
	struct env_rcpt rc;
	struct fake f;

	(void)state;
	init(&f);
	f.table[0][0] = "192.0.2.7";
	f.table[0][1] = "PREPEND X-Seen: yes";
	f.table[1][0] = "me";
	f.table[1][1] = "HOLD look at it";
	f.table[2][0] = "a@example.org";
	f.table[2][1] = "REDIRECT dora@example.com";
	f.table[3][0] = "bob@example.com";
	f.table[3][1] = "BCC boss@example.com";
	f.table[4][0] = "joe@example.com";
	f.table[4][1] = "BCC audit@example.com";
	f.table[5][0] = "client.example.org";
	f.table[5][1] = "PREPEND X-Seen: yes";
	f.table[6][0] = "jim@example.com";
	f.table[6][1] = "PREPEND X-Jim: yes";
	set_rules(&f, STAGE_CLIENT, "hash:x");
	set_rules(&f, STAGE_HELO, "hash:x");
	set_rules(&f, STAGE_SENDER, "hash:x");
	set_rules(&f, STAGE_RCPT, "hash:x");
	assert_string_equal(dialogue(&f, STRANGER, "me", "a@example.org",
				"<bob@example.com>"),
	    "250 2.1.5 Ok");
	say(&f, "RCPT TO:<joe@example.com>");
	say(&f, "RCPT TO:<jim@example.com>");
	say(&f, "DATA");
	assert_string_equal(say(&f, "x\r\n."), "250 2.0.0 Ok: queued as Q1");
	assert_memory_equal(f.content,
	    "X-Seen: yes\nX-Jim: yes\nReceived: from me", 40);
	env_open(&r, str_make(f.envelope, f.envelope_len));
	assert_int_equal(env_read_head(&r, &e), 0);
	assert_int_equal(e.flags, ENV_HOLD);
	assert_true(str_eq(e.attr[ENV_A_HOLD_REASON], STR("look at it")));
	assert_true(str_eq(e.attr[ENV_A_REDIRECT], STR("dora@example.com")));
	for (int i = 0; i < 3; i++)
		assert_int_equal(env_read_rcpt(&r, &rc), 1);
	assert_int_equal(rc.flags, 0);
	assert_int_equal(env_read_rcpt(&r, &rc), 1);
	assert_int_equal(rc.flags, ENV_RCPT_BCC);
	assert_true(str_eq(rc.addr, STR("boss@example.com")));
	assert_int_equal(env_read_rcpt(&r, &rc), 1);
	assert_int_equal(rc.flags, ENV_RCPT_BCC);
	assert_true(str_eq(rc.addr, STR("audit@example.com")));
	assert_int_equal(env_read_rcpt(&r, &rc), 0);
	env_close(&r);
	fake_clear(&f);

	init(&f);
	f.table[0][0] = "bob@example.com";
	f.table[0][1] = "DISCARD";
	set_rules(&f, STAGE_RCPT, "hash:x");
	dialogue(&f, STRANGER, "me", "a@example.org", "<bob@example.com>");
	say(&f, "DATA");
	assert_string_equal(say(&f, "x\r\n."), "250 2.0.0 Ok: queued as Q1");
	assert_int_equal(f.submitted, 0);
	fake_clear(&f);

	init(&f);
	set_rules(&f, STAGE_END, "reject");
	dialogue(&f, STRANGER, "me", "a@example.org", "<bob@example.com>");
	say(&f, "DATA");
	assert_string_equal(say(&f, "x\r\n."),
	    "554 5.7.1 <END-OF-MESSAGE>: "
	    "End-of-data rejected: Access denied");
	assert_int_equal(f.submitted, 0);
	assert_int_equal(f.dropped, 1);
	assert_non_null(
	    strstr(buf_cstr(&f.log), "Q1: reject: END-OF-MESSAGE from client"));
	fake_clear(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_open_relay),
		cmocka_unit_test(t_relaying),
		cmocka_unit_test(t_rules),
		cmocka_unit_test(t_access),
		cmocka_unit_test(t_access_fails),
		cmocka_unit_test(t_sender_silence),
		cmocka_unit_test(t_circles),
		cmocka_unit_test(t_delay),
		cmocka_unit_test(t_put_off),
		cmocka_unit_test(t_log),
		cmocka_unit_test(t_soft),
		cmocka_unit_test(t_net_tables),
		cmocka_unit_test(t_actions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
