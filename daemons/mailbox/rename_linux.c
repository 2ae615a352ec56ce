/* SPDX-License-Identifier: ISC */
/*
 * One call where the file system knows how, a link where it does not.
 */
#include "rename.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int
rename_fresh(int from_fd, const char *from, int to_fd, const char *to)
{
	int rc = renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE);

	if (rc == -1 && errno == EINVAL) {
		rc = linkat(from_fd, from, to_fd, to, 0);
		if (rc == 0)
			unlinkat(from_fd, from, 0);
	}
	return rc;
}
