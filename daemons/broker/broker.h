/* SPDX-License-Identifier: ISC */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/allowance.h"
#include "base/str.h"
#include "chan/chan.h"
#include "edge/edges.h"
#include "edge/grants.h"
#include "edge/ticket.h"
#include "loop/loop.h"
#include "sandbox/ends.h"
#include "sandbox/policy.h"

/*
 * The broker: who runs, who knows whom, who may have what.
 *
 *	launch.c	what the launcher tells
 *	plan.c		what is to run, as the launcher read it
 *	proc.c		one process: start, attest, restart with back-off
 *	introduce.c	channels between components, objects to components
 *	request.c	what a sealed component may ask for, and how often
 *	admin.c		status, reload, stop and learning mode
 */
struct broker;
struct proc;

/* --- plan.c --------------------------------------------------------------- */

/* Something that each instance of a component is given once it is sealed. */
struct object {
	TAILQ_ENTRY(object) link;
	enum grant_kind kind;
	uint32_t instance;
	char *name;
	int fd;
};

/* A component that is to run. */
struct component {
	TAILQ_ENTRY(component) link;
	const struct policy *policy;
	uint32_t instances;
	bool once; /* made when wanted, for one piece of work */
	int config_fd;
	TAILQ_HEAD(, object) objects;
};

TAILQ_HEAD(component_list, component);

struct plan {
	struct component_list components;
	struct launch_planned is;
	char *directory; /* what is.directory points to */
	struct netaddr *resolvers; /* what dns may talk to */
	size_t nresolvers;
};

void plan_init(struct plan *p);
void plan_clear(struct plan *p);
struct component *plan_find(struct plan *p, const char *name);
/* Records of the launcher, whose fd is taken; -1 when they make no sense. */
int plan_add_run(struct plan *p, const struct launch_run *r, int *fd);
int plan_add_resolver(struct plan *p, const struct launch_resolver *r);
int plan_add_object(struct plan *p, const struct launch_object *o, int *fd);

/* --- proc.c --------------------------------------------------------------- */
enum proc_state {
	PROC_ASLEEP, /* not running: on demand, and nobody wants it */
	PROC_DOWN, /* not running: waits for its next start */
	PROC_STARTING, /* the launcher is making it, or it is sealing itself */
	PROC_ATTESTING, /* it says it is sealed; the kernel is asked */
	PROC_UP, /* it is, and has been given what it may have */
	PROC_READY, /* it says it works */
	PROC_STOPPING, /* was told to end */
	PROC_GONE, /* ended, will not come again */
};

/* Tokens for one verb of one process: charged before anything is done. */
struct bucket {
	const struct policy_request *rule;
	struct allowance left;
	uint64_t granted, refused;
};

/* A question whose answer somebody else has to bring about. */
struct waiter {
	TAILQ_ENTRY(waiter) link;
	struct proc *asker; /* NULL when it has gone */
	uint64_t id;
};

TAILQ_HEAD(waiter_list, waiter);

struct proc {
	TAILQ_ENTRY(proc) link;
	struct broker *br;
	const struct policy *policy;
	uint32_t instance;
	enum proc_state state;
	pid_t pid;
	struct chan *ch;
	struct timer timer; /* next start, or the end of our patience */
	int64_t started_ms;
	int64_t backoff_ms;
	bool once; /* does one piece of work, and never comes again */
	bool warm; /* has the objects of the plan since its birth */
	uint32_t generation; /* of the plan it was made under */
	bool demand; /* leaves when idle, comes when wanted */
	bool wanted; /* again, when it has left: it is on its way out */
	bool retiring; /* works until another is there in its place */
	uint32_t starts;
	uint32_t violations; /* system calls that ended it */
	bool traced; /* runs in learning mode */
	struct allowance lines; /* of BROKER_LOG */
	uint32_t unsaid; /* lines over it */
	struct bucket *buckets;
	uint64_t ask; /* question to the launcher that waits, or 0 */
	bool sealed; /* it says so */
	char without[130]; /* whom it need not know: of BROKER_SEALED */
	/* mailbox processes only: whose, and who waits for it. */
	bool is_mailbox;
	char *user;
	char *dir; /* of files that aliases name */
	uid_t uid;
	gid_t gid;
	char *home;
	struct waiter_list waiters;
};

