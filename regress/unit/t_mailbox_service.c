/* SPDX-License-Identifier: ISC */
/*
 * The mailbox component as its askers see it: requests over a channel, threads
 * at work, answers when all is on disk.
 */
#include <sys/socket.h>

#include "edge/edges.h"
#include "t_mailbox.h"

#define MANY 200

struct asker {
	struct box *b;
	struct chan *ch, *own; /* the asker's end, the component's */
	int sent, bounced, deferred, lost, want;
	int gone, idle;
	const char *why;
	uint8_t status;
	char text[512];
};

static void
on_own_gone(struct chan *ch, const char *why, void *arg)
{
	struct mailbox *mb = arg;
	struct asker *a = mb->idle_arg;

	a->why = why;
	a->gone++;
	mailbox_down(mb, ch);
	chan_free(&a->own);
	loop_stop(a->b->loop, 0);
}

static void
on_asker_gone(struct chan *ch, const char *why, void *arg)
{
	struct asker *a = arg;

	(void)ch;
	(void)why;
	chan_free(&a->ch);
}

static void
on_idle(void *arg)
{
	struct asker *a = arg;

	a->idle++;
	loop_stop(a->b->loop, 0);
}

static const struct chan_on nothing[] = { { 0, NULL } };

static void
start(struct asker *a, struct box *b, unsigned threads)
{
	int sv[2];

	*a = (struct asker){ .b = b };
	b->mb.pool = pool_new(b->loop, threads);
	assert_non_null(b->mb.pool);
	b->mb.idle = on_idle;
	b->mb.idle_arg = a;
	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			     sv),
	    0);
	a->ch = chan_new(b->loop, sv[0], &edge_mailbox, SIDE_A, nothing,
	    on_asker_gone, a);
	a->own = chan_new(b->loop, sv[1], &edge_mailbox, SIDE_B, mailbox_on,
	    on_own_gone, &b->mb);
	mailbox_up(&b->mb, a->own);
}

static void
finish(struct asker *a)
{
	if (a->own != NULL)
		mailbox_down(&a->b->mb, a->own);
	chan_free(&a->own);
	chan_free(&a->ch);
}

static void
on_written(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct mailbox_written *w = rec;
	struct asker *a = arg;

	(void)fds;
	if (type == 0)
		a->lost++;
	else if (w->fate == FATE_SENT)
		a->sent++;
	else if (w->fate == FATE_BOUNCED)
		a->bounced++;
	else
		a->deferred++;
	if (type != 0)
		str_copy(w->text, a->text, sizeof(a->text));
	if (a->sent + a->bounced + a->deferred + a->lost == a->want)
		loop_stop(a->b->loop, 0);
}

static void
ask(struct asker *a, const char *path, uint8_t root, struct str edits)
{
	struct mailbox_write w = { .root = root,
		.path = str_of(path),
		.sender = STR("s@example.com"),
		.prefix = STR("P: p\n"),
		.size = 3,
		.edits = edits };
	int fd = memfd_from("m", "m\n\n", 3);

	a->want++;
	chan_ask(a->ch, MAILBOX_WRITE, &w, &fd, on_written, a);
}

static void
test_many(void **state)
{
	struct box *b = *state;
	struct asker a;

	start(&a, b, MAILBOX_THREADS);
	for (int i = 0; i < MANY; i++)
		ask(&a,
		    i % 4 == 0 ? "box" :
			i % 2  ? "one/" :
				 "two/",
		    0, STR_NONE);
	loop_run(b->loop);
	assert_int_equal(a.sent, MANY);
	assert_int_equal(files_in(at(b, "one/new"), NULL), MANY / 2);
	assert_int_equal(files_in(at(b, "two/new"), NULL), MANY / 4);
	assert_int_equal(files_in(at(b, "one/tmp"), NULL), 0);
	assert_int_equal(b->mb.open, 0);
	finish(&a);
}

