/* SPDX-License-Identifier: ISC */
/*
 * Segment files: making, finding, reading them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dirlist.h"
#include "base/fd.h"
#include "base/mem.h"
#include "journal_parts.h"
#include "spool_open.h"

#define CHUNK (1 << 20)

void
segment_name(const struct segment *s, char out[16])
{
	snprintf(out, 16, "%08u", s->number);
}

void
segment_free(struct segment **sp)
{
	struct segment *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	fd_close(&s->fd);
	free(s);
}

/* It is not to be used any more; keep its file when something was lost. */
void
segment_drop(struct journal *j, struct segment *s)
{
	char name[16], kept[64];

	segment_name(s, name);
	snprintf(kept, sizeof(kept), "journal.%llu",
	    (unsigned long long)s->head.gen);
	if (!s->damaged ||
	    renameat(j->sp->dir[SPOOL_JOURNAL], name, j->sp->dir[SPOOL_CORRUPT],
		kept) == -1)
		(void)unlinkat(j->sp->dir[SPOOL_JOURNAL], name, 0);
	segment_free(&s);
}

/* Write it through, so that its blocks are there and are data. */
static int
write_through(int fd, uint64_t size)
{
	char *zeros = xcalloc(1, CHUNK);
	uint64_t at = 0;
	int rc = 0;

	while (rc == 0 && at < size) {
		size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
		ssize_t k = pwrite(fd, zeros, n, (off_t)at);

		if (k == -1 && errno != EINTR)
			rc = -1;
		if (k > 0)
			at += (uint64_t)k;
	}
	free(zeros);
	return rc;
}

/*
 * Make a segment's file.  Stopped anywhere before its first batch, it is a
 * file without a header, which is a free segment when it has its whole size
 * and is removed otherwise.
 */
int
segment_make(const struct spool *sp, struct segment *s, uint64_t size)
{
	char name[16];
	int rc;

	segment_name(s, name);
	s->fd = spool_openat(sp, SPOOL_JOURNAL, name, O_RDWR | O_CREAT | O_EXCL,
	    0600);
	if (s->fd == -1)
		return -1;
	if (spool_reserve(s->fd, size) == -1 ||
	    write_through(s->fd, size) == -1 || fsync(s->fd) == -1 ||
	    fsync(sp->dir[SPOOL_JOURNAL]) == -1) {
		rc = errno;
		(void)unlinkat(sp->dir[SPOOL_JOURNAL], name, 0);
		fd_close(&s->fd);
		errno = rc;
		return -1;
	}
	return 0;
}

/* Keep the list in the order of generations. */
static void
insert(struct segments *list, struct segment *s)
{
	struct segment *at;

	TAILQ_FOREACH(at, list, link) {
		if (at->head.gen > s->head.gen) {
			TAILQ_INSERT_BEFORE(at, s, link);
			return;
		}
	}
	TAILQ_INSERT_TAIL(list, s, link);
}

static int
load(struct journal *j, const char *name, unsigned number)
{
	struct segment *s = xcalloc(1, sizeof(*s));
	uint8_t head[JOURNAL_PAGE];
	struct stat st;
	ssize_t n = -1;

	s->number = number;
	s->fd = spool_openat(j->sp, SPOOL_JOURNAL, name, O_RDWR, 0);
	if (s->fd != -1 && fstat(s->fd, &st) == 0)
		n = fd_pread_all(s->fd, head, sizeof(head), 0);
	if (n == -1) {
		segment_free(&s);
		return -1;
	}
	if (number >= j->numbers)
		j->numbers = number + 1;
	if (journal_get_head(head, (size_t)n, &s->head) == 0) {
		/* One of another size is read, but not used again. */
		s->state = SEGMENT_FULL;
		s->bad = s->head.size != j->segment_size ||
		    (uint64_t)st.st_size < s->head.size;
		insert(&j->used, s);
		if (s->head.gen > j->gen)
			j->gen = s->head.gen;
	} else if ((uint64_t)st.st_size == j->segment_size)
		TAILQ_INSERT_TAIL(&j->free, s, link);
	else {
		segment_drop(j, s);
		return 0;
	}
	j->nsegs++;
	return 0;
}

int
segment_load_all(struct journal *j)
{
	int fd =
	    spool_openat(j->sp, SPOOL_JOURNAL, ".", O_RDONLY | O_DIRECTORY, 0);
	struct dirlist *d = fd == -1 ? NULL : dirlist_open(fd);
	const char *de;
	int rc = 0;

	if (d == NULL) {
		fd_close(&fd);
		return -1;
	}
	while (rc == 0 && (errno = 0, de = dirlist_next(d)) != NULL) {
		uint64_t number;

		if (strlen(de) == 8 &&
		    str_u64(str_of(de), 99999999, &number) == 0)
			rc = load(j, de, (unsigned)number);
	}
	if (rc == 0 && errno != 0)
		rc = -1;
	dirlist_close(&d);
	return rc;
}
