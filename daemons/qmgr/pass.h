/* SPDX-License-Identifier: ISC */
#ifndef QMGR_PASS_H
#define QMGR_PASS_H

#include "conf/conf.h"

/*
 * May local pass a recipient on to this transport?  To one that
 * mailbox_transport or fallback_transport names: a captured local is not to
 * reach any line of master.cf it likes.  Where these have maps, only rewrite
 * knows what is in them, and every transport is allowed.
 */
bool pass_allowed(const struct conf *c, struct str transport);

#endif
