/* SPDX-License-Identifier: ISC */
#ifndef STUB_PROCCTL_H
#define STUB_PROCCTL_H

#include <sys/types.h>
#include <sys/wait.h>

#define PROC_TRACE_CTL 7
#define PROC_TRACE_CTL_DISABLE 2
#define PROC_NO_NEW_PRIVS_CTL 19
#define PROC_NO_NEW_PRIVS_ENABLE 1

int procctl(idtype_t idtype, id_t id, int cmd, void *arg);

#endif
