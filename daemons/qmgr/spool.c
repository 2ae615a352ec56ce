/* SPDX-License-Identifier: ISC */
/*
 * Names in the spool directory.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/dirlist.h"
#include "base/fd.h"
#include "spool_open.h"

#define NEW_PREFIX "new."

static const char *const dir_names[SPOOL_NDIRS] = {
	[SPOOL_INCOMING] = "incoming",
	[SPOOL_DEFERRED] = "deferred",
	[SPOOL_HOLD] = "hold",
	[SPOOL_CORRUPT] = "corrupt",
	[SPOOL_JOURNAL] = "journal",
	[SPOOL_INDEX] = "index",
};

static bool
hashed(enum spool_dir dir)
{
	return dir == SPOOL_DEFERRED || dir == SPOOL_HOLD;
}

/* "4/A/ID" */
static void
name_of(char out[SPOOL_NAME_MAX], uint64_t qid, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++) {
		*out++ = qid_hash(qid, i);
		*out++ = '/';
	}
	qid_format(qid, out);
}

static void
new_name(char out[SPOOL_NAME_MAX], uint64_t qid)
{
	memcpy(out, NEW_PREFIX, sizeof(NEW_PREFIX));
	qid_format(qid, out + sizeof(NEW_PREFIX) - 1);
}

int
spool_open(struct spool *sp, int fd, unsigned depth, const char **why)
{
	*sp = (struct spool){ .fd = fd, .depth = depth };
	for (int i = 0; i < SPOOL_NDIRS; i++)
		sp->dir[i] = -1;
	for (int i = 0; i < SPOOL_NDIRS; i++) {
		*why = dir_names[i];
		if (mkdirat(fd, dir_names[i], 0700) == -1 && errno != EEXIST)
			goto fail;
		sp->dir[i] =
		    spool_beneath(fd, dir_names[i], O_RDONLY | O_DIRECTORY, 0);
		if (sp->dir[i] == -1)
			goto fail;
	}
	if (fsync(fd) == -1 && errno != EINVAL) {
		*why = "queue directory";
		goto fail;
	}
	return 0;
fail:
	spool_clear(sp);
	return -1;
}

void
spool_clear(struct spool *sp)
{
	for (int i = 0; i < SPOOL_NDIRS; i++)
		fd_close(&sp->dir[i]);
}

struct spool_at
spool_place(const struct spool *sp, enum spool_dir dir)
{
	return (struct spool_at){ dir, hashed(dir) ? sp->depth : 0 };
}

int
spool_find_in(const struct spool *sp, enum spool_dir dir, uint64_t qid,
    struct spool_at *at, struct stat *st)
{
	struct spool_at a = spool_place(sp, dir);
	char name[SPOOL_NAME_MAX];
	struct stat tmp;
	unsigned place = a.depth;

	if (st == NULL)
		st = &tmp;
	for (unsigned i = 0; i <= QID_HASH_LEVELS; i++) {
		/* First where it should be, then where it may have been. */
		if (i > 0 && (i - 1 == place || !hashed(dir)))
			continue;
		a.depth = i == 0 ? place : i - 1;
		name_of(name, qid, a.depth);
		if (fstatat(sp->dir[dir], name, st, AT_SYMLINK_NOFOLLOW) == 0) {
			*at = a;
			return 0;
		}
		if (errno != ENOENT)
			return -1;
	}
	return -1;
}

int
spool_find(const struct spool *sp, uint64_t qid, struct spool_at *at,
    struct stat *st)
{
	static const enum spool_dir order[] = { SPOOL_DEFERRED, SPOOL_INCOMING,
		SPOOL_HOLD, SPOOL_CORRUPT };

	for (size_t i = 0; i < NELEM(order); i++) {
		if (spool_find_in(sp, order[i], qid, at, st) == 0)
			return 0;
		if (errno != ENOENT)
			return -1;
	}
	return -1;
}

