/* SPDX-License-Identifier: ISC */
/*
 * Words of the policy language that are numbers of Linux.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <linux/capability.h>
#include <linux/futex.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>

#include "sandbox/policy_names.h"

#define SAME(x)                   \
	{                         \
#x, (uint64_t)(x) \
	}
#define LIMIT(lower, upper)           \
	{                             \
		lower, RLIMIT_##upper \
	}
#define CAP(lower, upper)          \
	{                          \
		lower, CAP_##upper \
	}

/* Newer than Debian 12's headers. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

/* clang-format off */
const struct named limit_table[] = {
	LIMIT("as", AS), LIMIT("core", CORE), LIMIT("cpu", CPU),
	LIMIT("data", DATA), LIMIT("fsize", FSIZE), LIMIT("locks", LOCKS),
	LIMIT("memlock", MEMLOCK), LIMIT("msgqueue", MSGQUEUE),
	LIMIT("nice", NICE), LIMIT("nofile", NOFILE), LIMIT("nproc", NPROC),
	LIMIT("rtprio", RTPRIO), LIMIT("rttime", RTTIME),
	LIMIT("sigpending", SIGPENDING), LIMIT("stack", STACK),
	{ NULL, 0 }
};

const struct named cap_table[] = {
	CAP("chown", CHOWN), CAP("dac_override", DAC_OVERRIDE),
	CAP("dac_read_search", DAC_READ_SEARCH), CAP("fowner", FOWNER),
	CAP("fsetid", FSETID), CAP("kill", KILL), CAP("setgid", SETGID),
	CAP("setuid", SETUID), CAP("setpcap", SETPCAP),
	CAP("net_bind_service", NET_BIND_SERVICE),
	CAP("net_admin", NET_ADMIN), CAP("net_raw", NET_RAW),
	CAP("ipc_lock", IPC_LOCK), CAP("sys_chroot", SYS_CHROOT),
	CAP("sys_ptrace", SYS_PTRACE), CAP("sys_admin", SYS_ADMIN),
	CAP("sys_nice", SYS_NICE), CAP("sys_resource", SYS_RESOURCE),
	CAP("lease", LEASE), CAP("setfcap", SETFCAP),
	{ NULL, 0 }
};

const struct named const_table[] = {
	SAME(PROT_NONE), SAME(PROT_READ), SAME(PROT_WRITE), SAME(PROT_EXEC),
	SAME(MAP_PRIVATE), SAME(MAP_SHARED), SAME(MAP_ANONYMOUS),
	SAME(MAP_NORESERVE), SAME(MAP_STACK), SAME(MAP_POPULATE),
	SAME(MAP_FIXED),
	SAME(MREMAP_MAYMOVE), SAME(MADV_DONTNEED), SAME(MADV_FREE),
	SAME(FUTEX_WAIT_PRIVATE), SAME(FUTEX_WAKE_PRIVATE),
	SAME(FUTEX_WAIT_BITSET_PRIVATE), SAME(FUTEX_CLOCK_REALTIME),
	{ "GRND_NONBLOCK", 1 }, { "GRND_INSECURE", 4 },
	SAME(MSG_DONTWAIT), SAME(MSG_NOSIGNAL), SAME(MSG_CMSG_CLOEXEC),
	SAME(MSG_WAITFORONE), SAME(MSG_PEEK), SAME(MSG_TRUNC),
	SAME(SOCK_STREAM), SAME(SOCK_DGRAM), SAME(SOCK_SEQPACKET),
	SAME(SOCK_NONBLOCK), SAME(SOCK_CLOEXEC),
	SAME(AF_UNIX), SAME(AF_INET), SAME(AF_INET6), SAME(AF_NETLINK),
	SAME(SOL_SOCKET), SAME(IPPROTO_TCP), SAME(IPPROTO_IPV6),
	SAME(SO_PEERCRED), SAME(SO_ERROR), SAME(SO_TYPE), SAME(SO_REUSEADDR),
	SAME(SO_REUSEPORT), SAME(SO_KEEPALIVE), SAME(SO_SNDBUF),
	SAME(SO_RCVBUF), SAME(SO_LINGER), SAME(SO_PASSCRED),
	{ "SO_PASSRIGHTS", 83 }, SAME(SO_DOMAIN), SAME(SO_ACCEPTCONN), SAME(SO_PROTOCOL),
	SAME(TCP_NODELAY), SAME(IPV6_V6ONLY), SAME(TCP_DEFER_ACCEPT),
	SAME(SHUT_RD), SAME(SHUT_WR), SAME(SHUT_RDWR),
	SAME(F_GETFL), SAME(F_SETFL), SAME(F_GETFD), SAME(F_SETFD),
	SAME(F_ADD_SEALS), SAME(F_GET_SEALS),
	SAME(F_SETLEASE), SAME(F_GETLEASE), SAME(F_RDLCK), SAME(F_WRLCK),
	SAME(F_UNLCK), SAME(F_SETLK), SAME(F_SETLKW), SAME(F_GETLK),
	SAME(F_OFD_SETLK), SAME(F_OFD_SETLKW), SAME(F_DUPFD_CLOEXEC),
	SAME(LOCK_SH), SAME(LOCK_EX), SAME(LOCK_UN), SAME(LOCK_NB),
	SAME(F_SEAL_WRITE), SAME(F_SEAL_GROW), SAME(F_SEAL_SHRINK),
	SAME(F_SEAL_SEAL),
	SAME(MFD_CLOEXEC), SAME(MFD_ALLOW_SEALING), SAME(MFD_NOEXEC_SEAL),
	SAME(AT_FDCWD), SAME(AT_EMPTY_PATH), SAME(AT_REMOVEDIR),
	SAME(AT_SYMLINK_NOFOLLOW),
	{ "RENAME_NOREPLACE", 1 }, { "RENAME_EXCHANGE", 2 },
	SAME(FALLOC_FL_KEEP_SIZE), SAME(FALLOC_FL_PUNCH_HOLE),
	SAME(O_CLOEXEC), SAME(O_NONBLOCK), SAME(O_APPEND),
	SAME(FIONREAD), SAME(FIONBIO), SAME(SIGABRT), SAME(SIGCHLD),
	SAME(CLONE_VM), SAME(CLONE_THREAD), { "PR_SET_NAME", 15 },
	{ NULL, 0 }
};

const struct named errno_table[] = {
	SAME(EPERM), SAME(ENOENT), SAME(EACCES), SAME(EINVAL), SAME(ENOSYS),
	SAME(ENOTTY), SAME(EBADF), SAME(ENOTSUP),
	{ NULL, 0 }
};
/* clang-format on */

const bool calls_enforced = true;
