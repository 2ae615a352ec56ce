/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "sandbox/policy.h"

/*
 * Confinement, seen from the process that is confined and from the launcher
 * that makes it.  Implemented once per system: linux*.c, openbsd.c, freebsd.c.
 *
 * The life of a component:
 *
 *	launcher	cradle_init() once, sandbox_filter() once a policy
 *	launcher	sandbox_clone(); in the child cradle_child(), execve()
 *	component	trusted initialisation, then sandbox_enter()
 *	component	says hello on SLOT_BROKER
 *	launcher	sandbox_attest() (attest.h), tells the broker
 *	broker		now, and not before, sends descriptors
 */

/* Descriptors on fixed numbers.  All others arrive by recvmsg(2). */
enum {
	SLOT_NULL = 0, /* 0 to 2: /dev/null */
	SLOT_BROKER = 3,
	SLOT_CONFIG = 4, /* sealed configuration */
	SLOT_FILTER = 5, /* sealed filter; closed by sandbox_enter() */
	SLOT_DIR = 6,	 /* qmgr: spool; mailbox: home or mail directory */
	SLOT_DIR2 = 7,	 /* mailbox: the directory of mboxes */
	SLOT_INPUT = 7,	 /* command: the message comes out of it */
	SLOT_NOTE = 8,	 /* base/note.h; gone once it is mapped */
	SLOT_TRACE = 9,	 /* learning mode only: where its listener goes */
	SLOT_KEY = 10,	 /* what it vouches with, or looks at (edge/ticket.h) */
	SLOT_N = 11
};

enum sandbox_level {
	LEVEL_BARE,   /* L0: no privilege to build with */
	LEVEL_USERNS, /* L1: root of a user namespace, one user id */
	LEVEL_ROOT    /* L2: root */
};

/* Where a component is put.  Zero is no valid place: see place_parse(). */
struct sandbox_place {
	enum sandbox_level level;
	uid_t uid;
	gid_t gid;
	uint32_t waived; /* enum wall: given up by name in the configuration */
	int filter_fd;	 /* SLOT_FILTER, or -1 */
	bool trace;	 /* learning mode: see trace.h */
	bool inside; /* a copy of an image (warm.h): what is the same stands */

	/*
	 * Helper threads cannot be made once sealed.  Called when every wall
	 * but the filter stands; it makes the threads, waits until each has
	 * run, and returns 0.  NULL when there are none.
	 */
	int (*threads)(void *arg);
	void *threads_arg;
};

/*
 * Build every wall of the policy around this process, for ever.  Called once,
 * after trusted initialisation and before the first byte from outside, in a
 * process with one thread.  SIGPIPE is ignored from here on.
 *
 * Returns 0 when all walls stand (but for place->waived), or -1 with a
 * sentence naming the wall in err; the process must then exit.
 */
int sandbox_enter(const struct policy *policy,
    const struct sandbox_place *place, char *err, size_t err_size) WARN_UNUSED;

/*
 * The policy of the component that this process is: the compiled one, with
 * the overlay that its launcher put into the environment (SANDBOX_OVERLAY).
 * Called before sandbox_enter().  NULL with a sentence in err.
 */
#define SANDBOX_OVERLAY "POSTERN_OVERLAY"
const struct policy *sandbox_policy(const char *name, char *err,
    size_t err_size) WARN_UNUSED;

/*
 * A place as one word, for the argument vector of the program that is to
 * enter it.  threads and threads_arg do not travel.  place_parse() returns -1
 * for anything place_format() does not write.
 */
void place_format(const struct sandbox_place *place, struct buf *out);
int place_parse(struct str s, struct sandbox_place *out);

/*
 * What this user may build on this kernel: the best level, and the walls that
 * can then not be had (enum wall), found by trying in a child.  `why` gets a
 * line for each missing wall.  A start must fail unless missing is a subset
 * of what the configuration waives.  -1 with errno when no child can be made.
 */
int sandbox_level_probe(enum sandbox_level *level, uint32_t *missing,
    struct buf *why);

