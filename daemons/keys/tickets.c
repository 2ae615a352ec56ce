/* SPDX-License-Identifier: ISC */
/*
 * Keys of session tickets: random, of this run, derived for each service.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "log/log.h"

#include "keys.h"

#define PERIOD_MIN 30
#define PERIOD_MAX 43200

/*
 * A key is used for half as long as sessions last, and read with for as long
 * again, twice: no ticket outlives its keys before its time.
 */
static int64_t
period_s(const struct keys *k)
{
	const struct service *sv;
	int64_t longest = 0;

	TAILQ_FOREACH(sv, &k->services, link)
		if (sv->session_s > longest)
			longest = sv->session_s;
	longest = (longest + 1) / 2;
	if (longest < PERIOD_MIN)
		return PERIOD_MIN;
	return longest > PERIOD_MAX ? PERIOD_MAX : longest;
}

static void
tell_all(struct keys *k)
{
	struct service *sv;
	struct asker *a;

	TAILQ_FOREACH(sv, &k->services, link) {
		struct keys_tickets rec = { .service = sv->index };
		struct buf b;

		if (!sv->loaded || sv->session_s == 0)
			continue;
		buf_init(&b, KEYS_TICKETS_MAX);
		tickets_of(k, sv, &b);
		rec.keys = buf_get(&b);
		TAILQ_FOREACH(a, &k->askers, link)
			if (strcmp(a->component, sv->component) == 0)
				chan_tell(a->ch, KEYS_TICKETS, 0, &rec, NULL);
		explicit_bzero(b.base, b.cap);
		buf_clear(&b);
	}
}

void
tickets_rotate(void *arg)
{
	struct keys *k = arg;

	memmove(k->master[1], k->master[0],
	    sizeof(k->master[0]) * (MASTERS - 1));
	if (RAND_priv_bytes(k->master[0], MASTER_BYTES) != 1)
		log_fatal("no random numbers");
	if (k->nmasters < MASTERS)
		k->nmasters++;
	tell_all(k);
	timer_set(&k->rotate, period_s(k) * 1000);
}

/* 128 bytes of a master and a service, of which a ticket key takes 80. */
static void
derive(const uint8_t *master, const struct service *sv, struct buf *out)
{
	unsigned char mac[2][64];
	char label[512];
	size_t n;

	for (unsigned i = 0; i < 2; i++) {
		snprintf(label, sizeof(label), "session ticket %u %s %u %s", i,
		    sv->component, sv->index, sv->name);
		if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA512", NULL, master,
			MASTER_BYTES, (unsigned char *)label, strlen(label),
			mac[i], sizeof(mac[i]), &n) == NULL)
			log_fatal("the TLS library cannot be used");
	}
	buf_add(out, mac, TLS_TICKET_BYTES);
	OPENSSL_cleanse(mac, sizeof(mac));
}

void
tickets_of(const struct keys *k, const struct service *sv, struct buf *out)
{
	for (size_t i = 0; i < k->nmasters; i++)
		derive(k->master[i], sv, out);
}
