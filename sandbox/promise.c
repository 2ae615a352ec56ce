/* SPDX-License-Identifier: ISC */
#include "sandbox/promise.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/mem.h"

/*
 * read, write and epoll_wait carry no conditions: the kernel answers those
 * from a bitmap without running the filter.
 *
 * A condition without `wide' looks at the 32 bits the kernel looks at.
 */
/* clang-format off */
static const struct promise promises[] = {
{ "stdio", "use the descriptors it holds; clocks, signals, randomness",
	"read\nwrite\nreadv\nwritev\n"
	/* 0 to 5 are slots: closing one would let another take its number. */
	"close a0 >= 6\n"
	"exit\nexit_group\ngetpid\ngettid\n"
	/* Without restart_syscall a SIGSTOP would kill. */
	"rt_sigreturn\nrt_sigprocmask\nrestart_syscall\n"
	"clock_gettime\ngettimeofday\ntime\n"
	"getrandom a2 within GRND_NONBLOCK\n"
	/* qsort() of more than 1 KiB asks how much memory there is. */
	"sysinfo\n",
	"stdio" },
{ "mem", "get and return memory that is never executable",
	"brk\nmunmap\n"
	"mmap a0 == 0 wide, a2 within PROT_READ|PROT_WRITE wide,"
	" a3 & ~MAP_NORESERVE|MAP_STACK == MAP_PRIVATE|MAP_ANONYMOUS wide,"
	" a4 == 0xffffffff\n"
	"mprotect a2 within PROT_READ|PROT_WRITE wide\n"
	"mremap a3 within MREMAP_MAYMOVE wide\n"
	"madvise a2 == MADV_DONTNEED\nmadvise a2 == MADV_FREE\n"
	"futex a1 == FUTEX_WAIT_PRIVATE\nfutex a1 == FUTEX_WAKE_PRIVATE\n",
	"stdio" },
{ "event", "wait for descriptors",
	"epoll_wait\nepoll_pwait\nepoll_pwait2\nepoll_ctl\npoll\nppoll\n"
	"timerfd_settime\n",
	"stdio" },
{ "recvfd", "receive descriptors on a channel",
	"recvmsg a2 within MSG_DONTWAIT|MSG_CMSG_CLOEXEC\n"
	"recvmmsg a3 within MSG_DONTWAIT|MSG_CMSG_CLOEXEC|MSG_WAITFORONE\n",
	"recvfd" },
{ "sendfd", "pass descriptors on over a channel",
	"sendmsg a2 & ~MSG_DONTWAIT == MSG_NOSIGNAL\n"
	"sendmmsg a3 & ~MSG_DONTWAIT == MSG_NOSIGNAL\n"
	/*
	 * Who keeps what it passes makes a copy.  Numbers that mean something
	 * are taken for good and cannot be had this way.
	 */
	"fcntl a1 == F_DUPFD_CLOEXEC\n",
	"sendfd" },
{ "append", "add to the end of a file and nothing else",
	"", "stdio" },
{ "rfile", "read files it holds, at any offset",
	"pread64\npreadv\nfstat\n"
	/* Is this configuration, this envelope sealed? */
	"fcntl a1 == F_GET_SEALS\n", "stdio" },
{ "memfd", "make memory files",
	"memfd_create a1 & ~MFD_NOEXEC_SEAL == MFD_CLOEXEC|MFD_ALLOW_SEALING\n"
	"pwrite64\npwritev\n", "stdio" },
{ "seal", "seal memory files, for everybody and for ever",
	"fcntl a1 == F_ADD_SEALS\n", "stdio" },
{ "sync", "bring what it wrote to the disk",
	"fdatasync\nfsync\n", "stdio" },
{ "accept", "accept from a listening socket, and say whom",
	"accept4 a3 == SOCK_NONBLOCK|SOCK_CLOEXEC\n"
	"getsockname\ngetpeername\n"
	"setsockopt a1 == IPPROTO_TCP, a2 == TCP_NODELAY\n", "inet" },
{ "peer", "ask the kernel who is at the other end of a local socket",
	"getsockopt a1 == SOL_SOCKET, a2 == SO_PEERCRED\n", "unix" },
{ "stream", "talk on connected sockets, whose other end cannot be chosen",
	"sendto a3 within MSG_NOSIGNAL|MSG_DONTWAIT, a4 == 0 wide, a5 == 0\n"
	"recvfrom a3 within MSG_DONTWAIT|MSG_PEEK, a4 == 0 wide\n"
	"getsockopt a1 == SOL_SOCKET, a2 == SO_ERROR\n", "stdio" },
/* Not for who accepts: it would end a listening socket for all holders. */
{ "hangup", "end one direction of a connection",
	"shutdown a1 within 3\n", "stdio" },
{ "udp", "talk on connected datagram sockets",
	"getsockopt a1 == SOL_SOCKET, a2 == SO_ERROR\n", "stdio" },
{ "dir", "work with files beneath a directory it holds",
	"openat2\ngetdents64\nfstat\nfstatfs\nlseek\n"
	"unlinkat\nrenameat\nrenameat2 a4 within RENAME_NOREPLACE\n"
	"linkat a4 == 0\nmkdirat\n"
	"pread64\npreadv\npwrite64\npwritev\nftruncate\nfallocate\n",
	"rpath wpath cpath" },
{ "lease", "prove that nobody has a file open for writing",
	"fcntl a1 == F_SETLEASE\nfcntl a1 == F_GETLEASE\n", "stdio" },
{ "lock", "lock files against other programs",
	"flock\nfcntl a1 == F_SETLK\nfcntl a1 == F_SETLKW\n"
	"fcntl a1 == F_OFD_SETLK\nfcntl a1 == F_OFD_SETLKW\n", "flock" },
/*
 * What clone3 is asked for lies in memory, where no filter looks.  A C library
 * that is told there is none takes clone, which ends the process here.
 */
{ "threads", "run the helper threads made before it was sealed",
	"futex a1 & ~FUTEX_CLOCK_REALTIME == FUTEX_WAIT_BITSET_PRIVATE\n"
	"sched_yield\nclone3 fails ENOSYS\n", "stdio" },
{ "pair", "make channels between other components",
	"socketpair a0 == AF_UNIX,"
	" a1 & ~SOCK_CLOEXEC|SOCK_NONBLOCK == SOCK_SEQPACKET\n"
	"setsockopt a1 == SOL_SOCKET, a2 == SO_SNDBUF\n"
	"setsockopt a1 == SOL_SOCKET, a2 == SO_PASSRIGHTS\n", "unix" },
{ "connect", "make connections, for others to use",
	"socket a0 == AF_INET,"
	" a1 & ~SOCK_CLOEXEC|SOCK_NONBLOCK == SOCK_STREAM\n"
	"socket a0 == AF_INET6,"
	" a1 & ~SOCK_CLOEXEC|SOCK_NONBLOCK == SOCK_STREAM\n"
	"socket a0 == AF_INET,"
	" a1 & ~SOCK_CLOEXEC|SOCK_NONBLOCK == SOCK_DGRAM\n"
	"socket a0 == AF_INET6,"
	" a1 & ~SOCK_CLOEXEC|SOCK_NONBLOCK == SOCK_DGRAM\n"
	"bind\nconnect\ngetsockname\n"
	"setsockopt a1 == IPPROTO_TCP, a2 == TCP_NODELAY\n"
	"getsockopt a1 == SOL_SOCKET, a2 == SO_ERROR\n", "inet" },
};

