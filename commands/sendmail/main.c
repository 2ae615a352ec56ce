/* SPDX-License-Identifier: ISC */
/*
 * sendmail, mailq - post mail; and the other things that name stands for.
 *
 * Runs with the rights of whoever calls it and has no others: what it posts is
 * checked again by pickup, to whom the kernel says who called.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/self.h"
#include "mail/addrlist.h"
#include "mail/utf8.h"

#include "sendmail.h"

#define HEAD_MAX ((size_t)4 << 20)

static const char *progname = "sendmail";
static char *login;

static void
say(int level, const char *what, const char *fmt, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	fprintf(stderr, "%s: %s: %s\n", progname, what, text);
	/* Programs throw away what we say: an administrator wants it. */
	if (login != NULL)
		syslog(LOG_MAIL | level, "%s: %s(%u): %s", what, login,
		    (unsigned)getuid(), text);
}

void
warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_WARNING, "warning", fmt, ap);
	va_end(ap);
}

void
fatal(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_CRIT, "fatal", fmt, ap);
	va_end(ap);
	exit(status);
}

/* --- start ---------------------------------------------------------------- */

/* Whatever the caller left open, blocked or ignored is not ours. */
static void
clean_start(void)
{
	sigset_t none;
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd != -1 && fd < 3);
	closefrom(3);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sig != SIGPIPE)
			signal(sig, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	umask(077);
}

/* The full name: -F, NAME, or what the password file says. */
static char *
full_name(const struct options *o, const struct passwd *pw)
{
	const char *name = o->fullname != NULL ? o->fullname : getenv("NAME");
	struct buf b;

	if (name != NULL)
		return xstrdup(name);
	buf_init(&b, 1024);
	for (const char *p = pw == NULL ? "" : pw->pw_gecos;
	     *p != '\0' && *p != ','; p++) {
		if (*p != '&') {
			buf_putc(&b, *p);
			continue;
		}
		if (ascii_isalpha((unsigned char)pw->pw_name[0]))
			buf_putc(&b, pw->pw_name[0] & ~0x20);
		buf_puts(&b, pw->pw_name + 1);
	}
	(void)buf_cstr(&b);
	return buf_take(&b);
}

/* --- posting -------------------------------------------------------------- */

struct envelope_out {
	const struct options *o;
	struct post *p;
};

static void
put_rcpt(struct str addr, void *arg)
{
	struct envelope_out *e = arg;
	struct drop d = { .type = DROP_RCPT,
		.text = addr,
		.notify = e->o->notify };

	if (e->p->w.nrcpts == DROP_RCPTS_MAX)
		fatal(EX_USAGE, "too many recipients");
	post_put(e->p, &d);
}

/* A word of the command line may be a list. */
static void
put_rcpts(struct envelope_out *e, const char *word)
{
	struct addrlist_item item;
	struct addrlist list;
	struct buf addr;
	enum addr_result r = ADDR_EMPTY;

	buf_init(&addr, ADDR_MAX);
	addrlist_init(&list, str_of(word));
	while (addrlist_next(&list, &item)) {
		r = addrlist_addr(&list, &item, &addr);
		if (r != ADDR_OK)
			break;
		put_rcpt(buf_get(&addr), e);
	}
	if (r != ADDR_OK)
		fatal(EX_DATAERR, "recipient %s: %s", word,
		    addr_result_text(r));
	buf_clear(&addr);
}

/* -f: <> and nothing are the null sender; of several the first counts. */
static void
put_sender(struct post *p, const char *from)
{
	struct drop d = { .type = DROP_SENDER };
	struct addrlist_item item;
	struct addrlist list;
	enum addr_result r = ADDR_EMPTY;
	struct buf addr;

	buf_init(&addr, ADDR_MAX);
	addrlist_init(&list, str_of(from == NULL ? "" : from));
	if (addrlist_next(&list, &item))
		r = addrlist_addr(&list, &item, &addr);
	if (r != ADDR_OK && r != ADDR_EMPTY)
		fatal(EX_USAGE, "-f option specified malformed sender: %s",
		    from);
	if (addrlist_next(&list, &item))
		warning("-f option specified malformed sender: %s", from);
	if (from == NULL)
		buf_puts(&addr, login);
	d.text = buf_get(&addr);
	post_put(p, &d);
	buf_clear(&addr);
}

static void
put_text(struct post *p, enum drop_type type, const char *text)
{
	struct drop d = { .type = type, .text = str_of(text) };
	struct buf b;

	if (text == NULL || text[0] == '\0')
		return;
	buf_init(&b, DROP_TEXT_MAX);
	(void)utf8_sanitize(&b, d.text,
	    type == DROP_FULLNAME ? 1024 : DROP_TEXT_MAX, true);
	d.text = buf_get(&b);
	post_put(p, &d);
	buf_clear(&b);
}

/* -bv: the content that is looked at in place of a real one. */
static void
put_probe(const struct options *o, struct post *p)
{
	char *from = xasprintf("From: %s\n", o->from == NULL ? login : o->from);

	if (o->from == NULL || o->from[0] != '\0')
		post_content(p, str_of(from));
	free(from);
	post_content(p, STR("Subject: probe\nTo:"));
	for (int i = 0; i < o->nrcpts; i++) {
		post_content(p, STR("\t"));
		post_content(p, str_of(o->rcpts[i]));
		post_content(p, i + 1 < o->nrcpts ? STR(",\n") : STR("\n"));
	}
}

