/* SPDX-License-Identifier: ISC */
/*
 * launcher - does what needs privilege, for the broker and nobody else.
 *
 * Holds:  root (or a user namespace, or nothing: see the level), the lock,
 *         the listening sockets, the queue directory
 * Reads:  main.cf, master.cf, which are the administrator's, and the broker's
 *         typed orders (edge/launch.h)
 * Never:  reads a byte that came from a stranger.
 * If the broker dies, everything is ended and started again; if we die, so
 * does everybody.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/self.h"
#include "log/log.h"
#include "net/notify.h"
#include "sandbox/reach.h"

#include "launcher.h"

#define BACKOFF_FIRST 200 /* ms, after the broker's first death */
#define BACKOFF_MAX 60000
#define RELOAD_RATE 2 /* a second */
#define RELOAD_BURST 20

static void start_broker(void *arg);

/* --- words ---------------------------------------------------------------- */

static const char *const level_word[] = { "fatal: ", "error: ", "warning: ",
	"", "" };

void
launcher_say(struct launcher *l, int level, const char *fmt, ...)
{
	char text[2048], line[2300], date[32];
	time_t now = time(NULL);
	struct tm tm;
	va_list ap;
	int fd, n;

	if (level < 0 || level > 3)
		level = 3;
	if (level == 3 && l->offline)
		return; /* nothing was started that anybody has heard of */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	localtime_r(&now, &tm);
	strftime(date, sizeof(date), "%b %e %H:%M:%S", &tm);
	if (level < 3)
		dprintf(l->say_fd != -1 ? l->say_fd : STDERR_FILENO, "%s%s\n",
		    level_word[level], text);
	fd = files_log(l);
	if (fd == -1)
		return;
	if (l->log_path == NULL || l->log_path[0] == '\0')
		n = snprintf(line, sizeof(line), "<%d>%s %s/master[%d]: %s%s",
		    (2 << 3) | (level == 3 ? 6 : level == 2 ? 4 : 3), date,
		    l->syslog_name, (int)getpid(), level_word[level], text);
	else
		n = snprintf(line, sizeof(line), "%s %s %s/master[%d]: %s%s\n",
		    date, l->hostname, l->syslog_name, (int)getpid(),
		    level_word[level], text);
	if (n > 0 && write(fd, line, (size_t)n) == -1)
		n = 0; /* there is nobody left to tell */
	close(fd);
}

/* --- the broker's orders -------------------------------------------------- */

static void
on_spawn(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct launch_spawned a = { .error = 0 };
	struct buf err;

	buf_init(&err, 500);
	if (chan_type(ch) == LAUNCH_MAILBOX)
		spawn_mailbox(arg, rec, fds[0], &a, &err);
	else
		spawn_component(arg, rec, fds[0], &a, &err);
	a.error = err.len > 0 ? EAGAIN : 0;
	a.text = buf_get(&err);
	chan_answer(ch, LAUNCH_SPAWNED, id, &a, NULL);
	buf_clear(&err);
}

static void
on_command(UNUSED struct chan *ch, UNUSED uint64_t id, const void *rec,
    int *fds, void *arg)
{
	spawn_command(arg, rec, fds[0]);
}

static void
on_attest(struct chan *ch, uint64_t id, const void *rec, UNUSED int *fds,
    void *arg)
{
	const struct launch_attest *q = rec;
	struct launch_attested a = { .ok = 0 };
	struct buf err;

	buf_init(&err, 512);
	spawn_attest(arg, (pid_t)q->pid, &a, &err);
	a.text = buf_get(&err);
	chan_answer(ch, LAUNCH_ATTESTED, id, &a, NULL);
	buf_clear(&err);
}

static void
on_kill(UNUSED struct chan *ch, UNUSED uint64_t id, const void *rec,
    UNUSED int *fds, void *arg)
{
	const struct launch_kill *q = rec;

	spawn_kill(arg, (pid_t)q->pid);
}

