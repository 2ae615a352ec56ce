/* SPDX-License-Identifier: ISC */
/*
 * In which order the servers of a route are tried.
 */
#include <string.h>

#include "smtp.h"

/* Entries that are equally good: the same next hop and preference. */
static size_t
run_length(const struct dns_host *v, size_t n)
{
	size_t i = 1;

	while (i < n && v[i].item == v[0].item && v[i].pref == v[0].pref)
		i++;
	return i;
}

/* Move the first entry of a family in v[i..n) to v[i], the rest behind. */
static bool
pull(struct dns_host *v, size_t i, size_t n, uint8_t family)
{
	struct dns_host h;
	size_t j = i;

	while (j < n && v[j].addr.family != family)
		j++;
	if (j == n)
		return false;
	h = v[j];
	memmove(&v[i + 1], &v[i], (j - i) * sizeof(*v));
	v[i] = h;
	return true;
}

static void
prefer(struct dns_host *v, size_t n, uint8_t family)
{
	for (size_t i = 0; i < n && pull(v, i, n, family); i++)
		;
}

static int
by_addr(const struct dns_host *a, const struct dns_host *b)
{
	if (a->addr.family != b->addr.family)
		return a->addr.family < b->addr.family ? -1 : 1;
	return memcmp(a->addr.ip, b->addr.ip, sizeof(a->addr.ip));
}

/* dns has put equals in random order; undo it. */
static void
sort(struct dns_host *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct dns_host h = v[i];
		size_t j;

		for (j = i; j > 0 && by_addr(&h, &v[j - 1]) < 0; j--)
			v[j] = v[j - 1];
		v[j] = h;
	}
}

/*
 * Let both families have part in the addresses that will be tried, where the
 * limit would otherwise leave one of them out.
 */
static void
balance(struct dns_host *v, size_t n, unsigned limit)
{
	size_t four = 0, six = 0;
	uint8_t other;

	for (size_t i = 0; i < n && i < limit; i++)
		*(v[i].addr.family == 4 ? &four : &six) += 1;
	if (limit < 2 || n <= limit || (four > 0 && six > 0))
		return;
	other = four > 0 ? 6 : 4;
	for (size_t i = limit - limit / 2; i < limit; i++)
		if (!pull(v, i, n, other))
			break;
}

size_t
target_order(const struct settings *st, struct dns_host *v, size_t n)
{
	for (size_t i = 0, k; i < n; i += k) {
		k = run_length(v + i, n - i);
		if (!st->randomize)
			sort(v + i, k);
		if (st->preference != PREFER_ANY)
			prefer(v + i, k, st->preference == PREFER_IPV4 ? 4 : 6);
	}
	if (st->balance && st->preference == PREFER_ANY)
		balance(v, n, st->address_limit);
	if (st->address_limit > 0 && n > st->address_limit)
		n = st->address_limit;
	return n;
}
