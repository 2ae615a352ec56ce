/* SPDX-License-Identifier: ISC */
/*
 * pcre: Perl-compatible patterns.  Strangers choose what is matched, so the
 * work and memory of one match are bounded; no code is generated (a sandboxed
 * process has no memory that is both written and executed).
 */
#ifdef HAVE_PCRE2

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "base/mem.h"
#include "table/delimited.h"
#include "table/rules.h"

#define MATCH_LIMIT 1000000
#define DEPTH_LIMIT 10000
#define HEAP_LIMIT_KB 16384

struct pcre {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

static bool
pcre_flags(struct str flags, uint32_t *bits, struct buf *err)
{
	static const struct {
		char c;
		uint32_t bit;
	} known[] = { { 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE },
		{ 's', PCRE2_DOTALL }, { 'x', PCRE2_EXTENDED },
		{ 'A', PCRE2_ANCHORED }, { 'E', PCRE2_DOLLAR_ENDONLY },
		{ 'U', PCRE2_UNGREEDY }, { 'X', 0 } };
	size_t k;

	*bits = PCRE2_CASELESS | PCRE2_DOTALL;
	for (size_t i = 0; i < flags.n; i++) {
		for (k = 0; k < NELEM(known) && known[k].c != flags.p[i];)
			k++;
		if (k == NELEM(known)) {
			buf_printf(err, "an unknown flag \"%c\"", flags.p[i]);
			return false;
		}
		*bits ^= known[k].bit;
	}
	return true;
}

static void
pcre_free(void *pattern)
{
	struct pcre *p = pattern;

	pcre2_code_free(p->code);
	pcre2_match_data_free(p->data);
	pcre2_match_context_free(p->limits);
	free(p);
}

static void *
pcre_compile(struct str *text, size_t *groups, struct buf *err)
{
	struct str pattern, flags;
	PCRE2_UCHAR why[256];
	PCRE2_SIZE where;
	struct pcre *p;
	uint32_t bits, n = 0;
	int error;

	if (!delimited_cut(text, &pattern, &flags, err) ||
	    !pcre_flags(flags, &bits, err))
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, bits, &error,
	    &where, NULL);
	if (p->code == NULL) {
		pcre2_get_error_message(error, why, sizeof(why));
		buf_printf(err, "%s at position %zu of the pattern",
		    (const char *)why, (size_t)where);
		pcre_free(p);
		return NULL;
	}
	p->data = pcre2_match_data_create_from_pattern(p->code, NULL);
	p->limits = pcre2_match_context_create(NULL);
	if (p->data == NULL || p->limits == NULL) {
		buf_puts(err, "no memory");
		pcre_free(p);
		return NULL;
	}
	pcre2_set_match_limit(p->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KB);
	pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &n);
	*groups = n;
	return p;
}

static int
pcre_match(const struct rules_table *rt, const struct rule *r, struct str key,
    struct rule_match *m, struct buf *err)
{
	const struct pcre *p = r->pattern;
	const PCRE2_SIZE *at;
	PCRE2_UCHAR why[256];
	int n;

	(void)rt;
	n = pcre2_match(p->code, (PCRE2_SPTR)(key.n == 0 ? "" : key.p), key.n,
	    0, 0, p->data, p->limits);
	if (n == PCRE2_ERROR_NOMATCH)
		return 0;
	if (n < 0) {
		pcre2_get_error_message(n, why, sizeof(why));
		buf_puts(err, (const char *)why);
		return -1;
	}
	at = pcre2_get_ovector_pointer(p->data);
	for (m->n = 0; m->n < (size_t)n && m->n < RULES_GROUPS_MAX; m->n++) {
		m->group[m->n] = STR_NONE;
		if (at[2 * m->n] != PCRE2_UNSET)
			m->group[m->n] =
			    str_sub(key, at[2 * m->n], at[2 * m->n + 1]);
	}
	return 1;
}

struct table *
table_pcre_open(struct table_ctx *ctx)
{
	static const struct rules_kind kind = { .compile = pcre_compile,
		.match = pcre_match,
		.free = pcre_free };

	return rules_open(ctx, &kind);
}

#else
typedef int types_pcre_not_built; /* a file must not be empty */
#endif
