/* SPDX-License-Identifier: ISC */
#ifndef COMMAND_VOUCH_H
#define COMMAND_VOUCH_H

#include <stdbool.h>

#include "edge/broker.h"
#include "edge/launch.h"
#include "edge/ticket.h"

/*
 * May this component have that run?  pipe names a line of master.cf, local
 * whose mailbox_command it is; any other command needs the word of whoever read
 * it: lookup, or the mailbox process of the user whose .forward it stands in.
 *
 * The broker knows who asks; the launcher has the key that those of the others
 * are made of, and gives them out itself: the broker could not vouch.
 */
bool command_may_ask(const char *component, const struct broker_command *q);
bool command_vouched(const struct ticket_key *k,
    const struct launch_command *q);

#endif
