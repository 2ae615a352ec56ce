/* SPDX-License-Identifier: ISC */
/*
 * The world of one component, played by us.
 */
#include "stage.h"

#include <sys/socket.h>
#include <sys/stat.h>
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
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "conf/build.h"
#include "edge/ticket.h"
#include "errands.h"
#include "sandbox/attest.h"
#include "things.h"

#define UID 4711
#define PORTS 128
#define TALK 64 /* records we say of ourselves in a run */

enum role {
	ROLE_BROKER,
	ROLE_LOG,
	ROLE_PEER
};

/* Our end of a channel. */
struct port {
	int fd;
	enum role role;
	enum side own;
	const struct edge *edge;
	const struct edge_link *link; /* NULL: of no edge of the graph */
	bool doubled;		      /* has said an answer twice: no more */
};

static struct {
	char libexec[512];
	struct cradle cradle;
	enum sandbox_level level;
	uint32_t missing;
	struct build build;
	int main_fd;
	struct port ports[PORTS];
	size_t nports;
	unsigned instance; /* for peers that are not attacking */
	unsigned talk;
	uint64_t seed;
	off_t log_read;
	struct stage_slot slot;
} st = { .slot = { .fd = -1 } };

enum sandbox_level
stage_level(void)
{
	return st.level;
}

/* --- once ----------------------------------------------------------------- */

static int
config_make(char *err, size_t size)
{
	char *main_cf = xasprintf(
	    "myhostname = mx.test.example\n"
	    "mydestination = local.test.example\n"
	    "queue_directory = %s/spool\n"
	    "data_directory = %s\n"
	    "maillog_file = %s/log\n"
	    "maillog_file_prefixes = /\n"
	    "mail_owner = root\n"
	    "mynetworks = 127.0.0.0/8\n"
	    "alias_maps =\n"
	    "smtpd_forbid_unauth_pipelining = no\n"
	    "alias_database =\n"
	    "virtual_mailbox_domains = test.example\n"
	    "virtual_mailbox_base = %s/mine\n"
	    "virtual_mailbox_maps = inline:{{user@test.example=user/}}\n"
	    "virtual_uid_maps = static:%d\n"
	    "virtual_gid_maps = static:%d\n",
	    things_dir(), things_dir(), things_dir(), things_dir(), UID, UID);
	char *master = NULL;
	size_t n;
	int fd = open("etc/master.cf", O_RDONLY | O_CLOEXEC);

	if (fd == -1 || fd_slurp(fd, 65536, &master, &n) == -1) {
		snprintf(err, size, "etc/master.cf: %s", strerror(errno));
		free(main_cf);
		return -1;
	}
	fd_close(&fd);
	build_parse(&st.build, things_dir(), str_of(main_cf),
	    str_make(master, n));
	hostfacts_init(&st.build.host);
	st.main_fd =
	    build_check(&st.build) != 0 ? -1 : build_memfd(&st.build, NULL, 1);
	if (st.main_fd == -1)
		snprintf(err, size, "configuration: %s",
		    st.build.rep.n > 0 ? report_line(&st.build.rep.v[0]) : "");
	free(main_cf);
	free(master);
	return st.main_fd == -1 ? -1 : 0;
}

int
stage_open(const char *libexec, char *err, size_t size)
{
	struct buf why;

	strlcpy(st.libexec, libexec, sizeof(st.libexec));
	buf_init(&why, 4096);
	if (sandbox_level_probe(&st.level, &st.missing, &why) == -1) {
		snprintf(err, size, "probe: %s", strerror(errno));
		return -1;
	}
	buf_clear(&why);
	if (things_open(st.level == LEVEL_ROOT ? UID : 0) == -1) {
		snprintf(err, size, "temporary directory: %s", strerror(errno));
		return -1;
	}
	if (config_make(err, size) == -1)
		return -1;
	return cradle_init(&st.cradle, st.level, st.missing, err, size);
}

void
stage_close(void)
{
	fd_close(&st.main_fd);
	build_clear(&st.build);
	things_close();
}

/* --- ports ---------------------------------------------------------------- */

static struct port *
port_add(int fd, enum role role, const struct edge *e, enum side own,
    const struct edge_link *link)
{
	struct port *p = &st.ports[st.nports];

	if (st.nports == PORTS) {
		close(fd);
		return NULL;
	}
	st.nports++;
	*p = (struct port){ fd, role, own, e, link, false };
	return p;
}

