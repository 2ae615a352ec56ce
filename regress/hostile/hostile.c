/* SPDX-License-Identifier: ISC */
/*
 * hostile [-v] [COMPONENT ...] - every attempt, inside every real sandbox.
 * Prints TAP: one line for a component with seccomp, one without; for smtpd two
 * more, of copies of its warm image.
 */
#include "hostile.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/fd.h"
#include "sandbox/sandbox.h"
#include "sandbox/warm.h"

#define UID 4711
#define ATTEMPT_MS 10000

static struct cradle cradle;
static struct cradle open_cradle; /* without any wall */
static enum sandbox_level level;
static uint32_t missing;
static bool verbose;

/* What an attacker would like to reach. */
static struct {
	int tcp_fd, udp_fd, abstract_fd;
	uint16_t tcp_port, udp_port;
	char abstract[32];
	pid_t victim;
	char top[32];
	int top_fd;
} world;

static unsigned made, stopped, killed;
static int case_no, failed;

static void
die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- the world outside ---------------------------------------------------- */

static int
inet_socket(int type, uint16_t *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1 ||
	    (type == SOCK_STREAM && listen(fd, 1024) == -1) ||
	    getsockname(fd, (struct sockaddr *)&in, &len) == -1)
		die("socket");
	*port = ntohs(in.sin_port);
	return fd;
}

/* Without a name the kernel chooses one. */
static int
local_socket(const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t n = strlen(name);
	socklen_t len = offsetof(struct sockaddr_un, sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(un.sun_path + 1, name, n);
	if (n > 0)
		len += (socklen_t)(1 + n);
	if (fd == -1 || bind(fd, (struct sockaddr *)&un, len) == -1 ||
	    listen(fd, 1024) == -1)
		die("abstract socket");
	return fd;
}

/* A process of the attacker's own user, which does nothing. */
static pid_t
victim_start(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (level == LEVEL_ROOT &&
	    (setresgid(UID, UID, UID) == -1 || setresuid(UID, UID, UID) == -1))
		_exit(1);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (;;)
		pause();
}

static void
dir_make(const char *name)
{
	if (mkdirat(world.top_fd, name, 0777) == -1 && errno != EEXIST)
		die(name);
	if (fchmodat(world.top_fd, name, 0777, 0) == -1)
		die(name);
}

static void
file_make(const char *name)
{
	int fd =
	    openat(world.top_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1)
		die(name);
	if (level == LEVEL_ROOT && fchown(fd, UID, UID) == -1)
		die("fchown");
	fd_close(&fd);
}

static void
world_make(void)
{
	world.tcp_fd = inet_socket(SOCK_STREAM, &world.tcp_port);
	world.udp_fd = inet_socket(SOCK_DGRAM, &world.udp_port);
	snprintf(world.abstract, sizeof(world.abstract), "hostile-%d",
	    (int)getpid());
	world.abstract_fd = local_socket(world.abstract);
	strlcpy(world.top, "/tmp/hostile.XXXXXX", sizeof(world.top));
	if (mkdtemp(world.top) == NULL)
		die("mkdtemp");
	chmod(world.top, 0755);
	world.top_fd = open(world.top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	world.victim = victim_start();
}

static void
world_end(void)
{
	static const char *const files[] = { "mine/mine", "mine/stolen",
		"mine/fifo", "mine/way", "other/secret", "other/mine" };

	kill(world.victim, SIGKILL);
	for (size_t i = 0; i < NELEM(files); i++)
		unlinkat(world.top_fd, files[i], 0);
	unlinkat(world.top_fd, "other/made", AT_REMOVEDIR);
	unlinkat(world.top_fd, "log", 0);
	unlinkat(world.top_fd, "mine", AT_REMOVEDIR);
	unlinkat(world.top_fd, "other", AT_REMOVEDIR);
	rmdir(world.top);
}

/* As it was before an attempt that succeeded. */
static void
world_tidy(void)
{
	dir_make("mine");
	dir_make("other");
	file_make("mine/mine");
	file_make("other/secret");
	unlinkat(world.top_fd, "mine/stolen", 0);
	unlinkat(world.top_fd, "mine/fifo", 0);
	unlinkat(world.top_fd, "mine/way", 0);
	unlinkat(world.top_fd, "other/mine", 0);
	unlinkat(world.top_fd, "other/made", AT_REMOVEDIR);
}

/* --- what is passed to a component ---------------------------------------- */

static int
connected(int type, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), got;

	if (fd == -1 || connect(fd, (struct sockaddr *)&in, sizeof(in)) == -1)
		die("connect");
	if (type == SOCK_STREAM) {
		got = accept(world.tcp_fd, NULL, NULL);
		fd_close(&got);
	}
	return fd;
}

static int
log_open(int flags)
{
	return openat(world.top_fd, "log", flags | O_CREAT | O_CLOEXEC, 0644);
}

static int
thing_make(enum policy_kind kind)
{
	uint16_t port;

	switch (kind) {
	case KIND_STREAM:
		return connected(SOCK_STREAM, world.tcp_port);
	case KIND_UDP_CONN:
		return connected(SOCK_DGRAM, world.udp_port);
	case KIND_TCP_LISTEN:
		return inet_socket(SOCK_STREAM, &port);
	case KIND_UNIX_LISTEN:
		return local_socket(""); /* any name */
	case KIND_FILE_APPEND:
		return log_open(O_WRONLY | O_APPEND);
	case KIND_FILE_READ:
		return log_open(O_RDONLY);
	case KIND_MEMFD_READ:
		return memfd_from("message", "content", 7);
	case KIND_MEMFD:
		return memfd_new("filling");
	default:
		return -1;
	}
}

/* Does the policy let it hold this kind, other than on a slot? */
static bool
may_hold(const struct policy *p, enum policy_kind kind)
{
	if (kind == KIND_MEMFD_READ)
		return true; /* its configuration */
	for (size_t i = 0; i < p->ngrants; i++) {
		if (p->grants[i].kind == kind)
			return true;
	}
	return false;
}

/* One packet: which kinds, and their descriptors. */
static void
things_send(int channel, const struct policy *p)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(KIND_N * sizeof(int))];
	} control;
	uint8_t kinds[KIND_N];
	int fds[KIND_N];
	struct iovec iov = { kinds, 0 };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control };
	struct cmsghdr *cm;
	size_t n = 0;

	for (int k = 0; k < KIND_N; k++) {
		if (!may_hold(p, (enum policy_kind)k))
			continue;
		fds[n] = thing_make((enum policy_kind)k);
		if (fds[n] == -1)
			continue;
		kinds[n++] = (uint8_t)k;
	}
	iov.iov_len = n;
	memset(&control, 0, sizeof(control));
	mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
	cm = CMSG_FIRSTHDR(&mh);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	if (sendmsg(channel, &mh, MSG_NOSIGNAL) == -1)
		die("sendmsg");
	fds_close(fds, &n);
}

