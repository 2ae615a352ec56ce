/* SPDX-License-Identifier: ISC */
/*
 * The holder of keys: files and what is made of them, who may ask for what and
 * how much, keys of tickets.
 */
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "daemons/keys/keys.h"
#include "edge/edges.h"

static struct keys k;
static struct loop *loop;
static char *cert[2], *key[2]; /* PEM, of two pairs */

/* --- keys and certificates ------------------------------------------------ */

static char *
bio_take(BIO *bio)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	char *s = xstrndup(p, (size_t)n);

	BIO_free(bio);
	return s;
}

static void
make_pair(size_t i)
{
	EVP_PKEY *pk = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *x = X509_new();
	BIO *bio;

	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, pk);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)"x", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_sign(x, pk, EVP_sha256());
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, x);
	cert[i] = bio_take(bio);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, pk, NULL, NULL, 0, NULL, NULL);
	key[i] = bio_take(bio);
	X509_free(x);
	EVP_PKEY_free(pk);
}

static struct fetch
fetch_of(char *text, bool chained)
{
	return (struct fetch){ .name = (char *)(uintptr_t) "file",
		.text = text,
		.len = strlen(text),
		.is_key = true,
		.is_cert = true,
		.chained = chained };
}

/* --- files ---------------------------------------------------------------- */

static void
test_files(void **state)
{
	char *both = xasprintf("%s%s%s%s", key[0], cert[0], key[1], cert[1]);
	char *late = xasprintf("%s%s", cert[0], key[0]);
	char *bare = xasprintf("%s%s", key[0], key[1]);
	char *cross = xasprintf("%s%s", key[0], cert[1]);
	const struct {
		char *a, *b; /* two files of a pair, or one chain file */
		size_t n;
		const char *why;
	} v[] = {
		{ cert[0], key[0], 1, NULL },
		{ late, late, 1, NULL },
		{ cert[0], key[1], 0, "not that of the key" },
		{ cert[0], cert[0], 0, "no private key" },
		{ key[0], key[0], 0, "no certificate behind" },
		{ both, NULL, 2, NULL },
		{ late, NULL, 0, "without a key before" },
		{ bare, NULL, 0, "no certificate behind" },
		{ cross, NULL, 0, "not that of the key" },
		{ cert[0], NULL, 0, "without a key before" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(v); i++) {
		struct held_set hs = { .n = 0 };
		struct fetch f[2] = { fetch_of(v[i].a, v[i].b == NULL),
			fetch_of(v[i].b == NULL ? key[0] : v[i].b, false) };

		held_set_make(&hs, f, v[i].b == NULL ? 1 : 2);
		assert_int_equal(hs.n, v[i].n);
		if (v[i].why == NULL)
			assert_null(hs.why);
		else if (hs.why == NULL || strstr(hs.why, v[i].why) == NULL)
			fail_msg("%zu: %s", i, hs.why);
		held_set_clear(&hs);
	}
	free(both);
	free(late);
	free(bare);
	free(cross);
}

/* --- who may ask ---------------------------------------------------------- */

struct end {
	struct chan *near, *far; /* ours, the asker's */
	size_t got, signature;	 /* of the last answer */
	bool gone;
	unsigned certs, sets, tickets;
	size_t ticket_bytes;
};

static void
far_cert(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	((struct end *)arg)->certs++;
}

static void
far_set(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	((struct end *)arg)->sets++;
}

static void
far_tickets(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct end *e = arg;

	(void)ch;
	(void)id;
	(void)fds;
	e->tickets++;
	e->ticket_bytes = ((const struct keys_tickets *)rec)->keys.n;
}

static const struct chan_on far_on[] = { { KEYS_CERT, far_cert },
	{ KEYS_SET, far_set }, { KEYS_TICKETS, far_tickets }, { 0, NULL } };
static const struct chan_on near_on[] = { { KEYS_SIGN, on_sign }, { 0, NULL } };

static void
near_gone(struct chan *ch, const char *why, void *arg)
{
	(void)why;
	asker_down(arg, ch);
	chan_free(&ch);
}

static void
far_gone(struct chan *ch, const char *why, void *arg)
{
	(void)ch;
	(void)why;
	((struct end *)arg)->gone = true;
}

static void
on_stop(void *arg)
{
	loop_stop(arg, 0);
}

static void
settle(void)
{
	struct timer t;

	timer_init(&t, loop, on_stop, loop);
	timer_set(&t, 20);
	loop_run(loop);
	timer_clear(&t);
}

static void
on_signed(unsigned type, const void *rec, int *fds, void *arg)
{
	struct end *e = arg;

	(void)fds;
	e->got++;
	e->signature = type == KEYS_SIGNED ?
	    ((const struct keys_signed *)rec)->signature.n :
	    0;
}

static void
end_open(struct end *e, const char *component)
{
	int fd[2];

	memset(e, 0, sizeof(*e));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
			     fd),
	    0);
	e->near =
	    chan_new(loop, fd[0], &edge_keys, SIDE_B, near_on, near_gone, &k);
	e->far = chan_new(loop, fd[1], &edge_keys, SIDE_A, far_on, far_gone, e);
	asker_up(&k, e->near, component);
	settle();
}

static void
end_close(struct end *e)
{
	asker_down(&k, e->near);
	chan_free(&e->far);
	chan_free(&e->near);
}

