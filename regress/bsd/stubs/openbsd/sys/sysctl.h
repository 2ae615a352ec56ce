/* SPDX-License-Identifier: ISC */
/* sysctl(2), as far as this project asks it. */
#ifndef STUB_SYS_SYSCTL_H
#define STUB_SYS_SYSCTL_H

#include <stddef.h>
#include <stdint.h>

#define CTL_KERN 1
#define KERN_PROC 66
#define KERN_PROC_ALL 0
#define KERN_PROC_PID 1
#define SDEAD 6

struct kinfo_proc {
	int32_t p_pid;
	int32_t p_ppid;
	uint32_t p_uid;
	uint32_t p_gid;
	uint64_t p_ustart_sec;
	uint32_t p_ustart_usec;
	int8_t p_stat;
	char p_comm[24];
};

int sysctl(const int *name, unsigned namelen, void *oldp, size_t *oldlenp,
    void *newp, size_t newlen);

#endif
