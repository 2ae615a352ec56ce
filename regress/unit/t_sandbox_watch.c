/* SPDX-License-Identifier: ISC */
/*
 * Audits in rounds: a difference is said when it is seen twice, once, and is
 * gone with its process.  And who holds the other end of a channel.
 */
#include <sys/resource.h>

#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "sandbox/audit.h"
#include "sandbox/watch.h"
#include "sealed_child.h"

static unsigned said_n;
static char last_said[512];

static void
on_say(void *arg, int lvl, const char *text)
{
	(void)arg;
	(void)lvl;
	said_n++;
	strlcpy(last_said, text, sizeof(last_said));
}

static void
need_root(void)
{
	if (level != LEVEL_ROOT)
		skip();
#ifdef SANITIZED
	skip(); /* such a build is weaker by its own word */
#endif
}

/* One round over one process. */
static void
look(struct sandbox_watch *w, pid_t pid, const struct job *job)
{
	unsigned steps = 0;

	watch_add(w, pid, job->policy, &job->place, false);
	watch_begin(w);
	assert_true(watch_under_way(w));
	while (watch_step(w, getpid()))
		steps++;
	assert_int_equal(steps, 1);
	assert_false(watch_under_way(w));
}

static const char *
json(const struct sandbox_watch *w)
{
	static struct buf b;

	buf_clear(&b);
	buf_init(&b, 65536);
	watch_json(w, 60, &b);
	return buf_cstr(&b);
}

/*
 * Lower a limit of another process: its user may, without any privilege that
 * a container may lack.
 */
static void
lower_limit(pid_t pid, uid_t uid, gid_t gid, rlim_t files)
{
	struct rlimit limit = { files, files };
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (setgroups(0, NULL) == -1 ||
		    setresgid(gid, gid, gid) == -1 ||
		    setresuid(uid, uid, uid) == -1 ||
		    prlimit(pid, RLIMIT_NOFILE, &limit, NULL) == -1)
			_exit(errno);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void
test_rounds(void **state)
{
	struct sandbox_watch w = { .libexec = "/nonexistent/libexec/postern",
		.datadir = "/nonexistent",
		.say = on_say };
	struct job job = job_for("rewrite");
	char said[512], want[64];
	int channel;
	pid_t pid;

	(void)state;
	need_root();
	pid = start(&job, &channel, said, sizeof(said));
	assert_string_equal(said, "");
	/*
	 * This test is no installed program, and no broker either: two
	 * differences to begin with.
	 */
	look(&w, pid, &job);
	assert_true(w.again);
	assert_int_equal(said_n, 0);
	look(&w, pid, &job);
	assert_false(w.again);
	assert_int_equal(said_n, 2);
	assert_non_null(strstr(last_said, "sandbox audit: rewrite (pid "));
	assert_non_null(strstr(json(&w), "program: declared /nonexistent"));
	look(&w, pid, &job);
	assert_int_equal(said_n, 2);

	lower_limit(pid, job.place.uid, job.place.gid, 20);
	look(&w, pid, &job);
	assert_true(w.again);
	assert_int_equal(said_n, 2);
	look(&w, pid, &job);
	assert_int_equal(said_n, 3); /* only what is new */
	assert_non_null(
	    strstr(last_said, "limit nofile: declared 2048, measured 20"));
	snprintf(want, sizeof(want), "\"pid\":%d,", (int)pid);
	assert_non_null(strstr(json(&w), want));
	assert_non_null(strstr(json(&w), "limit nofile"));
	lower_limit(pid, job.place.uid, job.place.gid, 15);
	look(&w, pid, &job);
	look(&w, pid, &job);
	assert_int_equal(said_n, 4); /* it has changed */

	assert_true(watch_forget(&w, pid));
	assert_false(watch_forget(&w, pid));
	assert_non_null(strstr(json(&w), "\"alarms\":[]}"));
	assert_int_equal(finish(pid, channel), 0);
	job_end(&job);
	free(w.found);
}

/* Gone while it was to be looked at: no alarm. */
static void
test_gone(void **state)
{
	struct sandbox_watch w = { .libexec = "/x",
		.datadir = "/x",
		.say = on_say };
	struct job job = job_for("dns");
	unsigned before = said_n;

	(void)state;
	look(&w, 0x3fffffff, &job);
	look(&w, 0x3fffffff, &job);
	assert_int_equal(said_n, before);
	assert_true(w.blind > 0);
	watch_add(&w, 4, job.policy, &job.place, false);
	watch_begin(&w);
	watch_forget(&w, 4); /* its number may be somebody else's now */
	while (watch_step(&w, getpid()))
		;
	assert_int_equal(said_n, before);
	job_end(&job);
	free(w.found);
}

static const struct audit_row *
find_row(const struct audit *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->rows[i].wall, name) == 0)
			return &a->rows[i];
	}
	return NULL;
}

/* The other end of its channel is in the hand of somebody who is none of us. */
static void
test_stranger(void **state)
{
	struct job job = job_for("rewrite");
	struct audit_who who[2];
	struct audit_of of = { .policy = job.policy, .place = &job.place };
	const struct audit_row *row;
	struct audit_peers *peers;
	struct audit a;
	char said[512];
	int channel;

	(void)state;
	need_root();
	of.pid = start(&job, &channel, said, sizeof(said));
	assert_string_equal(said, "");
	who[0] = (struct audit_who){ of.pid, "rewrite" };
	peers = audit_peers_read(who, 1);
	assert_non_null(peers);
	of.peers = peers;
	assert_int_equal(sandbox_audit(&of, &a), 1);
	row = find_row(&a, "channel to the broker");
	assert_non_null(row);
	assert_int_equal(row->verdict, AUDIT_WEAKER);
	assert_non_null(strstr(row->measured, "none of ours"));
	audit_clear(&a);
	audit_peers_free(&peers);

	/* In the broker's hand it is where it ought to be; in gate's not. */
	who[1] = (struct audit_who){ getpid(), "broker" };
	of.peers = peers = audit_peers_read(who, 2);
	assert_int_equal(sandbox_audit(&of, &a), 0);
	assert_null(find_row(&a, "channel to the broker"));
	row = find_row(&a, "slot 3 broker");
	assert_non_null(strstr(row->measured, " to broker "));
	audit_clear(&a);
	audit_peers_free(&peers);
	who[1].component = "gate";
	of.peers = peers = audit_peers_read(who, 2);
	assert_int_equal(sandbox_audit(&of, &a), 1);
	assert_non_null(find_row(&a, "channel to the broker"));
	audit_clear(&a);
	audit_peers_free(&peers);
	assert_int_equal(finish(of.pid, channel), 0);
	job_end(&job);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_stranger),
	};

	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	return cmocka_run_group_tests(tests, setup, teardown);
}