static void
test_answers(void **state)
{
	struct box *b = *state;
	struct asker a;

	start(&a, b, 0);
	ask(&a, "../out", 0, STR_NONE);
	loop_run(b->loop);
	assert_int_equal(a.bounced, 1);
	ask(&a, "box", MAILBOX_SPOOL, STR_NONE); /* there is none */
	loop_run(b->loop);
	assert_int_equal(a.deferred, 1);
	assert_string_equal(a.text, "the mail spool cannot be opened");
	finish(&a);
}

static void
test_liar(void **state)
{
	struct box *b = *state;
	struct asker a;

	start(&a, b, 0);
	ask(&a, "m/", 0, STR("no edits"));
	loop_run(b->loop);
	assert_int_equal(a.gone, 1);
	assert_string_equal(a.why, "edits that are none");
	assert_int_equal(files_in(at(b, "m/new"), NULL), -1);
	finish(&a);
}

/* Locked by another program: tried again, without a thread standing still. */
static void
unlock(void *arg)
{
	close((int)(intptr_t)arg);
}

static void
test_waits(void **state)
{
	struct box *b = *state;
	int fd = open(at(b, "box"), O_RDWR | O_CREAT, 0600);
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct mailbox_write w = { .flags = MAILBOX_FCNTL,
		.path = STR("box"),
		.size = 3 };
	int m = memfd_from("m", "m\n\n", 3);
	struct asker a;
	struct timer t;

	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	start(&a, b, 1);
	b->mb.lock_delay_ms = 10;
	a.want = 1;
	chan_ask(a.ch, MAILBOX_WRITE, &w, &m, on_written, &a);
	ask(&a, "m/", 0, STR_NONE); /* goes its way meanwhile */
	timer_init(&t, b->loop, unlock, (void *)(intptr_t)fd);
	timer_set(&t, 60);
	loop_run(b->loop);
	assert_int_equal(a.sent, 2);
	timer_clear(&t);
	finish(&a);
}

/* The asker goes while there is work: what has begun is finished. */
static void
test_asker_goes(void **state)
{
	struct box *b = *state;
	struct asker a;

	start(&a, b, 2);
	for (int i = 0; i < 100; i++)
		ask(&a, i % 2 ? "m/" : "box", 0, STR_NONE);
	chan_flush(a.ch);
	chan_free(&a.ch);
	loop_run(b->loop);
	assert_int_equal(a.gone, 1);
	while (b->mb.open > 0 || pool_busy(b->mb.pool) > 0) {
		struct timer t;

		timer_init(&t, b->loop, on_idle, &a);
		timer_set(&t, 5);
		loop_run(b->loop);
		timer_clear(&t);
	}
	assert_true(TAILQ_EMPTY(&b->mb.clients));
	assert_int_equal(files_in(at(b, "m/tmp"), NULL) > 0, 0);
	finish(&a);
}

/* --- reading -------------------------------------------------------------- */

static void
on_text(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct mailbox_text *t = rec;
	struct asker *a = arg;

	(void)fds;
	assert_int_equal(type, MAILBOX_TEXT);
	a->status = t->status;
	str_copy(t->text, a->text, sizeof(a->text));
	loop_stop(a->b->loop, 0);
}

