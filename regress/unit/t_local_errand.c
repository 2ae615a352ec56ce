/* SPDX-License-Identifier: ISC */
/*
 * The local agent among players: aliases, owners, .forward, files, users, and
 * mail that goes out again.
 */
#include "t_agent.h"

#include "daemons/local/local.h"

#define TO(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define MESSAGE "Subject: s\n\nbody\n"
#define AT "@local.example"

/* A name of 1005 bytes, which an address has just room for. */
#define TEN(x) x x x x x x x x x x
#define LONG TEN(TEN("zzzzzzzzzz")) "zzzzz"

static const struct line lines[] = {
	{ "user", "alice", "1001/home/alice" },
	{ "user", "bob", "1002/home/bob" },
	{ "user", "carol", "1003/home/carol" },
	{ "user", "dave", "1004/home/dave" },
	{ "user", "erin", "1005/home/erin" },
	{ "user", "fred", "1006/home/fred" },
	{ "user", "gina", "1007/home/gina" },
	{ "user", "hugo", "1008/home/hugo" },
	{ "user", "www-data", "1009/home/www" },
	{ "user", "root", "0/root" },
	{ "user", "refused", "1010/home/refused" },
	{ "user", "trouble", NULL },
	{ "user", "stuck", "1012/home/stuck" },
	{ "alias_maps", "chain1", "chain2" },
	{ "alias_maps", "chain2", "chain3" },
	{ "alias_maps", "chain3", "alice" },
	{ "alias_maps", "team", "alice, bob, x@elsewhere.example" },
	{ "alias_maps", "far", "x@elsewhere.example" },
	{ "alias_maps", "twice", "dup1, dup2" },
	{ "alias_maps", "dup1", "alice" },
	{ "alias_maps", "dup2", "Alice" AT },
	{ "alias_maps", "self", "self, x@elsewhere.example" },
	{ "user", "self", "1011/home/self" },
	{ "alias_maps", "ring1", "ring2" },
	{ "alias_maps", "ring2", "ring1" },
	{ "alias_maps", "list", "alice, x@elsewhere.example" },
	{ "alias_maps", "owner-list", "bob" },
	{ "alias_maps", LONG, "/var/files/log" },
	{ "alias_maps", "owner-" LONG, "bob" },
	{ "alias_maps", "direct", "\\dave" },
	{ "alias_maps", "null", "/dev/null" },
	{ "alias_maps", "file", "/var/files/log" },
	{ "alias_maps", "dirfile", "/var/files/maildir/" },
	{ "alias_maps", "gina-log", "/var/files/log" },
	{ "owner", "gina-log", "1007" },
	{ "alias_maps", "gina-list", ":include:/etc/fred" },
	{ "owner", "gina-list", "1007" },
	{ "include", "/etc/fred", "/var/files/log\n" },
	{ "owner", "/etc/fred", "1006" },
	{ "alias_maps", "cmd", "\"|/bin/cat\"" },
	{ "alias_maps", "both", "alice, |cat" },
	{ "alias_maps", "later", NULL },
	{ "alias_maps", "incl", ":include:/etc/list" },
	{ "alias_maps", "noincl", ":include:/etc/shadow" },
	{ "alias_maps", "broken", "\"alice" },
	{ "alias_maps", "quoted", "\"alice\"" },
	{ "alias_maps", "tilde", "~/box" },
	{ "alias_maps", "ext+full", "bob" },
	{ "alias_maps", "ext", "alice" },
	{ "include", "/etc/list",
	    "# members\nalice\nx@elsewhere.example, y@elsewhere.example\n" },
	{ "file", "bob/.forward", "# mine\nx@elsewhere.example\n" },
	{ "file", "carol/.forward", "\\carol, x@elsewhere.example\n" },
	{ "file", "dave/.forward", "x@elsewhere.example\n" },
	{ "file", "erin/.forward", "/home/erin/in/box\n/var/mail/erin\n" },
	{ "file", "erin/.forward+abroad", "/etc/motd\n" },
	{ "file", "erin/.forward+home", "~/in/box, \"~/in/my dir/\"\n" },
	{ "file", "fred/.forward", "REFUSED" },
	{ "file", "gina/.forward", "alice\n" },
	{ "file", "hugo/.forward+work", "w@elsewhere.example\n" },
	{ "file", "hugo/.forward", "h@elsewhere.example\n" },
	{ NULL, NULL, NULL },
};

struct world {
	struct stage s;
	struct local lo;
	struct conf *conf;
};

