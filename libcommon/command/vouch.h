/* SPDX-License-Identifier: ISC */
#ifndef COMMAND_VOUCH_H
#define COMMAND_VOUCH_H

#include <stdbool.h>

#include "edge/broker.h"
#include "edge/ticket.h"

/*
 * May this component have that run?  pipe names a line of master.cf, local
 * whose mailbox_command it is; any other command needs the word of whoever read
 * it: lookup, or the mailbox process of the user whose .forward it stands in.
 * k is the broker's own key, which those of the others are made of.
 */
bool command_vouched(const struct ticket_key *k, const char *component,
    const struct broker_command *q);

#endif