static void
make(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
test_read(void **state)
{
	static const struct {
		const char *path;
		uint8_t want;
		const char *why;
	} cases[] = {
		{ "good", MAILBOX_READ_OK, "his, and nobody else's" },
		{ "own_group", MAILBOX_READ_OK, "a group of his own" },
		{ "none", MAILBOX_READ_NONE, "not there" },
		{ "nodir/x", MAILBOX_READ_NONE, "nor its directory" },
		{ "world", MAILBOX_READ_REFUSED, "anybody may write it" },
		{ "sym", MAILBOX_READ_REFUSED, "a symbolic link" },
		{ "dir", MAILBOX_READ_REFUSED, "a directory" },
		{ "fifo", MAILBOX_READ_REFUSED, "a pipe" },
		{ "huge", MAILBOX_READ_REFUSED, "too long" },
		{ "../etc/passwd", MAILBOX_READ_REFUSED, "elsewhere" },
		{ "empty", MAILBOX_READ_OK, "empty" },
	};
	struct box *b = *state;
	char *huge = xcalloc(1, MAILBOX_TEXT_MAX + 2);
	struct asker a;

	memset(huge, 'x', MAILBOX_TEXT_MAX + 1);
	make(at(b, "good"), "to@example.com\n", 0644);
	make(at(b, "own_group"), "x\n", 0660);
	make(at(b, "world"), "x\n", 0602);
	make(at(b, "huge"), huge, 0600);
	make(at(b, "empty"), "", 0600);
	assert_int_equal(symlink("good", at(b, "sym")), 0);
	assert_int_equal(mkdir(at(b, "dir"), 0700), 0);
	assert_int_equal(mkfifo(at(b, "fifo"), 0600), 0);
	start(&a, b, 1);
	named_birth(&b->mb, STR("u:/home/u"));
	b->mb.forward_path = xstrdup("$home/$user, $home/nodir/$user");
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct mailbox_read r = { .path = str_of(cases[i].path) };

		chan_ask(a.ch, MAILBOX_READ, &r, NULL, on_text, &a);
		loop_run(b->loop);
		if (a.status != cases[i].want)
			fail_msg("%s (%s): %d", cases[i].path, cases[i].why,
			    a.status);
		if (i == 0)
			assert_string_equal(a.text, "to@example.com\n");
	}
	free(huge);
	finish(&a);
}

/* Which files forward_path may mean. */
static void
test_forward_names(void **state)
{
	static const char usual[] =
	    "$home/.forward${recipient_delimiter}${extension}, $home/.forward";
	static const struct {
		const char *list, *path;
		bool want;
	} cases[] = {
		{ usual, ".forward", true },
		{ usual, ".forward+list", true },
		{ usual, ".forward+a/b", false },
		{ usual, ".forwar", false },
		{ usual, "x/.forward", false },
		{ usual, "Maildir/new/1.2.mx", false },
		{ usual, ".bashrc", false },
		{ "${home}/f/$user", "f/alice", true },
		{ "$(home)/f/$(user).x", "f/alice.x", true },
		{ "$(home)/f/$(user).x", "f/alice.y", false },
		{ "$home/f${extension?{.$extension}}", "f.x", true },
		{ "$home/f${extension?/x}", "f/x", true },
		{ "/home/$user/.forward", ".forward", true },
		{ "/home/$user/.forward", ".bashrc", false },
		{ "/home/$user/.forward", "x/.forward", false },
		{ "/home/$user/f/.forward", "f/.forward", true },
		{ "/home/$user/f/.forward", ".forward", false },
		{ "/home//$user/.forward", ".forward", false },
		{ "/var/forward/$user", ".bashrc", false },
		{ "", ".forward", false },
		{ "$", "x", false },
	};
	struct box *b = *state;

	named_birth(&b->mb, STR("u:/home/u"));
	for (size_t i = 0; i < NELEM(cases); i++) {
		free(b->mb.forward_path);
		b->mb.forward_path = xstrdup(cases[i].list);
		if (named_forward(&b->mb, str_of(cases[i].path)) !=
		    cases[i].want)
			fail_msg("%s: %s", cases[i].list, cases[i].path);
	}
}

static void
on_signed(unsigned type, const void *rec, int *fds, void *arg)
{
	struct asker *a = arg;

	(void)fds;
	assert_int_equal(type, MAILBOX_SIGNED);
	a->status = ((const struct mailbox_signed *)rec)->status;
	loop_stop(a->b->loop, 0);
}

static uint8_t
read_it(struct asker *a, const char *path)
{
	struct mailbox_read r = { .path = str_of(path) };

	chan_ask(a->ch, MAILBOX_READ, &r, NULL, on_text, a);
	loop_run(a->b->loop);
	return a->status;
}

static uint8_t
sign_it(struct asker *a, const char *path, const char *command)
{
	struct mailbox_sign q = { .path = str_of(path),
		.command = str_of(command) };

	chan_ask(a->ch, MAILBOX_SIGN, &q, NULL, on_signed, a);
	loop_run(a->b->loop);
	return a->status;
}