/* --- rewrite, qmgr's slots, cleanup --------------------------------------- */

static void
play_resolve(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct resolve_ask *q = rec;
	struct resolve_answer a = { .status = RESOLVE_OK };
	char *full = str_rchr(q->addr, '@') == -1 ?
	    xasprintf(STR_FMT AT, STR_ARG(q->addr)) :
	    str_dup(q->addr);

	(void)fds;
	(void)arg;
	a.addr = str_of(full);
	a.transport = str_ends(a.addr, STR(AT)) ? STR("local") : STR("smtp");
	if (str_ends(a.addr, STR("@bad.example")))
		a.status = RESOLVE_BAD;
	chan_answer(ch, RESOLVE_ANSWER, id, &a, NULL);
	free(full);
}

static void
give_slot(struct stage *s)
{
	struct spool_slot rec;
	char qid[32];
	int fd = memfd_new("slot");

	snprintf(qid, sizeof(qid), "NEW%u", (unsigned)++s->slots);
	rec.qid = str_of(qid);
	chan_tell(s->spool, SPOOL_SLOT, s->slots, &rec, &fd);
}

static void
play_want(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct stage *s = arg;

	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	while (s->slots < 2)
		give_slot(s);
}

static void
play_drop(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch;
	(void)id;
	(void)rec;
	(void)fds;
	give_slot(arg);
}

/* The message, and its envelope as a text. */
static void
play_message(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct intake_message *m = rec;
	struct spool_accepted ok = { .qid = m->qid };
	struct intake_refused no = { .code = 451,
		.dsn = STR("4.3.0"),
		.text = STR("not now") };
	struct stage *s = arg;
	struct env_reader er;
	struct envelope head;
	struct env_rcpt r;
	size_t n = 0;
	ssize_t k;

	k = fd_pread_all(fds[0], s->in_content, sizeof(s->in_content) - 1, 0);
	assert_true(k > 0);
	s->in_content[k] = '\0';
	env_open(&er, m->envelope);
	assert_int_equal(env_read_head(&er, &head), 0);
	assert_int_equal(head.origin, ENV_FROM_FORWARD);
	n = (size_t)snprintf(s->in_env, sizeof(s->in_env), "<" STR_FMT ">",
	    STR_ARG(head.sender));
	while (env_read_rcpt(&er, &r) == 1)
		n += (size_t)snprintf(s->in_env + n, sizeof(s->in_env) - n,
		    " " STR_FMT, STR_ARG(r.addr));
	env_close(&er);
	if (s->refuse) {
		chan_tell(ch, INTAKE_REFUSED, id, &no, NULL);
		return;
	}
	s->in++;
	chan_tell(s->spool, SPOOL_ACCEPTED, id, &ok, NULL);
	give_slot(s);
}

static const struct chan_on rewrite_on[] = { { RESOLVE_ASK, play_resolve },
	{ 0, NULL } };
static const struct chan_on spool_on[] = { { SPOOL_WANT, play_want },
	{ SPOOL_DROP, play_drop }, { 0, NULL } };
static const struct chan_on intake_on[] = { { INTAKE_MESSAGE, play_message },
	{ 0, NULL } };
static const struct chan_on none[] = { { 0, NULL } };

/* --- the world ------------------------------------------------------------ */

static struct chan *our_spool, *our_intake;

static void
on_gone(struct chan *ch, const char *why, void *arg)
{
	struct local *lo = arg;

	(void)why;
	if (ch == lo->lookup)
		lo->lookup = NULL;
	if (ch == lo->rewrite)
		lo->rewrite = NULL;
	if (ch == lo->broker)
		lo->broker = NULL;
	if (ch == lo->qmgr) {
		errand_forget(lo, ch);
		lo->qmgr = NULL;
	}
	if (ch == our_spool) {
		submit_qmgr_down(ch, 0, lo);
		our_spool = NULL;
	}
	if (ch == our_intake) {
		submit_cleanup_down(ch, 0, lo);
		our_intake = NULL;
	}
	chan_free(&ch);
}

