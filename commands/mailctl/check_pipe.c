/* SPDX-License-Identifier: ISC */
/*
 * check: lines of master.cf that run commands.  What is wrong with one shows
 * when there is mail for it, which may be long after it was written.  That a
 * user or a program is not there is no fault as long as there is none: files
 * of distributions have lines for software that may be installed one day.
 */
#include "mailctl.h"

#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "conf/pipe_args.h"

static bool
exists(struct str name, bool group)
{
	char *s = str_dup(name);
	bool is_there = group ? getgrnam(s) != NULL : getpwnam(s) != NULL;

	free(s);
	return is_there;
}

/* A program with a $ in its path depends on the message, another on PATH. */
static void
look_at_program(struct str path, struct buf *why)
{
	char *s = str_dup(path);
	struct stat st;

	if (s[0] == '/' && strchr(s, '$') == NULL) {
		if (stat(s, &st) == -1)
			buf_printf(why, "%s: %s", s, strerror(errno));
		else if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0)
			buf_printf(why, "%s is no program", s);
	}
	free(s);
}

/* -1: it can never work. */
static int
look(const struct conf_service *self, struct buf *why)
{
	struct pipe_args a;

	if (pipe_args_read(self->args, &a, why) == -1)
		return -1;
	if (!exists(a.user, false))
		buf_printf(why, "there is no user \"" STR_FMT "\"",
		    STR_ARG(a.user));
	else if (a.group.n > 0 && !exists(a.group, true))
		buf_printf(why, "there is no group \"" STR_FMT "\"",
		    STR_ARG(a.group));
	else
		look_at_program(str_sub(self->args.v[a.argv].text,
		    strlen("argv="), SIZE_MAX), why);
	return 0;
}

int
check_pipe(struct build *b, const struct service *sv, struct buf *why)
{
	int fd = build_memfd(b, sv, 1), rc = 0;
	struct conf *c = fd == -1 ? NULL : conf_open(fd);

	/* Where there is no snapshot, that has been reported. */
	if (c != NULL && conf_self(c) != NULL)
		rc = look(conf_self(c), why);
	conf_free(&c);
	fd_close(&fd);
	return rc;
}
