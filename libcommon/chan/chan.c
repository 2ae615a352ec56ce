/* SPDX-License-Identifier: ISC */
/*
 * Channels.
 */
#include "chan/chan.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/note.h"

#define PACKET_MAX 65536 /* bytes of records in a packet */
#define PACKET_FDS 32 /* descriptors in a packet */
#define LAZY_MAX 16384 /* a lazy channel flushes at this size */
#define QUEUE_FULL (1U << 20) /* chan_full() from here on */
#define QUEUE_MAX (64U << 20) /* a peer that lets this wait is dead */
#define TURN_PACKETS 16 /* packets taken from one peer in a turn */

static_assert(REC_MAX <= PACKET_MAX, "a record fits in a packet");

struct packet {
	STAILQ_ENTRY(packet) link;
	size_t len;
	size_t nfds;
	int fds[PACKET_FDS];
	char data[];
};
STAILQ_HEAD(packet_list, packet);

/* A question that waits.  Its slot number and generation make its id. */
struct call {
	chan_answer_fn *fn; /* NULL: forgotten, or the slot is free */
	void *arg;
	const struct rec_type *asked;
	uint32_t gen;
	uint32_t next_free;
	bool busy;
};

struct chan {
	struct loop *loop;
	const struct edge *edge;
	const struct chan_on *on;
	chan_gone_fn *gone;
	void *arg;
	struct watch watch;
	struct turn turn;
	struct timer lazy;
	struct turn goodbye;
	const char *why; /* NULL: the peer closed it */
	struct buf out; /* the packet being filled */
	int out_fds[PACKET_FDS];
	size_t out_nfds;
	struct packet_list queue; /* packets the socket did not take */
	size_t queued;
	struct call *calls;
	uint32_t ncalls;
	uint32_t free_call; /* 1 + index, 0 for none */
	size_t waiting;
	int64_t lazy_ms;
	int64_t prompt_us, sent_us; /* sent_us: when, where it is prompt */
	int fd;
	enum side own;
	unsigned type; /* of the record that is being handled */
	uint64_t received;
	int busy; /* depth of callbacks that use this channel */
	bool dead; /* closed, gone() called or on its way */
	bool told; /* gone() was called */
	bool freed;
	bool paused;
};

static void on_ready(int what, void *arg);
static void on_turn(void *arg);
static void on_goodbye(void *arg);

