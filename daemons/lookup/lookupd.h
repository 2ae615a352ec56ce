/* SPDX-License-Identifier: ISC */
#ifndef LOOKUP_LOOKUPD_H
#define LOOKUP_LOOKUPD_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/lookup.h"
#include "edge/ticket.h"
#include "table/lookup.h"

/*
 * lookup: every table, one protocol.
 *
 *	tables.c	the open tables, fetched from the broker, kept fresh
 *	params.c	which asker may ask for which parameter
 *	find.c		one question
 *	include.c	:include: files that aliases name
 *	command.c	commands that tables name, signed
 *	passwd.c	users of the system
 */
struct lookupd;

#define SERVICES_MAX 1024

/* --- tables.c ------------------------------------------------------------- */

/* A table of the configuration, opened when first asked. */
struct entry;

/* Calls fn(arg) once every table of the wait is open (or cannot be). */
struct wait {
	TAILQ_ENTRY(wait) link;
	void (*fn)(struct wait *w);
};
TAILQ_HEAD(wait_list, wait);

struct entry *entry_get(struct lookupd *lk, struct str spec, unsigned flags);
/* Open, or as open as it gets?  Else w is called when it is. */
bool entry_ready(struct entry *e, struct wait *w);
struct table *entry_table(struct entry *e);
/* Whose file it is; 0: root's, or it is none. */
uint32_t entry_owner(const struct entry *e);
/* Forget all tables: they are opened anew when asked for. */
void entries_forget(struct lookupd *lk);

/* --- params.c ------------------------------------------------------------- */

/* May this component ask for this parameter (or restriction class)? */
bool param_allowed(const struct lookupd *lk, const char *asker,
    struct str param);

/* How its tables are opened: TABLE_... */
unsigned param_flags(struct str param);

/*
 * The tables of a parameter: those of main.cf; with `table`, that one, if
 * main.cf or a line of master.cf has it in this parameter.  fn returns 1 to go
 * on.  Returns what fn last did; 1 also when there was none, and *out_n says
 * how many there were.
 */
int param_tables(const struct lookupd *lk, struct str param, struct str table,
    int (*fn)(void *arg, struct str spec), void *arg, size_t *out_n);

/* --- find.c --------------------------------------------------------------- */
chan_fn find_ask, find_user;
/* The asker has gone: its questions are answered to nobody. */
void find_forget(struct chan *ch);

/* --- include.c ------------------------------------------------------------ */
chan_fn include_ask;
void include_forget(struct chan *ch);
/* A command or file that such a file names; answers LOOKUP_SIGNED. */
void include_command(struct lookupd *lk, struct chan *ch, uint64_t id,
    const struct lookup_command *q);

/* --- command.c ------------------------------------------------------------ */
chan_fn command_ask;
void command_forget(struct chan *ch);
/* Answer LOOKUP_SIGNED: to be run or written, as uid says or for user. */
void command_sign(struct lookupd *lk, struct chan *ch, uint64_t id,
    enum command_kind kind, uint32_t uid, struct str user, struct str text);
/* Is it one of the destinations in a value, or in a line? */
bool command_stands(struct str value, enum command_kind kind,
    struct str text);

/* --- passwd.c ------------------------------------------------------------- */

/* Cut a line of passwd(5), as the table gives it; false when it is none. */
bool passwd_parse(struct str line, struct lookup_passwd *out);

TAILQ_HEAD(entry_list, entry);

struct lookupd {
	struct loop *loop;
	const struct conf *conf;
	struct conf **services; /* of lines of master.cf, by their number */
	size_t nservices;
	struct chan *broker; /* where files come from */
	struct entry_list entries;
	struct str delimiter;
	const char *config_dir;
	struct ticket_key command_key;
	const char *(*asker)(struct chan *ch); /* who is at the other end */
};

#endif
