/* SPDX-License-Identifier: ISC */
/*
 * TLS: both roles over a socket pair, keys of every kind that are elsewhere,
 * tickets of one service, and what goes wrong.
 */
#include <sys/socket.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "tls/key.h"
#include "tls/tls.h"
#include "tls/tls_parts.h"

/* --- certificates, made here ---------------------------------------------- */

struct pair {
	struct buf chain; /* DER */
	char *cert_pem;
	char *key_pem;
};

static char *
bio_take(BIO *bio)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	char *s = xstrndup(p, (size_t)n);

	BIO_free(bio);
	return s;
}

static EVP_PKEY *
make_key(const char *kind)
{
	if (strcmp(kind, "RSA") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	if (strncmp(kind, "P-", 2) == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
	return EVP_PKEY_Q_keygen(NULL, NULL, kind);
}

static void
pair_make(struct pair *p, const char *kind, const char *name)
{
	EVP_PKEY *key = make_key(kind);
	X509 *x = X509_new();
	bool ed = strncmp(kind, "ED", 2) == 0;
	X509_EXTENSION *ext;
	char san[128];
	BIO *bio;

	assert_non_null(key);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	snprintf(san, sizeof(san), "DNS:%s", name);
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	assert_true(X509_sign(x, key, ed ? NULL : EVP_sha256()) > 0);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, x);
	p->cert_pem = bio_take(bio);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	p->key_pem = bio_take(bio);
	buf_init(&p->chain, 65536);
	assert_int_equal(tls_pem_certs(str_of(p->cert_pem), &p->chain), 1);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void
pair_clear(struct pair *p)
{
	free(p->cert_pem);
	free(p->key_pem);
	buf_clear(&p->chain);
}

/* --- a holder of keys ----------------------------------------------------- */

struct holder {
	struct tls_key *key;
	struct tls *asker; /* whose question waits */
	struct buf tbs;
	struct tls_sign q;
	unsigned asked, forgotten;
	bool away, refuse;
};

static uint64_t
holder_ask(void *arg, const struct tls_sign *q, struct tls *t)
{
	struct holder *h = arg;

	if (h->away)
		return 0;
	assert_null(h->asker);
	h->asker = t;
	h->q = *q;
	buf_reset(&h->tbs);
	buf_str(&h->tbs, q->tbs);
	h->q.tbs = buf_get(&h->tbs);
	return ++h->asked;
}

static void
holder_forget(void *arg, uint64_t handle)
{
	struct holder *h = arg;

	assert_int_equal(handle, h->asked);
	h->forgotten++;
	h->asker = NULL;
}

static void
holder_answer(struct holder *h)
{
	struct tls *t = h->asker;
	struct buf sig;

	if (t == NULL)
		return;
	buf_init(&sig, 1024);
	if (!h->refuse)
		assert_int_equal(tls_key_sign(h->key, &h->q, &sig), 0);
	h->asker = NULL;
	tls_signed(t, buf_get(&sig));
	buf_clear(&sig);
}

/* --- a connection --------------------------------------------------------- */

struct wire {
	int fd[2];
	struct tls *server, *client;
	unsigned woken;
};

static void
on_wake(void *arg)
{
	((struct wire *)arg)->woken++;
}

static void
wire_open(struct wire *w, struct tls_ctx *sc, struct tls_ctx *cc,
    const struct tls_want *want)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
			     w->fd),
	    0);
	w->server = tls_new(sc, w->fd[0], NULL, on_wake, w);
	w->client = cc == NULL ? NULL : tls_new(cc, w->fd[1], want, on_wake, w);
}

static void
wire_close(struct wire *w)
{
	tls_free(&w->client);
	tls_free(&w->server);
	fd_close(&w->fd[0]);
	fd_close(&w->fd[1]);
}

/* 1: both are through; -1: one has failed. */
static int
shake(struct wire *w, struct holder *h)
{
	for (int i = 0; i < 100; i++) {
		int c = tls_handshake(w->client), s = tls_handshake(w->server);

		if (c == -1 || s == -1) {
			/* The other hears of it. */
			tls_handshake(w->client);
			return -1;
		}
		if (c == 1 && s == 1)
			return 1;
		if (h != NULL)
			holder_answer(h);
	}
	return 0;
}

