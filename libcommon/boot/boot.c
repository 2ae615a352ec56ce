/* SPDX-License-Identifier: ISC */
/*
 * The life of a component around its work.
 */
#include "boot/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
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
#include "sandbox/warm.h"

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
	struct warm warm;
	const struct policy *policy; /* with its overlay, once that was read */
	struct loop *loop;
	struct conf *conf;
	struct chan *broker;
	struct chan *log;
	uint64_t unsaid; /* lines that logd had no room for */
	const struct boot_peer *peers;
	size_t npeers;
	bool *seen; /* for each peer: has been up once */
	const struct boot_hooks *hooks;
	void *arg;
	TAILQ_HEAD(, link) links;
	bool ready;
	struct timer look; /* are we idle? */
	uint64_t received; /* of those who send us work, when last looked */
	unsigned quiet;	   /* looks since then */
	bool retiring;	   /* the broker wants us to leave */
	bool leaving;	   /* we have asked to be let go */
} boot;

/* One can be idle for so many looks before it is time to go. */
#define IDLE_LOOKS 4
#define RETIRE_MS 250 /* between looks when told to leave */

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

/*
 * A copy of an image ends at once.  What exit(3) would run was registered by
 * libraries in the image, to tidy up what goes with the process anyway, and
 * each of them would touch, and so copy, pages of its own.
 */
int
boot_run(void)
{
	int status = loop_run(boot.loop);

#ifndef SANITIZED
	if (boot.place.inside)
		_exit(status);
#endif
	return status;
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
tell_logd(enum log_level level, struct str service, struct str text,
    int64_t when_us)
{
	struct log_line rec = { .level = (uint8_t)level, .when_us = when_us,
		.service = clip(service, 64),
		.text = clip(text, LOG_TEXT_MAX) };

	chan_tell(boot.log, LOG_LINE, 0, &rec, NULL);
}

/* logd was stuck, and is not any more. */
static void
tell_unsaid(int64_t when_us)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "warning: %llu lines of the log "
	    "were dropped: logd did not read", (unsigned long long)boot.unsaid);

	boot.unsaid = 0;
	tell_logd(LOG_LEVEL_WARNING, STR_NONE, str_make(text, (size_t)n),
	    when_us);
}

static void
to_logd(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	(void)arg;
	if (chan_full(boot.log)) {
		boot.unsaid++; /* lines are lost, mail is not */
		return;
	}
	if (boot.unsaid > 0)
		tell_unsaid(when_us);
	tell_logd(level, service, text, when_us);
	if (level == LOG_LEVEL_FATAL)
		chan_flush(boot.log);
}

static void
logd_first(void)
{
	if (boot.log != NULL)
		chan_first(boot.log);
}

static void
on_log_gone(struct chan *ch, const char *why, void *arg)
{
	(void)arg;
	log_sink(to_broker, NULL);
	boot.log = NULL;
	if (why != NULL)
		log_warn("security: channel to logd closed: %s", why);
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
	log_sink_first(logd_first);
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
	if (!boot.place.inside || !boot.hooks->once)
		chan_tell(boot.broker, BROKER_READY, 0, &rec, NULL);
}

