/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_SHA256_H
#define SANDBOX_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

/*
 * SHA-256 (FIPS 180-4) of n bytes.  For the identity of policies; here rather
 * than from a library so that the policy compiler needs none.
 */
void sha256(const void *p, size_t n, uint8_t out[SHA256_SIZE]);

#endif
