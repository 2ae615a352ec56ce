/* SPDX-License-Identifier: ISC */
/*
 * Declared against measured, wall by wall.  What /proc says of its limits and
 * surroundings: audit_proc_linux.c.  Descriptors: audit_fds_linux.c.
 */
#include "sandbox/audit.h"

#include <sys/stat.h>

#include <linux/filter.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/attest.h"
#include "sandbox/audit_row.h"
#include "sandbox/linux.h"
#include "sandbox/points.h"
#include "sandbox/policy_text.h"
#include "sandbox/promise.h"

#define PARSED_MAX 512

static void
audit_ids(struct auditing *au, const struct evidence *ev)
{
	const struct sandbox_place *place = au->place;
	bool same = true;
	char want[64];

	for (int i = 0; i < 4; i++)
		same &= ev->uid[i] == place->uid && ev->gid[i] == place->gid;
	snprintf(want, sizeof(want), "%u:%u, its own", (unsigned)place->uid,
	    (unsigned)place->gid);
	audit_row(au, WALL_UID, "uid", same && place->uid != 0, want,
	    "%u %u %u %u:%u %u %u %u", ev->uid[0], ev->uid[1], ev->uid[2],
	    ev->uid[3], ev->gid[0], ev->gid[1], ev->gid[2], ev->gid[3]);
	audit_row(au, WALL_UID, "groups", ev->ngroups == 0, "none", "%u",
	    ev->ngroups);
}

static void
audit_caps(struct auditing *au, const struct evidence *ev)
{
	uint64_t kept = caps_kept(au->policy);
	const struct {
		const char *name;
		uint64_t want, have;
		uint32_t wall;
	} sets[] = { { "capabilities inheritable", 0, ev->cap_inh, WALL_CAPS },
		{ "capabilities permitted", kept, ev->cap_prm, WALL_CAPS },
		{ "capabilities effective", kept, ev->cap_eff, WALL_CAPS },
		{ "capabilities ambient", 0, ev->cap_amb, WALL_CAPS },
		{ "capabilities bounding", 0, ev->cap_bnd, WALL_BOUNDS } };

	char want[32];

	for (size_t i = 0; i < NELEM(sets); i++) {
		snprintf(want, sizeof(want), "%#llx",
		    (unsigned long long)sets[i].want);
		audit_row(au, sets[i].wall, sets[i].name,
		    (sets[i].have & ~sets[i].want) == 0, want, "%#llx",
		    (unsigned long long)sets[i].have);
	}
}

static uint64_t
ns_number(const struct evidence *ev, uint32_t wall)
{
	size_t i = 0;

	for (uint32_t w = WALL_NET; w < wall; w <<= 1)
		i++;
	return i < EVIDENCE_NS ? ev->ns[i] : 0;
}

static void
audit_namespaces(struct auditing *au, const struct evidence *ev)
{
	for (uint32_t wall = 1; wall <= WALL_CGROUP; wall <<= 1) {
		if ((wall & WALL_NAMESPACES) == 0)
			continue;
		if ((ev->unproven & wall) != 0)
			audit_unmeasurable(au, wall, wall_name(wall),
			    "its own namespace", EACCES);
		else
			audit_row(au, wall, wall_name(wall),
			    (ev->own_ns & wall) != 0, "its own namespace",
			    "%s, %llu",
			    (ev->own_ns & wall) != 0 ? "its own" :
						       "the system's",
			    (unsigned long long)ns_number(ev, wall));
	}
	if (ev->root_empty == -1)
		audit_unmeasurable(au, WALL_ROOT, "root directory",
		    "empty, read only", EACCES);
	else
		audit_row(au, WALL_ROOT, "root directory", ev->root_empty == 1,
		    "empty, read only", "%s",
		    ev->root_empty == 1 ? "empty, read only" : "with files");
}

/*
 * A process that is not dumpable belongs to root in /proc: to the root of its
 * user namespace, who is nobody but its user where there is no privilege.
 */
static void
audit_dumpable(struct auditing *au, pid_t pid)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (au->place->uid == 0 || au->place->level != LEVEL_ROOT ||
	    stat(path, &st) == -1)
		audit_vouched(au, WALL_DUMP, "dumpable", "no");
	else
		audit_row(au, WALL_DUMP, "dumpable", st.st_uid == 0, "no", "%s",
		    st.st_uid == 0 ? "no" : "yes");
}

static void
audit_process(struct auditing *au, pid_t pid, const struct evidence *ev)
{
	audit_row(au, WALL_NNP, "no_new_privs", ev->no_new_privs == 1, "1",
	    "%d", ev->no_new_privs);
	audit_dumpable(au, pid);
	audit_vouched(au, WALL_SECUREBITS, "securebits", "sealed, locked");
	audit_vouched(au, WALL_MDWE, "mdwe", "refuse exec gain");
	audit_vouched(au, WALL_LANDLOCK, "landlock",
	    policy_promises(au->policy, "dir") ?
		"nothing but what lies beneath its directories" :
		"no file by name, no TCP");
}

