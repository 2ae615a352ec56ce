/* SPDX-License-Identifier: ISC */
/*
 * Status and reload.
 */
#include "mailctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "kin.h"
#include "sandbox/policy.h"
#include "sandbox/sandbox.h"

#define STATUS_MAX (16 << 20)

const char *
level_name(int64_t level)
{
	switch (level) {
	case LEVEL_ROOT:
		return "root";
	case LEVEL_USERNS:
		return "user namespace";
	case LEVEL_BARE:
		return "without privilege";
	}
	return "unknown";
}

void
age_text(int64_t seconds, char out[32])
{
	if (seconds < 60)
		snprintf(out, 32, "%ds", (int)seconds);
	else if (seconds < 3600)
		snprintf(out, 32, "%dm%02ds", (int)(seconds / 60),
		    (int)(seconds % 60));
	else if (seconds < 86400)
		snprintf(out, 32, "%dh%02dm", (int)(seconds / 3600),
		    (int)(seconds / 60 % 60));
	else
		snprintf(out, 32, "%" PRId64 "d%02dh", seconds / 86400,
		    (int)(seconds / 3600 % 24));
}

static void
print_waived(uint32_t waived)
{
	struct buf b;

	if (waived == 0)
		return;
	buf_init(&b, 1024);
	walls_names(waived, &b);
	printf("waived:        %s\n", buf_cstr(&b));
	buf_clear(&b);
}

static void
print_processes(struct json list)
{
	struct json p;
	char age[32];

	printf("\n%-12s %4s %8s %7s %-10s %6s %8s\n", "component", "inst",
	    "pid", "uid", "state", "starts", "age");
	while (json_each(&list, &p)) {
		age_text(json_num(json_find(p, "age")), age);
		printf("%-12.*s %4" PRId64 " %8" PRId64 " %7" PRId64
		       " %-10.*s %6" PRId64 " %8s\n",
		    STR_ARG(json_str(json_find(p, "component"))),
		    json_num(json_find(p, "instance")),
		    json_num(json_find(p, "pid")),
		    json_num(json_find(p, "uid")),
		    STR_ARG(json_str(json_find(p, "state"))),
		    json_num(json_find(p, "starts")), age);
	}
}

/*
 * Commands that run for mail: somebody's programs, behind no filter.  The
 * kernel tells of them.
 */
static void
print_commands(pid_t launcher)
{
	struct kin kin;
	uid_t uid;
	gid_t gid;

	kin_find(&kin, launcher);
	for (size_t i = 1; i < kin.n; i++) {
		if (strcmp(kin.v[i].program, "command") != 0)
			continue;
		kin_ids(kin.v[i].pid, &uid, &gid);
		printf("%-12s %4s %8d %7u runs, as that user, unconfined\n",
		    "command", "-", (int)kin.v[i].pid, (unsigned)uid);
	}
	kin_clear(&kin);
}

static void
put_commands(struct buf *b, pid_t launcher)
{
	const char *comma = "";
	struct kin kin;
	uid_t uid;
	gid_t gid;

	buf_puts(b, ",\"commands\":[");
	kin_find(&kin, launcher);
	for (size_t i = 1; i < kin.n; i++) {
		if (strcmp(kin.v[i].program, "command") != 0)
			continue;
		kin_ids(kin.v[i].pid, &uid, &gid);
		buf_printf(b, "%s{\"pid\":%d,\"uid\":%u}", comma,
		    (int)kin.v[i].pid, (unsigned)uid);
		comma = ",";
	}
	kin_clear(&kin);
	buf_putc(b, ']');
}

static void
print_queue(const struct control_numbers *n)
{
	printf("\nqueue: %" PRIu64 " active, %" PRIu64 " incoming, %" PRIu64
	       " deferred, %" PRIu64 " on hold, %" PRIu64
	       " in maildrop, %" PRIu64 " corrupt\n",
	    n->active, n->incoming, n->deferred, n->hold, n->maildrop,
	    n->corrupt);
	printf("since the start: %" PRIu64 " messages accepted, %" PRIu64
	       " recipients delivered\n",
	    n->accepted, n->delivered);
}

/* What the server's own audit has found; how many differences? */
static size_t
print_audit(struct json j, bool print)
{
	struct json list = json_find(j, "alarms"), a;
	char ago[32];
	size_t n = 0;

	while (json_each(&list, &a)) {
		n++;
		if (!print)
			continue;
		age_text((int64_t)time(NULL) - json_num(json_find(a, "since")),
		    ago);
		printf("ALARM:         " STR_FMT " (pid %" PRId64 "): " STR_FMT
		       ", since %s\n",
		    STR_ARG(json_str(json_find(a, "component"))),
		    json_num(json_find(a, "pid")),
		    STR_ARG(json_str(json_find(a, "text"))), ago);
	}
	if (print && n == 0 && json_num(json_find(j, "last")) > 0) {
		age_text((int64_t)time(NULL) - json_num(json_find(j, "last")),
		    ago);
		if (json_num(json_find(j, "unmeasurable")) > 0)
			printf("sandbox audit: no difference, %s ago; %" PRId64
			       " things could not be measured\n", ago,
			    json_num(json_find(j, "unmeasurable")));
		else
			printf("sandbox audit: equal, %s ago\n", ago);
	}
	return n;
}

