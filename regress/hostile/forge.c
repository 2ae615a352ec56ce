/* SPDX-License-Identifier: ISC */
/*
 * Attacks made from the declarations of records.
 */
#include "forge.h"

#include <stdio.h>
#include <string.h>

#define RANDOM_EACH 24	       /* records formed well, of each type */
#define LIVE_ID 0x100000001ULL /* what a first question has for an id */

/* --- chance --------------------------------------------------------------- */

static uint64_t state;

static uint64_t
chance(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void
chance_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15ULL | 1;
	for (int i = 0; i < 8; i++)
		chance();
}

/* --- values --------------------------------------------------------------- */

/* How the fields of a record are filled. */
enum fill {
	FILL_EMPTY,
	FILL_FULL,
	FILL_CHANCE,
	FILL_PLAIN /* for records that are to be mutilated */
};

struct writer {
	uint8_t *p;
	size_t n, max;
};

static void
put(struct writer *w, const void *p, size_t n)
{
	if (n > w->max - w->n)
		n = w->max - w->n;
	memcpy(w->p + w->n, p, n);
	w->n += n;
}

static void
put_le(struct writer *w, uint64_t v, size_t n)
{
	uint8_t b[8];

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	put(w, b, n);
}

static size_t
width(enum rec_kind kind)
{
	switch (kind) {
	case REC_U8:
		return 1;
	case REC_U16:
		return 2;
	case REC_U32:
		return 4;
	case REC_U64:
	case REC_I64:
		return 8;
	case REC_ADDR:
	case REC_STR:
		break;
	}
	return 0;
}

static uint64_t
number(enum fill fill)
{
	static const uint64_t odd[] = { 0, 1, 2, 3, 4, 7, 64, 255, 4096, 65535,
		0x7fffffff, 0xffffffff, 0x7fffffffffffffff,
		0x8000000000000000 };

	switch (fill) {
	case FILL_EMPTY:
		return 0;
	case FILL_FULL:
		return UINT64_MAX;
	case FILL_PLAIN:
		return 1;
	case FILL_CHANCE:
		break;
	}
	if (chance() % 4 == 0)
		return chance();
	return odd[chance() % NELEM(odd)];
}

/* Text that somebody might trust. */
static struct str
wild_text(void)
{
	static const struct str pool[] = { { "", sizeof("") - 1 },
		{ "a", sizeof("a") - 1 },
		{ "user@test.example", sizeof("user@test.example") - 1 },
		{ "@", sizeof("@") - 1 }, { "<>", sizeof("<>") - 1 },
		{ "../../../../etc/passwd",
		    sizeof("../../../../etc/passwd") - 1 },
		{ "/etc/shadow", sizeof("/etc/shadow") - 1 },
		{ "4fRandomQid1", sizeof("4fRandomQid1") - 1 },
		{ "smtp", sizeof("smtp") - 1 },
		{ "local", sizeof("local") - 1 },
		{ "virtual", sizeof("virtual") - 1 },
		{ "error", sizeof("error") - 1 },
		{ "root", sizeof("root") - 1 },
		{ "5.1.1", sizeof("5.1.1") - 1 },
		{ "9.9.9", sizeof("9.9.9") - 1 }, { "ALL", sizeof("ALL") - 1 },
		{ "%s%n%999999d", sizeof("%s%n%999999d") - 1 },
		{ "a\0b", sizeof("a\0b") - 1 },
		{ "x\r\n.\r\nMAIL FROM:<>\r\n",
		    sizeof("x\r\n.\r\nMAIL FROM:<>\r\n") - 1 },
		{ "\xff\xfe\xc0", sizeof("\xff\xfe\xc0") - 1 },
		{ "virtual_mailbox_maps", sizeof("virtual_mailbox_maps") - 1 },
		{ "[127.0.0.1]:25", sizeof("[127.0.0.1]:25") - 1 },
		{ "hash:/etc/passwd", sizeof("hash:/etc/passwd") - 1 },
		{ "test.example", sizeof("test.example") - 1 },
		{ "user/", sizeof("user/") - 1 },
		{ "user/../../x", sizeof("user/../../x") - 1 },
		{ "~root", sizeof("~root") - 1 },
		{ "\x1b[2J", sizeof("\x1b[2J") - 1 },
		{ "relay", sizeof("relay") - 1 } };

	return pool[chance() % NELEM(pool)];
}

