/* SPDX-License-Identifier: ISC */
/*
 * Prototypes of Capsicum, for checking syntax and types where there is no
 * FreeBSD.  The numbers are not FreeBSD's.
 */
#ifndef STUB_CAPSICUM_H
#define STUB_CAPSICUM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cap_rights {
	uint64_t cr_rights[2];
} cap_rights_t;

#define CAP_READ 0x1ULL
#define CAP_WRITE 0x2ULL
#define CAP_SEEK 0x4ULL
#define CAP_EVENT 0x8ULL
#define CAP_SHUTDOWN 0x10ULL
#define CAP_ACCEPT 0x20ULL
#define CAP_FSYNC 0x40ULL
#define CAP_FSTAT 0x80ULL
#define CAP_GETSOCKOPT 0x100ULL
#define CAP_SETSOCKOPT 0x200ULL
#define CAP_GETPEERNAME 0x400ULL
#define CAP_GETSOCKNAME 0x800ULL
#define CAP_LOOKUP 0x1000ULL
#define CAP_CREATE 0x2000ULL
#define CAP_UNLINKAT 0x4000ULL
#define CAP_RENAMEAT_SOURCE 0x8000ULL
#define CAP_RENAMEAT_TARGET 0x10000ULL
#define CAP_LINKAT_SOURCE 0x20000ULL
#define CAP_LINKAT_TARGET 0x40000ULL
#define CAP_MKDIRAT 0x80000ULL
#define CAP_FTRUNCATE 0x100000ULL
#define CAP_FLOCK 0x200000ULL
#define CAP_FSTATFS 0x400000ULL
#define CAP_FCNTL 0x800000ULL
#define CAP_KQUEUE 0x1000000ULL

/* Variadic in FreeBSD too, by way of macros that add a terminator. */
cap_rights_t *stub_cap_rights(cap_rights_t *rights, ...);
#define cap_rights_init(...) stub_cap_rights(__VA_ARGS__, 0ULL)
#define cap_rights_set(...) stub_cap_rights(__VA_ARGS__, 0ULL)

int cap_rights_limit(int fd, const cap_rights_t *rights);
int cap_fcntls_limit(int fd, uint32_t fcntlrights);
int cap_enter(void);

#endif