/* --- one attempt ---------------------------------------------------------- */

enum mode {
	SEALED,
	NO_SECCOMP,
	BARE,
	COPY,
	COPY_NO_SECCOMP
};

static struct sandbox_place
place_of(const struct policy *p, enum mode mode)
{
	struct sandbox_place place = { .level = level,
		.waived = missing,
		.filter_fd = SLOT_FILTER };

	if (level == LEVEL_ROOT && strcmp(p->user, "root") != 0)
		place.uid = place.gid = UID;
	if (mode == NO_SECCOMP || mode == COPY_NO_SECCOMP)
		place.waived |= WALL_SECCOMP;
	if (mode == BARE)
		place.waived |= WALL_ALL & ~(uint32_t)WALL_UID;
	return place;
}

static struct hand
hand_of(const struct policy *p)
{
	struct hand h;

	hand_init(&h, p);
	h.victim = world.victim;
	h.tcp_port = world.tcp_port;
	h.udp_port = world.udp_port;
	h.abstract = world.abstract;
	return h;
}

static NORETURN void
component(const struct policy *p, const struct attempt *a, enum mode mode,
    int channel, int filter_fd)
{
	struct sandbox_place place = place_of(p, mode);
	struct hand h = hand_of(p);
	struct cradle_fd fds[5] = { { SLOT_BROKER, channel },
		{ SLOT_CONFIG, filter_fd }, { SLOT_FILTER, filter_fd } };
	size_t n = 3;
	char err[512];

	for (size_t i = 0; i < p->nslots; i++) {
		if (p->slots[i].kind != KIND_DIR)
			continue;
		fds[n].slot = h.fd[KIND_DIR] = p->slots[i].fd;
		fds[n++].fd = openat(world.top_fd, "mine",
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (cradle_child(mode == BARE ? &open_cradle : &cradle, p, fds, n) ==
	    -1)
		_exit(EXIT_NO_ENTRY);
	if (sandbox_enter(p, &place, err, sizeof(err)) == -1) {
		if (write(SLOT_BROKER, err, strlen(err)) == -1)
			_exit(EXIT_NO_ENTRY);
		_exit(EXIT_NO_ENTRY);
	}
	inside_run(a, &h);
}

/* Wait for the end, but not for ever; returns the wait status. */
static int
child_wait(pid_t pid, int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	int status = 0;

	if (poll(&pfd, 1, ATTEMPT_MS) != 1)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	close(pidfd);
	return status;
}

/* A process that makes it, in a world as it was before the last one. */
static pid_t
attempt_start(const struct policy *p, unsigned i, enum mode mode, int filter_fd,
    int sv[2], int *pidfd, char *said, size_t size)
{
	pid_t pid;

	if (mode == COPY || mode == COPY_NO_SECCOMP) {
		pid = image_copy(i, sv[0], &sv[1], said, size);
		if (pid != -1)
			*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		things_send(sv[0], p);
		return pid;
	}
	things_send(sv[0], p);
	pid = sandbox_clone(mode == BARE ? &open_cradle : &cradle, pidfd);
	if (pid == -1)
		die("clone");
	if (pid == 0)
		component(p, attempt_at(i), mode, sv[1], filter_fd);
	return pid;
}

static int
attempt_make(const struct policy *p, unsigned i, enum mode mode, int filter_fd,
    char *said, size_t size)
{
	int sv[2], pidfd = -1, status;
	ssize_t n;
	pid_t pid;

	world_tidy();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1)
		die("socketpair");
	pid = attempt_start(p, i, mode, filter_fd, sv, &pidfd, said, size);
	fd_close(&sv[1]);
	if (pid == -1) {
		close(sv[0]);
		return W_EXITCODE(EXIT_NO_ENTRY, 0);
	}
	status = child_wait(pid, pidfd);
	n = recv(sv[0], said, size - 1, MSG_DONTWAIT);
	said[n < 0 ? 0 : n] = '\0';
	close(sv[0]);
	return status;
}

/* What happened, in a word or two. */
static const char *
status_text(int status)
{
	static char text[64];

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "killed by SIG%s",
		    sigabbrev_np(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		snprintf(text, sizeof(text), "WORKED");
	else
		snprintf(text, sizeof(text), "refused: %s",
		    strerror(WEXITSTATUS(status) - EXIT_ERRNO));
	return text;
}

static bool
as_expected(const struct attempt *a, enum mode mode, int status)
{
	bool worked = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	bool unknown =
	    WIFEXITED(status) && WEXITSTATUS(status) == EXIT_ERRNO + ENOSYS;

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return false; /* it hung */
	switch (mode) {
	case SEALED:
	case COPY:
		return !worked;
	case NO_SECCOMP:
	case COPY_NO_SECCOMP:
		if (a->behind == STOPPED ||
		    (a->behind == BY_UID && level == LEVEL_ROOT))
			return !worked;
		/*
		 * The attempt must be able to work where the kernel has the
		 * call at all: else it proves nothing where it fails.
		 */
		return a->behind != CARRIED || worked || unknown ||
		    a->bare == MAYBE;
	case BARE:
		return a->bare == MAYBE || unknown ||
		    (a->bare == WORKS) == worked;
	}
	return false;
}

/*
 * What came of each attempt by a process that was made alone: a copy has the
 * same walls, so it is stopped by the same.
 */
#define ATTEMPTS_MAX 512
static struct seen {
	bool worked, killed;
} alone[2][ATTEMPTS_MAX];

static bool
as_alone(unsigned i, enum mode mode, int status)
{
	struct seen now = { .worked = WIFEXITED(status) &&
		    WEXITSTATUS(status) == 0,
		.killed = WIFSIGNALED(status) };
	struct seen *was = &alone[mode == NO_SECCOMP ||
	    mode == COPY_NO_SECCOMP][i % ATTEMPTS_MAX];

	if (mode == SEALED || mode == NO_SECCOMP)
		*was = now;
	return mode == BARE ||
	    (was->worked == now.worked && was->killed == now.killed);
}

/* --- all of them ---------------------------------------------------------- */

static const char *const mode_names[] = { "sealed", "without seccomp",
	"with a user id only", "a copy of its image, sealed",
	"a copy of its image, without seccomp" };

static void
component_attack(const struct policy *p, enum mode mode, int filter_fd)
{
	unsigned n = 0, k = 0, refused = 0;
	const struct attempt *a;
	bool good = true;
	char said[512];
	int status;

	for (unsigned i = 0; (a = attempt_at(i)) != NULL; i++) {
		if (a->unless != NULL && policy_promises(p, a->unless))
			continue;
		status = attempt_make(p, i, mode, filter_fd, said,
		    sizeof(said));
		if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_ABSENT)
			continue;
		n++;
		if (WIFSIGNALED(status))
			k++;
		else if (WEXITSTATUS(status) != 0)
			refused++;
		if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_ENTRY) {
			good = false;
			printf("# %s: no entry: %s\n", a->name, said);
		} else if (!as_alone(i, mode, status) ||
		    !as_expected(a, mode, status)) {
			good = false;
			printf("# %s %s: %s: %s\n", p->name, mode_names[mode],
			    a->name, status_text(status));
		} else if (verbose) {
			printf("# %s %s: %s: %s\n", p->name, mode_names[mode],
			    a->name, status_text(status));
		}
	}
	good = good && n > 0;
	printf("%sok %d - %s %s: %u attempts, %u killed, %u refused\n",
	    good ? "" : "not ", ++case_no, p->name, mode_names[mode], n, k,
	    refused);
	fflush(stdout);
	failed += !good;
	if (mode == SEALED || mode == COPY) {
		made += n;
		killed += k;
		stopped += k + refused;
	}
}

