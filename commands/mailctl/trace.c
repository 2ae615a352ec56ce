/* SPDX-License-Identifier: ISC */
/*
 * sandbox trace: what a component tries that its policy does not allow.
 *
 * We wait on a socket that only root (or the owner of the instance) can make,
 * ask for the component to be started in learning mode, and are handed the
 * listener of its filter by the component itself (sandbox/trace.h).  Each call
 * is noted and goes on.  When we end, however that is, the component is
 * started behind its real filter.
 */
#include "mailctl.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "json.h"
#include "net/unixsock.h"
#include "sandbox/advice.h"
#include "sandbox/policy_names.h"
#include "sandbox/trace.h"

#define SECONDS 30	  /* unless told otherwise */
#define SECONDS_MAX 600	  /* the broker's bound, too */
#define LISTENERS_MAX 256 /* processes at one time */
#define CALLS_MAX 1024	  /* different ones */
#define END_MS 15000	  /* for it to start anew */
#define ANSWER_MAX (16 << 20)

/* Calls that are the same for whoever writes a policy. */
struct seen {
	struct trace_call first;
	uint64_t count;
	char *text, *caller, *advice, *line;
};

struct tracing {
	const struct instance *in;
	const struct policy *policy;
	unsigned seconds;
	int socket_fd;
	struct talk talk;
	int listeners[LISTENERS_MAX];
	size_t nlisteners;
	unsigned processes;
	struct seen *v;
	size_t n;
	uint64_t total, beyond; /* calls; those that found no room */
};

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* --- where the listeners come to ------------------------------------------ */

static int
listen_here(const struct instance *in)
{
	mode_t mask = umask(077);
	int fd = unixsock_bind(in->queue_dir, TRACE_SOCKET, SOCK_SEQPACKET);

	if (fd == -1 || listen(fd, 64) == -1)
		die("%s/%s: %s%s", in->queue_dir, TRACE_SOCKET, strerror(errno),
		    errno == EACCES || errno == EPERM ?
			" (only root, or the owner of the instance, may "
			"trace)" :
			"");
	umask(mask);
	return fd;
}

static void
forget_socket(const struct tracing *t)
{
	char *path = xasprintf("%s/%s", t->in->queue_dir, TRACE_SOCKET);

	unlink(path);
	free(path);
}

/* A component has connected, by way of the launcher. */
static void
take_listener(struct tracing *t)
{
	int fd = accept4(t->socket_fd, NULL, NULL, SOCK_CLOEXEC), listener;
	uid_t uid;
	gid_t gid;

	if (fd == -1)
		return;
	/* Nobody else can reach the socket; this is the second look. */
	listener = -1;
	if (getpeereid(fd, &uid, &gid) == 0 && (uid == 0 || uid == geteuid()))
		listener = trace_take(fd);
	fd_close(&fd);
	if (listener != -1 && t->nlisteners < LISTENERS_MAX) {
		t->listeners[t->nlisteners++] = listener;
		t->processes++;
		say("a process of %s is in LEARNING MODE", t->policy->name);
	} else {
		fd_close(&listener);
	}
}

/* --- calls ---------------------------------------------------------------- */

static struct seen *
find(struct tracing *t, const struct trace_call *c)
{
	for (size_t i = 0; i < t->n; i++)
		if (trace_same(&t->v[i].first, c))
			return &t->v[i];
	return NULL;
}

/* While the process waits: what is asked of /proc must still be so. */
static void
look_at(struct tracing *t, const struct trace_call *c)
{
	struct seen *s = find(t, c);
	struct buf b;

	t->total++;
	if (s == NULL && t->n == CALLS_MAX) {
		t->beyond++;
		return;
	}
	if (s == NULL) {
		t->v = xreallocarray(t->v, t->n + 1, sizeof(*t->v));
		s = &t->v[t->n++];
		*s = (struct seen){ .first = *c };
		buf_init(&b, 4096);
		trace_text(c, &b);
		s->text = str_dup(buf_get(&b));
		buf_reset(&b);
		trace_caller(c, &b);
		s->caller = str_dup(buf_get(&b));
		buf_reset(&b);
		call_advice(t->policy, c->nr, c->args, &b);
		s->advice = str_dup(buf_get(&b));
		buf_reset(&b);
		trace_line(c, &b);
		s->line = buf_take(&b);
	}
	s->count++;
}