/*
 * What the address sanitizer's run time does, in builds for tests only
 * (make SAN=1).  Audit marks such a process.
 */
#ifdef SANITIZED
static const char sanitizer_calls[] =
	"mmap a2 within PROT_READ|PROT_WRITE wide\n"
	"mprotect\nmadvise\nmremap\nsigaltstack\nrt_sigaction\nfutex\n"
	"gettid\ntgkill\nsched_yield\nsched_getaffinity\nprctl\n"
	"getrlimit\nprlimit64\nioctl a1 == 0x5401 fails ENOTTY\n"
	"openat fails EACCES\nopen fails EACCES\nreadlink fails EACCES\n"
	"newfstatat fails ENOSYS\nstat fails ENOSYS\n"
	"getuid\ngeteuid\nuname\nclose\npipe2 fails EPERM\n"
	"clone fails EPERM\nclone3 fails ENOSYS\n";
#endif
/* clang-format on */

const struct promise *
promise_find(struct str word)
{
	for (size_t i = 0; i < NELEM(promises); i++) {
		if (str_eq(word, str_of(promises[i].word)))
			return &promises[i];
	}
	return NULL;
}

const struct promise *
promise_at(size_t i)
{
	return i < NELEM(promises) ? &promises[i] : NULL;
}

const struct named *
promise_names(void)
{
	static struct named names[NELEM(promises) + 1];

	for (size_t i = 0; i < NELEM(promises); i++)
		names[i].name = promises[i].word;
	return names;
}

/* Does a plain word occur in a list of words? */
static bool
word_in(struct str list, struct str word)
{
	struct str w;

	while (str_token(&list, " ", &w)) {
		if (str_eq(w, word))
			return true;
	}
	return false;
}

void
promise_pledge(const struct policy *p, struct buf *out)
{
	static const char *const order[] = { "stdio", "recvfd", "sendfd",
		"rpath", "wpath", "cpath", "flock", "unix", "inet" };
	const char *between = "";

	for (size_t i = 0; i < NELEM(order); i++) {
		bool wanted = false;

		for (size_t j = 0; j < p->npromises; j++) {
			const struct promise *pr =
			    promise_find(str_of(p->promises[j].word));

			wanted |= pr != NULL &&
			    word_in(str_of(pr->pledge), str_of(order[i]));
		}
		if (wanted) {
			buf_printf(out, "%s%s", between, order[i]);
			between = " ";
		}
	}
}

const char *
promise_with_call(const char *call)
{
	struct str text, line, name;

	for (size_t i = 0; i < NELEM(promises); i++) {
		text = str_of(promises[i].calls);
		while (str_token(&text, "\n", &line)) {
			if (str_token(&line, " ", &name) &&
			    str_eq(name, str_of(call)))
				return promises[i].word;
		}
	}
	return NULL;
}

const char *
promise_sanitizer_calls(void)
{
#ifdef SANITIZED
	return sanitizer_calls;
#else
	return NULL;
#endif
}
