/* SPDX-License-Identifier: ISC */
#ifndef LOCAL_LOCAL_H
#define LOCAL_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "agent/boxes.h"
#include "agent/job.h"
#include "agent/maps.h"
#include "agent/run.h"
#include "base/siphash.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/lookup.h"
#include "edge/resolve.h"
#include "loop/loop.h"
#include "submit/submit.h"
#include "table/alias_value.h"

/*
 * local: delivery to the users of the system.
 *
 *	errand.c	a recipient, from job to fate
 *	address.c	what an address in an alias or .forward means
 *	alias.c		alias_maps, owners, :include:
 *	route.c		what is delivered here, and what goes out again
 *	user.c		a user: password database, .forward, mailbox
 *	dotforward.c	the text of a .forward file
 *	file.c		/file targets
 *	command.c	|command targets, mailbox_command
 *	forward.c	other addresses: a new message
 *	named.c		$name in forward_path and luser_relay
 *
 * An errand has two halves.  First aliases are expanded until nothing but
 * targets is left; nothing is delivered, so that trouble with a table puts off
 * all of it.  Then it is delivered: what is written here first, and then
 * everything that goes elsewhere, in one new message, so that each of its
 * recipients has its own fate in the queue.
 */
#define ITEMS_MAX 100000 /* destinations of one recipient */
#define DEPTH_MAX 100	 /* aliases of aliases */
#define USER_MAX 64	 /* bytes of a login name */

struct local {
	struct submit submit; /* first: its handlers get this pointer */
	struct loop *loop;
	const struct conf *conf;
	struct chan *lookup, *rewrite, *broker, *qmgr; /* NULL while down */
	struct maps maps;
	struct boxes *boxes;
	TAILQ_HEAD(, agent_job) jobs;
	unsigned njobs;
	bool paused; /* enough jobs in hand */
	uint8_t key[SIPHASH_KEY];

	/* Of the configuration. */
	struct str delimiter;
	uint64_t limit;
	uint8_t lock;
	bool have_aliases;
};

/* An alias that is being expanded; its parents are those that led to it. */
struct alias {
	SLIST_ENTRY(alias) link;
	const struct alias *parent;
	char *name;
	char *owner; /* sender of what goes on, or NULL */
	unsigned depth;
};

/* Where a destination was written. */
enum origin {
	FROM_JOB,
	FROM_ALIAS,
	FROM_INCLUDE,
	FROM_FORWARD, /* by the user himself */
};

/* A destination that is yet to be understood. */
struct item {
	STAILQ_ENTRY(item) link;
	enum alias_kind kind;
	enum origin origin;
	bool direct; /* \user */
	bool listed; /* in a file that a .forward includes */
	const struct alias *alias;
	char *file; /* the .forward or :include: file, or NULL */
	char text[];
};

/* Where it ends. */
enum target_kind {
	TO_USER,    /* text is the local part */
	TO_ADDRESS, /* a new message */
	TO_FILE,    /* text is the path */
	TO_COMMAND, /* text is the command */
};

struct target {
	STAILQ_ENTRY(target) link;
	enum target_kind kind;
	enum origin origin;
	bool direct; /* to the mailbox whatever .forward says, and here */
	bool done;
	const char *owner; /* of its alias, or NULL */
	const char *alias; /* its name, TO_COMMAND and TO_FILE */
	char *file;	   /* where it was written, the same */
	char *addr;	   /* in standard form; NULL: a file or command */
	char *text;
};

/* A recipient of a job. */
struct errand {
	struct local *lo;
	struct agent_job *job;
	uint16_t n;

	/* The first half. */
	STAILQ_HEAD(, item) todo;
	SLIST_HEAD(, alias) aliases;
	STAILQ_HEAD(, target) targets;
	unsigned nitems, ntargets;
	struct item *item;   /* being worked on */
	char *name, *addr;   /* its local part, its standard form */
	struct alias *alias; /* found, its owner being looked for */
	char *value;
	uint64_t *names; /* hashes of targets there are */
	unsigned nnames, names_size;

	/* The second. */
	struct target *target; /* being delivered to */
	char *user, *home;     /* of a TO_USER */
	char *whose;	       /* his address */
	char *reading;	       /* the file whose items are being added */
	size_t path;	       /* of forward_path: the next to be tried */
	bool forwarded;	       /* .forward was read */
	unsigned tries;
	void (*pass_none)(struct errand *e);
	void (*no_command)(struct errand *e);
	uint32_t expires; /* lookup's word for a file */
	uint64_t ticket;
	char *command; /* being run, for the log */
	struct run_call run;
	struct buf text; /* of an :include: file, a .forward, a new message */
	uint64_t stamp;
	struct submit_slot *slot;
	struct submit_wait wait;

	struct map_call map;
	struct box_call box;

