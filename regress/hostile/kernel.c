/* SPDX-License-Identifier: ISC */
/*
 * Attempts on the kernel's wider surface.
 */
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/perf_event.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "hostile.h"

static enum outcome
io_uring(const struct hand *h)
{
	char params[120] = { 0 };

	(void)h;
	return outcome_of(syscall(SYS_io_uring_setup, 8, params));
}

static enum outcome
old_aio(const struct hand *h)
{
	unsigned long ctx = 0;

	(void)h;
	return outcome_of(syscall(SYS_io_setup, 1, &ctx));
}

static enum outcome
bpf(const struct hand *h)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 4,
		.max_entries = 1 };

	(void)h;
	return outcome_of(
	    syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static enum outcome
perf(const struct hand *h)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.exclude_kernel = 1,
		.exclude_hv = 1 };

	(void)h;
	return outcome_of(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static enum outcome
add_key(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_add_key, "user", "hostile", "x", 1,
	    -1 /* thread keyring */));
}

static enum outcome
keyctl(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_keyctl, 0 /* get id */, -1, 1));
}

static enum outcome
new_user_ns(const struct hand *h)
{
	(void)h;
	return outcome_of(unshare(CLONE_NEWUSER));
}

static enum outcome
new_net_ns(const struct hand *h)
{
	(void)h;
	return outcome_of(unshare(CLONE_NEWNET));
}

static enum outcome
join_ns(const struct hand *h)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY);

	(void)h;
	if (fd == -1)
		return REFUSED;
	return outcome_of(setns(fd, CLONE_NEWNS));
}

static enum outcome
mount_tmpfs(const struct hand *h)
{
	(void)h;
	return outcome_of(mount("x", "/", "tmpfs", 0, NULL));
}

static enum outcome
remount_root(const struct hand *h)
{
	(void)h;
	return outcome_of(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
}

static enum outcome
unmount_root(const struct hand *h)
{
	(void)h;
	return outcome_of(umount2("/", MNT_DETACH));
}

static enum outcome
open_fs(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(430 /* fsopen */, "tmpfs", 0));
}

static enum outcome
change_root(const struct hand *h)
{
	(void)h;
	return outcome_of(chroot("/"));
}

static enum outcome
change_uid(const struct hand *h)
{
	(void)h;
	return outcome_of(setresuid(4799, 4799, 4799));
}

static enum outcome
become_root(const struct hand *h)
{
	(void)h;
	if (getuid() == 0) /* its name inside a user namespace */
		return ABSENT;
	return outcome_of(setuid(0));
}

static enum outcome
change_groups(const struct hand *h)
{
	gid_t g = 4;

	(void)h;
	return outcome_of(setgroups(1, &g));
}

static enum outcome
raise_caps(const struct hand *h)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2];

	(void)h;
	memset(data, 0, sizeof(data));
	data[0].effective = data[0].permitted = 1u << CAP_SYS_ADMIN;
	return outcome_of(syscall(SYS_capset, &head, data));
}

static enum outcome
raise_ambient(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
}

static enum outcome
drop_nnp(const struct hand *h)
{
	(void)h;
	return outcome_of(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static enum outcome
drop_securebits(const struct hand *h)
{
	(void)h;
	return outcome_of(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
}

/* A second filter that answers for the first one's calls. */
static enum outcome
add_filter(const struct hand *h)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0x7fff0000U);
	struct sock_fprog prog = { 1, &all };

	(void)h;
	return outcome_of(syscall(SYS_seccomp, 1, 8 /* new listener */, &prog));
}

static enum outcome
landlock(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(444, NULL, 0, 1));
}

/* getpid by the numbers of another architecture. */
static enum outcome
x32_call(const struct hand *h)
{
	(void)h;
#ifdef __x86_64__
	return outcome_of(syscall(0x40000000 + SYS_getpid));
#else
	return ABSENT;
#endif
}

static enum outcome
int_80(const struct hand *h)
{
	(void)h;
#ifdef __x86_64__
	long rc;

	__asm__ volatile("int $0x80"
			 : "=a"(rc)
			 : "a"(20)
			 : "memory", "r8", "r9", "r10", "r11");
	return outcome_of(rc > 0 ? 0 : -1);
#else
	return ABSENT;
#endif
}

