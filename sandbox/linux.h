/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_LINUX_H
#define SANDBOX_LINUX_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "sandbox/policy.h"

/*
 * Shared by the files of the Linux back end, and by nobody else.
 */

/* A sentence "wall NAME: what: strerror(errno)" in err; always -1. */
int wall_fail(char *err, size_t size, const char *wall, const char *what);

/* From here on libc's detours are refused: see sealed_libc_linux.c. */
void sealed_libc_on(void);

/* Landlock: highest ABI of this kernel, 0 when there is none. */
int landlock_abi(void);

/*
 * Deny all names and all TCP, but for what lies beneath the directories on
 * the policy's slots.  -1 with errno.
 */
int landlock_enter(const struct policy *policy);

/* Private mount namespace given: an empty read-only root.  -1 with errno. */
int root_empty(const char **step);

/*
 * Securebits of a sealed process: root's id means nothing, no ambient
 * capability, and no way back.
 */
#define SECUREBITS_SEALED 0xebU

/*
 * The walls that are the same for whoever is behind them, so that an image can
 * build them once and its copies inherit them: all namespaces but those of the
 * network and of process ids, an empty root in them, limits, the bounding set
 * and securebits.  Nothing is lost by it that is needed for the others.  -1
 * with a sentence in err.
 */
int walls_begin(const struct policy *policy, uint32_t walls, char *err,
    size_t err_size);

/* Load a raw filter into all threads. -1 with errno. */
struct sock_filter;
int filter_load(const struct sock_filter *insns, size_t n);

/* The same in learning mode: its listener leaves by SLOT_TRACE. */
int trace_load(const struct sock_filter *insns, size_t n);

/* Read a sealed filter of n instructions, at most 4096.  -1 with errno. */
int filter_read(int fd, struct sock_filter **out, size_t *n);

/*
 * What /proc says of a process: ids, capabilities, namespaces, root.  cradle
 * may be NULL; its namespaces are held against those of `from'.  -1 with errno
 * when it is gone.
 */
struct evidence;
struct cradle;
int evidence_read(pid_t pid, pid_t from, const struct cradle *cradle,
    struct evidence *out);

/* The capabilities a policy keeps, as a set. */
uint64_t caps_kept(const struct policy *p);

/* Are all threads behind the same walls?  1, 0, -1 with errno. */
int threads_same(pid_t pid, const struct evidence *ev);

/*
 * What a descriptor of this process is, in the words of policies.  text says
 * more for people.  -1 for what no policy has a word for.
 */
struct buf;
int descriptor_kind(int fd, struct str link, enum policy_kind *out,
    struct buf *text);

/* Older headers. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef BPF_MAXINSNS
#define BPF_MAXINSNS 4096
#endif

#endif
