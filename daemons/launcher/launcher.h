/* SPDX-License-Identifier: ISC */
#ifndef LAUNCHER_LAUNCHER_H
#define LAUNCHER_LAUNCHER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/allowance.h"
#include "base/buf.h"
#include "base/str.h"
#include "chan/chan.h"
#include "edge/launch.h"
#include "edge/ticket.h"
#include "loop/loop.h"
#include "sandbox/attest.h"
#include "sandbox/overlay.h"
#include "sandbox/policy.h"
#include "sandbox/sandbox.h"
#include "sandbox/violation.h"
#include "sandbox/watch.h"

/*
 * The launcher: what needs privilege, and nothing else.
 *
 *	config.c	the configuration, read and sent to the broker as a plan
 *	listen.c	listening sockets
 *	files.c		spool and other directories, log, tables, lock
 *	borrow.c	what is opened with the rights of a user
 *	limit.c		what the broker may order
 *	spawn.c		processes: made, attested, killed, mourned
 *	image.c		the warm image that processes of smtpd are copied from
 *	watch.c		processes: audited, now and then
 *	main.c		start, signals, the broker's orders
 */

/* A process we made. */
struct child {
	LIST_ENTRY(child) link;
	const struct policy *policy;
	struct sandbox_place place;
	pid_t pid;
	pid_t image; /* whose copy it is, or 0 */
	uint32_t instance;
	int note_fd; /* what it was doing, or -1 */
	bool attested; /* it was looked at: once is enough */
	struct timer late; /* a command's: it has had its time, and more */
};

/* The compiled filters of a policy, made when first needed. */
struct filter {
	const struct policy *policy;
	int fd;
	int trace_fd; /* for learning mode */
};

/* A socket that stays open over a reload, so that no client is refused. */
struct listener {
	LIST_ENTRY(listener) link;
	char *key; /* `inet:127.0.0.1:25`, `unix:public/pickup` */
	int fd;
	unsigned generation; /* of the plan that last asked for it */
};

/* A file that the configuration names. */
struct table_name {
	LIST_ENTRY(table_name) link;
	enum launch_what what;
	char *name; /* a table's path, a key as the configuration has it */
};

struct launcher {
	struct loop *loop;
	struct chan *broker; /* NULL while it is being started */
	pid_t broker_pid;
	int64_t broker_started_ms;
	int64_t broker_backoff_ms;
	struct timer broker_timer;
	struct cradle cradle;
	LIST_HEAD(, child) children;
	pid_t image_pid; /* of smtpd, or 0 */
	int image_fd;
	int64_t image_started_ms;
	pid_t image_proven; /* an image one copy of which was read in full, */
	struct evidence image_first; /* and what that showed */
	bool isolation; /* a process for each SMTP session */
	struct timer watch_timer;
	int64_t watch_ms; /* from one audit to the next; 0: none */
	struct sandbox_watch watch;
	LIST_HEAD(, listener) listeners;
	LIST_HEAD(, table_name) tables;
	struct filter *filters;
	char *directory; /* configuration */
	char *libexec; /* where the daemons' programs are */
	char *queue_dir, *data_dir, *log_path;
	char *virtual_base, *mail_spool; /* where mailboxes are */
	char *default_privs; /* whose rights files of aliases are opened with */
	char *mail_owner; /* and sockets of other servers connected to */
	int64_t virtual_min; /* no mailbox of a number below */
	int64_t virtual_min_next; /* the same, of the plan in the making */
	struct allowance lines, reloads; /* of the broker */
	uint32_t unsaid; /* lines over it */
	bool spool_mbox; /* mailboxes are files in mail_spool */
	char *syslog_name, *hostname;
	char home_text[1024]; /* of the last mailbox made, for its answer */
	uid_t real_uid; /* before any user namespace */
	int broker_fd; /* our end of the channel, until it has a chan */
	int spool_fd; /* the queue directory, for qmgr */
	int lock_fd;
	int kmsg_fd; /* the kernel's log, or -1 */
	int say_fd; /* whoever started us waits here, or -1 */
	struct watch say_watch; /* offline: has he gone? */
	struct ticket_key root_key; /* all that vouch have one made of it */
	unsigned generation;
	unsigned keys_generation; /* the plan that has keys in it */
	uint32_t waived;
	int64_t uid_base;
	bool foreground;
	bool offline; /* only what an order on the queue needs */
	bool stopping;
	bool restart; /* the broker died: start again when all are gone */
};

/* --- config.c ------------------------------------------------------------- */

/*
 * Read main.cf and master.cf into l->conf...; errors go to err, with file and
 * line.  What is in force stays in force when this fails.
 */
struct settings;
struct settings *settings_read(const char *directory, unsigned generation,
    struct buf *err);
void settings_free(struct settings **sp);
/* Take directories, level, tables from the settings. */
int settings_apply(struct launcher *l, const struct settings *s,
    struct buf *err);
/* Everything the broker is to know and to hand out. */
int settings_send(struct launcher *l, struct settings *s, struct buf *err);

/* --- listen.c ------------------------------------------------------------- */

