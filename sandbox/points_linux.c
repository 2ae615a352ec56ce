/* SPDX-License-Identifier: ISC */
#include "sandbox/points.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <string.h>

#include "base/attr.h"
#include "sandbox/bpf_eval.h"

#define NR_MAX 1024
#define X32_BIT 0x40000000
#define DIFFERENCES_MAX 4096

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define NATIVE AUDIT_ARCH_RISCV64
#else
#error "say which AUDIT_ARCH_ this is"
#endif

static const uint32_t foreign[] = { AUDIT_ARCH_I386, AUDIT_ARCH_X86_64,
	AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, AUDIT_ARCH_RISCV64,
	AUDIT_ARCH_PPC64LE, AUDIT_ARCH_S390X, 0 };

struct run {
	const struct plan *plan;
	const struct sock_filter *prog;
	size_t n;
	struct points *out;
	uint32_t arch;
};

/* The filter's word in the terms of plan_verdict(); -2 for anything odd. */
static int
filter_verdict(const struct run *r, uint32_t nr, const uint64_t args[CALL_ARGS])
{
	struct seccomp_data data = { .nr = (int)nr, .arch = r->arch };
	uint32_t ret;

	for (int i = 0; i < CALL_ARGS; i++)
		data.args[i] = args[i];
	if (bpf_eval(r->prog, r->n, &data, &ret) == -1)
		return -2;
	switch (ret & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
		return 0;
	case SECCOMP_RET_ERRNO:
		return (int)(ret & SECCOMP_RET_DATA);
	case SECCOMP_RET_KILL_PROCESS:
		return -1;
	case SECCOMP_RET_USER_NOTIF:
		r->out->asked++;
		return -3;
	}
	return -2;
}

static void
compare(const struct run *r, uint32_t nr, const uint64_t args[CALL_ARGS],
    int want)
{
	int got = filter_verdict(r, nr, args);
	const char *name = syscall_name((int)nr);

	r->out->total++;
	if (got == want)
		return;
	r->out->wrong++;
	if (got != -1)
		r->out->looser++;
	buf_printf(&r->out->differences,
	    "%s (%u, arch %#x)"
	    " %#llx %#llx %#llx %#llx: declared %d, filter says %d\n",
	    name == NULL ? "?" : name, nr, r->arch, (unsigned long long)args[0],
	    (unsigned long long)args[1], (unsigned long long)args[2],
	    (unsigned long long)args[3], want, got);
}

static void
compare_native(const struct run *r, uint32_t nr, const uint64_t args[CALL_ARGS])
{
	compare(r, nr, args, plan_verdict(r->plan, (int)nr, args));
}

/* Values of one argument on and around the border of a condition. */
static void
around(const struct run *r, uint32_t nr, const struct call_arg *a,
    const uint64_t args[CALL_ARGS])
{
	static const uint64_t rubbish[] = { 0, UINT64_C(1) << 32,
		UINT64_C(0xffffffff) << 32 };
	uint64_t v[CALL_ARGS], near[4];

	memcpy(v, args, sizeof(v));
	near[0] = a->value;
	near[1] = a->value - 1;
	near[2] = a->value + 1;
	near[3] = 0;
	for (size_t i = 0; i < NELEM(rubbish); i++) {
		for (size_t j = 0; j < NELEM(near); j++) {
			v[a->index] = near[j] ^ rubbish[i];
			compare_native(r, nr, v);
		}
		for (int bit = 0; bit < 64; bit++) {
			v[a->index] =
			    a->value ^ rubbish[i] ^ UINT64_C(1) << bit;
			compare_native(r, nr, v);
		}
	}
}

static void
around_call(const struct run *r, const struct plan_call *pc)
{
	uint64_t zeros[CALL_ARGS] = { 0 }, ones[CALL_ARGS];

	memset(ones, 0xff, sizeof(ones));
	for (unsigned i = 0; i < pc->c.nargs; i++) {
		const struct call_arg *a = &pc->c.args[i];

		zeros[a->index] = a->value;
		ones[a->index] = a->value;
	}
	compare_native(r, (uint32_t)pc->nr, zeros);
	compare_native(r, (uint32_t)pc->nr, ones);
	for (unsigned i = 0; i < pc->c.nargs; i++) {
		around(r, (uint32_t)pc->nr, &pc->c.args[i], zeros);
		around(r, (uint32_t)pc->nr, &pc->c.args[i], ones);
	}
}

static void
count_call(const struct run *r, int nr)
{
	bool open = false, some = false, error = false;

	for (size_t i = 0; i < r->plan->n; i++) {
		const struct plan_call *pc = &r->plan->calls[i];

		if (pc->nr != nr)
			continue;
		error |= pc->c.error != 0;
		open |= pc->c.error == 0 && pc->c.nargs == 0;
		some |= pc->c.error == 0 && pc->c.nargs > 0;
	}
	if (open)
		r->out->allowed++;
	else if (some)
		r->out->checked++;
	else if (error)
		r->out->errors++;
}

int
points_compare(const struct plan *plan, const struct sock_filter *prog,
    size_t n, struct points *out)
{
	struct run r = { plan, prog, n, out, NATIVE };
	uint64_t zeros[CALL_ARGS] = { 0 }, ones[CALL_ARGS];

	memset(out, 0, sizeof(*out));
	buf_init(&out->differences, DIFFERENCES_MAX);
	memset(ones, 0xff, sizeof(ones));
	for (uint32_t nr = 0; nr < NR_MAX; nr++) {
		compare_native(&r, nr, zeros);
		compare_native(&r, nr, ones);
		count_call(&r, (int)nr);
		/* x32 calls come with the native architecture's number. */
		compare(&r, nr | X32_BIT, zeros, -1);
	}
	compare(&r, UINT32_MAX, zeros, -1);
	for (size_t i = 0; i < plan->n; i++)
		around_call(&r, &plan->calls[i]);
	for (size_t i = 0; i < NELEM(foreign); i++) {
		r.arch = foreign[i];
		for (uint32_t nr = 0; nr < NR_MAX && r.arch != NATIVE; nr++)
			compare(&r, nr, zeros, -1);
	}
	return out->wrong == 0 ? 0 : -1;
}

void
points_clear(struct points *p)
{
	buf_clear(&p->differences);
}
