/* SPDX-License-Identifier: ISC */
/*
 * Replays a fuzz corpus as a TAP test: every file named on the command line,
 * and every file of every directory named there, goes through the target.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int cases;

static void
replay_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p;
	size_t n;

	if (fd == -1 || fd_slurp(fd, 64 << 20, &p, &n) == -1) {
		printf("not ok %d - cannot read %s\n", ++cases, path);
		exit(1);
	}
	close(fd);
	/* A copy of exactly n bytes, so that the sanitizer sees overreads. */
	uint8_t *exact = xmalloc(n);

	for (size_t i = 0; i < n; i++)
		exact[i] = (uint8_t)p[i];
	LLVMFuzzerTestOneInput(exact, n);
	printf("ok %d - %s\n", ++cases, path);
	free(exact);
	free(p);
}

static void
replay(const char *path)
{
	struct stat st;
	struct dirent *de;
	DIR *d;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	d = opendir(path);
	while (d != NULL && (de = readdir(d)) != NULL) {
		char *file;

		if (de->d_name[0] == '.')
			continue;
		file = xasprintf("%s/%s", path, de->d_name);
		replay_file(file);
		free(file);
	}
	if (d != NULL)
		closedir(d);
}

int
main(int argc, char *argv[])
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	printf("ok %d - empty input\n", ++cases);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("1..%d\n", cases);
	return 0;
}
