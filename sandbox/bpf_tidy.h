/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_BPF_TIDY_H
#define SANDBOX_BPF_TIDY_H

#include <linux/filter.h>

#include <stddef.h>

/*
 * Make a filter of libseccomp's shorter, in place: it answers the same to every
 * call.  Each process that is sealed has its filter checked, translated and
 * freed by the kernel, which takes as long as the filter is, and every call
 * whose arguments are looked at runs through it.  What goes:
 *
 *	the test of half an argument of which no bit is looked at
 *	the many masked tests that `at least' is written with, of which one
 *	comparison remains
 *
 * Returns the new length; n, with nothing changed, for a program that is not
 * made as that library makes them.
 */
size_t bpf_tidy(struct sock_filter *prog, size_t n);

#endif
