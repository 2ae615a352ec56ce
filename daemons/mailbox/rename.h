/* SPDX-License-Identifier: ISC */
#ifndef MAILBOX_RENAME_H
#define MAILBOX_RENAME_H

/*
 * Give a file another name in another directory, which no file has yet: -1
 * with EEXIST where one has.  Whoever reads the directory sees the file whole
 * or not at all.
 */
int rename_fresh(int from_fd, const char *from, int to_fd, const char *to);

#endif
