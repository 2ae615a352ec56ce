/* SPDX-License-Identifier: ISC */
#ifndef TLS_KEYRING_H
#define TLS_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chan/chan.h"
#include "edge/keys.h"
#include "tls/tls.h"

/*
 * The side of edge `keys` of those who speak TLS: certificates of their
 * services as keys tells them, and signatures.  There may be several
 * instances of keys, which say the same; questions go to them in turn.
 *
 * One component a process, so there is one keyring and it has no handle.
 */

/* For boot: handlers, and callbacks for a peer that comes and goes. */
extern const struct chan_on keyring_on[];
void keyring_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg);
void keyring_down(struct chan *ch, unsigned instance, void *arg);

/*
 * What is known of a service's certificates.  generation counts up when the
 * set is another.
 */
struct keyset {
	uint32_t service;
	unsigned generation; /* 0: nothing was told yet */
	struct tls_cert certs[KEYS_CERTS_MAX];
	size_t ncerts;
	struct str why; /* what is wrong with it, or empty */
	struct str tickets;
};
const struct keyset *keyring_set(uint32_t service);

/* Is there anybody who could sign? */
bool keyring_present(void);

/* The signer for contexts of this service. */
struct tls_signer keyring_signer(uint32_t service);

/*
 * Called when a set is new or its tickets are (tickets alone: tickets_only).
 */
void keyring_changed(void (*fn)(const struct keyset *ks, bool tickets_only,
			 void *arg),
    void *arg);

#endif
