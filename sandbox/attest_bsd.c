/* SPDX-License-Identifier: ISC */
/*
 * No BSD shows another process's pledge or rights in a form that could be
 * compared: what is not measured is said to be unproven.
 */
#include <sys/types.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/attest.h"
#include "sandbox/audit.h"
#include "sandbox/audit_row.h"

int
sandbox_attest(pid_t pid, const struct policy *policy,
    const struct sandbox_place *place, const struct cradle *cradle,
    int filter_fd, struct evidence *out, char *err, size_t err_size)
{
	(void)place;
	(void)cradle;
	(void)filter_fd;
	memset(out, 0, sizeof(*out));
	out->filter_equal = out->root_empty = out->seccomp_filters = -1;
	out->unproven = policy->walls;
	if (kill(pid, 0) == 0 || errno == EPERM)
		return 0;
	snprintf(err, err_size, "attesting %s: %s", policy->name,
	    strerror(errno));
	return -1;
}

int
sandbox_attest_copy(pid_t pid, const struct policy *policy,
    const struct sandbox_place *place, const struct evidence *first,
    int filter_fd, struct evidence *out, char *err, size_t err_size)
{
	(void)first;
	return sandbox_attest(pid, policy, place, NULL, filter_fd, out, err,
	    err_size);
}

int
sandbox_audit(const struct audit_of *of, struct audit *out)
{
	const struct policy *policy = of->policy;
	struct auditing au = { policy, of->place, out, of };

	memset(out, 0, sizeof(*out));
	memcpy(out->policy_hash, policy->hash, POLICY_HASH);
	for (uint32_t wall = 1; wall <= WALL_RLIMITS; wall <<= 1)
		audit_unmeasurable(&au, wall, wall_name(wall), "standing",
		    ENOSYS);
	return audit_status(out);
}

struct audit_peers *
audit_peers_read(const struct audit_who *v, size_t n)
{
	(void)v;
	(void)n;
	return NULL;
}

void
audit_peers_free(struct audit_peers **pp)
{
	*pp = NULL;
}
