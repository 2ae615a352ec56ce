/* SPDX-License-Identifier: ISC */
/*
 * The configuration: read, and sent to the broker as a plan of who is to run
 * and what each is to be given.
 */
#include <sys/socket.h>


#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "command/command.h"
#include "conf/build.h"
#include "conf/conf.h"
#include "conf/netlist.h"
#include "edge/broker.h"
#include "net/interfaces.h"
#include "table/table.h"
#include "tls/files.h"
#include "tls/trust.h"

#include "launcher.h"

#define STOP_MS 5000 /* for what a process has to finish when told to end */

struct settings {
	struct build build;
	struct conf *main; /* main.cf without any service's overrides */
	int main_fd;
	unsigned generation;
};

static void
report_errors(const struct report *rep, struct buf *err)
{
	for (size_t i = 0; i < rep->n; i++) {
		char *line;

		if (rep->v[i].level != REPORT_ERROR)
			continue;
		line = report_line(&rep->v[i]);
		buf_printf(err, "%s%s", err->len > 0 ? "\n" : "", line);
		free(line);
	}
}

struct settings *
settings_read(const char *directory, unsigned generation, struct buf *err)
{
	struct settings *s = xcalloc(1, sizeof(*s));

	s->main_fd = -1;
	s->generation = generation;
	build_load(&s->build, directory);
	if (build_check(&s->build) == 0)
		s->main_fd = build_memfd(&s->build, NULL, generation);
	if (s->main_fd != -1)
		s->main = conf_open(s->main_fd);
	if (s->main == NULL) {
		report_errors(&s->build.rep, err);
		if (err->len == 0)
			buf_printf(err, "configuration: %s", strerror(errno));
		settings_free(&s);
	}
	return s;
}

void
settings_free(struct settings **sp)
{
	struct settings *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	conf_free(&s->main);
	fd_close(&s->main_fd);
	build_clear(&s->build);
	free(s);
}

/* --- what we need ourselves ----------------------------------------------- */

static void
set_text(char **p, struct str s)
{
	free(*p);
	*p = str_dup(s);
}

static int
parse_waived(const struct conf *c, uint32_t *out, struct buf *err)
{
	struct conf_list list = conf_list(c, P_SANDBOX_WAIVE);

	*out = 0;
	for (size_t i = 0; i < list.n; i++) {
		uint32_t bits;

		if (wall_parse(list.v[i].text, &bits) == -1) {
			buf_printf(err, "sandbox_waive: there is no wall \""
			    STR_FMT "\"", STR_ARG(list.v[i].text));
			return -1;
		}
		*out |= bits;
	}
	return 0;
}

int
settings_apply(struct launcher *l, const struct settings *s, struct buf *err)
{
	const struct conf *c = s->main;
	uint32_t waived;

	if (parse_waived(c, &waived, err) == -1)
		return -1;
	/* These are walls and owners of files: fixed while we run. */
	if (l->generation == 0) {
		l->waived = waived;
		l->uid_base = conf_int(c, P_SANDBOX_UID_BASE);
		set_text(&l->queue_dir, conf_str(c, P_QUEUE_DIRECTORY));
		set_text(&l->data_dir, conf_str(c, P_DATA_DIRECTORY));
	} else if (waived != l->waived ||
	    conf_int(c, P_SANDBOX_UID_BASE) != l->uid_base ||
	    !str_eq(conf_str(c, P_QUEUE_DIRECTORY), str_of(l->queue_dir))) {
		buf_printf(err, "sandbox_waive, sandbox_uid_base and "
		    "queue_directory change only with a stop and a start");
		return -1;
	}
	set_text(&l->log_path, conf_str(c, P_MAILLOG_FILE));
	set_text(&l->syslog_name, conf_str(c, P_SYSLOG_NAME));
	set_text(&l->hostname, conf_str(c, P_MYHOSTNAME));
	set_text(&l->virtual_base, conf_str(c, P_VIRTUAL_MAILBOX_BASE));
	set_text(&l->mail_spool, conf_str(c, P_MAIL_SPOOL_DIRECTORY));
	set_text(&l->default_privs, conf_str(c, P_DEFAULT_PRIVS));
	set_text(&l->mail_owner, conf_str(c, P_MAIL_OWNER));
	l->isolation = conf_is(c, P_SMTPD_ISOLATION, "connection");
	l->watch_ms = conf_ms(c, P_SANDBOX_AUDIT_INTERVAL);
	l->spool_mbox = conf_str(c, P_HOME_MAILBOX).n == 0;
	return 0;
}

