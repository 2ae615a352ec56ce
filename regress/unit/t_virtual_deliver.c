/* SPDX-License-Identifier: ISC */
/*
 * The virtual agent among players: what it asks, what it writes where, and
 * what it says became of each recipient.
 */
#include "t_agent.h"

#include "daemons/virtual/virtual.h"

#define TO(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define MESSAGE "Subject: s\n\nbody\n"

static const struct line lines[] = {
	{ "virtual_mailbox_maps", "bob@v.example", "v.example/bob/" },
	{ "virtual_mailbox_maps", "ann@v.example", "/v.example/ann" },
	{ "virtual_mailbox_maps", "later@v.example", NULL },
	{ "virtual_mailbox_maps", "nouid@v.example", "x/" },
	{ "virtual_mailbox_maps", "low@v.example", "x/" },
	{ "virtual_mailbox_maps", "root@v.example", "x/" },
	{ "virtual_mailbox_maps", "slash@v.example", "///" },
	{ "virtual_uid_maps", "bob@v.example", "1001" },
	{ "virtual_uid_maps", "ann@v.example", "1002" },
	{ "virtual_uid_maps", "low@v.example", "99" },
	{ "virtual_uid_maps", "root@v.example", "0" },
	{ NULL, NULL, NULL },
};

struct world {
	struct stage s;
	struct virtuald v;
	struct conf *conf;
	struct chan *ours[4];
};

static struct world *world;

static void
on_gone(struct chan *ch, const char *why, void *arg)
{
	struct virtuald *v = arg;

	(void)why;
	if (ch == v->lookup)
		v->lookup = NULL;
	if (ch == v->broker)
		v->broker = NULL;
	if (ch == v->qmgr) {
		deliver_forget(v, ch);
		v->qmgr = NULL;
	}
	chan_free(&ch);
}

static const struct chan_on none[] = { { 0, NULL } };

static int
setup(void **state)
{
	struct world *w = world = xcalloc(1, sizeof(*w));
	int fd;

	stage_init(&w->s, lines);
	w->conf = stage_conf("virtual_mailbox_maps = hash:/x\n"
			     "virtual_uid_maps = hash:/y\n"
			     "virtual_gid_maps = static:2000\n"
			     "virtual_mailbox_base = /mail\n"
			     "virtual_mailbox_limit = 1000\n");
	w->v.loop = w->s.loop;
	TAILQ_INIT(&w->v.jobs);
	maps_init(&w->v.maps, w->s.loop, &w->v.lookup);
	virtual_config(&w->v, w->conf);
	w->v.boxes = boxes_new(w->s.loop, &w->v.broker, 1000);
	w->s.job = stage_chan(&w->s, &edge_deliver, SIDE_A, job_on, &fd);
	w->v.qmgr = chan_new(w->s.loop, fd, &edge_deliver, SIDE_B, virtual_on,
	    on_gone, &w->v);
	w->s.lookup = stage_chan(&w->s, &edge_lookup, SIDE_B, lookup_on, &fd);
	w->v.lookup =
	    chan_new(w->s.loop, fd, &edge_lookup, SIDE_A, none, on_gone, &w->v);
	w->s.broker = stage_chan(&w->s, &edge_broker, SIDE_B, broker_on, &fd);
	w->v.broker =
	    chan_new(w->s.loop, fd, &edge_broker, SIDE_A, none, on_gone, &w->v);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	boxes_free(&w->v.boxes);
	chan_free(&w->v.qmgr);
	chan_free(&w->v.lookup);
	chan_free(&w->v.broker);
	maps_clear(&w->v.maps);
	stage_clear(&w->s);
	conf_free(&w->conf);
	free(w);
	return 0;
}

static void
test_delivers(void **state)
{
	struct world *w = *state;
	struct written *x = &w->s.written[0];

	stage_job(&w->s, "virtual", "from@example.com", MESSAGE,
	    TO("bob@v.example"));
	assert_int_equal(w->s.done, 1);
	assert_int_equal(w->s.fates[0].fate, FATE_SENT);
	assert_int_equal(w->s.nwritten, 1);
	assert_string_equal(x->who, "1001:2000");
	assert_string_equal(x->path, "v.example/bob/");
	assert_string_equal(x->content, MESSAGE);
	assert_string_equal(x->prefix,
	    "Return-Path: <from@example.com>\n"
	    "X-Original-To: bob@v.example\n"
	    "Delivered-To: bob@v.example\n");
	assert_int_equal(x->flags, MAILBOX_DOTLOCK | MAILBOX_FCNTL);
	assert_non_null(strstr(w->s.log,
	    "ABC123: to=<bob@v.example>, "
	    "relay=virtual, delay="));
	assert_non_null(strstr(w->s.log,
	    "dsn=2.0.0, status=sent (delivered "
	    "to maildir)"));
}