static void
ports_close(void)
{
	for (size_t i = 0; i < st.nports; i++)
		fd_close(&st.ports[i].fd);
	st.nports = 0;
}

static int
send_fds(int fd, const void *p, size_t n, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FORGE_FDS * sizeof(int))];
	} control;
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	if (nfds > 0) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) == -1 ? -1 : 0;
}

int
stage_send(int fd, const struct forged *f)
{
	int fds[FORGE_FDS], r;
	size_t n = 0;

	while (n < f->nfds) {
		fds[n] = thing_make(f->thing, f->edge);
		if (fds[n] == -1)
			break;
		n++;
	}
	r = n < f->nfds ? -1 : send_fds(fd, f->data, f->len, fds, n);
	fds_close(fds, &n);
	return r;
}

/* Say a record of this type: nonsense, or something like the truth. */
static void
say(struct port *p, const struct rec_type *t, uint64_t id)
{
	static struct forged f;

	f.edge = p->edge;
	f.thing = THING_RIGHT;
	f.nfds = t->fds;
	f.len =
	    half_truth(p->edge, t->type, id, ++st.seed, f.data, sizeof(f.data));
	if (f.len == 0)
		f.len = forge_record(t, id, ++st.seed, f.data, sizeof(f.data));
	stage_send(p->fd, &f);
}

/* The descriptor, if any, is closed. */
static void
send_one(const struct port *p, unsigned type, uint64_t id, const void *rec,
    int fd)
{
	struct buf b;

	buf_init(&b, REC_MAX);
	if (rec_encode(&b, edge_type(p->edge, type), id, rec) == -1)
		abort();
	send_fds(p->fd, buf_get(&b).p, b.len, &fd, fd == -1 ? 0 : 1);
	fd_close(&fd);
	buf_clear(&b);
}

void
stage_tell(const struct edge *e, const char *name, unsigned type, uint64_t id,
    const void *rec, int fd)
{
	for (size_t i = 1; i < st.nports; i++) {
		const struct port *p = &st.ports[i];

		if (p->edge == e && p->link != NULL && p->fd != -1 &&
		    strcmp(p->own == SIDE_A ? p->link->a : p->link->b, name) ==
			0) {
			send_one(p, type, id, rec, fd);
			return;
		}
	}
	fd_close(&fd);
}

bool
stage_slot(struct stage_slot *out)
{
	*out = st.slot;
	st.slot.fd = -1;
	return out->fd != -1;
}

/* --- the broker's part ---------------------------------------------------- */

static void
broker_tell(int fd, unsigned type, uint64_t id, const void *rec, int with)
{
	struct buf b;

	buf_init(&b, REC_MAX);
	if (rec_encode(&b, edge_type(&edge_broker, type), id, rec) == -1)
		abort();
	send_fds(fd, buf_get(&b).p, b.len, &with, with == -1 ? 0 : 1);
	buf_clear(&b);
}

static void
grant(enum grant_kind kind, const char *edge, const char *name,
    unsigned instance, int fd)
{
	struct broker_grant g = { .kind = (uint8_t)kind,
		.instance = instance,
		.pid = 1,
		.edge = str_of(edge),
		.name = str_of(name) };

	broker_tell(st.ports[0].fd, BROKER_GRANT, 0, &g, fd);
	fd_close(&fd);
}

int
victim_channel(struct victim *v, const struct edge_link *link,
    enum side attacker, unsigned instance)
{
	int sv[2];

	(void)v;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, sv) == -1)
		return -1;
	if (attacker == SIDE_A)
		grant(GRANT_CHANNEL_B, link->edge, link->a, instance, sv[1]);
	else
		grant(GRANT_CHANNEL, link->edge, link->b, instance, sv[1]);
	return sv[0];
}

/* Peers that are there, and do not attack. */
static void
peers_add(struct victim *v)
{
	const struct edge_link *k;

	for (size_t i = 0; (k = edge_link_at(i)) != NULL; i++) {
		bool a = strcmp(k->a, v->policy->name) == 0, have = false;

		if (!a && strcmp(k->b, v->policy->name) != 0)
			continue;
		for (size_t j = 0; j < st.nports; j++)
			have = have || st.ports[j].link == k;
		if (!have)
			port_add(victim_channel(v, k, a ? SIDE_B : SIDE_A,
				     ++st.instance % 60),
			    ROLE_PEER, edge_find(str_of(k->edge)),
			    a ? SIDE_B : SIDE_A, k);
	}
}

