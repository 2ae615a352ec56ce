/* SPDX-License-Identifier: ISC */
#ifndef COMMAND_ORDER_H
#define COMMAND_ORDER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "conf/conf.h"
#include "conf/pipe_args.h"
#include "edge/launch.h"

/*
 * Commands as the launcher knows them: who they run as, and what is run
 * according to the configuration.  The system's databases are asked: not for
 * sealed processes.
 */
struct person {
	uid_t uid;
	gid_t gid;
	char name[65], home[1024], shell[256];
};

/* Whom commands may run as, but for root, whom they never may. */
struct person_rules {
	int64_t uid_base; /* of our components' ids */
	bool root;	  /* we are; else only `uid` will do */
	uid_t uid;
};

/*
 * The user of that name; whoever owns the file it stood in, where a file of
 * root's or of the queue's owner is for default_privs; the user (and group) of
 * a pipe line.  0, or -1 with a sentence in err.
 */
int person_by_name(struct person *p, struct str name, struct buf *err);
int person_by_owner(struct person *p, uid_t uid, const struct conf *c,
    struct buf *err);
int person_by_line(struct person *p, const struct pipe_args *a,
    struct buf *err);

/* May a command have his rights?  0, or -1 with a sentence. */
int person_allowed(const struct person *p, const struct conf *c,
    const struct person_rules *rules, struct buf *err);

/*
 * The configuration that orders come from: first (-1) of main.cf, which forgets
 * all there was, then of each pipe line of master.cf by its number.  The
 * descriptor is borrowed.
 */
void order_config(int64_t number, int fd);

/* Who it is to run as, and for how long. */
struct order_terms {
	uid_t uid;
	gid_t gid;
	int64_t limit_ms;
};

/*
 * What the broker asks to have run, as an order (edge/run.h) in a sealed memory
 * file, and its terms.  directory is that of the configuration.  -1 with a
 * sentence.
 */
int order_make(const struct launch_command *q,
    const struct person_rules *rules, const char *directory,
    struct order_terms *out, struct buf *err);

/*
 * A pipe for the message.  Its way in is sent to whoever asked, over fd, the
 * other end of his channel, which nobody else has yet.  The way out, its user's
 * to open again (/dev/stdin), or -1 with errno.
 */
int order_input(int fd, uid_t uid, gid_t gid);

/* Whoever asked, and waits at the other end of fd, is told RUN_REFUSED. */
void order_refuse(int fd, const char *why);

#endif
