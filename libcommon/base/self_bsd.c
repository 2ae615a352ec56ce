/* SPDX-License-Identifier: ISC */
/*
 * FreeBSD and NetBSD know the path of a process's program.  OpenBSD does not
 * keep it: there the programs are where they were installed to.
 */
#include "base/self.h"

#include <sys/sysctl.h>
#include <sys/types.h>

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "base/mem.h"

char *
self_directory(void)
{
#ifdef KERN_PROC_PATHNAME
	int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, -1 };
	char path[PATH_MAX], *slash;
	size_t n = sizeof(path);

	if (sysctl(mib, 4, path, &n, NULL, 0) == -1)
		return NULL;
	slash = strrchr(path, '/');
	if (slash == NULL)
		return NULL;
	*slash = '\0';
	return xstrdup(path);
#else
	return NULL;
#endif
}