/* The same by copies of its warm image, in which nothing may be other. */
static void
copies_attack(const struct policy *p, enum mode mode, int filter_fd)
{
	struct sandbox_place place = place_of(p, mode);
	struct hand h = hand_of(p);
	char err[512];

	if (image_open(&cradle, &place, filter_fd, &h, err, sizeof(err)) ==
	    -1) {
		printf("not ok %d - %s %s: %s\n", ++case_no, p->name,
		    mode_names[mode], err);
		failed++;
		return;
	}
	component_attack(p, mode, filter_fd);
	image_close();
}

static void
component_run(const struct policy *p, bool bare)
{
	char err[512];
	int filter_fd = sandbox_filter(p, err, sizeof(err));

	if (filter_fd == -1) {
		printf("Bail out! %s\n", err);
		exit(1);
	}
	if (bare)
		component_attack(p, BARE, filter_fd);
	component_attack(p, SEALED, filter_fd);
	/* Second walls are counted on only where all of them can be had. */
	if ((missing & ~(uint32_t)WALL_UID) == 0)
		component_attack(p, NO_SECCOMP, filter_fd);
	if (strcmp(p->name, "smtpd") == 0 && warm_possible()) {
		copies_attack(p, COPY, filter_fd);
		if ((missing & ~(uint32_t)WALL_UID) == 0)
			copies_attack(p, COPY_NO_SECCOMP, filter_fd);
	}
	fd_close(&filter_fd);
}