static void
on_open(struct chan *ch, uint64_t id, const void *rec, UNUSED int *fds,
    void *arg)
{
	struct launch_refused no = { .error = 0 };
	int fd = files_open(arg, rec);

	no.error = (uint32_t)errno;
	if (fd != -1)
		chan_answer(ch, LAUNCH_FILE, id, NULL, &fd);
	else
		chan_answer(ch, LAUNCH_REFUSED, id, &no, NULL);
}

/* Read the configuration anew; what is in force stays when it is no good. */
static int
plan(struct launcher *l, struct buf *err)
{
	struct settings *s = settings_read(l->directory, l->generation + 1,
	    err);
	int r = -1;

	if (s != NULL && settings_apply(l, s, err) == 0) {
		l->generation++;
		r = settings_send(l, s, err);
	}
	settings_free(&s);
	return r;
}

static void
on_reload(struct chan *ch, uint64_t id, UNUSED const void *rec, UNUSED int *fds,
    void *arg)
{
	struct launcher *l = arg;
	struct launch_done a = { .error = 0 };
	struct buf err;

	buf_init(&err, 65536);
	notify_supervisor("RELOADING=1");
	if (!allowance_take(&l->reloads, RELOAD_RATE, RELOAD_BURST,
	    clock_ms())) {
		a.error = EAGAIN;
		buf_puts(&err, "too many reloads at once");
	} else if (overlays_same(l->directory, &err) == -1 ||
	    plan(l, &err) == -1) {
		a.error = EINVAL;
	} else {
		listen_sweep(l);
		limit_sweep(l);
		watch_start(l);
	}
	a.text = str_sub(buf_get(&err), 0, 1024);
	chan_answer(ch, LAUNCH_DONE, id, &a, NULL);
	notify_supervisor("READY=1");
	buf_clear(&err);
}

static void
on_up(UNUSED struct chan *ch, UNUSED uint64_t id, UNUSED const void *rec,
    UNUSED int *fds, void *arg)
{
	struct launcher *l = arg;

	notify_supervisor("READY=1\nSTATUS=accepting mail");
	if (l->say_fd == -1)
		return;
	dprintf(l->say_fd, "ready\n");
	if (!l->offline)
		fd_close(&l->say_fd);
}

static void
on_ended(UNUSED struct chan *ch, UNUSED uint64_t id, UNUSED const void *rec,
    UNUSED int *fds, void *arg)
{
	struct launcher *l = arg;

	launcher_say(l, 3, "terminating on signal 15");
	image_end(l);
	loop_stop(l->loop, 0);
}

static void
on_say(UNUSED struct chan *ch, UNUSED uint64_t id, const void *rec,
    UNUSED int *fds, void *arg)
{
	const struct launch_say *s = rec;

	if (limit_line(arg))
		launcher_say(arg, s->level, STR_FMT, STR_ARG(s->text));
}

static const struct chan_on broker_on[] = {
	{ LAUNCH_SPAWN, on_spawn },
	{ LAUNCH_MAILBOX, on_spawn },
	{ LAUNCH_COMMAND, on_command },
	{ LAUNCH_ATTEST, on_attest },
	{ LAUNCH_KILL, on_kill },
	{ LAUNCH_OPEN, on_open },
	{ LAUNCH_RELOAD, on_reload },
	{ LAUNCH_UP, on_up },
	{ LAUNCH_ENDED, on_ended },
	{ LAUNCH_SAY, on_say },
	{ 0, NULL },
};

/* --- life and death ------------------------------------------------------- */

/* Everybody has ended: start again, later each time. */
static void
begin_again(struct launcher *l)
{
	if (!l->restart || !LIST_EMPTY(&l->children))
		return;
	l->restart = false;
	if (clock_ms() - l->broker_started_ms > BACKOFF_MAX)
		l->broker_backoff_ms = BACKOFF_FIRST;
	timer_set(&l->broker_timer, l->broker_backoff_ms);
	l->broker_backoff_ms *= 2;
	if (l->broker_backoff_ms > BACKOFF_MAX)
		l->broker_backoff_ms = BACKOFF_MAX;
}

/*
 * The broker has gone, and with it all that knew who holds what.  Everybody
 * ends (components do so by themselves; this makes sure) and all starts anew,
 * later each time.  The listening sockets stay: clients wait.
 */
