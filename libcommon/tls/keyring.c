/* SPDX-License-Identifier: ISC */
/*
 * What keys tells, and questions to it.
 */
#include "tls/keyring.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"

#define HOLDERS_MAX 8
#define SERVICES_MAX 256

/* A set with what its texts point into; next is the one that is being told. */
struct ring {
	struct keyset set;
	struct tls_cert next[KEYS_CERTS_MAX];
	size_t nnext;
};

static struct {
	struct chan *ch[HOLDERS_MAX];
	unsigned instance[HOLDERS_MAX];
	size_t n, turn;
	struct ring *rings[SERVICES_MAX];
	void (*changed)(const struct keyset *ks, bool tickets_only, void *arg);
	void *changed_arg;
} kr;

/* --- holders -------------------------------------------------------------- */

void
keyring_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	(void)pid;
	(void)arg;
	if (kr.n == HOLDERS_MAX)
		return;
	chan_prompt(ch, KEYS_PROMPT_US);
	kr.instance[kr.n] = instance;
	kr.ch[kr.n++] = ch;
}

void
keyring_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	(void)arg;
	for (size_t i = 0; i < kr.n; i++) {
		if (kr.ch[i] != ch)
			continue;
		kr.n--;
		kr.ch[i] = kr.ch[kr.n];
		kr.instance[i] = kr.instance[kr.n];
		return;
	}
}

bool
keyring_present(void)
{
	return kr.n > 0;
}

void
keyring_changed(void (
		    *fn)(const struct keyset *ks, bool tickets_only, void *arg),
    void *arg)
{
	kr.changed = fn;
	kr.changed_arg = arg;
}

static void
tell(const struct ring *r, bool tickets_only)
{
	if (kr.changed != NULL)
		kr.changed(&r->set, tickets_only, kr.changed_arg);
}

/* --- sets ----------------------------------------------------------------- */

static struct ring *
ring_of(uint32_t service)
{
	if (service >= SERVICES_MAX)
		return NULL;
	if (kr.rings[service] == NULL) {
		kr.rings[service] = xcalloc(1, sizeof(struct ring));
		kr.rings[service]->set.service = service;
	}
	return kr.rings[service];
}

const struct keyset *
keyring_set(uint32_t service)
{
	struct ring *r = ring_of(service);

	return r == NULL ? NULL : &r->set;
}

static struct str
copy(struct str s)
{
	return str_make(str_dup(s), s.n);
}

static void
drop(struct str *s)
{
	free((char *)(uintptr_t)s->p);
	*s = STR_NONE;
}

static void
drop_certs(struct tls_cert *v, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		drop(&v[i].chain);
	*n = 0;
}

static void
on_cert(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct keys_cert *c = rec;
	struct ring *r = ring_of(c->service);

	(void)ch;
	(void)id;
	(void)fds;
	(void)arg;
	if (r == NULL || r->nnext == KEYS_CERTS_MAX)
		return;
	r->next[r->nnext++] =
	    (struct tls_cert){ .chain = copy(c->chain), .key_id = c->key };
}

static bool
same_set(const struct ring *r, struct str why)
{
	if (r->set.generation == 0 || r->nnext != r->set.ncerts ||
	    !str_eq(why, r->set.why))
		return false;
	for (size_t i = 0; i < r->nnext; i++)
		if (r->next[i].key_id != r->set.certs[i].key_id ||
		    !str_eq(r->next[i].chain, r->set.certs[i].chain))
			return false;
	return true;
}

static void
on_set(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct keys_set *s = rec;
	struct ring *r = ring_of(s->service);

	(void)ch;
	(void)id;
	(void)fds;
	(void)arg;
	if (r == NULL)
		return;
	if (same_set(r, s->why)) {
		drop_certs(r->next, &r->nnext);
		return;
	}
	drop_certs(r->set.certs, &r->set.ncerts);
	drop(&r->set.why);
	memcpy(r->set.certs, r->next, sizeof(r->next));
	r->set.ncerts = r->nnext;
	r->nnext = 0;
	r->set.why = copy(s->why);
	r->set.generation++;
	tell(r, false);
}

/* All instances have keys of their own; those of the first one count. */
static bool
is_first(const struct chan *ch)
{
	for (size_t i = 0; i < kr.n; i++)
		if (kr.ch[i] == ch)
			return kr.instance[i] == 0;
	return false;
}

static void
on_tickets(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct keys_tickets *t = rec;
	struct ring *r = ring_of(t->service);

	(void)id;
	(void)fds;
	(void)arg;
	if (r == NULL || !is_first(ch))
		return;
	if (r->set.tickets.n > 0)
		explicit_bzero((char *)(uintptr_t)r->set.tickets.p,
		    r->set.tickets.n);
	drop(&r->set.tickets);
	r->set.tickets = copy(t->keys);
	tell(r, true);
}

const struct chan_on keyring_on[] = {
	{ KEYS_CERT, on_cert },
	{ KEYS_SET, on_set },
	{ KEYS_TICKETS, on_tickets },
	{ 0, NULL },
};

/* --- signatures ----------------------------------------------------------- */

struct asked {
	struct chan *ch;
	struct tls *tls;
	uint64_t handle;
};

static void
on_signed(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct keys_signed *a = rec;
	struct asked *q = arg;
	struct tls *t = q->tls;

	(void)fds;
	free(q);
	tls_signed(t, type == KEYS_SIGNED ? a->signature : STR_NONE);
}

static uint64_t
ask(void *arg, const struct tls_sign *q, struct tls *t)
{
	const struct ring *r = arg;
	struct keys_sign rec = { .service = r->set.service,
		.key = q->key,
		.padding = q->padding,
		.digest = q->digest,
		.tbs = q->tbs };
	struct asked *a;

	if (kr.n == 0)
		return 0;
	a = xcalloc(1, sizeof(*a));
	a->tls = t;
	a->ch = kr.ch[kr.turn++ % kr.n];
	a->handle = chan_ask(a->ch, KEYS_SIGN, &rec, NULL, on_signed, a);
	return (uint64_t)(uintptr_t)a;
}

static void
forget(void *arg, uint64_t handle)
{
	struct asked *a = (struct asked *)(uintptr_t)handle;

	(void)arg;
	chan_forget(a->ch, a->handle);
	free(a);
}

struct tls_signer
keyring_signer(uint32_t service)
{
	struct ring *r = ring_of(service);

	return (struct tls_signer){ .ask = r == NULL ? NULL : ask,
		.forget = forget,
		.arg = r };
}
