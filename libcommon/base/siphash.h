/* SPDX-License-Identifier: ISC */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed function of 64 bits.
 * It hashes keys that strangers choose, and authenticates the short-lived
 * tickets that components carry for each other (edge/ticket.h).
 */
#define SIPHASH_KEY 16

uint64_t siphash(const uint8_t key[SIPHASH_KEY], const void *p, size_t n);

#endif
