/* SPDX-License-Identifier: ISC */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/broker.h"
#include "loop/loop.h"

/*
 * What the main() of every component does besides its work: start from the
 * launcher's argument vector, read the configuration it was handed, seal
 * itself, take the broker's grants as they come, and end when told to.
 *
 *	int
 *	main(int argc, char *argv[])
 *	{
 *		boot_start("rewrite", argc, argv);
 *		...trusted initialisation...
 *		boot_seal(peers, NELEM(peers), &hooks, &rw);
 *		return boot_run();
 *	}
 *
 * One component a process, so there is one of it and it has no handle.
 */

/*
 * A peer: who may be at the other end of a channel that the broker grants.
 * `single` (where there is one instance) holds the channel while it is up and
 * NULL otherwise; `up` and `down` (either may be NULL) tell of every one.  A
 * channel comes and goes with its peer's process; boot frees it after `down`.
 */
struct boot_peer {
	const char *name; /* component at the other end */
	const struct edge *edge;
	enum side side; /* ours */
	const struct chan_on *on; /* handlers; chan arg is boot_seal()'s arg */
	struct chan **single;
	void (*up)(struct chan *ch, unsigned instance, uint32_t pid,
	    void *arg);
	void (*down)(struct chan *ch, unsigned instance, void *arg);
	bool optional; /* ready without it */
};

/*
 * A component on demand (its policy says so) leaves when it has been idle for
 * max_idle, in three steps, so that no work is lost between two hands: it asks
 * everybody who sends it work to let go; who has sent some that is not done
 * says nothing, and it stays; who has none closes the channel (boot_let_go)
 * and asks the broker to start it again when there is; it ends when all have.
 */

struct boot_hooks {
	/* A grant that is no channel; the hook owns fd. */
	void (*grant)(const struct broker_grant *g, int fd, void *arg);
	/* boot_conf() is new; the old snapshot is freed after the call. */
	void (*config)(void *arg);
	/*
	 * On demand: the edge on which work comes, the record by which we ask
	 * to be let go, and whether there is anything in our hand, which is
	 * asked now and then.
	 */
	const struct edge *work;
	unsigned leave;
	bool (*busy)(void *arg);
	/* Orderly stop: finish, then boot_exit(0).  NULL: exit at once. */
	void (*stop)(int64_t grace_ms, void *arg);
	/* All peers that are not optional have been seen. */
	void (*ready)(void *arg);
	/* A piece of a long answer to question id: control. */
	void (*text)(uint64_t id, struct str text, void *arg);
	/* Make helper threads; called by sandbox_enter() before the filter. */
	int (*threads)(void *arg);
	/* An instance's channel to logd is not wanted: logd itself. */
	bool no_log;
	/* There for one piece of work, and for that it waits: never idle. */
	bool once;
	/* Ready only when the component calls boot_ready(). */
	bool own_ready;
	/* Peers it can do without, given what is configured: see broker.h. */
	struct str without;
};

/*
 * Before boot_start(): this process can be an image (sandbox/warm.h).  There
 * boot_start() returns in its copies only; what the broker would otherwise
 * grant each of them, fn has got once, before.
 */
void boot_warm(void (*fn)(uint32_t instance, struct str name, int fd));

/*
 * Start: no SIGPIPE, time zone read, standard descriptors in place, place and
 * instance from argv, configuration opened, loop made, broker channel there.
 */
void boot_start(const char *name, int argc, char *argv[]);

/*
 * Enter the sandbox, say so to the broker, and serve its grants from then on.
 * Ends the process when a wall cannot be built.  Nothing that parses bytes
 * from outside runs before this.  peers, hooks and arg stay the caller's and
 * are used until the end.
 */
void boot_seal(const struct boot_peer *peers, size_t npeers,
    const struct boot_hooks *hooks, void *arg);

/* Run until boot_exit(); returns the status for main(). */
int boot_run(void);
void boot_exit(int status);

/* With own_ready: there is all that is needed to work. */
void boot_ready(void);

struct loop *boot_loop(void);
const struct conf *boot_conf(void);
struct chan *boot_broker(void);
unsigned boot_instance(void);

/* A peer that asked for it may leave: its channel goes, after down(). */
void boot_let_go(struct chan *ch);

/*
 * Ask the broker to start a component on demand, or to put another in its
 * place.  fn is called with 0 when it is on its way, else with an errno.
 */
void boot_want(const char *component, unsigned instance, bool replace,
    void (*fn)(int error, void *arg), void *arg);

/* The component at the other end of a channel that boot made. */
const char *boot_peer_name(struct chan *ch);

#endif
