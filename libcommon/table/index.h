/* SPDX-License-Identifier: ISC */
#ifndef TABLE_INDEX_H
#define TABLE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/siphash.h"
#include "base/str.h"

/*
 * Keys and values in memory: what text tables become when they are opened,
 * and what postmap gathers before it writes.  Keeps the order of additions.
 */
struct index_pair {
	uint64_t hash;
	size_t key, value; /* offsets into text */
	uint32_t key_len, value_len;
	bool dead; /* deleted */
};

struct index {
	struct buf text;
	struct index_pair *pair;
	size_t n, cap; /* pairs, dead ones too */
	size_t live;
	uint32_t *slot; /* number of the pair + 1; 0 is free */
	size_t nslot;	/* a power of two */
	uint8_t secret[SIPHASH_KEY];
};

enum index_dup {
	INDEX_KEEP,    /* the first value stays */
	INDEX_REPLACE, /* the last value wins */
};

/* Empty, for at most max bytes of keys and values. */
void index_init(struct index *ix, size_t max);
void index_clear(struct index *ix);

/*
 * Add a pair: 1 if the key is new, 0 if it was there, -1 when the maximum is
 * reached.  Empty keys and values are allowed.
 */
int index_add(struct index *ix, struct str key, struct str value,
    enum index_dup dup);

/* The value of a key; false without.  Borrowed until the next addition. */
bool index_find(const struct index *ix, struct str key, struct str *value);

/* Forget a key; false when it was not there. */
bool index_delete(struct index *ix, struct str key);

/* The pair number i (below ix->n); false for one that was deleted. */
bool
index_at(const struct index *ix, size_t i, struct str *key, struct str *value);

#endif
