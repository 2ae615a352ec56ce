/* SPDX-License-Identifier: ISC */
/*
 * Deliveries to the end of a file: what an mbox must look like, who may hold
 * it, and that trouble leaves it as it was.
 */
#include <sys/file.h>
#include <sys/wait.h>

#include <time.h>

#include "t_mailbox.h"

#define LOCKS (MAILBOX_DOTLOCK | MAILBOX_FLOCK | MAILBOX_FCNTL)

static struct delivery *
letter(struct box *b, const char *path, const char *content)
{
	struct delivery *d = delivery(b, path, "Return-Path: <s>\n", content);

	d->flags = LOCKS;
	return d;
}

static void
put(struct box *b, const char *path, const char *text)
{
	int fd = open(at(b, path), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

/* What there is, with the dates of From_ lines cut out. */
static char *
look(struct box *b, const char *path)
{
	char *text = content_of(at(b, path)), *p = text;

	assert_non_null(text);
	while ((p = strstr(p, "From ")) != NULL) {
		char *date = strstr(p, "  "), *nl = strchr(p, '\n');

		if ((p == text || p[-1] == '\n') && date != NULL && date < nl)
			memmove(date, nl, strlen(nl) + 1);
		p++;
	}
	return text;
}

static void
expect(struct box *b, const char *path, const char *want)
{
	char *text = look(b, path);

	assert_string_equal(text, want);
	free(text);
}

static void
test_form(void **state)
{
	struct box *b = *state;
	struct delivery *d = letter(b, "box",
	    "Subject: s\n\nFrom here\n>From there\nfrom low\nlast");
	struct stat st;

	mbox_write(d, b->buf);
	assert_int_equal(d->fate, FATE_SENT);
	assert_string_equal(d->text, "delivered to mailbox");
	expect(b, "box",
	    "From sender@example.com\nReturn-Path: <s>\n"
	    "Subject: s\n\n>From here\n>From there\nfrom low\n"
	    "last\n\n");
	assert_int_equal(stat(at(b, "box"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access(at(b, "box.lock"), F_OK), -1);
	forget(d);
	d = letter(b, "box", "two\n");
	d->sender[0] = '\0';
	mbox_write(d, b->buf);
	assert_int_equal(d->fate, FATE_SENT);
	expect(b, "box",
	    "From sender@example.com\nReturn-Path: <s>\n"
	    "Subject: s\n\n>From here\n>From there\nfrom low\n"
	    "last\n\nFrom MAILER-DAEMON\nReturn-Path: <s>\ntwo\n\n");
	forget(d);
}

/* Behind a torn message, or one of a program that ends it otherwise. */
static void
test_separate(void **state)
{
	static const struct {
		const char *before, *want;
	} cases[] = {
		{ "", "" },
		{ "From x\n\nbody\n\n", "From x\n\nbody\n\n" },
		{ "From x\n\nbody\n", "From x\n\nbody\n\n" },
		{ "From x\n\nbo", "From x\n\nbo\n\n" },
		{ "x", "x\n\n" },
	};
	struct box *b = *state;

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct delivery *d = letter(b, "box", "m\n");
		char *want = xasprintf("%sFrom sender@example.com\n"
				       "Return-Path: <s>\nm\n\n",
		    cases[i].want);

		put(b, "box", cases[i].before);
		mbox_write(d, b->buf);
		assert_int_equal(d->fate, FATE_SENT);
		expect(b, "box", want);
		free(want);
		forget(d);
	}
}

static void
test_limit(void **state)
{
	struct box *b = *state;
	struct delivery *d = letter(b, "box", "0123456789\n");

	put(b, "box", "0123456789\n\n");
	d->limit = 60;
	mbox_write(d, b->buf);
	assert_int_equal(d->fate, FATE_BOUNCED);
	assert_string_equal(d->dsn, "5.2.2");
	expect(b, "box", "0123456789\n\n");
	d->limit = 12;
	mbox_write(d, b->buf);
	assert_int_equal(d->fate, FATE_BOUNCED);
	d->limit = 600;
	mbox_write(d, b->buf);
	assert_int_equal(d->fate, FATE_SENT);
	forget(d);
}

static void
test_refused(void **state)
{
	struct box *b = *state;
	struct delivery *d;

	put(b, "real", "");
	assert_int_equal(symlink("real", at(b, "sym")), 0);
	assert_int_equal(link(at(b, "real"), at(b, "hard")), 0);
	assert_int_equal(mkdir(at(b, "dir"), 0700), 0);
	assert_int_equal(mkfifo(at(b, "fifo"), 0600), 0);
	for (int i = 0; i < 4; i++) {
		static const char *const bad[] = { "sym", "hard", "dir",
			"fifo" };

		d = letter(b, bad[i], "m\n");
		mbox_write(d, b->buf);
		if (d->fate != FATE_DEFERRED)
			fail_msg("%s was written to", bad[i]);
		forget(d);
	}
	expect(b, "real", "");
	if (geteuid() == 0) {
		put(b, "other", "");
		assert_int_equal(chown(at(b, "other"), 1, 1), 0);
		d = letter(b, "other", "m\n");
		mbox_write(d, b->buf);
		assert_int_equal(d->fate, FATE_DEFERRED);
		d->flags |= MAILBOX_FILE; /* of an alias: it need not be ours */
		mbox_write(d, b->buf);
		assert_int_equal(d->fate, FATE_SENT);
		forget(d);
	}
}

static void
test_kernel_locks(void **state)
{
	struct box *b = *state;

	for (int i = 0; i < 2; i++) {
		struct delivery *d = letter(b, "box", "m\n");
		struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		int fd;

		put(b, "box", "");
		fd = open(at(b, "box"), O_RDWR);
		if (i == 0)
			assert_int_equal(flock(fd, LOCK_EX), 0);
		else
			assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
		mbox_write(d, b->buf);
		assert_true(d->again);
		assert_int_equal(access(at(b, "box.lock"), F_OK), -1);
		/* In the end it gives up, for now. */
		d->tries = (unsigned)b->mb.lock_attempts - 1;
		mbox_write(d, b->buf);
		assert_false(d->again);
		assert_int_equal(d->fate, FATE_DEFERRED);
		close(fd);
		d->tries = 0;
		mbox_write(d, b->buf);
		assert_int_equal(d->fate, FATE_SENT);
		forget(d);
	}
}

static void
test_dotlock(void **state)
{
	struct box *b = *state;
	struct delivery *d = letter(b, "box", "m\n");
	struct timespec old[2] = { { .tv_sec = time(NULL) - 1000 },
		{ .tv_sec = time(NULL) - 1000 } };

	put(b, "box.lock", "");
	mbox_write(d, b->buf);
	assert_true(d->again);
	assert_int_equal(access(at(b, "box.lock"), F_OK), 0);
	/* Left by somebody who is no more. */
	assert_int_equal(utimensat(AT_FDCWD, at(b, "box.lock"), old, 0), 0);
	mbox_write(d, b->buf);
	assert_false(d->again);
	assert_int_equal(d->fate, FATE_SENT);
	assert_int_equal(access(at(b, "box.lock"), F_OK), -1);
	/* Not asked for: not looked at. */
	put(b, "box.lock", "");
	d->flags = MAILBOX_FLOCK;
	mbox_write(d, b->buf);
	assert_int_equal(d->fate, FATE_SENT);
	forget(d);
}

/* Another program writes with the same locks: no message is torn. */
static void
other_writer(struct box *b, int n)
{
	for (int i = 0; i < n; i++) {
		int lock, fd;

		while ((lock = open(at(b, "box.lock"),
			    O_WRONLY | O_CREAT | O_EXCL, 0600)) == -1)
			usleep(200);
		fd = open(at(b, "box"), O_WRONLY | O_APPEND | O_CREAT, 0600);
		while (flock(fd, LOCK_EX) == -1)
			;
		for (const char *p = "From other\n\nother\n\n"; *p != '\0'; p++)
			if (write(fd, p, 1) != 1)
				_exit(1);
		close(fd);
		unlink(at(b, "box.lock"));
		close(lock);
	}
	_exit(0);
}

static void
test_together(void **state)
{
	struct box *b = *state;
	int n = 60, got = 0, others = 0, status;
	pid_t pid = fork();
	char *text, *p;

	if (pid == 0)
		other_writer(b, n);
	for (int i = 0; i < n; i++) {
		struct delivery *d = letter(b, "box", "mine\n");

		do {
			mbox_write(d, b->buf);
			d->tries = 0;
			if (d->again)
				usleep(100);
		} while (d->again);
		if (d->fate != FATE_SENT)
			fail_msg("%s %s", d->dsn, d->text);
		forget(d);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	p = text = look(b, "box");
	while (*p != '\0') {
		static const char mine[] = "From sender@example.com\n"
					   "Return-Path: <s>\nmine\n\n";
		static const char other[] = "From other\n\nother\n\n";

		if (strncmp(p, mine, sizeof(mine) - 1) == 0) {
			got++;
			p += sizeof(mine) - 1;
		} else if (strncmp(p, other, sizeof(other) - 1) == 0) {
			others++;
			p += sizeof(other) - 1;
		} else {
			fail_msg("torn at: %.60s", p);
		}
	}
	assert_int_equal(got, n);
	assert_int_equal(others, n);
	free(text);
}

static void
test_disk_full(void **state)
{
	struct box *b = *state;
	char *big = xcalloc(1, 100001);
	struct delivery *d;

	if (!small_disk(b, 64)) {
		free(big);
		skip();
	}
	memset(big, 'x', 100000);
	put(b, "box", "From x\n\nbefore\n\n");
	d = letter(b, "box", big);
	mbox_write(d, b->buf);
	assert_int_equal(d->fate, FATE_DEFERRED);
	assert_string_equal(d->dsn, "4.2.2");
	expect(b, "box", "From x\n\nbefore\n\n");
	assert_int_equal(access(at(b, "box.lock"), F_OK), -1);
	forget(d);
	free(big);
	umount2(b->dir, MNT_DETACH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_form, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_separate, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_limit, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_refused, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_kernel_locks, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_dotlock, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_together, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_disk_full, box_setup,
		    box_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
