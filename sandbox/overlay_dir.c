/* SPDX-License-Identifier: ISC */
/*
 * The overlays of an instance: files, whose they are, and putting them in
 * force.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/overlay.h"
#include "sandbox/policy_names.h"
#include "sandbox/reach.h"
#include "sandbox/sandbox.h"

#define FOLDER "policy.d"
#define SUFFIX ".policy"

static void PRINTFLIKE(2, 3) fault(struct buf *err, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(err, "%s%s", err->len > 0 ? "\n" : "", text);
}

/* Who may write here decides what the mail system may. */
static int
trusted(int fd, const char *name, uid_t owner, struct buf *err)
{
	struct stat st;

	if (owner == (uid_t)-1)
		return 0;
	if (fstat(fd, &st) == -1) {
		fault(err, "%s: %s", name, strerror(errno));
		return -1;
	}
	if (st.st_uid != 0 && st.st_uid != owner) {
		fault(err, "%s: belongs to user id %u; make it root's", name,
		    (unsigned)st.st_uid);
		return -1;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		fault(err,
		    "%s: others than its owner may write there; "
		    "chmod go-w",
		    name);
		return -1;
	}
	return 0;
}

/* The policy that a file is for, by the file's name. */
static const struct policy *
base_of(const char *file, const char *path, struct buf *err)
{
	struct named names[128] = { { NULL, 0 } };
	struct str name = str_of(file);
	const char *near;
	size_t n = 0;

	if (!str_ends(name, STR(SUFFIX))) {
		fault(err, "%s: no overlay is called that: COMPONENT" SUFFIX,
		    path);
		return NULL;
	}
	name.n -= strlen(SUFFIX);
	for (size_t i = 0; i < policy_count() && n < NELEM(names) - 1; i++) {
		const struct policy *p = policy_at(i);

		if (str_eq(name, str_of(p->name)))
			return p->base != NULL ? p->base : p;
		names[n++].name = p->name;
	}
	near = named_near(names, name);
	if (near != NULL)
		fault(err,
		    "%s: there is no component '" STR_FMT "': did you "
		    "mean '%s'?",
		    path, STR_ARG(name), near);
	else
		fault(err, "%s: there is no component '" STR_FMT "'", path,
		    STR_ARG(name));
	return NULL;
}

static int
read_one(int dir_fd, const char *file, uid_t owner, struct overlays *out,
    struct buf *err)
{
	char path[300], text[1024], *p = NULL;
	const struct policy *base;
	struct policy *made;
	size_t n;
	int fd, rc = -1;

	snprintf(path, sizeof(path), FOLDER "/%s", file);
	base = base_of(file, path, err);
	if (base == NULL)
		return -1;
	fd = openat(dir_fd, file,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1) {
		fault(err, "%s: %s", path, strerror(errno));
	} else if (trusted(fd, path, owner, err) == 0) {
		if (fd_slurp(fd, OVERLAY_MAX + 1, &p, &n) == -1)
			fault(err, "%s: %s", path, strerror(errno));
		else if (overlay_parse(path, str_make(p, n), base, &made, text,
			     sizeof(text)) == -1)
			fault(err, "%s", text);
		else
			rc = 0;
	}
	if (rc == 0) {
		out->v = xreallocarray(out->v, out->n + 1, sizeof(*out->v));
		out->v[out->n++] = made;
	}
	free(p);
	fd_close(&fd);
	return rc;
}

int
overlays_read(const char *directory, uid_t owner, struct overlays *out,
    struct buf *err)
{
	char *path = xasprintf("%s/" FOLDER, directory);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	struct dirent **list = NULL;
	int n = 0;

	*out = (struct overlays){ 0 };
	if (fd == -1 && errno != ENOENT) {
		fault(err, "%s: %s", path, strerror(errno));
		rc = -1;
	} else if (fd != -1) {
		rc = trusted(fd, FOLDER, owner, err);
		n = scandir(path, &list, NULL, alphasort);
		if (n == -1) {
			fault(err, "%s: %s", path, strerror(errno));
			rc = -1;
		}
	}
	for (int i = 0; i < n; i++) {
		/* All faults are shown, not only the first. */
		if (list[i]->d_name[0] != '.' &&
		    read_one(fd, list[i]->d_name, owner, out, err) == -1)
			rc = -1;
		free(list[i]);
	}
	free(list);
	fd_close(&fd);
	free(path);
	if (rc == -1)
		overlays_clear(out);
	return rc;
}

void
overlays_clear(struct overlays *o)
{
	for (size_t i = 0; i < o->n; i++)
		policy_free(&o->v[i]);
	free(o->v);
	*o = (struct overlays){ 0 };
}

int
overlays_use(struct overlays *o, struct buf *err)
{
	struct buf report;
	struct reach r;
	int rc = 0;

	for (size_t i = 0; i < o->n; i++)
		policy_replace(o->v[i]);
	free(o->v);
	*o = (struct overlays){ 0 };
	r = reach_compiled();
	buf_init(&report, 1 << 16);
	if (reach_nevers(&r, &report) > 0) {
		fault(err, STR_FMT, STR_ARG(str_trim(buf_get(&report))));
		rc = -1;
	}
	buf_clear(&report);
	return rc;
}

bool
overlays_in_force(const struct overlays *o)
{
	size_t have = 0;

	for (size_t i = 0; i < policy_count(); i++)
		have += policy_at(i)->base != NULL;
	for (size_t i = 0; i < o->n; i++) {
		const struct policy *p = policy_find(str_of(o->v[i]->name));

		if (p == NULL ||
		    memcmp(p->hash, o->v[i]->hash, POLICY_HASH) != 0)
			return false;
	}
	return have == o->n;
}

int
overlays_same(const char *directory, struct buf *err)
{
	struct overlays o;
	int rc = overlays_read(directory, (uid_t)-1, &o, err);

	if (rc == 0 && !overlays_in_force(&o)) {
		fault(err, FOLDER " changes only with a stop and a start");
		rc = -1;
	}
	overlays_clear(&o);
	return rc;
}

int
overlay_take(struct str component, struct str text, char *err, size_t err_size)
{
	const struct policy *p = policy_find(component);
	struct policy *made;
	char file[128];

	snprintf(file, sizeof(file), FOLDER "/" STR_FMT SUFFIX,
	    STR_ARG(component));
	if (p == NULL) {
		snprintf(err, err_size, "%s: no such component", file);
		return -1;
	}
	if (overlay_parse(file, text, p->base != NULL ? p->base : p, &made, err,
		err_size) == -1)
		return -1;
	if (p->base != NULL && memcmp(p->hash, made->hash, POLICY_HASH) == 0)
		policy_free(&made); /* is in force */
	else
		policy_replace(made);
	return 0;
}

const struct policy *
sandbox_policy(const char *name, char *err, size_t err_size)
{
	const char *text = getenv(SANDBOX_OVERLAY);
	const struct policy *p;

	if (text != NULL &&
	    overlay_take(str_of(name), str_of(text), err, err_size) == -1)
		return NULL;
	p = policy_find(str_of(name));
	if (p == NULL)
		snprintf(err, err_size, "there is no policy for %s", name);
	return p;
}