static void
connect_all(struct world *w)
{
	struct local *lo = &w->lo;
	struct stage *s = &w->s;
	struct loop *l = s->loop;
	int fd;

	s->job = stage_chan(s, &edge_deliver, SIDE_A, job_on, &fd);
	lo->qmgr =
	    chan_new(l, fd, &edge_deliver, SIDE_B, local_on, on_gone, lo);
	s->lookup = stage_chan(s, &edge_lookup, SIDE_B, lookup_on, &fd);
	lo->lookup = chan_new(l, fd, &edge_lookup, SIDE_A, none, on_gone, lo);
	s->broker = stage_chan(s, &edge_broker, SIDE_B, broker_on, &fd);
	lo->broker = chan_new(l, fd, &edge_broker, SIDE_A, none, on_gone, lo);
	s->rewrite = stage_chan(s, &edge_resolve, SIDE_B, rewrite_on, &fd);
	lo->rewrite = chan_new(l, fd, &edge_resolve, SIDE_A, none, on_gone, lo);
	s->spool = stage_chan(s, &edge_spool, SIDE_B, spool_on, &fd);
	our_spool =
	    chan_new(l, fd, &edge_spool, SIDE_A, submit_spool_on, on_gone, lo);
	submit_qmgr_up(our_spool, 0, 0, lo);
	s->intake = stage_chan(s, &edge_intake, SIDE_B, intake_on, &fd);
	our_intake = chan_new(l, fd, &edge_intake, SIDE_A, submit_intake_on,
	    on_gone, lo);
	submit_cleanup_up(our_intake, 0, 0, lo);
}

static struct world *
world_new(const char *more)
{
	struct world *w = xcalloc(1, sizeof(*w));
	char *text =
	    xasprintf("alias_maps = hash:/x\nmyorigin = local.example\n"
		      "myhostname = mx.local.example\n"
		      "recipient_delimiter = +-\n%s",
		more);

	stage_init(&w->s, lines);
	w->conf = stage_conf(text);
	free(text);
	local_init(&w->lo, w->s.loop);
	local_config(&w->lo, w->conf);
	w->lo.boxes = boxes_new(w->s.loop, &w->lo.broker, 1000);
	connect_all(w);
	return w;
}

static void
world_free(struct world *w)
{
	boxes_free(&w->lo.boxes);
	chan_free(&w->lo.qmgr);
	chan_free(&w->lo.lookup);
	chan_free(&w->lo.rewrite);
	chan_free(&w->lo.broker);
	if (our_spool != NULL)
		submit_qmgr_down(our_spool, 0, &w->lo);
	if (our_intake != NULL)
		submit_cleanup_down(our_intake, 0, &w->lo);
	chan_free(&our_spool);
	chan_free(&our_intake);
	submit_clear(&w->lo.submit);
	maps_clear(&w->lo.maps);
	stage_clear(&w->s);
	conf_free(&w->conf);
	free(w);
}

/* --- tables of cases ------------------------------------------------------ */

struct routed {
	const char *to;
	int fate;
	const char *dsn;   /* beginning */
	const char *text;  /* beginning */
	const char *wrote; /* "who:root:path", NULL: nothing */
	const char *sent;  /* "<sender> rcpt ...", NULL: nothing */
	const char *why;
};

static void
check(struct world *w, const struct routed *c)
{
	char *to = xasprintf("%s" AT, c->to), wrote[512] = "";
	size_t n = 0;

	w->s.in_env[0] = '\0';
	stage_job(&w->s, "local", "from@example.com", MESSAGE, TO(to));
	for (int i = 0; i < w->s.nwritten; i++)
		n += (size_t)snprintf(wrote + n, sizeof(wrote) - n,
		    "%s%s:%d:%s", i > 0 ? " " : "", w->s.written[i].who,
		    w->s.written[i].root, w->s.written[i].path);
	if (w->s.done != 1 || w->s.fates[0].fate != c->fate ||
	    strncmp(w->s.fates[0].dsn, c->dsn, strlen(c->dsn)) != 0 ||
	    strncmp(w->s.fates[0].text, c->text, strlen(c->text)) != 0 ||
	    strcmp(wrote, c->wrote == NULL ? "" : c->wrote) != 0 ||
	    strcmp(w->s.in_env, c->sent == NULL ? "" : c->sent) != 0)
		fail_msg("%s (%s): fate %d, %s, \"%s\", wrote \"%s\", sent "
			 "\"%s\"",
		    c->to, c->why, w->s.fates[0].fate, w->s.fates[0].dsn,
		    w->s.fates[0].text, wrote, w->s.in_env);
	free(to);
}

static void
check_all(const char *more, const struct routed *v, size_t n)
{
	struct world *w = world_new(more);

	for (size_t i = 0; i < n; i++)
		check(w, &v[i]);
	world_free(w);
}

#define CHECK(more, v) check_all(more, v, NELEM(v))
#define X "x@elsewhere.example"
#define FROM "<from@example.com>"

