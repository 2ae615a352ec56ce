/* SPDX-License-Identifier: ISC */
#ifndef MAILCTL_MAILCTL_H
#define MAILCTL_MAILCTL_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "conf/build.h"
#include "conf/conf.h"
#include "edge/control.h"

/*
 * mailctl and its other names: what an administrator says to an instance.
 *
 *	main.c		names and subcommands
 *	say.c		words to people
 *	instance.c	an instance, described by its configuration directory
 *	talk.c json.c	questions to it, answers
 *	offline.c	the queue of one that does not run
 *	kin.c		its processes, as the kernel knows them
 *	start.c stop.c status.c		its life
 *	audit.c graph.c	what its processes may do
 *	queue.c show.c queue_cmd.c	its queue
 *	postfix.c postqueue.c ...	Postfix's names for all that
 */

/* Exit statuses, besides 0. */
enum {
	EXIT_BAD = 1,	 /* it did not work, or is not so */
	EXIT_UNSURE = 2, /* it cannot be known */
	EXIT_ALARM = 3,	 /* it runs, but not as its policies say */
	EXIT_USAGE = 64,
};

/* What was said on the command line for all subcommands. */
struct options {
	const char *name; /* we were called by */
	const char *dir;  /* -c, or NULL */
	bool json;
	bool verbose;
	bool postfix; /* words and statuses are Postfix's */
};

extern struct options opt;

/* A name or a subcommand: argv[0] is it. */
typedef int command_fn(int argc, char *argv[]);

/* --- say.c ---------------------------------------------------------------- */

/* `NAME: fatal: ...` on standard error, and the end. */
void die(const char *fmt, ...) PRINTFLIKE(1, 2) NORETURN;
void die_usage(const char *fmt, ...) PRINTFLIKE(1, 2) NORETURN;
void warn_of(const char *fmt, ...) PRINTFLIKE(1, 2);
void say(const char *fmt, ...) PRINTFLIKE(1, 2);

/* --- instance.c ----------------------------------------------------------- */

struct instance {
	struct build build;
	char *dir; /* configuration, absolute */
	char *queue_dir;
	struct conf *conf; /* NULL: the configuration is no good */
};

/*
 * Read the configuration of the instance we were told of.  One that is no
 * good still has a queue directory, so that what runs can be stopped; the
 * findings are in in->build.rep.  Ends the process only when there is no such
 * directory.
 */
void instance_open(struct instance *in);
void instance_clear(struct instance *in);

/* Print every error (and warning); how many errors? */
size_t instance_report(const struct instance *in, bool warnings);

/*
 * From here on policies are what the instance's overlays make of them.
 * owner: see overlays_read().  -1 with what is wrong, a line each, in err.
 */
int instance_overlays(uid_t owner, struct buf *err) WARN_UNUSED;
/* The same, but the process ends when something is wrong. */
void need_overlays(void);

/*
 * Is it running?  The pid of its launcher, 0 when not (nor when one was
 * started for an order on the queue alone), -1 with errno when that cannot be
 * found out.  Holding a lock is what counts, not a number in a file.
 */
pid_t instance_pid(const struct instance *in);

/* Where our programs and policies are; the caller frees. */
char *program_path(const char *name);
char *policy_path(const char *name);

/* --- talk.c --------------------------------------------------------------- */

/* A conversation with control: a question, its records, the next question. */
struct talk {
	int fd;
	int got_fd; /* that came with an answer, or -1 */
	uint64_t id;
	struct buf in;
	size_t used;
	struct control_rec rec;
	pid_t launcher; /* that was started for this, or 0; see offline.c */
	int life_fd;	/* and ends when this is closed */
};

/* False with errno when nobody is there. */
bool talk_open(struct talk *t, const struct instance *in);
int talk_connect(const struct instance *in, const char *name);
void talk_close(struct talk *t);
void talk_ask(struct talk *t, unsigned type, const void *rec);
/* The next record of the answer, borrowed; the process ends when none comes. */
const struct control_rec *talk_next(struct talk *t);
/* Texts until CONTROL_DONE: its error, and its words in why. */
int talk_text(struct talk *t, struct buf *out, struct buf *why);
int talk_admin(struct talk *t, enum admin_what what, struct buf *out,
    struct buf *why);

/* --- offline.c ------------------------------------------------------------ */

/*
 * As talk_open(), for orders on the queue.  When the mail system is stopped
 * and we are root, or the user it belongs to, the queue is opened without it;
 * warning says so before, NULL: silently.  False: it is stopped.
 */
bool talk_queue(struct talk *t, const struct instance *in,
    const char *warning);
int offline_end(struct talk *t);
/* Could we do without a running system? */
bool offline_may(const struct instance *in);

/* --- start.c -------------------------------------------------------------- */

/* Become the launcher, which says on say_fd when it is ready. */
void run_launcher(const struct instance *in, int say_fd, bool offline)
    NORETURN;
/* Pass on what it says; true when that it is ready was the last of it. */
bool launcher_ready(int fd, pid_t pid);

/* --- start.c, stop.c, status.c, check.c ----------------------------------- */
command_fn cmd_start, cmd_stop, cmd_status, cmd_reload, cmd_check;
/*
 * What is wrong with a line of master.cf that runs a command, or nothing; -1
 * where it is the line itself.
 */
int check_pipe(struct build *b, const struct service *sv, struct buf *why);

/* --- explain.c ------------------------------------------------------------ */
command_fn cmd_explain;

/* --- queue_cmd.c ---------------------------------------------------------- */
command_fn cmd_queue_list, cmd_queue_show, cmd_queue_flush, cmd_queue_hold,
    cmd_queue_release, cmd_queue_delete, cmd_queue_requeue, cmd_queue_expire;

/* --- the names of Postfix, a file each ------------------------------------ */
command_fn cmd_postfix, cmd_postqueue, cmd_postsuper, cmd_postcat, cmd_postkick,
    cmd_postlock, cmd_postlog;

/* --- audit.c, graph.c ----------------------------------------------------- */
command_fn cmd_sandbox_audit, cmd_sandbox_graph, cmd_sandbox_show,
    cmd_sandbox_prove, cmd_sandbox_trace;

/* --- follow.c ------------------------------------------------------------- */
command_fn cmd_log_follow, cmd_log_tail;

/* A page to a file, or with "-" to standard output: audit.c. */
void put_page(const char *path, const struct buf *page);

/* `root`, `user namespace`, ... */
const char *level_name(int64_t level);
/* `4m05s`, `3d04h`. */
void age_text(int64_t seconds, char out[32]);

#endif
