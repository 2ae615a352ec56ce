/* SPDX-License-Identifier: ISC */
#ifndef CHAN_REC_H
#define CHAN_REC_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

/*
 * Records: what travels on a channel, declared once as data.
 *
 * An edge of the process graph (edge/NAME.h) lists its record types with an
 * X-macro; from that list come the C structs, the encoder, the decoder with
 * its bounds checks, the rule of who may send what in which state with how
 * many descriptors, and the fuzz target.  Nobody marshals by hand.
 *
 *	#define tea_order_FIELDS(F)    \
 *		F(U32, cups)           \
 *		F(STR, kind, 64)
 *	#define tea_bill_FIELDS(F)     \
 *		F(U64, pence)
 *	#define EDGE_TEA(R)                                        \
 *		R(TEA_ORDER, tea_order, REC_ASK, SIDE_A, 0)        \
 *		R(TEA_BILL, tea_bill, REC_ANSWER, SIDE_B, 0)
 *	EDGE_DECLARE(tea, EDGE_TEA);
 *
 * and EDGE_DEFINE(tea, EDGE_TEA); in edge/edges.c.  This gives struct
 * tea_order { uint32_t cups; struct str kind; }, enum { TEA_ORDER = 1,
 * TEA_BILL }, and `const struct edge edge_tea`.
 *
 * Field kinds: U8 U16 U32 U64 I64, STR (bytes with a maximum), ADDR (struct
 * netaddr).  Integers are little-endian on the wire, a STR is a 32-bit length
 * and its bytes.  A decoded STR borrows from the packet: it is gone when the
 * handler returns.
 */
struct netaddr {
	uint8_t family; /* 0 none, 4, 6 */
	uint8_t ip[16]; /* network order; the first 4 for family 4 */
	uint16_t port; /* host order */
};

enum rec_kind {
	REC_U8,
	REC_U16,
	REC_U32,
	REC_U64,
	REC_I64,
	REC_STR,
	REC_ADDR,
};

struct rec_field {
	const char *name;
	enum rec_kind kind;
	size_t offset; /* in the C struct */
	uint32_t max; /* of a STR, bytes */
};

/* The two ends of an edge: each header says which component is which. */
enum side {
	SIDE_A = 0x1,
	SIDE_B = 0x2,
	SIDE_BOTH = 0x3,
};

/*
 * Which answers fit a question follows from the order of the list: those that
 * come behind it, or behind the questions after it, up to the next question;
 * and those before the first question of all fit every one.
 */
enum rec_role {
	REC_TELL, /* needs no answer; its id means what the edge says */
	REC_ASK, /* the sender waits for an answer with the same id */
	REC_ANSWER, /* to a REC_ASK that is waiting, and has such an answer */
	/*
	 * A REC_TELL on what the other side began: it closes that, and makes
	 * nobody do anything else (sandbox/reach.h counts on it).
	 */
	REC_REPORT,
};

struct rec_type {
	unsigned type; /* 1.. */
	const char *name;
	const struct rec_field *(*fields)(void); /* ends with a NULL name */
	size_t size; /* of the C struct */
	enum rec_role role;
	enum side from;
	unsigned fds; /* exactly so many descriptors come with it */
};

struct edge {
	const char *name;
	const struct rec_type *types; /* types[i].type == i + 1 */
	size_t ntypes;
};

/* No record struct is larger, so that a decoder needs no allocation. */
#define REC_STRUCT_MAX 768

/* A record with its header fits in a packet, and a packet in a channel. */
#define REC_HEADER 16
#define REC_MAX 61440

/*
 * Encode a record behind what b holds.  -1 when a field exceeds its maximum or
 * the record is larger than REC_MAX: a bug of the caller's, who bounds first.
 */
int rec_encode(struct buf *b, const struct rec_type *t, uint64_t id,
    const void *rec) WARN_UNUSED;

/*
 * Bytes that rec_encode() would add; 0 when it would fail.
 */
size_t rec_size(const struct rec_type *t, const void *rec);

/*
 * A record's header, cut from the front of p; -1 when what is there cannot be
 * one of this edge.  *out_body has the fields' bytes, *p moves past them.
 */
struct rec_head {
	const struct rec_type *type;
	uint64_t id;
	unsigned fds;
};
int rec_next(const struct edge *e, struct str *p, struct rec_head *out,
    struct str *out_body) WARN_UNUSED;

/*
 * Decode a body into the C struct of its type (size REC_STRUCT_MAX is enough
 * for all).  Too short, too long, over a maximum: -1.
 */
int rec_decode(const struct rec_type *t, struct str body, void *rec)
    WARN_UNUSED;

/* The type with this number, or NULL. */
const struct rec_type *edge_type(const struct edge *e, unsigned type);

/* Is this type an answer to that question? */
bool edge_answers(const struct edge *e, const struct rec_type *ask,
    const struct rec_type *answer);

/* --- the macros behind EDGE_DECLARE and EDGE_DEFINE ----------------------- */
#define REC_C_U8(name, ...) uint8_t name;
#define REC_C_U16(name, ...) uint16_t name;
#define REC_C_U32(name, ...) uint32_t name;
#define REC_C_U64(name, ...) uint64_t name;
#define REC_C_I64(name, ...) int64_t name;
#define REC_C_STR(name, ...) struct str name;
#define REC_C_ADDR(name, ...) struct netaddr name;
#define REC_MEMBER(kind, ...) REC_C_##kind(__VA_ARGS__, 0)

#define REC_STRUCT(ID, sname, role, from, nfds) \
	struct sname { \
		sname##_FIELDS(REC_MEMBER) \
	}; \
	static_assert(sizeof(struct sname) <= REC_STRUCT_MAX, "record size");
#define REC_ENUM(ID, sname, role, from, nfds) ID,

#define EDGE_DECLARE(ename, LIST) \
	LIST(REC_STRUCT) \
	enum edge_##ename##_type { ename##_none_, LIST(REC_ENUM) }; \
	extern const struct edge edge_##ename

/* Inside its function `rec_self` names the struct that is being described. */
#define REC_FIELD_(kind, fname, fmax, ...) \
	{ #fname, REC_##kind, offsetof(rec_self, fname), fmax },
#define REC_FIELD(kind, ...) REC_FIELD_(kind, __VA_ARGS__, 0, 0)
#define REC_DESCRIBE(ID, sname, role, from, nfds) \
	static const struct rec_field *sname##_describe(void) \
	{ \
		typedef struct sname rec_self UNUSED; \
		static const struct rec_field fields[] = { \
			sname##_FIELDS(REC_FIELD) { NULL, 0, 0, 0 } \
		}; \
		return fields; \
	}
#define REC_TYPE(ID, sname, role, from, nfds) \
	{ ID, #ID, sname##_describe, sizeof(struct sname), role, from, nfds },

#define EDGE_DEFINE(ename, LIST) \
	LIST(REC_DESCRIBE) \
	static const struct rec_type ename##_types[] = { LIST(REC_TYPE) }; \
	const struct edge edge_##ename = { #ename, ename##_types, \
		NELEM(ename##_types) }

#endif