TAILQ_HEAD(proc_list, proc);

const char *proc_state_name(enum proc_state s);
const char *proc_name(const struct proc *p);
struct proc *proc_new(struct broker *br, const struct policy *policy,
    uint32_t instance);
void proc_start(struct proc *p);
/* Somebody has work for it: it comes, or comes again. */
void proc_want(struct proc *p);
/* Another in its place, which it makes room for when that works. */
void proc_replace(struct proc *p);
/* It ends when nothing is in its hand, and does not come again. */
void proc_retire(struct proc *p);
void proc_stop(struct proc *p, uint32_t grace_ms);
void proc_kill(struct proc *p);
void proc_free(struct proc **pp);
/* Is it sealed and known to be: may it be given anything? */
bool proc_trusted(const struct proc *p);
void proc_exited(struct proc *p, const struct launch_exited *e);

/* --- introduce.c ---------------------------------------------------------- */

/* Give a process that was just attested its objects and its peers. */
void introduce(struct proc *p);
/* A new mailbox process to one that waited for it: its end is the answer. */
void introduce_mailbox(struct proc *mailbox, struct proc *asker, uint64_t id);
/* New configuration to a running process. */
void introduce_config(struct proc *p);

/* --- request.c ------------------------------------------------------------ */

/* Handler of all that components ask for; arg is the proc. */
chan_fn request;
void request_refuse(struct proc *p, uint64_t id, int error, const char *why);
/* Make the buckets of a policy; free() them. */
struct bucket *request_buckets(const struct policy *policy);
/* An asker is gone: nothing is owed to it any more. */
void request_forget(struct broker *br, struct proc *asker);

/* A line of the record (edge/grants.h): what a process was given, or not. */
#define proc_note(p, ok, ...) \
	grants_note(&(p)->br->grants, (p)->pid, (p)->policy->name, \
	    (p)->instance, ok, __VA_ARGS__)

/* --- admin.c -------------------------------------------------------------- */
void admin_ask(struct proc *asker, uint64_t id, const void *rec);
/* The end of an answer, to somebody who may be gone. */
void admin_done(struct proc *asker, uint64_t id, int error, const char *text);
void admin_stop(struct broker *br);
int admin_trace(struct proc *asker, const struct policy *policy);
void admin_reload(struct broker *br, struct proc *asker, uint64_t id);
/* A process changed its state: a start, stop or reload may be complete. */
void admin_progress(struct broker *br);

/* --- launch.c ------------------------------------------------------------- */

/* Handlers of the launcher's records; arg is the broker. */
extern const struct chan_on launch_on[];

enum broker_phase {
	PHASE_START,
	PHASE_RUN,
	PHASE_STOP,
};

struct broker {
	struct loop *loop;
	struct chan *launcher;
	struct plan plan;
	struct plan next; /* being received */
	struct proc_list procs;
	struct grants grants;
	struct ticket_key route_key, address_key;
	int route_fd, address_fd; /* the same, sealed, to grant */
	pid_t image; /* of smtpd, in the launcher's keeping, or 0 */
	char *audit; /* what the launcher found, JSON; or NULL */
	enum broker_phase phase;
	unsigned stop_step;
	uint32_t next_mailbox, next_once; /* their numbers */
	struct timer patience;
	struct proc *reload_asker;
	uint64_t reload_id;
	bool reloading;
	bool reload_planned; /* the new plan is in force */
	struct turn progress;
	bool said_up;
	const struct policy *trace; /* who is in learning mode, or NULL */
	uint32_t violations;
	char violation[1100]; /* the last one, in words that JSON takes */
};

struct proc *broker_find(struct broker *br, const struct policy *policy,
    uint32_t instance);
/* Bring what runs in line with the plan. */
void broker_apply(struct broker *br);
/* Into the log, by way of logd or the launcher. */
void broker_say(struct broker *br, int level, const char *fmt, ...)
    PRINTFLIKE(3, 4);

#endif