static void
put_text(struct writer *w, uint32_t max, enum fill fill)
{
	static char full[FORGE_BYTES];
	struct str s = STR("");
	size_t room = w->max - w->n;

	/* The fields behind this one need some of it, too. */
	room = room < 2048 ? 0 : room - 2048;
	if (fill == FILL_PLAIN) {
		s = str_make("x", max > 0 ? 1 : 0);
	} else if (fill == FILL_FULL ||
	    (fill == FILL_CHANCE && chance() % 16 == 0)) {
		memset(full, 'A', sizeof(full));
		s = str_make(full, max);
	} else if (fill == FILL_CHANCE && chance() % 4 == 0) {
		size_t n = chance() % 300;

		for (size_t i = 0; i < n; i++)
			full[i] = (char)chance();
		s = str_make(full, n);
	} else if (fill == FILL_CHANCE) {
		s = wild_text();
	}
	s = str_sub(s, 0, s.n > max ? max : s.n);
	s = str_sub(s, 0, s.n > room ? room : s.n);
	put_le(w, s.n, 4);
	put(w, s.p, s.n);
}

static void
put_addr(struct writer *w, enum fill fill)
{
	static const uint8_t families[] = { 0, 4, 6 };
	uint8_t ip[16] = { 127, 0, 0, 1 };

	if (fill == FILL_CHANCE && chance() % 2 == 0)
		for (size_t i = 0; i < sizeof(ip); i++)
			ip[i] = (uint8_t)chance();
	put_le(w,
	    fill == FILL_EMPTY	    ? 0 :
		fill == FILL_CHANCE ? families[chance() % 3] :
				      4,
	    1);
	put(w, ip, sizeof(ip));
	put_le(w, number(fill), 2);
}

/* --- records -------------------------------------------------------------- */

static void
put_field(struct writer *w, const struct rec_field *f, enum fill fill)
{
	if (f->kind == REC_STR)
		put_text(w, f->max, fill);
	else if (f->kind == REC_ADDR)
		put_addr(w, fill);
	else
		put_le(w, number(fill), width(f->kind));
}

/* The header last: it says how long all is. */
static void
put_head(uint8_t *p, size_t len, unsigned type, unsigned fds, uint64_t id)
{
	struct writer w = { p, 0, REC_HEADER };

	put_le(&w, len, 4);
	put_le(&w, type, 2);
	put_le(&w, fds, 2);
	put_le(&w, id, 8);
}

static size_t
put_record(uint8_t *p, size_t size, const struct rec_type *t, uint64_t id,
    enum fill fill)
{
	struct writer w = { p, REC_HEADER, size < REC_MAX ? size : REC_MAX };

	for (const struct rec_field *f = t->fields(); f->name != NULL; f++)
		put_field(&w, f, fill);
	put_head(p, w.n, t->type, t->fds, id);
	return w.n;
}

size_t
forge_record(const struct rec_type *t, uint64_t id, uint64_t seed, uint8_t *p,
    size_t size)
{
	chance_seed(seed);
	return put_record(p, size, t, id,
	    seed % 8 == 0     ? FILL_FULL :
		seed % 8 == 1 ? FILL_EMPTY :
				FILL_CHANCE);
}

/* --- attacks on packets --------------------------------------------------- */

/* Fill in what is the same in all; then the caller makes it bad. */
static void
begin(struct forged *f, const char *type, const char *what, enum forge_end end)
{
	f->len = f->nfds = 0;
	f->thing = THING_RIGHT;
	f->end = end;
	snprintf(f->name, sizeof(f->name), "%s%s%s", type,
	    type[0] == '\0' ? "" : ": ", what);
}

static void
raw(struct forged *f, const char *what, size_t len, int byte)
{
	begin(f, "", what, FORGE_CLOSED);
	memset(f->data, byte, len);
	f->len = len;
}

static void
head_only(struct forged *f, const char *what, size_t len, unsigned type,
    unsigned fds)
{
	begin(f, "", what, FORGE_CLOSED);
	put_head(f->data, len, type, fds, 1);
	f->len = REC_HEADER;
}

