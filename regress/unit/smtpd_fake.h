/* SPDX-License-Identifier: ISC */
#ifndef REGRESS_SMTPD_FAKE_H
#define REGRESS_SMTPD_FAKE_H

/*
 * An SMTP session without sockets and other components: the house around it
 * is played by plain functions that answer at the next turn, in the order in
 * which they were asked.
 *
 * Addresses: example.com is local (nobody* does not exist there), relay.example
 * a relay domain, virtual.example one of virtual mailboxes, later.example
 * cannot be looked up now, of never.example nothing is heard, anything else is
 * somewhere else.  Tables: the key that the test put into f->table gets its
 * value.
 */
#include <stdbool.h>
#include <stdio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "daemons/smtpd/session.h"
#include "log/log.h"
#include "queue/envelope.h"

#define FAKE_ASKS 256

struct fake_ask {
	enum port port;
	struct resolved *r;
	struct session *s;
	uint64_t handle;
	char key[256];
	bool done;
};

struct fake {
	struct worker w;
	struct service *sv;
	struct session *s;
	int64_t now;
	bool kicked;
	struct buf out, log;

	struct fake_ask ask[FAKE_ASKS];
	size_t asked, answered;
	uint64_t asks_resolve, asks_lookup;
	bool silent; /* peers do not answer */
	bool no_rewrite, no_lookup, no_cleanup, no_qmgr;
	const char *name;    /* of the client; NULL: cannot be found */
	const char *reverse; /* what PTR says when that is all there is */
	const char *table[16][2];
	uint8_t table_fails; /* a status for every lookup, or 0 */
	bool no_dns;

	/* The message that was submitted last. */
	uint64_t slot;
	char qid[32];
	char *envelope;
	size_t envelope_len;
	char *content;
	size_t content_len;
	unsigned submitted, dropped, wanted;
	bool hold_word; /* the queue manager takes its time */
	bool word_due;
	int refuse_code;
	uint64_t next_slot;
};

static inline int64_t
fake_now(void *arg)
{
	struct fake *f = arg;

	return f->now;
}

static inline uint64_t
fake_add(struct fake *f, enum port port, struct resolved *r, struct session *s,
    struct str key)
{
	struct fake_ask *a = &f->ask[f->asked % FAKE_ASKS];

	*a = (struct fake_ask){ .port = port, .r = r, .s = s };
	if (key.n >= sizeof(a->key))
		key.n = sizeof(a->key) - 1;
	str_copy(key, a->key, sizeof(a->key));
	a->handle = ++f->asked;
	return a->handle;
}

static inline uint64_t
fake_resolve(void *arg, const struct resolve_ask *q, struct resolved *r)
{
	struct fake *f = arg;

	f->asks_resolve++;
	return f->no_rewrite ? 0 : fake_add(f, PORT_RESOLVE, r, NULL, q->addr);
}

static inline uint64_t
fake_lookup(void *arg, const struct lookup_find *q, struct session *s)
{
	struct fake *f = arg;

	f->asks_lookup++;
	return f->no_lookup ? 0 : fake_add(f, PORT_LOOKUP, NULL, s, q->key);
}

static inline uint64_t
fake_name(void *arg, const struct netaddr *a, struct session *s)
{
	(void)a;
	return fake_add(arg, PORT_DNS, NULL, s, STR_NONE);
}

/* `15 domain` */
static inline uint64_t
fake_records(void *arg, uint16_t rrtype, struct str name, struct session *s)
{
	struct fake *f = arg;
	char key[256];

	snprintf(key, sizeof(key), "%u " STR_FMT, rrtype, STR_ARG(name));
	return f->no_dns ? 0 : fake_add(f, PORT_DNS, NULL, s, str_of(key));
}

static inline uint64_t
fake_flush(void *arg, struct str domain, struct session *s)
{
	return fake_add(arg, PORT_FLUSH, NULL, s, domain);
}

static inline void
fake_forget(void *arg, enum port port, uint64_t handle)
{
	struct fake *f = arg;
	struct fake_ask *a = &f->ask[(handle - 1) % FAKE_ASKS];

	(void)port;
	if (a->handle == handle)
		a->done = true;
}

static inline void
fake_want(void *arg, unsigned n)
{
	struct fake *f = arg;

	f->wanted = n;
}

static inline void
fake_drop(void *arg, uint64_t id)
{
	struct fake *f = arg;

	(void)id;
	f->dropped++;
}

static inline void
fake_give_slot(struct fake *f)
{
	int fd = memfd_new("message");
	char qid[32];

	snprintf(qid, sizeof(qid), "Q%llu", (unsigned long long)++f->next_slot);
	slots_add(&f->w.slots, f->next_slot * 7919, str_of(qid), fd);
}

