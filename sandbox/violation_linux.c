/* SPDX-License-Identifier: ISC */
#include "sandbox/violation.h"

#include <linux/audit.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/note.h"
#include "sandbox/advice.h"
#include "sandbox/promise.h"

/* The kernel's longest record, and then some. */
#define RECORD_MAX 8192

/* Records looked at for one death: a flood of others ends the search. */
#define RECORDS_MAX 4096

/* For a record to arrive; the launcher does nothing else meanwhile. */
#define WAIT_MS 20

#define X32_BIT 0x40000000

int
violation_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd != -1)
		lseek(fd, 0, SEEK_END);
	return fd;
}

static bool
field(struct str line, struct str key, struct str *out)
{
	struct str w;

	while (str_token(&line, " ;\n", &w)) {
		if (str_starts(w, key)) {
			*out = str_sub(w, key.n, w.n);
			return true;
		}
	}
	return false;
}

static bool
hex(struct str s, uint64_t *out)
{
	*out = 0;
	if (str_starts(s, STR("0x")))
		s = str_sub(s, 2, s.n);
	if (s.n == 0 || s.n > 16)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int c = ascii_lower((unsigned char)s.p[i]);

		if (!ascii_isdigit(c) && (c < 'a' || c > 'f'))
			return false;
		*out =
		    *out << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return true;
}

bool
violation_parse(struct str line, pid_t pid, struct violation *out)
{
	struct str type, id, arch, nr, ip;
	uint64_t v, a;

	/*
	 * The program's name is in the record too, but in quotes, and a name
	 * does not begin a word: comm="x pid=1" is cut at its blank, which is
	 * why the first pid= counts, and the kernel writes that before comm.
	 */
	if (!field(line, STR("type="), &type) || !str_eq(type, STR("1326")) ||
	    !field(line, STR("pid="), &id) ||
	    str_u64(id, INT32_MAX, &v) == -1 || (pid_t)v != pid)
		return false;
	if (!field(line, STR("arch="), &arch) || !hex(arch, &a) ||
	    a > UINT32_MAX || !field(line, STR("syscall="), &nr) ||
	    str_u64(nr, INT32_MAX, &v) == -1)
		return false;
	out->arch = (uint32_t)a;
	out->nr = (int)v;
	out->ip = 0;
	if (field(line, STR("ip="), &ip))
		hex(ip, &out->ip);
	return true;
}

bool
violation_find(int fd, pid_t pid, struct violation *out)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char record[RECORD_MAX];
	ssize_t n;

	for (int i = 0; i < RECORDS_MAX && fd != -1; i++) {
		n = read(fd, record, sizeof(record));
		if (n == -1 && errno == EPIPE)
			continue; /* overwritten meanwhile: the next one */
		/* The record may be on its way. */
		if (n == -1 && errno == EAGAIN && poll(&p, 1, WAIT_MS) == 1)
			continue;
		if (n <= 0)
			return false;
		if (violation_parse(str_make(record, (size_t)n), pid, out))
			return true;
	}
	return false;
}

static bool
is_native(uint32_t arch)
{
#if defined(__x86_64__)
	return arch == AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
	return arch == AUDIT_ARCH_AARCH64;
#else
	return arch != 0;
#endif
}

void
violation_text(const struct violation *v, const struct policy *p,
    struct buf *out)
{
	const char *name = syscall_name(v->nr);

	if (!is_native(v->arch) || (v->nr & X32_BIT) != 0) {
		buf_printf(out, "call %d of another architecture (%#x)",
		    v->nr & ~X32_BIT, v->arch);
		return;
	}
	if (name == NULL) {
		buf_printf(out, "call %d, which has no name here", v->nr);
		return;
	}
	buf_printf(out, "%s (", name);
	call_advice(p, v->nr, NULL, out);
	buf_puts(out, ")");
}

void
violation_explain(int fd, pid_t pid, const struct policy *p, int note_fd,
    struct buf *out)
{
	struct violation v;
	struct buf note;

	buf_init(&note, NOTE_SIZE);
	note_read(note_fd, &note);
	if (violation_find(fd, pid, &v)) {
		buf_puts(out, "system call ");
		violation_text(&v, p, out);
	} else {
		buf_printf(out,
		    "a system call that its policy does not "
		    "allow (which one, the kernel's log %s)",
		    fd == -1 ? "would say: it cannot be read here" :
			       "does not say");
	}
	if (note.len > 0)
		buf_printf(out, "; it was serving " STR_FMT,
		    STR_ARG(buf_get(&note)));
	buf_clear(&note);
}
