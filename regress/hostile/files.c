/* SPDX-License-Identifier: ISC */
/*
 * Attempts on files, by name and by way of a directory.
 */
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/openat2.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "hostile.h"

#define OPEN_TREE_NR 428

static enum outcome
open_file(const struct hand *h)
{
	(void)h;
	return outcome_of(open("/etc/passwd", O_RDONLY));
}

static enum outcome
open_openat2(const struct hand *h)
{
	struct open_how how = { .flags = O_RDONLY };

	(void)h;
	return outcome_of(
	    syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how)));
}

static enum outcome
stat_file(const struct hand *h)
{
	struct stat st;

	(void)h;
	return outcome_of(
	    syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, 0));
}

static enum outcome
access_file(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_faccessat, AT_FDCWD, "/bin", R_OK));
}

static enum outcome
list_root(const struct hand *h)
{
	char buf[1024];
	int fd = open("/", O_RDONLY | O_DIRECTORY);

	(void)h;
	if (fd == -1)
		return REFUSED;
	return outcome_of(getdents64(fd, buf, sizeof(buf)) > 0 ? 0 : -1);
}

static enum outcome
read_maps(const struct hand *h)
{
	(void)h;
	return outcome_of(open("/proc/self/maps", O_RDONLY));
}

static enum outcome
read_environ(const struct hand *h)
{
	(void)h;
	return outcome_of(open("/proc/self/environ", O_RDONLY));
}

/* A descriptor's file with more rights than the descriptor. */
static enum outcome
reopen(const struct hand *h)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d",
	    h->fd[KIND_MEMFD_READ]);
	return outcome_of(open(path, O_RDWR));
}

static enum outcome
handle_at(const struct hand *h)
{
	struct {
		struct file_handle fh;
		unsigned char bytes[128];
	} f = { .fh = { .handle_bytes = 128 } };
	int mount;

	(void)h;
	if (name_to_handle_at(AT_FDCWD, "/", &f.fh, &mount, 0) == -1)
		return REFUSED;
	return outcome_of(open_by_handle_at(AT_FDCWD, &f.fh, O_RDONLY));
}

static enum outcome
create_file(const struct hand *h)
{
	(void)h;
	if (open("/tmp/hostile", O_WRONLY | O_CREAT | O_EXCL, 0600) == -1)
		return REFUSED;
	unlink("/tmp/hostile");
	return WORKED;
}

static enum outcome
create_at_root(const struct hand *h)
{
	(void)h;
	return outcome_of(mkdir("/hostile", 0700));
}

static enum outcome
change_dir(const struct hand *h)
{
	(void)h;
	return outcome_of(chdir("/proc"));
}

static enum outcome
fchdir_dir(const struct hand *h)
{
	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(fchdir(h->fd[KIND_DIR]));
}

static enum outcome
dir_dotdot(const struct hand *h)
{
	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(
	    openat(h->fd[KIND_DIR], "../..", O_RDONLY | O_DIRECTORY));
}

static enum outcome
dir_dotdot2(const struct hand *h)
{
	struct open_how how = { .flags = O_RDONLY };

	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(syscall(SYS_openat2, h->fd[KIND_DIR],
	    "../../../../../../etc/passwd", &how, sizeof(how)));
}

/* A way round through /proc, mounted above the directory. */
static enum outcome
dir_proc(const struct hand *h)
{
	struct open_how how = { .flags = O_RDONLY };

	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(syscall(SYS_openat2, h->fd[KIND_DIR],
	    "../../../../../../proc/self/root/etc/passwd", &how, sizeof(how)));
}

/* Another user's mailbox, another message: next to ours. */
static enum outcome
dir_sibling(const struct hand *h)
{
	struct open_how how = { .flags = O_RDWR };

	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(syscall(SYS_openat2, h->fd[KIND_DIR],
	    "../other/secret", &how, sizeof(how)));
}

static enum outcome
dir_unlink_sibling(const struct hand *h)
{
	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(unlinkat(h->fd[KIND_DIR], "../other/secret", 0));
}

static enum outcome
dir_rename_out(const struct hand *h)
{
	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(renameat(h->fd[KIND_DIR], "mine", h->fd[KIND_DIR],
	    "../other/mine"));
}

static enum outcome
dir_link_in(const struct hand *h)
{
	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(linkat(h->fd[KIND_DIR], "../other/secret",
	    h->fd[KIND_DIR], "stolen", 0));
}

