/* SPDX-License-Identifier: ISC */
/*
 * Attempts on messages and logs that are held by descriptor.
 */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

static enum outcome
clear_append(const struct hand *h)
{
	if (h->fd[KIND_FILE_APPEND] == -1)
		return ABSENT;
	return outcome_of(fcntl(h->fd[KIND_FILE_APPEND], F_SETFL, 0));
}

static enum outcome
truncate_log(const struct hand *h)
{
	if (h->fd[KIND_FILE_APPEND] == -1)
		return ABSENT;
	return outcome_of(ftruncate(h->fd[KIND_FILE_APPEND], 0));
}

static enum outcome
write_not_append(const struct hand *h)
{
	struct iovec iov = { (void *)(uintptr_t) "x", 1 };

	if (h->fd[KIND_FILE_APPEND] == -1)
		return ABSENT;
	return outcome_of(syscall(SYS_pwritev2, h->fd[KIND_FILE_APPEND], &iov,
	    1, 0, 0, RWF_NOAPPEND));
}

static enum outcome
punch_hole(const struct hand *h)
{
	if (h->fd[KIND_FILE_APPEND] == -1)
		return ABSENT;
	return outcome_of(fallocate(h->fd[KIND_FILE_APPEND], 0, 0, 4096));
}

static enum outcome
change_mode(const struct hand *h)
{
	int fd = h->fd[KIND_FILE_READ];

	if (fd == -1)
		fd = h->fd[KIND_FILE_APPEND];
	if (fd == -1)
		return ABSENT;
	return outcome_of(fchmod(fd, 0666));
}

static enum outcome
lock_file(const struct hand *h)
{
	if (h->fd[KIND_FILE_READ] == -1)
		return ABSENT;
	return outcome_of(flock(h->fd[KIND_FILE_READ], LOCK_EX | LOCK_NB));
}

static enum outcome
move_offset(const struct hand *h)
{
	if (h->fd[KIND_FILE_READ] == -1)
		return ABSENT;
	return outcome_of(lseek(h->fd[KIND_FILE_READ], 1, SEEK_SET));
}

static enum outcome
write_read_only(const struct hand *h)
{
	if (h->fd[KIND_FILE_READ] == -1)
		return ABSENT;
	return outcome_of(write(h->fd[KIND_FILE_READ], "x", 1));
}

static enum outcome
write_sealed(const struct hand *h)
{
	return outcome_of(write(h->fd[KIND_MEMFD_READ], "x", 1));
}

static enum outcome
pwrite_sealed(const struct hand *h)
{
	return outcome_of(pwrite(h->fd[KIND_MEMFD_READ], "x", 1, 0));
}

static enum outcome
truncate_sealed(const struct hand *h)
{
	return outcome_of(ftruncate(h->fd[KIND_MEMFD_READ], 0));
}

static enum outcome
map_sealed(const struct hand *h)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
	    h->fd[KIND_MEMFD_READ], 0);

	return outcome_of(p == MAP_FAILED ? -1 : 0);
}

static enum outcome
punch_sealed(const struct hand *h)
{
	return outcome_of(fallocate(h->fd[KIND_MEMFD_READ],
	    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
}

static enum outcome
copy_sealed(const struct hand *h)
{
	loff_t in = 0, out = 4;

	return outcome_of(syscall(SYS_copy_file_range, h->fd[KIND_MEMFD_READ],
	    &in, h->fd[KIND_MEMFD_READ], &out, 1, 0));
}

/*
 * A mapping made while the file was still open for writing: then nobody can
 * seal it, and who takes the message notices.
 */
static enum outcome
map_before_seal(const struct hand *h)
{
	int fd = h->fd[KIND_MEMFD];
	void *p;

	if (fd == -1)
		return ABSENT;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return REFUSED;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == -1)
		return REFUSED; /* EBUSY: cleanup would say so */
	memcpy(p, "changed", 7);
	return WORKED;
}

/* Written after the commit: the seal must have ended that. */
static enum outcome
write_after_seal(const struct hand *h)
{
	int fd = h->fd[KIND_MEMFD];

	if (fd == -1)
		return ABSENT;
	if (fcntl(fd, F_ADD_SEALS,
		F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == -1)
		return REFUSED;
	return outcome_of(write(fd, "late", 4));
}

/* clang-format off */
const struct attempt attempts_queue[] = {
	{ "clear O_APPEND", clear_append, CARRIED, WORKS, NULL },
	{ "truncate the log", truncate_log, CARRIED, WORKS, NULL },
	{ "write with RWF_NOAPPEND", write_not_append, CARRIED, MAYBE, NULL },
	{ "fallocate in the log", punch_hole, EITHER, WORKS, NULL },
	{ "fchmod", change_mode, BY_UID, FAILS, NULL },
	{ "lock a table", lock_file, CARRIED, WORKS, "lock" },
	{ "move a shared offset", move_offset, CARRIED, WORKS, "dir" },
	{ "write a read-only file", write_read_only, STOPPED, FAILS, NULL },
	{ "write a sealed file", write_sealed, STOPPED, FAILS, NULL },
	{ "pwrite a sealed file", pwrite_sealed, STOPPED, FAILS, NULL },
	{ "truncate a sealed file", truncate_sealed, STOPPED, FAILS, NULL },
	{ "map a sealed file for writing", map_sealed, STOPPED, FAILS, NULL },
	{ "punch a hole in a sealed file", punch_sealed, STOPPED, FAILS,
	    NULL },
	{ "copy into a sealed file", copy_sealed, STOPPED, FAILS, NULL },
	{ "write through an old mapping", map_before_seal, STOPPED, FAILS,
	    NULL },
	{ "write after the seal", write_after_seal, STOPPED, FAILS, NULL },
	{ NULL, NULL, STOPPED, WORKS, NULL }
};
/* clang-format on */
