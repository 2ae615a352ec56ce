/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_ATTEST_H
#define SANDBOX_ATTEST_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "sandbox/sandbox.h"

/*
 * The kernel's word on a process.  The broker grants nothing to a component
 * until its launcher has read this and found it equal to the policy.
 */
#define EVIDENCE_NS 6 /* net, pid, mount, ipc, uts, cgroup */

struct evidence {
	uid_t uid[4]; /* real, effective, saved, file system */
	gid_t gid[4];
	unsigned ngroups;
	uint64_t cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb;
	int no_new_privs;
	int seccomp;	     /* 2: filter */
	int seccomp_filters; /* -1 when the kernel does not say */
	int threads;	     /* all of them behind the same walls */
	int filter_equal;    /* 1, 0, or -1: this process may not fetch it */
	int first_of_pids;   /* 1: its process id namespace was made for it */
	long descriptors;    /* how many, -1 when the kernel does not say */
	int root_empty;	     /* 1, 0, or -1 */
	uint32_t own_ns;     /* WALL_*: namespaces that are not the caller's */
	int net_shared;	     /* 1: it is in the cradle's empty network */
	uint64_t ns[EVIDENCE_NS]; /* their numbers, in order of the walls */
	uint32_t stand;	     /* walls proven */
	uint32_t unproven;   /* walls this caller has no way to measure */
};

/*
 * Read the evidence of pid, a child of the caller that has said it is sealed,
 * and hold it against policy and place.  filter_fd is what sandbox_filter()
 * returned.  Returns 0 when every wall of the policy that is not waived
 * stands or cannot be measured from here, -1 when one is missing (err names
 * it) or the process is gone.  Takes about half a millisecond.
 */
int sandbox_attest(pid_t pid, const struct policy *policy,
    const struct sandbox_place *place, const struct cradle *cradle,
    int filter_fd, struct evidence *out, char *err,
    size_t err_size) WARN_UNUSED;

/*
 * The same of a copy of an image (warm.h), when another copy of that image has
 * been read in full: first is what was found.  Only that is read which can be
 * another with each copy, for about a third of the time.
 */
int sandbox_attest_copy(pid_t pid, const struct policy *policy,
    const struct sandbox_place *place, const struct evidence *first,
    int filter_fd, struct evidence *out, char *err,
    size_t err_size) WARN_UNUSED;

/*
 * Fetch the i-th filter (0 is the one loaded last) of a process, as heap
 * memory the caller frees.  Needs CAP_SYS_ADMIN and no filter of one's own;
 * the process stands still for some 60 us.  -1 with errno.
 */
struct sock_filter;
int sandbox_fetch_filter(pid_t pid, unsigned i, struct sock_filter **out,
    size_t *out_len);

#endif
