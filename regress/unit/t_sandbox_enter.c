/* SPDX-License-Identifier: ISC */
/*
 * Every policy is entered for real, by a child made as the launcher makes
 * them, and attested from outside.  As root with every wall; otherwise with
 * what the probe says can be had.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/fd.h"
#include "sandbox/attest.h"
#include "sandbox/policy.h"
#include "sandbox/sandbox.h"
#include "sealed_child.h"

static void
test_all(void **state)
{
	struct evidence ev;
	char said[512], err[512];
	size_t seen = 0;
	int channel;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);
		struct job job;

		if ((p->walls & WALL_SECCOMP) == 0)
			continue;
		job = job_for(p->name);
		pid = start(&job, &channel, said, sizeof(said));
		if (said[0] != '\0')
			fail_msg("%s: %s", p->name, said);
		if (sandbox_attest(pid, p, &job.place, &cradle, job.filter_fd,
			&ev, err, sizeof(err)) == -1)
			fail_msg("%s", err);
		if (level == LEVEL_ROOT) {
			assert_int_equal(ev.filter_equal, 1);
			assert_int_equal(ev.cap_bnd, 0);
			assert_int_equal(ev.root_empty, 1);
			assert_int_equal(ev.uid[3], 4711);
		}
		assert_int_equal(finish(pid, channel), 0);
		job_end(&job);
		seen++;
	}
	assert_true(seen >= 15);
}

/* Someone else's filter, a place it is not in: both are noticed. */
static void
test_attest_notices(void **state)
{
	struct job job = job_for("smtpd");
	const struct policy *qmgr = policy_find(STR("qmgr"));
	struct sandbox_place other = job.place;
	struct evidence ev;
	char said[512], err[512];
	int channel, fd;
	pid_t pid;

	(void)state;
	if (level != LEVEL_ROOT)
		skip();
	pid = start(&job, &channel, said, sizeof(said));
	assert_string_equal(said, "");
	fd = sandbox_filter(qmgr, err, sizeof(err));
	assert_int_equal(sandbox_attest(pid, job.policy, &job.place, &cradle,
			     fd, &ev, err, sizeof(err)),
	    -1);
	assert_non_null(strstr(err, "seccomp"));
	assert_int_equal(ev.filter_equal, 0);
	close(fd);
	other.uid++;
	assert_int_equal(sandbox_attest(pid, job.policy, &other, &cradle,
			     job.filter_fd, &ev, err, sizeof(err)),
	    -1);
	assert_non_null(strstr(err, "uid"));
	/* A process that never sealed itself has nothing to show. */
	assert_int_equal(sandbox_attest(getpid(), job.policy, &job.place,
			     &cradle, job.filter_fd, &ev, err, sizeof(err)),
	    -1);
	assert_non_null(strstr(err, "nnp"));
	assert_int_equal(finish(pid, channel), 0);
	job_end(&job);
}

/* What a copy is attested by: pid's, where a first one showed `first'. */
static int
attest_copy(pid_t pid, const struct job *job, const struct sandbox_place *place,
    const struct evidence *first, char *err, size_t err_size)
{
	struct evidence ev;

	return sandbox_attest_copy(pid, job->policy, place, first,
	    job->filter_fd, &ev, err, err_size);
}