int
chan_pair_small(int ends[2])
{
	return socketpair(AF_UNIX,
	    SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
}

int
chan_pair(int ends[2])
{
	int size = 1 << 20;

	if (chan_pair_small(ends) == -1)
		return -1;
	for (int i = 0; i < 2; i++) /* what the system allows is enough */
		setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

struct chan *
chan_new(struct loop *l, int fd, const struct edge *e, enum side own,
    const struct chan_on *on, chan_gone_fn *gone, void *arg)
{
	struct chan *ch = xcalloc(1, sizeof(*ch));

	ch->loop = l;
	ch->fd = fd;
	ch->edge = e;
	ch->own = own;
	ch->on = on;
	ch->gone = gone;
	ch->arg = arg;
	buf_init(&ch->out, PACKET_MAX);
	STAILQ_INIT(&ch->queue);
	turn_init(&ch->turn, l, on_turn, ch);
	turn_init(&ch->goodbye, l, on_goodbye, ch);
	timer_init(&ch->lazy, l, on_turn, ch);
	watch_init(&ch->watch, l, fd, on_ready, ch);
	watch_set(&ch->watch, LOOP_READ);
	return ch;
}

static void
drop_out(struct chan *ch)
{
	struct packet *p;

	while ((p = STAILQ_FIRST(&ch->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&ch->queue, link);
		fds_close(p->fds, &p->nfds);
		free(p);
	}
	ch->queued = 0;
	fds_close(ch->out_fds, &ch->out_nfds);
	buf_reset(&ch->out);
}

static void
destroy(struct chan *ch)
{
	watch_clear(&ch->watch);
	turn_cancel(&ch->turn);
	turn_cancel(&ch->goodbye);
	timer_clear(&ch->lazy);
	drop_out(ch);
	fd_close(&ch->fd);
	buf_clear(&ch->out);
	free(ch->calls);
	free(ch);
}

void
chan_free(struct chan **chp)
{
	struct chan *ch = *chp;

	*chp = NULL;
	if (ch == NULL)
		return;
	if (!ch->dead)
		chan_flush(ch);
	ch->dead = ch->freed = true;
	watch_clear(&ch->watch);
	turn_cancel(&ch->turn);
	turn_cancel(&ch->goodbye);
	timer_cancel(&ch->lazy);
	if (ch->busy == 0)
		destroy(ch);
}

static void
leave(struct chan *ch)
{
	if (--ch->busy == 0 && ch->freed)
		destroy(ch);
}

/* --- the end ------------------------------------------------------------- */

/*
 * From here on nothing is sent or read.  The owner is told at the end of the
 * turn, so that no caller of chan_tell() finds its channel freed under it.
 */
static void
die(struct chan *ch, const char *why)
{
	if (ch->dead)
		return;
	ch->dead = true;
	ch->why = why;
	watch_clear(&ch->watch);
	turn_cancel(&ch->turn);
	timer_cancel(&ch->lazy);
	drop_out(ch);
	turn_ask(&ch->goodbye);
}

static void
fail_calls(struct chan *ch)
{
	for (uint32_t i = 0; i < ch->ncalls && !ch->freed; i++) {
		struct call c = ch->calls[i];

		ch->calls[i].fn = NULL;
		ch->calls[i].busy = false;
		if (c.busy && c.fn != NULL)
			c.fn(0, NULL, NULL, c.arg);
	}
	ch->waiting = 0;
}

static void
on_goodbye(void *arg)
{
	struct chan *ch = arg;

	ch->busy++;
	fail_calls(ch);
	if (!ch->freed && !ch->told && ch->gone != NULL) {
		ch->told = true;
		ch->gone(ch, ch->why, ch->arg);
	}
	leave(ch);
}

void
chan_drop(struct chan *ch, const char *why)
{
	die(ch, why);
}

/* --- sending ------------------------------------------------------------- */

/* 1 sent, 0 the socket is full, -1 the channel is broken. */
static int
send_packet(int fd, const void *p, size_t n, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(PACKET_FDS * sizeof(int))];
	} control;
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	ssize_t k;

	if (nfds == 0) {
		/* A component without `sendfd` has no sendmsg. */
		k = write(fd, p, n);
	} else {
		memset(&control, 0, sizeof(control));
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
		k = sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	if (k == (ssize_t)n)
		return 1;
	if (k == -1 && (errno == EAGAIN || errno == EINTR ||
	    errno == ENOBUFS || errno == ETOOMANYREFS))
		return 0;
	return -1;
}

static void
want_write(struct chan *ch)
{
	watch_set(&ch->watch, (ch->paused ? 0 : LOOP_READ) |
	    (STAILQ_EMPTY(&ch->queue) ? 0 : LOOP_WRITE));
}

static void
queue_packet(struct chan *ch)
{
	struct packet *p = xmalloc(sizeof(*p) + ch->out.len);
	struct str s = buf_get(&ch->out);

	p->len = s.n;
	memcpy(p->data, s.p, s.n);
	p->nfds = ch->out_nfds;
	memcpy(p->fds, ch->out_fds, sizeof(p->fds));
	ch->out_nfds = 0;
	buf_reset(&ch->out);
	STAILQ_INSERT_TAIL(&ch->queue, p, link);
	ch->queued += p->len;
	if (ch->queued > QUEUE_MAX)
		die(ch, "peer does not read");
	else
		want_write(ch);
}

void
chan_flush(struct chan *ch)
{
	struct str s = buf_get(&ch->out);

	turn_cancel(&ch->turn);
	timer_cancel(&ch->lazy);
	if (ch->dead || s.n == 0)
		return;
	if (ch->prompt_us > 0)
		ch->sent_us = clock_us();
	if (!STAILQ_EMPTY(&ch->queue)) {
		queue_packet(ch);
		return;
	}
	switch (send_packet(ch->fd, s.p, s.n, ch->out_fds, ch->out_nfds)) {
	case 1:
		fds_close(ch->out_fds, &ch->out_nfds);
		buf_reset(&ch->out);
		break;
	case 0:
		queue_packet(ch);
		break;
	default:
		die(ch, NULL);
		break;
	}
}

static void
on_turn(void *arg)
{
	chan_flush(arg);
}

static void
drain_queue(struct chan *ch)
{
	struct packet *p;

	while ((p = STAILQ_FIRST(&ch->queue)) != NULL) {
		int r = send_packet(ch->fd, p->data, p->len, p->fds, p->nfds);

		if (r == -1) {
			die(ch, NULL);
			return;
		}
		if (r == 0)
			break;
		STAILQ_REMOVE_HEAD(&ch->queue, link);
		ch->queued -= p->len;
		fds_close(p->fds, &p->nfds);
		free(p);
	}
	want_write(ch);
}

static void
ask_flush(struct chan *ch)
{
	if (ch->prompt_us > 0 && clock_us() - ch->sent_us >= ch->prompt_us)
		chan_flush(ch);
	else if (ch->lazy_ms == 0 || ch->out.len >= LAZY_MAX)
		turn_ask(&ch->turn);
	else if (!ch->lazy.armed)
		timer_set(&ch->lazy, ch->lazy_ms);
}

static void
send_rec(struct chan *ch, const struct rec_type *t, uint64_t id,
    const void *rec, int *fds)
{
	size_t n = t->fds, size = rec_size(t, rec);

	if (ch->dead) {
		fds_close(fds, &n);
		return;
	}
	if (ch->out_nfds + n > PACKET_FDS || size > PACKET_MAX - ch->out.len)
		chan_flush(ch);
	if (size == 0 || rec_encode(&ch->out, t, id, rec) == -1) {
		/* Our own bug: whoever sends bounds the text first. */
		__builtin_trap();
	}
	for (size_t i = 0; i < n; i++) {
		ch->out_fds[ch->out_nfds++] = fds[i];
		fds[i] = -1;
	}
	ask_flush(ch);
}

void
chan_tell(struct chan *ch, unsigned type, uint64_t id, const void *rec,
    int *fds)
{
	send_rec(ch, edge_type(ch->edge, type), id, rec, fds);
}

void
chan_answer(struct chan *ch, unsigned type, uint64_t id, const void *rec,
    int *fds)
{
	send_rec(ch, edge_type(ch->edge, type), id, rec, fds);
}

/* --- questions ------------------------------------------------------------ */

/* The id of a question: its slot, made unique by a generation. */
static uint64_t
call_id(const struct chan *ch, uint32_t slot)
{
	return (uint64_t)ch->calls[slot].gen << 32 | (slot + 1);
}

static uint32_t
take_slot(struct chan *ch)
{
	uint32_t slot;

	if (ch->free_call == 0) {
		uint32_t n = ch->ncalls == 0 ? 16 : ch->ncalls * 2;

		ch->calls = xreallocarray(ch->calls, n, sizeof(*ch->calls));
		for (uint32_t i = ch->ncalls; i < n; i++) {
			ch->calls[i] = (struct call){ .gen = 1,
				.next_free = ch->free_call };
			ch->free_call = i + 1;
		}
		ch->ncalls = n;
	}
	slot = ch->free_call - 1;
	ch->free_call = ch->calls[slot].next_free;
	return slot;
}

uint64_t
chan_ask(struct chan *ch, unsigned type, const void *rec, int *fds,
    chan_answer_fn *fn, void *arg)
{
	uint32_t slot = take_slot(ch);
	uint64_t id;

	ch->calls[slot].fn = fn;
	ch->calls[slot].arg = arg;
	ch->calls[slot].asked = edge_type(ch->edge, type);
	ch->calls[slot].busy = true;
	ch->waiting++;
	id = call_id(ch, slot);
	send_rec(ch, edge_type(ch->edge, type), id, rec, fds);
	if (ch->dead)
		turn_ask(&ch->goodbye); /* it fails this question, too */
	return id;
}

static struct call *
find_call(struct chan *ch, uint64_t id)
{
	uint32_t slot = (uint32_t)id - 1;

	if ((uint32_t)id == 0 || slot >= ch->ncalls ||
	    !ch->calls[slot].busy || call_id(ch, slot) != id)
		return NULL;
	return &ch->calls[slot];
}

void
chan_forget(struct chan *ch, uint64_t handle)
{
	struct call *c = ch == NULL ? NULL : find_call(ch, handle);

	if (c != NULL)
		c->fn = NULL; /* stays busy until the answer is in */
}

bool
chan_full(const struct chan *ch)
{
	return ch->queued >= QUEUE_FULL;
}

bool
chan_alive(const struct chan *ch)
{
	return !ch->dead;
}

unsigned
chan_type(const struct chan *ch)
{
	return ch->type;
}

uint64_t
chan_received(const struct chan *ch)
{
	return ch->received;
}

size_t
chan_waiting(const struct chan *ch)
{
	return ch->waiting;
}

int
chan_fd(const struct chan *ch)
{
	return ch->fd;
}

void
chan_lazy(struct chan *ch, int64_t ms)
{
	ch->lazy_ms = ms;
}

void
chan_prompt(struct chan *ch, int64_t us)
{
	ch->prompt_us = us;
}

void
chan_first(struct chan *ch)
{
	if (!ch->dead && ch->out.len > 0)
		turn_ask_first(&ch->turn);
}

void
chan_reading(struct chan *ch, int on)
{
	ch->paused = !on;
	if (!ch->dead)
		want_write(ch);
}

/* --- receiving ------------------------------------------------------------ */

static int
deliver_answer(struct chan *ch, const struct rec_head *h, const void *rec,
    int *fds)
{
	struct call *c = find_call(ch, h->id);
	struct call was;

	/* Another question's answer would be taken for what it is not. */
	if (c == NULL || !edge_answers(ch->edge, c->asked, h->type))
		return -1;
	was = *c;
	c->busy = false;
	c->fn = NULL;
	c->gen++;
	c->next_free = ch->free_call;
	ch->free_call = (uint32_t)h->id;
	ch->waiting--;
	if (was.fn != NULL)
		was.fn(h->type->type, rec, fds, was.arg);
	return 0;
}

/* Should we die of it: a record about a message has its id in front. */
static void
note_type(const struct chan *ch, const struct rec_type *t, const void *rec)
{
	const struct rec_field *f = t->fields();
	struct str about = STR("");

	if (f->name != NULL && f->kind == REC_STR &&
	    strcmp(f->name, "qid") == 0)
		memcpy(&about, (const char *)rec + f->offset, sizeof(about));
	note_record(ch->edge->name, t->name, about);
}

static int
deliver_record(struct chan *ch, const struct rec_head *h, const void *rec,
    int *fds)
{
	note_type(ch, h->type, rec);
	if (h->type->role == REC_ANSWER)
		return deliver_answer(ch, h, rec, fds);
	for (const struct chan_on *on = ch->on; on->type != 0; on++) {
		if (on->type == h->type->type) {
			ch->type = on->type;
			ch->received++;
			on->fn(ch, h->id, rec, fds, ch->arg);
			return 0;
		}
	}
	return -1;
}

static enum side
peer_of(enum side own)
{
	return own == SIDE_A ? SIDE_B : SIDE_A;
}

/*
 * Hand over the records of a packet.  NULL, or what the peer did wrong.  All
 * descriptors that nobody took are closed, expected ones too.
 */
static const char *
take_packet(struct chan *ch, struct str p, int *fds, size_t nfds)
{
	_Alignas(16) char rec[REC_STRUCT_MAX];
	struct rec_head h;
	struct str body;
	size_t used = 0;
	const char *why = NULL;

	while (why == NULL && p.n > 0 && !ch->dead) {
		if (rec_next(ch->edge, &p, &h, &body) == -1)
			why = "malformed record";
		else if ((h.type->from & peer_of(ch->own)) == 0)
			why = "record that only we may send";
		else if (h.fds > nfds - used)
			why = "descriptors missing";
		else if (rec_decode(h.type, body, rec) == -1)
			why = "field out of bounds";
		else if (deliver_record(ch, &h, rec, fds + used) == -1)
			why = "record out of turn";
		else
			used += h.fds;
	}
	if (why == NULL && !ch->dead && used != nfds)
		why = "descriptors that no record announced";
	fds_close(fds, &nfds);
	return why;
}

/*
 * The descriptors in a control buffer.  Padding lets one more slip in than the
 * buffer was meant for, so they are counted from the header's length.
 */
static int
collect_fds(struct msghdr *mh, int *fds, size_t *out_n)
{
	size_t n = 0;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm != NULL;
	    cm = CMSG_NXTHDR(mh, cm)) {
		size_t k;

		if (cm->cmsg_level != SOL_SOCKET ||
		    cm->cmsg_type != SCM_RIGHTS)
			continue;
		k = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < k; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int),
			    sizeof(int));
			if (n < PACKET_FDS)
				fds[n++] = fd;
			else
				fd_close(&fd);
		}
	}
	*out_n = n;
	return (mh->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ? -1 : 0;
}