/* A listening TCP socket; -1 with a sentence in err. */
int listen_inet(struct launcher *l, const struct netaddr *a, struct buf *err);
/* A listening local socket below the queue directory. */
int listen_unix(struct launcher *l, const char *path, mode_t mode,
    struct buf *err);
/* Close those that the newest plan does not have. */
void listen_sweep(struct launcher *l);

/* --- files.c -------------------------------------------------------------- */

/* One launcher for one data directory: take the lock, write our pid. */
int files_lock(struct launcher *l, struct buf *err);
/* The queue directory and what is in it, with owners and modes. */
int files_spool(struct launcher *l, struct buf *err);
/* What BROKER asked to have opened: a descriptor, or -1 with errno. */
int files_open(struct launcher *l, const struct launch_open *q);
int files_log(struct launcher *l);
uid_t files_uid(const struct launcher *l, const char *component);

/* --- borrow.c ------------------------------------------------------------- */

/* A directory, opened with the rights of a user; -1 with errno. */
int borrow_dir(struct launcher *l, const char *path, uid_t uid, gid_t gid);
/* A table or included file was opened: its owner may be borrowed from. */
void borrow_note(int fd);
/* Was it?  Root's are taken for granted. */
bool borrow_lent(uid_t uid);
/*
 * Whose rights: cuts `UID:' off the path, 0 being default_privs.  -1 when that
 * is root, nobody at all, or one who owns no table.
 */
int borrow_user(const struct launcher *l, struct str *path, uid_t *uid,
    gid_t *gid);
/* A file that an alias includes, with the rights that the path begins with. */
int borrow_include(struct launcher *l, struct str path);
/* Who mail_owner is; where there is none but root, who smtp runs as. */
void borrow_owner(const struct launcher *l, uid_t *uid, gid_t *gid);
/*
 * A connection to a next hop that is a socket, by a path from the queue
 * directory on, if rewrite signed it.
 */
int borrow_socket(struct launcher *l, struct str nexthop, uint64_t ticket);
/* See that a user who cannot make his mailbox has one. */
void borrow_mbox(struct launcher *l, const char *user, uid_t uid, gid_t gid);

/* --- limit.c -------------------------------------------------------------- */

#define LOCAL_MAILBOX "mailbox of local" /* has its line's configuration */

/* A component of the plan; fd, the configuration it starts with, is kept. */
void limit_plan(struct launcher *l, struct str component, uint32_t instances,
    int fd);
/* Forget those that the newest plan does not have. */
void limit_sweep(struct launcher *l);
/* The configuration of a component, or -1 where the plan does not have it. */
int limit_config(const char *component);
/* May there be another process of it?  -1 with a sentence in err. */
int limit_component(const struct launcher *l, const struct policy *policy,
    uint32_t instance, struct buf *err);
/*
 * As many as the policy of asker (all together, where that is NULL) may
 * request, open, of this verb; instance (-1: any) is how its own are numbered.
 */
int limit_requested(const struct launcher *l, const struct policy *policy,
    const char *verb, const char *asker, int64_t instance, struct buf *err);
/* May the broker have another line in the log? */
bool limit_line(struct launcher *l);

/* --- spawn.c -------------------------------------------------------------- */
pid_t spawn_broker(struct launcher *l, struct buf *err);
/* A warm image of a component; channel is its end.  -1 with a sentence. */
pid_t spawn_image(struct launcher *l, const char *component, int channel,
    struct buf *err);
void spawn_component(struct launcher *l, const struct launch_spawn *q, int fd,
    struct launch_spawned *out, struct buf *err);
void spawn_mailbox(struct launcher *l, const struct launch_mailbox *q, int fd,
    struct launch_spawned *out, struct buf *err);
/*
 * A command (command/command.h): an ordinary process of a user, of no
 * component's.  fd is the end of who asked, and is told what is wrong.
 */
void spawn_command(struct launcher *l, const struct launch_command *q, int fd);
void spawn_attest(struct launcher *l, pid_t pid, struct launch_attested *out,
    struct buf *err);
void spawn_kill(struct launcher *l, pid_t pid);
void spawn_kill_all(struct launcher *l);
/* Children that have died; fn hears of each. */
void spawn_reap(struct launcher *l,
    void (*fn)(struct launcher *l, const struct child *c, int status));

/* --- image.c -------------------------------------------------------------- */

/* A plan begins: what copies are to have comes anew, in image_object(). */
void image_forget(void);
void image_object(uint32_t instance, struct str name, int fd);
/* The image anew, if the configuration wants one. */
void image_start(struct launcher *l);
void image_end(struct launcher *l);
/* A copy of it, a child of ours; -1 where there is no image. */
pid_t image_birth(struct launcher *l, uint32_t instance, int channel,
    int note);
/* A child that is in no list has ended. */
void image_buried(struct launcher *l, pid_t pid);

/* --- watch.c -------------------------------------------------------------- */

/* Audit everybody every watch_ms from now on; 0: not any more. */
void watch_start(struct launcher *l);
/* A process is gone: so is what was found about it. */
void watch_buried(struct launcher *l, pid_t pid);

/* --- main.c --------------------------------------------------------------- */

/* A line for the log: to whoever started us, and to the log itself. */
void launcher_say(struct launcher *l, int level, const char *fmt, ...)
    PRINTFLIKE(3, 4);

#endif
