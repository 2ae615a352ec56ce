/* SPDX-License-Identifier: ISC */
/*
 * XXH64, written from its specification (Collet: xxHash fast digest
 * algorithm, 0.1.1).
 */
#include "queue/sum.h"

#include <endian.h>
#include <string.h>

#define P1 UINT64_C(0x9E3779B185EBCA87)
#define P2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define P3 UINT64_C(0x165667B19E3779F9)
#define P4 UINT64_C(0x85EBCA77C2B2AE63)
#define P5 UINT64_C(0x27D4EB2F165667C5)

static inline uint64_t
rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return le64toh(x);
}

static inline uint32_t
load32(const uint8_t *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return le32toh(x);
}

static inline uint64_t
lane(uint64_t acc, uint64_t in)
{
	return rotl(acc + in * P2, 31) * P1;
}

static inline uint64_t
merge(uint64_t h, uint64_t acc)
{
	return (h ^ lane(0, acc)) * P1 + P4;
}

/* As many whole stripes of 32 bytes as there are; returns the bytes taken. */
static size_t
stripes(uint64_t v[4], const uint8_t *p, size_t n)
{
	uint64_t a = v[0], b = v[1], c = v[2], d = v[3];
	size_t i = 0;

	for (; n - i >= 32; i += 32) {
		a = lane(a, load64(p + i));
		b = lane(b, load64(p + i + 8));
		c = lane(c, load64(p + i + 16));
		d = lane(d, load64(p + i + 24));
	}
	v[0] = a;
	v[1] = b;
	v[2] = c;
	v[3] = d;
	return i;
}

void
sum_init(struct sum *s, uint64_t seed)
{
	*s = (struct sum){ .seed = seed };
	s->v[0] = seed + P1 + P2;
	s->v[1] = seed + P2;
	s->v[2] = seed;
	s->v[3] = seed - P1;
}

void
sum_add(struct sum *s, const void *data, size_t n)
{
	const uint8_t *p = data;
	size_t k;

	if (n == 0)
		return;
	s->total += n;
	if (s->used > 0) {
		k = sizeof(s->mem) - s->used;
		k = k < n ? k : n;
		memcpy(s->mem + s->used, p, k);
		s->used += (unsigned)k;
		p += k;
		n -= k;
		if (s->used < sizeof(s->mem))
			return;
		stripes(s->v, s->mem, sizeof(s->mem));
		s->used = 0;
	}
	k = stripes(s->v, p, n);
	memcpy(s->mem, p + k, n - k);
	s->used = (unsigned)(n - k);
}

uint64_t
sum_end(const struct sum *s)
{
	const uint8_t *p = s->mem;
	unsigned n = s->used;
	uint64_t h;

	if (s->total >= 32) {
		h = rotl(s->v[0], 1) + rotl(s->v[1], 7) + rotl(s->v[2], 12) +
		    rotl(s->v[3], 18);
		for (int i = 0; i < 4; i++)
			h = merge(h, s->v[i]);
	} else
		h = s->seed + P5;
	h += s->total;
	for (; n >= 8; n -= 8, p += 8)
		h = rotl(h ^ lane(0, load64(p)), 27) * P1 + P4;
	if (n >= 4) {
		h = rotl(h ^ load32(p) * P1, 23) * P2 + P3;
		n -= 4;
		p += 4;
	}
	for (; n > 0; n--, p++)
		h = rotl(h ^ *p * P5, 11) * P1;
	h = (h ^ h >> 33) * P2;
	h = (h ^ h >> 29) * P3;
	return h ^ h >> 32;
}

uint64_t
sum64(const void *p, size_t n, uint64_t seed)
{
	struct sum s;

	sum_init(&s, seed);
	sum_add(&s, p, n);
	return sum_end(&s);
}
