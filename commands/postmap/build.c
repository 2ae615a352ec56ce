/* SPDX-License-Identifier: ISC */
/*
 * Making a compiled table.
 *
 * The new table is written to a file beside the old one, made durable, and
 * given its name, so that readers see the old table or the new, whole:
 *
 *	f.db.tmp locked, emptied, written	f.db is the old one
 *	fsync f.db.tmp				f.db is the old one
 *	rename to f.db				f.db is the new one, or the
 *						old after a power cut
 *	fsync the directory			f.db is the new one
 *
 * If we stop anywhere before the rename, f.db.tmp is left behind, which the
 * next run uses again.  Its lock makes two runs take turns.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "mail/utf8.h"
#include "postmap.h"
#include "table/cdb_read.h"
#include "table/cdb_write.h"

#define SOURCE_MAX ((size_t)1 << 30)
#define TABLE_MAX ((size_t)3 << 30)

/* One table being made. */
struct build {
	const struct options *opt;
	char *source;	  /* the text, and what messages name */
	char *target;	  /* the compiled file */
	char *scratch;	  /* target.tmp */
	const char *from; /* where lines come from, for messages */
	struct index ix;
	int tmp_fd;
	mode_t mode;
	gid_t group; /* -1: leave it */
};

/* --- whose rights --------------------------------------------------------- */

/*
 * Root makes a table for another user as that user: what happens in a
 * directory of theirs is then limited to what they could do themselves.
 */
static void
become_owner(const struct options *opt, const struct stat *st)
{
	if (opt->stay_root || geteuid() != 0 || st->st_uid == 0)
		return;
	if (setgroups(1, &st->st_gid) == -1 || setegid(st->st_gid) == -1 ||
	    seteuid(st->st_uid) == -1)
		say_fatal("give up root rights: %s", strerror(errno));
}

static void
become_root_again(void)
{
	gid_t none = 0;

	if (getuid() != 0 || geteuid() == 0)
		return;
	if (seteuid(0) == -1 || setegid(0) == -1 || setgroups(1, &none) == -1)
		say_fatal("take root rights back: %s", strerror(errno));
}

/* --- names ---------------------------------------------------------------- */

static void
build_init(struct build *b, const struct options *opt, struct str spec)
{
	struct str type, name;
	const char *suffix;

	*b = (struct build){ .opt = opt,
		.tmp_fd = -1,
		.mode = 0644,
		.group = (gid_t)-1 };
	if (!table_split(spec, &type, &name))
		say_fatal(STR_FMT ": want type:name", STR_ARG(spec));
	suffix = table_suffix(type);
	if (suffix == NULL) {
		struct table_env env = { 0 };
		struct table *t = table_open(spec, &env);

		if (table_broken(t) != NULL &&
		    strstr(table_broken(t), " type") != NULL)
			say_fatal("%s", table_broken(t));
		say_fatal(STR_FMT ": tables of type " STR_FMT
				  " are not made, they are used as they are",
		    STR_ARG(spec), STR_ARG(type));
	}
	if (name.n == 0)
		say_fatal(STR_FMT ": no file name", STR_ARG(spec));
	b->source = str_dup(name);
	b->target = xasprintf("%s%s", b->source, suffix);
	b->scratch = xasprintf("%s.tmp", b->target);
	b->from = opt->incremental ? "standard input" : b->source;
	index_init(&b->ix, TABLE_MAX);
}

static void
build_clear(struct build *b)
{
	fd_close(&b->tmp_fd);
	index_clear(&b->ix);
	free(b->source);
	free(b->target);
	free(b->scratch);
	become_root_again();
}

/* --- the file that becomes the table -------------------------------------- */

/*
 * Open and lock target.tmp.  When we get the lock, the file may have been
 * renamed by the one who had it: then try again.  An O_NOFOLLOW file that is
 * a link, or not ours to write, is an error.
 */
