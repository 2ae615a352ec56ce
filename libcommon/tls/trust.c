/* SPDX-License-Identifier: ISC */
/*
 * Certificates of authorities, collected by who may open files for those who
 * may not.
 */
#include "tls/trust.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

static int
add_file(int dir, const char *name, struct buf *all)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = -1;
	struct stat st;
	size_t n;

	if (fd == -1)
		return -1;
	errno = EINVAL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		n = (size_t)st.st_size;
		errno = EFBIG;
		if (n < TLS_TRUST_MAX - all->len &&
		    fd_pread_all(fd, buf_reserve(all, n + 1), n, 0) ==
			(ssize_t)n) {
			buf_grow(all, n);
			buf_puts(all, "\n");
			rc = 0;
		}
	}
	close(fd);
	return rc;
}

/*
 * In such a directory the library would look for names like 9d66eef0.0: the
 * hash of the subject, and a number.
 */
static bool
is_hash_name(const char *name)
{
	return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' &&
	    name[9] >= '0' && name[9] <= '9';
}

static int
add_directory(const char *path, struct buf *all)
{
	DIR *d = opendir(path);
	struct dirent *de;
	int rc = 0;

	if (d == NULL)
		return -1;
	while (rc == 0 && (de = readdir(d)) != NULL) {
		if (!is_hash_name(de->d_name))
			continue;
		/* What cannot be read is no reason to go without the rest. */
		if (add_file(dirfd(d), de->d_name, all) == -1 && errno == EFBIG)
			rc = -1;
	}
	closedir(d);
	return rc;
}

static char *
full(const char *base, struct str name)
{
	if (name.p[0] == '/')
		return str_dup(name);
	return xasprintf("%s/" STR_FMT, base, STR_ARG(name));
}

int
tls_trust_memfd(const char *base, struct str file, struct str path,
    struct buf *err)
{
	char *name = NULL;
	struct buf all;
	int fd = -1, rc = 0;

	buf_init(&all, TLS_TRUST_MAX);
	if (file.n > 0) {
		name = full(base, file);
		rc = add_file(AT_FDCWD, name, &all);
	}
	if (rc == 0 && path.n > 0) {
		free(name);
		name = full(base, path);
		rc = add_directory(name, &all);
	}
	if (rc == 0)
		fd = memfd_from("trust", buf_get(&all).p, all.len);
	if (fd == -1)
		buf_printf(err, "%s: %s", name, strerror(errno));
	free(name);
	buf_clear(&all);
	return fd;
}