static inline bool
fake_submit(void *arg, uint64_t id, struct str qid, struct str envelope,
    int *fd)
{
	struct fake *f = arg;

	if (f->no_cleanup)
		return false;
	f->submitted++;
	f->slot = id;
	str_copy(qid, f->qid, sizeof(f->qid));
	free(f->envelope);
	free(f->content);
	f->envelope = xmalloc(envelope.n + 1);
	memcpy(f->envelope, envelope.p, envelope.n);
	f->envelope_len = envelope.n;
	if (fd_slurp(*fd, 64 << 20, &f->content, &f->content_len) == -1)
		abort();
	fd_close(fd);
	f->word_due = true;
	return true;
}

static const struct ports fake_ports = {
	.now = fake_now,
	.resolve = fake_resolve,
	.lookup = fake_lookup,
	.name = fake_name,
	.records = fake_records,
	.flush = fake_flush,
	.forget = fake_forget,
	.want = fake_want,
	.drop = fake_drop,
	.submit = fake_submit,
};

static inline void
fake_kick(void *arg)
{
	struct fake *f = arg;

	f->kicked = true;
}

static inline void
fake_log(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	struct fake *f = arg;

	(void)level;
	(void)service;
	(void)when_us;
	buf_str(&f->log, text);
	buf_putc(&f->log, '\n');
}

/* --- the peers' answers --------------------------------------------------- */

static inline void
answer_resolve(struct fake *f, struct fake_ask *q)
{
	struct str addr = str_of(q->key), domain = addr_domain(addr);
	struct resolve_answer a = { .addr = addr,
		.transport = STR("smtp"),
		.nexthop = domain };

	if (str_eq(domain, STR("never.example")))
		return;
	if (str_eq(domain, STR("later.example")))
		a.status = RESOLVE_LATER;
	else if (domain.n == 0 || str_caseeq(domain, STR("example.com")) ||
	    str_eq(domain, STR("[127.0.0.1]")))
		a.class = CLASS_LOCAL;
	else if (str_eq(domain, STR("relay.example")))
		a.class = CLASS_RELAY;
	else if (str_eq(domain, STR("virtual.example")))
		a.class = CLASS_VIRTUAL_MAILBOX;
	a.exists = a.class == CLASS_DEFAULT ? EXISTS_UNKNOWN :
	    str_starts(addr, STR("nobody")) ? EXISTS_NO :
					      EXISTS_YES;
	resolver_answer(&f->w.resolver, q->r, &a);
}

static inline void
answer_lookup(struct fake *f, struct fake_ask *q)
{
	struct lookup_answer a = { .status = LOOKUP_NOT_FOUND };

	if (f->table_fails != 0)
		a.status = f->table_fails;
	for (size_t i = 0; i < NELEM(f->table) && f->table[i][0] != NULL; i++)
		if (f->table_fails == 0 && strcmp(q->key, f->table[i][0]) == 0)
			a = (struct lookup_answer){ .status = LOOKUP_FOUND,
				.value = str_of(f->table[i][1]) };
	session_looked_up(q->s, &a);
}

static inline void
answer_name(struct fake *f, struct fake_ask *q)
{
	struct dns_named a = { .status = DNS_OK, .verified = 1 };

	if (f->name != NULL) {
		a.name = str_of(f->name);
	} else if (f->reverse != NULL) {
		a.verified = 0;
		a.name = str_of(f->reverse);
	} else {
		a.status = DNS_NOT_FOUND;
	}
	session_named(q->s, &a);
}

/*
 * far.example has an MX host, host.example an address of its own, six.example
 * one of the other kind, null.example takes no mail, slow.example cannot be
 * found out about, half.example has an address but its mail servers cannot be
 * found out; nothing else is there.
 */
static inline void
answer_records(struct fake *f, struct fake_ask *q)
{
	static const char *const there[][2] = {
		{ "15 far.example", "10 mx.far.example\n" },
		{ "1 host.example", "192.0.2.1\n" },
		{ "28 six.example", "2001:db8::1\n" },
		{ "15 null.example", "0 .\n" },
		{ "1 half.example", "192.0.2.2\n" },
	};
	struct dns_records a = { .status = DNS_NOT_FOUND };

	(void)f;
	if (str_ends(str_of(q->key), STR(" slow.example")) ||
	    str_eq(str_of(q->key), STR("15 half.example")))
		a.status = DNS_LATER;
	for (size_t i = 0; i < NELEM(there); i++)
		if (strcmp(q->key, there[i][0]) == 0)
			a = (struct dns_records){ .status = DNS_OK,
				.records = str_of(there[i][1]) };
	session_records(q->s, &a);
}

