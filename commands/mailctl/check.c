/* SPDX-License-Identifier: ISC */
/*
 * check: everything that would keep the mail system from starting or from
 * working, found before it happens.  All of it is shown, not only the first.
 */
#include "mailctl.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <libgen.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "conf/uids.h"
#include "json.h"
#include "queue/foreign.h"
#include "sandbox/policy.h"
#include "sandbox/sandbox.h"
#include "table/table.h"

struct check {
	const struct instance *in;
	enum sandbox_level level;
	unsigned errors, warnings;
};

static void
    PRINTFLIKE(3, 4) found(struct check *c, bool error, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (error) {
		c->errors++;
		say("error: %s", text);
	} else {
		c->warnings++;
		warn_of("%s", text);
	}
}

/* --- files of the configuration ------------------------------------------- */

/* Who may write here may do everything that the mail system may. */
static void
check_trusted(struct check *c, const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1) {
		found(c, true, "%s: %s", path, strerror(errno));
		return;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid())
		found(c, true, "%s: belongs to user id %u; make it root's",
		    path, (unsigned)st.st_uid);
	if ((st.st_mode & S_IWOTH) != 0)
		found(c, true, "%s: anybody may write there; chmod o-w", path);
	else if ((st.st_mode & S_IWGRP) != 0 && st.st_gid != 0)
		found(c, false, "%s: its group may write there", path);
}

static void
check_config(struct check *c)
{
	static const char *const files[] = { "main.cf", "master.cf" };

	check_trusted(c, c->in->dir);
	for (size_t i = 0; i < NELEM(files); i++) {
		char *path = xasprintf("%s/%s", c->in->dir, files[i]);

		check_trusted(c, path);
		free(path);
	}
}

/* What the site takes from policies: every line that does not fit. */
static void
check_overlays(struct check *c)
{
	struct str rest, line;
	struct buf err;

	buf_init(&err, 65536);
	if (instance_overlays(geteuid(), &err) == -1)
		c->errors += err.len == 0;
	rest = buf_get(&err);
	while (str_token(&rest, "\n", &line))
		found(c, true, STR_FMT, STR_ARG(line));
	buf_clear(&err);
}

/* --- directories ---------------------------------------------------------- */

/* It will be made when its parent is there. */
static bool
can_be_made(const char *path)
{
	char *copy = xstrdup(path);
	struct stat st;
	bool ok = stat(dirname(copy), &st) == 0 && S_ISDIR(st.st_mode);

	free(copy);
	return ok;
}

static bool
check_dir(struct check *c, const char *what, const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1) {
		if (errno != ENOENT || !can_be_made(path))
			found(c, true, "%s: %s: %s", what, path,
			    strerror(errno));
		return false;
	}
	if (!S_ISDIR(st.st_mode)) {
		found(c, true, "%s: %s: is not a directory", what, path);
		return false;
	}
	return true;
}

