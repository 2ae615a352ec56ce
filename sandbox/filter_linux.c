/* SPDX-License-Identifier: ISC */
/*
 * From a plan to a seccomp filter, by libseccomp.
 */
#include <sys/syscall.h>

#include <linux/filter.h>

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/bpf_tidy.h"
#include "sandbox/linux.h"
#include "sandbox/promise.h"
#include "sandbox/sandbox.h"

#define SYSCALL_MAX 1024

int
syscall_number(const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	/* Below -1: a call that exists, but not on this architecture. */
	return nr == __NR_SCMP_ERROR ? -1 : nr;
}

const char *
syscall_name(int nr)
{
	static char *names[SYSCALL_MAX];

	if (nr < 0 || nr >= SYSCALL_MAX)
		return NULL;
	if (names[nr] == NULL)
		names[nr] =
		    seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
	return names[nr];
}

/*
 * The comparisons of one rule.  Only MASKED_EQ is used for 32-bit arguments:
 * libseccomp compares all 64 bits, the kernel looks at the lower half of an
 * int, and the upper one is whatever was in the register.
 */
static struct scmp_arg_cmp
comparison(const struct call_arg *a)
{
	uint64_t bits = a->wide ? UINT64_MAX : UINT32_MAX;
	struct scmp_arg_cmp cmp = { .arg = a->index, .op = SCMP_CMP_MASKED_EQ };

	switch (a->op) {
	case ARG_EQ:
	case ARG_GE: /* written out by rule_ge() */
		cmp.datum_a = bits;
		cmp.datum_b = a->value;
		break;
	case ARG_WITHIN:
		cmp.datum_a = bits & ~a->value;
		cmp.datum_b = 0;
		break;
	case ARG_MASKED:
		cmp.datum_a = bits & a->mask;
		cmp.datum_b = a->value;
		break;
	}
	return cmp;
}

static int
rule_add(scmp_filter_ctx ctx, const struct plan_call *pc,
    const struct policy_call *c)
{
	struct scmp_arg_cmp cmps[CALL_ARGS];
	uint32_t action =
	    c->error == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO((unsigned)c->error);
	int rc;

	for (unsigned i = 0; i < c->nargs; i++)
		cmps[i] = comparison(&c->args[i]);
	rc = seccomp_rule_add_array(ctx, action, pc->nr, c->nargs, cmps);
	return rc == -EEXIST ? 0 : rc;
}

/*
 * a >= value, of 32 bits: equal, or equal above some bit where value has a
 * zero and a has a one.  One masked rule for each.
 */
static int
rule_ge(scmp_filter_ctx ctx, const struct plan_call *pc, unsigned which)
{
	struct policy_call c = pc->c;
	struct call_arg *a = &c.args[which];
	uint32_t v = (uint32_t)pc->c.args[which].value;
	int rc;

	a->op = ARG_EQ;
	rc = rule_add(ctx, pc, &c);
	a->op = ARG_MASKED;
	for (int bit = 0; bit < 32 && rc == 0; bit++) {
		uint32_t one = UINT32_C(1) << bit;

		if ((v & one) != 0)
			continue;
		a->mask = ~(one - 1);
		a->value = (v & a->mask) | one;
		rc = rule_add(ctx, pc, &c);
	}
	return rc;
}

static int
plan_rules(scmp_filter_ctx ctx, const struct plan *plan, const char **bad)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct plan_call *pc = &plan->calls[i];
		unsigned ge = pc->c.nargs;
		int rc;

		for (unsigned j = 0; j < pc->c.nargs; j++) {
			if (pc->c.args[j].op == ARG_GE)
				ge = j;
		}
		rc = ge < pc->c.nargs ? rule_ge(ctx, pc, ge) :
					rule_add(ctx, pc, &pc->c);
		if (rc != 0) {
			*bad = pc->c.name;
			return rc;
		}
	}
	return 0;
}

/* How the listener leaves the process: once, and the socket is dead then. */
static int
rule_trace(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1,
	    SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, SLOT_TRACE));
}

/*
 * A filter that kills unless a rule allows (or asks its listener), for the
 * native calls only.
 */
static int
filter_build(const struct policy *policy, const struct plan *plan, bool trace,
    int fd, char *err, size_t err_size)
{
	scmp_filter_ctx ctx =
	    seccomp_init(trace ? SCMP_ACT_NOTIFY : SCMP_ACT_KILL_PROCESS);
	const char *step = "libseccomp";
	int rc = -ENOMEM;

	if (ctx == NULL)
		goto out;
	/* Another architecture, or x32, is an attack. */
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = plan_rules(ctx, plan, &step);
	if (rc == 0 && trace)
		rc = rule_trace(ctx);
	if (rc == 0) {
		step = "export";
		rc = seccomp_export_bpf(ctx, fd);
	}
out:
	if (rc != 0)
		snprintf(err, err_size, "seccomp filter of %s: %s: %s",
		    policy->name, step, strerror(-rc));
	if (ctx != NULL)
		seccomp_release(ctx);
	return rc == 0 ? 0 : -1;
}

/* The program in fd, shorter (bpf_tidy.h). */
static int
filter_tidy(int fd)
{
	char *text;
	size_t len;
	int rc;

	if (fd_slurp(fd, BPF_MAXINSNS * sizeof(struct sock_filter), &text,
		&len) == -1)
		return -1;
	len = bpf_tidy((struct sock_filter *)(void *)text,
		  len / sizeof(struct sock_filter)) *
	    sizeof(struct sock_filter);
	rc = lseek(fd, 0, SEEK_SET) == -1 || fd_write_all(fd, text, len) == -1 ?
	    -1 :
	    ftruncate(fd, (off_t)len);
	free(text);
	return rc;
}

static int
filter_make(const struct policy *policy, bool trace, char *err, size_t err_size)
{
	struct plan plan;
	int fd, rc;

	if (plan_make(policy, &plan, err, err_size) == -1)
		return -1;
	fd = memfd_new("filter");
	if (fd == -1) {
		snprintf(err, err_size, "memory file: %s", strerror(errno));
		plan_clear(&plan);
		return -1;
	}
	rc = filter_build(policy, &plan, trace, fd, err, err_size);
	plan_clear(&plan);
	if (rc == 0 && (filter_tidy(fd) == -1 || memfd_seal(fd) == -1)) {
		snprintf(err, err_size, "sealing the filter: %s",
		    strerror(errno));
		rc = -1;
	}
	if (rc == -1)
		fd_close(&fd);
	return fd;
}

int
sandbox_filter(const struct policy *policy, char *err, size_t err_size)
{
	return filter_make(policy, false, err, err_size);
}

int
sandbox_filter_trace(const struct policy *policy, char *err, size_t err_size)
{
	return filter_make(policy, true, err, err_size);
}
