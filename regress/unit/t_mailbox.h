/* SPDX-License-Identifier: ISC */
/*
 * What the tests of the mailbox component share: a directory of their own, a
 * message in a memory file, a delivery of it, and a look at what was written.
 */
#include <sys/mount.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "daemons/mailbox/mailbox.h"

struct box {
	struct loop *loop;
	struct mailbox mb;
	char dir[64];
	char *buf;
};

static UNUSED int
box_setup(void **state)
{
	struct box *b = xcalloc(1, sizeof(*b));

	strlcpy(b->dir, "/tmp/t_mailbox.XXXXXX", sizeof(b->dir));
	assert_non_null(mkdtemp(b->dir));
	b->loop = loop_new();
	mailbox_init(&b->mb, b->loop);
	b->mb.root_fd[MAILBOX_HOME] = open(b->dir, O_RDONLY | O_DIRECTORY);
	b->mb.uid = geteuid();
	b->mb.gid = getegid();
	strlcpy(b->mb.host, "host.example", sizeof(b->mb.host));
	b->buf = xmalloc(WRITE_BUF);
	*state = b;
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static UNUSED int
box_teardown(void **state)
{
	struct box *b = *state;

	close(b->mb.root_fd[MAILBOX_HOME]);
	mailbox_clear(&b->mb);
	loop_free(&b->loop);
	nftw(b->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(b->buf);
	free(b);
	return 0;
}

/* A path below the test's directory; of the last four calls. */
static const char *
at(const struct box *b, const char *path)
{
	static char text[4][512];
	static int i;

	i = (i + 1) % 4;
	snprintf(text[i], sizeof(text[i]), "%s/%s", b->dir, path);
	return text[i];
}

static UNUSED struct delivery *
delivery(struct box *b, const char *path, const char *prefix,
    const char *content)
{
	struct delivery *d = xcalloc(1, sizeof(*d));
	size_t n = strlen(path);

	d->mb = &b->mb;
	d->root_fd = b->mb.root_fd[MAILBOX_HOME];
	d->maildir = path[n - 1] == '/';
	d->path = xstrndup(path, d->maildir ? n - 1 : n);
	d->sender = xstrdup("sender@example.com");
	d->copy = xstrdup(prefix);
	d->prefix = str_of(d->copy);
	d->size = strlen(content);
	d->fd = memfd_from("message", content, d->size);
	d->file_fd = -1;
	assert_int_not_equal(d->fd, -1);
	return d;
}

static UNUSED void
forget(struct delivery *d)
{
	close(d->fd);
	free(d->edits);
	free(d->path);
	free(d->sender);
	free(d->copy);
	free(d);
}

/* The whole of a file, as a string to be freed; NULL when there is none. */
static UNUSED char *
content_of(const char *path)
{
	int fd = open(path, O_RDONLY);
	char *p = NULL;
	size_t n;

	if (fd == -1)
		return NULL;
	assert_int_equal(fd_slurp(fd, 64 << 20, &p, &n), 0);
	close(fd);
	return p;
}

/* How many files; the path of the last of them in name (of 512 bytes). */
static UNUSED int
files_in(const char *dir, char *name)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			n++;
			if (name != NULL)
				snprintf(name, 512, "%s/%s", dir, e->d_name);
		}
	closedir(d);
	return n;
}

/* A file system of n kilobytes on the directory, in a namespace of ours. */
static UNUSED bool
small_disk(struct box *b, int kb)
{
	char opt[64];

	snprintf(opt, sizeof(opt), "size=%dk,nr_inodes=64", kb);
	if (geteuid() != 0 || unshare(CLONE_NEWNS) == -1 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("tmpfs", b->dir, "tmpfs", 0, opt) == -1)
		return false;
	close(b->mb.root_fd[MAILBOX_HOME]);
	b->mb.root_fd[MAILBOX_HOME] = open(b->dir, O_RDONLY | O_DIRECTORY);
	return true;
}
