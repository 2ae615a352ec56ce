/* SPDX-License-Identifier: ISC */
#include "base/self.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

char *
self_directory(void)
{
	char path[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL)
		return NULL;
	*slash = '\0';
	return xstrdup(path);
}