int
spool_openat(const struct spool *sp, enum spool_dir dir, const char *name,
    int flags, mode_t mode)
{
	return spool_beneath(sp->dir[dir], name, flags, mode);
}

int
spool_file(const struct spool *sp, struct spool_at at, uint64_t qid, int flags)
{
	char name[SPOOL_NAME_MAX];

	name_of(name, qid, at.depth);
	return spool_beneath(sp->dir[at.dir], name, flags, 0);
}

int
spool_new(const struct spool *sp, uint64_t qid, int flags)
{
	char name[SPOOL_NAME_MAX];

	new_name(name, qid);
	return spool_beneath(sp->dir[SPOOL_INCOMING], name,
	    flags | O_CREAT | O_EXCL, 0600);
}

int
spool_new_open(const struct spool *sp, uint64_t qid, int flags)
{
	char name[SPOOL_NAME_MAX];

	new_name(name, qid);
	return spool_beneath(sp->dir[SPOOL_INCOMING], name, flags, 0);
}

void
spool_new_remove(const struct spool *sp, uint64_t qid)
{
	char name[SPOOL_NAME_MAX];
	int e = errno;

	new_name(name, qid);
	(void)unlinkat(sp->dir[SPOOL_INCOMING], name, 0);
	errno = e;
}

/* Open the directory that a name is in. */
static int
parent(const struct spool *sp, struct spool_at at, uint64_t qid)
{
	char name[SPOOL_NAME_MAX];

	name_of(name, qid, at.depth);
	name[at.depth * 2] = '\0';
	return spool_beneath(sp->dir[at.dir], at.depth == 0 ? "." : name,
	    O_RDONLY | O_DIRECTORY, 0);
}

static int
sync_parent(const struct spool *sp, struct spool_at at, uint64_t qid)
{
	int fd, rc;

	if (at.depth == 0)
		return fsync(sp->dir[at.dir]);
	fd = parent(sp, at, qid);
	if (fd == -1)
		return -1;
	rc = fsync(fd);
	fd_close(&fd);
	return rc;
}

/*
 * Make the hash directories.  Each is synced into the one above before there
 * is anything in it, or a power cut could take a committed file with it.
 */
static int
make_parents(const struct spool *sp, struct spool_at at, uint64_t qid)
{
	char name[SPOOL_NAME_MAX];

	for (unsigned i = 1; i <= at.depth; i++) {
		struct spool_at above = { at.dir, i - 1 };

		name_of(name, qid, i);
		name[i * 2 - 1] = '\0';
		if (mkdirat(sp->dir[at.dir], name, 0700) == -1 &&
		    errno != EEXIST)
			return -1;
		if (sync_parent(sp, above, qid) == -1)
			return -1;
	}
	return 0;
}

static int
rename_to(const struct spool *sp, int from_fd, const char *from, uint64_t qid,
    struct spool_at to, bool sync)
{
	char name[SPOOL_NAME_MAX];
	int rc;

	name_of(name, qid, to.depth);
	rc = renameat(from_fd, from, sp->dir[to.dir], name);
	if (rc == -1 && errno == ENOENT && to.depth > 0) {
		if (make_parents(sp, to, qid) == -1)
			return -1;
		rc = renameat(from_fd, from, sp->dir[to.dir], name);
	}
	if (rc == -1 || !sync)
		return rc;
	if (sync_parent(sp, to, qid) == 0)
		return 0;
	/*
	 * Whether the name is on disk is not known.  The caller is told that it
	 * is not there, so it must not stay there.
	 */
	rc = errno;
	(void)renameat(sp->dir[to.dir], name, from_fd, from);
	errno = rc;
	return -1;
}

int
spool_publish(const struct spool *sp, uint64_t qid, enum spool_dir dir,
    bool sync, struct spool_at *at)
{
	char name[SPOOL_NAME_MAX];

	new_name(name, qid);
	*at = spool_place(sp, dir);
	return rename_to(sp, sp->dir[SPOOL_INCOMING], name, qid, *at, sync);
}

