/* SPDX-License-Identifier: ISC */
/*
 * Who holds the two ends of each local socket.  The kernel says which sockets
 * are pairs (sock_diag), and /proc says who has which of them.
 */
#include <sys/socket.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/audit_row.h"

#define SOCKETS_MAX (1 << 20)

/* An end and the other, or an end and its holder. */
struct pair {
	uint64_t inode;
	uint64_t to; /* inode of the other end; or place in who[] */
};

struct pairs {
	struct pair *v;
	size_t n, cap;
};

struct audit_peers {
	struct audit_who *who;
	size_t nwho;
	struct pairs other, holder;
};

static void
pairs_add(struct pairs *p, uint64_t inode, uint64_t to)
{
	if (p->n == p->cap) {
		p->cap = p->cap == 0 ? 256 : p->cap * 2;
		p->v = xreallocarray(p->v, p->cap, sizeof(*p->v));
	}
	p->v[p->n++] = (struct pair){ inode, to };
}

static int
by_inode(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static const struct pair *
pairs_find(const struct pairs *p, uint64_t inode)
{
	struct pair key = { inode, 0 };

	return p->n == 0 ? NULL :
			   bsearch(&key, p->v, p->n, sizeof(*p->v), by_inode);
}

/* --- the kernel's list ---------------------------------------------------- */

static void
take_socket(struct pairs *other, const struct nlmsghdr *h)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	size_t len = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
	const struct rtattr *a = (const void *)(m + 1);
	uint64_t peer = 0;

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == UNIX_DIAG_PEER)
			peer = *(const uint32_t *)RTA_DATA(a);
	}
	if (other->n < SOCKETS_MAX)
		pairs_add(other, m->udiag_ino, peer);
}

/* One datagram of the answer: 1 more to come, 0 the end, -1. */
static int
take_some(int fd, struct pairs *other)
{
	_Alignas(8) static char text[32768];
	ssize_t got = recv(fd, text, sizeof(text), 0);
	size_t n = got > 0 ? (size_t)got : 0;

	if (got <= 0)
		return -1;
	for (const struct nlmsghdr *h = (const void *)text; NLMSG_OK(h, n);
	     h = NLMSG_NEXT(h, n)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return -1;
		if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY)
			take_socket(other, h);
	}
	return 1;
}

static int
others_read(struct pairs *other)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req req;
	} ask = { { sizeof(ask), SOCK_DIAG_BY_FAMILY,
		      NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		{ .sdiag_family = AF_UNIX,
		    .udiag_states = UINT32_MAX,
		    .udiag_show = UDIAG_SHOW_PEER } };
	int fd =
	    socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int more = -1;

	if (fd != -1 && send(fd, &ask, sizeof(ask), 0) == sizeof(ask)) {
		do {
			more = take_some(fd, other);
		} while (more == 1);
	}
	fd_close(&fd);
	return more;
}

/* --- who has which -------------------------------------------------------- */

/* Call fn for each socket that a process holds; -1 when we may not see. */
static int
each_socket(pid_t pid, bool (*fn)(uint64_t inode, void *arg), void *arg)
{
	char path[320], link[64];
	struct dirent *de;
	ssize_t n;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	if (d == NULL)
		return -1;
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)pid,
		    de->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		if (strncmp(link, "socket:[", 8) == 0 &&
		    fn(strtoull(link + 8, NULL, 10), arg))
			break;
	}
	closedir(d);
	return 0;
}

struct taking {
	struct audit_peers *p;
	size_t who;
};

static bool
take_holder(uint64_t inode, void *arg)
{
	struct taking *t = arg;

	pairs_add(&t->p->holder, inode, t->who);
	return false;
}

struct audit_peers *
audit_peers_read(const struct audit_who *v, size_t n)
{
	struct audit_peers *p = xcalloc(1, sizeof(*p));

	p->who = xcalloc(n + 1, sizeof(*p->who));
	p->nwho = n;
	for (size_t i = 0; i < n; i++) {
		struct taking t = { p, i };

		p->who[i] = v[i];
		if (v[i].pid > 0)
			each_socket(v[i].pid, take_holder, &t);
	}
	if (others_read(&p->other) == -1 || p->holder.n == 0) {
		audit_peers_free(&p);
		return NULL;
	}
	qsort(p->other.v, p->other.n, sizeof(*p->other.v), by_inode);
	qsort(p->holder.v, p->holder.n, sizeof(*p->holder.v), by_inode);
	return p;
}

void
audit_peers_free(struct audit_peers **pp)
{
	struct audit_peers *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	free(p->who);
	free(p->other.v);
	free(p->holder.v);
	free(p);
}

static bool
is_inode(uint64_t inode, void *arg)
{
	uint64_t *want = arg;

	if (inode != *want)
		return false;
	*want = 0;
	return true;
}

/* Anybody else on this machine who holds it; 0: nobody. */
static pid_t
stranger(uint64_t inode)
{
	DIR *d = opendir("/proc");
	struct dirent *de;
	pid_t found = 0;
	uint64_t pid, want;

	while (d != NULL && found == 0 && (de = readdir(d)) != NULL) {
		if (str_u64(str_of(de->d_name), INT32_MAX, &pid) == -1)
			continue;
		want = inode;
		each_socket((pid_t)pid, is_inode, &want);
		if (want == 0)
			found = (pid_t)pid;
	}
	if (d != NULL)
		closedir(d);
	return found;
}

pid_t
audit_parent(pid_t pid)
{
	char path[64], line[512];
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "PPid: %d", &parent) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return parent;
}

/* A child of the launcher's, made since we looked who there is. */
static bool
is_newborn(const struct audit_peers *p, pid_t pid)
{
	pid_t parent = pid == 0 ? 0 : audit_parent(pid);

	for (size_t i = 0; i < p->nwho; i++)
		if (p->who[i].pid == parent &&
		    strcmp(p->who[i].component, "launcher") == 0)
			return true;
	return false;
}

enum peer
audit_peer(const struct audit_peers *p, uint64_t inode,
    const struct audit_who **who, pid_t *pid)
{
	const struct pair *x = pairs_find(&p->other, inode);

	if (x == NULL)
		return PEER_UNKNOWN; /* made since we looked */
	if (x->to == 0)
		return PEER_GONE;
	inode = x->to;
	x = pairs_find(&p->holder, inode);
	if (x != NULL) {
		*who = &p->who[x->to];
		return PEER_COMPONENT;
	}
	*pid = stranger(inode);
	/* One of us again: it has arrived since. */
	for (size_t i = 0; i < p->nwho; i++) {
		if (p->who[i].pid == *pid)
			return PEER_FLYING;
	}
	return *pid == 0 || is_newborn(p, *pid) ? PEER_FLYING : PEER_STRANGER;
}