static int
post(const struct options *o, const struct passwd *pw)
{
	struct drop head = { .type = DROP_HEAD,
		.when_us = clock_wall_us(),
		.flags = o->flags,
		.ret = o->ret };
	char *queue_dir = config_get(P_QUEUE_DIRECTORY);
	char *name = full_name(o, pw);
	struct posted res = { .status = EX_OK };
	struct envelope_out e = { .o = o };
	struct post p;
	struct buf text;

	if (o->nrcpts == 0 && !o->from_header)
		fatal(EX_USAGE,
		    "Recipient addresses must be specified on "
		    "the command line or via the -t option");
	post_init(&p, config_size(P_MESSAGE_SIZE_LIMIT));
	e.p = &p;
	buf_init(&text, HEAD_MAX);
	post_put(&p, &head);
	put_sender(&p, o->from);
	put_text(&p, DROP_FULLNAME, name);
	put_text(&p, DROP_ENVID, o->envid);
	if ((o->flags & DROP_VERIFY) != 0)
		put_probe(o, &p);
	else
		input_read(&p, o->keep_dots, o->from_header ? &text : NULL);
	for (int i = 0; i < o->nrcpts; i++)
		put_rcpts(&e, o->rcpts[i]);
	if (o->from_header)
		input_rcpts(buf_get(&text), put_rcpt, &e);
	if (p.too_big)
		fatal(EX_UNAVAILABLE, "message file too big");
	if (p.w.nrcpts == 0)
		fatal(EX_USAGE,
		    "No recipient addresses found in message header");
	post_send(&p, queue_dir, &res);
	if (res.status != EX_OK)
		fatal(res.status, "%s", res.text);
	if ((o->flags & (DROP_VERIFY | DROP_REPORT)) != 0)
		printf("Mail Delivery Status Report will be mailed to "
		       "<%s>.\n",
		    o->from == NULL ? login : o->from);
	if (o->verbose > 0)
		fprintf(stderr, "%s: queued as %s\n", progname, res.text);
	buf_clear(&text);
	post_clear(&p);
	free(name);
	free(queue_dir);
	return EX_OK;
}

/* --- other commands ------------------------------------------------------- */

/* Beside this very program, or else where the setting says. */
static char *
command_path(const char *name)
{
	char *own = self_directory(), *path;

	if (own != NULL) {
		path = xasprintf("%s/%s", own, name);
		free(own);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return xasprintf("%s/%s", config_get(P_COMMAND_DIRECTORY), name);
}

static void
run(const char *name, const char *option, const char *arg)
{
	char *path = command_path(name);

	if (setenv("MAIL_CONFIG", config_dir(), 1) == 0)
		execl(path, name, option, arg, (char *)NULL);
	fatal(EX_UNAVAILABLE, "%s: %s", path, strerror(errno));
}

static void
run_newaliases(const struct options *o)
{
	char *path = config_get(P_NEWALIASES_PATH);
	char *own = xasprintf("-oA%s", o->aliases == NULL ? "" : o->aliases);

	if (setenv("MAIL_CONFIG", config_dir(), 1) == 0 &&
	    access(path, X_OK) == 0)
		execl(path, "newaliases", o->aliases == NULL ? NULL : own,
		    (char *)NULL);
	/* Not where the setting says: beside the other commands. */
	run("newaliases", o->aliases == NULL ? NULL : own, NULL);
}

static int
other(const struct options *o)
{
	switch (o->mode) {
	case MODE_LIST:
		run("postqueue", "-p", NULL);
		break;
	case MODE_FLUSH:
		run("postqueue", "-f", NULL);
		break;
	case MODE_FLUSH_ID:
		run("postqueue", "-i", o->flush);
		break;
	case MODE_FLUSH_SITE:
		run("postqueue", "-s", o->flush);
		break;
	case MODE_ALIASES:
		run_newaliases(o);
		break;
	case MODE_DAEMON:
		run("mailctl", "start", NULL);
		break;
	case MODE_NOTHING:
		if (o->interval)
			warning("ignored: how often the queue is looked at is "
				"set by queue_run_delay in main.cf");
		return EX_OK;
	case MODE_POST:
	case MODE_SMTP:
		break;
	}
	return EX_SOFTWARE;
}

int
main(int argc, char *argv[])
{
	const char *slash;
	struct options o = { .mode = MODE_POST };
	struct passwd *pw;

	clean_start();
	if (argc > 0 && argv[0] != NULL) {
		slash = strrchr(argv[0], '/');
		progname = slash == NULL ? argv[0] : slash + 1;
	}
	if (strcmp(progname, "mailq") == 0)
		o.mode = MODE_LIST;
	else if (strcmp(progname, "newaliases") == 0)
		o.mode = MODE_ALIASES;
	options_parse(&o, argc, argv);
	config_read(o.dir);
	if (o.mode != MODE_POST && o.mode != MODE_SMTP)
		return other(&o);
	pw = getpwuid(getuid());
	login = pw == NULL ? xasprintf("uid-%u", (unsigned)getuid()) :
			     xstrdup(pw->pw_name);
	openlog("postern/sendmail", LOG_PID, LOG_MAIL);
	return o.mode == MODE_SMTP ? smtp_run(&o) : post(&o, pw);
}