static bool
forge_packet(const struct edge *e, unsigned n, struct forged *f)
{
	switch (n) {
	case 0:
		raw(f, "one byte", 1, 'x');
		return true;
	case 1:
		raw(f, "half a header", REC_HEADER - 1, 0);
		return true;
	case 2:
		raw(f, "zeros", FORGE_BYTES, 0);
		return true;
	case 3:
		raw(f, "ones", FORGE_BYTES, 0xff);
		return true;
	case 4:
		head_only(f, "type 0", REC_HEADER, 0, 0);
		return true;
	case 5:
		head_only(f, "a type behind the last", REC_HEADER,
		    (unsigned)e->ntypes + 1, 0);
		return true;
	case 6:
		head_only(f, "type 65535", REC_HEADER, 65535, 0);
		return true;
	case 7:
		head_only(f, "length 0", 0, 1, e->types[0].fds);
		return true;
	case 8:
		head_only(f, "length below the header's", 15, 1,
		    e->types[0].fds);
		return true;
	case 9:
		head_only(f, "length over the packet's", REC_HEADER + 100, 1,
		    e->types[0].fds);
		return true;
	case 10:
		head_only(f, "length 4294967295", UINT32_MAX, 1,
		    e->types[0].fds);
		return true;
	case 11:
		raw(f, "rubbish with 32 descriptors", 64, 'r');
		f->nfds = 32;
		return true;
	case 12:
		raw(f, "rubbish with 250 descriptors", 64, 'r');
		f->nfds = 250;
		return true;
	case 13:
		begin(f, "", "an empty packet with descriptors", FORGE_CLOSED);
		f->nfds = 30;
		return true;
	case 14:
		begin(f, "", "an empty packet", FORGE_QUIET);
		return true;
	default:
		return false;
	}
}

/* --- attacks on a record -------------------------------------------------- */

/* The n-th text of this type says that it is longer than it may be. */
static bool
long_text(const struct rec_type *t, unsigned n, bool lie, struct forged *f)
{
	struct writer w = { f->data, REC_HEADER, FORGE_BYTES };
	bool done = false;

	begin(f, t->name,
	    lie ? "a text of 4294967295 bytes" :
		  "a text one byte over its maximum",
	    FORGE_CLOSED);
	for (const struct rec_field *fd = t->fields(); fd->name != NULL; fd++) {
		if (fd->kind != REC_STR || n-- != 0) {
			put_field(&w, fd, FILL_PLAIN);
			continue;
		}
		done = true;
		put_le(&w, lie ? UINT32_MAX : fd->max + 1, 4);
		if (fd->max + 1 > w.max - w.n - 1024)
			return false; /* such a field is cut by the record's */
		memset(w.p + w.n, 'A', fd->max + 1);
		w.n += fd->max + 1;
	}
	put_head(f->data, w.n, t->type, t->fds, LIVE_ID);
	f->len = w.n;
	f->nfds = t->fds;
	return done;
}

static unsigned
texts(const struct rec_type *t)
{
	unsigned n = 0;

	for (const struct rec_field *f = t->fields(); f->name != NULL; f++)
		n += f->kind == REC_STR;
	return n;
}

static void
plain(struct forged *f, const struct rec_type *t, const char *what,
    enum forge_end end)
{
	begin(f, t->name, what, end);
	f->len = put_record(f->data, FORGE_BYTES, t, LIVE_ID, FILL_PLAIN);
	f->nfds = t->fds;
}

/* Length, and number of descriptors. */
static bool
forge_shape(const struct rec_type *t, unsigned n, struct forged *f)
{
	plain(f, t, "", FORGE_CLOSED);
	switch (n) {
	case 0:
		if (f->len == REC_HEADER)
			return false;
		begin(f, t->name, "no fields", FORGE_CLOSED);
		f->len = REC_HEADER;
		put_head(f->data, f->len, t->type, t->fds, LIVE_ID);
		break;
	case 1:
		if (f->len == REC_HEADER)
			return false;
		plain(f, t, "a byte too short", FORGE_CLOSED);
		put_head(f->data, --f->len, t->type, t->fds, LIVE_ID);
		break;
	case 2:
		plain(f, t, "a byte too long", FORGE_CLOSED);
		put_head(f->data, ++f->len, t->type, t->fds, LIVE_ID);
		break;
	case 3:
		plain(f, t, "a descriptor too many", FORGE_CLOSED);
		f->nfds = t->fds + 1;
		return true;
	case 4:
		plain(f, t, "30 descriptors too many", FORGE_CLOSED);
		f->nfds = t->fds + 30;
		return true;
	case 5:
		plain(f, t, "a descriptor too many, announced", FORGE_CLOSED);
		f->nfds = t->fds + 1;
		put_head(f->data, f->len, t->type, t->fds + 1, LIVE_ID);
		return true;
	case 6:
		if (t->fds == 0)
			return false;
		plain(f, t, "no descriptor", FORGE_CLOSED);
		f->nfds = 0;
		return true;
	default:
		return false;
	}
	f->nfds = t->fds;
	return true;
}

