/* SPDX-License-Identifier: ISC */
#include "sandbox/bpf_tidy.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/mem.h"

#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define MASK (BPF_ALU | BPF_AND | BPF_K)
#define EQUAL (BPF_JMP | BPF_JEQ | BPF_K)
#define ABOVE (BPF_JMP | BPF_JGT | BPF_K)
#define AT_LEAST (BPF_JMP | BPF_JGE | BPF_K)
#define GO (BPF_JMP | BPF_JA)
#define ANSWER (BPF_RET | BPF_K)

/* An instruction, with where it goes on instead of how far that is. */
struct step {
	uint16_t code;
	uint32_t k;
	size_t yes, no; /* the same of what is no test */
	bool aimed;	/* something jumps here */
	bool used;
	size_t at; /* its new place */
};

struct prog {
	struct step *v;
	size_t n;
};

static bool
is_test(const struct step *s)
{
	return s->code == EQUAL || s->code == ABOVE || s->code == AT_LEAST;
}

/* False for an instruction that the library does not use. */
static bool
step_read(struct step *s, const struct sock_filter *f, size_t i, size_t n)
{
	*s = (struct step){ .code = f->code, .k = f->k };
	switch (f->code) {
	case EQUAL:
	case ABOVE:
	case AT_LEAST:
		s->yes = i + 1 + f->jt;
		s->no = i + 1 + f->jf;
		break;
	case GO:
		s->yes = s->no = i + 1 + f->k;
		break;
	case LOAD:
	case MASK:
		s->yes = s->no = i + 1;
		break;
	case ANSWER:
		return true;
	default:
		return false;
	}
	return s->yes < n && s->no < n;
}

static bool
prog_read(struct prog *p, const struct sock_filter *f)
{
	for (size_t i = 0; i < p->n; i++)
		if (!step_read(&p->v[i], &f[i], i, p->n))
			return false;
	for (size_t i = 0; i < p->n; i++) {
		const struct step *s = &p->v[i];

		if (is_test(s) || s->code == GO)
			p->v[s->yes].aimed = p->v[s->no].aimed = true;
	}
	return true;
}

/* Does it not matter here what was loaded before? */
static bool
forgets(const struct prog *p, size_t i)
{
	return p->v[i].code == LOAD || p->v[i].code == ANSWER;
}

/* Load, mask with nothing, compare: the outcome is known. */
static void
drop_empty(struct prog *p, size_t i)
{
	const struct step *test;
	size_t to;

	if (i + 2 >= p->n)
		return;
	test = &p->v[i + 2];
	if (p->v[i].code != LOAD || p->v[i + 1].code != MASK ||
	    p->v[i + 1].k != 0 || test->code != EQUAL || p->v[i + 1].aimed ||
	    test->aimed)
		return;
	to = test->k == 0 ? test->yes : test->no;
	if (forgets(p, to))
		p->v[i] = (struct step){ .code = GO,
			.yes = to,
			.no = to,
			.aimed = p->v[i].aimed };
}

/* --- at least ------------------------------------------------------------- */

/* Some tests of one word that all lead to the same place. */
struct ladder {
	uint32_t mask[33], value[33];
	size_t n, yes, no;
};

static void
ladder_read(const struct prog *p, size_t i, struct ladder *l)
{
	uint32_t word = p->v[i].k;
	bool whole = false; /* what is loaded is the word as it is */

	*l = (struct ladder){ .n = 0 };
	while (l->n < NELEM(l->mask)) {
		size_t at = i;
		uint32_t mask = UINT32_MAX;

		if (p->v[at].code == LOAD && p->v[at].k == word)
			at = p->v[at].yes;
		else if (!whole)
			return;
		if (p->v[at].code == MASK) {
			mask = p->v[at].k;
			at = p->v[at].yes;
		}
		if (p->v[at].code != EQUAL ||
		    (l->n > 0 && p->v[at].yes != l->yes))
			return;
		whole = mask == UINT32_MAX;
		l->mask[l->n] = mask;
		l->value[l->n++] = p->v[at].k;
		l->yes = p->v[at].yes;
		i = l->no = p->v[at].no;
	}
}