static void
ask(struct end *e, uint32_t service, uint32_t id, struct str digest)
{
	struct keys_sign q = { .service = service,
		.key = id,
		.padding = TLS_PAD_NONE,
		.digest = TLS_DIGEST_SHA256,
		.tbs = digest };

	e->signature = 0;
	chan_ask(e->far, KEYS_SIGN, &q, NULL, on_signed, e);
	settle();
}

static struct service *
add_service(uint32_t index, const char *component, size_t pair)
{
	struct service *sv = xcalloc(1, sizeof(*sv));
	struct fetch f[2] = { fetch_of(cert[pair], false),
		fetch_of(key[pair], false) };

	sv->keys = &k;
	sv->index = index;
	sv->component = xstrdup(component);
	sv->name = xasprintf("service-%u", index);
	sv->session_s = 3600;
	sv->loaded = true;
	held_set_make(&sv->set, f, 2);
	assert_int_equal(sv->set.n, 1);
	TAILQ_INSERT_TAIL(&k.services, sv, link);
	return sv;
}

static void
test_scope(void **state)
{
	struct str digest = STR("01234567890123456789012345678901");
	struct service *a, *b;
	struct end smtpd, smtp;

	(void)state;
	keys_init(&k, loop);
	a = add_service(1, "smtpd", 0);
	b = add_service(2, "smtp", 1);
	end_open(&smtpd, "smtpd");
	end_open(&smtp, "smtp");
	assert_int_equal(smtpd.certs, 1); /* each hears of its own */
	assert_int_equal(smtpd.sets, 1);
	assert_int_equal(smtp.sets, 1);
	assert_int_equal(smtpd.ticket_bytes, TLS_TICKET_BYTES);
	ask(&smtpd, 1, a->set.v[0].id, digest);
	assert_true(smtpd.signature > 60);
	ask(&smtpd, 1, b->set.v[0].id, digest); /* not of this service */
	assert_int_equal(smtpd.signature, 0);
	ask(&smtpd, 7, a->set.v[0].id, digest); /* no such service */
	assert_int_equal(smtpd.signature, 0);
	ask(&smtpd, 1, a->set.v[0].id, STR("no digest"));
	assert_int_equal(smtpd.signature, 0);
	assert_int_equal(smtpd.got, 4);
	assert_false(smtpd.gone);
	ask(&smtp, 1, a->set.v[0].id, digest); /* another component's */
	assert_int_equal(smtp.signature, 0);
	assert_true(smtp.gone);
	/* So many, and no more. */
	TAILQ_FIRST(&k.askers)->tokens = 1;
	ask(&smtpd, 1, a->set.v[0].id, digest);
	assert_true(smtpd.signature > 0);
	TAILQ_FIRST(&k.askers)->tokens = -1e9;
	ask(&smtpd, 1, a->set.v[0].id, digest);
	assert_int_equal(smtpd.signature, 0);
	assert_int_equal(TAILQ_FIRST(&k.askers)->refused, 1);
	assert_false(smtpd.gone);
	chan_free(&smtp.far);
	end_close(&smtpd);
	keys_clear(&k);
}

static void
test_tickets(void **state)
{
	struct service *a, *b;
	struct buf x, y, z;
	struct end smtpd;

	(void)state;
	keys_init(&k, loop);
	a = add_service(1, "smtpd", 0);
	b = add_service(2, "smtpd", 0);
	end_open(&smtpd, "smtpd");
	buf_init(&x, KEYS_TICKETS_MAX);
	buf_init(&y, KEYS_TICKETS_MAX);
	buf_init(&z, KEYS_TICKETS_MAX);
	tickets_of(&k, a, &x);
	tickets_of(&k, b, &y);
	assert_int_equal(x.len, TLS_TICKET_BYTES);
	/* No part of one is a part of the other. */
	for (size_t i = 0; i < TLS_TICKET_BYTES; i += 16)
		assert_memory_not_equal(buf_get(&x).p + i, buf_get(&y).p + i,
		    16);
	tickets_rotate(&k);
	settle();
	assert_int_equal(smtpd.ticket_bytes, 2 * TLS_TICKET_BYTES);
	tickets_of(&k, a, &z);
	assert_memory_equal(buf_get(&z).p + TLS_TICKET_BYTES, buf_get(&x).p,
	    TLS_TICKET_BYTES);
	assert_memory_not_equal(buf_get(&z).p, buf_get(&x).p, TLS_TICKET_BYTES);
	for (int i = 0; i < 3; i++)
		tickets_rotate(&k);
	settle();
	assert_int_equal(smtpd.ticket_bytes, 3 * TLS_TICKET_BYTES);
	buf_reset(&z);
	tickets_of(&k, a, &z);
	assert_null(memmem(buf_get(&z).p, z.len, buf_get(&x).p, 16));
	buf_clear(&x);
	buf_clear(&y);
	buf_clear(&z);
	end_close(&smtpd);
	keys_clear(&k);
}

/* A service that is gone from the configuration has no key any more. */
static void
test_sweep(void **state)
{
	struct service *a;

	(void)state;
	keys_init(&k, loop);
	a = add_service(1, "smtpd", 0);
	add_service(2, "smtpd", 1)->generation = 5;
	assert_non_null(service_key(a, a->set.v[0].id));
	k.generation = 5;
	services_sweep(&k);
	assert_null(service_find(&k, 1));
	assert_non_null(service_find(&k, 2));
	keys_clear(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_scope),
		cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_sweep),
	};

	tls_init();
	loop = loop_new();
	make_pair(0);
	make_pair(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