/* Several at once: each has its own outcome, the job one answer. */
static void
test_several(void **state)
{
	static const struct {
		const char *to;
		int fate;
		const char *dsn, *text;
	} want[] = {
		{ "bob@v.example", FATE_SENT, "2.0.0", "delivered to maildir" },
		{ "eve@v.example", FATE_BOUNCED, "5.1.1",
		    "unknown user: \"eve@v.example\"" },
		{ "later@v.example", FATE_DEFERRED, "4.3.0",
		    "virtual_mailbox_maps: table lookup problem: " },
		{ "nouid@v.example", FATE_DEFERRED, "4.3.5",
		    "mail system configuration error" },
		{ "low@v.example", FATE_DEFERRED, "4.3.5",
		    "mail system configuration error" },
		{ "root@v.example", FATE_DEFERRED, "4.3.5",
		    "mail system configuration error" },
		{ "slash@v.example", FATE_DEFERRED, "4.3.5",
		    "mail system configuration error" },
		{ "ann@v.example", FATE_SENT, "2.0.0", "delivered to maildir" },
	};
	struct world *w = *state;
	const char *to[NELEM(want) + 1] = { NULL };

	for (size_t i = 0; i < NELEM(want); i++)
		to[i] = want[i].to;
	stage_job(&w->s, "virtual", "", MESSAGE, to);
	assert_int_equal(w->s.done, 1);
	assert_int_equal(w->s.nfates, NELEM(want));
	for (size_t i = 0; i < NELEM(want); i++) {
		assert_int_equal(w->s.fates[i].fate, want[i].fate);
		assert_string_equal(w->s.fates[i].dsn, want[i].dsn);
		assert_string_equal(w->s.fates[i].text, want[i].text);
	}
	/* A path of the table lies below the base, however it begins. */
	assert_int_equal(w->s.nwritten, 2);
	for (int i = 0; i < 2; i++)
		if (strcmp(w->s.written[i].who, "1002:2000") == 0)
			assert_string_equal(w->s.written[i].path,
			    "v.example/ann");
	assert_int_equal(w->s.opened, 2);
}

/* Answers are remembered for a moment, mailboxes kept for a while. */
static void
test_remembers(void **state)
{
	struct world *w = *state;
	int questions;

	stage_job(&w->s, "virtual", "", MESSAGE, TO("bob@v.example"));
	questions = w->s.questions;
	assert_int_equal(questions, 2); /* the group is in the configuration */
	for (int i = 0; i < 10; i++)
		stage_job(&w->s, "virtual", "", MESSAGE, TO("Bob@V.example"));
	assert_int_equal(w->s.questions, questions);
	assert_int_equal(w->s.opened, 1);
	/* Not what could not be answered. */
	stage_job(&w->s, "virtual", "", MESSAGE, TO("later@v.example"));
	questions = w->s.questions;
	stage_job(&w->s, "virtual", "", MESSAGE, TO("later@v.example"));
	assert_int_equal(w->s.questions, questions + 1);
	/* A reload forgets. */
	virtual_config(&w->v, w->conf);
	questions = w->s.questions;
	stage_job(&w->s, "virtual", "", MESSAGE, TO("bob@v.example"));
	assert_int_equal(w->s.questions, questions + 2);
}

static void
test_loop(void **state)
{
	struct world *w = *state;

	stage_job(&w->s, "virtual", "",
	    "Received: x\nDelivered-To: BOB@v.example\nSubject: s\n\nb\n",
	    TO("bob@v.example", "ann@v.example"));
	assert_int_equal(w->s.fates[0].fate, FATE_BOUNCED);
	assert_string_equal(w->s.fates[0].dsn, "5.4.6");
	assert_string_equal(w->s.fates[0].text,
	    "mail forwarding loop for bob@v.example");
	assert_int_equal(w->s.fates[1].fate, FATE_SENT);
	/* What stands in the body is no header. */
	stage_job(&w->s, "virtual", "",
	    "Subject: s\n\nDelivered-To: bob@v.example\n", TO("bob@v.example"));
	assert_int_equal(w->s.fates[0].fate, FATE_SENT);
}

/* A header block that is larger than what is read of it at first. */
static void
test_loop_far(void **state)
{
	struct world *w = *state;
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < 3000; i++)
		buf_printf(&b, "X-%d: something\n", i);
	buf_puts(&b, "Delivered-To: bob@v.example\n\nbody\n");
	stage_job(&w->s, "virtual", "", buf_cstr(&b), TO("bob@v.example"));
	assert_int_equal(w->s.fates[0].fate, FATE_BOUNCED);
	buf_clear(&b);
}

/* A mailbox process that ends while we write: once more, then later. */
static void
test_box_dies(void **state)
{
	struct world *w = *state;

	w->s.dies = 1;
	stage_job(&w->s, "virtual", "", MESSAGE, TO("bob@v.example"));
	assert_int_equal(w->s.fates[0].fate, FATE_SENT);
	assert_int_equal(w->s.opened, 2);
	w->s.dies = 10;
	stage_job(&w->s, "virtual", "", MESSAGE, TO("bob@v.example"));
	assert_int_equal(w->s.fates[0].fate, FATE_DEFERRED);
	assert_string_equal(w->s.fates[0].dsn, "4.3.0");
}

static void
test_deferred(void **state)
{
	struct world *w = *state;

	w->s.fate = FATE_DEFERRED;
	stage_job(&w->s, "virtual", "", MESSAGE, TO("bob@v.example"));
	assert_int_equal(w->s.fates[0].fate, FATE_DEFERRED);
	assert_string_equal(w->s.fates[0].dsn, "4.2.2");
}

/* Without lookup nobody is known, and nobody is unknown. */
static void
test_no_lookup(void **state)
{
	struct world *w = *state;

	chan_free(&w->s.lookup);
	stage_job(&w->s, "virtual", "", MESSAGE, TO("bob@v.example"));
	assert_int_equal(w->s.fates[0].fate, FATE_DEFERRED);
	stage_job(&w->s, "virtual", "", MESSAGE, TO("bob@v.example"));
	assert_int_equal(w->s.fates[0].fate, FATE_DEFERRED);
	assert_string_equal(w->s.fates[0].dsn, "4.3.0");
}

/* A job without recipients, or with junk for them, is no job. */
static void
test_liar(void **state)
{
	struct world *w = *state;

	stage_job(&w->s, "virtual", "", MESSAGE, TO(NULL));
	assert_int_equal(w->s.lost, 1);
	assert_null(w->v.qmgr);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_delivers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remembers, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loop_far, setup, teardown),
		cmocka_unit_test_setup_teardown(test_box_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deferred, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_lookup, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_liar, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
