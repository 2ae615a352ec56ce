/* SPDX-License-Identifier: ISC */
/*
 * Directories beneath the one we hold.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/sandbox.h"

#include "mailbox.h"

bool
path_ok(struct str path)
{
	struct str part, rest = path;

	if (path.n == 0 || path.n >= MAILBOX_PATH - 64 || path.p[0] == '/' ||
	    memchr(path.p, '\0', path.n) != NULL)
		return false;
	while (str_token(&rest, "/", &part))
		if (str_eq(part, STR("..")) || part.n > 255)
			return false;
	return true;
}

int
path_dir(int root_fd, const char *path)
{
	return beneath_open(root_fd, path[0] == '\0' ? "." : path,
	    O_RDONLY | O_DIRECTORY, 0);
}

int
path_parent(int root_fd, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[MAILBOX_PATH];

	*name = slash == NULL ? path : slash + 1;
	if (slash == NULL)
		return path_dir(root_fd, ".");
	if (str_copy(str_make(path, (size_t)(slash - path)), dir,
		sizeof(dir)) == -1) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return path_dir(root_fd, dir);
}

/* One directory whose parent is there. */
static int
make_one(int root_fd, const char *path)
{
	const char *name;
	int dir = path_parent(root_fd, path, &name), rc;

	if (dir == -1)
		return -1;
	rc = mkdirat(dir, name, 0700);
	/* Its name must survive a crash before anything in it counts. */
	if (rc == 0)
		rc = fsync(dir);
	else if (errno == EEXIST)
		rc = 0;
	fd_close(&dir);
	return rc;
}

int
path_make(int root_fd, const char *path)
{
	char part[MAILBOX_PATH];

	if (strlcpy(part, path, sizeof(part)) >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (char *p = part; *p != '\0'; p++) {
		if (*p != '/' || p[1] == '/' || p[1] == '\0')
			continue;
		*p = '\0';
		if (make_one(root_fd, part) == -1)
			return -1;
		*p = '/';
	}
	return make_one(root_fd, part);
}
