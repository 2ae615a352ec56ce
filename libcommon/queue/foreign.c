/* SPDX-License-Identifier: ISC */
/*
 * Queues of other mail systems.
 */
#include "queue/foreign.h"

#include <sys/stat.h>

#include <stdlib.h>

#include "base/mem.h"

static bool
has_dir(const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);
	struct stat st;
	bool yes = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);

	free(path);
	return yes;
}

bool
queue_is_foreign(const char *dir)
{
	/* Postfix has both from its first start on; we have neither. */
	return has_dir(dir, "bounce") && has_dir(dir, "defer") &&
	    !has_dir(dir, "journal");
}
