/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_WARM_H
#define SANDBOX_WARM_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "sandbox/sandbox.h"

/*
 * Processes from a warm image, where one is to be made for every little task.
 *
 * The image is a process of the component's program that has done what is
 * expensive and the same for all: the program is loaded, the configuration
 * read, and those walls stand that everybody behind them inherits (the
 * namespaces that hold nothing, which is all but that of process ids; limits).
 * It is not sealed, and so it talks to nobody but the launcher, whose orders
 * it waits for on SLOT_BROKER, holds nobody's descriptors, and dies with the
 * launcher.  Each order makes a copy of it, a child of the launcher like any
 * other, in a process id namespace of its own, which then seals itself.
 *
 * Where the system cannot do this, warm_possible() is false and processes are
 * made by fork and exec like all others.
 */
/* In the place of a number in argv; a number fits over it. */
#define WARM_INSTANCE "warm-image"

/* How long the launcher waits for an image to say anything, milliseconds. */
#define WARM_PATIENCE 5000

bool warm_possible(void);

/* --- the launcher's side; fd is its end of the channel -------------------- */

/* Like sandbox_clone(), for the image: its namespace is the launcher's. */
pid_t warm_clone(void) WARN_UNUSED;
/* Something that all of the copies are to have; -1 with errno. */
int warm_give(int fd, uint32_t instance, struct str name, int object);
/*
 * That was all: has it read everything?  What it has to say about it goes to
 * say.  -1 with errno.
 */
int warm_ready(int fd, void (*say)(void *arg, int level, const char *text),
    void *arg);
/* A copy with this number, channel to the broker and note; -1 with errno. */
pid_t warm_birth(int fd, uint32_t instance, int channel, int note) WARN_UNUSED;

/* --- the image's side ----------------------------------------------------- */

struct warm {
	/* What warm_give() gave; the descriptor is closed behind it. */
	void (*object)(uint32_t instance, struct str name, int fd);
};

/*
 * Build the walls that copies inherit and serve the launcher.  Returns, many
 * times, the number of the copy, in the copy; never in the image.  Ends the
 * process when something is wrong.
 */
uint32_t warm_serve(const struct policy *policy,
    const struct sandbox_place *place, const struct warm *w);
/* A line for the launcher's log, while objects are read. */
void warm_say(int level, struct str text);

#endif
