/* SPDX-License-Identifier: ISC */
/*
 * The two or three parameters this program needs, straight from main.cf.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "conf/expand.h"
#include "conf/maincf.h"
#include "conf/params.h"
#include "conf/report.h"
#include "postmap.h"

#define VALUE_MAX (1 << 20)

/*
 * Read main.cf.  In the default place it need not exist: a table can be made
 * before there is a mail system to use it.
 */
static void
read_main(const struct options *opt, struct maincf *cf)
{
	const char *dir = opt->config_dir;
	struct report rep;
	char *path, *text;
	size_t n;
	int fd;

	path = xasprintf("%s/main.cf", dir == NULL ? SYSCONFDIR : dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		if (dir != NULL || errno != ENOENT)
			say_fatal("open %s: %s", path, strerror(errno));
		free(path);
		return;
	}
	if (fd_slurp(fd, MAINCF_SIZE_MAX, &text, &n) == -1)
		say_fatal("read %s: %s", path, strerror(errno));
	fd_close(&fd);
	report_init(&rep);
	maincf_parse(cf, path, str_make(text, n), &rep);
	for (size_t i = 0; i < rep.n; i++) {
		char *line = report_line(&rep.v[i]);

		say_warn("%s", line);
		free(line);
	}
	report_clear(&rep);
	free(text);
	free(path);
}

static bool
lookup(void *arg, struct str name, bool probe, struct str *value)
{
	const struct maincf_entry *e = maincf_find(arg, name);
	int id;

	(void)probe;
	if (e != NULL) {
		*value = str_of(e->value);
		return true;
	}
	id = param_find(name);
	if (id == -1 || params[id].dflt == NULL)
		return false;
	*value = str_of(params[id].dflt);
	return true;
}

char *
config_get(const struct options *opt, const char *name)
{
	struct expand_error err;
	struct maincf cf;
	struct str raw;
	struct buf out;
	char *value;

	maincf_init(&cf);
	read_main(opt, &cf);
	buf_init(&out, VALUE_MAX);
	if (!lookup(&cf, str_of(name), false, &raw))
		say_fatal("parameter %s has no value", name);
	if (expand_value(raw, lookup, &cf, &out, &err) == -1)
		say_fatal("parameter %s: %s", name, err.text);
	value = buf_take(&out);
	maincf_clear(&cf);
	return value;
}
