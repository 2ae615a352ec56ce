/* SPDX-License-Identifier: ISC */
/*
 * Lookups in a file that may be damaged.
 */
#include "table/cdb_read.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "table/table.h"

/*
 * Bounds on the work of one lookup.  Half of a hash table is empty, so that
 * honest runs are short; a run that is longer was made, or is damage.
 */
#define SLOTS_AT_ONCE 16
#define SLOTS_MAX 4096
#define CHECKS_MAX 256 /* records with the same hash */

/* A record and some of its value, in the hope of one read for both. */
#define RECORD_AT_ONCE 512

static uint32_t
le32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 |
	    (uint32_t)u[3] << 24;
}

static uint32_t
cdb_hash(struct str key, bool zero)
{
	uint32_t h = 5381;

	for (size_t i = 0; i < key.n; i++)
		h = (h + (h << 5)) ^ (unsigned char)key.p[i];
	return zero ? h + (h << 5) : h;
}

/* Read bytes [off, off + n), all of them within the file. */
static int
read_at(const struct cdb_read *c, uint32_t off, void *p, size_t n,
    const char **error)
{
	ssize_t got;

	if (off > c->size || n > c->size - off) {
		*error = "damaged (an offset beyond its end)";
		return -1;
	}
	if (off + n <= c->nbytes) {
		if (n > 0)
			memcpy(p, c->bytes + off, n);
		return 0;
	}
	got = fd_pread_all(c->fd, p, n, off);
	if (got == (ssize_t)n)
		return 0;
	*error = got == -1 ? strerror(errno) : "truncated while in use";
	return -1;
}

/* What else it may be.  12 and 16 are where those formats keep their magic. */
static const char *
other_format(const char *p, size_t n)
{
	uint32_t le = n >= 16 ? le32(p + 12) : 0;
	uint32_t be =
	    le >> 24 | (le >> 8 & 0xff00) | (le << 8 & 0xff0000) | le << 24;

	if (le == 0x00061561 || be == 0x00061561 || le == 0x00053162 ||
	    be == 0x00053162)
		return "a Berkeley DB file, which is not read here: rebuild "
		       "it from its source with postmap or postalias";
	if (n >= 20 && le32(p + 16) == 0xbeefc0de)
		return "an LMDB file, which is not read here: rebuild it "
		       "from its source with postmap or postalias";
	return NULL;
}

/* Every hash table lies within the file, behind the header. */
static const char *
check_header(struct cdb_read *c)
{
	c->records_end = c->size;
	for (size_t i = 0; i < 256; i++) {
		uint32_t pos = le32(c->bytes + 8 * i);
		uint32_t len = le32(c->bytes + 8 * i + 4);

		if (len == 0 && pos == 0)
			continue;
		if (pos < CDB_HEADER || pos > c->size ||
		    len > (c->size - pos) / 8)
			return "not a cdb file, or damaged: rebuild it from "
			       "its source with postmap or postalias";
		if (pos < c->records_end)
			c->records_end = pos;
	}
	return NULL;
}

/*
 * Whether keys carry a terminating zero shows in the first record: one program
 * wrote them all.
 */
static const char *
look_at_first(struct cdb_read *c)
{
	const char *error = NULL;
	char head[8], last;
	uint32_t klen;

	c->zeros = false;
	if (c->records_end < CDB_HEADER + 8)
		return NULL;
	if (read_at(c, CDB_HEADER, head, 8, &error) == -1)
		return error;
	klen = le32(head);
	if (klen == 0)
		return NULL;
	if (klen > c->records_end - CDB_HEADER - 8)
		return "damaged (its first record): rebuild it from its "
		       "source with postmap or postalias";
	if (read_at(c, CDB_HEADER + 8 + klen - 1, &last, 1, &error) == -1)
		return error;
	c->zeros = last == '\0';
	return NULL;
}

const char *
cdb_read_open(struct cdb_read *c, int fd)
{
	const char *error;
	struct stat st;
	ssize_t got;

	*c = (struct cdb_read){ .fd = fd };
	if (fstat(fd, &st) == -1)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_size > UINT32_MAX)
		return "larger than a cdb file can be (4 GB)";
	c->size = (uint32_t)st.st_size;
	c->nbytes = c->size <= CDB_WHOLE_MAX ? c->size : CDB_HEADER;
	c->bytes = xmalloc(c->nbytes + 1);
	got = fd_pread_all(fd, c->bytes, c->nbytes, 0);
	if (got == -1)
		error = strerror(errno);
	else if ((error = other_format(c->bytes, (size_t)got)) != NULL)
		;
	else if ((size_t)got < c->nbytes || c->size < CDB_HEADER)
		error = "not a cdb file, or truncated: rebuild it from its "
			"source with postmap or postalias";
	else if ((error = check_header(c)) == NULL)
		error = look_at_first(c);
	if (error != NULL)
		cdb_read_close(c);
	return error;
}

void
cdb_read_close(struct cdb_read *c)
{
	free(c->bytes);
	*c = (struct cdb_read){ .fd = -1 };
}

/* A record that may be the one: its place, and what has been read of it. */
struct record {
	uint32_t pos, key_len, value_len;
	char head[RECORD_AT_ONCE];
	size_t have;
};

static int
record_read(const struct cdb_read *c, struct record *r, uint32_t pos,
    const char **error)
{
	r->pos = pos;
	r->have = sizeof(r->head);
	if (pos < CDB_HEADER || pos > c->records_end ||
	    c->records_end - pos < 8) {
		*error = "damaged (a record outside of its place)";
		return -1;
	}
	if (r->have > c->records_end - pos)
		r->have = c->records_end - pos;
	if (read_at(c, pos, r->head, r->have, error) == -1)
		return -1;
	r->key_len = le32(r->head);
	r->value_len = le32(r->head + 4);
	if (r->key_len > c->records_end - pos - 8 ||
	    r->value_len > c->records_end - pos - 8 - r->key_len) {
		*error = "damaged (a record longer than the file)";
		return -1;
	}
	return 0;
}