static void
on_broker_gone(struct chan *ch, const char *why, void *arg)
{
	struct launcher *l = arg;

	(void)ch;
	chan_free(&l->broker);
	if (l->stopping) {
		loop_stop(l->loop, 0);
		return;
	}
	launcher_say(l, 1, "the broker has died%s%s: starting all again",
	    why == NULL ? "" : ": ", why == NULL ? "" : why);
	l->restart = true;
	spawn_kill_all(l);
	/* Its channel may close after the last of them was buried. */
	begin_again(l);
}

static void
on_child(struct launcher *l, const struct child *c, int status)
{
	struct launch_exited e = { .pid = (uint32_t)c->pid };
	struct buf why;

	buf_init(&why, 1024);
	if (WIFSIGNALED(status))
		e.signal = (uint32_t)WTERMSIG(status);
	else
		e.code = (uint32_t)WEXITSTATUS(status);
	if (e.signal == SIGSYS)
		violation_explain(l->kmsg_fd, c->pid, c->policy, c->note_fd,
		    &why);
	e.why = buf_get(&why);
	if (c->pid == l->broker_pid) {
		l->broker_pid = 0;
		if (e.signal != 0 || e.code != 0)
			launcher_say(l, 1, "broker ended: %s %u%s" STR_FMT,
			    e.signal != 0 ? "signal" : "status",
			    e.signal != 0 ? e.signal : e.code,
			    e.why.n > 0 ? ": " : "", STR_ARG(e.why));
	} else if (l->broker != NULL) {
		chan_tell(l->broker, LAUNCH_EXITED, 0, &e, NULL);
	}
	buf_clear(&why);
	begin_again(l);
}

static void
on_signal(int sig, void *arg)
{
	struct launcher *l = arg;
	struct launch_stop rec;

	memset(&rec, 0, sizeof(rec));
	switch (sig) {
	case SIGCHLD:
		spawn_reap(l, on_child);
		break;
	case SIGHUP:
		if (l->broker != NULL)
			chan_tell(l->broker, LAUNCH_HUP, 0, &rec, NULL);
		break;
	default:
		notify_supervisor("STOPPING=1");
		if (l->broker == NULL || l->stopping)
			loop_stop(l->loop, 0);
		else
			chan_tell(l->broker, LAUNCH_STOP, 0, &rec, NULL);
		l->stopping = true;
		break;
	}
}

/* Offline we are there for one command: it has ended, so do we. */
static void
on_say_gone(int what, void *arg)
{
	struct launcher *l = arg;

	(void)what;
	watch_clear(&l->say_watch);
	on_signal(SIGTERM, l);
}

/* Start the broker and send it the plan; without one we cannot be. */
static void
start_broker(void *arg)
{
	struct launcher *l = arg;
	struct buf err;

	buf_init(&err, 65536);
	l->broker_started_ms = clock_ms();
	l->root_key.have = getentropy(l->root_key.key,
	    sizeof(l->root_key.key)) == 0;
	l->broker_pid = spawn_broker(l, &err);
	if (l->broker_pid == -1) {
		launcher_say(l, 0, "%s", buf_cstr(&err));
		exit(1);
	}
	l->broker = chan_new(l->loop, l->broker_fd, &edge_launch, SIDE_B,
	    broker_on, on_broker_gone, l);
	if (plan(l, &err) == -1) {
		launcher_say(l, 0, "%s", buf_cstr(&err));
		spawn_kill_all(l);
		exit(1);
	}
	buf_clear(&err);
}

/* --- the start ------------------------------------------------------------ */

static void NORETURN
usage(void)
{
	fprintf(stderr, "usage: launcher -c DIRECTORY [-f] [-r FD [-o]]\n"
	    "It is started by `mailctl start`.\n");
	exit(64);
}

static void
parse_args(struct launcher *l, int argc, char *argv[])
{
	int c;

	while ((c = getopt(argc, argv, "c:for:")) != -1) {
		switch (c) {
		case 'c':
			l->directory = xstrdup(optarg);
			break;
		case 'f':
			l->foreground = true;
			break;
		case 'o':
			l->offline = true;
			break;
		case 'r':
			l->say_fd = atoi(optarg);
			break;
		default:
			usage();
		}
	}
	if (l->directory == NULL || optind != argc ||
	    (l->offline && l->say_fd == -1))
		usage();
}

