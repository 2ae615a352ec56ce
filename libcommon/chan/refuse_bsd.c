/* SPDX-License-Identifier: ISC */
/*
 * Descriptors that the kernel refuses: other systems refuse none.
 */
#include "base/attr.h"
#include "chan/chan.h"

void
chan_refuse_fds(UNUSED int fd)
{
}

int
chan_refuses_fds(UNUSED int fd)
{
	return -1;
}