/* Those who take the configurations of their lines: see the launcher. */
static void
give_services(const char *name)
{
	static const char *const without[] = { "logd", "lookup", "dns",
		"control", "mailbox" };

	for (size_t i = 0; i < NELEM(without); i++)
		if (strcmp(name, without[i]) == 0)
			return;
	for (size_t i = 0; i < st.build.master.n; i++) {
		const struct service *sv = &st.build.master.v[i];
		bool mine =
		    sv->component != NULL && strcmp(sv->component, name) == 0;

		if (strcmp(name, "gate") == 0)
			mine = sv->component != NULL &&
			    strcmp(sv->component, "smtpd") == 0;
		if (mine)
			grant(GRANT_CONFIG, "", sv->name, (unsigned)i,
			    build_memfd(&st.build, sv, 1));
		if (mine && strcmp(name, "gate") == 0)
			grant(GRANT_LISTENER, "", sv->name, (unsigned)i,
			    thing_listener(AF_INET));
	}
}

static void
give_all(struct victim *v)
{
	const char *name = v->policy->name;
	static const struct edge_link to_logd = { "log", "smtpd", "logd" };
	int sv[2], fd;

	if (strcmp(name, "logd") == 0) {
		grant(GRANT_FILE, "", "maillog", 0, thing_log());
		port_add(victim_channel(v, &to_logd, SIDE_A, 0), ROLE_PEER,
		    &edge_log, SIDE_A, &to_logd);
	} else if (socketpair(AF_UNIX,
		       SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       sv) == 0) {
		port_add(sv[0], ROLE_LOG, &edge_log, SIDE_B, NULL);
		grant(GRANT_CHANNEL, "log", "logd", 0, sv[1]);
	}
	if (strcmp(name, "rewrite") == 0 || strcmp(name, "dns") == 0) {
		fd = memfd_from("key", "0123456789abcdef", 16);
		grant(GRANT_FILE, "", TICKET_ROUTE, 0, fd);
	}
	if (strcmp(name, "dns") == 0) {
		fd = memfd_from("key", "0123456789abcdef", 16);
		grant(GRANT_FILE, "", TICKET_ADDRESS, 0, fd);
	}
	if (strcmp(name, "control") == 0 || strcmp(name, "pickup") == 0)
		grant(GRANT_LISTENER, "", name, 0, thing_listener(AF_UNIX));
	give_services(name);
	peers_add(v);
}

/* A request of the victim, granted as far as it may have such a thing. */
static void
on_request(const struct rec_head *h, int fd)
{
	struct broker_refused no = { .error = EPERM, .why = STR("no") };
	union {
		struct broker_mailbox_open mailbox;
		struct broker_connected connected;
		struct broker_done done;
	} a;
	int sv[2] = { -1, -1 };

	memset(&a, 0, sizeof(a));
	switch (h->type->type) {
	case BROKER_CONNECT:
		broker_tell(fd, BROKER_CONNECTED, h->id, &a,
		    sv[1] = thing_server());
		break;
	case BROKER_RESOLVER:
		broker_tell(fd, BROKER_SOCKET, h->id, &a, sv[1] = thing_udp());
		break;
	case BROKER_REOPEN:
		broker_tell(fd, BROKER_FILE, h->id, &a, sv[1] = thing_log());
		break;
	case BROKER_MAILBOX:
		if (socketpair(AF_UNIX,
			SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			sv) == -1)
			break;
		a.mailbox.uid = UID;
		broker_tell(fd, BROKER_MAILBOX_OPEN, h->id, &a, sv[1]);
		port_add(sv[0], ROLE_PEER, &edge_mailbox, SIDE_B, NULL);
		break;
	case BROKER_ADMIN:
	case BROKER_START:
		broker_tell(fd, BROKER_DONE, h->id, &a, -1);
		break;
	default:
		broker_tell(fd, BROKER_REFUSED, h->id, &no, -1);
	}
	fd_close(&sv[1]);
}

/* --- what the victim says ------------------------------------------------- */

