/* SPDX-License-Identifier: ISC */
#ifndef HOSTILE_THINGS_H
#define HOSTILE_THINGS_H

#include <sys/types.h>

#include "forge.h"

/*
 * Descriptors of every kind, and a directory of our own to make them in.
 * Each is the caller's; -1 when it cannot be had.
 */
int things_open(uid_t uid);
void things_close(void);
/* Hang up on everybody who has the other end of something. */
void things_let_go(void);
/* Empty spool and mailbox. */
void things_fresh(void);
const char *things_dir(void);

int thing_make(enum thing kind, const struct edge *e);
int thing_listener(int family);
int thing_server(void); /* a connection; the other end talks SMTP, badly */
int thing_udp(void);	/* connected to where nobody answers */
int thing_log(void);
int thing_dir(const char *name);

/* Say this to whoever listens at the local socket; nobody waits for words. */
void thing_call(const void *p, size_t n);

/* To read what logd wrote; it stays ours. */
int things_log_fd(void);

#endif
