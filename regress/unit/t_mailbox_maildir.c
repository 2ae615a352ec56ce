/* SPDX-License-Identifier: ISC */
/*
 * Deliveries into Maildirs: what is in new/ is a whole message, and nothing is
 * left behind when it cannot be one.
 */
#include "t_mailbox.h"

static void
test_first(void **state)
{
	struct box *b = *state;
	struct delivery *d =
	    delivery(b, "user/Maildir/", "X: 1\n", "Subject: s\n\nbody\n");
	static const char *const made[] = { "user", "user/Maildir",
		"user/Maildir/tmp", "user/Maildir/new", "user/Maildir/cur" };
	char path[512], *text;
	struct stat st;

	maildir_write(&d, 1, b->buf);
	assert_int_equal(d->fate, FATE_SENT);
	assert_string_equal(d->text, "delivered to maildir");
	assert_string_equal(d->dsn, "2.0.0");
	for (size_t i = 0; i < NELEM(made); i++) {
		assert_int_equal(stat(at(b, made[i]), &st), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
	}
	assert_int_equal(files_in(at(b, "user/Maildir/new"), path), 1);
	assert_int_equal(files_in(at(b, "user/Maildir/tmp"), NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_non_null(strstr(path, ".host.example"));
	text = content_of(path);
	assert_string_equal(text, "X: 1\nSubject: s\n\nbody\n");
	free(text);
	forget(d);
}

static void
test_edits(void **state)
{
	struct box *b = *state;
	struct delivery *d = delivery(b, "m/", "P: p\n", "Subject: old\n\nb");
	char path[512], *text;

	d->edits = xcalloc(2, sizeof(*d->edits));
	d->edits[0] = (struct env_edit){ 0, 0, STR("Date: d\n") };
	d->edits[1] = (struct env_edit){ 9, 3, STR("new") };
	d->nedits = 2;
	maildir_write(&d, 1, b->buf);
	assert_int_equal(d->fate, FATE_SENT);
	files_in(at(b, "m/new"), path);
	text = content_of(path);
	/* A last line without its end gets one. */
	assert_string_equal(text, "P: p\nDate: d\nSubject: new\n\nb\n");
	free(text);
	forget(d);
}

/* More than a write, more than a window, all of it there. */
static void
test_large(void **state)
{
	struct box *b = *state;
	size_t n = 300001;
	char *big = xmalloc(n + 1), path[512], *text;
	struct delivery *d;

	for (size_t i = 0; i < n; i++)
		big[i] = i % 77 == 76 ? '\n' : (char)('a' + i % 26);
	big[n - 1] = '\n';
	big[n] = '\0';
	d = delivery(b, "m/", "", big);
	maildir_write(&d, 1, b->buf);
	assert_int_equal(d->fate, FATE_SENT);
	files_in(at(b, "m/new"), path);
	text = content_of(path);
	assert_string_equal(text, big);
	free(text);
	free(big);
	forget(d);
}

static void
test_batch(void **state)
{
	struct box *b = *state;
	struct delivery *v[BATCH_MAX];

	/* Two Maildirs, and one mailbox that is refused among them. */
	assert_int_equal(symlink("/tmp", at(b, "out")), 0);
	for (int i = 0; i < BATCH_MAX; i++)
		v[i] = delivery(b,
		    i == 3    ? "out/postern-refused/" :
			i % 2 ? "a/" :
				"b/",
		    "", "m\n");
	maildir_write(v, BATCH_MAX, b->buf);
	for (int i = 0; i < BATCH_MAX; i++) {
		assert_int_equal(v[i]->fate,
		    i == 3 ? FATE_DEFERRED : FATE_SENT);
		assert_int_equal(v[i]->file_fd, -1);
		forget(v[i]);
	}
	assert_int_equal(files_in(at(b, "a/new"), NULL), BATCH_MAX / 2 - 1);
	assert_int_equal(files_in(at(b, "b/new"), NULL), BATCH_MAX / 2);
	assert_int_equal(access("/tmp/postern-refused", F_OK), -1);
}

/* A directory somebody removed comes again. */
static void
test_missing(void **state)
{
	struct box *b = *state;
	struct delivery *d = delivery(b, "m/", "", "1\n"), *d2;

	maildir_write(&d, 1, b->buf);
	assert_int_equal(rmdir(at(b, "m/tmp")), 0);
	assert_int_equal(rmdir(at(b, "m/cur")), 0);
	d2 = delivery(b, "m/", "", "2\n");
	maildir_write(&d2, 1, b->buf);
	assert_int_equal(d2->fate, FATE_SENT);
	assert_int_equal(files_in(at(b, "m/new"), NULL), 2);
	assert_int_equal(files_in(at(b, "m/cur"), NULL), 0);
	forget(d);
	forget(d2);
}

static void
test_limit(void **state)
{
	struct box *b = *state;
	struct delivery *d = delivery(b, "m/", "12345\n", "67890\n");

	d->limit = 11;
	maildir_write(&d, 1, b->buf);
	assert_int_equal(d->fate, FATE_BOUNCED);
	assert_string_equal(d->dsn, "5.2.2");
	assert_non_null(strstr(d->text, "File too large"));
	assert_int_equal(files_in(at(b, "m/new"), NULL), 0);
	assert_int_equal(files_in(at(b, "m/tmp"), NULL), 0);
	d->limit = 12;
	maildir_write(&d, 1, b->buf);
	assert_int_equal(d->fate, FATE_SENT);
	forget(d);
}

/* The content is shorter than was said: nothing of it is delivered. */
static void
test_short(void **state)
{
	struct box *b = *state;
	struct delivery *d = delivery(b, "m/", "", "short\n");

	d->size = 100;
	maildir_write(&d, 1, b->buf);
	assert_int_equal(d->fate, FATE_DEFERRED);
	assert_int_equal(files_in(at(b, "m/new"), NULL), 0);
	assert_int_equal(files_in(at(b, "m/tmp"), NULL), 0);
	forget(d);
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
	d = delivery(b, "m/", "", big);
	maildir_write(&d, 1, b->buf);
	assert_int_equal(d->fate, FATE_DEFERRED);
	assert_string_equal(d->dsn, "4.2.2");
	assert_int_equal(files_in(at(b, "m/new"), NULL), 0);
	assert_int_equal(files_in(at(b, "m/tmp"), NULL), 0);
	forget(d);
	d = delivery(b, "m/", "", "small\n");
	maildir_write(&d, 1, b->buf);
	assert_int_equal(d->fate, FATE_SENT);
	forget(d);
	free(big);
	umount2(b->dir, MNT_DETACH);
}

static void
test_paths(void **state)
{
	static const struct {
		const char *path;
		bool ok;
		const char *why;
	} cases[] = {
		{ "user/", true, "a Maildir" },
		{ "a/b/c", true, "a file below" },
		{ "user@example.com/", true, "an address" },
		{ "..x/y..", true, "dots that lead nowhere" },
		{ "", false, "nothing" },
		{ "/etc/passwd", false, "absolute" },
		{ "../x", false, "up" },
		{ "a/../../x", false, "up in between" },
		{ "a/..", false, "up at the end" },
		{ "..", false, "up alone" },
		{ "../", false, "up as a Maildir" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++)
		if (path_ok(str_of(cases[i].path)) != cases[i].ok)
			fail_msg("%s: %s", cases[i].path, cases[i].why);
	assert_false(path_ok(str_make("a\0b", 3)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_edits, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_large, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_batch, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_missing, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_limit, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_short, box_setup,
		    box_teardown),
		cmocka_unit_test(test_paths),
		cmocka_unit_test_setup_teardown(test_disk_full, box_setup,
		    box_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