static void
serve(struct tracing *t, size_t i)
{
	struct trace_call c;
	int r = trace_next(t->listeners[i], &c);

	if (r == 1) {
		look_at(t, &c);
		trace_go(t->listeners[i], &c);
	} else if (r == -1) {
		fd_close(&t->listeners[i]);
		t->listeners[i] = t->listeners[--t->nlisteners];
	}
}

/* --- the command ---------------------------------------------------------- */

/* Is it over: does no process run that is traced?  Asked of the broker. */
static bool
is_over(const struct tracing *t)
{
	struct buf text, why;
	struct json list, p;
	bool over = false;
	struct talk other;

	buf_init(&text, ANSWER_MAX);
	buf_init(&why, 4096);
	if (!talk_open(&other, t->in))
		return true;
	if (talk_admin(&other, ADMIN_STATUS, &text, &why) == 0) {
		struct json j = json_of(buf_get(&text));

		over = json_str(json_find(j, "trace")).n == 0;
		list = json_find(j, "processes");
		while (json_each(&list, &p)) {
			struct str state = json_str(json_find(p, "state"));
			bool it = str_eq(json_str(json_find(p, "component")),
			    str_of(t->policy->name));

			/* Gone, and there again; or down, or not wanted. */
			if (it &&
			    (str_eq(json_find(p, "traced").text, STR("true")) ||
				str_eq(state, STR("starting")) ||
				str_eq(state, STR("attesting")) ||
				str_eq(state, STR("stopping"))))
				over = false;
		}
	}
	talk_close(&other);
	buf_clear(&text);
	buf_clear(&why);
	return over;
}

/* Whatever is reported within these milliseconds. */
static void
listen_for(struct tracing *t, int ms)
{
	struct pollfd p[LISTENERS_MAX + 1];
	size_t n = t->nlisteners;

	p[0] = (struct pollfd){ .fd = t->socket_fd, .events = POLLIN };
	for (size_t i = 0; i < n; i++)
		p[i + 1] =
		    (struct pollfd){ .fd = t->listeners[i], .events = POLLIN };
	if (poll(p, n + 1, ms) <= 0)
		return;
	if (p[0].revents != 0)
		take_listener(t);
	/* From the last, since one that ends makes room for it. */
	for (size_t i = n; i-- > 0;)
		if (p[i + 1].revents != 0)
			serve(t, i);
}

