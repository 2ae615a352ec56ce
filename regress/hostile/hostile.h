/* SPDX-License-Identifier: ISC */
#ifndef HOSTILE_HOSTILE_H
#define HOSTILE_HOSTILE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "sandbox/policy.h"

/*
 * What a component tries when somebody else is running it.
 *
 * Every attempt is a function that runs inside a component's real sandbox,
 * holding descriptors of the kinds that the component's policy lets it hold.
 * It is made three times: behind every wall, with seccomp off and every other
 * wall up, and (once, not for each policy) with nothing but a user id of its
 * own, to see that the attempt would work where nobody stops it.  The first two
 * are also made by copies of a warm image of smtpd, which is the real program
 * but for its event loop (copy.c).
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

/* --- inside.c: in the process that attacks -------------------------------- */

/* How it ends, besides by a signal. */
enum {
	EXIT_NO_ENTRY = 98,
	EXIT_ABSENT = 99,
	EXIT_ERRNO = 100 /* and errno above it */
};

/* The i-th attempt of all lists, or NULL behind the last. */
const struct attempt *attempt_at(unsigned i);
/* With empty hands but for the channel, under this policy. */
void hand_init(struct hand *h, const struct policy *policy);
/* Take what is sent on SLOT_BROKER, make the attempt, end. */
void inside_run(const struct attempt *a, struct hand *h) NORETURN;

/* rc -1 with errno is REFUSED, anything else WORKED. */
enum outcome outcome_of(long rc);

/* Some socket in hand that attacks on sockets can use. */
int hand_socket(const struct hand *h);

/* --- image.c: processes that are copies ----------------------------------- */

/* What a copy finds in its environment of struct hand, as text. */
#define HOSTILE_WORLD "HOSTILE_WORLD"

struct cradle;
struct sandbox_place;

/*
 * A warm image of smtpd in this place; -1 with a sentence in err.  It ends with
 * image_close(), or with us.
 */
int image_open(const struct cradle *c, const struct sandbox_place *place,
    int filter_fd, const struct hand *h, char *err, size_t size);
void image_close(void);
/*
 * A copy of it that is to make the i-th attempt, sealed and attested as the
 * launcher does it; channel is its end, which is closed.  -1 with a sentence in
 * err.
 */
pid_t image_copy(unsigned i, int ours, int *channel, char *err, size_t size);

#endif
