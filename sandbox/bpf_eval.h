/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_BPF_EVAL_H
#define SANDBOX_BPF_EVAL_H

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <stddef.h>
#include <stdint.h>

/*
 * Run a seccomp filter the way the kernel would.  Returns 0 with the
 * program's value (SECCOMP_RET_*) in *out, or -1 when the program is one the
 * kernel would not have accepted: a jump or load out of range, an unknown
 * instruction, no return.
 */
int bpf_eval(const struct sock_filter *prog, size_t n,
    const struct seccomp_data *data, uint32_t *out);

#endif