/* One of those below queue_directory, once they have been made. */
static void
check_queue_dir(struct check *c, const char *name, bool ours, mode_t mode)
{
	char *path = xasprintf("%s/%s", c->in->queue_dir, name);
	int64_t base = conf_int(c->in->conf, P_SANDBOX_UID_BASE);
	uid_t want = ours ? 0 : (uid_t)conf_component_uid(base, "qmgr");
	/* No name in a group database: who is in it reads what users post. */
	gid_t group = (gid_t)want;
	struct stat st;

	if (lstat(path, &st) == -1)
		found(c, true, "%s: %s", path,
		    errno == ENOENT ? "the directory is missing; it is made "
				      "at the next start" :
				      strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		found(c, true, "%s: is not a directory", path);
	else if ((st.st_mode & 07777 & ~mode) != 0)
		found(c, true, "%s: its mode is %o, which is more than %o",
		    path, st.st_mode & 07777, (unsigned)mode);
	else if (c->level == LEVEL_ROOT && st.st_uid != want)
		found(c, true,
		    "%s: belongs to user id %u and not %u; a "
		    "start mends that",
		    path, (unsigned)st.st_uid, (unsigned)want);
	else if (c->level == LEVEL_ROOT && st.st_gid != group)
		found(c, true,
		    "%s: belongs to group id %u and not %u, the queue "
		    "manager's own; a start mends that",
		    path, (unsigned)st.st_gid, (unsigned)group);
	free(path);
}

static void
check_queue(struct check *c)
{
	static const struct {
		const char *name;
		mode_t mode;
		bool ours;
	} dirs[] = {
		{ "maildrop", 03733, false },
		{ "incoming", 0700, false },
		{ "active", 0700, false },
		{ "deferred", 0700, false },
		{ "hold", 0700, false },
		{ "corrupt", 0700, false },
		{ "journal", 0700, false },
		{ "public", 0755, true },
		{ "pid", 0755, true },
	};
	const char *queue = c->in->queue_dir;
	char *journal = xasprintf("%s/journal", queue);
	char *pid = xasprintf("%s/pid/master.pid", queue);

	if (queue_is_foreign(queue))
		found(c, true, "%s: " QUEUE_FOREIGN_ADVICE, queue);
	else if (check_dir(c, "queue_directory", queue) &&
	    (access(journal, F_OK) == 0 || access(pid, F_OK) == 0))
		for (size_t i = 0; i < NELEM(dirs); i++)
			check_queue_dir(c, dirs[i].name, dirs[i].ours,
			    dirs[i].mode);
	free(journal);
	free(pid);
}

static bool
has_service(const struct instance *in, const char *component)
{
	for (size_t i = 0; i < in->build.master.n; i++)
		if (in->build.master.v[i].component != NULL &&
		    strcmp(in->build.master.v[i].component, component) == 0)
			return true;
	return false;
}

static void
check_mail_dirs(struct check *c)
{
	const struct conf *conf = c->in->conf;
	const char *base = conf_cstr(conf, P_VIRTUAL_MAILBOX_BASE);
	struct stat st;

	check_dir(c, "data_directory", conf_cstr(conf, P_DATA_DIRECTORY));
	if (conf_list(conf, P_VIRTUAL_MAILBOX_MAPS).n == 0)
		return;
	if (base[0] == '\0')
		found(c, true,
		    "virtual_mailbox_base: is empty, but "
		    "virtual_mailbox_maps is set");
	else if (stat(base, &st) == -1)
		found(c, true, "virtual_mailbox_base: %s: %s", base,
		    strerror(errno));
}

static void
check_log(struct check *c)
{
	const char *path = conf_cstr(c->in->conf, P_MAILLOG_FILE);
	char *copy;

	if (path[0] == '\0' || strncmp(path, "/dev/", 5) == 0)
		return;
	copy = xstrdup(path);
	if (access(path, F_OK) == 0 ? access(path, W_OK) == -1 :
				      access(dirname(copy), W_OK) == -1)
		found(c, true, "maillog_file: %s: %s", path, strerror(errno));
	free(copy);
}

/* --- tables --------------------------------------------------------------- */

struct table_check {
	struct check *c;
	const char *param;
	const char *spec;
	struct buf seen; /* names of files, with a line end behind each */
};

/* Several parameters name the same table. */
static bool
was_seen(struct table_check *t, const char *path)
{
	struct str all = buf_get(&t->seen), one;

	while (str_token(&all, "\n", &one))
		if (str_eq(one, str_of(path)))
			return true;
	buf_printf(&t->seen, "%s\n", path);
	return false;
}

static const char *
compiler(const struct table_check *t)
{
	return strncmp(t->param, "alias_", 6) == 0 ? "postalias" : "postmap";
}

/* Is it in our format?  That of another mail system has the same name. */
static void
check_compiled(struct table_check *t, const char *path)
{
	struct table *table;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1) {
		found(t->c, true, "%s: %s: %s", t->param, path,
		    strerror(errno));
		return;
	}
	table = table_open_fd(str_of(t->spec), fd, 0);
	if (table_broken(table) != NULL)
		found(t->c, true, "%s: %s (run %s %s)", t->param,
		    table_broken(table), compiler(t), t->spec);
	table_close(&table);
}

