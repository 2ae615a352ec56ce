/* SPDX-License-Identifier: ISC */
/*
 * A small file of the user's own: ~/.forward.
 *
 * Whoever can write to it decides where the user's mail goes, so it must be
 * the user's (or root's) and writable by nobody else.  A group is somebody
 * else, but for the user's own.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/sandbox.h"
#include "table/alias_value.h"

#include "mailbox.h"

#define ITEMS_MAX 1000 /* of a line */

static bool
trusted(const struct mailbox *mb, const struct stat *st)
{
	return S_ISREG(st->st_mode) &&
	    (st->st_uid == mb->uid || st->st_uid == 0) &&
	    (st->st_mode & S_IWOTH) == 0 &&
	    ((st->st_mode & S_IWGRP) == 0 || st->st_gid == mb->gid);
}

static uint8_t
status_of(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return MAILBOX_READ_NONE;
	case ELOOP:  /* a symbolic link */
	case EXDEV:  /* one that leads out of the home */
	case EACCES: /* not even its owner may read it */
		return MAILBOX_READ_REFUSED;
	default:
		return MAILBOX_READ_LATER;
	}
}

void
user_file_read(struct pool_job *j)
{
	struct user_file *f = (struct user_file *)j;
	int root = f->mb->root_fd[MAILBOX_HOME], fd;
	struct stat st;
	size_t max = f->text.max;
	ssize_t n;
	char *p;

	fd = root == -1 ?
	    -1 :
	    beneath_open(root, f->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd == -1) {
		f->status = root == -1 ? MAILBOX_READ_NONE : status_of(errno);
		return;
	}
	if (sealed_fstat(fd, &st) == -1) {
		f->status = MAILBOX_READ_LATER;
	} else if (!trusted(f->mb, &st) || (uint64_t)st.st_size > max) {
		f->status = MAILBOX_READ_REFUSED;
	} else if (st.st_size > 0) {
		p = buf_reserve(&f->text, (size_t)st.st_size);
		n = p == NULL ? -1 : fd_pread_all(fd, p, (size_t)st.st_size, 0);
		f->status = n == -1 ? MAILBOX_READ_LATER : MAILBOX_READ_OK;
		if (n > 0)
			buf_grow(&f->text, (size_t)n);
	} else {
		f->status = MAILBOX_READ_OK;
	}
	fd_close(&fd);
}

bool
user_file_has(const struct user_file *f)
{
	struct str text = buf_get(&f->text), line;
	struct alias_parser ap;
	struct alias_item it;
	bool found = false;

	while (!found && str_token(&text, "\n", &line)) {
		if (alias_is_comment(line))
			continue;
		alias_parse(&ap, line, ITEMS_MAX);
		ap.home = true;
		while (!found && alias_next(&ap, &it) == 1)
			found = it.kind == ALIAS_COMMAND &&
			    str_eq(it.text, str_of(f->command));
		alias_end(&ap);
	}
	return found;
}