static bool
ladder_has(const struct ladder *l, uint32_t mask, uint32_t value)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->mask[i] == mask && l->value[i] == value)
			return true;
	return false;
}

/*
 * Are these the tests of `at least least', as filter_linux.c writes them?  The
 * number itself, and for each of its bits that is not set: that one set, and
 * those above as they are.
 */
static bool
ladder_is(const struct ladder *l, uint32_t least)
{
	size_t want = 1;

	for (int bit = 0; bit < 32; bit++) {
		uint32_t one = UINT32_C(1) << bit, mask = ~(one - 1);

		if ((least & one) != 0)
			continue;
		if (!ladder_has(l, mask, (least & mask) | one))
			return false;
		want++;
	}
	return l->n == want && ladder_has(l, UINT32_MAX, least);
}

static void
drop_ladder(struct prog *p, size_t i)
{
	struct ladder l;

	if (p->v[i].code != LOAD || p->v[i + 1].aimed)
		return;
	ladder_read(p, i, &l);
	if (l.n < 3 || !forgets(p, l.yes) || !forgets(p, l.no))
		return;
	for (size_t j = 0; j < l.n; j++) {
		if (l.mask[j] != UINT32_MAX || !ladder_is(&l, l.value[j]))
			continue;
		p->v[i + 1] = (struct step){ .code = AT_LEAST,
			.k = l.value[j],
			.yes = l.yes,
			.no = l.no };
		return;
	}
}

/* --- what is left --------------------------------------------------------- */

/* All jumps lead forward, so this ends. */
static size_t
aim(const struct prog *p, size_t i)
{
	while (p->v[i].code == GO)
		i = p->v[i].yes;
	return i;
}

static void
mark_used(struct prog *p)
{
	p->v[aim(p, 0)].used = true;
	for (size_t i = 0; i < p->n; i++) {
		struct step *s = &p->v[i];

		if (!s->used || s->code == ANSWER)
			continue;
		s->yes = aim(p, s->yes);
		s->no = aim(p, s->no);
		p->v[s->yes].used = p->v[s->no].used = true;
	}
}

/* 0 when a jump is longer than jumps can be. */
static size_t
prog_write(struct prog *p, struct sock_filter *out)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].used)
			p->v[i].at = n++;
	for (size_t i = 0; i < p->n; i++) {
		const struct step *s = &p->v[i];
		struct sock_filter *f = &out[s->at];
		size_t yes, no;

		if (!s->used)
			continue;
		*f = (struct sock_filter){ .code = s->code, .k = s->k };
		if (s->code == ANSWER)
			continue;
		yes = p->v[s->yes].at - s->at - 1;
		no = p->v[s->no].at - s->at - 1;
		if (yes > UINT8_MAX || no > UINT8_MAX ||
		    (!is_test(s) && yes != 0))
			return 0;
		f->jt = (uint8_t)yes;
		f->jf = (uint8_t)no;
	}
	return n;
}

size_t
bpf_tidy(struct sock_filter *f, size_t n)
{
	struct prog p = { .n = n };
	struct sock_filter *out;
	size_t len = 0;

	if (n == 0)
		return 0;
	p.v = xcalloc(n, sizeof(*p.v));
	out = xcalloc(n, sizeof(*out));
	if (prog_read(&p, f)) {
		for (size_t i = 0; i < n; i++)
			drop_empty(&p, i);
		for (size_t i = 0; i < n; i++)
			drop_ladder(&p, i);
		mark_used(&p);
		len = prog_write(&p, out);
	}
	if (len > 0)
		memcpy(f, out, len * sizeof(*f));
	free(out);
	free(p.v);
	return len > 0 ? len : n;
}
