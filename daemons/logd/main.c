/* SPDX-License-Identifier: ISC */
/*
 * logd - writes the log of all components.
 *
 * Holds:  SLOT_BROKER   grants, `reopen`                     (peer: broker)
 *         a channel     from every component: LOG_LINE
 *         the log       a file it can only append to, the system's log
 *                       socket, or standard error
 * Never:  opens a path, connects, forks.
 * If a component lies, its lines are defused and its rate is limited; it
 * cannot sign with another's name, because the broker said whose channel it is.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "boot/boot.h"
#include "edge/broker.h"
#include "log/log.h"
#include "sandbox/sandbox.h"

#include "logd.h"

#define SETTLE_MS 60 /* lines are kept so long, to be put in order */
#define STUCK_MS 1000 /* between tries to write a log that cannot be */
#define LATE_US 60000000 /* a line on its way may be as old as this */
#define KEEP_MAX (512 << 10) /* bytes kept; more leaves at once */
#define LOOK_MS 5000 /* how often the log file is looked at for rotation */

/* A component that writes: one for each channel. */
struct client {
	TAILQ_ENTRY(client) link;
	struct chan *ch;
	struct writer writer;
};

struct logd {
	TAILQ_HEAD(, client) clients;
	struct writer self;
	struct line_style style;
	struct sink sink;
	struct buf line;
	struct sorter sorter;
	struct timer settle;
	struct timer look;
	bool is_file;
	bool asking;
	bool ending;
};

static void
read_config(void *arg)
{
	struct logd *lg = arg;
	const struct conf *c = boot_conf();

	lg->style.host = conf_cstr(c, P_MYHOSTNAME);
	lg->style.syslog_name = conf_cstr(c, P_SYSLOG_NAME);
	lg->style.facility = line_facility(conf_str(c, P_SYSLOG_FACILITY));
	if (lg->style.facility == -1)
		lg->style.facility = 2;
	lg->style.form = lg->sink.datagrams ? FORM_SYSLOG :
	    conf_is(c, P_LOG_FORMAT, "json") ? FORM_JSON : FORM_FILE;
}

static void
to_sink(struct str line, void *arg)
{
	struct logd *lg = arg;

	sink_line(&lg->sink, line);
}

static void
write_out(struct logd *lg, int64_t until_us)
{
	sorter_take(&lg->sorter, until_us, to_sink, lg);
	sink_flush(&lg->sink);
}

static void
put(struct logd *lg, const struct writer *w, const struct log_line *line)
{
	buf_reset(&lg->line);
	line_format(&lg->style, w, line, &lg->line);
	sorter_add(&lg->sorter, line->when_us, buf_get(&lg->line));
	if (lg->sorter.bytes > KEEP_MAX)
		write_out(lg, INT64_MAX);
	else if (!lg->settle.armed && !lg->ending)
		timer_set(&lg->settle, SETTLE_MS);
}

/* Lines that could not be written, once others can. */
static void
tell_lost(struct logd *lg)
{
	uint64_t lost = lg->sink.lost;

	if (lost == 0 || lg->sink.stuck)
		return;
	lg->sink.lost = 0;
	log_warn("%llu lines of the log were lost: it could not be written",
	    (unsigned long long)lost);
}

static void
finish(struct logd *lg)
{
	write_out(lg, INT64_MAX);
	boot_exit(0);
}

static void
on_settle(void *arg)
{
	struct logd *lg = arg;

	if (lg->ending) {
		finish(lg);
		return;
	}
	/* Half of the time is for lines that are still on their way. */
	write_out(lg, clock_wall_us() - SETTLE_MS * 1000 / 2);
	if (lg->sorter.bytes > 0)
		timer_set(&lg->settle, SETTLE_MS / 2);
	else if (lg->sink.stuck) /* a full disk: try again */
		timer_set(&lg->settle, STUCK_MS);
	tell_lost(lg);
}

/*
 * Everybody else has ended; their last words are in our channels, and behind
 * them the end of each.
 */
static void
on_stop(int64_t grace_ms, void *arg)
{
	struct logd *lg = arg;

	lg->ending = true;
	timer_set(&lg->settle, TAILQ_EMPTY(&lg->clients) ? 0 : grace_ms);
}

/* Our own lines take the same way. */
static void
own_line(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	struct logd *lg = arg;
	struct log_line line = { .level = (uint8_t)level, .when_us = when_us,
		.service = service, .text = text };

	put(lg, &lg->self, &line);
}