/* The one in the old fixed page: getcpu, which no policy allows. */
static enum outcome
vsyscall(const struct hand *h)
{
	(void)h;
#ifdef __x86_64__
	long (*getcpu_at)(unsigned *, unsigned *, void *) =
	    (long (*)(unsigned *, unsigned *, void *))0xffffffffff600800UL;
	unsigned cpu = 0;

	return outcome_of(getcpu_at(&cpu, NULL, NULL));
#else
	return ABSENT;
#endif
}

static enum outcome
inject_input(const struct hand *h)
{
	char c = 'x';

	(void)h;
	return outcome_of(ioctl(0, TIOCSTI, &c));
}

static enum outcome
sysv_shm(const struct hand *h)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	(void)h;
	if (id != -1)
		shmctl(id, IPC_RMID, NULL);
	return outcome_of(id);
}

static enum outcome
sysv_msg(const struct hand *h)
{
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	(void)h;
	if (id != -1)
		msgctl(id, IPC_RMID, NULL);
	return outcome_of(id);
}

static enum outcome
sysv_sem(const struct hand *h)
{
	int id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);

	(void)h;
	if (id != -1)
		semctl(id, 0, IPC_RMID);
	return outcome_of(id);
}

static enum outcome
posix_queue(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    syscall(SYS_mq_open, "hostile", O_CREAT | O_RDWR, 0600, NULL));
}

static enum outcome
timer(const struct hand *h)
{
	timer_t t;

	(void)h;
	return outcome_of(timer_create(CLOCK_MONOTONIC, NULL, &t));
}

static enum outcome
set_clock(const struct hand *h)
{
	struct timespec ts = { 0, 0 };

	(void)h;
	return outcome_of(clock_settime(CLOCK_REALTIME, &ts));
}

static enum outcome
host_name(const struct hand *h)
{
	(void)h;
	return outcome_of(sethostname("hostile", 7));
}

static enum outcome
real_time(const struct hand *h)
{
	struct sched_param sp = { .sched_priority = 10 };

	(void)h;
	return outcome_of(sched_setscheduler(0, SCHED_FIFO, &sp));
}

static enum outcome
ports(const struct hand *h)
{
	(void)h;
#ifdef SYS_iopl
	return outcome_of(syscall(SYS_iopl, 3));
#else
	return ABSENT;
#endif
}

static enum outcome
load_module(const struct hand *h)
{
	return outcome_of(
	    syscall(SYS_finit_module, h->fd[KIND_MEMFD_READ], "", 0));
}

static enum outcome
swap_on(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_swapon, "/swap", 0));
}

static enum outcome
secret_memory(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(447 /* memfd_secret */, 0));
}

static enum outcome
protection_key(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_pkey_alloc, 0, 0));
}

static enum outcome
kexec(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_kexec_load, 0, 0, NULL, 0));
}

static enum outcome
restart(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_reboot, 0xfee1dead, 672274793,
	    0 /* Ctrl-Alt-Del off */, NULL));
}

static enum outcome
init_module_old(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_init_module, "x", 1, ""));
}

static enum outcome
accounting(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_acct, "/log"));
}

static enum outcome
kernel_log(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_syslog, 5, NULL, 0));
}

static enum outcome
quota(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    syscall(SYS_quotactl, 0x800001 << 8, "/dev/root", 0, NULL));
}

static enum outcome
pivot(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_pivot_root, "/", "/"));
}

static enum outcome
move_a_mount(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(429, AT_FDCWD, "/", AT_FDCWD, "/tmp", 0));
}

static enum outcome
clone_3(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    syscall(435, NULL, 0) == -1 && errno != EINVAL ? -1 : 0);
}

static enum outcome
domain_name(const struct hand *h)
{
	(void)h;
	return outcome_of(setdomainname("hostile", 7));
}

static enum outcome
set_time(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    syscall(SYS_settimeofday, &(struct timeval){ 1, 0 }, NULL));
}

static enum outcome
hang_up(const struct hand *h)
{
	(void)h;
	return outcome_of(vhangup());
}

static enum outcome
pidfd_signal(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    syscall(424, (int)syscall(434, h->victim, 0), SIGCONT, NULL, 0));
}

static enum outcome
tg_kill(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_tgkill, h->victim, h->victim, SIGCONT));
}

