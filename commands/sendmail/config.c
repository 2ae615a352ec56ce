/* SPDX-License-Identifier: ISC */
/*
 * The few parameters this program needs, straight from main.cf.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "conf/eval.h"

#include "sendmail.h"

#define VALUE_MAX ((size_t)1 << 20)

static struct {
	char *dir;
	struct maincf main;
	struct hostfacts host;
	struct eval eval;
} cf;

/* -C is a directory, or main.cf in it. */
static char *
directory(const char *dir)
{
	struct stat st;
	const char *slash;

	if (dir == NULL)
		dir = getenv("MAIL_CONFIG");
	if (dir == NULL || dir[0] == '\0')
		return xstrdup(SYSCONFDIR);
	if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode) &&
	    (slash = strrchr(dir, '/')) != NULL)
		return xstrndup(dir, (size_t)(slash - dir) + (slash == dir));
	return xstrdup(dir);
}

static char *
host_name(void)
{
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) == -1 || name[0] == '\0')
		return xstrdup("localhost");
	return xstrdup(name);
}

void
config_read(const char *dir)
{
	struct report rep;
	char *path, *text;
	size_t n;
	int fd;

	cf.dir = directory(dir);
	path = xasprintf("%s/main.cf", cf.dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1 || fd_slurp(fd, MAINCF_SIZE_MAX, &text, &n) == -1)
		fatal(EX_CONFIG, "open %s: %s", path, strerror(errno));
	fd_close(&fd);
	maincf_init(&cf.main);
	/* What is wrong in there is for postern check to say. */
	report_init(&rep);
	maincf_parse(&cf.main, path, str_make(text, n), &rep);
	report_clear(&rep);
	free(text);
	free(path);
	cf.host.hostname = host_name();
	cf.host.cpus = 1;
	cf.eval =
	    (struct eval){ .main = &cf.main, .host = &cf.host, .dir = cf.dir };
}

const char *
config_dir(void)
{
	return cf.dir;
}

char *
config_get(enum param_id id)
{
	struct buf b;

	buf_init(&b, VALUE_MAX);
	if (eval_param(&cf.eval, id, &b) == -1)
		fatal(EX_CONFIG, "%s/main.cf: bad value of %s", cf.dir,
		    params[id].name);
	(void)buf_cstr(&b);
	return buf_take(&b);
}

uint64_t
config_size(enum param_id id)
{
	char *s = config_get(id);
	struct str t = str_of(s);
	uint64_t n, unit = 1;

	if (t.n > 1 && !ascii_isdigit((unsigned char)t.p[t.n - 1])) {
		switch (ascii_lower((unsigned char)t.p[--t.n])) {
		case 'g':
			unit = 1U << 30;
			break;
		case 'm':
			unit = 1U << 20;
			break;
		case 'k':
			unit = 1U << 10;
			break;
		default:
			unit = 0;
			break;
		}
	}
	if (unit == 0 || str_u64(t, UINT64_MAX >> 31, &n) == -1)
		fatal(EX_CONFIG, "%s/main.cf: bad value of %s: %s", cf.dir,
		    params[id].name, s);
	free(s);
	return n * unit;
}
