/* SPDX-License-Identifier: ISC */
/*
 * What is opened with the rights of a user rather than ours: directories of
 * mailboxes, files that aliases include, sockets of servers that mail is
 * delivered to.  The user's own permissions decide, and links of his lead
 * nowhere that he could not go.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "net/unixsock.h"

#include "launcher.h"

/* At other levels we are the one user there is. */
static void
become(const struct launcher *l, uid_t uid, gid_t gid)
{
	if (l->cradle.level == LEVEL_ROOT &&
	    (setgroups(0, NULL) == -1 || setegid(gid) == -1 ||
		seteuid(uid) == -1))
		abort();
}

static void
return_to_root(const struct launcher *l)
{
	int e = errno;

	if (l->cradle.level == LEVEL_ROOT &&
	    (seteuid(0) == -1 || setegid(0) == -1))
		abort();
	errno = e;
}

int
borrow_dir(struct launcher *l, const char *path, uid_t uid, gid_t gid)
{
	int fd;

	if (path[0] != '/') {
		errno = ENOENT;
		return -1;
	}
	become(l, uid, gid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return_to_root(l);
	return fd;
}

/*
 * Users whose tables or included files were opened for lookup: they have a say
 * in who gets mail, and files that they name are written, and commands run,
 * with their rights.
 */
#define LENDERS_MAX 64
static uid_t lenders[LENDERS_MAX];
static size_t nlenders;

bool
borrow_lent(uid_t uid)
{
	for (size_t i = 0; i < LENDERS_MAX && i < nlenders; i++)
		if (lenders[i] == uid)
			return true;
	return uid == 0; /* instead of whom default_privs lends */
}

void
borrow_note(int fd)
{
	struct stat st;

	if (fd != -1 && fstat(fd, &st) == 0 && !borrow_lent(st.st_uid))
		lenders[nlenders++ % LENDERS_MAX] = st.st_uid;
}

int
borrow_user(const struct launcher *l, struct str *path, uid_t *uid, gid_t *gid)
{
	struct passwd *pw;
	struct str number;
	uint64_t owner;

	if (!str_token(path, ":", &number) ||
	    str_u64(number, UINT32_MAX, &owner) == -1 ||
	    !borrow_lent((uid_t)owner)) {
		errno = EPERM;
		return -1;
	}
	*path = str_sub(*path, 1, path->n); /* the colon */
	pw = owner == 0 ? getpwnam(l->default_privs) : getpwuid((uid_t)owner);
	if (pw == NULL || pw->pw_uid == 0 || pw->pw_gid == 0) {
		errno = EPERM;
		return -1;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

int
borrow_include(struct launcher *l, struct str path)
{
	char name[513];
	struct stat st;
	uid_t uid;
	gid_t gid;
	int fd;

	if (borrow_user(l, &path, &uid, &gid) == -1)
		return -1;
	if (str_copy(path, name, sizeof(name)) == -1 || name[0] != '/') {
		errno = EINVAL;
		return -1;
	}
	become(l, uid, gid);
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return_to_root(l);
	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))) {
		fd_close(&fd);
		errno = EINVAL;
	}
	borrow_note(fd);
	return fd;
}

void
borrow_owner(const struct launcher *l, uid_t *uid, gid_t *gid)
{
	struct passwd *pw = getpwnam(l->mail_owner);

	*uid = files_uid(l, "smtp");
	*gid = (gid_t)*uid;
	if (pw != NULL && pw->pw_uid != 0 && pw->pw_gid != 0) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
	}
}

/* The server at the other end sees mail_owner, as it would Postfix's. */
int
borrow_socket(struct launcher *l, struct str nexthop, uint64_t ticket)
{
	struct str path = str_sub(nexthop, strlen(NEXTHOP_UNIX), nexthop.n);
	bool whole = str_starts(path, STR("/"));
	char *name;
	uid_t uid;
	gid_t gid;
	int fd;

	if (!ticket_socket_ok(&l->root_key, nexthop, ticket)) {
		if (limit_line(l))
			launcher_say(l, 1, "security: no connection to a "
			    "socket that rewrite did not vouch for");
		errno = EPERM;
		return -1;
	}
	name = str_dup(str_sub(path, whole ? 1 : 0, path.n));
	borrow_owner(l, &uid, &gid);
	become(l, uid, gid);
	fd = unixsock_connect(whole ? "/" : l->queue_dir, name,
	    SOCK_STREAM | SOCK_NONBLOCK);
	return_to_root(l);
	free(name);
	return fd;
}

/*
 * Where users may not make files (a mail spool of root and group mail), the
 * mailbox of one who has none is made for him, empty.  A name that is there is
 * left alone, whatever it is.
 */
void
borrow_mbox(struct launcher *l, const char *user, uid_t uid, gid_t gid)
{
	size_t n = strlen(l->mail_spool);
	int dir, fd;

	if (l->cradle.level != LEVEL_ROOT || !l->spool_mbox || n < 2 ||
	    l->mail_spool[n - 1] == '/' || strchr(user, '/') != NULL ||
	    user[0] == '.')
		return;
	dir = open(l->mail_spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		return;
	become(l, uid, gid);
	fd = faccessat(dir, ".", W_OK, AT_EACCESS);
	return_to_root(l);
	if (fd == -1 && errno == EACCES) {
		fd = openat(dir, user,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd != -1 && fchown(fd, uid, gid) == -1)
			unlinkat(dir, user, 0);
		fd_close(&fd);
	}
	fd_close(&dir);
}
