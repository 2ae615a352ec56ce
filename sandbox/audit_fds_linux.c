/* SPDX-License-Identifier: ISC */
/*
 * Every descriptor a process holds, against what its policy lets it hold.
 * They are looked at as copies (pidfd_getfd), so what they are is asked of
 * the kernel and not guessed from a name.
 */
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/audit_row.h"
#include "sandbox/linux.h"
#include "sandbox/policy_names.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

struct holding {
	struct auditing *au;
	pid_t pid;
	int pidfd;
	unsigned held[KIND_N]; /* beyond the slots */
	uint32_t slots_seen;
};

static const struct policy_slot *
slot_of(const struct policy *p, int fd)
{
	for (size_t i = 0; i < p->nslots; i++) {
		if (p->slots[i].fd == fd)
			return &p->slots[i];
	}
	return NULL;
}

static void
check_slot(struct holding *h, const struct policy_slot *s, bool known,
    enum policy_kind kind, const char *text)
{
	char name[64];

	snprintf(name, sizeof(name), "slot %d %s", s->fd, s->name);
	h->slots_seen |= 1u << s->fd;
	audit_row(h->au, 0, name, known && kind == s->kind, kind_name(s->kind),
	    "%s", text);
}

static void
check_descriptor(struct holding *h, int fd, const char *link)
{
	const struct policy_slot *s = slot_of(h->au->policy, fd);
	enum policy_kind kind = KIND_NULL;
	struct buf text;
	char name[64];
	bool known;
	int copy;

	snprintf(name, sizeof(name), "descriptor %d", fd);
	copy = (int)syscall(SYS_pidfd_getfd, h->pidfd, fd, 0);
	if (copy == -1) {
		if (errno != EBADF) /* closed meanwhile */
			audit_unmeasurable(h->au, 0, name, "in the policy",
			    errno);
		return;
	}
	buf_init(&text, 512);
	known = descriptor_kind(copy, str_of(link), &kind, &text) == 0;
	close(copy);
	/* An optional slot that is empty is a number like any other. */
	if (s != NULL && (!s->optional || kind == s->kind))
		check_slot(h, s, known, kind, buf_cstr(&text));
	else if (known)
		h->held[kind]++;
	else
		audit_row(h->au, 0, name, false, "no such kind", "%s (%s)",
		    buf_cstr(&text), link);
	buf_clear(&text);
}

/* How many of a kind the policy lets it hold, slots aside. */
static unsigned
kind_max(const struct policy *p, enum policy_kind kind)
{
	unsigned max = 0;

	for (size_t i = 0; i < p->ngrants; i++) {
		if (p->grants[i].kind == kind)
			max += p->grants[i].max;
	}
	return max;
}

static void
check_kinds(struct holding *h)
{
	const struct policy *p = h->au->policy;
	char name[64], want[64];

	for (int k = 0; k < KIND_N; k++) {
		unsigned max = kind_max(p, (enum policy_kind)k);

		if (max == 0 && h->held[k] == 0)
			continue;
		snprintf(name, sizeof(name), "descriptors %s",
		    kind_name((enum policy_kind)k));
		snprintf(want, sizeof(want), "at most %u", max);
		audit_row(h->au, 0, name, h->held[k] <= max, want, "%u",
		    h->held[k]);
	}
	for (size_t i = 0; i < p->nslots; i++) {
		const struct policy_slot *s = &p->slots[i];

		if ((h->slots_seen & 1u << s->fd) != 0 || s->optional)
			continue;
		snprintf(name, sizeof(name), "slot %d %s", s->fd, s->name);
		/* Less than declared is not weaker. */
		audit_row(h->au, 0, name, true, kind_name(s->kind), "empty");
	}
}

static void
check_all(struct holding *h, DIR *d)
{
	char path[320], link[512];
	struct dirent *de;
	ssize_t n;

	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)h->pid,
		    de->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n == -1)
			continue; /* closed meanwhile */
		link[n] = '\0';
		check_descriptor(h, atoi(de->d_name), link);
	}
}

void
audit_descriptors(struct auditing *au, pid_t pid)
{
	struct holding h = { .au = au, .pid = pid };
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	if (d == NULL) {
		audit_unmeasurable(au, 0, "descriptors", "in the policy",
		    errno);
		return;
	}
	h.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (h.pidfd == -1) {
		audit_unmeasurable(au, 0, "descriptors", "in the policy",
		    errno);
	} else {
		check_all(&h, d);
		check_kinds(&h);
	}
	fd_close(&h.pidfd);
	closedir(d);
}
