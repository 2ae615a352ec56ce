/* SPDX-License-Identifier: ISC */
#ifndef STUB_SYS_USER_H
#define STUB_SYS_USER_H

#include <sys/time.h>
#include <sys/types.h>

#define SZOMB 5

struct kinfo_proc {
	pid_t ki_pid;
	pid_t ki_ppid;
	uid_t ki_uid;
	gid_t ki_rgid;
	struct timeval ki_start;
	char ki_stat;
	char ki_comm[20];
};

#endif
