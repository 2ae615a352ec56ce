/* SPDX-License-Identifier: ISC */
/*
 * Attempts to run other code.
 */
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"

static enum outcome
exec_file(const struct hand *h)
{
	char *argv[] = { (char *)(uintptr_t) "true", NULL };

	(void)h;
	execve("/bin/true", argv, argv + 1); /* its status 0 says WORKED */
	return REFUSED;
}

static enum outcome
fork_process(const struct hand *h)
{
	pid_t pid = fork();

	(void)h;
	if (pid == 0)
		_exit(0);
	return outcome_of(pid);
}

static enum outcome
vfork_process(const struct hand *h)
{
	long pid = syscall(SYS_clone, (long)0x4000 | 17, 0, 0, 0, 0);

	(void)h;
	if (pid == 0)
		_exit(0);
	return outcome_of(pid);
}

#ifdef __x86_64__
/* xor edi,edi; mov eax,231 (exit_group); syscall */
static const unsigned char code_exit[] = { 0x31, 0xff, 0xb8, 0xe7, 0, 0, 0,
	0x0f, 0x05 };
#define MACHINE EM_X86_64
#else
/* mov x0,0; mov x8,94; svc 0 */
static const unsigned char code_exit[] = { 0, 0, 0x80, 0xd2, 0xc8, 0x0b, 0x80,
	0xd2, 1, 0, 0, 0xd4 };
#define MACHINE EM_AARCH64
#endif

/* The smallest program, which needs no file of the system. */
static enum outcome
exec_memfd(const struct hand *h)
{
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr p;
		unsigned char code[sizeof(code_exit)];
	} image = { .e = { .e_type = ET_EXEC,
			.e_machine = MACHINE,
			.e_version = EV_CURRENT,
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_phnum = 1,
			.e_phentsize = sizeof(Elf64_Phdr) } };
	char *argv[] = { (char *)(uintptr_t) "x", NULL };
	int fd = (int)syscall(SYS_memfd_create, "x", 0);

	(void)h;
	if (fd == -1)
		return REFUSED;
	memcpy(image.e.e_ident, ELFMAG, SELFMAG);
	image.e.e_ident[EI_CLASS] = ELFCLASS64;
	image.e.e_ident[EI_DATA] = ELFDATA2LSB;
	image.e.e_ident[EI_VERSION] = EV_CURRENT;
	image.e.e_entry = 0x400000 + offsetof(__typeof__(image), code);
	image.p = (Elf64_Phdr){ .p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_vaddr = 0x400000,
		.p_paddr = 0x400000,
		.p_filesz = sizeof(image),
		.p_memsz = sizeof(image),
		.p_align = 0x1000 };
	memcpy(image.code, code_exit, sizeof(code_exit));
	if (write(fd, &image, sizeof(image)) != (ssize_t)sizeof(image))
		return REFUSED;
	syscall(SYS_execveat, fd, "", argv, argv + 1, AT_EMPTY_PATH);
	return REFUSED;
}

static enum outcome
map_rwx(const struct hand *h)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)h;
	return outcome_of(p == MAP_FAILED ? -1 : 0);
}

static enum outcome
write_then_execute(const struct hand *h)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)h;
	if (p == MAP_FAILED)
		return REFUSED;
	memcpy(p, code_exit, sizeof(code_exit));
	return outcome_of(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static enum outcome
pkey_execute(const struct hand *h)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)h;
	if (p == MAP_FAILED)
		return REFUSED;
	return outcome_of(
	    syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_EXEC, -1));
}

/* Bytes that somebody else wrote, as code. */
static enum outcome
map_passed(const struct hand *h)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE,
	    h->fd[KIND_MEMFD_READ], 0);

	return outcome_of(p == MAP_FAILED ? -1 : 0);
}

/* Over existing memory: code of the program itself, for instance. */
static enum outcome
map_fixed(const struct hand *h)
{
	uintptr_t page = (uintptr_t)map_fixed & ~(uintptr_t)4095;
	void *p;

	(void)h;
	/* Far from this code, but in the same text. */
	page += 64 * 4096;
	p = mmap((void *)page, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return outcome_of(p == MAP_FAILED ? -1 : 0);
}

static enum outcome
ldt(const struct hand *h)
{
	(void)h;
#ifdef SYS_modify_ldt
	char buf[64];

	return outcome_of(syscall(SYS_modify_ldt, 0, buf, sizeof(buf)));
#else
	return ABSENT;
#endif
}

static enum outcome
persona(const struct hand *h)
{
	(void)h;
	return outcome_of(personality(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC));
}

static enum outcome
faults(const struct hand *h)
{
	(void)h;
	/* UFFD_USER_MODE_ONLY: what an ordinary user may have. */
	return outcome_of(syscall(SYS_userfaultfd, 1 | O_CLOEXEC));
}

static enum outcome
thread(const struct hand *h)
{
	/* Without a stack it would crash: only see whether it is allowed. */
	long rc = syscall(SYS_clone, (long)0x50f00, 1, 0, 0, 0);

	(void)h;
	return outcome_of(rc == -1 && errno == EFAULT ? 0 : rc);
}

/* clang-format off */
const struct attempt attempts_memory[] = {
	{ "execve", exec_file, STOPPED, WORKS, NULL },
	{ "fork", fork_process, STOPPED, WORKS, NULL },
	{ "clone like vfork", vfork_process, STOPPED, WORKS, NULL },
	{ "execveat a memory file", exec_memfd, EITHER, WORKS, NULL },
	{ "map memory to write and execute", map_rwx, STOPPED, WORKS, NULL },
	{ "make written memory executable", write_then_execute, STOPPED,
	    WORKS, NULL },
	{ "the same with pkey_mprotect", pkey_execute, STOPPED, WORKS, NULL },
	{ "map a passed file as code", map_passed, CARRIED, WORKS, NULL },
	{ "map over the program", map_fixed, CARRIED, WORKS, NULL },
	{ "modify_ldt", ldt, CARRIED, MAYBE, NULL },
	{ "personality", persona, CARRIED, WORKS, NULL },
	{ "userfaultfd", faults, CARRIED, MAYBE, NULL },
	{ "a thread", thread, STOPPED, MAYBE, NULL },
	{ NULL, NULL, STOPPED, WORKS, NULL }
};
/* clang-format on */