static void
lock_scratch(struct build *b)
{
	struct stat a, named;

	for (;;) {
		b->tmp_fd = open(b->scratch,
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
		    0600);
		if (b->tmp_fd == -1)
			say_fatal("create %s: %s", b->scratch, strerror(errno));
		if (flock(b->tmp_fd, LOCK_EX) == -1 ||
		    fstat(b->tmp_fd, &a) == -1)
			say_fatal("lock %s: %s", b->scratch, strerror(errno));
		if (lstat(b->scratch, &named) == 0 &&
		    a.st_dev == named.st_dev && a.st_ino == named.st_ino)
			break;
		fd_close(&b->tmp_fd);
	}
	if (!S_ISREG(a.st_mode) || a.st_nlink != 1)
		say_fatal("%s is in the way: it is not a file of its own",
		    b->scratch);
}

/* Who may read the source may read the table. */
static void
take_rights(struct build *b, const struct stat *source)
{
	if (b->opt->plain_mode)
		return;
	b->mode = 0600 | (source->st_mode & 0044);
	if ((b->mode & 0040) != 0)
		b->group = source->st_gid;
}

static void
sync_directory(const char *path)
{
	char *copy = xstrdup(path);
	const char *dir = dirname(copy);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 || fsync(fd) == -1)
		say_fatal("sync directory %s: %s", dir, strerror(errno));
	fd_close(&fd);
	free(copy);
}

/* Write, make durable, and rename. */
static void
commit(struct build *b)
{
	const char *error;
	struct stat st;

	if (ftruncate(b->tmp_fd, 0) == -1 ||
	    lseek(b->tmp_fd, 0, SEEK_SET) == -1)
		say_fatal("write %s: %s", b->scratch, strerror(errno));
	error = cdb_write(b->tmp_fd, &b->ix, b->opt->zeros);
	if (error != NULL)
		say_fatal("write %s: %s", b->scratch, error);
	/*
	 * A group that cannot be given (we are not in it) loses its right
	 * rather than hand it to another.
	 */
	if (b->group != (gid_t)-1 && fstat(b->tmp_fd, &st) == 0 &&
	    st.st_gid != b->group &&
	    fchown(b->tmp_fd, (uid_t)-1, b->group) == -1 &&
	    (b->mode & 0004) == 0)
		b->mode &= ~(mode_t)0040;
	if (fchmod(b->tmp_fd, b->mode) == -1 || fsync(b->tmp_fd) == -1)
		say_fatal("write %s: %s", b->scratch, strerror(errno));
	if (rename(b->scratch, b->target) == -1)
		say_fatal("rename %s to %s: %s", b->scratch, b->target,
		    strerror(errno));
	sync_directory(b->target);
}

/* --- what goes into it ---------------------------------------------------- */

static void
told(void *arg, unsigned line, bool error, const char *what)
{
	const struct build *b = arg;

	say_warn("%s, line %u: %s%s", b->from, line, what,
	    error ? "; line left out" : "");
}

static int
value_of_files(void *arg, unsigned line, struct str in, struct buf *out)
{
	const struct build *b = arg;
	struct buf err;
	int r;

	buf_init(&err, 4096);
	r = values_read(in, out, &err);
	if (r == -1)
		say_warn("%s, line %u: %s; line left out", b->from, line,
		    buf_cstr(&err));
	buf_clear(&err);
	return r;
}

/* Only when something is not UTF-8 does it matter whether it must be. */
static bool
utf8_wanted(const struct options *opt, struct str text)
{
	char *value;
	bool wanted;

	if (opt->no_utf8 || utf8_valid(text))
		return false;
	value = config_get(opt, "smtputf8_enable");
	wanted = !str_caseeq(str_of(value), STR("no"));
	free(value);
	return wanted;
}

/* Load text into the index: 0, or 1 when lines were left out. */
static int
load(struct build *b, struct str text)
{
	struct load l = { .into = &b->ix,
		.format = b->opt->alias ? LOAD_ALIASES : LOAD_PAIRS,
		.dup = b->opt->dup,
		.fold = !b->opt->nofold,
		.utf8 = utf8_wanted(b->opt, text),
		.say = told,
		.value = b->opt->file_values ? value_of_files : NULL,
		.arg = b };

	if (load_text(&l, text) == -1)
		say_fatal("%s: too large for one table", b->from);
	return l.errors > 0 ? 1 : 0;
}

static int
keep(void *arg, struct str key, struct str value)
{
	return index_add(arg, key, value, INDEX_KEEP) == -1 ? 1 : 0;
}