/* All that can be another with a copy is looked at with every one. */
static void
test_attest_copy(void **state)
{
	struct job job = job_for("smtpd"), other;
	struct sandbox_place elsewhere = job.place;
	struct evidence first, more;
	char said[512], err[512];
	int channel, filter_fd = job.filter_fd;
	pid_t pid;

	(void)state;
	if (level != LEVEL_ROOT)
		skip();
	pid = start(&job, &channel, said, sizeof(said));
	assert_string_equal(said, "");
	assert_int_equal(sandbox_attest(pid, job.policy, &job.place, &cradle,
			     job.filter_fd, &first, err, sizeof(err)),
	    0);
	assert_int_equal(finish(pid, channel), 0);

	pid = start(&job, &channel, said, sizeof(said));
	assert_string_equal(said, "");
	if (attest_copy(pid, &job, &job.place, &first, err, sizeof(err)) == -1)
		fail_msg("%s", err);
	elsewhere.gid++;
	assert_int_equal(attest_copy(pid, &job, &elsewhere, &first, err,
			     sizeof(err)),
	    -1);
	assert_non_null(strstr(err, "uid"));
	more = first;
	more.descriptors--;
	if (first.descriptors != -1) {
		assert_int_equal(attest_copy(pid, &job, &job.place, &more, err,
				     sizeof(err)),
		    -1);
		assert_non_null(strstr(err, "descriptors"));
	}
	more = first;
	more.threads++;
	assert_int_equal(attest_copy(pid, &job, &job.place, &more, err,
			     sizeof(err)),
	    -1);
	/* What was amiss with the first one is so with all. */
	more = first;
	more.root_empty = 0;
	assert_int_equal(attest_copy(pid, &job, &job.place, &more, err,
			     sizeof(err)),
	    -1);
	assert_non_null(strstr(err, "root"));
	other = job_for("qmgr");
	job.filter_fd = other.filter_fd;
	assert_int_equal(attest_copy(pid, &job, &job.place, &first, err,
			     sizeof(err)),
	    -1);
	assert_non_null(strstr(err, "seccomp"));
	job.filter_fd = filter_fd;
	assert_int_equal(finish(pid, channel), 0);
	job_end(&other);

	/* One of our own process id namespace. */
	cradle.waived |= WALL_PID;
	pid = start(&job, &channel, said, sizeof(said));
	cradle.waived = waived;
	assert_string_equal(said, "");
	assert_int_equal(attest_copy(pid, &job, &job.place, &first, err,
			     sizeof(err)),
	    -1);
	assert_non_null(strstr(err, "not standing: pid"));
	assert_int_equal(finish(pid, channel), 0);
	/* A process that never sealed itself, with as many descriptors. */
	more = first;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	usleep(10000);
	more.descriptors = -1;
	assert_int_equal(attest_copy(pid, &job, &job.place, &more, err,
			     sizeof(err)),
	    -1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	job_end(&job);
}

/* A wall the configuration waives is left out, and only that one. */
static void
test_waived(void **state)
{
	struct job job = job_for("rewrite");
	struct evidence ev;
	char said[512], err[512];
	int channel;
	pid_t pid;

	(void)state;
	job.place.waived |= WALL_LANDLOCK | WALL_UTS | WALL_NNP;
	pid = start(&job, &channel, said, sizeof(said));
	if (level == LEVEL_ROOT) {
		/* Its capabilities are gone: without nnp there is no filter. */
		assert_non_null(strstr(said, "wall seccomp"));
		assert_int_equal(WEXITSTATUS(finish(pid, channel)), 103);
	} else {
		finish(pid, channel);
	}
	job.place.waived &= ~(uint32_t)WALL_NNP;
	pid = start(&job, &channel, said, sizeof(said));
	assert_string_equal(said, "");
	assert_int_equal(sandbox_attest(pid, job.policy, &job.place, &cradle,
			     job.filter_fd, &ev, err, sizeof(err)),
	    0);
	assert_int_equal(ev.stand & WALL_UTS, 0);
	job.place.waived = waived;
	/* In a user namespace this child, never exec'd, is not ours to read. */
	if (level == LEVEL_ROOT) {
		assert_int_equal(sandbox_attest(pid, job.policy, &job.place,
				     &cradle, job.filter_fd, &ev, err,
				     sizeof(err)),
		    -1);
		assert_non_null(strstr(err, "uts"));
	}
	assert_int_equal(finish(pid, channel), 0);
	job_end(&job);
}

/* Root is nobody's own user; a filter that can change is no filter. */
static void
test_refuses(void **state)
{
	struct job job = job_for("logd");
	char said[512];
	int channel;
	pid_t pid;

	(void)state;
	if (level == LEVEL_ROOT) {
		job.place.uid = 0;
		pid = start(&job, &channel, said, sizeof(said));
		assert_non_null(strstr(said, "wall uid"));
		assert_int_equal(WEXITSTATUS(finish(pid, channel)), 103);
	}
	job.place = place_for(job.policy);
	fd_close(&job.filter_fd);
	job.filter_fd = memfd_new("open");
	assert_int_equal(fd_write_all(job.filter_fd, "12345678", 8), 0);
	pid = start(&job, &channel, said, sizeof(said));
	assert_non_null(strstr(said, "wall seccomp: reading"));
	assert_int_equal(WEXITSTATUS(finish(pid, channel)), 103);
	job_end(&job);
}

/* --- helper threads ------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int running, wanted, done;

static void *
helper(void *arg)
{
	pthread_mutex_lock(&lock);
	running++;
	pthread_cond_broadcast(&changed);
	while (wanted == 0)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	free(malloc(100000)); /* its own arena, or a shared one */
	if (fsync(SLOT_DIR) == -1)
		_exit(1);
	pthread_mutex_lock(&lock);
	done++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return arg;
}

static int
make_threads(void *arg)
{
	pthread_t t;

	for (int i = 0; i < 3; i++) {
		errno = pthread_create(&t, arg, helper, NULL);
		if (errno != 0)
			return -1;
	}
	pthread_mutex_lock(&lock);
	while (running < 3)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return 0;
}

