/* SPDX-License-Identifier: ISC */
/*
 * A submission on its way: to pickup, which answers when it is on disk; and
 * where nobody answers, into maildrop, where pickup will find it.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/fd.h"

#include "sendmail.h"

#define WAIT_SECONDS 300 /* for an answer */
#define COPY_SIZE ((size_t)64 << 10)

static char unfinished[64]; /* a file to be removed when we are stopped */

/* Write all of the submission: 0, -1 with errno. */
static int
copy(const struct post *p, int to)
{
	static char block[COPY_SIZE];
	struct str rest = buf_get(&p->b);
	off_t at = 0;
	ssize_t n;

	while (p->fd != -1 &&
	    (n = fd_pread_all(p->fd, block, sizeof(block), at)) != 0) {
		if (n == -1 || fd_write_all(to, block, (size_t)n) == -1)
			return -1;
		at += n;
	}
	return fd_write_all(to, rest.p, rest.n);
}

/* --- pickup --------------------------------------------------------------- */

/* The name of a socket is short, that of its directory may be long. */
static int
connect_pickup(const char *queue_dir)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX,
		.sun_path = "public/pickup" };
	struct timeval tv = { .tv_sec = WAIT_SECONDS };
	int fd;

	if (chdir(queue_dir) == -1)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == -1)
		fd_close(&fd);
	return fd;
}

/* The line that pickup answers with; false when there is none. */
static bool
read_answer(int fd, char *line, size_t size)
{
	size_t n = 0;
	ssize_t k;

	while (n + 1 < size) {
		k = read(fd, line + n, size - 1 - n);
		if (k == -1 && errno == EINTR)
			continue;
		if (k <= 0)
			break;
		n += (size_t)k;
		if (line[n - 1] == '\n') {
			line[n - 1] = '\0';
			return true;
		}
	}
	return false;
}

static int
status_of(int code, const char *dsn)
{
	if (strncmp(dsn, "5.7.", 4) == 0)
		return EX_NOPERM;
	if (code == 501)
		return EX_DATAERR;
	return code < 500 ? EX_TEMPFAIL : EX_UNAVAILABLE;
}

/*
 * True when pickup took it, or refused it in a way that maildrop does not
 * change.
 */
static bool
to_pickup(const struct post *p, const char *queue_dir, struct posted *out)
{
	char line[512], dsn[16] = "";
	bool answered;
	int fd, code = 0, at = 0;

	fd = connect_pickup(queue_dir);
	if (fd == -1)
		return false;
	/* One that refuses early answers while we write. */
	(void)copy(p, fd);
	answered = read_answer(fd, line, sizeof(line));
	fd_close(&fd);
	if (!answered)
		return false;
	if (line[0] == '+' && line[1] == ' ') {
		out->status = EX_OK;
		snprintf(out->text, sizeof(out->text), "%s", line + 2);
		return true;
	}
	if (sscanf(line, "- %3d %15s %n", &code, dsn, &at) != 2 ||
	    (code < 500 && code != 452))
		return false;
	out->status = status_of(code, dsn);
	snprintf(out->text, sizeof(out->text), "%s", line + at);
	return true;
}

/* --- maildrop ------------------------------------------------------------- */

static void
on_signal(int sig)
{
	(void)sig;
	if (unfinished[0] != '\0')
		unlink(unfinished);
	_exit(EX_TEMPFAIL);
}

static void
watch_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

	for (size_t i = 0; i < NELEM(signals); i++)
		signal(signals[i], on_signal);
}

/*
 * Where the directory hands its group on, nobody but the queue manager's group
 * may read the file; elsewhere its name, which nobody can guess or list, has to
 * protect it.
 */
static mode_t
readers(void)
{
	struct stat st;

	if (stat("maildrop", &st) == -1)
		return 0600;
	return (st.st_mode & S_ISGID) != 0 ? 0640 : 0644;
}

static int
create(mode_t mode)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char r[16];
	char name[sizeof(unfinished)] = "maildrop/";
	size_t n = strlen(name);
	mode_t mask;
	int fd;

	if (getentropy(r, sizeof(r)) == -1)
		return -1;
	for (size_t i = 0; i < sizeof(r); i++) {
		name[n++] = hex[r[i] >> 4];
		name[n++] = hex[r[i] & 15];
	}
	mask = umask(0);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    mode);
	umask(mask);
	if (fd != -1)
		memcpy(unfinished, name, sizeof(unfinished));
	return fd;
}

/* The mode says that it is complete (queue/maildrop.h). */
static int
complete(int fd, mode_t mode)
{
	if (fsync(fd) == -1 || fchmod(fd, mode | S_IXUSR) == -1 ||
	    fsync(fd) == -1)
		return -1;
	unfinished[0] = '\0';
	return 0;
}

/* The name is to survive a power cut, too; few may open the directory. */
static void
sync_directory(void)
{
	int fd = open("maildrop", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd != -1)
		(void)fsync(fd);
	fd_close(&fd);
}

static void
to_maildrop(const struct post *p, const char *queue_dir, struct posted *out)
{
	mode_t mode = 0600;
	int fd = -1;

	watch_signals();
	if (chdir(queue_dir) == 0) {
		mode = readers();
		fd = create(mode);
	}
	if (fd == -1) {
		out->status = EX_TEMPFAIL;
		snprintf(out->text, sizeof(out->text),
		    "the mail system does not answer, and %s/maildrop: %s",
		    queue_dir, strerror(errno));
		return;
	}
	snprintf(out->text, sizeof(out->text), "%s", unfinished);
	if (copy(p, fd) == -1 || complete(fd, mode) == -1) {
		out->status = EX_TEMPFAIL;
		snprintf(out->text, sizeof(out->text), "%s/%s: %s", queue_dir,
		    unfinished, strerror(errno));
		unlink(unfinished);
		unfinished[0] = '\0';
	} else {
		out->status = EX_OK;
		sync_directory();
	}
	fd_close(&fd);
}

void
post_send(struct post *p, const char *queue_dir, struct posted *out)
{
	post_end(p);
	if (!to_pickup(p, queue_dir, out))
		to_maildrop(p, queue_dir, out);
}
