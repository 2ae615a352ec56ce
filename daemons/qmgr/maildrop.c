/* SPDX-License-Identifier: ISC */
/*
 * maildrop: what local users left while nobody listened.
 *
 * Anybody may make a file there.  Only a regular file with one link, complete
 * (its owner's execute bit says so), is passed on: a link to somebody else's
 * file would be mailed in his name.  The file is removed only when its message
 * is committed; a crash in between makes two of it, never none.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dirlist.h"
#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "sandbox/sandbox.h"

#include "qmgr.h"

#define SCAN_MAX 256 /* files looked at in one scan */
#define BUSY_MAX 64 /* files that pickup has at one time */

/* A file that pickup has. */
struct dropped {
	LIST_ENTRY(dropped) link;
	struct qmgr *q;
	char name[65];
};

static LIST_HEAD(, dropped) busy = LIST_HEAD_INITIALIZER(busy);
static unsigned nbusy;

static bool
is_busy(const char *name)
{
	struct dropped *d;

	LIST_FOREACH(d, &busy, link)
		if (strcmp(d->name, name) == 0)
			return true;
	return false;
}

static bool
remove_file(struct qmgr *q, const char *name)
{
	char *path = xasprintf("maildrop/%s", name);
	int r = unlinkat(q->spool_fd, path, 0);

	if (r == -1 && errno != ENOENT)
		log_error("maildrop/%s: cannot be removed: %s", name,
		    strerror(errno));
	free(path);
	return r == 0;
}

/* What is no submission is set aside, so that an administrator can look. */
static void
set_aside(struct qmgr *q, const char *name, const char *why)
{
	char *from = xasprintf("maildrop/%s", name);
	char *to = xasprintf("corrupt/%s", name);

	log_warn("maildrop/%s: %s: moved to corrupt", name, why);
	if (renameat(q->spool_fd, from, q->spool_fd, to) == -1)
		log_error("maildrop/%s: cannot be moved: %s", name,
		    strerror(errno));
	free(from);
	free(to);
}

static void
on_result(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct maildrop_result *a = rec;
	struct dropped *d = arg;
	char why[257];

	(void)fds;
	if (type == MAILDROP_RESULT && a->result == 0) {
		remove_file(d->q, d->name);
	} else if (type == MAILDROP_RESULT && a->result == 2) {
		str_copy(str_sub(a->why, 0, 256), why, sizeof(why));
		set_aside(d->q, d->name, why);
	}
	LIST_REMOVE(d, link);
	nbusy--;
	free(d);
}

/* 1: pickup has it; 0: leave it; -1: it does not belong there. */
static int
offer(struct qmgr *q, const char *name)
{
	char *path = xasprintf("maildrop/%s", name);
	struct maildrop_file rec = { .name = str_of(name) };
	struct dropped *d;
	struct stat st;
	int fd, r = 0;

	fd = beneath_open(q->spool_fd, path, O_RDONLY | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC, 0);
	if (fd == -1) {
		/* A symbolic link does not belong there; else leave it. */
		r = errno == ELOOP ? -1 : 0;
	} else if (sealed_fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_nlink != 1) {
		r = -1;
	} else if ((st.st_mode & S_IXUSR) != 0) {
		d = xcalloc(1, sizeof(*d));
		d->q = q;
		strlcpy(d->name, name, sizeof(d->name));
		LIST_INSERT_HEAD(&busy, d, link);
		nbusy++;
		rec.uid = st.st_uid;
		rec.size = (uint64_t)st.st_size;
		rec.mtime_us = (int64_t)st.st_mtime * 1000000;
		chan_ask(q->pickup, MAILDROP_FILE, &rec, &fd, on_result, d);
		r = 1;
	}
	fd_close(&fd);
	free(path);
	return r;
}

struct dirlist *
maildrop_list(struct qmgr *q)
{
	return dirlist_open(beneath_open(q->spool_fd, "maildrop", O_RDONLY |
	    O_DIRECTORY | O_CLOEXEC, 0));
}

int
maildrop_stat(struct qmgr *q, const char *name, struct stat *st)
{
	char *path = xasprintf("maildrop/%s", name);
	int fd = beneath_open(q->spool_fd, path, O_RDONLY | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC, 0);
	int r = fd == -1 ? -1 : sealed_fstat(fd, st);

	fd_close(&fd);
	free(path);
	return r == 0 && S_ISREG(st->st_mode) ? 0 : -1;
}

/* One that pickup has is on its way: it has another name soon. */
uint32_t
maildrop_remove(struct qmgr *q, struct str name)
{
	char text[65];

	if (name.n == 0 || name.p[0] == '.' || str_chr(name, '/') != -1 ||
	    str_copy(name, text, sizeof(text)) == -1 || is_busy(text) ||
	    !remove_file(q, text))
		return 0;
	log_info("maildrop/%s: removed", text);
	return 1;
}

uint32_t
maildrop_remove_all(struct qmgr *q)
{
	struct dirlist *d = maildrop_list(q);
	const char *name;
	uint32_t n = 0;

	while (d != NULL && (name = dirlist_next(d)) != NULL)
		n += maildrop_remove(q, str_of(name));
	dirlist_close(&d);
	return n;
}

void
maildrop_scan(struct qmgr *q)
{
	struct dirlist *d;
	const char *name;
	int seen = 0;

	if (q->pickup == NULL)
		return;
	d = maildrop_list(q);
	if (d == NULL)
		return;
	while (nbusy < BUSY_MAX && seen++ < SCAN_MAX &&
	    (name = dirlist_next(d)) != NULL) {
		if (strlen(name) > 64 || name[0] == '.') {
			log_warn("maildrop: a file with an odd name is left "
			    "alone");
			continue;
		}
		if (!is_busy(name) && offer(q, name) == -1)
			set_aside(q, name, "no regular file with one link");
	}
	dirlist_close(&d);
}

static void
on_scan(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	maildrop_scan(arg);
}

const struct chan_on maildrop_on[] = {
	{ MAILDROP_SCAN, on_scan },
	{ 0, NULL },
};
