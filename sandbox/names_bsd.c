/* SPDX-License-Identifier: ISC */
/*
 * Words of the policy language on the BSDs.  Lines about single system calls
 * are Linux's; their constants are read and not used.
 */
#include <sys/types.h>

#include <sys/resource.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sandbox/policy_names.h"
#include "sandbox/promise.h"

#define SAME(x)                   \
	{                         \
#x, (uint64_t)(x) \
	}
#define ELSEWHERE ((uint64_t)(unsigned)-1) /* a limit of another system */

/* clang-format off */
const struct named limit_table[] = {
	{ "as", RLIMIT_DATA }, { "core", RLIMIT_CORE }, { "cpu", RLIMIT_CPU },
	{ "data", ELSEWHERE }, { "fsize", RLIMIT_FSIZE },
	{ "locks", ELSEWHERE }, { "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", ELSEWHERE }, { "nice", ELSEWHERE },
	{ "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC },
	{ "rtprio", ELSEWHERE }, { "rttime", ELSEWHERE },
	{ "sigpending", ELSEWHERE }, { "stack", RLIMIT_STACK },
	{ NULL, 0 }
};

const struct named cap_table[] = { { NULL, 0 } };

const struct named const_table[] = {
	SAME(F_DUPFD_CLOEXEC), SAME(F_GETFL), SAME(F_SETFL), SAME(F_SETLK),
	SAME(F_SETLKW), SAME(O_CLOEXEC), SAME(O_NONBLOCK), { NULL, 0 }
};

const struct named errno_table[] = {
	SAME(EPERM), SAME(ENOENT), SAME(EACCES), SAME(EINVAL), SAME(ENOSYS),
	SAME(ENOTTY), SAME(EBADF), { NULL, 0 }
};
/* clang-format on */

/* No filters, no plans. */
int
plan_make(const struct policy *p, struct plan *out, char *err, size_t err_size)
{
	(void)p;
	(void)err;
	(void)err_size;
	memset(out, 0, sizeof(*out));
	return 0;
}

void
plan_clear(struct plan *plan)
{
	memset(plan, 0, sizeof(*plan));
}

const bool calls_enforced = false;
