/* SPDX-License-Identifier: ISC */
#ifndef HOSTILE_HOSTILE_H
#define HOSTILE_HOSTILE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/policy.h"

/*
 * What a component tries when somebody else is running it.
 *
 * Every attempt is a function that runs inside a component's real sandbox,
 * holding descriptors of the kinds that the component's policy lets it hold.
 * It is made three times: behind every wall, with seccomp off and every other
 * wall up, and (once, not for each policy) with nothing but a user id of its
 * own, to see that the attempt would work where nobody stops it.
 */

/* In the attacker's hand; -1 what the policy does not give. */
struct hand {
	const struct policy *policy;
	int fd[KIND_N];
	pid_t victim;	   /* a process of the same user, outside */
	uint16_t tcp_port; /* on 127.0.0.1: somebody listens */
	uint16_t udp_port;
	const char *abstract;	    /* local socket: somebody listens */
	uint64_t as, fsize, nofile; /* its limits */
};

/* What an attempt returns. */
enum outcome {
	WORKED,	 /* the attack succeeded */
	REFUSED, /* an error, in errno */
	ABSENT	 /* it does not hold what the attempt is about */
};

/* What is expected where seccomp is off. */
enum behind {
	STOPPED, /* another wall stands */
	CARRIED, /* seccomp alone carries it (the starred ones) */
	BY_UID,	 /* the user id stands, where there is one */
	EITHER	 /* depends on the component or the kernel */
};

/* What is expected where there is only a user id. */
enum bare {
	WORKS,
	FAILS, /* a user has no such right anyway */
	MAYBE  /* depends on how the kernel was built and set up */
};

struct attempt {
	const char *name;
	enum outcome (*run)(const struct hand *h);
	enum behind behind;
	enum bare bare;
	/* Its own right: the policy gives it this, by name of a promise. */
	const char *unless;
};

/* Lists end with a NULL name. */
extern const struct attempt attempts_files[], attempts_memory[], attempts_net[],
    attempts_channel[], attempts_process[], attempts_kernel[], attempts_queue[],
    attempts_exhaust[];

/* rc -1 with errno is REFUSED, anything else WORKED. */
enum outcome outcome_of(long rc);

/* Some socket in hand that attacks on sockets can use. */
int hand_socket(const struct hand *h);

#endif
