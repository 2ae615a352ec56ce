/* SPDX-License-Identifier: ISC */
/*
 * Services: their files, brought by the broker, and what is made of them.
 *
 * Only what is whole is used.  A file that is missing, a key that does not
 * belong to its certificate: the service has no TLS, and says why.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/fd.h"
#include "base/mem.h"
#include "edge/broker.h"
#include "log/log.h"

#include "keys.h"

#define FILE_BYTES_MAX (256 << 10)

struct service *
service_find(struct keys *k, uint32_t index)
{
	struct service *sv;

	TAILQ_FOREACH(sv, &k->services, link)
		if (sv->index == index)
			return sv;
	return NULL;
}

struct held *
service_key(struct service *sv, uint32_t id)
{
	for (size_t i = 0; i < sv->set.n; i++)
		if (sv->set.v[i].id == id)
			return &sv->set.v[i];
	for (size_t i = 0; i < sv->old.n; i++)
		if (sv->old.v[i].id == id)
			return &sv->old.v[i];
	return NULL;
}

/* --- sets ----------------------------------------------------------------- */

void
held_set_clear(struct held_set *hs)
{
	for (size_t i = 0; i < hs->n; i++) {
		tls_key_free(&hs->v[i].key);
		buf_clear(&hs->v[i].chain);
	}
	free(hs->why);
	memset(hs, 0, sizeof(*hs));
}

/* There is something wrong: nothing of it is used. */
static void PRINTFLIKE(2, 3) spoil(struct held_set *hs, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (hs->why != NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	held_set_clear(hs);
	hs->why = xstrdup(text);
}

static struct held *
add_held(struct held_set *hs, const char *name, struct str pem)
{
	struct held *h;
	struct buf err;

	if (hs->why != NULL)
		return NULL;
	if (hs->n == KEYS_CERTS_MAX) {
		spoil(hs, "%s: too many keys", name);
		return NULL;
	}
	h = &hs->v[hs->n];
	buf_init(&h->chain, KEYS_CHAIN_MAX);
	buf_init(&err, 256);
	h->key = tls_key_new(pem, &err);
	if (h->key == NULL) {
		spoil(hs, "%s: %s", name, buf_cstr(&err));
		h = NULL;
	} else {
		hs->n++;
	}
	buf_clear(&err);
	return h;
}

/* A key has all of its certificates: do they belong together? */
static void
close_held(struct held_set *hs, struct held *h, const char *name)
{
	unsigned char md[32];
	struct str chain;

	if (h == NULL || hs->why != NULL)
		return;
	chain = buf_get(&h->chain);
	if (buf_full(&h->chain)) {
		spoil(hs, "%s: too many certificates", name);
	} else if (chain.n == 0) {
		spoil(hs, "%s: no certificate behind the key", name);
	} else if (!tls_key_fits(h->key, chain)) {
		spoil(hs, "%s: the certificate is not that of the key", name);
	} else if (EVP_Q_digest(NULL, "SHA256", NULL, chain.p, chain.n, md,
		       NULL) == 1) {
		memcpy(&h->id, md, sizeof(h->id));
	}
}

/* A certificate file and a key file. */
static void
take_pair(struct held_set *hs, const struct fetch *cert,
    const struct fetch *key)
{
	struct held *h = add_held(hs, key->name, str_make(key->text, key->len));

	if (h == NULL)
		return;
	if (tls_pem_certs(str_make(cert->text, cert->len), &h->chain) == -1 &&
	    !buf_full(&h->chain))
		spoil(hs, "%s: a certificate that cannot be read", cert->name);
	close_held(hs, h, cert->name);
}

/* Files with keys, each with its certificates behind it. */
static void
take_chains(struct held_set *hs, const struct fetch *v, size_t n)
{
	const char *name = "";
	struct held *h = NULL;

	for (size_t i = 0; i < n; i++) {
		struct str text = str_make(v[i].text, v[i].len), block;
		enum tls_pem kind;

		name = v[i].name;
		while (hs->why == NULL && tls_pem_next(&text, &block, &kind)) {
			if (kind == TLS_PEM_KEY) {
				close_held(hs, h, name);
				h = add_held(hs, name, block);
			} else if (kind == TLS_PEM_CERT && h == NULL) {
				spoil(hs,
				    "%s: a certificate without a key "
				    "before it",
				    name);
			} else if (kind == TLS_PEM_CERT &&
			    tls_pem_certs(block, &h->chain) == -1) {
				spoil(hs,
				    "%s: a certificate that cannot be "
				    "read",
				    name);
			}
		}
	}
	close_held(hs, h, name);
}

void
held_set_make(struct held_set *hs, struct fetch *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].text == NULL)
			return; /* which was said as it came */
	if (n > 0 && v[0].chained)
		take_chains(hs, v, n);
	else
		for (size_t i = 0; i + 1 < n; i += 2)
			take_pair(hs, &v[i], &v[i + 1]);
	if (n == 0)
		spoil(hs, "no certificate is configured");
	else if (hs->n == 0)
		spoil(hs, "%s: no private key in it", v[0].name);
}