/* The filter in the kernel, run for every call there is. */
static void
audit_points(struct auditing *au, const struct sock_filter *prog, size_t n)
{
	struct audit *out = au->out;
	struct points pts;
	struct plan plan;
	char err[256], want[64];

	if (plan_make(au->policy, &plan, err, sizeof(err)) == -1) {
		audit_row(au, WALL_SECCOMP, "system calls", false,
		    "those of the policy", "%s", err);
		return;
	}
	points_compare(&plan, prog, n, &pts);
	snprintf(want, sizeof(want), "%u allowed, %u by argument", pts.allowed,
	    pts.checked);
	out->points = pts.total;
	out->calls_allowed = pts.allowed;
	out->calls_checked = pts.checked;
	out->calls_errno = pts.errors;
	if (pts.asked > 0)
		audit_row(au, WALL_SECCOMP, "learning mode", false, "off",
		    "ON: what the policy does not allow is reported and goes "
		    "on (%u of %u points)", pts.asked, pts.total);
	else if (pts.wrong == 0)
		audit_row(au, WALL_SECCOMP, "system calls", true, want,
		    "the same, tried at %u points", pts.total);
	else
		audit_row(au, WALL_SECCOMP, "system calls", pts.looser == 0,
		    want, "%u differences: %s", pts.wrong,
		    buf_cstr(&pts.differences));
	points_clear(&pts);
	plan_clear(&plan);
}

static int
filter_expected(const struct policy *p, struct sock_filter **out, size_t *n)
{
	char err[256];
	int fd = sandbox_filter(p, err, sizeof(err)), rc;

	if (fd == -1)
		return -1;
	rc = filter_read(fd, out, n);
	fd_close(&fd);
	return rc;
}

static void
audit_filter(struct auditing *au, pid_t pid, const struct evidence *ev)
{
	struct sock_filter *have = NULL, *want = NULL;
	size_t have_n, want_n;
	char size[64];

	audit_row(au, WALL_SECCOMP, "seccomp",
	    ev->seccomp == 2 && ev->seccomp_filters <= 1, "one filter",
	    "mode %d, %d filters", ev->seccomp, ev->seccomp_filters);
	if (((au->policy->walls & WALL_SECCOMP) == 0 || ev->seccomp != 2))
		return;
	if (sandbox_fetch_filter(pid, 0, &have, &have_n) == -1) {
		audit_unmeasurable(au, WALL_SECCOMP, "filter",
		    "that of the policy", errno);
		return;
	}
	if (filter_expected(au->policy, &want, &want_n) == -1) {
		audit_unmeasurable(au, WALL_SECCOMP, "filter",
		    "that of the policy", errno);
	} else {
		bool same = have_n == want_n &&
		    memcmp(have, want, want_n * sizeof(*want)) == 0;

		/* Another library may compile it another way. */
		snprintf(size, sizeof(size), "%zu instructions", want_n);
		audit_row(au, WALL_SECCOMP, "filter", true, size, "%zu, %s",
		    have_n, same ? "identical" : "compiled differently");
	}
	audit_points(au, have, have_n);
	free(have);
	free(want);
}

/* The text an administrator reads, against the one that was compiled in. */
static void
audit_policy(struct auditing *au, struct str text)
{
	const struct policy *p = au->policy;
	struct policy *read = NULL;
	char hex[POLICY_HEX], err[PARSED_MAX], want[64], have[64];

	memcpy(au->out->policy_hash, p->hash, POLICY_HASH);
	if (p->base != NULL)
		p = p->base; /* which the overlay is on top of */
	policy_hex(p, hex);
	snprintf(want, sizeof(want), "version %u, %.16s", p->version, hex);
	if (au->of->text_missing)
		audit_unmeasurable(au, 0, "policy text", want, ENOENT);
	if (text.p == NULL)
		return;
	if (policy_parse(p->name, text, &read, err, sizeof(err)) == -1) {
		audit_row(au, 0, "policy text", false, want, "%s", err);
		return;
	}
	policy_hex(read, hex);
	snprintf(have, sizeof(have), "version %u, %.16s", read->version, hex);
	if (memcmp(p->hash, read->hash, POLICY_HASH) == 0)
		audit_row(au, 0, "policy text", true, want, "%s", have);
	else
		audit_differs(au, 0, "policy text", want, have);
	policy_free(&read);
}

int
sandbox_audit(const struct audit_of *of, struct audit *out)
{
	struct auditing au = { of->policy, of->place, out, of };
	pid_t from = of->launcher > 0 ? of->launcher : getpid();
	struct evidence ev;

	memset(out, 0, sizeof(*out));
#ifdef SANITIZED
	out->sanitized = true;
	audit_row(&au, 0, "build", false, "for use",
	    "for tests: allows what sanitizers need");
#endif
	audit_policy(&au, of->text);
	if (evidence_read(of->pid, from, NULL, &ev) == -1) {
		audit_unmeasurable(&au, 0, "process", "alive", errno);
		return audit_status(out);
	}
	static_assert(sizeof(out->ns) == sizeof(ev.ns), "one number each");
	memcpy(out->ns, ev.ns, sizeof(out->ns));
	if (of->image) {
		audit_image(&au, of->pid, &ev);
		return audit_status(out);
	}
	audit_filter(&au, of->pid, &ev);
	audit_ids(&au, &ev);
	audit_caps(&au, &ev);
	audit_process(&au, of->pid, &ev);
	audit_namespaces(&au, &ev);
	audit_limits(&au, of->pid);
	audit_surroundings(&au, of->pid);
	audit_descriptors(&au, of->pid);
	return audit_status(out);
}
