/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_TRACE_H
#define SANDBOX_TRACE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "sandbox/policy.h"

/*
 * Learning mode: what does a component try that its policy does not allow?
 *
 * Every wall stands but one: the filter does not kill, it asks a listener,
 * who sees number and arguments of the call and lets it go on.  The listener
 * is a descriptor.  It is made in the process, when all its walls stand, and
 * leaves it at once over SLOT_TRACE, before the first byte from outside; the
 * other end of that is with mailctl, run by root or the owner of the
 * instance.  Neither launcher nor broker ever holds it, and nobody reads the
 * memory of the process.  When the listener is gone, such calls fail.
 *
 * On the BSDs there is no such thing: -1, ENOSYS.
 */

/* Where mailctl waits, below the queue directory. */
#define TRACE_SOCKET "pid/trace"

struct trace_call {
	uint64_t id; /* of this call, while the process waits */
	pid_t pid;
	int nr;
	uint64_t ip; /* where it returns to */
	uint64_t args[CALL_ARGS];
};

/*
 * The launcher's part: a connection to whoever waits at TRACE_SOCKET, to be
 * given to a component as SLOT_TRACE.  He decides what the component may do,
 * so he must be root, or the caller.  -1 with a sentence in err.
 */
int trace_connect(const char *queue_dir, struct buf *err);

/*
 * The listener of a process, from the socket it connected with: -1 with errno
 * when none comes.
 */
int trace_take(int socket_fd);

/*
 * The next call that waits for our word; 1 when there is one, 0 when not (any
 * more), -1 when the process has ended.  The descriptor is readable when it is
 * worth asking.
 */
int trace_next(int fd, struct trace_call *out);
/* Let it go on. */
void trace_go(int fd, const struct trace_call *c);

/* Does the process hold a listener?  It must not: 1, 0, -1 with errno. */
int trace_held(pid_t pid);

/*
 * For people.  The call with arguments, "openat(-100, 0x7ffe.., O_RDONLY)";
 * descriptors are followed by what they are, as the kernel says.
 */
void trace_text(const struct trace_call *c, struct buf *out);
/* The policy line that would allow it as it was made: "call fcntl a1 == ..". */
void trace_line(const struct trace_call *c, struct buf *out);
/* The same call from the same place, but for pointers, sizes and the like? */
bool trace_same(const struct trace_call *a, const struct trace_call *b);
/* Who made it: "libc.so.6+0xe5c17 (socket)". */
void trace_caller(const struct trace_call *c, struct buf *out);

#endif