static void
print_status(const struct instance *in, pid_t pid, struct json j,
    const struct control_numbers *n)
{
	printf("Postern " STR_FMT ", running as process %d\n",
	    STR_ARG(json_str(json_find(j, "version"))), (int)pid);
	printf("configuration: %s (generation %" PRId64 ")\n", in->dir,
	    json_num(json_find(j, "generation")));
	printf("queue:         %s\n", in->queue_dir);
	printf("level:         %s\n",
	    level_name(json_num(json_find(j, "level"))));
	print_waived((uint32_t)json_num(json_find(j, "waived")));
	if (json_str(json_find(j, "trace")).n > 0)
		printf("LEARNING MODE: what the policy of " STR_FMT " does not "
		       "allow is reported, and goes on\n",
		    STR_ARG(json_str(json_find(j, "trace"))));
	if (json_num(json_find(j, "violations")) > 0)
		printf("violations:    %" PRId64 " since the start; the last: "
		       STR_FMT "\n",
		    json_num(json_find(j, "violations")),
		    STR_ARG(json_str(json_find(j, "last_violation"))));
	print_audit(json_find(j, "audit"), true);
	print_processes(json_find(j, "processes"));
	if (json_num(json_find(j, "image")) > 0)
		printf("processes of smtpd are copies of process %" PRId64 "\n",
		    json_num(json_find(j, "image")));
	print_commands(pid);
	if (n != NULL)
		print_queue(n);
}

static void
print_json(const struct instance *in, pid_t pid, struct str status,
    const struct control_numbers *n)
{
	struct buf b;

	buf_init(&b, STATUS_MAX + 65536);
	buf_printf(&b, "{\"running\":true,\"pid\":%d,\"directory\":", (int)pid);
	json_put(&b, str_of(in->dir));
	buf_puts(&b, ",\"queue_directory\":");
	json_put(&b, str_of(in->queue_dir));
	buf_puts(&b, ",\"status\":");
	buf_str(&b, str_trim(status));
	put_commands(&b, pid);
	if (n != NULL)
		buf_printf(&b,
		    ",\"queue\":{\"active\":%" PRIu64 ",\"incoming\":%" PRIu64
		    ",\"deferred\":%" PRIu64 ",\"hold\":%" PRIu64
		    ",\"maildrop\":%" PRIu64 ",\"corrupt\":%" PRIu64
		    ",\"accepted\":%" PRIu64 ",\"delivered\":%" PRIu64 "}",
		    n->active, n->incoming, n->deferred, n->hold, n->maildrop,
		    n->corrupt, n->accepted, n->delivered);
	buf_puts(&b, "}\n");
	fwrite(b.base + b.off, 1, b.len, stdout);
	buf_clear(&b);
}

static int
down(const struct instance *in)
{
	if (opt.json)
		puts("{\"running\":false}");
	else if (opt.postfix)
		die("the Postfix mail system is not running");
	else
		printf("not running (%s)\n", in->dir);
	return EXIT_BAD;
}

static int
status(const struct instance *in, pid_t pid)
{
	struct control_numbers n;
	struct control_stats q;
	const struct control_rec *r;
	struct buf text, why;
	struct talk t;
	bool have, alarm;

	memset(&q, 0, sizeof(q));
	buf_init(&text, STATUS_MAX);
	buf_init(&why, 4096);
	if (!talk_open(&t, in)) {
		say("error: process %d runs, but does not answer: %s", (int)pid,
		    strerror(errno));
		return EXIT_UNSURE;
	}
	if (talk_admin(&t, ADMIN_STATUS, &text, &why) != 0)
		die("%s", buf_cstr(&why));
	talk_ask(&t, CONTROL_STATS, &q);
	r = talk_next(&t);
	have = r->type == CONTROL_NUMBERS;
	if (have)
		memcpy(&n, r->body, sizeof(n));
	if (opt.json)
		print_json(in, pid, buf_get(&text), have ? &n : NULL);
	else
		print_status(in, pid, json_of(buf_get(&text)),
		    have ? &n : NULL);
	talk_close(&t);
	alarm = print_audit(json_find(json_of(buf_get(&text)), "audit"),
		    false) > 0;
	buf_clear(&text);
	buf_clear(&why);
	return alarm ? EXIT_ALARM : 0;
}

int
cmd_status(int argc, char *argv[])
{
	struct instance in;
	pid_t pid;
	int r;

	(void)argv;
	if (argc != 1)
		die_usage("status takes no argument");
	instance_open(&in);
	pid = instance_pid(&in);
	if (pid == -1)
		die("%s/pid/master.pid: %s", in.queue_dir, strerror(errno));
	if (pid == 0) {
		r = down(&in);
	} else if (opt.postfix) {
		say("the Postfix mail system is running: PID: %d", (int)pid);
		r = 0;
	} else {
		r = status(&in, pid);
	}
	instance_clear(&in);
	return r;
}

/* --- reload --------------------------------------------------------------- */

/*
 * The launcher reads the configuration and says what is wrong with it; what
 * is in force stays in force then.  We look first, because we can show all of
 * it.
 */
int
cmd_reload(int argc, char *argv[])
{
	struct instance in;
	struct buf text, why;
	struct talk t;
	int error;

	(void)argv;
	if (argc != 1)
		die_usage("reload takes no argument");
	instance_open(&in);
	if (instance_pid(&in) == 0)
		die("the %s mail system is not running",
		    opt.postfix ? "Postfix" : "Postern");
	if (instance_report(&in, true) > 0 || in.conf == NULL)
		die("nothing has been reloaded: see the errors above");
	if (opt.postfix)
		say("refreshing the Postfix mail system");
	if (!talk_open(&t, &in))
		die("the mail system does not answer: %s", strerror(errno));
	buf_init(&text, 65536);
	buf_init(&why, 65536);
	error = talk_admin(&t, ADMIN_RELOAD, &text, &why);
	if (error != 0)
		die("nothing has been reloaded: %s",
		    why.len > 0 ? buf_cstr(&why) : strerror(error));
	talk_close(&t);
	buf_clear(&text);
	buf_clear(&why);
	instance_clear(&in);
	return 0;
}