static bool
wanted(const struct policy *p, int argc, char *argv[])
{
	if ((p->walls & WALL_SECCOMP) == 0)
		return false;
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], p->name) == 0)
			return true;
	}
	return argc == 0;
}

int
main(int argc, char *argv[])
{
	struct buf why;
	char err[512];

	if (argc > 1 && strcmp(argv[1], "-v") == 0) {
		verbose = true;
		argc--;
		argv++;
	}
#ifdef SANITIZED
	printf("1..0 # SKIP sanitized components are allowed more\n");
	return 0;
#endif
	buf_init(&why, 4096);
	if (sandbox_level_probe(&level, &missing, &why) == -1)
		die("probe");
	printf("# level %d\n", (int)level);
	for (struct str line, s = buf_get(&why); missing != 0 &&
	    str_token(&s, "\n", &line);)
		printf("# " STR_FMT "\n", STR_ARG(line));
	buf_clear(&why);
	world_make();
	if (cradle_init(&cradle, level, missing, err, sizeof(err)) == -1) {
		printf("Bail out! %s\n", err);
		return 1;
	}
	open_cradle = cradle;
	open_cradle.waived = WALL_ALL & ~(uint32_t)WALL_UID;
	for (size_t i = 0; i < policy_count(); i++) {
		/* The one with the most kinds of descriptors, once bare. */
		if (wanted(policy_at(i), argc - 1, argv + 1))
			component_run(policy_at(i), level == LEVEL_ROOT);
	}
	world_end();
	printf("1..%d\n", case_no);
	printf("# %u attempts inside sandboxes, %u stopped, %u of them by"
	       " being killed\n",
	    made, stopped, killed);
	return failed == 0 && made == stopped ? 0 : 1;
}