/* --- files ---------------------------------------------------------------- */

static void
drop_fetches(struct service *sv)
{
	for (size_t i = 0; i < sv->nfetch; i++) {
		struct fetch *f = &sv->fetch[i];

		if (f->ask != 0)
			chan_forget(sv->keys->broker, f->ask);
		if (f->text != NULL)
			explicit_bzero(f->text, f->len);
		free(f->text);
		free(f->name);
	}
	sv->nfetch = sv->waiting = 0;
}

/* All files are here, or known not to be. */
static void
finish(struct service *sv)
{
	struct held_set hs = { .n = 0 };
	struct asker *a;

	if (sv->set.why != NULL && !sv->loaded) {
		hs.why = sv->set.why; /* of a file that cannot be read */
		sv->set.why = NULL;
	}
	held_set_make(&hs, sv->fetch, sv->nfetch);
	drop_fetches(sv);
	held_set_clear(&sv->set);
	sv->set = hs;
	sv->loaded = true;
	if (hs.why != NULL)
		log_warn("service %s: %s: TLS is not available", sv->name,
		    hs.why);
	TAILQ_FOREACH(a, &sv->keys->askers, link)
		if (strcmp(a->component, sv->component) == 0)
			service_tell(sv, a->ch);
}

/* Whose is it, and who may read it? */
static void
look_at(struct fetch *f, int fd)
{
	struct keys *k = f->sv->keys;
	struct stat st;

	if (!f->is_key || fstat(fd, &st) == -1)
		return;
	if ((st.st_mode & S_IROTH) != 0)
		log_warn("%s: everybody on this machine can read this private "
			 "key",
		    f->name);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		log_warn("%s: others can write to this private key", f->name);
	if (st.st_uid != 0 && st.st_uid != k->owner)
		log_warn("%s: this private key is not owned by root", f->name);
}

void
service_file(struct fetch *f, int fd, int error)
{
	struct service *sv = f->sv;

	f->ask = 0;
	if (fd != -1) {
		look_at(f, fd);
		if (fd_slurp(fd, FILE_BYTES_MAX, &f->text, &f->len) == -1)
			error = errno;
	}
	if (f->text == NULL)
		spoil(&sv->set, "cannot read %s: %s", f->name, strerror(error));
	if (--sv->waiting == 0)
		finish(sv);
}

static void
on_file(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct broker_refused *no = rec;

	service_file(arg, type == BROKER_FILE ? fds[0] : -1,
	    type == BROKER_REFUSED ? (int)no->error : EAGAIN);
}

static void
add_fetch(struct service *sv, const struct tls_file *tf)
{
	struct fetch *f = &sv->fetch[sv->nfetch++];

	memset(f, 0, sizeof(*f));
	f->sv = sv;
	f->name = str_dup(tf->name);
	f->is_key = tf->is_key;
	f->is_cert = tf->is_cert;
	f->chained = tf->is_key && tf->is_cert;
}

static void
ask_all(struct service *sv)
{
	sv->waiting = sv->nfetch;
	for (size_t i = 0; i < sv->nfetch; i++) {
		struct broker_key q = { .file = str_of(sv->fetch[i].name) };

		if (q.file.n > 512)
			q.file.n = 512; /* is then no file of ours */
		sv->fetch[i].ask = chan_ask(sv->keys->broker, BROKER_KEY, &q,
		    NULL, on_file, &sv->fetch[i]);
	}
	if (sv->nfetch == 0)
		finish(sv);
}