/* The launcher's side; one of these, for as long as it lives. */
struct cradle {
	enum sandbox_level level;
	uint32_t waived;
	int net_fd;  /* the empty network namespace, or -1 */
	int null_fd; /* /dev/null */
};

/*
 * Prepare this process, which must be single-threaded, to make components:
 * at LEVEL_USERNS enter a user namespace; make the empty network namespace;
 * empty the bounding set (what a component needs to build its walls travels
 * in the inheritable set and is gone when it is sealed).  -1 with a sentence
 * in err.
 */
int cradle_init(struct cradle *c, enum sandbox_level level, uint32_t waived,
    char *err, size_t err_size) WARN_UNUSED;
void cradle_clear(struct cradle *c);

/*
 * Like fork(2), in a new process id namespace unless that wall is waived.
 * *pidfd (if not NULL) gets a descriptor for poll(2) and waitid(2).
 */
pid_t sandbox_clone(const struct cradle *c, int *pidfd) WARN_UNUSED;

/* Which descriptor is to become which slot. */
struct cradle_fd {
	int slot; /* SLOT_* */
	int fd;
};

/*
 * In the child, before execve(2): join the empty network namespace, put the
 * descriptors on their slots (0 to 5 become /dev/null unless given: a sealed
 * process cannot close them, so nothing else may come to be there), close
 * every other, own session, default signals, umask 077, working directory /.
 * -1 with errno; the child must then _exit().
 */
int cradle_child(const struct cradle *c, const struct policy *policy,
    const struct cradle_fd *fds, size_t n) WARN_UNUSED;

/*
 * Run the program at path, which has no walls, for a user: it gets his ids (at
 * LEVEL_ROOT) and no group but that one, no capability, no way to gain
 * privilege, limits that programs expect, and begins in dir with channel on
 * SLOT_BROKER, order on SLOT_CONFIG and input on SLOT_INPUT.  Its process id,
 * or -1 with errno.
 */
pid_t cradle_run(const struct cradle *c, const struct sandbox_place *place,
    const char *dir, char *path, char *const *env, int channel, int order,
    int input) WARN_UNUSED;

/* Nobody of our own user may trace us or look into our memory. */
void sandbox_aloof(void);
/*
 * This process is killed when its parent ends, however it ends; at once, if
 * that is not the parent any more.
 */
void sandbox_leash(pid_t parent);

/*
 * The policy's filter as a sealed memory file of struct sock_filter, made
 * with libseccomp.  The caller owns it and may hand it to any number of
 * components; at -1 err has a sentence.  Not on the BSDs (-1, ENOSYS).
 */
int sandbox_filter(const struct policy *policy, char *err,
    size_t err_size) WARN_UNUSED;

/*
 * The same for learning mode: what the policy does not allow is reported to
 * whoever listens (trace.h) and goes on as he says.
 */
int sandbox_filter_trace(const struct policy *policy, char *err,
    size_t err_size) WARN_UNUSED;

/*
 * Before a descriptor is passed to a component: take from it every right that
 * the policy does not give.  On FreeBSD this is where a descriptor becomes a
 * capability; elsewhere the receiver's sandbox carries the rights and nothing
 * happens.  -1 with errno.
 */
int sandbox_limit(int fd, enum policy_kind kind, uint32_t rights);

/*
 * For code that runs sealed.
 *
 * beneath_open() opens path beneath dir_fd: no "..", no absolute path, no
 * symbolic link that leads out.  openat(2) itself is refused.  On the BSDs it
 * is openat with O_RESOLVE_BENEATH, or with the path checked.
 *
 * fstat(), fstatat() and utimensat() may be used as they are: on Linux this
 * library has its own, since libc's take paths where a sealed process may
 * not.  sealed_fstat() is fstat().  Of libc's directory functions only
 * getdents64(3) works (opendir and fdopendir call what is refused).
 */
struct stat;
int sealed_fstat(int fd, struct stat *st);
int beneath_open(int dir_fd, const char *path, int flags, mode_t mode);

#endif