static void
use_threads(void)
{
	pthread_mutex_lock(&lock);
	wanted = 1;
	pthread_cond_broadcast(&changed);
	while (done < 3)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void
test_threads(void **state)
{
	struct job job = job_for("qmgr");
	struct evidence ev;
	char said[512], err[512];
	int channel;
	pid_t pid;

	(void)state;
	job.place.threads = make_threads;
	job.sealed = use_threads;
	pid = start(&job, &channel, said, sizeof(said));
	assert_string_equal(said, "");
	if (sandbox_attest(pid, job.policy, &job.place, &cradle, job.filter_fd,
		&ev, err, sizeof(err)) == -1)
		fail_msg("%s", err);
	assert_int_equal(finish(pid, channel), 0);
	job_end(&job);
}

/* --- what sealed code may do with a directory ----------------------------- */

static bool touches; /* the policy lets it set a file's times */

static void
use_directory(void)
{
	const struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = 1234567 } };
	struct stat st;
	int fd;

	fd = beneath_open(SLOT_DIR, "file", O_RDWR | O_CREAT, 0600);
	if (fd == -1 || pwrite(fd, "x", 1, 0) != 1 || fsync(fd) == -1)
		_exit(11);
	if (sealed_fstat(fd, &st) == -1 || st.st_size != 1)
		_exit(12);
	if (beneath_open(SLOT_DIR, "../", O_RDONLY | O_DIRECTORY, 0) != -1 ||
	    errno != EXDEV)
		_exit(13);
	if (beneath_open(SLOT_DIR, "/", O_RDONLY | O_DIRECTORY, 0) != -1)
		_exit(14);
	/* Without RESOLVE_BENEATH: Landlock's turn. */
	if ((waived & WALL_LANDLOCK) == 0 &&
	    (renameat(SLOT_DIR, "file", SLOT_DIR, "../file") != -1 ||
		unlinkat(SLOT_DIR, "../file", 0) != -1))
		_exit(15);
	/* libc's names for it, by way of ours. */
	if (fstat(fd, &st) == -1 || st.st_size != 1 ||
	    fstatat(SLOT_DIR, "file", &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    st.st_size != 1 || !S_ISREG(st.st_mode))
		_exit(17);
	if (fstatat(SLOT_DIR, "../", &st, 0) != -1 || errno != EXDEV ||
	    fstatat(SLOT_DIR, "none", &st, 0) != -1 || errno != ENOENT)
		_exit(18);
	if (touches &&
	    (utimensat(SLOT_DIR, "file", ts, 0) == -1 || fstat(fd, &st) == -1 ||
		st.st_mtim.tv_sec != 1234567 || futimens(fd, ts) == -1))
		_exit(19);
	if (mkdirat(SLOT_DIR, "d", 0700) == -1 ||
	    renameat(SLOT_DIR, "file", SLOT_DIR, "d/file") == -1 ||
	    linkat(SLOT_DIR, "d/file", SLOT_DIR, "f2", 0) == -1 ||
	    unlinkat(SLOT_DIR, "d/file", 0) == -1 ||
	    unlinkat(SLOT_DIR, "f2", 0) == -1 ||
	    unlinkat(SLOT_DIR, "d", AT_REMOVEDIR) == -1)
		_exit(16);
	close(fd);
}

static void
test_directory(void **state)
{
	static const char *const names[] = { "qmgr", "mailbox" };
	char said[512];
	int channel, status;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < NELEM(names); i++) {
		struct job job = job_for(names[i]);

		job.sealed = use_directory;
		touches = strcmp(names[i], "qmgr") == 0;
		pid = start(&job, &channel, said, sizeof(said));
		status = finish(pid, channel);
		if (status != 0)
			fail_msg("%s: status %#x (%s)", names[i],
			    (unsigned)status, said);
		job_end(&job);
	}
}

static void
open_something(void)
{
	if (open("/", O_RDONLY) == -1)
		return;
}

/* A call outside the policy is the end. */
static void
test_kill(void **state)
{
	struct job job = job_for("smtpd");
	char said[512];
	int channel, status;
	pid_t pid;

	(void)state;
#ifdef SANITIZED
	skip(); /* such a build answers open() with an error */
#endif
	job.sealed = open_something;
	pid = start(&job, &channel, said, sizeof(said));
	assert_string_equal(said, "died");
	status = finish(pid, channel);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	job_end(&job);
}

static void
test_place(void **state)
{
	struct sandbox_place a = { .level = LEVEL_ROOT,
		.uid = 101,
		.gid = 4294967290U,
		.waived = WALL_MDWE,
		.filter_fd = 5 },
			     b;
	static const char *const bad[] = { "", "L2",
		"L3,uid=1,gid=1,"
		"filter=5,waived=0",
		"L2,uid=1,gid=1,filter=5,waived=0,x=1",
		"L2,gid=1,uid=1,filter=5,waived=0",
		"L2,uid=4294967295,gid=1,filter=5,waived=0",
		"L2,uid=1,gid=1,filter=9,waived=0",
		"L2,uid=1,gid=1,filter=-1,waived=0",
		"L2,uid=1,gid=1,filter=5,waived=99999999" };
	struct buf s;

	(void)state;
	buf_init(&s, 200);
	place_format(&a, &s);
	assert_int_equal(place_parse(buf_get(&s), &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	buf_reset(&s);
	a.filter_fd = -1;
	place_format(&a, &s);
	assert_int_equal(place_parse(buf_get(&s), &b), 0);
	assert_int_equal(b.filter_fd, -1);
	buf_clear(&s);
	for (size_t i = 0; i < NELEM(bad); i++) {
		if (place_parse(str_of(bad[i]), &b) != -1)
			fail_msg("accepted: %s", bad[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_attest_notices),
		cmocka_unit_test(test_attest_copy),
		cmocka_unit_test(test_waived),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_kill),
	};

	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	return cmocka_run_group_tests(tests, setup, teardown);
}
