/* SPDX-License-Identifier: ISC */
/*
 * A reported call in words.  All of it comes from the kernel: the arguments
 * as they were in registers, /proc for descriptors and mappings, and the
 * program's file for the names of functions.  The memory of the process is
 * not looked at, so a path is a pointer.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/fd.h"
#include "sandbox/policy_names.h"
#include "sandbox/promise.h"
#include "sandbox/trace.h"

/*
 * What the arguments of well-known calls are, a letter each: f descriptor,
 * D descriptor of a directory, d number, u size, x bits, m mode, p pointer;
 * a word of const_table with prefix: A AF_, T SOCK_, C F_, P PROT_, M MAP_,
 * S MSG_; O flags of open.  Of other calls all six are shown.
 */
/* clang-format off */
static const struct {
	const char *name;
	const char *args;
} known[] = {
	{ "read", "fpu" }, { "write", "fpu" }, { "readv", "fpd" },
	{ "writev", "fpd" }, { "pread64", "fpud" }, { "pwrite64", "fpud" },
	{ "preadv", "fpdd" }, { "pwritev", "fpdd" },
	{ "open", "pOm" }, { "openat", "DpOm" }, { "openat2", "Dppu" },
	{ "close", "f" }, { "stat", "pp" }, { "lstat", "pp" },
	{ "fstat", "fp" }, { "newfstatat", "Dppx" }, { "statx", "Dpxxp" },
	{ "fstatfs", "fp" }, { "access", "pm" }, { "faccessat", "Dpm" },
	{ "faccessat2", "Dpmx" }, { "readlink", "ppu" },
	{ "readlinkat", "Dppu" }, { "mkdirat", "Dpm" }, { "unlinkat", "Dpx" },
	{ "renameat", "DpDp" }, { "renameat2", "DpDpx" }, { "linkat", "DpDpx" },
	{ "getdents64", "fpu" }, { "fchmod", "fm" }, { "fchown", "fdd" },
	{ "ftruncate", "fd" }, { "fallocate", "fxdd" }, { "lseek", "fdd" },
	{ "fsync", "f" }, { "fdatasync", "f" }, { "flock", "fx" },
	{ "fcntl", "fCx" }, { "ioctl", "fxp" }, { "dup", "f" },
	{ "dup2", "fd" }, { "dup3", "fdO" }, { "pipe2", "pO" },
	{ "memfd_create", "px" }, { "mmap", "puPMfd" }, { "mprotect", "puP" },
	{ "munmap", "pu" }, { "mremap", "puuxp" }, { "madvise", "pud" },
	{ "brk", "p" }, { "socket", "ATd" }, { "socketpair", "ATdp" },
	{ "bind", "fpu" }, { "listen", "fd" }, { "connect", "fpu" },
	{ "accept", "fpp" }, { "accept4", "fppT" }, { "shutdown", "fd" },
	{ "sendto", "fpuSpu" }, { "recvfrom", "fpuSpp" },
	{ "sendmsg", "fpS" }, { "recvmsg", "fpS" }, { "sendmmsg", "fpdS" },
	{ "recvmmsg", "fpdSp" }, { "getsockname", "fpp" },
	{ "getpeername", "fpp" }, { "getsockopt", "fddpp" },
	{ "setsockopt", "fddpu" }, { "epoll_ctl", "fdfp" },
	{ "epoll_wait", "fpdd" }, { "epoll_create1", "x" }, { "poll", "pud" },
	{ "timerfd_create", "dx" }, { "timerfd_settime", "fxpp" },
	{ "eventfd2", "dx" }, { "getrandom", "pux" }, { "sysinfo", "p" },
	{ "uname", "p" }, { "prctl", "dxxxx" }, { "kill", "dd" },
	{ "tgkill", "ddd" }, { "futex", "pxdppd" }, { "clone3", "pu" },
	{ "execve", "ppp" }, { "getpid", "" }, { "gettid", "" },
	{ "getppid", "" }, { "getuid", "" }, { "geteuid", "" },
	{ "sched_yield", "" }, { "clock_gettime", "dp" },
	{ "prlimit64", "ddpp" },
};
/* clang-format on */

/* Kinds whose values say what is wanted, and not with what. */
#define SAYS "OPMSATCxm"

/* O_ has no words in policies. */
static const struct named open_flags[] = { { "O_WRONLY", O_WRONLY },
	{ "O_RDWR", O_RDWR }, { "O_CREAT", O_CREAT }, { "O_EXCL", O_EXCL },
	{ "O_TRUNC", O_TRUNC }, { "O_APPEND", O_APPEND },
	{ "O_NONBLOCK", O_NONBLOCK }, { "O_CLOEXEC", O_CLOEXEC },
	{ "O_DIRECTORY", O_DIRECTORY }, { "O_NOFOLLOW", O_NOFOLLOW },
	{ NULL, 0 } };