static void
test_users(void **state)
{
	static const struct routed v[] = {
		{ "alice", FATE_SENT, "2.0.0", "delivered to m",
		    "alice:1:alice", NULL, "a user" },
		{ "Alice", FATE_SENT, "2.0.0", "delivered to m",
		    "alice:1:alice", NULL, "in any case" },
		{ "alice+x", FATE_SENT, "2.0.0", "delivered to m",
		    "alice:1:alice", NULL, "with an extension" },
		{ "alice+", FATE_SENT, "2.0.0", "delivered to m",
		    "alice:1:alice", NULL, "with an empty one" },
		{ "www-data", FATE_SENT, "2.0.0", "delivered to m",
		    "www-data:1:www-data", NULL,
		    "a name that has a delimiter in it" },
		{ "nobody", FATE_BOUNCED, "5.1.1", "unknown user: \"nobody\"",
		    NULL, NULL, "no user" },
		{ "Nobody+X", FATE_BOUNCED, "5.1.1",
		    "unknown user: \"nobody\"", NULL, NULL,
		    "whatever he is called" },
		{ "a/b", FATE_BOUNCED, "5.1.1", "unknown user", NULL, NULL,
		    "a name that is a path" },
		{ "root", FATE_DEFERRED, "4.2.0", "mail for the superuser",
		    NULL, NULL, "the superuser" },
		{ "trouble", FATE_DEFERRED, "4.3.0", "user database", NULL,
		    NULL, "no user database" },
		{ "refused", FATE_DEFERRED, "4.3.0",
		    "mailbox cannot be opened: no user", NULL, NULL,
		    "the broker says no" },
	};

	(void)state;
	CHECK("", v);
}

static void
test_mailboxes(void **state)
{
	static const struct routed home[] = {
		{ "alice", FATE_SENT, "2.", "", "alice:0:Maildir/", NULL,
		    "home_mailbox" },
	};
	static const struct routed spool[] = {
		{ "alice", FATE_SENT, "2.", "", "alice:1:alice/", NULL,
		    "mail_spool_directory with a slash" },
	};
	static const struct routed relay[] = {
		{ "nobody+x", FATE_SENT, "2.", "forwarded as NEW", NULL,
		    FROM " nobody+x" X, "luser_relay" },
	};
	static const struct routed later[] = {
		{ "alice", FATE_SENT, "2.0.0",
		    "delivered to command: ", NULL, NULL,
		    "a command instead of a mailbox" },
	};

	(void)state;
	CHECK("home_mailbox = Maildir/\n", home);
	CHECK("mail_spool_directory = /m/\n", spool);
	CHECK("luser_relay = $user+${extension}" X "\n", relay);
	CHECK("mailbox_command = /usr/bin/procmail\n", later);
}

static void
test_aliases(void **state)
{
	static const struct routed v[] = {
		{ "chain1", FATE_SENT, "2.", "delivered", "alice:1:alice", NULL,
		    "one leads to one: no new message" },
		{ "quoted", FATE_SENT, "2.", "delivered", "alice:1:alice", NULL,
		    "quotes that need not be" },
		{ "tilde", FATE_BOUNCED, "5.1.1", "unknown user: \"~/box\"",
		    NULL, NULL, "an alias has no home" },
		{ "far", FATE_SENT, "2.", "forwarded as NEW", NULL, FROM " " X,
		    "an address elsewhere" },
		{ "team", FATE_SENT, "2.", "forwarded as NEW", NULL,
		    FROM " alice" AT " bob" AT " " X,
		    "several: each has its own fate" },
		{ "twice", FATE_SENT, "2.", "delivered", "alice:1:alice", NULL,
		    "the same user by two ways" },
		{ "self", FATE_SENT, "2.", "", "self:1:self", FROM " " X,
		    "an alias that means its user, too" },
		{ "ring1", FATE_BOUNCED, "5.4.6", "aliases lead back", NULL,
		    NULL, "a ring" },
		{ "list", FATE_SENT, "2.", "forwarded as NEW", NULL,
		    "<owner-list" AT "> alice" AT " " X, "with an owner" },
		{ "owner-list", FATE_SENT, "2.", "forwarded", NULL, FROM " " X,
		    "the owner himself, whose .forward counts" },
		{ "direct", FATE_SENT, "2.", "delivered", "dave:1:dave", NULL,
		    "a backslash: no .forward" },
		{ "ext+full", FATE_SENT, "2.", "forwarded", NULL, FROM " " X,
		    "the whole name comes first" },
		{ "ext+other", FATE_SENT, "2.", "delivered", "alice:1:alice",
		    NULL, "then without the extension" },
		{ "later", FATE_DEFERRED, "4.3.0", "alias database", NULL, NULL,
		    "a table that cannot be read" },
		{ "broken", FATE_DEFERRED, "4.3.5", "mail system conf", NULL,
		    NULL, "a quote that never ends" },
		{ "cmd", FATE_SENT, "2.0.0", "delivered to command: ", NULL,
		    NULL, "a command" },
		{ "both", FATE_SENT, "2.0.0", "delivered to command: cat", NULL,
		    FROM " alice" AT, "a command here, a user's mail goes on" },
		{ "incl", FATE_SENT, "2.", "forwarded", NULL,
		    FROM " alice" AT " " X " y@elsewhere.example",
		    "a list in a file, read in pieces" },
		{ "noincl", FATE_DEFERRED, "4.3.0", "cannot read an :incl",
		    NULL, NULL, "a file that lookup refuses" },
	};

	(void)state;
	CHECK("", v);
}