/* Control says nothing now: what there is to read is its end. */
static bool
hung_up(const struct tracing *t)
{
	struct pollfd p = { .fd = t->talk.fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* Its time, ours, or that of whoever interrupts us. */
static void
run(struct tracing *t)
{
	int64_t end = clock_ms() + (int64_t)t->seconds * 1000, left;

	while (!interrupted && !hung_up(t) && (left = end - clock_ms()) > 0)
		listen_for(t, left < 500 ? (int)left : 500);
	/* With its client control ends it; what it tries at its end counts. */
	talk_close(&t->talk);
	end = clock_ms() + END_MS;
	for (int64_t ask = 0; clock_ms() < end;) {
		listen_for(t, 50);
		if (clock_ms() < ask)
			continue;
		if (is_over(t))
			return;
		ask = clock_ms() + 200;
	}
	say("warning: %s has not started anew: see the log", t->policy->name);
}

static void
show(const struct tracing *t)
{
	printf("%s, %u process%s in learning mode: %zu call%s beyond its "
	       "policy, %" PRIu64 " in all\n",
	    t->policy->name, t->processes, t->processes == 1 ? "" : "es", t->n,
	    t->n == 1 ? "" : "s", t->total);
	for (size_t i = 0; i < t->n; i++) {
		const struct seen *s = &t->v[i];

		printf("\n%8" PRIu64 "  %s\n          from %s, process %d\n"
		       "          %s\n          line: %s\n",
		    s->count, s->text, s->caller, (int)s->first.pid, s->advice,
		    s->line);
	}
	if (t->beyond > 0)
		printf("\n%8" PRIu64 "  others, for which there is no room\n",
		    t->beyond);
}

static void
put_json(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, ",\"%s\":", name);
	json_put(b, str_of(value));
}

static void
show_json(const struct tracing *t)
{
	struct buf b;

	buf_init(&b, 8 << 20);
	buf_printf(&b,
	    "{\"component\":\"%s\",\"seconds\":%u,\"processes\":%u,"
	    "\"total\":%" PRIu64 ",\"beyond\":%" PRIu64 ",\"calls\":[",
	    t->policy->name, t->seconds, t->processes, t->total, t->beyond);
	for (size_t i = 0; i < t->n; i++) {
		const struct seen *s = &t->v[i];

		buf_printf(&b,
		    "%s\n{\"number\":%d,\"count\":%" PRIu64 ",\"pid\":%d",
		    i == 0 ? "" : ",", s->first.nr, s->count,
		    (int)s->first.pid);
		put_json(&b, "text", s->text);
		put_json(&b, "caller", s->caller);
		put_json(&b, "advice", s->advice);
		put_json(&b, "line", s->line);
		buf_putc(&b, '}');
	}
	buf_puts(&b, "]}\n");
	fwrite(b.base + b.off, 1, b.len, stdout);
	buf_clear(&b);
}

static const struct policy *
named(const char *name)
{
	struct named names[128] = { { NULL, 0 } };
	const struct policy *p = policy_find(str_of(name));
	const char *near;

	if (p != NULL)
		return p;
	for (size_t i = 0; i < policy_count() && i < NELEM(names) - 1; i++)
		names[i].name = policy_at(i)->name;
	near = named_near(names, str_of(name));
	die("there is no component \"%s\"%s%s%s", name,
	    near == NULL ? "" : ": did you mean ", near == NULL ? "" : near,
	    near == NULL ? "" : "?");
}

static void
parse(struct tracing *t, int argc, char *argv[])
{
	static const struct option longs[] = { { "seconds", required_argument,
						   NULL, 's' },
		{ NULL, 0, NULL, 0 } };
	uint64_t seconds = SECONDS;
	int c;

	while ((c = getopt_long(argc, argv, "s:", longs, NULL)) != -1) {
		if (c != 's' ||
		    str_u64(str_of(optarg), SECONDS_MAX, &seconds) == -1 ||
		    seconds == 0)
			die_usage("usage: mailctl sandbox trace COMPONENT "
				  "[--seconds N], N from 1 to %d",
			    SECONDS_MAX);
	}
	if (optind != argc - 1)
		die_usage("usage: mailctl sandbox trace COMPONENT "
			  "[--seconds N]");
	t->seconds = (unsigned)seconds;
	t->policy = named(argv[optind]);
}

static void
ask(struct tracing *t)
{
	char text[128];
	struct control_admin q = { .what = ADMIN_TRACE };
	struct buf out, why;
	int error;

	buf_init(&out, 4096);
	buf_init(&why, 4096);
	snprintf(text, sizeof(text), "%s %u", t->policy->name, t->seconds);
	q.arg = str_of(text);
	if (!talk_open(&t->talk, t->in))
		die("the mail system does not answer: %s", strerror(errno));
	talk_ask(&t->talk, CONTROL_ADMIN, &q);
	error = talk_text(&t->talk, &out, &why);
	if (error != 0) {
		forget_socket(t);
		die("%s: %s", t->policy->name,
		    why.len > 0	       ? buf_cstr(&why) :
			error == EBUSY ? "it cannot be traced now" :
					 strerror(error));
	}
	buf_clear(&out);
	buf_clear(&why);
}

int
cmd_sandbox_trace(int argc, char *argv[])
{
	struct tracing t = { .socket_fd = -1 };
	struct instance in;

	need_overlays();
	parse(&t, argc, argv);
	instance_open(&in);
	if (instance_pid(&in) <= 0)
		die("the mail system is not running");
	t.in = &in;
	t.socket_fd = listen_here(&in);
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	signal(SIGPIPE, SIG_IGN);
	ask(&t);
	run(&t);
	forget_socket(&t);
	if (opt.json)
		show_json(&t);
	else
		show(&t);
	if (t.processes == 0)
		say("no process of %s has reported: see the log",
		    t.policy->name);
	instance_clear(&in);
	return t.processes == 0 ? EXIT_UNSURE : 0;
}
