/* SPDX-License-Identifier: ISC */
#ifndef BASE_NOTE_H
#define BASE_NOTE_H

#include "base/buf.h"
#include "base/str.h"

/*
 * What this process is working on, written to memory that whoever started it
 * can read when it has died: for the report of a death that it cannot make
 * itself.  A few stores and no system call, so it can be done for each record
 * and message.  Nobody acts upon what stands there.
 */
#define NOTE_SIZE 256

/* A new note, all empty; -1 with errno.  The maker keeps it to read it. */
int note_make(void);

/*
 * The process it was about has ended: empty it, for another.  -1 with errno.
 */
int note_again(int fd);

/*
 * In the process it is about: notes go there from now on.  fd is closed if it
 * is one; where there is none, notes go nowhere.
 */
void note_open(int fd);

/* A record of this kind is being served, about this message (or ""). */
void note_record(const char *edge, const char *record, struct str about);
/* A client, a server, a message: two words, either may be "". */
void note_about(struct str who, struct str what);

/*
 * What a note says, for people, appended to out: nothing when it says nothing.
 * Its writer may be hostile: only letters, digits and a few signs are taken.
 */
void note_read(int fd, struct buf *out);

#endif