/* --- life ----------------------------------------------------------------- */

static void
service_free(struct service *sv)
{
	TAILQ_REMOVE(&sv->keys->services, sv, link);
	drop_fetches(sv);
	held_set_clear(&sv->set);
	held_set_clear(&sv->old);
	free(sv->component);
	free(sv->name);
	free(sv);
}

static struct service *
service_new(struct keys *k, uint32_t index, const struct conf_service *self)
{
	struct service *sv = xcalloc(1, sizeof(*sv));

	sv->keys = k;
	sv->index = index;
	sv->component = str_dup(self->component);
	sv->name = str_dup(self->name);
	TAILQ_INSERT_TAIL(&k->services, sv, link);
	return sv;
}

void
service_config(struct keys *k, uint32_t index, const struct conf *c)
{
	const struct conf_service *self = conf_self(c);
	struct service *sv = service_find(k, index);
	struct tls_file v[TLS_FILES_MAX];
	size_t n;

	if (self == NULL || tls_side(c) == TLS_SIDE_NONE)
		return;
	if (sv != NULL &&
	    !(str_eq(self->component, str_of(sv->component)) &&
		str_eq(self->name, str_of(sv->name)))) {
		service_free(sv); /* another line stands there now */
		sv = NULL;
	}
	if (sv == NULL)
		sv = service_new(k, index, self);
	drop_fetches(sv);
	held_set_clear(&sv->old);
	sv->old = sv->set;
	memset(&sv->set, 0, sizeof(sv->set));
	sv->loaded = false;
	sv->generation = conf_generation(c);
	sv->session_s = tls_side(c) != TLS_SIDE_SMTPD ?
	    0 :
	    conf_secs(c, P_SMTPD_TLS_SESSION_CACHE_TIMEOUT);
	n = tls_files(c, tls_side(c), v);
	for (size_t i = 0; i < n; i++)
		add_fetch(sv, &v[i]);
	ask_all(sv);
}

void
services_sweep(struct keys *k)
{
	struct service *sv, *next;

	for (sv = TAILQ_FIRST(&k->services); sv != NULL; sv = next) {
		next = TAILQ_NEXT(sv, link);
		if (sv->generation != k->generation)
			service_free(sv);
		else
			held_set_clear(&sv->old);
	}
}

void
service_tell(struct service *sv, struct chan *ch)
{
	struct keys_set set = { .service = sv->index,
		.certs = (uint32_t)sv->set.n,
		.why = str_of(sv->set.why) };
	struct keys_tickets tickets = { .service = sv->index };
	struct buf b;

	for (size_t i = 0; i < sv->set.n; i++) {
		struct keys_cert c = { .service = sv->index,
			.key = sv->set.v[i].id,
			.chain = buf_get(&sv->set.v[i].chain) };

		chan_tell(ch, KEYS_CERT, 0, &c, NULL);
	}
	if (sv->session_s > 0) {
		buf_init(&b, KEYS_TICKETS_MAX);
		tickets_of(sv->keys, sv, &b);
		tickets.keys = buf_get(&b);
		chan_tell(ch, KEYS_TICKETS, 0, &tickets, NULL);
		explicit_bzero(b.base, b.cap);
		buf_clear(&b);
	}
	chan_tell(ch, KEYS_SET, 0, &set, NULL);
}

static void
on_sweep(void *arg)
{
	services_sweep(arg);
}

void
keys_init(struct keys *k, struct loop *l)
{
	memset(k, 0, sizeof(*k));
	k->loop = l;
	TAILQ_INIT(&k->services);
	TAILQ_INIT(&k->askers);
	timer_init(&k->sweep, l, on_sweep, k);
	timer_init(&k->rotate, l, tickets_rotate, k);
	tickets_rotate(k);
}

void
keys_clear(struct keys *k)
{
	while (!TAILQ_EMPTY(&k->services))
		service_free(TAILQ_FIRST(&k->services));
	while (!TAILQ_EMPTY(&k->askers))
		asker_down(k, TAILQ_FIRST(&k->askers)->ch);
	timer_clear(&k->sweep);
	timer_clear(&k->rotate);
	explicit_bzero(k->master, sizeof(k->master));
}