static inline void
answer_all(struct fake *f)
{
	while (f->answered < f->asked) {
		struct fake_ask *q = &f->ask[f->answered++ % FAKE_ASKS];
		struct fake_ask copy = *q;

		if (q->done)
			continue;
		q->done = true;
		if (copy.port == PORT_RESOLVE)
			answer_resolve(f, &copy);
		else if (copy.port == PORT_LOOKUP)
			answer_lookup(f, &copy);
		else if (copy.port == PORT_FLUSH)
			session_flushed(copy.s, EPERM);
		else if (copy.key[0] != '\0')
			answer_records(f, &copy);
		else
			answer_name(f, &copy);
	}
}

static inline void
give_word(struct fake *f)
{
	struct slot *sl = slots_find(&f->w.slots, f->slot);
	struct spool_accepted a = { .qid = str_of(f->qid) };
	struct session *s = sl == NULL ? NULL : sl->s;

	f->word_due = false;
	if (sl == NULL)
		return;
	slots_done(&f->w.slots, &sl);
	if (s == NULL)
		return;
	s->mail->slot = NULL;
	if (f->refuse_code != 0)
		session_refused(s, f->refuse_code, STR("5.7.1"),
		    STR("not this"));
	else
		session_committed(s, &a);
}

/* Turns of the loop until nothing moves any more. */
static inline void
fake_settle(struct fake *f)
{
	for (int i = 0; i < 100000; i++) {
		bool moved = false;

		if (f->s != NULL && f->kicked) {
			f->kicked = false;
			if (f->s->wait != WAIT_SLEEP) {
				buf_str(&f->out, buf_get(&f->s->out));
				buf_reset(&f->s->out);
			}
			session_resume(f->s);
			moved = f->kicked;
			if (f->s->state >= ST_CLOSING && f->s->out.len == 0)
				session_free(&f->s);
		}
		if (!f->silent && f->answered < f->asked) {
			answer_all(f);
			moved = true;
		}
		if (f->word_due && !f->hold_word) {
			give_word(f);
			moved = true;
		}
		while (!f->no_qmgr && f->w.slots.n < 4) {
			fake_give_slot(f);
			moved = true;
		}
		if (!moved && !f->kicked)
			return;
	}
	abort(); /* it never comes to rest */
}

static inline void
fake_input(struct fake *f, struct str bytes)
{
	if (f->s != NULL)
		session_input(f->s, bytes);
	fake_settle(f);
}

/* --- setting up ----------------------------------------------------------- */

static inline void
fake_init(struct fake *f)
{
	static const struct rules none;

	memset(f, 0, sizeof(*f));
	f->now = 1000;
	buf_init(&f->out, 64 << 20);
	buf_init(&f->log, 64 << 20);
	log_sink(fake_log, f);
	worker_init(&f->w, &fake_ports, f);
	f->sv = service_plain();
	f->sv->client = f->sv->helo = f->sv->sender = none;
	f->sv->relay.refuses = true;
	f->name = "client.example.org";
}

/* Give a list its rules; the text must outlive the service. */
static inline void
fake_rules(struct fake *f, struct rules *r, const char *text,
    enum access access)
{
	rules_clear(r);
	rules_words(r, &f->sv->book, str_of(text), (int)access);
}

/* The rules of a fresh installation. */
static inline void
fake_relay_rules(struct fake *f)
{
	fake_rules(f, &f->sv->relay,
	    "permit_mynetworks, "
	    "permit_sasl_authenticated, reject_unauth_destination",
	    ACCESS_RCPT);
}

/* A client connects from this address. */
static inline void
fake_connect(struct fake *f, const char *addr)
{
	struct netaddr client, server;

	if (netaddr_parse(str_of(addr), &client) == -1 ||
	    netaddr_parse(STR("203.0.113.25"), &server) == -1)
		abort();
	client.port = 40000;
	f->s = session_new(&f->w, f->sv, &client, &server, fake_kick, f);
	f->kicked = true;
	fake_settle(f);
}

static inline void
fake_clear(struct fake *f)
{
	log_sink(NULL, NULL);
	log_sink(fake_log, f);
	session_free(&f->s);
	worker_clear(&f->w);
	service_unref(&f->sv);
	buf_clear(&f->out);
	buf_clear(&f->log);
	free(f->envelope);
	free(f->content);
	log_sink(NULL, NULL);
}

#endif
