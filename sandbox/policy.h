/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_POLICY_H
#define SANDBOX_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * What a component may do: policy/NAME.policy in memory.  The files are
 * compiled into constant tables at build time (sandbox/polc.c); their grammar
 * is described in postern.policy(5).  Everything here is read-only.
 */

/* What a descriptor is. */
enum policy_kind {
	KIND_NULL,	  /* /dev/null */
	KIND_CHANNEL,	  /* SOCK_SEQPACKET pair made by the broker */
	KIND_STREAM,	  /* connected stream: TCP or local */
	KIND_TCP_LISTEN,  /* listening TCP socket */
	KIND_UNIX_LISTEN, /* listening local socket */
	KIND_UDP_CONN,	  /* connected datagram socket */
	KIND_UNIX_DGRAM,  /* connected local datagram socket (syslog) */
	KIND_FILE_APPEND, /* O_WRONLY|O_APPEND */
	KIND_FILE_READ,	  /* O_RDONLY */
	KIND_FILE,	 /* opened for writing: only beneath an own directory */
	KIND_MEMFD_READ, /* sealed memory file */
	KIND_MEMFD,	 /* memory file being filled */
	KIND_PIPE,
	KIND_EVENT, /* epoll, eventfd, timerfd, signalfd */
	KIND_DIR,
	KIND_NAMESPACE, /* the launcher's empty network */
	KIND_KMSG,  /* the kernel's log, to read */
	KIND_N
};

/* What may be done with it. */
enum policy_right {
	RIGHT_READ = 1u << 0,
	RIGHT_WRITE = 1u << 1,
	RIGHT_APPEND = 1u << 2,
	RIGHT_RECVFD = 1u << 3,
	RIGHT_SENDFD = 1u << 4,
	RIGHT_ACCEPT = 1u << 5,
	RIGHT_SYNC = 1u << 6,
	RIGHT_SEEK = 1u << 7,
	RIGHT_EVENT = 1u << 8,
	RIGHT_CREATE = 1u << 9, /* directory: make, rename, remove beneath */
	RIGHT_SEAL = 1u << 10,
	RIGHT_PEER = 1u << 11, /* ask the kernel who the peer is */
};

/*
 * The walls, one bit each.  A configuration may waive them by name, alone or
 * by the group names "namespaces" and "all" (wall_parse).
 */
enum wall {
	WALL_UID = 1u << 0,    /* a user id of its own */
	WALL_ROOT = 1u << 1,   /* an empty, read-only root directory */
	WALL_NET = 1u << 2,    /* the empty network namespace */
	WALL_PID = 1u << 3,    /* process ids of its own */
	WALL_MOUNT = 1u << 4,  /* mount namespace */
	WALL_IPC = 1u << 5,    /* SysV IPC and POSIX queues of its own */
	WALL_UTS = 1u << 6,    /* host name of its own */
	WALL_CGROUP = 1u << 7, /* cgroup root of its own */
	WALL_CAPS = 1u << 8,   /* no capability in any of four sets */
	WALL_BOUNDS = 1u << 9, /* no capability in the bounding set */
	WALL_SECUREBITS = 1u << 10,
	WALL_NNP = 1u << 11,	  /* no_new_privs */
	WALL_DUMP = 1u << 12,	  /* not dumpable, not traceable */
	WALL_MDWE = 1u << 13,	  /* no memory both writable and executable */
	WALL_LANDLOCK = 1u << 14, /* no file by name, no TCP bind or connect */
	WALL_SECCOMP = 1u << 15,  /* system calls of the policy only */
	WALL_RLIMITS = 1u << 16,
};
#define WALL_NAMESPACES \
	(WALL_NET | WALL_PID | WALL_MOUNT | WALL_IPC | WALL_UTS | WALL_CGROUP)
#define WALL_ALL ((1u << 17) - 1)

/* Where a line came from, for people. */
struct policy_src {
	unsigned line;
	const char *text;   /* the line without its comment */
	const char *reason; /* its comment, "" when there is none */
	const char *file;   /* an overlay; NULL: the policy itself */
};

/* A descriptor it starts with, on a fixed number. */
struct policy_slot {
	int fd;
	const char *name; /* of a channel: the component at the other end */
	enum policy_kind kind;
	uint32_t rights;
	uint32_t pass; /* kinds that travel on it, bits 1u << kind */
	bool optional; /* may be absent */
	struct policy_src src;
};

/* Descriptors that may arrive later, or (own) that it makes itself. */
struct policy_grant {
	const char *name; /* of a channel: the component at the other end */
	enum policy_kind kind;
	uint32_t rights;
	uint32_t pass;
	unsigned max; /* held at one time */
	bool own;
	struct policy_src src;
};

/* A group of system calls (sandbox/promise.c). */
struct policy_promise {
	const char *word;
	int fd; /* only on this descriptor, or -1 */
	struct policy_src src;
};

/* One condition on one argument of a system call. */
enum arg_op {
	ARG_EQ,	    /* a == value */
	ARG_GE,	    /* a >= value, as 32 bit number */
	ARG_WITHIN, /* a has no bit outside value */
	ARG_MASKED  /* (a & mask) == value */
};

