/* SPDX-License-Identifier: ISC */
/*
 * The life of a component around its work.
 */
#include "boot/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/note.h"
#include "edge/edges.h"
#include "log/log.h"
#include "sandbox/sandbox.h"

#define LOG_BATCH_MS 20

/* A channel to a peer that is up. */
struct link {
	TAILQ_ENTRY(link) entry;
	const struct boot_peer *peer;
	struct chan *ch;
	unsigned instance;
};

static struct {
	const char *name;
	unsigned instance;
	struct sandbox_place place;
	struct loop *loop;
	struct conf *conf;
	struct chan *broker;
	struct chan *log;
	const struct boot_peer *peers;
	size_t npeers;
	bool *seen; /* for each peer: has been up once */
	const struct boot_hooks *hooks;
	void *arg;
	TAILQ_HEAD(, link) links;
	bool ready;
} boot;

struct loop *
boot_loop(void)
{
	return boot.loop;
}

const struct conf *
boot_conf(void)
{
	return boot.conf;
}

struct chan *
boot_broker(void)
{
	return boot.broker;
}

unsigned
boot_instance(void)
{
	return boot.instance;
}

int
boot_run(void)
{
	return loop_run(boot.loop);
}

void
boot_exit(int status)
{
	/* Last words leave first: lines of the log, answers to peers. */
	if (boot.log != NULL)
		chan_flush(boot.log);
	loop_stop(boot.loop, status);
}

/* --- the log -------------------------------------------------------------- */

static struct str
clip(struct str s, size_t max)
{
	return str_sub(s, 0, max);
}

static void
to_broker(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	struct broker_log rec = { .level = (uint8_t)level,
		.text = clip(text, 1024) };

	(void)service;
	(void)when_us;
	(void)arg;
	chan_tell(boot.broker, BROKER_LOG, 0, &rec, NULL);
	if (level == LOG_LEVEL_FATAL)
		chan_flush(boot.broker);
}

static void
to_logd(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	struct log_line rec = { .level = (uint8_t)level, .when_us = when_us,
		.service = clip(service, 64),
		.text = clip(text, LOG_TEXT_MAX) };

	(void)arg;
	if (chan_full(boot.log))
		return; /* logd is stuck: lines are lost, mail is not */
	chan_tell(boot.log, LOG_LINE, 0, &rec, NULL);
	if (level == LOG_LEVEL_FATAL)
		chan_flush(boot.log);
}

static void
on_log_gone(struct chan *ch, const char *why, void *arg)
{
	(void)why;
	(void)arg;
	log_sink(to_broker, NULL);
	boot.log = NULL;
	chan_free(&ch);
}

static const struct chan_on no_records[] = { { 0, NULL } };

static void
take_log(int fd)
{
	if (boot.log != NULL)
		chan_free(&boot.log);
	boot.log = chan_new(boot.loop, fd, &edge_log, SIDE_A, no_records,
	    on_log_gone, NULL);
	chan_lazy(boot.log, LOG_BATCH_MS);
	log_sink(to_logd, NULL);
}

/* --- peers ---------------------------------------------------------------- */

void
boot_ready(void)
{
	struct broker_ready rec;

	memset(&rec, 0, sizeof(rec));
	if (boot.ready)
		return;
	boot.ready = true;
	chan_tell(boot.broker, BROKER_READY, 0, &rec, NULL);
}

static void
check_ready(void)
{
	if (boot.ready)
		return;
	for (size_t i = 0; i < boot.npeers; i++)
		if (!boot.peers[i].optional && !boot.seen[i])
			return;
	if (boot.log == NULL && !boot.hooks->no_log)
		return;
	if (boot.hooks->own_ready) {
		if (boot.hooks->ready != NULL)
			boot.hooks->ready(boot.arg);
		return;
	}
	boot_ready();
	if (boot.hooks->ready != NULL)
		boot.hooks->ready(boot.arg);
}

static struct link *
find_link(const struct chan *ch)
{
	struct link *k;

	TAILQ_FOREACH(k, &boot.links, entry)
		if (k->ch == ch)
			return k;
	return NULL;
}

unsigned
boot_peer_instance(const struct chan *ch)
{
	struct link *k = find_link(ch);

	return k == NULL ? 0 : k->instance;
}

const char *
boot_peer_name(struct chan *ch)
{
	struct link *k = find_link(ch);

	return k == NULL ? "" : k->peer->name;
}

static void
on_peer_gone(struct chan *ch, const char *why, void *arg)
{
	struct link *k = find_link(ch);
	const struct boot_peer *p = k->peer;

	if (why != NULL)
		log_warn("security: channel to %s %u closed: %s", p->name,
		    k->instance, why);
	if (p->single != NULL && *p->single == ch)
		*p->single = NULL;
	if (p->down != NULL)
		p->down(ch, k->instance, arg);
	TAILQ_REMOVE(&boot.links, k, entry);
	free(k);
	chan_free(&ch);
}

static struct chan *
link_up(const struct boot_peer *p, int fd, unsigned instance, uint32_t pid)
{
	struct link *k = xcalloc(1, sizeof(*k));

	k->peer = p;
	k->instance = instance;
	k->ch = chan_new(boot.loop, fd, p->edge, p->side, p->on, on_peer_gone,
	    boot.arg);
	TAILQ_INSERT_TAIL(&boot.links, k, entry);
	if (p->single != NULL)
		*p->single = k->ch;
	if (p->up != NULL)
		p->up(k->ch, instance, pid, boot.arg);
	return k->ch;
}

struct chan *
boot_adopt(const struct boot_peer *peer, int fd, unsigned instance)
{
	return link_up(peer, fd, instance, 0);
}

