/* SPDX-License-Identifier: ISC */
/*
 * postlog: a line in the log, from a script.
 */
#include "mailctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "conf/eval.h"

#include "queue.h"

struct severity {
	const char *name;
	const char *prefix;
	int level;
};

static const struct severity severities[] = {
	{ "info", "", LOG_INFO },
	{ "warn", "warning: ", LOG_WARNING },
	{ "warning", "warning: ", LOG_WARNING },
	{ "error", "error: ", LOG_ERR },
	{ "fatal", "fatal: ", LOG_CRIT },
	{ "panic", "panic: ", LOG_CRIT },
};

struct logger {
	const struct severity *sev;
	const char *tag;
	const char *host;
	bool pid;
	bool tty; /* also to whoever sits there */
	int fd;	  /* the log file, or -1: the system's log */
};

static const struct severity *
find_severity(const char *name)
{
	for (size_t i = 0; i < NELEM(severities); i++)
		if (strcmp(severities[i].name, name) == 0)
			return &severities[i];
	die("bad severity: \"%s\"", name);
}

static void
put_line(const struct logger *l, struct str text)
{
	time_t now = time(NULL);
	char date[32] = "", pid[32] = "";
	struct buf b, line;

	buf_init(&b, 65536);
	buf_init(&line, 65536);
	put_printable(&b, str_sub(text, 0, 32768));
	if (l->pid || l->fd != -1)
		snprintf(pid, sizeof(pid), "[%d]", (int)getpid());
	strftime(date, sizeof(date), "%b %e %H:%M:%S", localtime(&now));
	if (l->fd != -1) {
		buf_printf(&line, "%s %s %s%s: %s%s\n", date, l->host, l->tag,
		    pid, l->sev->prefix, buf_cstr(&b));
		if (write(l->fd, line.base + line.off, line.len) !=
		    (ssize_t)line.len)
			die("cannot write to the log: %s", strerror(errno));
	} else {
		syslog(l->sev->level, "%s%s", l->sev->prefix, buf_cstr(&b));
	}
	if (l->tty)
		fprintf(stderr, "%s: %s%s\n", l->tag, l->sev->prefix,
		    buf_cstr(&b));
	buf_clear(&b);
	buf_clear(&line);
}

static void
put_input(const struct logger *l)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) > 0) {
		struct str s = str_make(line, (size_t)n);

		if (s.p[s.n - 1] == '\n')
			s.n--;
		put_line(l, s);
	}
	free(line);
}

/* The log file, when there is one and we may write there. */
static int
open_log(const struct instance *in)
{
	const char *path =
	    in->conf == NULL ? "" : conf_cstr(in->conf, P_MAILLOG_FILE);
	int fd;

	if (path[0] == '\0' || strncmp(path, "/dev/", 5) == 0)
		return -1;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
	    0644);
	if (fd == -1)
		warn_of("%s: %s; using the system's log", path,
		    strerror(errno));
	return fd;
}

int
cmd_postlog(int argc, char *argv[])
{
	struct logger l = { .sev = &severities[0],
		.tag = NULL,
		.tty = isatty(STDERR_FILENO) != 0 };
	struct instance in;
	char *tag;
	int c;

	while ((c = getopt(argc, argv, "c:ip:t:v")) != -1) {
		switch (c) {
		case 'c':
			opt.dir = optarg;
			break;
		case 'i':
			l.pid = true;
			break;
		case 'p':
			l.sev = find_severity(optarg);
			break;
		case 't':
			l.tag = optarg;
			break;
		case 'v':
			break;
		default:
			die("usage: postlog [-c config_dir] [-i] [-p priority] "
			    "[-t tag] [-v] [text]");
		}
	}
	instance_open(&in);
	tag = l.tag != NULL ?
	    xstrdup(l.tag) :
	    xasprintf("%s/postlog",
		in.conf == NULL ? "postern" :
				  conf_cstr(in.conf, P_SYSLOG_NAME));
	l.tag = tag;
	l.host =
	    in.conf == NULL ? "localhost" : conf_cstr(in.conf, P_MYHOSTNAME);
	l.fd = open_log(&in);
	openlog(l.tag, l.pid ? LOG_PID : 0, LOG_MAIL);
	if (optind < argc) {
		struct buf b;

		buf_init(&b, 65536);
		for (int i = optind; i < argc; i++)
			buf_printf(&b, "%s%s", i == optind ? "" : " ", argv[i]);
		put_line(&l, buf_get(&b));
		buf_clear(&b);
	} else {
		put_input(&l);
	}
	fd_close(&l.fd);
	free(tag);
	instance_clear(&in);
	return 0;
}