static int
on_table_file(void *arg, enum table_file_kind kind, const char *path,
    const char *source)
{
	struct table_check *t = arg;
	struct stat st, src;

	if (was_seen(t, path))
		return 0;
	if (stat(path, &st) == -1) {
		if (kind == TABLE_FILE_COMPILED)
			found(t->c, true, "%s: %s: %s (run %s %s)", t->param,
			    path, strerror(errno), compiler(t), t->spec);
		else
			found(t->c, true, "%s: %s: %s: %s", t->param, t->spec,
			    path, strerror(errno));
		return 0;
	}
	if (source != NULL && stat(source, &src) == 0 &&
	    src.st_mtime > st.st_mtime)
		found(t->c, false,
		    "%s: %s is older than its source %s (run %s %s)", t->param,
		    path, source, compiler(t), t->spec);
	if (kind == TABLE_FILE_COMPILED)
		check_compiled(t, path);
	if ((st.st_mode & S_IWOTH) != 0)
		found(t->c, true, "%s: %s: anybody may write there", t->param,
		    path);
	return 0;
}

/* Socket of a policy service, which looks like a table. */
static bool
is_service(const struct conf_list *list, size_t i)
{
	return i > 0 &&
	    str_caseeq(list->v[i - 1].text, STR("check_policy_service"));
}

static void
check_table(struct table_check *t, struct str name)
{
	struct table_env env = { .config_dir = t->c->in->dir };
	struct buf err;
	char *spec;

	while (str_starts(name, STR("proxy:")))
		name = str_sub(name, 6, name.n);
	spec = str_dup(name);
	t->spec = spec;
	buf_init(&err, 1024);
	if (table_files(name, &env, on_table_file, t, &err) == -1 &&
	    err.len > 0 && !was_seen(t, spec))
		found(t->c, true, "%s: %s: %s", t->param, spec, buf_cstr(&err));
	buf_clear(&err);
	free(spec);
}

static void
check_tables(struct check *c)
{
	struct table_check t = { .c = c };

	buf_init(&t.seen, 1 << 20);
	for (unsigned id = 0; id < P_COUNT; id++) {
		struct conf_list list;

		/* Only newaliases reads alias_database. */
		if (params[id].status != PS_OK || id == P_ALIAS_DATABASE)
			continue;
		switch (params[id].type) {
		case PT_LIST:
		case PT_MATCH:
		case PT_NETS:
		case PT_MAPS:
		case PT_RULES:
			break;
		default:
			continue;
		}
		list = conf_list(c->in->conf, (enum param_id)id);
		t.param = params[id].name;
		for (size_t i = 0; i < list.n; i++)
			if (list.v[i].kind == CONF_TABLE &&
			    !is_service(&list, i))
				check_table(&t, list.v[i].full);
	}
	buf_clear(&t.seen);
}

/* --- programs and walls --------------------------------------------------- */

static void
check_programs(struct check *c)
{
	static const char *const always[] = { "launcher", "broker", "logd",
		"dns", "lookup", "control" };
	static const char *const needed[] = { "rewrite", "cleanup", "qmgr",
		"bounce" };
	char *path;

	for (size_t i = 0; i < NELEM(always); i++) {
		path = program_path(always[i]);
		if (access(path, X_OK) == -1)
			found(c, true, "%s: %s", path, strerror(errno));
		free(path);
	}
	for (size_t i = 0; i < NELEM(needed); i++)
		if (!has_service(c->in, needed[i]))
			found(c, true,
			    "%s/master.cf: there is no line for "
			    "%s, without which no mail flows",
			    c->in->dir, needed[i]);
	for (size_t i = 0; i < c->in->build.master.n; i++) {
		const char *name = c->in->build.master.v[i].component;

		/* What no program is for is reported with the line. */
		if (name == NULL || policy_find(str_of(name)) == NULL)
			continue;
		path = program_path(name);
		if (access(path, X_OK) == -1)
			found(c, true, "%s: %s", path, strerror(errno));
		free(path);
	}
}

static uint32_t
waived(const struct instance *in)
{
	struct conf_list list = conf_list(in->conf, P_SANDBOX_WAIVE);
	uint32_t all = 0, bits;

	for (size_t i = 0; i < list.n; i++)
		if (wall_parse(list.v[i].text, &bits) == 0)
			all |= bits;
	return all;
}