/* Names of the bits; what has none is a number. */
static void
bits(const struct named *table, const char *prefix, uint64_t v, struct buf *out)
{
	const char *between = "";

	for (; table->name != NULL; table++) {
		if (strncmp(table->name, prefix, strlen(prefix)) != 0 ||
		    table->value == 0 || (v & table->value) != table->value)
			continue;
		buf_printf(out, "%s%s", between, table->name);
		v &= ~table->value;
		between = "|";
	}
	if (v != 0 || between[0] == '\0')
		buf_printf(out, "%s%#" PRIx64, between, v);
}

static void
word(const char *prefix, uint64_t v, struct buf *out)
{
	const struct named *t = const_table;

	for (; t->name != NULL; t++) {
		if (strncmp(t->name, prefix, strlen(prefix)) == 0 &&
		    t->value == v) {
			buf_puts(out, t->name);
			return;
		}
	}
	buf_printf(out, "%" PRIu64, v);
}

/* Type in the low bits, flags above. */
static void
socket_type(uint64_t v, struct buf *out)
{
	uint64_t flags = v & ~UINT64_C(15);

	if ((v & 15) != 0)
		word("SOCK_", v & 15, out);
	if ((v & 15) != 0 && flags != 0)
		buf_putc(out, '|');
	if (flags != 0 || v == 0)
		bits(const_table, "SOCK_", flags, out);
}

static void
descriptor(pid_t pid, int fd, bool at, struct buf *out)
{
	char path[64], link[128];
	ssize_t n;

	buf_printf(out, "%d", fd);
	if (at && fd == AT_FDCWD) {
		buf_puts(out, " AT_FDCWD");
		return;
	}
	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, link, sizeof(link));
	/* socket:[123] and the like: the number means nothing to people. */
	for (ssize_t i = 0; i < n; i++) {
		if ((link[i] == '[' && i > 0 && link[i - 1] == ':') ||
		    (unsigned char)link[i] < ' ')
			n = link[i] == '[' ? i - 1 : i;
	}
	if (n > 0)
		buf_printf(out, "<%.*s>", (int)n, link);
}

static void
argument(const struct trace_call *c, char kind, uint64_t v, struct buf *out)
{
	switch (kind) {
	case 'f':
	case 'D':
		descriptor(c->pid, (int)v, kind == 'D', out);
		break;
	case 'd':
		buf_printf(out, "%d", (int)v);
		break;
	case 'u':
		buf_printf(out, "%" PRIu64, v);
		break;
	case 'm':
		buf_printf(out, "0%o", (unsigned)v);
		break;
	case 'O':
		if ((v & O_ACCMODE) == O_RDONLY)
			buf_puts(out,
			    (v & ~(uint64_t)O_ACCMODE) == 0 ? "O_RDONLY" :
							      "O_RDONLY|");
		if (v != O_RDONLY)
			bits(open_flags, "O_", v, out);
		break;
	case 'P':
		bits(const_table, "PROT_", v, out);
		break;
	case 'M':
		bits(const_table, "MAP_", v, out);
		break;
	case 'S':
		bits(const_table, "MSG_", v, out);
		break;
	case 'A':
		word("AF_", v & UINT32_MAX, out);
		break;
	case 'C':
		word("F_", v & UINT32_MAX, out);
		break;
	case 'T':
		socket_type(v & UINT32_MAX, out);
		break;
	default:
		buf_printf(out, v == 0 && kind == 'p' ? "NULL" : "%#" PRIx64,
		    v);
		break;
	}
}

static const char *
kinds_of(const char *name)
{
	for (size_t i = 0; name != NULL && i < NELEM(known); i++) {
		if (strcmp(known[i].name, name) == 0)
			return known[i].args;
	}
	return "xxxxxx";
}

bool
trace_same(const struct trace_call *a, const struct trace_call *b)
{
	const char *kinds = kinds_of(syscall_name(a->nr));

	if (a->nr != b->nr || a->ip != b->ip)
		return false;
	for (int i = 0; kinds[i] != '\0'; i++) {
		if (strchr(SAYS, kinds[i]) != NULL && a->args[i] != b->args[i])
			return false;
	}
	return true;
}