/* Take over what the table holds: false when there is none yet. */
static bool
load_old(struct build *b)
{
	int fd = open(b->target, O_RDONLY | O_CLOEXEC);
	const char *error;
	struct cdb_read c;

	if (fd == -1 && errno == ENOENT)
		return false;
	if (fd == -1)
		say_fatal("open %s: %s", b->target, strerror(errno));
	if ((error = cdb_read_open(&c, fd)) != NULL)
		say_fatal("%s: %s", b->target, error);
	switch (cdb_read_walk(&c, keep, &b->ix, &error)) {
	case -1:
		say_fatal("%s: %s", b->target, error);
	case 1:
		say_fatal("%s: too large for one table", b->target);
	}
	cdb_read_close(&c);
	fd_close(&fd);
	return true;
}

/* Read the source: the named file, or standard input with -i. */
static struct str
read_source(struct build *b, int fd, char **text)
{
	struct buf all;
	ssize_t got;
	size_t n;

	if (!b->opt->incremental) {
		if (fd_slurp(fd, SOURCE_MAX, text, &n) == -1)
			say_fatal("read %s: %s", b->source, strerror(errno));
		return str_make(*text, n);
	}
	buf_init(&all, SOURCE_MAX);
	do {
		void *p = buf_reserve(&all, 65536);

		if (p == NULL)
			say_fatal("standard input: too long");
		got = read(STDIN_FILENO, p, 65536);
		if (got > 0)
			buf_grow(&all, (size_t)got);
	} while (got > 0 || (got == -1 && errno == EINTR));
	if (got == -1)
		say_fatal("read standard input: %s", strerror(errno));
	n = buf_get(&all).n;
	*text = buf_take(&all);
	return str_make(*text, n);
}

int
build_run(const struct options *opt, struct str spec)
{
	struct build b;
	struct str text;
	struct stat st;
	char *p = NULL;
	int fd, ret;

	build_init(&b, opt, spec);
	fd = open(b.source, O_RDONLY | O_CLOEXEC);
	if (fd == -1 && (!opt->incremental || errno != ENOENT))
		say_fatal("open %s: %s", b.source, strerror(errno));
	if (fd != -1) {
		if (fstat(fd, &st) == -1)
			say_fatal("stat %s: %s", b.source, strerror(errno));
		if (S_ISDIR(st.st_mode))
			say_fatal("%s is a directory", b.source);
		become_owner(opt, &st);
		take_rights(&b, &st);
	}
	text = read_source(&b, fd, &p);
	lock_scratch(&b);
	if (opt->incremental)
		load_old(&b);
	ret = load(&b, text);
	commit(&b);
	if (opt->verbose)
		say("%s: %zu entries", b.target, b.ix.live);
	free(p);
	fd_close(&fd);
	build_clear(&b);
	return ret;
}

/* --- taking keys out ------------------------------------------------------ */

static bool
remove_key(struct build *b, struct str key)
{
	char *folded = b->opt->nofold ? str_dup(key) : str_dup_lower(key);
	bool was = index_delete(&b->ix, str_make(folded, key.n));

	free(folded);
	return was;
}

static bool
remove_keys(struct build *b, struct str keys)
{
	struct str line;
	bool any = false;

	while (str_token(&keys, "\r\n", &line))
		any |= remove_key(b, line);
	return any;
}

int
remove_run(const struct options *opt, char *const specs[], int n)
{
	struct options stdin_opt = *opt;
	struct str keys = str_of(opt->remove);
	char *text = NULL;
	bool any = false;

	stdin_opt.incremental = true; /* read_source() reads stdin */
	if (strcmp(opt->remove, "-") == 0) {
		struct build b = { .opt = &stdin_opt };

		keys = read_source(&b, -1, &text);
	}
	for (int i = 0; i < n; i++) {
		struct build b;
		struct stat st;
		bool found;

		build_init(&b, opt, str_of(specs[i]));
		if (stat(b.target, &st) == -1)
			say_fatal("%s: %s", b.target, strerror(errno));
		become_owner(opt, &st);
		take_rights(&b, &st);
		lock_scratch(&b);
		load_old(&b);
		found =
		    text != NULL ? remove_keys(&b, keys) : remove_key(&b, keys);
		if (found)
			commit(&b);
		else
			unlink(b.scratch);
		any |= found;
		build_clear(&b);
	}
	free(text);
	return any ? 0 : 1;
}
