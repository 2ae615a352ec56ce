/* SPDX-License-Identifier: ISC */
#include "sandbox/bpf_eval.h"

#include <string.h>

struct machine {
	uint32_t a, x;
	uint32_t mem[BPF_MEMWORDS];
};

static int
eval_load(struct machine *m, const struct sock_filter *f,
    const struct seccomp_data *data)
{
	switch (f->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		if (f->k % 4 != 0 || f->k > sizeof(*data) - 4)
			return -1;
		memcpy(&m->a, (const char *)data + f->k, 4);
		return 0;
	case BPF_LD | BPF_W | BPF_LEN:
		m->a = sizeof(*data);
		return 0;
	case BPF_LDX | BPF_W | BPF_LEN:
		m->x = sizeof(*data);
		return 0;
	case BPF_LD | BPF_IMM:
		m->a = f->k;
		return 0;
	case BPF_LDX | BPF_IMM:
		m->x = f->k;
		return 0;
	}
	if (f->k >= BPF_MEMWORDS)
		return -1;
	switch (f->code) {
	case BPF_LD | BPF_MEM:
		m->a = m->mem[f->k];
		return 0;
	case BPF_LDX | BPF_MEM:
		m->x = m->mem[f->k];
		return 0;
	case BPF_ST:
		m->mem[f->k] = m->a;
		return 0;
	case BPF_STX:
		m->mem[f->k] = m->x;
		return 0;
	}
	return -1;
}

static int
eval_alu(struct machine *m, const struct sock_filter *f)
{
	uint32_t v = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_ADD:
		m->a += v;
		return 0;
	case BPF_SUB:
		m->a -= v;
		return 0;
	case BPF_MUL:
		m->a *= v;
		return 0;
	case BPF_DIV:
		if (v == 0)
			return -1;
		m->a /= v;
		return 0;
	case BPF_AND:
		m->a &= v;
		return 0;
	case BPF_OR:
		m->a |= v;
		return 0;
	case BPF_XOR:
		m->a ^= v;
		return 0;
	case BPF_LSH:
		m->a = v < 32 ? m->a << v : 0;
		return 0;
	case BPF_RSH:
		m->a = v < 32 ? m->a >> v : 0;
		return 0;
	case BPF_NEG:
		m->a = -m->a;
		return 0;
	}
	return -1;
}

/* How far to jump; -1 for an unknown instruction. */
static int64_t
eval_jump(const struct machine *m, const struct sock_filter *f)
{
	uint32_t v = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_JA:
		return f->k;
	case BPF_JEQ:
		return m->a == v ? f->jt : f->jf;
	case BPF_JGT:
		return m->a > v ? f->jt : f->jf;
	case BPF_JGE:
		return m->a >= v ? f->jt : f->jf;
	case BPF_JSET:
		return (m->a & v) != 0 ? f->jt : f->jf;
	}
	return -1;
}

int
bpf_eval(const struct sock_filter *prog, size_t n,
    const struct seccomp_data *data, uint32_t *out)
{
	struct machine m = { 0 };
	int64_t jump;
	int rc;

	/* Jumps only go forward, so this ends. */
	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *f = &prog[pc];

		rc = 0;
		switch (BPF_CLASS(f->code)) {
		case BPF_RET:
			if (BPF_RVAL(f->code) == BPF_K)
				*out = f->k;
			else if (BPF_RVAL(f->code) == BPF_A)
				*out = m.a;
			else
				return -1;
			return 0;
		case BPF_JMP:
			jump = eval_jump(&m, f);
			if (jump < 0 || (uint64_t)jump >= n - pc)
				return -1;
			pc += (size_t)jump;
			break;
		case BPF_ALU:
			rc = eval_alu(&m, f);
			break;
		case BPF_MISC:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				m.x = m.a;
			else
				m.a = m.x;
			break;
		default:
			rc = eval_load(&m, f, data);
		}
		if (rc == -1)
			return -1;
	}
	return -1;
}