	/* Another transport gets it: see pass.c. */
	char *pass_addr, *pass_transport, *pass_nexthop;
	uint64_t pass_ticket, pass_word;

	/* The worst so far, and how many lines the log has of it. */
	enum fate fate;
	char dsn[16];
	char text2[600];
	char *whom; /* of it: where an alias led, or NULL */
};

/* --- errand.c ------------------------------------------------------------- */
extern const struct chan_on local_on[];
void errand_forget(struct local *lo, const struct chan *qmgr);
void local_init(struct local *lo, struct loop *l);
void local_config(struct local *lo, const struct conf *c);

/* The end: reported, and e is gone. */
void errand_settle(struct errand *e, enum fate fate, const char *dsn,
    const char *fmt, ...) PRINTFLIKE(4, 5);
/* Remember what became of a target; the errand goes on. */
void
errand_note(struct errand *e, enum fate fate, struct str dsn, struct str text);
/* Report the worst that was noted. */
void errand_end(struct errand *e);
/* The next item; when there is none, the second half. */
void errand_next(struct errand *e);

/* A destination to be understood later. */
void errand_add(struct errand *e, const struct alias_item *it,
    enum origin origin, const struct alias *alias);
/* A target, unless it is there already. */
void errand_target(struct errand *e, enum target_kind kind, struct str text,
    struct str addr, bool direct, const struct item *from);

/* --- address.c ------------------------------------------------------------ */

/* Understand e->item, an address; errand_next() when that is done. */
void address_ask(struct errand *e);
/* e->addr is here: who is it?  The job's own recipient begins here. */
void address_local(struct errand *e, bool direct);

/* --- alias.c -------------------------------------------------------------- */

/* Is e->name an alias?  Ends in alias_none() or errand_next(). */
void alias_find(struct errand *e);
/* Read an :include: file that an alias names. */
void alias_include(struct errand *e);
/*
 * Have lookup vouch for e->target, which is a command or file of an alias; fn
 * gets LOOKUP_SIGNED.  False: it cannot be asked.
 */
bool alias_sign(struct errand *e, enum command_kind kind, chan_answer_fn *fn);
/* All destinations in a text; -1 when it is malformed. */
int alias_items(struct errand *e, struct str text, bool lines,
    enum origin origin, const struct alias *alias, const char **why);

/* --- dotforward.c --------------------------------------------------------- */

/*
 * The destinations of a .forward or :include: text, line by line, comments
 * left out.  Calls fn for each; returns how many, -1 with *why when malformed
 * or more than max.
 */
long dotforward_parse(struct str text, size_t max,
    void (*fn)(const struct alias_item *it, void *arg), void *arg,
    const char **why);

/* --- route.c -------------------------------------------------------------- */

/* All is expanded: decide what is delivered here; then do it. */
void route_begin(struct errand *e);
/* The next target. */
void route_next(struct errand *e);

/* --- user.c --------------------------------------------------------------- */
void user_begin(struct errand *e);
/* Ask the user's process for an :include: file of a .forward. */
void user_include(struct errand *e);

/* --- file.c --------------------------------------------------------------- */

/* May this destination be a file, and is it one that can be had? */
bool file_allowed(const struct errand *e, const struct item *it);
void file_begin(struct errand *e);

/* Write the job's message to a mailbox; note the fate, go on. */
void box_write(struct errand *e, struct box *b, uint8_t root, uint8_t flags,
    struct str path, chan_answer_fn *fn);

/* --- command.c ------------------------------------------------------------ */

/* May this destination be a command? */
bool command_allowed(const struct errand *e, const struct item *it);
void command_begin(struct errand *e);
/*
 * A command may get the user's mail instead of his mailbox; none() goes on when
 * there is no such command.
 */
void command_mailbox(struct errand *e, void (*none)(struct errand *e));

/* --- forward.c ------------------------------------------------------------ */

/* Send all TO_ADDRESS targets that are not done and have e->target's owner. */
void forward_begin(struct errand *e);

/* --- pass.c --------------------------------------------------------------- */

/*
 * The user that e->target is (or nobody: fallback) may belong to another
 * transport.  none() goes on when he does not.
 */
void pass_ask(struct errand *e, bool fallback, void (*none)(struct errand *e));
/* The end of an errand that has something to pass on: false if not. */
bool pass_report(struct errand *e, bool *last);

/* --- named.c -------------------------------------------------------------- */
struct names {
	struct str user, extension, delimiter, home, domain, local, recipient;
	struct str filter; /* what values may bring in; others become _ */
};

/*
 * Expand $name, ${name}, ${name?text} and ${name:text}.  0; 1 when a name that
 * has no value is needed; -1 when the text is malformed or too long for out.
 */
int named_expand(struct str text, const struct names *n, struct buf *out);

#endif
