/* SPDX-License-Identifier: ISC */
#ifndef NET_NOTIFY_H
#define NET_NOTIFY_H

/*
 * Tell systemd, or whoever set NOTIFY_SOCKET (sd_notify(3)), of a change:
 * `READY=1'.  Nothing happens where nobody did.
 */
void notify_supervisor(const char *state);

#endif
