/* SPDX-License-Identifier: ISC */
/*
 * record-SYSTEM: what each policy asks of another system's kernel.
 *
 * The back end of that system runs here, for every policy, with calls that
 * do nothing but write down that they were made; so what a porter would have
 * to read out of two files and a table can be read in a list, and a change of
 * it shows as a difference.
 */
#include <sys/procctl.h>
#include <sys/resource.h>

#include <sys/capsicum.h>

#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/buf.h"
#include "sandbox/bsd.h"
#include "sandbox/capsicum_plan.h"
#include "sandbox/policy.h"
#include "sandbox/sandbox.h"

/* --- calls ---------------------------------------------------------------- */

int
pledge(const char *promises, const char *execpromises)
{
	printf("\tpledge \"%s\" \"%s\"\n", promises, execpromises);
	return 0;
}

int
unveil(const char *path, const char *permissions)
{
	if (path == NULL)
		printf("\tunveil, no more\n");
	else
		printf("\tunveil %s %s\n", path, permissions);
	return 0;
}

int
chroot(const char *path)
{
	printf("\tchroot %s\n", path);
	return 0;
}

int
chdir(const char *path)
{
	printf("\tchdir %s\n", path);
	return 0;
}

int
fchdir(int fd)
{
	printf("\tfchdir slot %d\n", fd);
	return 0;
}

int
setgroups(size_t n, const gid_t *list)
{
	printf("\tsetgroups %zu: %u\n", n, n == 0 ? 0 : (unsigned)list[0]);
	return 0;
}

int
setresgid(gid_t r, gid_t e, gid_t s)
{
	printf("\tsetresgid %u %u %u\n", r, e, s);
	return 0;
}

int
setresuid(uid_t r, uid_t e, uid_t s)
{
	printf("\tsetresuid %u %u %u\n", r, e, s);
	return 0;
}

int
setrlimit(__rlimit_resource_t resource, const struct rlimit *rl)
{
	static const char *const names[] = { [RLIMIT_CORE] = "core",
		[RLIMIT_STACK] = "stack",
		[RLIMIT_FSIZE] = "fsize",
		[RLIMIT_NOFILE] = "nofile",
		[RLIMIT_AS] = "as",
		[RLIMIT_NPROC] = "nproc",
		[RLIMIT_MEMLOCK] = "memlock",
		[RLIMIT_DATA] = "data" };

	/* Limits of Linux alone are not asked for elsewhere. */
	if (resource < NELEM(names) && names[resource] != NULL)
		printf("\tsetrlimit %s %llu\n", names[resource],
		    (unsigned long long)rl->rlim_cur);
	return 0;
}

int
getrlimit(__rlimit_resource_t resource, struct rlimit *rl)
{
	(void)resource;
	*rl = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
	return 0;
}

int
procctl(idtype_t idtype, id_t id, int cmd, void *arg)
{
	(void)idtype;
	(void)id;
	printf("\tprocctl %s %d\n",
	    cmd == PROC_TRACE_CTL ? "trace" : "no_new_privs", *(int *)arg);
	return 0;
}

int
cap_enter(void)
{
	printf("\tcap_enter\n");
	return 0;
}

cap_rights_t *
stub_cap_rights(cap_rights_t *rights, ...)
{
	unsigned long long r;
	bool first = true;
	va_list ap;

	va_start(ap, rights);
	while ((r = va_arg(ap, unsigned long long)) != 0) {
		rights->cr_rights[0] |= r;
		first = false;
	}
	va_end(ap);
	if (first)
		rights->cr_rights[0] = 0;
	return rights;
}

static const struct {
	uint64_t right;
	const char *name;
} rights[] = {
#define R(x)                \
	{                   \
		CAP_##x, #x \
	}
	R(READ),
	R(WRITE),
	R(SEEK),
	R(EVENT),
	R(SHUTDOWN),
	R(ACCEPT),
	R(FSYNC),
	R(FSTAT),
	R(GETSOCKOPT),
	R(SETSOCKOPT),
	R(GETPEERNAME),
	R(GETSOCKNAME),
	R(LOOKUP),
	R(CREATE),
	R(UNLINKAT),
	R(RENAMEAT_SOURCE),
	R(RENAMEAT_TARGET),
	R(LINKAT_SOURCE),
	R(LINKAT_TARGET),
	R(MKDIRAT),
	R(FTRUNCATE),
	R(FLOCK),
	R(FSTATFS),
	R(FCNTL),
	R(KQUEUE),
};

int
cap_rights_limit(int fd, const cap_rights_t *r)
{
	printf("\tcap_rights_limit slot %d:", fd);
	for (size_t i = 0; i < NELEM(rights); i++)
		if ((r->cr_rights[0] & rights[i].right) != 0)
			printf(" %s", rights[i].name);
	printf("\n");
	return 0;
}

int
cap_fcntls_limit(int fd, uint32_t fcntlrights)
{
	printf("\tcap_fcntls_limit slot %d: %u\n", fd, fcntlrights);
	return 0;
}

/* --- policies ------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	const struct policy *const *p = a, *const *q = b;

	return strcmp((*p)->name, (*q)->name);
}

int
main(void)
{
	const struct policy *v[64];
	size_t n = policy_count();
	struct sandbox_place place = { .level = LEVEL_ROOT,
		.uid = 1001,
		.gid = 1002,
		.filter_fd = -1,
		.waived = bsd_lacks() };
	char err[256];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* Every slot is taken, as it is when a component starts. */
	for (int fd = 3; fd < SLOT_N; fd++)
		if (dup2(null, fd) == -1)
			return 1;
	for (size_t i = 0; i < n && i < NELEM(v); i++)
		v[i] = policy_at(i);
	qsort(v, n, sizeof(*v), by_name);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(v[i]->name, "launcher") == 0)
			continue;
		printf("%s\n", v[i]->name);
		if (sandbox_enter(v[i], &place, err, sizeof(err)) == -1) {
			printf("\tfails: %s\n", err);
			return 1;
		}
	}
	return 0;
}