int
spool_move(const struct spool *sp, uint64_t qid, struct spool_at *at,
    enum spool_dir dir, bool sync)
{
	struct spool_at to = spool_place(sp, dir);
	char name[SPOOL_NAME_MAX];

	if (to.dir == at->dir && to.depth == at->depth)
		return 0;
	name_of(name, qid, at->depth);
	if (rename_to(sp, sp->dir[at->dir], name, qid, to, sync) == -1)
		return -1;
	*at = to;
	return 0;
}

int
spool_unlink(const struct spool *sp, uint64_t qid, struct spool_at at)
{
	char name[SPOOL_NAME_MAX];

	name_of(name, qid, at.depth);
	return unlinkat(sp->dir[at.dir], name, 0);
}

int
spool_set_due(const struct spool *sp, uint64_t qid, struct spool_at at,
    int64_t due_s)
{
	const struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = due_s } };
	char name[SPOOL_NAME_MAX];

	name_of(name, qid, at.depth);
	return utimensat(sp->dir[at.dir], name, ts, AT_SYMLINK_NOFOLLOW);
}

/* --- going over a directory ----------------------------------------------- */

static struct dirlist *
dir_beneath(int fd, const char *name)
{
	int sub = spool_beneath(fd, name, O_RDONLY | O_DIRECTORY, 0);
	struct dirlist *d;

	if (sub == -1)
		return NULL;
	d = dirlist_open(sub);
	if (d == NULL)
		fd_close(&sub);
	return d;
}

int
spool_walk_open(struct spool_walk *w, const struct spool *sp,
    enum spool_dir dir)
{
	*w = (struct spool_walk){ .sp = sp, .dir = dir };
	w->open[0] = dir_beneath(sp->dir[dir], ".");
	return w->open[0] == NULL ? -1 : 0;
}

void
spool_walk_clear(struct spool_walk *w)
{
	for (unsigned i = 0; i < QID_HASH_LEVELS; i++) {
		if (w->open[i] != NULL)
			dirlist_close(&w->open[i]);
		w->open[i] = NULL;
	}
}

/* One step down, into a hash directory; whatever else it is is passed over. */
static int
descend(struct spool_walk *w, const char *name)
{
	struct dirlist *d;

	if (!hashed(w->dir) || w->level + 1 == QID_HASH_LEVELS)
		return 0;
	d = dir_beneath(w->open[w->level]->fd, name);
	if (d == NULL)
		return errno == ENOTDIR || errno == ELOOP || errno == ENOENT ?
		    0 :
		    -1;
	w->open[++w->level] = d;
	return 0;
}

/* Is this entry one to report? */
static bool
matches(struct spool_walk *w, const char *name)
{
	struct str s = str_of(name);

	w->is_new = w->dir == SPOOL_INCOMING && str_starts(s, STR(NEW_PREFIX));
	if (w->is_new)
		s = str_sub(s, sizeof(NEW_PREFIX) - 1, s.n);
	if (qid_parse(s, &w->qid) == -1)
		return false;
	w->at = (struct spool_at){ w->dir, w->level };
	return true;
}

int
spool_walk_next(struct spool_walk *w)
{
	for (;;) {
		const char *de;

		errno = 0;
		de = dirlist_next(w->open[w->level]);
		if (de == NULL) {
			if (errno != 0)
				return -1;
			if (w->level == 0)
				return 0;
			dirlist_close(&w->open[w->level]);
			w->open[w->level--] = NULL;
		} else if (de[0] != '\0' && de[1] == '\0' &&
		    strchr("0123456789ABCDEF", de[0]) != NULL) {
			if (descend(w, de) == -1)
				return -1;
		} else if (matches(w, de))
			return 1;
	}
}