/* --- tables --------------------------------------------------------------- */

struct table_walk {
	struct launcher *l;
	struct table_env env;
};

static void
add_name(struct launcher *l, enum launch_what what, struct str name)
{
	struct table_name *t;

	LIST_FOREACH(t, &l->tables, link)
		if (t->what == what && str_eq(name, str_of(t->name)))
			return;
	t = xcalloc(1, sizeof(*t));
	t->what = what;
	t->name = str_dup(name);
	LIST_INSERT_HEAD(&l->tables, t, link);
}

static int
add_table(void *arg, UNUSED enum table_file_kind kind, const char *path,
    UNUSED const char *source)
{
	struct table_walk *w = arg;

	add_name(w->l, OPEN_TABLE, str_of(path));
	return 0;
}

static void
add_tables(struct table_walk *w, struct conf_list list)
{
	for (size_t i = 0; i < list.n; i++)
		if (list.v[i].kind == CONF_TABLE)
			table_files(list.v[i].full, &w->env, add_table, w,
			    NULL);
}

/*
 * Every file behind a table that this snapshot names.  What is not a proper
 * table is lookup's to complain of.
 */
static void
collect_tables(struct launcher *l, const struct settings *s,
    const struct conf *c)
{
	struct table_walk w = { .l = l,
		.env = { .config_dir = s->build.dir } };
	struct conf_list classes = conf_list(c, P_SMTPD_RESTRICTION_CLASSES);

	for (unsigned id = 0; id < P_COUNT; id++) {
		if (params[id].status != PS_OK)
			continue; /* nobody reads it */
		switch (params[id].type) {
		case PT_LIST:
		case PT_MATCH:
		case PT_NETS:
		case PT_MAPS:
		case PT_RULES:
			break;
		default:
			continue;
		}
		add_tables(&w, conf_list(c, (enum param_id)id));
	}
	for (size_t i = 0; i < classes.n; i++)
		add_tables(&w, conf_named_list(c, classes.v[i].text));
	/* Users are looked up whether a table says so or not. */
	add_table(&w, TABLE_FILE_TEXT, "/etc/passwd", NULL);
}

/* --- sending -------------------------------------------------------------- */

static int
send_object(struct launcher *l, const char *component, enum grant_kind kind,
    size_t instance, struct str name, int fd)
{
	struct launch_object o = { .kind = (uint8_t)kind,
		.instance = (uint32_t)instance,
		.component = str_of(component), .name = str_sub(name, 0, 128) };
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy == -1)
		return -1;
	chan_tell(l->broker, LAUNCH_OBJECT, 0, &o, &copy);
	return 0;
}

/* What the site takes from policies: before anybody is known by one. */
static void
send_overlays(struct launcher *l)
{
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);
		struct launch_overlay o = { .component = str_of(p->name),
			.text = str_make(p->overlay_text, p->overlay_len) };

		if (p->overlay != NULL)
			chan_tell(l->broker, LAUNCH_OVERLAY, 0, &o, NULL);
	}
}

static int
send_run(struct launcher *l, const struct settings *s, const char *component,
    unsigned instances)
{
	struct launch_run r = { .instances = instances,
		.once = l->isolation && strcmp(component, "smtpd") == 0,
		.component = str_of(component) };
	int copy = fcntl(s->main_fd, F_DUPFD_CLOEXEC, 3);
	int keep = fcntl(s->main_fd, F_DUPFD_CLOEXEC, 3);

	if (copy == -1 || keep == -1)
		return -1;
	limit_plan(l, r.component, instances, keep);
	chan_tell(l->broker, LAUNCH_RUN, 0, &r, &copy);
	return 0;
}