static struct client *
find_client(struct logd *lg, const struct chan *ch)
{
	struct client *c;

	TAILQ_FOREACH(c, &lg->clients, link)
		if (c->ch == ch)
			return c;
	return NULL;
}

/* What a writer was not allowed is told, at the latest when it goes. */
static void
tell_missed(const struct writer *w, uint64_t missed)
{
	if (missed > 0)
		log_warn("%s[%u]: %llu lines over the rate limit were dropped",
		    w->component, w->pid, (unsigned long long)missed);
}

static void
on_line(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct logd *lg = arg;
	struct client *c = find_client(lg, ch);
	struct log_line line = *(const struct log_line *)rec;
	int64_t now = clock_wall_us();
	uint64_t missed;

	(void)id;
	(void)fds;
	if (!writer_charge(&c->writer, loop_now(boot_loop()), &missed))
		return;
	tell_missed(&c->writer, missed);
	/* A captured component writes no log of another day. */
	if (line.when_us > now || line.when_us < now - LATE_US)
		line.when_us = now;
	put(lg, &c->writer, &line);
}

static const struct chan_on client_on[] = {
	{ LOG_LINE, on_line },
	{ 0, NULL },
};

static void
client_gone(struct chan *ch, const char *why, void *arg)
{
	struct logd *lg = arg;
	struct client *c = find_client(lg, ch);

	if (why != NULL)
		log_warn("security: channel of %s[%u] closed: %s",
		    c->writer.component, c->writer.pid, why);
	tell_missed(&c->writer, c->writer.dropped);
	TAILQ_REMOVE(&lg->clients, c, link);
	chan_free(&c->ch);
	free(c);
	if (lg->ending && TAILQ_EMPTY(&lg->clients))
		finish(lg);
}

/*
 * Was the file rotated, that is renamed or removed?  Its link count or its
 * neighbours cannot be seen from here: the broker opens the name anew, and the
 * file that comes is the one to write to.
 */
static void
on_reopened(unsigned type, const void *rec, int *fds, void *arg)
{
	struct logd *lg = arg;

	(void)rec;
	lg->asking = false;
	if (type != BROKER_FILE)
		return;
	sink_fd(&lg->sink, fds[0], false);
	fds[0] = -1;
}

static void
on_look(void *arg)
{
	struct logd *lg = arg;
	struct broker_reopen q;

	memset(&q, 0, sizeof(q));
	timer_set(&lg->look, LOOK_MS);
	if (!lg->is_file || lg->asking)
		return;
	lg->asking = true;
	chan_ask(boot_broker(), BROKER_REOPEN, &q, NULL, on_reopened, lg);
}

static void
on_grant(const struct broker_grant *g, int fd, void *arg)
{
	struct logd *lg = arg;
	struct client *c;

	if (g->kind == GRANT_CHANNEL_B) {
		c = xcalloc(1, sizeof(*c));
		str_copy(str_sub(g->name, 0, sizeof(c->writer.component) - 1),
		    c->writer.component, sizeof(c->writer.component));
		c->writer.pid = g->pid;
		c->ch = chan_new(boot_loop(), fd, &edge_log, SIDE_B, client_on,
		    client_gone, lg);
		TAILQ_INSERT_TAIL(&lg->clients, c, link);
		return;
	}
	lg->is_file = str_eq(g->name, STR("maillog"));
	sink_fd(&lg->sink, fd, str_eq(g->name, STR("syslog")));
	read_config(lg);
	if (lg->is_file && !lg->look.armed)
		timer_set(&lg->look, LOOK_MS);
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .grant = on_grant,
		.config = read_config, .stop = on_stop, .no_log = true };
	static struct logd lg;

	boot_start("logd", argc, argv);
	TAILQ_INIT(&lg.clients);
	strlcpy(lg.self.component, "logd", sizeof(lg.self.component));
	lg.self.pid = 1;
	sink_init(&lg.sink);
	buf_init(&lg.line, 2 * LOG_TEXT_MAX + 1024);
	sorter_init(&lg.sorter);
	timer_init(&lg.settle, boot_loop(), on_settle, &lg);
	timer_init(&lg.look, boot_loop(), on_look, &lg);
	read_config(&lg);

	boot_seal(NULL, 0, &hooks, &lg);
	log_sink(own_line, &lg);
	return boot_run();
}