void
trace_line(const struct trace_call *c, struct buf *out)
{
	const char *name = syscall_name(c->nr), *kinds = kinds_of(name);
	const char *between = "";

	if (name == NULL) {
		buf_puts(out, "none: it has no name");
		return;
	}
	buf_printf(out, "call %s", name);
	/* Of a call that is not known here, nobody knows what they mean. */
	if (strcmp(kinds, "xxxxxx") == 0)
		return;
	for (int i = 0; kinds[i] != '\0'; i++) {
		if (strchr(SAYS, kinds[i]) == NULL)
			continue;
		buf_printf(out, "%s a%d == ", between, i);
		if (kinds[i] == 'A' || kinds[i] == 'C')
			argument(c, kinds[i], c->args[i], out);
		else
			buf_printf(out, "%#" PRIx64, c->args[i] & UINT32_MAX);
		between = ",";
	}
}

void
trace_text(const struct trace_call *c, struct buf *out)
{
	const char *name = syscall_name(c->nr), *args = kinds_of(name);

	if (name == NULL)
		buf_printf(out, "call %d(", c->nr);
	else
		buf_printf(out, "%s(", name);
	for (int i = 0; args[i] != '\0'; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		argument(c, args[i], c->args[i], out);
	}
	buf_putc(out, ')');
}

/* --- callers -------------------------------------------------------------- */

static bool
read_at(int fd, void *to, size_t n, uint64_t at)
{
	return at <= INT64_MAX &&
	    fd_pread_all(fd, to, n, (off_t)at) == (ssize_t)n;
}

/* From an offset in the file to the address that its symbols have. */
static uint64_t
address_of(int fd, const Elf64_Ehdr *eh, uint64_t offset)
{
	Elf64_Phdr ph;

	for (unsigned i = 0; i < eh->e_phnum; i++) {
		if (read_at(fd, &ph, sizeof(ph),
			eh->e_phoff + i * sizeof(ph)) &&
		    ph.p_type == PT_LOAD && offset >= ph.p_offset &&
		    offset - ph.p_offset < ph.p_filesz)
			return offset - ph.p_offset + ph.p_vaddr;
	}
	return offset;
}

/* The function around an address, in one table of symbols. */
static bool
in_table(int fd, const Elf64_Ehdr *eh, const Elf64_Shdr *table,
    uint64_t address, char *name, size_t size)
{
	Elf64_Shdr strings;
	Elf64_Sym sym;

	if (!read_at(fd, &strings, sizeof(strings),
		eh->e_shoff + table->sh_link * sizeof(strings)))
		return false;
	for (uint64_t o = 0; o < table->sh_size; o += sizeof(sym)) {
		if (!read_at(fd, &sym, sizeof(sym), table->sh_offset + o))
			return false;
		if (ELF64_ST_TYPE(sym.st_info) == STT_FUNC &&
		    address >= sym.st_value &&
		    address - sym.st_value < sym.st_size)
			return fd_pread_all(fd, name, size - 1,
				   (off_t)(strings.sh_offset + sym.st_name)) >
			    0;
	}
	return false;
}

/* The function whose code is at this offset of a program of this system. */
static void
symbol(int fd, uint64_t offset, struct buf *out)
{
	Elf64_Ehdr eh;
	Elf64_Shdr sh;
	char name[64] = "";

	if (!read_at(fd, &eh, sizeof(eh), 0) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64)
		return;
	offset = address_of(fd, &eh, offset);
	for (unsigned i = 0; i < eh.e_shnum; i++) {
		if (read_at(fd, &sh, sizeof(sh), eh.e_shoff + i * sizeof(sh)) &&
		    (sh.sh_type == SHT_SYMTAB || sh.sh_type == SHT_DYNSYM) &&
		    in_table(fd, &eh, &sh, offset, name, sizeof(name))) {
			buf_printf(out, " (%s)", name);
			return;
		}
	}
}

struct mapping {
	uint64_t from, to, offset;
	char file[512]; /* "" when it is none */
};

static bool
find_mapping(const struct trace_call *c, struct mapping *m)
{
	char path[64], line[1024];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)c->pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		m->file[0] = '\0';
		found = sscanf(line,
			    "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64
			    " %*s %*s %511[^\n]",
			    &m->from, &m->to, &m->offset, m->file) >= 3 &&
		    c->ip >= m->from && c->ip < m->to;
	}
	fclose(f);
	return found;
}

void
trace_caller(const struct trace_call *c, struct buf *out)
{
	struct mapping m;
	const char *base;
	char path[96];
	uint64_t at;
	int fd;

	if (!find_mapping(c, &m) || m.file[0] == '\0') {
		buf_printf(out, "%#" PRIx64, c->ip);
		return;
	}
	base = strrchr(m.file, '/');
	at = c->ip - m.from + m.offset;
	buf_printf(out, "%s+%#" PRIx64, base == NULL ? m.file : base + 1, at);
	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64,
	    (int)c->pid, m.from, m.to);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) /* who is not root may open it by name only */
		fd = open(m.file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd != -1)
		symbol(fd, at, out);
	fd_close(&fd);
}