/*
 * Descriptors that were sent to us are lost, because we may have no more.  The
 * channel cannot go on, its peer is alive and will not be introduced again, so
 * this process ends, as it does without memory, and another begins.
 */
static void NORETURN
no_descriptors(void)
{
	static const char msg[] = "fatal: out of descriptors\n";

	if (write(STDERR_FILENO, msg, sizeof(msg) - 1) == -1)
		_exit(71);
	_exit(71);
}

/* One packet: 1 taken, 0 nothing there, -1 the channel is done for. */
static int
receive(struct chan *ch)
{
	static char data[PACKET_MAX]; /* borrowed only while handlers run */
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(PACKET_FDS * sizeof(int))];
	} control;
	struct iovec iov = { data, sizeof(data) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	int fds[PACKET_FDS];
	size_t nfds;
	const char *why;
	ssize_t n;

	n = recvmsg(ch->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == -1) {
		die(ch, NULL);
		return -1;
	}
	if (collect_fds(&mh, fds, &nfds) == -1) {
		/* A peer that sends too many fills the buffer; we do not. */
		if ((mh.msg_flags & MSG_CTRUNC) != 0 && nfds < PACKET_FDS)
			no_descriptors();
		fds_close(fds, &nfds);
		die(ch, "truncated packet");
		return -1;
	}
	if (n == 0) {
		/* The end; or an empty packet, which may carry descriptors. */
		die(ch, nfds == 0 ? NULL : "descriptors without a record");
		fds_close(fds, &nfds);
		return -1;
	}
	why = take_packet(ch, str_make(data, (size_t)n), fds, nfds);
	if (why != NULL)
		die(ch, why);
	return ch->dead ? -1 : 1;
}

static void
on_ready(int what, void *arg)
{
	struct chan *ch = arg;

	ch->busy++;
	if (what == LOOP_WRITE)
		drain_queue(ch);
	else
		for (int i = 0; i < TURN_PACKETS && !ch->paused; i++)
			if (receive(ch) != 1)
				break;
	leave(ch);
}
