/* SPDX-License-Identifier: ISC */
/*
 * Every descriptor a process holds, against what its policy lets it hold.
 * They are looked at as copies (pidfd_getfd), so what they are is asked of
 * the kernel and not guessed from a name.
 */
#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "chan/chan.h"
#include "sandbox/audit_row.h"
#include "sandbox/ends.h"
#include "sandbox/linux.h"
#include "sandbox/policy_names.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define ENDS_MAX 64
#define WHICH_MAX 60 /* bytes of numbers in a row */

struct holding {
	struct auditing *au;
	pid_t pid;
	int pidfd;
	unsigned held[KIND_N];	  /* beyond the slots */
	struct buf which[KIND_N]; /* their numbers, the first of them */
	uint32_t slots_seen;
	struct ends {
		const char *component;
		unsigned n, open; /* open: descriptors could be sent there */
		bool says; /* the kernel says which */
		struct buf pids;
	} ends[ENDS_MAX]; /* of channels, by who has the other */
	size_t nends;
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

/* The end of a slot's channel, in words. */
static void
check_end(struct holding *h, const char *name, uint64_t inode, struct buf *text)
{
	const struct audit_who *who;
	pid_t pid;

	if (h->au->of->peers == NULL)
		return;
	switch (audit_peer(h->au->of->peers, inode, &who, &pid)) {
	case PEER_COMPONENT:
		buf_printf(text, " to %s %d", who->component, (int)who->pid);
		if (strcmp(who->component, name) != 0 &&
		    strcmp(who->component, "launcher") != 0)
			audit_row(h->au, 0, "channel to the broker", false,
			    name, "%s %d", who->component, (int)who->pid);
		break;
	case PEER_STRANGER:
		audit_row(h->au, 0, "channel to the broker", false, name,
		    "process %d, which is none of ours", (int)pid);
		break;
	case PEER_GONE:
	case PEER_FLYING:
	case PEER_UNKNOWN:
		break;
	}
}

static void
add_end(struct holding *h, const char *component, pid_t pid, int refuses)
{
	struct ends *e;
	size_t i = 0;

	while (i < h->nends && strcmp(h->ends[i].component, component) != 0)
		i++;
	if (i == ENDS_MAX)
		return;
	e = &h->ends[i];
	if (i == h->nends) {
		h->nends++;
		e->component = component;
		buf_init(&e->pids, 256);
	}
	e->n++;
	e->open += refuses == 0;
	e->says |= refuses != -1;
	if (e->pids.len < WHICH_MAX)
		buf_printf(&e->pids, "%s%d", e->n > 1 ? " " : "", (int)pid);
}

static void
add_channel(struct holding *h, int fd, uint64_t inode, int refuses)
{
	const struct audit_who *who;
	char name[64];
	pid_t pid;

	switch (audit_peer(h->au->of->peers, inode, &who, &pid)) {
	case PEER_COMPONENT:
		add_end(h, who->component, who->pid, refuses);
		break;
	case PEER_STRANGER:
		snprintf(name, sizeof(name), "channel %d", fd);
		audit_row(h->au, 0, name, false, "to one of us",
		    "to process %d, which is none of ours", (int)pid);
		break;
	case PEER_GONE:
	case PEER_FLYING:
	case PEER_UNKNOWN:
		break;
	}
}

static void
add_held(struct holding *h, int fd, enum policy_kind kind, uint64_t inode,
    int refuses)
{
	struct buf *which = &h->which[kind];

	if (h->held[kind]++ == 0)
		buf_init(which, 256);
	if (which->len < WHICH_MAX)
		buf_printf(which, " %d", fd);
	else if (which->len < WHICH_MAX + 10)
		buf_puts(which, " and so on");
	if (kind == KIND_CHANNEL && h->au->of->peers != NULL)
		add_channel(h, fd, inode, refuses);
}

static void
check_descriptor(struct holding *h, int fd, const char *link)
{
	const struct policy_slot *s = slot_of(h->au->policy, fd);
	enum policy_kind kind = KIND_NULL;
	struct buf text;
	uint64_t inode = 0;
	char name[64];
	struct stat st;
	bool known;
	int copy, refuses = -1;

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
	if (fstat(copy, &st) == 0)
		inode = st.st_ino;
	if (known && kind == KIND_CHANNEL)
		refuses = chan_refuses_fds(copy);
	close(copy);
	if (s != NULL && known && kind == KIND_CHANNEL)
		check_end(h, s->name, inode, &text);
	/* An optional slot that is empty is a number like any other. */
	if (s != NULL && (!s->optional || kind == s->kind))
		check_slot(h, s, known, kind, buf_cstr(&text));
	else if (known)
		add_held(h, fd, kind, inode, refuses);
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
		audit_row(h->au, 0, name, h->held[k] <= max, want, "%u%s%s",
		    h->held[k], h->held[k] > 0 ? ": number" : "",
		    h->held[k] > 0 ? buf_cstr(&h->which[k]) : "");
		if (h->held[k] > 0)
			buf_clear(&h->which[k]);
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

/* How many channels to this component; or to any, where a line says so. */
static unsigned
channel_max(const struct policy *p, const char *component)
{
	unsigned max = 0;

	for (size_t i = 0; i < p->ngrants; i++) {
		const struct policy_grant *g = &p->grants[i];

		if (g->kind == KIND_CHANNEL &&
		    (strcmp(g->name, component) == 0 ||
			policy_find(str_of(g->name)) == NULL))
			max += g->max;
	}
	return max;
}

static void
check_ends(struct holding *h)
{
	char name[64], want[64];

	for (size_t i = 0; i < h->nends; i++) {
		struct ends *e = &h->ends[i];
		unsigned max = channel_max(h->au->policy, e->component);

		snprintf(name, sizeof(name), "channels to %s", e->component);
		if (max == 0)
			strlcpy(want, "none", sizeof(want));
		else
			snprintf(want, sizeof(want), "at most %u", max);
		audit_row(h->au, 0, name, e->n <= max, want, "%u: process %s",
		    e->n, buf_cstr(&e->pids));
		if (e->says && !ends_receive(h->au->policy, e->component)) {
			snprintf(name, sizeof(name), "descriptors from %s",
			    e->component);
			audit_row(h->au, 0, name, e->open == 0, "refused",
			    e->open == 0 ? "refused" :
					   "%u channels take them",
			    e->open);
		}
		buf_clear(&e->pids);
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
		check_ends(&h);
	}
	fd_close(&h.pidfd);
	closedir(d);
}