static void
note_line(struct victim *v, struct str text)
{
	char line[1200], *p;
	size_t n = strlen(v->said);
	unsigned instance;

	snprintf(line, sizeof(line), STR_FMT, STR_ARG(str_sub(text, 0, 1100)));
	p = strstr(line, "security: channel ");
	v->security += p != NULL;
	p = strstr(line, "security: channel to ");
	if (p != NULL &&
	    sscanf(p, "security: channel to %*s %u", &instance) == 1 &&
	    instance < STAGE_INSTANCES)
		v->blamed[instance / 8] |= (uint8_t)(1u << instance % 8);
	if (n + strlen(line) + 2 > sizeof(v->said)) {
		memmove(v->said, v->said + sizeof(v->said) / 2,
		    sizeof(v->said) - sizeof(v->said) / 2);
		n = strlen(v->said);
	}
	snprintf(v->said + n, sizeof(v->said) - n, "%s\n", line);
}

static void
on_broker_record(struct victim *v, struct port *p, const struct rec_head *h,
    const void *rec)
{
	switch (h->type->type) {
	case BROKER_LOG:
		note_line(v, ((const struct broker_log *)rec)->text);
		break;
	case BROKER_SEALED:
		v->sealed = true;
		break;
	case BROKER_READY:
		v->ready = true;
		break;
	default:
		on_request(h, p->fd);
	}
}

/* Something to say to that: seldom another question's answer. */
static const struct rec_type *
reply_to(const struct port *p, const struct rec_type *asked, bool fits)
{
	bool wrong = ++st.seed % 32 == 0 && !fits;

	for (unsigned i = 0; i < p->edge->ntypes; i++) {
		const struct rec_type *t =
		    &p->edge->types[(st.seed / 32 + i) % p->edge->ntypes];

		if ((t->from & p->own) == 0 ||
		    (t->role == REC_ANSWER) != (asked->role == REC_ASK) ||
		    t->role == REC_ASK)
			continue;
		if (t->role != REC_ANSWER || wrong ||
		    edge_answers(p->edge, asked, t))
			return t;
	}
	return NULL;
}

/* Who brings in mail needs files to write it to, or nothing goes on. */
static void
say_slots(struct port *p)
{
	struct spool_slot s = { .qid = STR("0C4B36912A5F0") };
	static uint64_t id = 1000;

	for (int i = 0; i < 4; i++)
		send_one(p, SPOOL_SLOT, ++id, &s,
		    thing_make(THING_RIGHT, p->edge));
}

/* qmgr has it (or says so). */
static void
say_accepted(uint64_t id)
{
	struct spool_accepted a = { .qid = STR("0C4B36912A5F0") };

	for (size_t i = 1; i < st.nports; i++)
		if (st.ports[i].edge == &edge_spool && st.ports[i].fd != -1) {
			send_one(&st.ports[i], SPOOL_ACCEPTED, id, &a, -1);
			say_slots(&st.ports[i]);
			return;
		}
}

/* The same question, answered once more. */
static void
say_again(struct victim *v, struct port *p, const struct rec_type *t,
    uint64_t id)
{
	const char *name = p->link == NULL ? "mailbox" :
	    p->own == SIDE_A		   ? p->link->a :
					     p->link->b;

	say(p, t, id);
	p->doubled = true;
	v->doubled++;
	if (strstr(v->doublers, name) != NULL)
		return;
	if (v->doublers[0] != '\0')
		strlcat(v->doublers, ", ", sizeof(v->doublers));
	strlcat(v->doublers, name, sizeof(v->doublers));
}

static void
on_peer_record(struct victim *v, struct port *p, const struct rec_head *h)
{
	const struct rec_type *t;

	if (h->type->role == REC_ANSWER || st.talk == 0 || p->doubled)
		return;
	st.talk--;
	v->asked++;
	if (p->edge == &edge_spool) {
		say_slots(p);
		return;
	}
	if (p->edge == &edge_intake && st.seed % 3 != 0)
		say_accepted(h->id);
	t = reply_to(p, h->type, v->twice);
	if (t == NULL)
		return;
	say(p, t, h->id);
	/* Now and then, or nobody would come to ask the next. */
	if (v->twice && t->role == REC_ANSWER && v->asked % 3 != 0)
		say_again(v, p, t, h->id);
}