/*
 * A captured local: it reads and has signed what .forward says, and nothing
 * that lies about, though it were mail of its own making.
 */
static void
test_captured_asker(void **state)
{
	struct box *b = *state;
	struct asker a;

	make(at(b, ".forward"),
	    "|good, :include:/home/u/list\n/home/u//file, /home/u/dir/\n"
	    "/home/u/deep/er, /spool/other, /home/user/near\n",
	    0600);
	make(at(b, "list"), "|listed, :include:/home/u/more\n", 0600);
	make(at(b, "more"), "x\n", 0600);
	make(at(b, "mail"), "|evil\n", 0600);
	start(&a, b, 1);
	named_birth(&b->mb, STR("u:/home/u/"));
	b->mb.forward_path = xstrdup("$home/.forward");
	b->mb.home_mailbox = xstrdup("/Maildir/");
	b->mb.spool = xstrdup("/spool");
	assert_int_equal(mkdir(at(b, "spool"), 0700), 0);
	b->mb.root_fd[MAILBOX_SPOOL] =
	    open(at(b, "spool"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b->mb.key.have = true;
	assert_int_equal(read_it(&a, "mail"), MAILBOX_READ_NONE);
	assert_int_equal(read_it(&a, "list"), MAILBOX_READ_NONE);
	assert_int_equal(read_it(&a, ".forward"), MAILBOX_READ_OK);
	assert_int_equal(read_it(&a, "more"), MAILBOX_READ_NONE);
	assert_int_equal(read_it(&a, "list"), MAILBOX_READ_OK);
	assert_int_equal(read_it(&a, "more"), MAILBOX_READ_OK);
	assert_int_equal(read_it(&a, "mail"), MAILBOX_READ_NONE);
	assert_int_equal(sign_it(&a, ".forward", "good"), MAILBOX_READ_OK);
	assert_int_equal(sign_it(&a, ".forward", "evil"), MAILBOX_READ_NONE);
	assert_int_equal(sign_it(&a, "mail", "evil"), MAILBOX_READ_NONE);
	assert_int_equal(sign_it(&a, "list", "listed"), MAILBOX_READ_NONE);
	ask(&a, ".forward", 0, STR_NONE);
	ask(&a, ".bashrc", 0, STR_NONE);
	ask(&a, "Maildir/x", 0, STR_NONE);
	/* The end of a name that .forward has, here and in the other place. */
	ask(&a, "er", 0, STR_NONE);
	ask(&a, "near", 0, STR_NONE);
	ask(&a, "other", 0, STR_NONE);
	ask(&a, "file", 1, STR_NONE);
	/* The mailbox of somebody else. */
	ask(&a, "v", 1, STR_NONE);
	ask(&a, "u/new", 1, STR_NONE);
	loop_run(b->loop);
	assert_int_equal(a.deferred, 9);
	assert_int_equal(access(at(b, "er"), F_OK), -1);
	ask(&a, "Maildir/", 0, STR_NONE);
	ask(&a, "file", 0, STR_NONE);
	ask(&a, "dir/", 0, STR_NONE);
	ask(&a, "other", 1, STR_NONE);
	ask(&a, "u", 1, STR_NONE);
	loop_run(b->loop);
	assert_int_equal(a.sent, 5);
	assert_int_equal(access(at(b, "spool/other"), F_OK), 0);
	assert_int_equal(access(at(b, "spool/v"), F_OK), -1);
	fd_close(&b->mb.root_fd[MAILBOX_SPOOL]);
	finish(&a);
}

static void
ask_file(struct asker *a, const char *path, uint8_t flags, uint32_t expires,
    uint64_t ticket)
{
	struct mailbox_write w = { .flags = flags,
		.path = str_of(path),
		.sender = STR("s@example.com"),
		.size = 3,
		.expires = expires,
		.ticket = ticket };
	int fd = memfd_from("m", "m\n\n", 3);

	a->want++;
	chan_ask(a->ch, MAILBOX_WRITE, &w, &fd, on_written, a);
	loop_run(a->b->loop);
}

/*
 * The process of a directory with files of aliases writes those that lookup
 * signed for this directory and owner, and no others.
 */
static void
test_alias_files(void **state)
{
	const struct ticket_key tables = { .key = "tables' key 123",
		.have = true };
	const struct ticket_key ours =
	    ticket_file_key(&tables, STR("7:/var/l"));
	const struct ticket_key his = ticket_file_key(&tables, STR("8:/var/l"));
	const struct ticket_key next =
	    ticket_file_key(&tables, STR("7:/var/m"));
	uint32_t then = ticket_expiry();
#define SIGNED(k, kind, name, e) \
	ticket_command(&(k), kind, 0, STR_NONE, STR(name), e)
	uint64_t good = SIGNED(ours, COMMAND_FILE, "log", then);
	const struct {
		const char *path;
		uint8_t flags;
		uint32_t expires;
		uint64_t ticket;
	} bad[] = {
		{ "log", MAILBOX_FILE, then, 0 },
		{ "log", MAILBOX_FILE, then, good + 1 },
		{ "log", MAILBOX_FILE, then + 1, good },
		{ "log", 0, then, good },
		{ "log/", MAILBOX_FILE, then, good },
		{ "other", MAILBOX_FILE, then, good },
		{ "log", MAILBOX_FILE, then - 2 * TICKET_SECONDS,
		    SIGNED(ours, COMMAND_FILE, "log",
			then - 2 * TICKET_SECONDS) },
		{ "log", MAILBOX_FILE, then,
		    SIGNED(ours, COMMAND_ALIAS, "log", then) },
		{ "log", MAILBOX_FILE, then,
		    SIGNED(his, COMMAND_FILE, "log", then) },
		{ "log", MAILBOX_FILE, then,
		    SIGNED(next, COMMAND_FILE, "log", then) },
		{ "log", MAILBOX_FILE, then,
		    SIGNED(tables, COMMAND_FILE, "log", then) },
		{ "../l/log", MAILBOX_FILE, then,
		    SIGNED(ours, COMMAND_FILE, "../l/log", then) },
	};
	struct box *b = *state;
	struct asker a;
	struct str dir;

	start(&a, b, 1);
	b->mb.key = ours;
	for (size_t i = 0; i < NELEM(bad); i++)
		ask_file(&a, bad[i].path, bad[i].flags, bad[i].expires,
		    bad[i].ticket);
	assert_int_equal(a.sent, 0);
	assert_int_equal(access(at(b, "log"), F_OK), -1);
	ask_file(&a, "log", MAILBOX_FILE, then, good);
	ask_file(&a, "dir/", MAILBOX_FILE, then,
	    SIGNED(ours, COMMAND_FILE, "dir/", then));
	assert_int_equal(a.sent, 2);
	finish(&a);

	/* How lookup cuts them. */
	assert_true(str_eq(ticket_file_name(STR("/var/l/log"), &dir),
	    STR("log")));
	assert_true(str_eq(dir, STR("/var/l")));
	assert_true(str_eq(ticket_file_name(STR("/var/l/dir//"), &dir),
	    STR("dir//")));
	assert_true(str_eq(dir, STR("/var/l")));
	assert_true(str_eq(ticket_file_name(STR("/log"), &dir), STR("log")));
	assert_true(str_eq(dir, STR("/")));
}

/* With nobody there, and nothing in hand, it says so after a while. */
static void
test_idle(void **state)
{
	struct box *b = *state;
	struct asker a;

	start(&a, b, 1);
	ask(&a, "m/", 0, STR_NONE);
	loop_run(b->loop);
	chan_free(&a.ch);
	loop_run(b->loop);
	assert_int_equal(a.gone, 1);
	assert_int_equal(a.idle, 0);
	timer_set(&b->mb.linger, 1);
	loop_run(b->loop);
	assert_int_equal(a.idle, 1);
	finish(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_answers, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_liar, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_waits, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_asker_goes, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_read, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_forward_names, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_captured_asker, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_alias_files, box_setup,
		    box_teardown),
		cmocka_unit_test_setup_teardown(test_idle, box_setup,
		    box_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
