/* SPDX-License-Identifier: ISC */
/*
 * Queue files: the header, and verifying what it promises.
 */
#include "queue/qfile.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "queue/event.h"
#include "queue/qid.h"
#include "queue/sum.h"
#include "queue/wire.h"

#define WINDOW 65536
#define SUM_AT (QFILE_HEADER - 8)

/* Drawn once; no other format begins like this.  The 0x1a ends a DOS text. */
static const uint8_t magic[16] = { 0xd7, 'P', 's', 't', 'n', 'Q', 0x1a, 0x0a,
	0x9b, 0x44, 0xe1, 0x5c, 0x03, 0xf8, 0x62, 0xa6 };

static const char *const texts[] = {
	[QFILE_OK] = "is good",
	[QFILE_UNREADABLE] = "cannot be read",
	[QFILE_EMPTY] = "was never committed",
	[QFILE_NOT] = "is not a queue file",
	[QFILE_VERSION_BAD] = "has an unknown version",
	[QFILE_SHORT] = "is shorter than what was committed",
	[QFILE_HEADER_BAD] = "has a damaged header",
	[QFILE_ENV_BAD] = "has a damaged envelope",
	[QFILE_CONTENT_BAD] = "has damaged content",
	[QFILE_ID_BAD] = "is of another message than its name says",
};

const char *
qfile_state_text(enum qfile_state s)
{
	return texts[s];
}

/* Two areas behind the header that fill the committed part without overlap. */
static bool
places_ok(const struct qfile *q)
{
	uint64_t env_end = q->env_off + q->env_len;
	uint64_t content_end = q->content_off + q->content_len;

	if (q->committed > INT64_MAX || q->env_len > ENV_SIZE_MAX ||
	    q->env_off > q->committed || q->content_off > q->committed ||
	    q->content_len > q->committed || env_end > q->committed ||
	    content_end > q->committed || q->env_off < QFILE_HEADER ||
	    q->content_off < QFILE_HEADER)
		return false;
	return env_end <= q->content_off || content_end <= q->env_off;
}

int
qfile_header(const struct qfile *q, uint8_t out[QFILE_HEADER])
{
	const uint64_t v[] = { q->qid, q->env_off, q->env_len, q->content_off,
		q->content_len, q->env_sum, q->content_sum, q->committed };
	uint8_t *p = out + sizeof(magic) + 8;

	if (!places_ok(q) || !qid_valid(q->qid)) {
		errno = EINVAL;
		return -1;
	}
	memset(out, 0, QFILE_HEADER);
	memcpy(out, magic, sizeof(magic));
	wire_put(out + sizeof(magic), QFILE_VERSION, 2);
	for (size_t i = 0; i < NELEM(v); i++, p += 8)
		wire_put(p, v[i], 8);
	wire_put(out + SUM_AT, sum64(out, SUM_AT, q->qid), 8);
	return 0;
}

static bool
zeros(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != 0)
			return false;
	}
	return true;
}

enum qfile_state
qfile_parse(const uint8_t *p, size_t n, uint64_t file_size, uint64_t qid,
    struct qfile *out)
{
	struct qfile q;
	uint64_t *const v[] = { &q.qid, &q.env_off, &q.env_len, &q.content_off,
		&q.content_len, &q.env_sum, &q.content_sum, &q.committed };
	const uint8_t *f = p + sizeof(magic) + 8;

	if (n > QFILE_HEADER)
		n = QFILE_HEADER;
	if (zeros(p, n))
		return QFILE_EMPTY;
	if (n < sizeof(magic) || memcmp(p, magic, sizeof(magic)) != 0)
		return QFILE_NOT;
	if (n < QFILE_HEADER)
		return QFILE_SHORT;
	if (wire_get(p + sizeof(magic), 2) != QFILE_VERSION)
		return QFILE_VERSION_BAD;
	for (size_t i = 0; i < NELEM(v); i++, f += 8)
		*v[i] = wire_get(f, 8);
	if (wire_get(p + SUM_AT, 8) != sum64(p, SUM_AT, q.qid) ||
	    !zeros(f, SUM_AT - (size_t)(f - p)) || !qid_valid(q.qid) ||
	    !places_ok(&q))
		return QFILE_HEADER_BAD;
	if (qid != 0 && q.qid != qid)
		return QFILE_ID_BAD;
	if (q.committed > file_size)
		return QFILE_SHORT;
	*out = q;
	return QFILE_OK;
}

enum qfile_state
qfile_open(int fd, uint64_t qid, struct qfile *out)
{
	uint8_t head[QFILE_HEADER];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return QFILE_UNREADABLE;
	n = fd_pread_all(fd, head, sizeof(head), 0);
	if (n == -1)
		return QFILE_UNREADABLE;
	return qfile_parse(head, (size_t)n, (uint64_t)st.st_size, qid, out);
}

/* The checksum of a part; 0, or -1 when it cannot be read. */
static int
sum_part(int fd, uint64_t off, uint64_t len, uint64_t seed, uint64_t *out)
{
	char *win = xmalloc(WINDOW);
	struct sum s;
	int rc = -1;

	sum_init(&s, seed);
	while (len > 0) {
		size_t want = len < WINDOW ? (size_t)len : WINDOW;
		ssize_t k = fd_pread_all(fd, win, want, (off_t)off);

		if (k >= 0 && (size_t)k < want)
			errno = EIO;
		if (k == -1 || (size_t)k < want)
			goto out;
		sum_add(&s, win, want);
		off += want;
		len -= want;
	}
	*out = sum_end(&s);
	rc = 0;
out:
	free(win);
	return rc;
}

enum qfile_state
qfile_verify_env(int fd, const struct qfile *q, struct env_counts *out)
{
	struct env_reader r;
	uint64_t sum;
	int rc;

	if (sum_part(fd, q->env_off, q->env_len, q->qid, &sum) == -1)
		return QFILE_UNREADABLE;
	if (sum != q->env_sum)
		return QFILE_ENV_BAD;
	env_open_fd(&r, fd, q->env_off, q->env_len);
	rc = env_check(&r, q->content_len, NULL, out);
	env_close(&r);
	if (rc == -1)
		return errno == EINVAL ? QFILE_ENV_BAD : QFILE_UNREADABLE;
	return QFILE_OK;
}

enum qfile_state
qfile_verify_content(int fd, const struct qfile *q)
{
	uint64_t sum;

	if (sum_part(fd, q->content_off, q->content_len, q->qid, &sum) == -1)
		return QFILE_UNREADABLE;
	return sum == q->content_sum ? QFILE_OK : QFILE_CONTENT_BAD;
}

int
qfile_events(int fd, const struct qfile *q, struct buf *b, uint64_t *end)
{
	struct stat st;
	struct event e;
	struct str in;
	uint64_t size;
	void *p;
	ssize_t k;

	buf_reset(b);
	*end = q->committed;
	if (fstat(fd, &st) == -1)
		return -1;
	if ((uint64_t)st.st_size <= q->committed)
		return 0;
	size = (uint64_t)st.st_size - q->committed;
	p = size > SIZE_MAX / 2 ? NULL : buf_reserve(b, (size_t)size);
	if (p == NULL) {
		errno = EFBIG;
		return -1;
	}
	k = fd_pread_all(fd, p, (size_t)size, (off_t)q->committed);
	if (k == -1)
		return -1;
	buf_grow(b, (size_t)k);
	in = buf_get(b);
	while (event_get(&in, q->qid, &e) == 1)
		;
	buf_trim(b, in.n);
	*end = q->committed + b->len;
	return 0;
}
