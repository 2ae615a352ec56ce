/* SPDX-License-Identifier: ISC */
#ifndef NET_INTERFACES_H
#define NET_INTERFACES_H

#include <stdbool.h>

#include "base/buf.h"
#include "chan/rec.h"
#include "conf/conf.h"

/*
 * The addresses that a service listens on: those of a host, or (host empty)
 * what inet_interfaces says; of the families in inet_protocols.  Names are
 * asked of the system: not for sealed processes.  -1 with a sentence.
 */
#define INTERFACES_MAX 64

struct interfaces {
	struct netaddr v[INTERFACES_MAX]; /* without a port */
	size_t n;
	bool ipv4, ipv6;
};

int interfaces_find(const struct conf *c, struct str host,
    struct interfaces *out, struct buf *err);

#endif