static enum outcome
dir_make_out(const struct hand *h)
{
	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(mkdirat(h->fd[KIND_DIR], "../other/made", 0700));
}

static enum outcome
dir_symlink(const struct hand *h)
{
	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(symlinkat("/etc", h->fd[KIND_DIR], "way"));
}

static enum outcome
dir_mknod(const struct hand *h)
{
	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(mknodat(h->fd[KIND_DIR], "fifo", S_IFIFO | 0600, 0));
}

/* Landlock does not know of these two. */
static enum outcome
dir_stat_out(const struct hand *h)
{
	struct stat st;

	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(syscall(SYS_newfstatat, h->fd[KIND_DIR],
	    "../other/secret", &st, 0));
}

static enum outcome
dir_chmod_out(const struct hand *h)
{
	if (h->fd[KIND_DIR] == -1)
		return ABSENT;
	return outcome_of(
	    fchmodat(h->fd[KIND_DIR], "../other/secret", 0666, 0));
}

static enum outcome
open_tree_root(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(OPEN_TREE_NR, AT_FDCWD, "/", 0));
}

static enum outcome
inotify(const struct hand *h)
{
	int fd = inotify_init1(0);

	(void)h;
	return fd == -1 ? REFUSED :
			  outcome_of(inotify_add_watch(fd, "/", IN_CREATE));
}

static enum outcome
fanotify(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_fanotify_init, 0, O_RDONLY));
}

static enum outcome
change_mask(const struct hand *h)
{
	(void)h;
	umask(0);
	return WORKED;
}

static enum outcome
sync_all(const struct hand *h)
{
	(void)h;
	sync();
	return WORKED;
}

/* clang-format off */
const struct attempt attempts_files[] = {
	{ "open a file", open_file, STOPPED, WORKS, NULL },
	{ "openat2 a file", open_openat2, STOPPED, WORKS, NULL },
	{ "stat a file", stat_file, STOPPED, WORKS, NULL },
	{ "access a file", access_file, STOPPED, WORKS, NULL },
	{ "list the root directory", list_root, STOPPED, WORKS, NULL },
	{ "read /proc/self/maps", read_maps, STOPPED, WORKS, NULL },
	{ "read /proc/self/environ", read_environ, STOPPED, MAYBE, NULL },
	{ "reopen through /proc/self/fd", reopen, STOPPED, MAYBE, NULL },
	{ "open by handle", handle_at, STOPPED, FAILS, NULL },
	{ "create a file", create_file, STOPPED, WORKS, NULL },
	{ "create in the root directory", create_at_root, STOPPED, FAILS,
	    NULL },
	{ "chdir", change_dir, STOPPED, WORKS, NULL },
	{ "fchdir to the directory it holds", fchdir_dir, CARRIED, WORKS,
	    NULL },
	{ "openat ../.. of it", dir_dotdot, STOPPED, WORKS, NULL },
	{ "openat2 ../../etc of it", dir_dotdot2, STOPPED, WORKS, NULL },
	{ "openat2 to /proc/self/root", dir_proc, STOPPED, WORKS, NULL },
	{ "open a file beside it", dir_sibling, STOPPED, WORKS, NULL },
	{ "link a file beside it", dir_link_in, STOPPED, WORKS, NULL },
	{ "rename out of it", dir_rename_out, STOPPED, WORKS, NULL },
	{ "make a directory beside it", dir_make_out, STOPPED, WORKS, NULL },
	{ "make a symbolic link in it", dir_symlink, STOPPED, WORKS, NULL },
	{ "make a fifo in it", dir_mknod, STOPPED, WORKS, NULL },
	{ "stat a file beside it", dir_stat_out, CARRIED, WORKS, NULL },
	{ "chmod a file beside it", dir_chmod_out, CARRIED, WORKS, NULL },
	{ "unlink a file beside it", dir_unlink_sibling, STOPPED, WORKS,
	    NULL },
	{ "open_tree", open_tree_root, CARRIED, WORKS, NULL },
	{ "inotify", inotify, CARRIED, WORKS, NULL },
	{ "fanotify", fanotify, STOPPED, MAYBE, NULL },
	{ "umask", change_mask, CARRIED, WORKS, NULL },
	{ "sync everything", sync_all, CARRIED, WORKS, NULL },
	{ NULL, NULL, STOPPED, WORKS, NULL }
};
/* clang-format on */
