/* SPDX-License-Identifier: ISC */
#ifndef BASE_SELF_H
#define BASE_SELF_H

/*
 * The directory of the program that is running, without a slash at its end:
 * what was built together is found together, installed or not.  NULL when
 * the system does not say; the caller owns it.
 */
char *self_directory(void);

#endif
