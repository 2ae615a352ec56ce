/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <unistd.h>

#include "log/log.h"

#include "dns.h"

uint32_t
random_u32(void)
{
	static uint8_t pool[256];
	static size_t left;
	uint32_t x;

	if (left < sizeof(x)) {
		if (getentropy(pool, sizeof(pool)) == -1)
			log_fatal("getentropy does not work");
		left = sizeof(pool);
	}
	left -= sizeof(x);
	memcpy(&x, pool + left, sizeof(x));
	memset(pool + left, 0, sizeof(x));
	return x;
}

uint32_t
random_below(uint32_t n)
{
	/* The bias, under n in 2^32, is of no use to anyone here. */
	return (uint32_t)((uint64_t)random_u32() * n >> 32);
}