/*
 * With a process for each session, so many at a time: what the policies of
 * their peers allow.  How many sessions there are is master.cf's to say.
 */
#define SESSIONS_MAX 1000

static unsigned
smtpd_workers(const struct settings *s)
{
	int64_t n = conf_int(s->main, P_SMTPD_WORKER_COUNT);

	if (conf_is(s->main, P_SMTPD_ISOLATION, "connection"))
		return SESSIONS_MAX;

	/* One processor is left to everybody else. */
	if (n == 0)
		n = (int64_t)s->build.host.cpus - 1;
	return n < 1 ? 1 : n > 64 ? 64 : (unsigned)n;
}

/* Is there a line in master.cf that this component serves? */
static bool
in_master(const struct settings *s, const char *component)
{
	for (size_t i = 0; i < s->build.master.n; i++)
		if (s->build.master.v[i].component != NULL &&
		    strcmp(s->build.master.v[i].component, component) == 0)
			return true;
	return false;
}

static int
send_components(struct launcher *l, const struct settings *s, struct buf *err)
{
	static const char *const always[] = { "logd", "dns", "lookup",
		"control" };
	static const char *const needed[] = { "rewrite", "cleanup", "qmgr",
		"bounce" };
	static const char *const listed[] = { "smtp", "local", "virtual",
		"pipe", "pickup" };
	int bad = 0;

	if (l->offline)
		return send_run(l, s, "logd", 1) |
		    send_run(l, s, "qmgr", 1) | send_run(l, s, "control", 1);
	for (size_t i = 0; i < NELEM(always); i++)
		bad |= send_run(l, s, always[i], 1);
	for (size_t i = 0; i < NELEM(needed); i++) {
		if (!in_master(s, needed[i])) {
			buf_printf(err, "%s/master.cf: there is no line for "
			    "%s, without which no mail flows", s->build.dir,
			    needed[i]);
			return -1;
		}
		bad |= send_run(l, s, needed[i], 1);
	}
	for (size_t i = 0; i < NELEM(listed); i++)
		if (in_master(s, listed[i]))
			bad |= send_run(l, s, listed[i], 1);
	if (in_master(s, "smtpd")) {
		bad |= send_run(l, s, "smtpd", smtpd_workers(s));
		bad |= send_run(l, s, "gate", 1);
	}
	/* Mailbox processes are made when there is mail for a user. */
	bad |= send_run(l, s, "mailbox", 0);
	if (bad != 0)
		buf_printf(err, "descriptors: %s", strerror(errno));
	return bad;
}

/* --- addresses to listen on ----------------------------------------------- */

static int
send_listeners(struct launcher *l, const struct settings *s,
    const struct service *sv, size_t index, struct buf *err)
{
	struct interfaces in;

	if (interfaces_find(s->main, str_of(sv->host), &in, err) == -1)
		return -1;
	for (size_t i = 0; i < in.n; i++) {
		int fd;

		in.v[i].port = sv->port_num;
		fd = listen_inet(l, &in.v[i], err);
		if (fd == -1 || send_object(l, "gate", GRANT_LISTENER, index,
		    str_of(sv->name), fd) == -1)
			return -1;
	}
	return 0;
}

/* Components that take the configurations of their lines. */
static bool
is_run(const char *component)
{
	static const char *const names[] = { "smtpd", "smtp", "local",
		"virtual", "cleanup", "qmgr", "rewrite", "bounce", "pickup",
		"pipe" };

	for (size_t i = 0; i < NELEM(names); i++)
		if (strcmp(component, names[i]) == 0)
			return true;
	return false;
}

/* The holder of keys runs if a service needs it, and may ask for its files. */
static void
send_keys(struct launcher *l, const struct settings *s, const struct conf *c)
{
	struct tls_file v[TLS_FILES_MAX];
	size_t n = tls_files(c, tls_side(c), v);

	for (size_t i = 0; i < n; i++)
		add_name(l, OPEN_KEY, v[i].name);
	if (l->keys_generation != s->generation)
		send_run(l, s, "keys", 1);
	l->keys_generation = s->generation;
}

