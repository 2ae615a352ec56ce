/* SPDX-License-Identifier: ISC */
#ifndef QUEUE_FOREIGN_H
#define QUEUE_FOREIGN_H

#include <stdbool.h>

/*
 * Is this queue directory Postfix's?  Its files have another form and its
 * directories other owners: what is in there would neither be delivered nor
 * be of use to Postfix any more.  False for one that we have used, and for one
 * that is not there.
 */
bool queue_is_foreign(const char *dir);

#define QUEUE_FOREIGN_ADVICE                                            \
	"is the queue of another mail system; let that deliver or flush " \
	"what is in it, and name a directory of our own, such as "      \
	"queue_directory = /var/spool/postern"

#endif
