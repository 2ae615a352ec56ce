/* SPDX-License-Identifier: ISC */
/*
 * An instance of the mail system: wholly described by the directory that its
 * configuration is in.
 */
#include "mailctl.h"

#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/self.h"
#include "conf/eval.h"
#include "sandbox/overlay.h"

/*
 * queue_directory alone, when something else in the configuration is no good.
 */
static char *
queue_directory(struct instance *in)
{
	struct report rep;
	struct eval e = { .main = &in->build.main,
		.host = &in->build.host,
		.dir = in->build.dir,
		.rep = &rep };
	struct buf b;

	buf_init(&b, PATH_MAX);
	report_init(&rep);
	if (eval_param(&e, P_QUEUE_DIRECTORY, &b) == -1)
		buf_reset(&b);
	eval_clear(&e);
	report_clear(&rep);
	return buf_take(&b);
}

static const char *
config_dir(void)
{
	const char *dir = opt.dir != NULL ? opt.dir : getenv("MAIL_CONFIG");

	return dir == NULL || *dir == '\0' ? SYSCONFDIR : dir;
}

int
instance_overlays(uid_t owner, struct buf *err)
{
	struct overlays o;

	return overlays_read(config_dir(), owner, &o, err) == -1 ?
	    -1 :
	    overlays_use(&o, err);
}

void
need_overlays(void)
{
	struct buf err;

	buf_init(&err, 65536);
	if (instance_overlays((uid_t)-1, &err) == -1)
		die("%s", buf_cstr(&err));
	buf_clear(&err);
}

void
instance_open(struct instance *in)
{
	char path[PATH_MAX];
	const char *dir = config_dir();
	int fd;

	*in = (struct instance){ 0 };
	if (realpath(dir, path) == NULL)
		die("%s: %s (name the configuration directory with -c or "
		    "MAIL_CONFIG)",
		    dir, strerror(errno));
	in->dir = xstrdup(path);
	build_load(&in->build, in->dir);
	if (build_check(&in->build) == 0) {
		fd = build_memfd(&in->build, NULL, 1);
		if (fd != -1)
			in->conf = conf_open(fd);
		fd_close(&fd);
	}
	in->queue_dir = in->conf != NULL ?
	    xstrdup(conf_cstr(in->conf, P_QUEUE_DIRECTORY)) :
	    queue_directory(in);
}

void
instance_clear(struct instance *in)
{
	conf_free(&in->conf);
	build_clear(&in->build);
	free(in->dir);
	free(in->queue_dir);
	*in = (struct instance){ 0 };
}

size_t
instance_report(const struct instance *in, bool warnings)
{
	const struct report *rep = &in->build.rep;

	for (size_t i = 0; i < rep->n; i++) {
		bool error = rep->v[i].level == REPORT_ERROR;
		char *line;

		if (!error && !warnings)
			continue;
		line = report_line(&rep->v[i]);
		if (error)
			say("error: %s", line);
		else
			warn_of("%s", line);
		free(line);
	}
	if (rep->errors == 0 && in->conf == NULL)
		say("error: %s: the configuration cannot be used", in->dir);
	return rep->errors;
}

pid_t
instance_pid(const struct instance *in)
{
	char *path = xasprintf("%s/pid/master.pid", in->queue_dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[32] = "";
	struct str all, word;
	uint64_t pid;
	pid_t r = 0;

	free(path);
	if (fd == -1)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	if (flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK) {
		r = -1;
		errno = EBADMSG;
		if (fd_pread_all(fd, text, sizeof(text) - 1, 0) > 0) {
			all = str_of(text);
			if (str_token(&all, " \n", &word) &&
			    str_u64(word, INT_MAX, &pid) == 0 && pid > 1)
				r = (pid_t)pid;
			if (str_eq(str_trim(all), STR("offline")))
				r = 0;
		}
	}
	fd_close(&fd);
	return r;
}

char *
program_path(const char *name)
{
	char *own = self_directory(), *path = NULL;

	if (own != NULL)
		path = xasprintf("%s/../libexec/postern/%s", own, name);
	if (path == NULL || access(path, X_OK) == -1) {
		free(path);
		path = xasprintf("%s/%s", LIBEXECDIR, name);
	}
	free(own);
	return path;
}

/*
 * The policy as text, to be compared with what is compiled in: in the data
 * directory of an installation, or at the top of the sources.
 */
char *
policy_path(const char *name)
{
	static const char *const where[] = { "../share/postern/policy",
		"../../policy" };
	char *own = self_directory(), *path;

	for (size_t i = 0; own != NULL && i < NELEM(where); i++) {
		path = xasprintf("%s/%s/%s.policy", own, where[i], name);
		if (access(path, R_OK) == 0) {
			free(own);
			return path;
		}
		free(path);
	}
	free(own);
	return xasprintf("%s/policy/%s.policy", DATADIR, name);
}