/* Add n bytes from offset off of the record to out. */
static int
record_part(const struct cdb_read *c, const struct record *r, size_t off,
    size_t n, struct buf *out, const char **error)
{
	size_t here = 0;
	void *p;

	if (off < r->have)
		here = n < r->have - off ? n : r->have - off;
	p = buf_reserve(out, n);
	if (p == NULL) {
		*error = "a key or value longer than allowed";
		return -1;
	}
	if (here > 0)
		memcpy(p, r->head + off, here);
	if (n > here &&
	    read_at(c, r->pos + (uint32_t)(off + here), (char *)p + here,
		n - here, error) == -1)
		return -1;
	buf_grow(out, n);
	return 0;
}

/* Is it this key?  1, 0, or -1 when it cannot be read. */
static int
record_is(const struct cdb_read *c, const struct record *r, struct str key,
    const char **error)
{
	struct buf b;
	struct str have;
	int same;

	if (r->key_len != key.n + (c->zeros ? 1 : 0))
		return 0;
	if (8 + (size_t)r->key_len <= r->have) {
		have = str_make(r->head + 8, r->key_len);
		return str_eq(str_sub(have, 0, key.n), key) &&
		    (!c->zeros || have.p[key.n] == '\0');
	}
	buf_init(&b, r->key_len);
	same = -1;
	if (record_part(c, r, 8, r->key_len, &b, error) == 0) {
		have = buf_get(&b);
		same = str_eq(str_sub(have, 0, key.n), key) &&
		    (!c->zeros || have.p[key.n] == '\0');
	}
	buf_clear(&b);
	return same;
}

static int
record_value(const struct cdb_read *c, const struct record *r,
    struct buf *value, const char **error)
{
	uint32_t n = r->value_len;
	struct str s;

	if (record_part(c, r, 8 + (size_t)r->key_len, n, value, error) == -1)
		return -1;
	s = buf_get(value);
	if (c->zeros && s.n > 0 && s.p[s.n - 1] == '\0')
		buf_trim(value, 1);
	return 1;
}

/* Slots are read a few at a time. */
struct probe {
	uint32_t table, nslots, at; /* at: the next slot to look at */
	uint32_t seen;
	char chunk[SLOTS_AT_ONCE * 8];
	uint32_t first, n; /* slots in the chunk */
};

/* The next slot: 1, 0 when all were seen, -1. */
static int
probe_next(const struct cdb_read *c, struct probe *p, uint32_t *hash,
    uint32_t *pos, const char **error)
{
	const char *slot;

	if (p->seen == p->nslots)
		return 0;
	if (p->seen == SLOTS_MAX) {
		*error = "damaged (an endless hash table)";
		return -1;
	}
	if (p->seen > 0)
		p->at = p->at + 1 == p->nslots ? 0 : p->at + 1;
	p->seen++;
	if (p->n == 0 || p->at < p->first || p->at >= p->first + p->n) {
		p->first = p->at;
		p->n = p->nslots - p->at;
		if (p->n > SLOTS_AT_ONCE)
			p->n = SLOTS_AT_ONCE;
		if (read_at(c, p->table + p->first * 8, p->chunk,
			(size_t)p->n * 8, error) == -1)
			return -1;
	}
	slot = p->chunk + (size_t)(p->at - p->first) * 8;
	*hash = le32(slot);
	*pos = le32(slot + 4);
	return 1;
}

int
cdb_read_get(const struct cdb_read *c, struct str key, struct buf *value,
    const char **error)
{
	uint32_t h = cdb_hash(key, c->zeros), hash, pos;
	const char *entry = c->bytes + 8 * (size_t)(h & 255);
	struct probe p = { .table = le32(entry), .nslots = le32(entry + 4) };
	struct record r;
	unsigned checks = 0;
	int got;

	buf_reset(value);
	if (p.nslots == 0)
		return 0;
	p.at = (h >> 8) % p.nslots;
	while ((got = probe_next(c, &p, &hash, &pos, error)) == 1) {
		if (pos == 0)
			return 0;
		if (hash != h)
			continue;
		if (++checks > CHECKS_MAX) {
			*error = "damaged (too many records of one hash)";
			return -1;
		}
		if (record_read(c, &r, pos, error) == -1)
			return -1;
		got = record_is(c, &r, key, error);
		if (got == 1)
			return record_value(c, &r, value, error);
		if (got == -1)
			return -1;
	}
	return got;
}

int
cdb_read_walk(const struct cdb_read *c,
    int (*fn)(void *arg, struct str key, struct str value), void *arg,
    const char **error)
{
	struct buf key, value;
	struct record r;
	uint32_t pos = CDB_HEADER;
	int ret = 0;

	buf_init(&key, TABLE_KEY_MAX);
	buf_init(&value, TABLE_VALUE_MAX);
	while (ret == 0 && pos < c->records_end) {
		ret = -1;
		buf_reset(&key);
		buf_reset(&value);
		if (record_read(c, &r, pos, error) == -1 ||
		    record_part(c, &r, 8, r.key_len, &key, error) == -1 ||
		    record_value(c, &r, &value, error) == -1)
			break;
		if (c->zeros && buf_get(&key).n > 0)
			buf_trim(&key, 1);
		pos += 8 + r.key_len + r.value_len;
		ret = fn(arg, buf_get(&key), buf_get(&value));
	}
	buf_clear(&key);
	buf_clear(&value);
	return ret;
}
