/* SPDX-License-Identifier: ISC */
/*
 * Processes on Linux, looked at through /proc.
 */
#include "kin_parts.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

/*
 * Parent and start time of a process, from /proc/PID/stat; the name in it is
 * in parentheses and may be anything, so the last one counts.
 */
bool
kin_look(pid_t pid, pid_t *parent, uint64_t *start)
{
	char path[64], text[1024];
	FILE *f;
	size_t n;
	char *p, state;
	int ppid;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	if (p == NULL ||
	    sscanf(p + 1,
		" %c %d %*d %*d %*d %*d %*u %*u %*u %*u "
		"%*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
		&state, &ppid, start) != 3)
		return false;
	*parent = ppid;
	return state != 'Z';
}

/* The name of its program's file; one that was replaced keeps its name. */
void
kin_program(pid_t pid, char *out, size_t size)
{
	char path[64], target[PATH_MAX];
	struct str name;
	ssize_t n;

	out[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	name = str_make(target, (size_t)n);
	if (str_ends(name, STR(" (deleted)")))
		name = str_sub(name, 0, name.n - 10);
	name = str_sub(name, (size_t)(str_rchr(name, '/') + 1), name.n);
	str_copy(name, out, size);
}

void
kin_find(struct kin *k, pid_t launcher)
{
	DIR *d = opendir("/proc");
	struct dirent *de;
	uint64_t pid, start;
	pid_t parent;

	*k = (struct kin){ 0 };
	if (kin_look(launcher, &parent, &start))
		kin_add(k, launcher, start);
	while (d != NULL && (de = readdir(d)) != NULL)
		if (str_u64(str_of(de->d_name), INT32_MAX, &pid) == 0 &&
		    kin_look((pid_t)pid, &parent, &start) && parent == launcher)
			kin_add(k, (pid_t)pid, start);
	if (d != NULL)
		closedir(d);
}

int
kin_descriptors(pid_t pid)
{
	struct dirent *de;
	char path[64];
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	if (d == NULL)
		return -1;
	while ((de = readdir(d)) != NULL)
		if (de->d_name[0] != '.')
			n++;
	closedir(d);
	return n;
}

void
kin_ids(pid_t pid, uid_t *uid, gid_t *gid)
{
	char path[64], line[256];
	unsigned id;
	FILE *f;

	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "Uid: %u", &id) == 1)
			*uid = (uid_t)id;
		else if (sscanf(line, "Gid: %u", &id) == 1)
			*gid = (gid_t)id;
	}
	fclose(f);
}