struct call_arg {
	uint8_t index; /* 0 to 5 */
	uint8_t op;    /* enum arg_op */
	bool wide;     /* all 64 bits count; else the kernel sees only 32 */
	uint64_t value;
	uint64_t mask;
};

#define CALL_ARGS 6

/*
 * A system call that is allowed when all conditions hold, or (error != 0)
 * that fails with that errno instead of killing.
 */
struct policy_call {
	const char *name;
	int error;
	unsigned nargs;
	struct call_arg args[CALL_ARGS];
	struct policy_src src;
};

/* What it may ask the broker for. */
struct policy_request {
	const char *verb;
	unsigned rate;	/* tokens that come back ... */
	unsigned per_s; /* ... in this many seconds */
	unsigned burst; /* size of the bucket */
	unsigned open;	/* results held at one time; 0: nothing to hold */
	struct policy_src src;
};

struct policy_limit {
	int resource; /* RLIMIT_* */
	const char *name;
	uint64_t value;
	struct policy_src src;
};

/*
 * An authority that somebody must not be able to get, by whatever chain
 * (reach.h).
 */
struct policy_never {
	const char *who;       /* a component, "*", or "hostile" */
	const char *except;    /* but these, joined by commas; or "" */
	const char *component; /* whose, or "*" */
	const char *object;    /* name or kind of a slot or grant, or "*" */
	bool use;	     /* =>: nor have it used on its behalf */
	const char *through; /* but by these, joined by commas; or "" */
	struct policy_src src;
};

/* Whose bytes it parses: what makes a component hostile, once captured. */
struct policy_reads {
	const char *word; /* of reads_table */
	struct policy_src src;
};

/* Something of the policy that an overlay took away (overlay.h). */
enum deny_what { DENY_PROMISE, DENY_CALL, DENY_REQUEST, DENY_GRANT };

struct policy_deny {
	enum deny_what what;
	const char *name;
	struct policy_src src;
};

struct policy_cap {
	int cap; /* CAP_* */
	const char *name;
	struct policy_src src;
};

#define POLICY_HASH 32

struct policy {
	const char *name;
	unsigned version;
	const char *user; /* login name, or "*": decided at each start */
	uint32_t walls;	  /* enum wall: those it is to have */
	struct policy_src walls_src;
	bool demand;   /* started when wanted, leaves when idle */
	unsigned warm; /* but so many instances are always there */
	struct policy_src demand_src;
	const struct policy_slot *slots;
	size_t nslots;
	const struct policy_grant *grants;
	size_t ngrants;
	const struct policy_promise *promises;
	size_t npromises;
	const struct policy_call *calls;
	size_t ncalls;
	const struct policy_request *requests;
	size_t nrequests;
	const struct policy_limit *limits;
	size_t nlimits;
	const struct policy_never *nevers;
	size_t nnevers;
	const struct policy_reads *reads;
	size_t nreads;
	const struct policy_cap *caps; /* kept: the broker and launcher only */
	size_t ncaps;
	const char *text; /* the whole file */
	size_t text_len;
	uint8_t hash[POLICY_HASH]; /* SHA-256 of the text, and overlay */
	/* With an overlay: the policy without it, and what it is. */
	const struct policy *base;
	const char *overlay; /* its file, for people */
	const char *overlay_text;
	size_t overlay_len;
	const struct policy_deny *denies;
	size_t ndenies;
};

/*
 * The compiled-in policies, in order of name, each as its overlay leaves it
 * once policy_replace() was called; NULL beyond the last.
 */
size_t policy_count(void);
const struct policy *policy_at(size_t i);

/*
 * From here on p, which lives for ever, stands in the place of p->base.  Who
 * still has a pointer to that has the policy without its overlay.
 */
void policy_replace(const struct policy *p);

/* By component name; NULL when there is none. */
const struct policy *policy_find(struct str name);

/* First grant (slot, request) of that name; NULL when there is none. */
const struct policy_grant *
policy_grant_find(const struct policy *p, struct str name);
const struct policy_slot *
policy_slot_find(const struct policy *p, struct str name);
const struct policy_request *
policy_request_find(const struct policy *p, struct str verb);

/* Was it taken away, and by which line?  NULL when not. */
const struct policy_deny *
policy_denied(const struct policy *p, enum deny_what what, struct str name);

/* Is the promise made? */
bool policy_promises(const struct policy *p, const char *word);

/* The hash in hexadecimal, with a terminator. */
#define POLICY_HEX (2 * POLICY_HASH + 1)
void policy_hex(const struct policy *p, char out[POLICY_HEX]);

/* Names: of a kind, of all rights in a set, of all walls in a set. */
const char *kind_name(enum policy_kind kind);
int kind_parse(struct str s, enum policy_kind *out);
void rights_names(uint32_t rights, struct buf *out);
void walls_names(uint32_t walls, struct buf *out);
/* The name of one wall; NULL for a bit that is none. */
const char *wall_name(uint32_t wall);
/* "uid", "namespaces", "all"...; -1 when unknown. */
int wall_parse(struct str s, uint32_t *out);

/*
 * Parse policy text.  On success *out is a heap policy that the caller frees
 * with policy_free(); on failure -1 and err says "FILE:LINE: what, advice".
 * file is used in messages only.
 */
int policy_parse(const char *file, struct str text, struct policy **out,
    char *err, size_t err_size);
void policy_free(struct policy **pp);

#endif
