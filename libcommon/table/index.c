/* SPDX-License-Identifier: ISC */
/*
 * Open addressing over pairs kept in order of arrival.
 */
#include "table/index.h"

#include <stdlib.h>

#include "base/mem.h"

#define SLOTS_FIRST 64

void
index_init(struct index *ix, size_t max)
{
	*ix = (struct index){ 0 };
	buf_init(&ix->text, max);
	/* Keys may be a stranger's (user names): no chosen collisions. */
	arc4random_buf(ix->secret, sizeof(ix->secret));
}

void
index_clear(struct index *ix)
{
	buf_clear(&ix->text);
	free(ix->pair);
	free(ix->slot);
	*ix = (struct index){ .text = ix->text };
}

static struct str
text_at(const struct index *ix, size_t off, size_t len)
{
	return str_sub(buf_get(&ix->text), off, off + len);
}

/* Where the key is, or the free slot where it would be. */
static size_t
find_slot(const struct index *ix, struct str key, uint64_t hash)
{
	size_t i = hash & (ix->nslot - 1);

	while (ix->slot[i] != 0) {
		const struct index_pair *p = &ix->pair[ix->slot[i] - 1];

		if (p->hash == hash &&
		    str_eq(text_at(ix, p->key, p->key_len), key))
			break;
		i = (i + 1) & (ix->nslot - 1);
	}
	return i;
}

/* At most half of the slots are ever taken. */
static void
grow_slots(struct index *ix)
{
	if (ix->n + 1 <= ix->nslot / 2)
		return;
	free(ix->slot);
	ix->nslot = ix->nslot == 0 ? SLOTS_FIRST : ix->nslot * 2;
	ix->slot = xcalloc(ix->nslot, sizeof(*ix->slot));
	for (size_t k = 0; k < ix->n; k++) {
		size_t i = ix->pair[k].hash & (ix->nslot - 1);

		while (ix->slot[i] != 0)
			i = (i + 1) & (ix->nslot - 1);
		ix->slot[i] = (uint32_t)k + 1;
	}
}

static int
put_value(struct index *ix, struct index_pair *p, struct str value)
{
	size_t off = buf_get(&ix->text).n;

	if (value.n > UINT32_MAX || buf_str(&ix->text, value) == -1)
		return -1;
	p->value = off;
	p->value_len = (uint32_t)value.n;
	return 0;
}

static int
add_new(struct index *ix, size_t slot, uint64_t hash, struct str key,
    struct str value)
{
	struct index_pair p = { .hash = hash,
		.key = buf_get(&ix->text).n,
		.key_len = (uint32_t)key.n };

	if (buf_str(&ix->text, key) == -1 || put_value(ix, &p, value) == -1)
		return -1;
	if (ix->n == ix->cap) {
		ix->cap = ix->cap == 0 ? SLOTS_FIRST : ix->cap * 2;
		ix->pair = xreallocarray(ix->pair, ix->cap, sizeof(*ix->pair));
	}
	ix->pair[ix->n++] = p;
	ix->slot[slot] = (uint32_t)ix->n;
	ix->live++;
	return 1;
}

int
index_add(struct index *ix, struct str key, struct str value,
    enum index_dup dup)
{
	uint64_t hash = siphash(ix->secret, key.p, key.n);
	struct index_pair *p;
	size_t slot;

	if (key.n > UINT32_MAX || ix->n >= UINT32_MAX - 1)
		return -1;
	grow_slots(ix);
	slot = find_slot(ix, key, hash);
	if (ix->slot[slot] == 0)
		return add_new(ix, slot, hash, key, value);
	p = &ix->pair[ix->slot[slot] - 1];
	if (p->dead) {
		p->dead = false;
		ix->live++;
		return put_value(ix, p, value) == -1 ? -1 : 1;
	}
	if (dup == INDEX_REPLACE && put_value(ix, p, value) == -1)
		return -1;
	return 0;
}

static struct index_pair *
find(const struct index *ix, struct str key)
{
	size_t slot;
	struct index_pair *p;

	if (ix->nslot == 0)
		return NULL;
	slot = find_slot(ix, key, siphash(ix->secret, key.p, key.n));
	if (ix->slot[slot] == 0)
		return NULL;
	p = &ix->pair[ix->slot[slot] - 1];
	return p->dead ? NULL : p;
}

bool
index_find(const struct index *ix, struct str key, struct str *value)
{
	const struct index_pair *p = find(ix, key);

	if (p == NULL)
		return false;
	*value = text_at(ix, p->value, p->value_len);
	return true;
}

bool
index_delete(struct index *ix, struct str key)
{
	struct index_pair *p = find(ix, key);

	if (p == NULL)
		return false;
	p->dead = true;
	ix->live--;
	return true;
}

bool
index_at(const struct index *ix, size_t i, struct str *key, struct str *value)
{
	const struct index_pair *p = &ix->pair[i];

	if (p->dead)
		return false;
	*key = text_at(ix, p->key, p->key_len);
	*value = text_at(ix, p->value, p->value_len);
	return true;
}