static void
check_ready(void)
{
	if (boot.ready)
		return;
	for (size_t i = 0; i < boot.npeers; i++)
		if (!boot.peers[i].optional && !boot.seen[i] &&
		    !str_has_word(boot.hooks->without,
			str_of(boot.peers[i].name)))
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

const char *
boot_peer_name(struct chan *ch)
{
	struct link *k = find_link(ch);

	return k == NULL ? "" : k->peer->name;
}

/* --- leaving when idle ---------------------------------------------------- */

/* Nobody will give us work any more. */
static void
go(void)
{
	if (boot.hooks->stop != NULL)
		boot.hooks->stop(0, boot.arg);
	else
		boot_exit(0);
}

static bool
is_busy(void)
{
	return boot.hooks->busy != NULL && boot.hooks->busy(boot.arg);
}

static bool
brings_work(const struct link *k)
{
	return k->peer->edge == boot.hooks->work;
}

/* Ask everybody who sends us work; how many are there? */
static unsigned
ask_to_leave(bool ask)
{
	unsigned n = 0;
	struct link *k;

	TAILQ_FOREACH(k, &boot.links, entry) {
		if (!brings_work(k))
			continue;
		if (ask)
			chan_tell(k->ch, boot.hooks->leave, 0, NULL, NULL);
		n++;
	}
	return n;
}

static int64_t
look_ms(void)
{
	int64_t ms = conf_ms(boot.conf, P_MAX_IDLE) / IDLE_LOOKS;

	if (boot.retiring && ms > RETIRE_MS)
		ms = RETIRE_MS;
	return ms < 10 ? 10 : ms;
}

static void
on_look(void *arg)
{
	uint64_t received = 0;
	struct link *k;

	(void)arg;
	TAILQ_FOREACH(k, &boot.links, entry)
		if (brings_work(k))
			received += chan_received(k->ch);
	if (received != boot.received || is_busy()) {
		boot.received = received;
		boot.quiet = 0;
		boot.leaving = false;
	} else if (++boot.quiet >= (boot.retiring ? 1 : IDLE_LOOKS)) {
		boot.leaving = true;
		if (ask_to_leave(true) == 0)
			go();
	}
	timer_set(&boot.look, look_ms());
}

/* Somebody has let go of us, or died. */
static void
check_leave(void)
{
	if (boot.leaving && ask_to_leave(false) == 0 && !is_busy())
		go();
}

static void
on_retire(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	(void)arg;
	boot.retiring = true;
	timer_set(&boot.look, look_ms());
}

/* A question to the broker whose answer is yes or no. */
struct want {
	void (*fn)(int error, void *arg);
	void *arg;
};

static void
on_wanted(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct broker_refused *no = rec;
	struct want *w = arg;

	(void)fds;
	w->fn(type == BROKER_DONE ? 0 : type == 0 ? EAGAIN : (int)no->error,
	    w->arg);
	free(w);
}

void
boot_want(const char *component, unsigned instance, bool replace,
    void (*fn)(int error, void *arg), void *arg)
{
	struct broker_start q = { .component = str_of(component),
		.instance = instance, .replace = replace };
	struct want *w = xcalloc(1, sizeof(*w));

	w->fn = fn;
	w->arg = arg;
	chan_ask(boot.broker, BROKER_START, &q, NULL, on_wanted, w);
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
	check_leave();
}

void
boot_let_go(struct chan *ch)
{
	on_peer_gone(ch, NULL, boot.arg);
}

static void
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

static void
read_policy(void)
{
	char err[512];

	if (boot.policy == NULL)
		boot.policy = sandbox_policy(boot.name, err, sizeof(err));
	if (boot.policy == NULL)
		log_fatal("%s: sandbox: %s", boot.name, err);
}

/* --- a warm image --------------------------------------------------------- */

void
boot_warm(void (*fn)(uint32_t instance, struct str name, int fd))
{
	boot.warm.object = fn;
}

static void
to_launcher(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	(void)service;
	(void)when_us;
	(void)arg;
	warm_say((int)level, text);
}

/* Returns in a copy, whose number goes where ps(1) finds it. */
static void
be_image(char *instance)
{
	log_sink(to_launcher, NULL);
	read_policy();
	boot.instance = warm_serve(boot.policy, &boot.place, &boot.warm);
	boot.place.inside = true;
	note_open(SLOT_NOTE);
	memset(instance, 0, sizeof(WARM_INSTANCE));
	snprintf(instance, sizeof(WARM_INSTANCE), "%u", boot.instance);
}

void
boot_start(const char *name, int argc, char *argv[])
{
	bool image = argc == 3 && boot.warm.object != NULL &&
	    strcmp(argv[2], WARM_INSTANCE) == 0;
	uint64_t instance = 0;

	if (argc != 3 || place_parse(str_of(argv[1]), &boot.place) == -1 ||
	    (!image &&
		str_u64(str_of(argv[2]), UINT32_MAX, &instance) == -1) ||
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
	if (image)
		be_image(argv[2]);
	boot.loop = loop_new();
}

void
boot_seal(const struct boot_peer *peers, size_t npeers,
    const struct boot_hooks *hooks, void *arg)
{
	static const struct boot_hooks no_hooks;
	struct broker_sealed rec;
	char err[512];

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
	timer_init(&boot.look, boot.loop, on_look, NULL);
	read_policy();
	if (boot.policy->demand && boot.instance >= boot.policy->warm &&
	    !boot.hooks->once)
		timer_set(&boot.look, look_ms());
	if (sandbox_enter(boot.policy, &boot.place, err, sizeof(err)) == -1)
		log_fatal("%s: sandbox: %s", boot.name, err);
	rec.without = boot.hooks->without;
	chan_tell(boot.broker, BROKER_SEALED, 0, &rec, NULL);
}