/* Certificates of authorities, for a client that is to know some. */
static int
send_trust(struct launcher *l, const struct conf *c, size_t index,
    struct buf *err)
{
	bool lmtp = tls_side(c) == TLS_SIDE_LMTP;
	struct str file = conf_str(c, lmtp ? P_LMTP_TLS_CAFILE :
	    P_SMTP_TLS_CAFILE);
	struct str path = conf_str(c, lmtp ? P_LMTP_TLS_CAPATH :
	    P_SMTP_TLS_CAPATH);
	int fd, r;

	if (file.n == 0 && path.n == 0)
		return 0;
	fd = tls_trust_memfd(l->directory, file, path, err);
	r = send_object(l, "smtp", GRANT_FILE, index, STR("trust"), fd);
	fd_close(&fd);
	return r;
}

/*
 * Each line of master.cf: its configuration to the component that serves it
 * and to who helps it, its sockets to gate.
 */
static int
send_service(struct launcher *l, struct settings *s, size_t index,
    struct buf *err)
{
	const struct service *sv = &s->build.master.v[index];
	const char *to[4] = { sv->component };
	struct conf *c;
	int fd, n = 1, bad = 0;

	if (sv->component == NULL || !is_run(sv->component))
		return 0;
	fd = build_memfd(&s->build, sv, s->generation);
	c = fd == -1 ? NULL : conf_open(fd);
	if (c == NULL) {
		report_errors(&s->build.rep, err);
		fd_close(&fd);
		return -1;
	}
	collect_tables(l, s, c);
	if (strcmp(sv->component, "virtual") == 0 &&
	    conf_int(c, P_VIRTUAL_MINIMUM_UID) < l->virtual_min_next)
		l->virtual_min_next = conf_int(c, P_VIRTUAL_MINIMUM_UID);
	/* Its mailbox processes see what it sees of a user. */
	if (strcmp(sv->component, "local") == 0)
		limit_plan(l, STR(LOCAL_MAILBOX), 0,
		    fcntl(fd, F_DUPFD_CLOEXEC, 3));
	if (strcmp(sv->component, "smtp") == 0)
		bad |= send_trust(l, c, index, err);
	if (strcmp(sv->component, "smtpd") == 0) {
		image_object((uint32_t)index, str_of(sv->name), fd);
		to[n++] = "gate";
	}
	if (sv->opts.n > 0)
		to[n++] = "lookup";
	if (tls_needs_keys(c)) {
		send_keys(l, s, c);
		to[n++] = "keys";
	}
	while (n-- > 0)
		bad |= send_object(l, to[n], GRANT_CONFIG, index,
		    str_of(sv->name), fd);
	if (strcmp(sv->component, "pipe") == 0)
		order_config((int64_t)index, fd);
	conf_free(&c);
	close(fd);
	if (strcmp(sv->component, "smtpd") == 0 && sv->socket == CONF_INET)
		bad |= send_listeners(l, s, sv, index, err);
	return bad;
}

/* --- resolvers ------------------------------------------------------------ */

static int
send_resolver(struct launcher *l, struct str item)
{
	struct launch_resolver r;
	struct str host = item;
	uint64_t port = 53;
	ptrdiff_t colon = str_rchr(item, ':');
	struct net net;

	if (item.n > 0 && colon > 0 && (item.p[colon - 1] == ']' ||
	    str_chr(item, ':') == colon)) {
		host = str_sub(item, 0, (size_t)colon);
		if (str_u64(str_sub(item, (size_t)colon + 1, item.n), 65535,
		    &port) == -1)
			return -1;
	}
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = str_sub(host, 1, host.n - 1);
	if (net_parse(host, &net, NULL) == -1)
		return -1;
	memset(&r, 0, sizeof(r));
	r.addr.family = net.family == AF_INET ? 4 : 6;
	r.addr.port = (uint16_t)port;
	memcpy(r.addr.ip, net.addr, net.family == AF_INET ? 4 : 16);
	chan_tell(l->broker, LAUNCH_RESOLVER, 0, &r, NULL);
	return 0;
}