static void
check_walls(struct check *c)
{
	struct conf_list list = conf_list(c->in->conf, P_SANDBOX_WAIVE);
	uint32_t missing, bits, given_up = waived(c->in);
	struct buf why, names;

	for (size_t i = 0; i < list.n; i++)
		if (wall_parse(list.v[i].text, &bits) == -1)
			found(c, true,
			    "sandbox_waive: there is no wall \"" STR_FMT "\"",
			    STR_ARG(list.v[i].text));
	buf_init(&why, 8192);
	buf_init(&names, 1024);
	if (sandbox_level_probe(&c->level, &missing, &why) == -1) {
		found(c, true, "sandbox: %s", strerror(errno));
	} else if ((missing & ~given_up) != 0) {
		walls_names(missing & ~given_up, &names);
		found(c, true,
		    "this system does not let you build these "
		    "walls: %s (%s)",
		    buf_cstr(&names), buf_cstr(&why));
	} else if (given_up != 0) {
		walls_names(given_up, &names);
		found(c, false, "sandbox_waive: given up: %s",
		    buf_cstr(&names));
	}
	buf_clear(&why);
	buf_clear(&names);
}

/* --- user ids ------------------------------------------------------------- */

#define NAMED_IDS 5 /* the first of them have their names in a warning */

/* Whoever has such an id may end the component that has it, too. */
static void
check_ids(struct check *c, const char *what, const char *(*name_of)(int64_t))
{
	int64_t base = conf_int(c->in->conf, P_SANDBOX_UID_BASE);
	unsigned n = 0;
	struct buf who;

	buf_init(&who, 2048);
	for (int64_t id = base; id < base + CONF_UIDS; id++) {
		const char *name = name_of(id);

		if (name != NULL && n++ < NAMED_IDS)
			buf_printf(&who, "%s%s (%" PRId64 ")",
			    n > 1 ? ", " : "", name, id);
	}
	if (n > NAMED_IDS)
		buf_printf(&who, " and %u more", n - NAMED_IDS);
	if (n > 0)
		found(c, false,
		    "sandbox_uid_base: the ids from %" PRId64 " to %" PRId64
		    " are for components alone, and these %s have them: %s",
		    base, base + CONF_UIDS - 1, what, buf_cstr(&who));
	buf_clear(&who);
}

static const char *
user_name(int64_t id)
{
	const struct passwd *pw = getpwuid((uid_t)id);

	return pw == NULL ? NULL : pw->pw_name;
}

static const char *
group_name(int64_t id)
{
	const struct group *gr = getgrgid((gid_t)id);

	return gr == NULL ? NULL : gr->gr_name;
}

static void
check_pipes(struct check *c, struct instance *in)
{
	for (size_t i = 0; i < in->build.master.n; i++) {
		const struct service *sv = &in->build.master.v[i];
		struct buf why;
		int rc;

		if (sv->component == NULL ||
		    strcmp(sv->component, "pipe") != 0)
			continue;
		buf_init(&why, 2048);
		rc = check_pipe(&in->build, sv, &why);
		if (why.len > 0)
			found(c, rc == -1, "%s, line %u: service %s: %s",
			    sv->file, sv->line, sv->name, buf_cstr(&why));
		buf_clear(&why);
	}
}

/*
 * Where all that is wrong is what is not supported, the rest can be looked at
 * as well: nobody likes to be told of faults one after the other.
 */
static void
check_rest(struct check *c, struct instance *in)
{
	int fd;

	if (in->conf == NULL) {
		fd = build_memfd(&in->build, NULL, 1);
		if (fd != -1)
			in->conf = conf_open(fd);
		fd_close(&fd);
	}
	if (in->conf == NULL) {
		c->errors += c->errors == 0;
		return;
	}
	check_walls(c);
	if (c->level == LEVEL_ROOT) {
		check_ids(c, "users", user_name);
		check_ids(c, "groups", group_name);
	}
	check_queue(c);
	check_mail_dirs(c);
	check_log(c);
	check_tables(c);
	check_programs(c);
	check_pipes(c, in);
}

int
cmd_check(int argc, char *argv[])
{
	struct check c = { .level = LEVEL_BARE };
	struct instance in;

	(void)argv;
	if (argc != 1)
		die_usage("check takes no argument");
	instance_open(&in);
	c.in = &in;
	instance_report(&in, true);
	c.errors = (unsigned)in.build.rep.errors;
	c.warnings = (unsigned)in.build.rep.warnings;
	check_config(&c);
	check_overlays(&c);
	check_rest(&c, &in);
	if (opt.json)
		printf("{\"errors\":%u,\"warnings\":%u}\n", c.errors,
		    c.warnings);
	instance_clear(&in);
	return c.errors > 0 ? EXIT_BAD : 0;
}
