/* SPDX-License-Identifier: ISC */
/*
 * A link does not replace a file.  The old name may stay for a moment, or
 * after a crash for good: in tmp/, where readers clean up.
 */
#include "rename.h"

#include <fcntl.h>
#include <unistd.h>

int
rename_fresh(int from_fd, const char *from, int to_fd, const char *to)
{
	int rc = linkat(from_fd, from, to_fd, to, 0);

	if (rc == 0)
		unlinkat(from_fd, from, 0);
	return rc;
}
