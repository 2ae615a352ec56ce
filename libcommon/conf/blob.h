/* SPDX-License-Identifier: ISC */
#ifndef CONF_BLOB_H
#define CONF_BLOB_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * The bytes of a snapshot, shared by its writer (build.c) and its reader
 * (conf.c) and nobody else.  Integers are little-endian; text is a length of
 * 32 bits, the bytes, and a NUL.
 *
 *	magic            8 bytes
 *	declaration      u64   blob_declaration()
 *	generation       u32
 *	self             u32   index of a service, or BLOB_NONE
 *	values           P_COUNT times: value
 *	services         u32, then each: service
 *	transports       u32, then each: text name, F_COUNT times value
 *	named            u32, then each: text name, value; sorted by name
 *
 *	value            i64 number, text, u32, then each: item
 *	item             u8 kind, u8 negate, u32 length of the type, text
 */
#define BLOB_MAGIC "PSTNCNF1"
#define BLOB_MAX (64 << 20)
#define BLOB_NONE UINT32_MAX
#define BLOB_ITEMS_MAX 1000000
#define BLOB_SERVICES_MAX 1000
#define BLOB_NAMED_MAX 100000

/* A number that changes with the table of parameters. */
uint64_t blob_declaration(void);

void blob_u8(struct buf *b, uint8_t v);
void blob_u32(struct buf *b, uint32_t v);
void blob_i64(struct buf *b, int64_t v);
void blob_str(struct buf *b, struct str s);

/* A reader.  Once it ran into something wrong it stays bad. */
struct blob_rd {
	struct str rest;
	int bad;
};

uint8_t blob_get_u8(struct blob_rd *r);
uint32_t blob_get_u32(struct blob_rd *r, uint32_t max);
int64_t blob_get_i64(struct blob_rd *r);
struct str blob_get_str(struct blob_rd *r);

#endif
