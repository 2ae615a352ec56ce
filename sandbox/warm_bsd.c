/* SPDX-License-Identifier: ISC */
/*
 * No images: a process is made by fork and exec, for every task.  A copy made
 * by another than the launcher would not be its child.
 */
#include "sandbox/warm.h"

#include <errno.h>
#include <stdlib.h>

bool
warm_possible(void)
{
	return false;
}

static int
not_here(void)
{
	errno = ENOSYS;
	return -1;
}

pid_t
warm_clone(void)
{
	return not_here();
}

int
warm_give(int fd, uint32_t instance, struct str name, int object)
{
	(void)fd;
	(void)instance;
	(void)name;
	(void)object;
	return not_here();
}

int
warm_ready(int fd, void (*say)(void *arg, int level, const char *text),
    void *arg)
{
	(void)fd;
	(void)say;
	(void)arg;
	return not_here();
}

pid_t
warm_birth(int fd, uint32_t instance, int channel, int note)
{
	(void)fd;
	(void)instance;
	(void)channel;
	(void)note;
	return not_here();
}

uint32_t
warm_serve(const struct policy *policy, const struct sandbox_place *place,
    const struct warm *w)
{
	(void)policy;
	(void)place;
	(void)w;
	exit(70);
}

void
warm_say(int level, struct str text)
{
	(void)level;
	(void)text;
}
