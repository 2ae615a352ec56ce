/* SPDX-License-Identifier: ISC */
/*
 * Included before everything by regress/lint/bsd.t: what a BSD's own headers
 * declare and this system's do not.  What they do not have is undefined.
 */
#ifndef BSD_STUB_H
#define BSD_STUB_H

#include <sys/types.h>
#include <sys/socket.h>

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>

int pledge(const char *promises, const char *execpromises);
int unveil(const char *path, const char *permissions);
void closefrom(int lowfd);
size_t strlcpy(char *dst, const char *src, size_t size);
size_t strlcat(char *dst, const char *src, size_t size);
int getpeereid(int s, uid_t *euid, gid_t *egid);

#ifdef __OpenBSD__
int getdents(int fd, void *buf, size_t nbytes);
int shm_mkstemp(char *template);
#else
ssize_t getdirentries(int fd, char *buf, size_t nbytes, off_t *basep);
int bindat(int fd, int s, const struct sockaddr *addr, socklen_t len);
int connectat(int fd, int s, const struct sockaddr *name, socklen_t len);
#define O_SEARCH 0x00040000
#endif

#ifndef O_RESOLVE_BENEATH
#define O_RESOLVE_BENEATH 0x00800000
#endif
#undef O_PATH
#undef O_TMPFILE
#undef F_SETLEASE
#undef SO_PEERCRED

#endif