static const struct tls_rules plain = { .min = TLS1_2_VERSION,
	.ciphers = "aNULL:-aNULL:HIGH:@STRENGTH:!aNULL:!kRSA" };

static struct tls_ctx *
server_ctx(struct pair *p, struct holder *h, int version, const char *stamp)
{
	struct tls_cert cert = { .chain = buf_get(&p->chain), .key_id = 7 };
	struct tls_set set = { .role = TLS_SERVER,
		.certs = &cert,
		.ncerts = 1,
		.stamp = str_of(stamp),
		.session_s = 3600,
		.rules = plain };
	struct tls_ctx *ctx;
	struct buf err;

	if (version != 0)
		set.rules.min = set.rules.max = version;
	if (h == NULL)
		cert.key = str_of(p->key_pem);
	else
		set.signer = (struct tls_signer){ .ask = holder_ask,
			.forget = holder_forget,
			.arg = h };
	buf_init(&err, 1024);
	ctx = tls_ctx_new(&set, &err);
	if (ctx == NULL)
		fail_msg("%s", buf_cstr(&err));
	buf_clear(&err);
	return ctx;
}

static struct tls_ctx *
client_ctx(const char *trust)
{
	struct tls_set set = { .role = TLS_CLIENT,
		.trust = str_of(trust),
		.session_s = 3600 };
	struct tls_ctx *ctx;
	struct buf err;

	set.rules = plain;
	buf_init(&err, 1024);
	ctx = tls_ctx_new(&set, &err);
	if (ctx == NULL)
		fail_msg("%s", buf_cstr(&err));
	buf_clear(&err);
	return ctx;
}