static void
keep_slot(const struct rec_head *h, const struct spool_slot *rec, int *fd)
{
	if (st.slot.fd != -1)
		return;
	st.slot.id = h->id;
	st.slot.fd = *fd;
	*fd = -1;
	(void)str_copy(rec->qid, st.slot.qid, sizeof(st.slot.qid));
}

static void
on_packet(struct victim *v, struct port *p, struct str s, int *fds, size_t nfds)
{
	_Alignas(16) char rec[REC_STRUCT_MAX];
	const struct port was = *p;
	struct rec_head h;
	struct str body;
	size_t used = 0;

	while (rec_next(was.edge, &s, &h, &body) == 0) {
		if (rec_decode(h.type, body, rec) == -1 || used + h.fds > nfds)
			return;
		if (was.role == ROLE_BROKER)
			on_broker_record(v, p, &h, rec);
		else if (was.role == ROLE_LOG)
			note_line(v,
			    ((const struct log_line *)(void *)rec)->text);
		else if (was.edge == &edge_spool && h.type->type == SPOOL_SLOT)
			keep_slot(&h, (const void *)rec, fds + used);
		else
			on_peer_record(v, p, &h);
		used += h.fds;
	}
}

static void
on_port(struct victim *v, struct port *p)
{
	static char data[FORGE_BYTES];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(32 * sizeof(int))];
	} control;
	struct iovec iov = { data, sizeof(data) };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *cm;
	int fds[32];
	size_t nfds = 0;
	ssize_t n = recvmsg(p->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (p->role == ROLE_BROKER)
			v->dead = true;
		v->cut += p->doubled;
		fd_close(&p->fd);
		return;
	}
	cm = CMSG_FIRSTHDR(&mh);
	if (cm != NULL) {
		nfds = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cm), nfds * sizeof(int));
	}
	on_packet(v, p, str_make(data, (size_t)n), fds, nfds);
	fds_close(fds, &nfds);
}

/* logd says it in the file. */
static void
read_log(struct victim *v)
{
	static char text[65536];
	struct str s, line;
	ssize_t n;

	if (strcmp(v->policy->name, "logd") != 0)
		return;
	while (
	    (n = pread(things_log_fd(), text, sizeof(text), st.log_read)) > 0) {
		s = str_make(text, (size_t)n);
		st.log_read += n;
		while (str_token(&s, "\n", &line))
			if (memmem(line.p, line.n, "logd", 4) != NULL)
				note_line(v, line);
	}
}