static void
test_owner(void **state)
{
	static const struct routed v[] = {
		{ "list", FATE_SENT, "2.", "forwarded as NEW", NULL,
		    "<bob" AT "> alice" AT " " X, "expand_owner_alias" },
	};

	(void)state;
	CHECK("expand_owner_alias = yes\n", v);
}

static void
test_files(void **state)
{
	static const struct routed v[] = {
		{ "null", FATE_SENT, "2.0.0", "delivered to file: /dev/null",
		    NULL, NULL, "the bottomless one" },
		{ "file", FATE_SENT, "2.0.0",
		    "delivered to file: /var/files/log", "0:/var/files:0:log",
		    NULL,
		    "by a process that has its directory, as default_privs" },
		{ "gina-log", FATE_SENT, "2.0.0",
		    "delivered to file: ", "1007:/var/files:0:log", NULL,
		    "with the rights of whoever owns the alias file" },
		{ LONG, FATE_SENT, "2.0.0", "delivered to file: ",
		    "0:/var/files:0:log", NULL,
		    "an owner whose address would be too long is none" },
		{ "dirfile", FATE_SENT, "2.0.0", "delivered to maildir",
		    "0:/var/files:0:maildir/", NULL, "a Maildir" },
		{ "erin", FATE_SENT, "2.0.0", "delivered to file: /home/erin/",
		    "erin:0:in/box erin:1:erin", NULL,
		    "of a .forward: by the user's process" },
		{ "erin+home", FATE_SENT, "2.0.0",
		    "delivered to file: /home/erin/in/box",
		    "erin:0:in/box erin:0:in/my dir/", NULL,
		    "~ is the user's home" },
		{ "ERIN+Home", FATE_SENT, "2.0.0",
		    "delivered to file: /home/erin/in/box",
		    "erin:0:in/box erin:0:in/my dir/", NULL,
		    "extensions are in lower case" },
		{ "erin+abroad", FATE_DEFERRED, "4.2.0",
		    "cannot append to file /etc/motd: it is outside", NULL,
		    NULL, "elsewhere" },
	};
	static const struct routed lists[] = {
		{ "gina-list", FATE_SENT, "2.0.0",
		    "delivered to file: ", "1006:/var/files:0:log", NULL,
		    "with the rights of whoever owns the list" },
	};
	static const struct routed no[] = {
		{ "file", FATE_BOUNCED, "5.7.1", "mail to files is restr", NULL,
		    NULL, "allow_mail_to_files" },
		{ "erin", FATE_SENT, "2.0.0", "delivered to file: ",
		    "erin:0:in/box erin:1:erin", NULL, "a .forward still may" },
	};

	(void)state;
	CHECK("", v);
	CHECK("allow_mail_to_files = include\n", lists);
	CHECK("allow_mail_to_files = forward\n", no);
}

static void
test_forward_files(void **state)
{
	static const struct routed v[] = {
		{ "bob", FATE_SENT, "2.", "forwarded as NEW", NULL, FROM " " X,
		    "all of it goes elsewhere" },
		{ "carol", FATE_SENT, "2.", "", "carol:1:carol", FROM " " X,
		    "and a copy stays" },
		{ "fred", FATE_SENT, "2.", "delivered", "fred:1:fred", NULL,
		    "one that others can write is not used" },
		{ "gina", FATE_SENT, "2.", "forwarded", NULL, FROM " alice" AT,
		    "to another user: a new message" },
		{ "hugo+work", FATE_SENT, "2.", "forwarded", NULL,
		    FROM " w@elsewhere.example", "one for the extension" },
		{ "hugo+play", FATE_SENT, "2.", "forwarded", NULL,
		    FROM " h@elsewhere.example", "none for this one" },
	};

	(void)state;
	CHECK("", v);
}

