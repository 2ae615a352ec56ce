/* SPDX-License-Identifier: ISC */
#ifndef QUEUE_SUM_H
#define QUEUE_SUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * The checksum of queue files and journal: XXH64 (Collet, 2014).
 *
 * Why this one: 64 bits, so that among the 10^12 records of a long life not
 * one torn record passes by chance, which 32 bits do not give; three to six
 * bytes a cycle in portable C on every processor, where CRC-32C is slow
 * without special instructions; a seed, which keeps old bytes in a reused
 * journal segment from passing for new ones.  It is no signature: who can
 * write to the spool can forge it, and nobody but the queue manager can.
 */
uint64_t sum64(const void *p, size_t n, uint64_t seed);

/* The same over pieces. */
struct sum {
	uint64_t v[4];
	uint64_t seed;
	uint64_t total;
	uint8_t mem[32];
	unsigned used;
};

void sum_init(struct sum *s, uint64_t seed);
void sum_add(struct sum *s, const void *p, size_t n);
uint64_t sum_end(const struct sum *s);

#endif