static enum outcome
affinity(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_sched_setaffinity, h->victim,
	    sizeof(long), &(long){ 1 }));
}

static enum outcome
move_pages_of(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    syscall(SYS_move_pages, h->victim, 0, NULL, NULL, NULL, 0));
}

static enum outcome
io_priority(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_ioprio_set, 1, 0, 3 << 13));
}

static enum outcome
memory_policy(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_set_mempolicy, 0, NULL, 0));
}

static enum outcome
move_brk(const struct hand *h)
{
	(void)h;
	return outcome_of(prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0));
}

static enum outcome
mdwe_off(const struct hand *h)
{
	(void)h;
	return outcome_of(prctl(65 /* PR_SET_MDWE */, 0, 0, 0, 0));
}

static enum outcome
keep_caps(const struct hand *h)
{
	(void)h;
	return outcome_of(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
}

static enum outcome
other_name(const struct hand *h)
{
	(void)h;
	return outcome_of(prctl(PR_SET_NAME, "init", 0, 0, 0));
}

static enum outcome
let_trace(const struct hand *h)
{
	(void)h;
	return outcome_of(prctl(PR_SET_PTRACER, -1, 0, 0, 0));
}

static enum outcome
restartable(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    syscall(334, NULL, 0, 0, 0) == -1 && errno != EINVAL ? -1 : 0);
}

static enum outcome
barrier(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(324, 0, 0, 0));
}

static enum outcome
tid_address(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_set_tid_address, NULL));
}

static enum outcome
interval(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    syscall(SYS_setitimer, 0, &(struct itimerval){ 0 }, NULL));
}

static enum outcome
set_sig(const struct hand *h)
{
	(void)h;
	return outcome_of(fcntl(h->fd[KIND_CHANNEL], 10 /* F_SETSIG */, SIGIO));
}

static enum outcome
notify(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    fcntl(h->fd[KIND_DIR] != -1 ? h->fd[KIND_DIR] : 0, 1026, 1));
}

static enum outcome
interfaces(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    ioctl(h->fd[KIND_CHANNEL], 0x8912, NULL) == -1 && errno != EFAULT ?
		-1 :
		0);
}

static enum outcome
vm_splice(const struct hand *h)
{
	(void)h;
	return outcome_of(
	    syscall(SYS_vmsplice, h->fd[KIND_MEMFD_READ], NULL, 0, 0));
}

static enum outcome
tee_off(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_tee, 0, 1, 1, 0));
}

static enum outcome
send_file(const struct hand *h)
{
	(void)h;
	return outcome_of(syscall(SYS_sendfile, h->fd[KIND_CHANNEL],
	    h->fd[KIND_MEMFD_READ], NULL, 1));
}