/* --- the new message ------------------------------------------------------ */

static void
test_new_message(void **state)
{
	struct world *w = world_new("");
	char *p;

	(void)state;
	stage_job(&w->s, "local", "from@example.com", MESSAGE, TO("far" AT));
	assert_int_equal(w->s.in, 1);
	p = strstr(w->s.in_content, "Delivered-To: ");
	assert_non_null(p);
	assert_string_equal(p, "Delivered-To: far" AT "\n" MESSAGE);
	assert_int_equal(strncmp(w->s.in_content,
			     "Received: by mx.local.example (", 31),
	    0);
	assert_non_null(strstr(w->s.in_content, "\tid NEW1; "));
	assert_non_null(strstr(w->s.log, "to=<far" AT ">, relay=local"));
	/* It comes back to us: an end of that. */
	stage_job(&w->s, "local", "from@example.com", w->s.in_content,
	    TO("far" AT));
	assert_int_equal(w->s.fates[0].fate, FATE_BOUNCED);
	assert_string_equal(w->s.fates[0].dsn, "5.4.6");
	assert_int_equal(w->s.in, 1);
	world_free(w);
}

/* Counted as delivered when it is on disk, and not before. */
static void
test_refused(void **state)
{
	struct world *w = world_new("");

	(void)state;
	w->s.refuse = 1;
	stage_job(&w->s, "local", "", MESSAGE, TO("far" AT, "alice" AT));
	assert_int_equal(w->s.fates[0].fate, FATE_DEFERRED);
	assert_string_equal(w->s.fates[0].text, "not now");
	assert_int_equal(w->s.fates[1].fate, FATE_SENT);
	world_free(w);
	w = world_new("");
	stage_job(&w->s, "local", "", MESSAGE, TO("alice" AT));
	chan_free(&w->s.intake);
	stage_job(&w->s, "local", "", MESSAGE, TO("far" AT));
	assert_int_equal(w->s.fates[0].fate, FATE_DEFERRED);
	world_free(w);
}

/* A mailbox process that does not start has a rest before it is asked for. */
static void
test_rest(void **state)
{
	struct world *w = world_new("");

	(void)state;
	for (int i = 0; i < 5; i++) {
		stage_job(&w->s, "local", "", MESSAGE, TO("stuck" AT));
		assert_int_equal(w->s.fates[0].fate, FATE_DEFERRED);
		assert_int_equal(w->s.unstarted, 2);
	}
	w->s.unstarted = -1; /* it does now */
	usleep(1100000);
	stage_job(&w->s, "local", "", MESSAGE, TO("stuck" AT));
	assert_int_equal(w->s.fates[0].fate, FATE_SENT);
	world_free(w);
}

/* What is delivered here has its own line when something else failed. */
static void
test_log(void **state)
{
	struct world *w = world_new("");

	(void)state;
	w->s.refuse = 1;
	stage_job(&w->s, "local", "", MESSAGE, TO("carol" AT));
	assert_int_equal(w->s.fates[0].fate, FATE_DEFERRED);
	assert_non_null(strstr(w->s.log, "to=<carol" AT ">, relay=local, "));
	assert_non_null(strstr(w->s.log, "status=sent (delivered to maildir)"));
	assert_non_null(strstr(w->s.log, "status=deferred (not now)"));
	world_free(w);
}

/* Peers that are not there put mail off; none is refused for that. */
static void
test_no_peers(void **state)
{
	struct world *w = world_new("");

	(void)state;
	chan_free(&w->s.rewrite);
	stage_job(&w->s, "local", "", MESSAGE, TO("team" AT));
	assert_int_equal(w->s.fates[0].fate, FATE_DEFERRED);
	chan_free(&w->s.lookup);
	stage_job(&w->s, "local", "", MESSAGE, TO("carol" AT));
	assert_int_equal(w->s.fates[0].fate, FATE_DEFERRED);
	stage_job(&w->s, "local", "", MESSAGE, TO("carol" AT));
	assert_int_equal(w->s.fates[0].fate, FATE_DEFERRED);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_forward_files),
		cmocka_unit_test(test_new_message),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_no_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
