/* SPDX-License-Identifier: ISC */
/*
 * The declarations of params_*.def as a table, and looking names up in it.
 */
#include "conf/params.h"

#include <assert.h>
#include <stdlib.h>

#include "base/attr.h"

/* clang-format off */
#define S 1000 /* seconds in milliseconds */
#define PLAIN(t, n, d, st, tx) \
	{ .name = n, .type = t, .dflt = d, .status = PS_##st, .text = tx },
#define RANGE(t, n, d, lo, hi, u, st, tx) \
	{ .name = n, .type = t, .dflt = d, .min = (int64_t)(lo) * (u), \
	  .max = (int64_t)(hi) * (u), .status = PS_##st, .text = tx },
#define WORDS(t, n, d, w, st, tx) \
	{ .name = n, .type = t, .dflt = d, .words = w, .status = PS_##st, \
	  .text = tx },
#define PARAM_BOOL(id, n, d, st, tx) PLAIN(PT_BOOL, n, d, st, tx)
#define PARAM_STR(id, n, d, st, tx) PLAIN(PT_STR, n, d, st, tx)
#define PARAM_RAW(id, n, d, st, tx) PLAIN(PT_RAW, n, d, st, tx)
#define PARAM_LIST(id, n, d, st, tx) PLAIN(PT_LIST, n, d, st, tx)
#define PARAM_MATCH(id, n, d, st, tx) PLAIN(PT_MATCH, n, d, st, tx)
#define PARAM_NETS(id, n, d, st, tx) PLAIN(PT_NETS, n, d, st, tx)
#define PARAM_MAPS(id, n, d, st, tx) PLAIN(PT_MAPS, n, d, st, tx)
#define PARAM_RULES(id, n, d, st, tx) PLAIN(PT_RULES, n, d, st, tx)
#define PARAM_INT(id, n, d, lo, hi, st, tx) \
	RANGE(PT_INT, n, d, lo, hi, 1, st, tx)
#define PARAM_SIZE(id, n, d, lo, hi, st, tx) \
	RANGE(PT_SIZE, n, d, lo, hi, 1, st, tx)
#define PARAM_TIME(id, n, d, lo, hi, st, tx) \
	RANGE(PT_TIME, n, d, lo, hi, S, st, tx)
#define PARAM_ENUM(id, n, d, w, st, tx) WORDS(PT_ENUM, n, d, w, st, tx)
#define PARAM_SET(id, n, d, w, st, tx) WORDS(PT_SET, n, d, w, st, tx)

const struct param params[P_COUNT] = {
#include "conf/params_all.def"
#include "conf/params_undef.h"
};

const struct family families[F_COUNT] = {
#define FAMILY(id, s, t, p) { .suffix = s, .type = t, .dflt = P_##p },
#include "conf/params_family.def"
#undef FAMILY
};

const struct param_old params_old[] = {
#define OLD(n, w, a) { .name = n, .now = w, .advice = a },
#include "conf/params_old.def"
#undef OLD
};
/* clang-format on */
const size_t params_old_n = NELEM(params_old);

/*
 * Names are looked up often while configuration is read, and only then: a
 * sorted index is made at the first call.
 */
static uint16_t sorted[P_COUNT];
static bool is_sorted;

static int
by_name(const void *a, const void *b)
{
	const uint16_t *x = a, *y = b;

	return strcmp(params[*x].name, params[*y].name);
}

static void
sort_names(void)
{
	static_assert(P_COUNT <= UINT16_MAX, "index is 16 bits wide");

	for (size_t i = 0; i < P_COUNT; i++)
		sorted[i] = (uint16_t)i;
	qsort(sorted, P_COUNT, sizeof(sorted[0]), by_name);
	is_sorted = true;
}

int
param_find(struct str name)
{
	size_t lo = 0, hi = P_COUNT;

	if (!is_sorted)
		sort_names();
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = str_cmp(name, str_of(params[sorted[mid]].name));

		if (c == 0)
			return sorted[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return -1;
}

int
param_sorted(size_t i)
{
	if (!is_sorted)
		sort_names();
	return i < P_COUNT ? sorted[i] : -1;
}

int64_t
param_unit(const struct param *p)
{
	size_t n = p->dflt == NULL ? 0 : strlen(p->dflt);

	switch (n == 0 ? 's' : p->dflt[n - 1]) {
	case 'w':
		return 7 * 86400 * (int64_t)S;
	case 'd':
		return 86400 * (int64_t)S;
	case 'h':
		return 3600 * (int64_t)S;
	case 'm':
		return 60 * (int64_t)S;
	default:
		return S;
	}
}

int
family_find(struct str name, struct str *transport)
{
	for (int i = 0; i < F_COUNT; i++) {
		struct str suffix = str_of(families[i].suffix);

		if (name.n > suffix.n && str_ends(name, suffix)) {
			*transport = str_sub(name, 0, name.n - suffix.n);
			return i;
		}
	}
	return -1;
}

/*
 * The edit distance of two names, with neighbours exchanged as one edit,
 * which is what hurried fingers do.  Stops counting at limit.
 */
#define NAME_MAX_LEN 80

static unsigned
distance(struct str a, struct str b, unsigned limit)
{
	unsigned row[3][NAME_MAX_LEN + 1];
	unsigned *prev2 = row[0], *prev = row[1], *cur = row[2], *t;

	if (a.n > NAME_MAX_LEN || b.n > NAME_MAX_LEN)
		return limit;
	if ((a.n > b.n ? a.n - b.n : b.n - a.n) >= limit)
		return limit;
	for (size_t j = 0; j <= b.n; j++)
		prev[j] = prev2[j] = (unsigned)j;
	for (size_t i = 1; i <= a.n; i++) {
		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= b.n; j++) {
			unsigned cost = a.p[i - 1] != b.p[j - 1];
			unsigned best = prev[j - 1] + cost;

			if (prev[j] + 1 < best)
				best = prev[j] + 1;
			if (cur[j - 1] + 1 < best)
				best = cur[j - 1] + 1;
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] &&
			    a.p[i - 2] == b.p[j - 1] && prev2[j - 2] + 1 < best)
				best = prev2[j - 2] + 1;
			cur[j] = best;
		}
		t = prev2;
		prev2 = prev;
		prev = cur;
		cur = t;
	}
	return prev[b.n] < limit ? prev[b.n] : limit;
}

const char *
name_nearest(struct str name, const char *const names[])
{
	/* Up to one mistake in three letters, and never more than five. */
	unsigned best = (unsigned)(name.n / 3 > 5 ? 5 : name.n / 3) + 1, d;
	const char *found = NULL;

	for (size_t i = 0; names[i] != NULL; i++) {
		d = distance(name, str_of(names[i]), best);
		if (d < best) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

const char *
param_nearest(struct str name)
{
	static const char *names[P_COUNT + 1];

	for (size_t i = 0; i < P_COUNT; i++)
		names[i] = params[i].name;
	return name_nearest(name, names);
}