/* clang-format off */
const struct attempt attempts_kernel[] = {
	{ "io_uring", io_uring, EITHER, MAYBE, NULL },
	{ "aio", old_aio, CARRIED, MAYBE, NULL },
	{ "bpf", bpf, EITHER, MAYBE, NULL },
	{ "perf_event_open", perf, EITHER, MAYBE, NULL },
	{ "add_key", add_key, CARRIED, MAYBE, NULL },
	{ "keyctl", keyctl, CARRIED, MAYBE, NULL },
	{ "a user namespace", new_user_ns, CARRIED, MAYBE, NULL },
	{ "a network namespace", new_net_ns, STOPPED, FAILS, NULL },
	{ "setns", join_ns, STOPPED, FAILS, NULL },
	{ "mount", mount_tmpfs, STOPPED, FAILS, NULL },
	{ "remount the root directory", remount_root, STOPPED, FAILS, NULL },
	{ "umount", unmount_root, STOPPED, FAILS, NULL },
	{ "fsopen", open_fs, STOPPED, FAILS, NULL },
	{ "chroot", change_root, STOPPED, FAILS, NULL },
	{ "another user id", change_uid, STOPPED, FAILS, NULL },
	{ "user id 0", become_root, STOPPED, FAILS, NULL },
	{ "groups", change_groups, STOPPED, FAILS, NULL },
	{ "capset", raise_caps, STOPPED, FAILS, NULL },
	{ "ambient capability", raise_ambient, STOPPED, FAILS, NULL },
	{ "no_new_privs off", drop_nnp, STOPPED, FAILS, NULL },
	{ "securebits off", drop_securebits, STOPPED, FAILS, NULL },
	{ "seccomp", add_filter, CARRIED, FAILS, NULL },
	{ "landlock", landlock, CARRIED, MAYBE, NULL },
	{ "an x32 call", x32_call, EITHER, MAYBE, NULL },
	{ "int 0x80", int_80, CARRIED, MAYBE, NULL },
	{ "vsyscall", vsyscall, CARRIED, MAYBE, NULL },
	{ "TIOCSTI", inject_input, STOPPED, FAILS, NULL },
	{ "SysV shared memory", sysv_shm, CARRIED, MAYBE, NULL },
	{ "SysV message queue", sysv_msg, CARRIED, MAYBE, NULL },
	{ "SysV semaphore", sysv_sem, CARRIED, MAYBE, NULL },
	{ "POSIX message queue", posix_queue, STOPPED, MAYBE, NULL },
	{ "a timer", timer, CARRIED, WORKS, NULL },
	{ "set the clock", set_clock, STOPPED, FAILS, NULL },
	{ "set the host name", host_name, STOPPED, FAILS, NULL },
	{ "real-time priority", real_time, STOPPED, FAILS, NULL },
	{ "iopl", ports, STOPPED, FAILS, NULL },
	{ "load a module", load_module, STOPPED, FAILS, NULL },
	{ "swapon", swap_on, STOPPED, FAILS, NULL },
	{ "memfd_secret", secret_memory, EITHER, MAYBE, NULL },
	{ "pkey_alloc", protection_key, CARRIED, MAYBE, NULL },
	{ "kexec_load", kexec, STOPPED, FAILS, NULL },
	{ "reboot", restart, STOPPED, FAILS, NULL },
	{ "init_module", init_module_old, STOPPED, FAILS, NULL },
	{ "acct", accounting, STOPPED, FAILS, NULL },
	{ "clear the kernel's log", kernel_log, STOPPED, FAILS, NULL },
	{ "quotactl", quota, STOPPED, FAILS, NULL },
	{ "pivot_root", pivot, STOPPED, FAILS, NULL },
	{ "move_mount", move_a_mount, STOPPED, FAILS, NULL },
	{ "clone3", clone_3, EITHER, MAYBE, NULL },
	{ "set the domain name", domain_name, STOPPED, FAILS, NULL },
	{ "settimeofday", set_time, STOPPED, FAILS, NULL },
	{ "vhangup", hang_up, STOPPED, FAILS, NULL },
	{ "pidfd_send_signal", pidfd_signal, STOPPED, MAYBE, NULL },
	{ "tgkill", tg_kill, STOPPED, MAYBE, NULL },
	{ "sched_setaffinity of another", affinity, STOPPED, MAYBE, NULL },
	{ "move_pages of another", move_pages_of, STOPPED, MAYBE, NULL },
	{ "ioprio_set", io_priority, EITHER, MAYBE, NULL },
	{ "set_mempolicy", memory_policy, EITHER, MAYBE, NULL },
	{ "PR_SET_MM", move_brk, STOPPED, FAILS, NULL },
	{ "PR_SET_MDWE off", mdwe_off, EITHER, MAYBE, NULL },
	{ "PR_SET_KEEPCAPS", keep_caps, EITHER, MAYBE, NULL },
	{ "PR_SET_NAME", other_name, EITHER, MAYBE, NULL },
	{ "PR_SET_PTRACER", let_trace, EITHER, MAYBE, NULL },
	{ "rseq", restartable, EITHER, MAYBE, NULL },
	{ "membarrier", barrier, EITHER, MAYBE, NULL },
	{ "set_tid_address", tid_address, EITHER, MAYBE, NULL },
	{ "alarm by setitimer", interval, EITHER, MAYBE, NULL },
	{ "F_SETSIG", set_sig, EITHER, MAYBE, NULL },
	{ "F_NOTIFY", notify, EITHER, MAYBE, NULL },
	{ "SIOCGIFCONF", interfaces, EITHER, MAYBE, NULL },
	{ "vmsplice", vm_splice, EITHER, MAYBE, NULL },
	{ "tee", tee_off, EITHER, MAYBE, NULL },
	{ "sendfile", send_file, EITHER, MAYBE, NULL },
	{ NULL, NULL, STOPPED, WORKS, NULL }
};
/* clang-format on */