static bool
turn(struct victim *v, int fd, int ms)
{
	struct pollfd pfd[PORTS + 1];
	size_t n = st.nports;
	static char data[FORGE_BYTES];
	ssize_t k;

	for (size_t i = 0; i < n; i++)
		pfd[i] = (struct pollfd){ st.ports[i].fd, POLLIN, 0 };
	pfd[n] = (struct pollfd){ fd, POLLIN, 0 };
	if (poll(pfd, n + 1, ms) <= 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (pfd[i].revents != 0 && st.ports[i].fd != -1)
			on_port(v, &st.ports[i]);
	if (pfd[n].revents == 0)
		return false;
	k = recv(fd, data, sizeof(data), MSG_DONTWAIT);
	return k == 0 || (k == -1 && errno != EAGAIN && errno != EINTR);
}

bool
stage_run(struct victim *v, int fd, int ms)
{
	int64_t end = clock_ms() + ms, left;
	bool closed = false;

	st.talk = TALK;
	while (!closed && !v->dead && (left = end - clock_ms()) >= 0) {
		closed = turn(v, fd, left > 0 ? (int)left : 0);
		if (left == 0)
			break;
	}
	for (size_t i = st.nports; i-- > 1;)
		if (st.ports[i].fd == -1)
			st.ports[i] = st.ports[--st.nports];
	if (!v->dead && v->ready)
		peers_add(v);
	read_log(v);
	return closed;
}

void
stage_renew(struct victim *v)
{
	for (size_t i = 1; i < st.nports; i++)
		if (st.ports[i].role == ROLE_PEER)
			fd_close(&st.ports[i].fd);
	stage_run(v, -1, 50); /* it sees them go, and we make others */
	stage_run(v, -1, 50);
}

/* --- life ----------------------------------------------------------------- */

static NORETURN void
victim_exec(const struct policy *p, const struct sandbox_place *place,
    int channel, int filter_fd)
{
	struct cradle_fd fds[6] = { { SLOT_BROKER, channel },
		{ SLOT_CONFIG, st.main_fd }, { SLOT_FILTER, filter_fd } };
	char *env[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin", NULL };
	char *path = xasprintf("%s/%s", st.libexec, p->name);
	struct buf text;
	char *argv[4];
	size_t n = 3;

	if (strcmp(p->name, "qmgr") == 0)
		fds[n++] = (struct cradle_fd){ SLOT_DIR, thing_dir("spool") };
	if (strcmp(p->name, "mailbox") == 0) {
		fds[n++] = (struct cradle_fd){ SLOT_DIR, thing_dir("mine") };
		fds[n++] = (struct cradle_fd){ SLOT_DIR2, thing_dir("mine") };
	}
	for (size_t i = 0; i < p->nslots; i++)
		if (p->slots[i].fd == SLOT_KEY)
			fds[n++] = (struct cradle_fd){ SLOT_KEY,
				memfd_from("key", "0123456789abcdefuser:/mine",
				    26) };
	buf_init(&text, 256);
	place_format(place, &text);
	argv[0] = path;
	argv[1] = (char *)(uintptr_t)buf_cstr(&text);
	argv[2] = (char *)(uintptr_t) "0";
	argv[3] = NULL;
	if (cradle_child(&st.cradle, p, fds, n) == 0)
		execve(path, argv, env);
	_exit(70);
}

static int
victim_begin(struct victim *v, char *err, size_t size)
{
	struct sandbox_place place = { .level = st.level,
		.waived = st.missing,
		.filter_fd = SLOT_FILTER };
	struct evidence ev;
	int sv[2], filter_fd;

	if (st.level == LEVEL_ROOT)
		place.uid = place.gid = UID;
	if (st.level == LEVEL_BARE) {
		place.uid = getuid();
		place.gid = getgid();
	}
	filter_fd = sandbox_filter(v->policy, err, size);
	if (filter_fd == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, sv) == -1)
		return -1;
	v->pid = sandbox_clone(&st.cradle, &v->pidfd);
	if (v->pid == 0)
		victim_exec(v->policy, &place, sv[1], filter_fd);
	close(sv[1]);
	port_add(sv[0], ROLE_BROKER, &edge_broker, SIDE_B, NULL);
	for (int i = 0; i < 100 && !v->sealed && !v->dead; i++)
		stage_run(v, -1, 50);
	snprintf(err, size, "it does not seal itself: %s", v->said);
	if (!v->sealed)
		return -1;
	if (sandbox_attest(v->pid, v->policy, &place, &st.cradle, filter_fd,
		&ev, err, size) == -1)
		return -1;
	fd_close(&filter_fd);
	return 0;
}

int
victim_start(struct victim *v, const char *name, char *err, size_t size)
{
	memset(v, 0, sizeof(*v));
	v->policy = policy_find(str_of(name));
	v->pidfd = -1;
	st.log_read = 0;
	things_fresh();
	fd_close(&st.slot.fd);
	if (victim_begin(v, err, size) == -1)
		return -1;
	give_all(v);
	for (int i = 0; i < 100 && !v->ready && !v->dead; i++)
		stage_run(v, -1, 50);
	snprintf(err, size, "it does not get ready: %s", v->said);
	return v->ready ? 0 : -1;
}

void
victim_end(struct victim *v)
{
	if (v->pid > 0) {
		/* If it has not ended by itself, this is how. */
		if (!v->dead)
			kill(v->pid, SIGKILL);
		while (waitpid(v->pid, &v->status, 0) == -1 && errno == EINTR)
			;
	}
	fd_close(&v->pidfd);
	ports_close();
}

unsigned
victim_fds(const struct victim *v)
{
	char path[64];
	unsigned n = 0;
	struct stat s;

	/* The directory's size is the number, since Linux 6.2. */
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)v->pid);
	if (stat(path, &s) == 0 && s.st_size > 0)
		n = (unsigned)s.st_size;
	return n;
}

long
victim_rss(const struct victim *v)
{
	char path[64], text[4096], *p;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)v->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd == -1 ? -1 : read(fd, text, sizeof(text) - 1);
	fd_close(&fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	p = strstr(text, "VmRSS:");
	return p == NULL ? -1 : atol(p + 6);
}
