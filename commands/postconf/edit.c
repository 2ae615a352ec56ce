/* SPDX-License-Identifier: ISC */
/*
 * Editing main.cf.  Lines that are not asked for, comments above all, stay
 * as they are.
 */
#include "postconf.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

/* ---- files ---- */

char *
edit_read(const char *dir, const char *name, size_t *n)
{
	char *path = xasprintf("%s/%s", dir, name), *text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || fd_slurp(fd, MAINCF_SIZE_MAX, &text, n) == -1)
		die("open %s: %s", path, strerror(errno));
	fd_close(&fd);
	free(path);
	return text;
}

static void
sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd != -1)
		fsync(fd);
	fd_close(&fd);
}

void
edit_replace(const char *dir, const char *name, struct str text)
{
	char *path = xasprintf("%s/%s", dir, name), *real, *tmp;
	struct stat st;
	int fd;

	/* A link stays a link: what it points to is replaced. */
	real = realpath(path, NULL);
	if (real == NULL || stat(real, &st) == -1)
		die("open %s: %s", path, strerror(errno));
	tmp = xasprintf("%s.tmp", real);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		die("create %s: %s", tmp, strerror(errno));
	/* Stop here, and the old file is in place, with a .tmp beside it. */
	if ((fchown(fd, st.st_uid, st.st_gid) == -1 && geteuid() == 0) ||
	    fchmod(fd, st.st_mode & 07777) == -1 ||
	    fd_write_all(fd, text.p, text.n) == -1 || fsync(fd) == -1 ||
	    rename(tmp, real) == -1) {
		int saved = errno;

		unlink(tmp);
		die("write %s: %s", tmp, strerror(saved));
	}
	/* From here on the new one is. */
	fd_close(&fd);
	*strrchr(real, '/') = '\0';
	sync_dir(*real == '\0' ? "/" : real);
	free(path);
	free(real);
	free(tmp);
}

/* ---- requests ---- */

struct change {
	struct str name, value;
	bool done;
};

static struct change *
parse_changes(const struct options *o)
{
	struct change *v = xcalloc((size_t)o->nnames, sizeof(*v));

	for (int i = 0; i < o->nnames; i++) {
		struct str s = str_of(o->names[i]);
		ptrdiff_t eq = str_chr(s, '=');

		if (str_chr(s, '\n') != -1)
			die("newline in \"%s\"", o->names[i]);
		if (o->edit == EDIT_SET && eq == -1)
			die("missing '=' after attribute name: \"%s\"",
			    o->names[i]);
		if (o->edit != EDIT_SET && eq != -1)
			die("with -# and -X give names alone: \"%s\"",
			    o->names[i]);
		v[i].name = str_trim(eq == -1 ? s : str_sub(s, 0, (size_t)eq));
		if (eq != -1)
			v[i].value = str_trim(str_sub(s, (size_t)eq + 1, s.n));
		if (v[i].name.n == 0)
			die("missing attribute name: \"%s\"", o->names[i]);
	}
	return v;
}

/* The last request for a name counts. */
static struct change *
find_change(struct change *v, int n, struct str name)
{
	for (int i = n - 1; i >= 0; i--)
		if (str_eq(v[i].name, name))
			return &v[i];
	return NULL;
}

static void
put_change(struct buf *out, const struct change *c)
{
	buf_printf(out, STR_FMT " =%s" STR_FMT "\n", STR_ARG(c->name),
	    c->value.n > 0 ? " " : "", STR_ARG(c->value));
}

/* ---- lines ---- */

struct editor {
	const struct options *o;
	struct change *changes;
	struct change *at; /* whose lines we are in, or NULL */
	struct buf out;
};

static struct str
name_of(struct str line)
{
	ptrdiff_t eq = str_chr(line, '=');

	return eq == -1 ? STR_NONE : str_trim(str_sub(line, 0, (size_t)eq));
}

static void
edit_line(struct editor *ed, struct str line)
{
	struct str text = str_trim(line);

	/* Comments stay, also between the lines of what is edited. */
	if (text.n == 0 || text.p[0] == '#') {
		buf_str(&ed->out, line);
		buf_putc(&ed->out, '\n');
		return;
	}
	if (!ascii_isspace(line.p[0])) {
		ed->at = find_change(ed->changes, ed->o->nnames, name_of(line));
		if (ed->at != NULL && ed->o->edit == EDIT_SET && !ed->at->done)
			put_change(&ed->out, ed->at);
		if (ed->at != NULL)
			ed->at->done = true;
	}
	if (ed->at != NULL && ed->o->edit != EDIT_COMMENT)
		return;
	if (ed->at != NULL)
		buf_putc(&ed->out, '#');
	buf_str(&ed->out, line);
	buf_putc(&ed->out, '\n');
}

void
edit_main(const struct options *o, const char *dir)
{
	struct editor ed = { .o = o, .changes = parse_changes(o) };
	struct str rest;
	size_t n;
	char *text = edit_read(dir, "main.cf", &n);

	buf_init(&ed.out, (size_t)MAINCF_SIZE_MAX * 2);
	rest = str_make(text, n);
	while (rest.n > 0) {
		ptrdiff_t nl = str_chr(rest, '\n');
		size_t len = nl == -1 ? rest.n : (size_t)nl;

		edit_line(&ed, str_sub(rest, 0, len));
		rest = str_sub(rest, len + 1, rest.n);
	}
	for (int i = 0; i < o->nnames; i++) {
		struct change *c =
		    find_change(ed.changes, o->nnames, ed.changes[i].name);

		if (o->edit == EDIT_SET && !c->done)
			put_change(&ed.out, c);
		c->done = true;
	}
	if (buf_full(&ed.out))
		die("%s/main.cf becomes too long", dir);
	edit_replace(dir, "main.cf", buf_get(&ed.out));
	buf_clear(&ed.out);
	free(ed.changes);
	free(text);
}