/*
 * The policies are proved when they are compiled, and here once more, because
 * a program is what somebody has built, with whatever policies.
 */
static void
prove(struct launcher *l)
{
	struct reach r = reach_compiled();
	struct buf report;
	struct str text, line;

	buf_init(&report, 1 << 16);
	if (reach_check(&r, &report) > 0) {
		text = buf_get(&report);
		while (str_token(&text, "\n", &line))
			launcher_say(l, 0, "policy leak: " STR_FMT,
			    STR_ARG(line));
		exit(1);
	}
	buf_clear(&report);
}

/*
 * What can be built here, and what the administrator has given up: a wall
 * that can neither be had nor was waived by name ends the start.
 */
static void
prepare(struct launcher *l)
{
	enum sandbox_level level;
	uint32_t missing;
	struct buf why;
	char err[512];

	buf_init(&why, 8192);
	if (sandbox_level_probe(&level, &missing, &why) == -1) {
		launcher_say(l, 0, "sandbox: %s", strerror(errno));
		exit(1);
	}
	if ((missing & ~l->waived) != 0) {
		struct buf names;

		buf_init(&names, 1024);
		walls_names(missing & ~l->waived, &names);
		launcher_say(l, 0, "walls that this system does not let us "
		    "build: %s", buf_cstr(&why));
		launcher_say(l, 0, "give them up by name if you must: "
		    "sandbox_waive = %s", buf_cstr(&names));
		exit(1);
	}
	buf_clear(&why);
	if (cradle_init(&l->cradle, level, l->waived, err, sizeof(err)) == -1) {
		launcher_say(l, 0, "sandbox: %s", err);
		exit(1);
	}
}

static void NORETURN
give_up(struct launcher *l, struct buf *why)
{
	launcher_say(l, 0, "%s", buf_cstr(why));
	exit(1);
}

int
main(int argc, char *argv[])
{
	static struct launcher l = { .say_fd = -1, .spool_fd = -1,
		.image_fd = -1, .lock_fd = -1, .broker_fd = -1, .kmsg_fd = -1,
		.broker_backoff_ms = BACKOFF_FIRST };
	struct overlays overlays;
	struct settings *s;
	struct buf err;

	parse_args(&l, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	buf_init(&err, 65536);
	/* The components' programs are neighbours of this one. */
	l.libexec = self_directory();
	if (l.libexec == NULL)
		l.libexec = xstrdup(LIBEXECDIR);
	l.real_uid = getuid();
	s = settings_read(l.directory, 1, &err);
	if (s == NULL || settings_apply(&l, s, &err) == -1)
		give_up(&l, &err);
	prove(&l);
	if (overlays_read(l.directory, l.real_uid, &overlays, &err) == -1 ||
	    overlays_use(&overlays, &err) == -1)
		give_up(&l, &err);
	if (files_lock(&l, &err) == -1) {
		if (l.offline)
			exit(EX_TEMPFAIL); /* it is just being started */
		give_up(&l, &err);
	}
	settings_free(&s);
	l.kmsg_fd = violation_open();
	prepare(&l);
	if (files_spool(&l, &err) == -1)
		give_up(&l, &err);
	buf_clear(&err);

	l.loop = loop_new();
	loop_signal(l.loop, SIGCHLD, on_signal, &l);
	loop_signal(l.loop, SIGTERM, on_signal, &l);
	loop_signal(l.loop, SIGINT, on_signal, &l);
	loop_signal(l.loop, SIGHUP, on_signal, &l);
	timer_init(&l.broker_timer, l.loop, start_broker, &l);
	watch_init(&l.say_watch, l.loop, l.say_fd, on_say_gone, &l);
	if (l.offline)
		watch_set(&l.say_watch, LOOP_READ);
	start_broker(&l);
	watch_start(&l);
	return loop_run(l.loop);
}