/* Bytes of every size go over, both ways. */
static void
talk(struct wire *w)
{
	static char out[200000], in[200000];
	size_t sent = 0, got = 0;
	ssize_t n;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 251);
	for (int i = 0; i < 10000 && got < sizeof(in); i++) {
		n = sent == sizeof(out) ?
		    0 :
		    tls_write(w->server, out + sent, sizeof(out) - sent);
		if (n > 0)
			sent += (size_t)n;
		else if (n == -1)
			assert_int_equal(errno, EAGAIN);
		n = tls_read(w->client, in + got, sizeof(in) - got);
		if (n > 0)
			got += (size_t)n;
		else
			assert_int_equal(errno, EAGAIN);
	}
	assert_int_equal(got, sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(tls_write(w->client, "QUIT\r\n", 6), 6);
	assert_int_equal(tls_read(w->server, in, sizeof(in)), 6);
	assert_int_equal(tls_read(w->server, in, sizeof(in)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(tls_waits(w->server), LOOP_READ);
	assert_false(tls_pending(w->server));
}

/* --- tests ---------------------------------------------------------------- */

static void
test_kinds(void **state)
{
	static const struct {
		const char *kind;
		int version;
		const char *want;
	} v[] = {
		{ "RSA", TLS1_3_VERSION,
		    "server-signature RSA-PSS (2048 bits)" },
		{ "RSA", TLS1_2_VERSION, "TLSv1.2 with cipher ECDHE-RSA-" },
		{ "RSA", TLS1_1_VERSION, NULL },
		{ "P-256", TLS1_3_VERSION,
		    "server-signature ECDSA (P-256) server-digest SHA256" },
		{ "P-384", TLS1_3_VERSION,
		    "server-signature ECDSA (P-384) server-digest SHA384" },
		{ "P-256", TLS1_2_VERSION, "TLSv1.2 with cipher ECDHE-ECDSA-" },
		{ "ED25519", TLS1_3_VERSION, "server-signature ED25519" },
		{ "ED25519", TLS1_2_VERSION,
		    "TLSv1.2 with cipher ECDHE-ECDSA-" },
		{ "ED448", TLS1_3_VERSION, "server-signature ED448" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(v); i++) {
		struct holder h = { .asked = 0 };
		struct tls_ctx *sc, *cc;
		struct pair p;
		struct wire w = { .woken = 0 };
		struct buf err, line;

		pair_make(&p, v[i].kind, "mail.example.com");
		buf_init(&err, 1024);
		buf_init(&line, 1024);
		buf_init(&h.tbs, TLS_TBS_MAX);
		h.key = tls_key_new(str_of(p.key_pem), &err);
		assert_non_null(h.key);
		assert_true(tls_key_fits(h.key, buf_get(&p.chain)));
		sc = server_ctx(&p, &h, v[i].version, "25");
		cc = client_ctx(NULL);
		wire_open(&w, sc, cc, NULL);
		assert_int_equal(shake(&w, &h), v[i].want == NULL ? -1 : 1);
		if (v[i].want != NULL) {
			assert_int_equal(h.asked, 1);
			assert_int_equal(h.q.key, 7);
			assert_int_equal(w.woken, 1);
			tls_summary(w.server, "x[192.0.2.1]", &line);
			if (strstr(buf_cstr(&line), v[i].want) == NULL)
				fail_msg("%s: not in: %s", v[i].want,
				    buf_cstr(&line));
			assert_ptr_equal(strstr(buf_cstr(&line),
					     "Anonymous TLS connection "
					     "established from x[192.0.2.1]: "),
			    buf_cstr(&line));
			talk(&w);
		}
		wire_close(&w);
		tls_ctx_unref(&sc);
		tls_ctx_unref(&cc);
		tls_key_free(&h.key);
		buf_clear(&h.tbs);
		buf_clear(&err);
		buf_clear(&line);
		pair_clear(&p);
	}
}

/* The holder is away, refuses, or the client hangs up while it is asked. */
static void
test_no_signature(void **state)
{
	struct holder h = { .away = true };
	struct tls_ctx *sc, *cc;
	struct pair p;
	struct buf err;

	(void)state;
	pair_make(&p, "P-256", "mail.example.com");
	buf_init(&err, 1024);
	buf_init(&h.tbs, TLS_TBS_MAX);
	h.key = tls_key_new(str_of(p.key_pem), &err);
	sc = server_ctx(&p, &h, 0, "25");
	cc = client_ctx(NULL);
	for (int i = 0; i < 3; i++) {
		struct wire w = { .woken = 0 };

		h.away = i == 0;
		h.refuse = i == 1;
		wire_open(&w, sc, cc, NULL);
		if (i < 2) {
			assert_int_equal(shake(&w, &h), -1);
			assert_int_equal(tls_handshake(w.server), -1);
			assert_non_null(tls_problem(w.server, 0));
		} else {
			assert_int_equal(shake(&w, NULL), 0);
			assert_int_equal(h.asked, 2);
			assert_int_equal(tls_waits(w.server), 0);
		}
		wire_close(&w);
	}
	assert_int_equal(h.forgotten, 1);
	/* A thousand such do not use up what there is. */
	h.refuse = false;
	for (int i = 0; i < 1200; i++) {
		struct wire w = { .woken = 0 };

		wire_open(&w, sc, cc, NULL);
		assert_int_equal(tls_handshake(w.client), 0);
		assert_int_equal(tls_handshake(w.server), 0);
		assert_non_null(h.asker);
		wire_close(&w);
	}
	tls_ctx_unref(&sc);
	tls_ctx_unref(&cc);
	tls_key_free(&h.key);
	buf_clear(&h.tbs);
	buf_clear(&err);
	pair_clear(&p);
}

/* --- many at a time ------------------------------------------------------- */

#define MANY (3 * TLS_ASKED_MAX)

/* A holder that is asked by many, and answers one by one. */
struct queue {
	struct tls_key *key;
	struct {
		struct tls *asker;
		uint64_t handle;
		struct tls_sign q;
		char tbs[64];
	} v[MANY];
	size_t n;
	uint64_t handles;
};

static uint64_t
queue_ask(void *arg, const struct tls_sign *q, struct tls *t)
{
	struct queue *h = arg;

	assert_true(h->n < TLS_ASKED_MAX);
	assert_true(q->tbs.n <= sizeof(h->v[0].tbs));
	h->v[h->n].asker = t;
	h->v[h->n].q = *q;
	memcpy(h->v[h->n].tbs, q->tbs.p, q->tbs.n);
	h->v[h->n].handle = ++h->handles;
	return h->v[h->n++].handle;
}

static void
queue_remove(struct queue *h, size_t i)
{
	h->n--;
	memmove(&h->v[i], &h->v[i + 1], (h->n - i) * sizeof(h->v[0]));
}

static void
queue_forget(void *arg, uint64_t handle)
{
	struct queue *h = arg;

	for (size_t i = 0; i < h->n; i++)
		if (h->v[i].handle == handle) {
			queue_remove(h, i);
			return;
		}
	fail_msg("it was not asked");
}

static void
queue_answer(struct queue *h)
{
	struct tls *t = h->v[0].asker;
	struct tls_sign q = h->v[0].q;
	struct buf sig;

	buf_init(&sig, 1024);
	q.tbs.p = h->v[0].tbs;
	assert_int_equal(tls_key_sign(h->key, &q, &sig), 0);
	queue_remove(h, 0);
	tls_signed(t, buf_get(&sig));
	buf_clear(&sig);
}

/* Those who were woken go on, all others stay as they are. */
static size_t
go_on(struct wire *w, unsigned *seen)
{
	size_t done = 0;

	for (size_t i = 0; i < MANY; i++) {
		if (w[i].server == NULL)
			continue;
		if (w[i].woken != seen[i]) {
			seen[i] = w[i].woken;
			assert_int_not_equal(tls_handshake(w[i].server), -1);
			assert_int_not_equal(tls_handshake(w[i].client), -1);
		}
		if (tls_waits(w[i].server) != 0 &&
		    tls_handshake(w[i].client) == 1)
			done += tls_handshake(w[i].server) == 1;
	}
	return done;
}

/*
 * So many signatures are waited for, the other handshakes do not begin; and
 * each does, whoever of those before it goes away.
 */
static void
test_many(void **state)
{
	struct queue h = { .n = 0 };
	struct wire w[MANY] = { { .woken = 0 } };
	unsigned seen[MANY] = { 0 };
	struct tls_cert cert = { .key_id = 7 };
	struct tls_set set = { .role = TLS_SERVER,
		.certs = &cert,
		.ncerts = 1,
		.signer = { queue_ask, queue_forget, &h } };
	struct tls_ctx *sc, *cc = client_ctx(NULL);
	struct pair p;
	struct buf err;
	size_t done = 0;

	(void)state;
	pair_make(&p, "P-256", "mail.example.com");
	buf_init(&err, 1024);
	h.key = tls_key_new(str_of(p.key_pem), &err);
	cert.chain = buf_get(&p.chain);
	set.rules = plain;
	sc = tls_ctx_new(&set, &err);
	assert_non_null(sc);
	for (size_t i = 0; i < MANY; i++) {
		wire_open(&w[i], sc, cc, NULL);
		assert_int_equal(tls_handshake(w[i].client), 0);
		assert_int_equal(tls_handshake(w[i].server), 0);
		assert_int_equal(h.n,
		    i < TLS_ASKED_MAX ? i + 1 : TLS_ASKED_MAX);
	}
	/* One waits, one's signature waits; that one's turn is free. */
	wire_close(&w[TLS_ASKED_MAX]);
	assert_int_equal(w[TLS_ASKED_MAX + 1].woken, 0);
	wire_close(&w[0]);
	assert_int_equal(h.n, TLS_ASKED_MAX - 1);
	assert_int_equal(w[TLS_ASKED_MAX + 1].woken, 1);
	/* The one that was called goes, too: the next is. */
	wire_close(&w[TLS_ASKED_MAX + 1]);
	assert_int_equal(w[TLS_ASKED_MAX + 2].woken, 1);
	for (int i = 0; i < 10 * MANY && done < MANY - 3; i++) {
		done = go_on(w, seen);
		if (h.n > 0)
			queue_answer(&h);
	}
	assert_int_equal(done, MANY - 3);
	assert_int_equal(h.handles, MANY - 2);
	for (size_t i = 0; i < MANY; i++)
		wire_close(&w[i]);
	tls_ctx_unref(&sc);
	tls_ctx_unref(&cc);
	tls_key_free(&h.key);
	buf_clear(&err);
	pair_clear(&p);
}

static void
test_tickets(void **state)
{
	static char keys[2][3 * TLS_TICKET_BYTES];
	static const struct {
		const char *stamp;
		int keys;
		bool resumed;
		const char *why;
	} v[] = {
		{ "465", 0, true, "the same service" },
		{ "25", 0, false, "the same keys, another service" },
		{ "465", 1, false, "other keys" },
		{ "465", 2, true, "keys that were rotated once" },
	};
	struct pair p;

	(void)state;
	memset(keys[0], 1, TLS_TICKET_BYTES);
	memset(keys[1], 2, TLS_TICKET_BYTES);
	memset(keys[1] + TLS_TICKET_BYTES, 1, TLS_TICKET_BYTES);
	pair_make(&p, "P-256", "mail.example.com");
	for (int version = 2; version <= 3; version++)
		for (size_t i = 0; i < NELEM(v); i++) {
			struct tls_ctx *cc = client_ctx(NULL), *sc;
			int pr = version == 2 ? TLS1_2_VERSION : TLS1_3_VERSION;
			struct tls_session *ses;
			struct wire w = { .woken = 0 };
			char c;

			sc = server_ctx(&p, NULL, pr, "465");
			tls_ctx_tickets(sc,
			    str_make(keys[0], TLS_TICKET_BYTES));
			wire_open(&w, sc, cc, NULL);
			assert_int_equal(shake(&w, NULL), 1);
			assert_false(tls_facts(w.client)->resumed);
			assert_int_equal(tls_read(w.client, &c, 1), -1);
			ses = tls_session_take(w.client);
			assert_non_null(ses);
			wire_close(&w);
			tls_ctx_unref(&sc);

			sc = server_ctx(&p, NULL, pr, v[i].stamp);
			tls_ctx_tickets(sc,
			    v[i].keys == 0 ?
				str_make(keys[0], TLS_TICKET_BYTES) :
				v[i].keys == 1 ?
				str_make(keys[1], TLS_TICKET_BYTES) :
				str_make(keys[1], 2 * TLS_TICKET_BYTES));
			wire_open(&w, sc, cc,
			    &(struct tls_want){ .session = ses });
			assert_int_equal(shake(&w, NULL), 1);
			if (tls_facts(w.client)->resumed != v[i].resumed)
				fail_msg("%s: %s", pr, v[i].why);
			wire_close(&w);
			tls_session_free(&ses);
			tls_ctx_unref(&sc);
			tls_ctx_unref(&cc);
		}
	pair_clear(&p);
}

static void
test_trust(void **state)
{
	const char *good[] = { "other.example.com", "mail.example.com" };
	const char *bad[] = { "mail.example.org" };
	struct tls_ctx *sc, *cc;
	struct pair p, q;
	struct wire w = { .woken = 0 };

	(void)state;
	pair_make(&p, "P-256", "mail.example.com");
	pair_make(&q, "P-256", "mail.example.com");
	sc = server_ctx(&p, NULL, 0, "25");
	for (int i = 0; i < 4; i++) {
		struct tls_want want = { .sni = "mail.example.com",
			.names = i == 0 ? good :
			    i == 1	? bad :
					  NULL,
			.nnames = i == 0 ? 2 :
			    i == 1	 ? 1 :
					   0 };
		static const enum tls_trust trust[] = { TLS_VERIFIED,
			TLS_TRUSTED, TLS_TRUSTED, TLS_UNTRUSTED };

		cc = client_ctx(i == 3 ? q.cert_pem : p.cert_pem);
		wire_open(&w, sc, cc, &want);
		assert_int_equal(shake(&w, NULL), 1);
		assert_int_equal(tls_facts(w.client)->trust, trust[i]);
		assert_string_equal(tls_facts(w.client)->subject,
		    "mail.example.com");
		assert_string_equal(tls_facts(w.server)->sni,
		    "mail.example.com");
		assert_true(
		    (tls_facts(w.client)->verify_error != NULL) == (i == 3));
		wire_close(&w);
		tls_ctx_unref(&cc);
	}
	/* By the certificate's digest, as a TLSA record has it. */
	for (int i = 0; i < 2; i++) {
		unsigned char md[32];
		struct tls_tlsa rr = { .usage = 3,
			.selector = 0,
			.matching = 1,
			.data = str_make(md, sizeof(md)) };
		struct tls_want want = { .tlsa = &rr,
			.ntlsa = 1,
			.tlsa_base = "mail.example.com" };

		EVP_Q_digest(NULL, "SHA256", NULL,
		    buf_get(i == 0 ? &p.chain : &q.chain).p,
		    buf_get(i == 0 ? &p.chain : &q.chain).n, md, NULL);
		cc = client_ctx(NULL);
		wire_open(&w, sc, cc, &want);
		assert_int_equal(shake(&w, NULL), 1);
		assert_int_equal(tls_facts(w.client)->trust,
		    i == 0 ? TLS_VERIFIED : TLS_UNTRUSTED);
		assert_int_equal(tls_facts(w.client)->by_dane, i == 0);
		wire_close(&w);
		tls_ctx_unref(&cc);
	}
	tls_ctx_unref(&sc);
	pair_clear(&p);
	pair_clear(&q);
}

/* What is no TLS, and an end in the middle. */
static void
test_garbage(void **state)
{
	static const char *const v[] = { "EHLO there\r\n",
		"\x16\x03\x01\x00\x05hello", "\x80\x2e\x01\x03\x01", "" };
	struct tls_ctx *sc;
	struct pair p;

	(void)state;
	pair_make(&p, "P-256", "mail.example.com");
	sc = server_ctx(&p, NULL, 0, "25");
	for (size_t i = 0; i < NELEM(v); i++) {
		struct wire w = { .woken = 0 };
		size_t n = i == 1 ? 10 : strlen(v[i]);

		wire_open(&w, sc, NULL, NULL);
		assert_int_equal(tls_handshake(w.server), 0);
		if (n > 0)
			assert_int_equal(write(w.fd[1], v[i], n), n);
		shutdown(w.fd[1], SHUT_WR);
		assert_int_equal(tls_handshake(w.server), -1);
		assert_int_equal(tls_handshake(w.server), -1);
		if (i == 0) {
			assert_string_equal(tls_why(w.server), "-1");
			assert_non_null(
			    strstr(tls_problem(w.server, 0), "error:"));
		}
		if (i == 3)
			assert_string_equal(tls_why(w.server),
			    "lost connection");
		wire_close(&w);
	}
	tls_ctx_unref(&sc);
	pair_clear(&p);
}

/* The two ends of a connection: said, and only cut off. */
static void
test_end(void **state)
{
	struct tls_ctx *sc, *cc;
	struct pair p;
	char c;

	(void)state;
	pair_make(&p, "P-256", "mail.example.com");
	sc = server_ctx(&p, NULL, 0, "25");
	cc = client_ctx(NULL);
	for (int i = 0; i < 2; i++) {
		struct wire w = { .woken = 0 };

		wire_open(&w, sc, cc, NULL);
		assert_int_equal(shake(&w, NULL), 1);
		if (i == 0)
			tls_free(&w.client);
		else
			shutdown(w.fd[1], SHUT_WR);
		assert_int_equal(tls_read(w.server, &c, 1), 0);
		wire_close(&w);
	}
	tls_ctx_unref(&sc);
	tls_ctx_unref(&cc);
	pair_clear(&p);
}

static void
test_pem(void **state)
{
	struct tls_sign q = { .digest = TLS_DIGEST_SHA256,
		.padding = TLS_PAD_NONE,
		.tbs = STR("short") };
	struct tls_key *k;
	struct pair a, b;
	struct buf both, out, err;

	(void)state;
	pair_make(&a, "P-256", "a.example.com");
	pair_make(&b, "RSA", "b.example.com");
	buf_init(&both, 65536);
	buf_init(&out, 65536);
	buf_init(&err, 1024);
	buf_printf(&both, "noise\n%s%s%s-----BEGIN CERTIFICATE-----\n",
	    a.key_pem, a.cert_pem, b.cert_pem);
	assert_int_equal(tls_pem_certs(buf_get(&both), &out), 2);
	k = tls_key_new(buf_get(&both), &err);
	assert_non_null(k);
	assert_string_equal(tls_key_type(k), "EC");
	assert_true(tls_key_fits(k, buf_get(&out)));
	assert_false(tls_key_fits(k, buf_get(&b.chain)));
	/* Not a digest, not its padding. */
	buf_reset(&out);
	assert_int_equal(tls_key_sign(k, &q, &out), -1);
	q.tbs = STR("01234567890123456789012345678901");
	assert_int_equal(tls_key_sign(k, &q, &out), 0);
	q.padding = TLS_PAD_PSS;
	assert_int_equal(tls_key_sign(k, &q, &out), -1);
	q.digest = TLS_DIGEST_NONE;
	assert_int_equal(tls_key_sign(k, &q, &out), -1);
	tls_key_free(&k);
	assert_null(tls_key_new(STR("-----BEGIN nothing"), &err));
	buf_clear(&both);
	buf_clear(&out);
	buf_clear(&err);
	pair_clear(&a);
	pair_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pem),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_no_signature),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_end),
	};

	signal(SIGPIPE, SIG_IGN);
	tls_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