/* The system's resolvers, where main.cf names none. */
static void
send_system_resolvers(struct launcher *l)
{
	int fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC), sent = 0;
	struct str text, line, word;
	char *p = NULL;
	size_t n = 0;

	if (fd != -1 && fd_slurp(fd, 65536, &p, &n) == 0) {
		text = str_make(p, n);
		while (str_token(&text, "\n", &line))
			if (str_token(&line, " \t", &word) &&
			    str_eq(word, STR("nameserver")) &&
			    str_token(&line, " \t", &word) && sent < 3 &&
			    send_resolver(l, word) == 0)
				sent++;
	}
	fd_close(&fd);
	free(p);
	if (sent == 0)
		send_resolver(l, STR("127.0.0.1"));
}

static int
send_resolvers(struct launcher *l, const struct settings *s, struct buf *err)
{
	struct conf_list list = conf_list(s->main, P_DNS_SERVERS);

	if (list.n == 0)
		send_system_resolvers(l);
	for (size_t i = 0; i < list.n && i < 16; i++) {
		if (send_resolver(l, list.v[i].text) == -1) {
			buf_printf(err, "dns_servers: \"" STR_FMT "\" is no "
			    "address (write [192.0.2.1]:53)",
			    STR_ARG(list.v[i].text));
			return -1;
		}
	}
	return 0;
}

static int
send_log(struct launcher *l, struct buf *err)
{
	const char *kind = l->log_path[0] == '\0' ? "syslog" :
	    strncmp(l->log_path, "/dev/std", 8) == 0 ? "stderr" : "maillog";
	int fd = files_log(l), r;

	if (fd == -1) {
		if (strcmp(kind, "syslog") == 0)
			return 0; /* no syslog here: logd drops, and says so */
		buf_printf(err, "maillog_file %s: %s", l->log_path,
		    strerror(errno));
		return -1;
	}
	r = send_object(l, "logd", GRANT_FILE, 0, str_of(kind), fd);
	close(fd);
	return r;
}

static int
send_sockets(struct launcher *l, const struct settings *s, struct buf *err)
{
	int fd = l->offline ? listen_unix(l, "pid/control", 0600, err) :
	    listen_unix(l, "public/control", 0666, err);

	if (fd == -1 || send_object(l, "control", GRANT_LISTENER, 0,
	    STR("control"), fd) == -1)
		return -1;
	if (l->offline || !in_master(s, "pickup"))
		return 0;
	fd = listen_unix(l, "public/pickup", 0666, err);
	return fd == -1 ? -1 : send_object(l, "pickup", GRANT_LISTENER, 0,
	    STR("pickup"), fd);
}

static void
forget_tables(struct launcher *l)
{
	struct table_name *t;

	while ((t = LIST_FIRST(&l->tables)) != NULL) {
		LIST_REMOVE(t, link);
		free(t->name);
		free(t);
	}
}

int
settings_send(struct launcher *l, struct settings *s, struct buf *err)
{
	struct launch_planned p = { .generation = s->generation,
		.level = (uint8_t)l->cradle.level, .waived = l->waived,
		.stop_ms = STOP_MS, .throttle_ms = (uint32_t)conf_ms(s->main,
		P_SERVICE_THROTTLE_TIME), .pid = (uint32_t)getpid(),
		.directory = str_of(s->build.dir) };

	l->virtual_min_next = INT64_MAX;
	send_overlays(l);
	forget_tables(l);
	collect_tables(l, s, s->main);
	order_config(-1, s->main_fd);
	image_forget();
	if (send_components(l, s, err) != 0 || send_log(l, err) == -1 ||
	    send_resolvers(l, s, err) == -1 || send_sockets(l, s, err) == -1)
		return -1;
	for (size_t i = 0; i < s->build.master.n && !l->offline; i++)
		if (send_service(l, s, i, err) != 0)
			return -1;
	image_start(l);
	chan_tell(l->broker, LAUNCH_PLANNED, 0, &p, NULL);
	l->virtual_min = l->virtual_min_next;
	return 0;
}