static const struct boot_peer *
find_peer(const struct broker_grant *g)
{
	enum side side = g->kind == GRANT_CHANNEL ? SIDE_A : SIDE_B;

	for (size_t i = 0; i < boot.npeers; i++) {
		const struct boot_peer *p = &boot.peers[i];

		if (p->side == side && str_eq(g->name, str_of(p->name)) &&
		    str_eq(g->edge, str_of(p->edge->name))) {
			boot.seen[i] = true;
			return p;
		}
	}
	return NULL;
}

static void
on_grant(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct broker_grant *g = rec;
	const struct boot_peer *p = NULL;
	int fd = fds[0];

	(void)ch;
	(void)id;
	(void)arg;
	fds[0] = -1;
	if (g->kind != GRANT_CHANNEL && g->kind != GRANT_CHANNEL_B) {
		if (boot.hooks->grant != NULL)
			boot.hooks->grant(g, fd, boot.arg);
		else
			fd_close(&fd);
	} else if (str_eq(g->edge, STR("log")) && g->kind == GRANT_CHANNEL) {
		take_log(fd);
	} else if ((p = find_peer(g)) != NULL) {
		link_up(p, fd, g->instance, g->pid);
	} else if (boot.hooks->grant != NULL) {
		boot.hooks->grant(g, fd, boot.arg); /* logd: anybody's */
	} else {
		log_fatal("broker granted an unexpected channel: " STR_FMT
		    " to " STR_FMT, STR_ARG(g->edge), STR_ARG(g->name));
	}
	check_ready();
}

/* --- the broker ----------------------------------------------------------- */

static void
on_config(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct conf *old = boot.conf, *new = conf_open(fds[0]);

	(void)ch;
	(void)id;
	(void)rec;
	(void)arg;
	if (new == NULL)
		log_fatal("configuration from the broker: %s",
		    strerror(errno));
	boot.conf = new;
	if (boot.hooks->config != NULL)
		boot.hooks->config(boot.arg);
	conf_free(&old);
}

static void
on_stop(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct broker_stop *s = rec;

	(void)ch;
	(void)id;
	(void)fds;
	(void)arg;
	if (boot.hooks->stop != NULL)
		boot.hooks->stop(s->grace_ms, boot.arg);
	else
		boot_exit(0);
}

static void
on_retire(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	(void)arg;
	if (boot.hooks->stop != NULL)
		boot.hooks->stop(INT64_MAX, boot.arg);
	else
		boot_exit(0);
}

static void
on_text(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct broker_text *t = rec;

	(void)ch;
	(void)fds;
	(void)arg;
	if (boot.hooks->text != NULL)
		boot.hooks->text(id, t->text, boot.arg);
}

static const struct chan_on broker_on[] = {
	{ BROKER_GRANT, on_grant },
	{ BROKER_CONFIG, on_config },
	{ BROKER_STOP, on_stop },
	{ BROKER_RETIRE, on_retire },
	{ BROKER_TEXT, on_text },
	{ 0, NULL },
};

/* Without a broker nothing is ours any more: end, work returns to the queue. */
static void
on_broker_gone(struct chan *ch, const char *why, void *arg)
{
	(void)ch;
	(void)arg;
	log_sink(NULL, NULL);
	exit(why == NULL ? 0 : 1);
}

void
boot_start(const char *name, int argc, char *argv[])
{
	uint64_t instance;

	if (argc != 3 || place_parse(str_of(argv[1]), &boot.place) == -1 ||
	    str_u64(str_of(argv[2]), UINT32_MAX, &instance) == -1 ||
	    fcntl(SLOT_BROKER, F_GETFD) == -1 ||
	    fcntl(SLOT_CONFIG, F_GETFD) == -1) {
		log_error("%s is a component: it is started by the broker "
		    "(try `mailctl start`)", name);
		exit(64);
	}
	signal(SIGPIPE, SIG_IGN);
	note_open(SLOT_NOTE);
	/* localtime() must not look for files once we are sealed. */
	if (getenv("TZ") == NULL)
		setenv("TZ", ":/etc/localtime", 1);
	tzset();
	boot.name = name;
	boot.instance = (unsigned)instance;
	TAILQ_INIT(&boot.links);
	boot.conf = conf_open(SLOT_CONFIG);
	if (boot.conf == NULL)
		log_fatal("%s: configuration: %s", name, strerror(errno));
	boot.loop = loop_new();
}

void
boot_seal(const struct boot_peer *peers, size_t npeers,
    const struct boot_hooks *hooks, void *arg)
{
	static const struct boot_hooks no_hooks;
	const struct policy *policy;
	struct broker_sealed rec;
	char err[512];

	memset(&rec, 0, sizeof(rec));
	boot.peers = peers;
	boot.npeers = npeers;
	boot.seen = xcalloc(npeers, sizeof(*boot.seen));
	boot.hooks = hooks == NULL ? &no_hooks : hooks;
	boot.arg = arg;
	boot.place.threads = boot.hooks->threads;
	boot.place.threads_arg = arg;
	boot.broker = chan_new(boot.loop, SLOT_BROKER, &edge_broker, SIDE_A,
	    broker_on, on_broker_gone, NULL);
	log_sink(to_broker, NULL);
	policy = sandbox_policy(boot.name, err, sizeof(err));
	if (policy == NULL ||
	    sandbox_enter(policy, &boot.place, err, sizeof(err)) == -1)
		log_fatal("%s: sandbox: %s", boot.name, err);
	chan_tell(boot.broker, BROKER_SEALED, 0, &rec, NULL);
}