/* The second of two in a packet is bad. */
static void
forge_second(const struct rec_type *t, struct forged *f)
{
	plain(f, t, "and rubbish behind it", FORGE_CLOSED);
	memset(f->data + f->len, 0xee, 20);
	f->len += 20;
}

static void
forge_twice(const struct rec_type *t, struct forged *f)
{
	plain(f, t, "twice, with one id", FORGE_LIVES);
	if (f->len * 2 <= FORGE_BYTES) {
		memcpy(f->data + f->len, f->data, f->len);
		f->len *= 2;
		f->nfds *= 2;
	}
}

static bool
forge_values(const struct rec_type *t, unsigned n, uint64_t seed,
    struct forged *f)
{
	static const uint64_t ids[] = { 0, 1, LIVE_ID, UINT64_MAX };
	enum fill fill = n == 0 ? FILL_EMPTY : n == 1 ? FILL_FULL : FILL_CHANCE;

	if (n >= RANDOM_EACH)
		return false;
	chance_seed(seed + n);
	begin(f, t->name,
	    n == 0     ? "all empty" :
		n == 1 ? "all at its maximum" :
			 "nonsense",
	    FORGE_LIVES);
	f->len = put_record(f->data, FORGE_BYTES, t, ids[n % NELEM(ids)], fill);
	f->nfds = t->fds;
	return true;
}

/* What nobody asked for: any answer, and what only the other side sends. */
static bool
forge_unasked(const struct rec_type *t, enum side from, unsigned n,
    struct forged *f)
{
	static const uint64_t ids[] = { 0, 1, LIVE_ID, LIVE_ID + 1, 0xffffffff,
		UINT64_MAX };

	if ((t->from & from) == 0) {
		plain(f, t, "which only the other side may send", FORGE_CLOSED);
		return n == 0;
	}
	if (n >= NELEM(ids))
		return false;
	begin(f, t->name, "to no question", FORGE_CLOSED);
	f->len = put_record(f->data, FORGE_BYTES, t, ids[n], FILL_PLAIN);
	f->nfds = t->fds;
	return true;
}

static bool
forge_type(const struct rec_type *t, enum side from, unsigned n, uint64_t seed,
    struct forged *f)
{
	unsigned strs = texts(t);

	if ((t->from & from) == 0 || t->role == REC_ANSWER)
		return forge_unasked(t, from, n, f);
	if (n < 7) {
		if (!forge_shape(t, n, f))
			forge_second(t, f);
		return true;
	}
	n -= 7;
	if (n < 2 * strs) {
		if (!long_text(t, n / 2, n % 2 == 1, f))
			forge_second(t, f);
		return true;
	}
	n -= 2 * strs;
	if (n < 2) {
		if (n == 0)
			forge_second(t, f);
		else
			forge_twice(t, f);
		return true;
	}
	n -= 2;
	if (t->fds > 0 && n < THING_N) {
		plain(f, t, "a descriptor of another kind", FORGE_LIVES);
		f->thing = (enum thing)n;
		return true;
	}
	if (t->fds > 0)
		n -= THING_N;
	return forge_values(t, n, seed, f);
}

bool
forge_next(struct forger *fr, struct forged *out)
{
	const struct edge *e = fr->edge;

	out->edge = e;
	if (fr->type == 0) {
		if (forge_packet(e, fr->n++, out))
			return true;
		fr->type = 1;
		fr->n = 0;
	}
	while (fr->type <= e->ntypes) {
		if (forge_type(edge_type(e, fr->type), fr->from, fr->n++,
			fr->seed, out))
			return true;
		fr->type++;
		fr->n = 0;
	}
	return false;
}
