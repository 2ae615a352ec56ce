/* SPDX-License-Identifier: ISC */
/*
 * Orders for notices: who is told what, who is not, and what a notice looks
 * like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "daemons/bounce/bounce.h"
#include "intake_peers.h"
#include "log/log.h"
#include "mail/date.h"
#include "queue/qid.h"

#define WHEN 1795266000000000

struct rig {
	struct loop *loop;
	struct conf *conf;
	struct bounce b;
	struct chan *spool, *qmgr;
	struct chan *intake, *cleanup;
	struct chan *orders, *asker;
	unsigned nslots, given;
	int refuse;
	bool silent;
	/* the notices */
	unsigned n;
	char *text[4];
	char sender[4][128], rcpt[4][128];
	uint32_t flags;
	/* the answer */
	int status;
	char qid[QID_MAX + 1];
	struct timer timer;
};

static char said[4096];

static void
log_keep(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	size_t n = strlen(said);

	(void)level, (void)service, (void)when_us, (void)arg;
	snprintf(said + n, sizeof(said) - n, STR_FMT "\n", STR_ARG(text));
}

static void
give(struct rig *r)
{
	char name[QID_TEXT_MAX];
	struct spool_slot rec = { .qid = STR_NONE };
	int fd = memfd_new("slot");

	rec.qid = str_make(name, qid_format(1795266000100000 + r->given,
	    name));
	chan_tell(r->qmgr, SPOOL_SLOT, 1000 + r->given++, &rec, &fd);
}

static void
on_want(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct spool_want *w = rec;
	struct rig *r = arg;

	(void)ch, (void)id, (void)fds;
	for (; r->nslots < w->slots; r->nslots++)
		give(r);
}

static void
on_drop(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	(void)ch, (void)id, (void)rec, (void)fds, (void)arg;
}

static void
on_message(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct intake_message *m = rec;
	struct intake_refused no = { .text = STR("no") };
	struct spool_accepted a = { .qid = m->qid };
	struct env_reader er;
	struct envelope e;
	struct env_rcpt rc;
	struct rig *r = arg;

	if (r->silent) {
		loop_stop(r->loop, 0);
		return;
	}
	if (r->refuse != 0) {
		no.code = (uint16_t)r->refuse;
		chan_tell(ch, INTAKE_REFUSED, id, &no, NULL);
		return;
	}
	env_open(&er, m->envelope);
	assert_int_equal(env_read_head(&er, &e), 0);
	assert_int_equal(env_read_rcpt(&er, &rc), 1);
	assert_int_equal(e.origin, ENV_FROM_BOUNCE);
	r->flags = e.flags;
	assert_int_equal(str_copy(e.sender, r->sender[r->n], 128), 0);
	assert_int_equal(str_copy(rc.addr, r->rcpt[r->n], 128), 0);
	r->text[r->n++] = peers_edited(fds[0], m->envelope);
	chan_tell(r->qmgr, SPOOL_ACCEPTED, id, &a, NULL);
	give(r);
}

static const struct chan_on qmgr_on[] = { { SPOOL_WANT, on_want },
	{ SPOOL_DROP, on_drop }, { 0, NULL } };
static const struct chan_on cleanup_on[] = { { INTAKE_MESSAGE, on_message },
	{ 0, NULL } };
static const struct chan_on nothing[] = { { 0, NULL } };

static void
on_late(void *arg)
{
	struct rig *r = arg;

	loop_stop(r->loop, 1);
}

static void
up(struct rig *r, const char *main_cf)
{
	char *text = xasprintf("myhostname = mx.test\nmyorigin = origin.test\n"
	    "%s", main_cf);

	memset(r, 0, sizeof(*r));
	said[0] = '\0';
	r->loop = loop_new();
	r->conf = peers_conf(text);
	free(text);
	bounce_init(&r->b, r->loop, r->conf);
	peers_pair(r->loop, &edge_spool, &r->spool, submit_spool_on, &r->b,
	    &r->qmgr, qmgr_on, r);
	peers_pair(r->loop, &edge_intake, &r->intake, submit_intake_on,
	    &r->b, &r->cleanup, cleanup_on, r);
	peers_pair(r->loop, &edge_bounce, &r->asker, nothing, r, &r->orders,
	    orders_on, &r->b);
	timer_init(&r->timer, r->loop, on_late, r);
	submit_qmgr_up(r->spool, 0, 0, &r->b);
	submit_cleanup_up(r->intake, 0, 0, &r->b);
	orders_up(r->orders, 0, 0, &r->b);
}

static void
down(struct rig *r)
{
	timer_clear(&r->timer);
	bounce_clear(&r->b);
	chan_free(&r->spool);
	chan_free(&r->qmgr);
	chan_free(&r->intake);
	chan_free(&r->cleanup);
	chan_free(&r->orders);
	chan_free(&r->asker);
	conf_free(&r->conf);
	loop_free(&r->loop);
	for (unsigned i = 0; i < r->n; i++)
		free(r->text[i]);
}

/* --- orders --------------------------------------------------------------- */

static void
on_made(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct bounce_made *m = rec;
	struct rig *r = arg;

	(void)fds;
	r->status = type == BOUNCE_MADE ? m->status : -1;
	if (type == BOUNCE_MADE)
		(void)str_copy(m->qid, r->qid, sizeof(r->qid));
	loop_stop(r->loop, 0);
}

static const char original[] = "Subject: original\n"
			       "Message-Id: <orig@test>\n"
			       "\n"
			       "The secret body.\n";

struct rcpt {
	const char *addr, *orig, *orcpt;
	uint32_t notify;
	enum event_fate fate;
	const char *dsn, *mta, *reason;
};

static void
put_reports(struct buf *b, uint64_t qid, const struct rcpt *rcpts)
{
	for (uint32_t i = 0; rcpts[i].addr != NULL; i++) {
		struct event_range g = { i, 1 };
		struct env_rcpt r = { .addr = str_of(rcpts[i].addr),
			.orig = str_of(rcpts[i].orig),
			.orcpt = str_of(rcpts[i].orcpt),
			.notify = rcpts[i].notify };
		struct event e = { .type = EVENT_FATE, .fate = rcpts[i].fate,
			.ranges = &g, .nranges = 1,
			.dsn = str_of(rcpts[i].dsn),
			.mta = str_of(rcpts[i].mta),
			.reason = str_of(rcpts[i].reason) };

		assert_int_equal(env_put_rcpt(b, &r), 0);
		assert_int_equal(event_put(b, qid, &e), 0);
	}
}

/* Order a notice; 0 when an answer came. */
static int
order(struct rig *r, struct bounce_make m, const struct rcpt *rcpts)
{
	uint64_t qid = WHEN;
	char name[QID_TEXT_MAX];
	int fd = peers_memfd(original, sizeof(original) - 1);
	struct buf b;
	int rc;

	buf_init(&b, 30720);
	put_reports(&b, qid, rcpts);
	m.qid = str_make(name, qid_format(qid, name));
	m.arrived_us = WHEN;
	m.size = sizeof(original) - 1;
	m.reports = buf_get(&b);
	r->status = 99;
	chan_ask(r->asker, BOUNCE_MAKE, &m, &fd, on_made, r);
	timer_set(&r->timer, 1000);
	rc = loop_run(r->loop);
	buf_clear(&b);
	return rc;
}

static const struct rcpt failed[] = {
	{ "bob@far.test", "alias", NULL, 0, EVENT_FAILED, "5.1.1",
	    "mail.far.test[192.0.2.7]:25",
	    "host mail.far.test[192.0.2.7] said: 550 5.1.1 <bob@far.test>: no "
	    "such person (in reply to RCPT TO command)" },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL, NULL },
};

static const struct rcpt never[] = {
	{ "bob@far.test", NULL, NULL, ENV_NOTIFY_NEVER, EVENT_FAILED, "5.1.1",
	    NULL, "unknown user" },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL, NULL },
};

static const struct rcpt late[] = {
	{ "bob@far.test", NULL, "rfc822;b+ob@far.test", 0, EVENT_TRIED, "4.4.1",
	    NULL, "connect to far.test: timed out" },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL, NULL },
};

static const struct rcpt sent[] = {
	{ "bob@far.test", NULL, NULL, ENV_NOTIFY_SUCCESS, EVENT_RELAYED,
	    "2.0.0", NULL, "250 ok" },
	{ "eve@far.test", NULL, NULL, 0, EVENT_RELAYED, "2.0.0", NULL,
	    "250 ok" },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL, NULL },
};

static const struct {
	const char *why, *main_cf;
	uint8_t kind, ret;
	const char *sender;
	const struct rcpt *rcpts;
	int status;
	const char *to; /* "sender>rcpt ..." of the notices */
	const char *has[4], *lacks[2]; /* the first notice */
} cases[] = {
	{ "to the sender, with the message", "", BOUNCE_FAILED, 0, "al@b.test",
	    failed, 0, ">al@b.test",
	    { "Subject: Undelivered Mail Returned to Sender\n",
		"The secret body.\n", "Content-Type: message/rfc822\n",
		"(expanded from <" }, { "rfc822-headers" } },
	{ "RET=HDRS", "", BOUNCE_FAILED, ENV_RET_HDRS, "al@b.test", failed, 0,
	    ">al@b.test", { "Content-Type: text/rfc822-headers\n",
		"Subject: original\n" }, { "secret" } },
	{ "too large for all of it", "bounce_size_limit = 10\n", BOUNCE_FAILED,
	    0, "al@b.test", failed, 0, ">al@b.test",
	    { "Content-Type: text/rfc822-headers\n" }, { "secret" } },
	{ "larger than a message may be", "message_size_limit = 1800\n",
	    BOUNCE_FAILED, 0, "al@b.test", failed, 0, ">al@b.test",
	    { "Content-Type: text/rfc822-headers\n" }, { "secret" } },
	{ "just as large", "message_size_limit = 2100\n", BOUNCE_FAILED, 0,
	    "al@b.test", failed, 0, ">al@b.test", { "secret" }, { NULL } },
	{ "nobody wants to know", "", BOUNCE_FAILED, 0, "al@b.test", never, 2,
	    "", { NULL }, { NULL } },
	{ "but the postmaster does", "notify_classes = bounce\n",
	    BOUNCE_FAILED, 0, "al@b.test", never, 0,
	    "double-bounce@origin.test>postmaster",
	    { "Subject: Postmaster Copy: Undelivered Mail\n",
		"Subject: original\n" }, { "secret" } },
	{ "both", "notify_classes = bounce\nbounce_notice_recipient = pm@x\n",
	    BOUNCE_FAILED, 0, "al@b.test", failed, 0,
	    ">al@b.test double-bounce@origin.test>pm@x", { "secret" },
	    { "Postmaster" } },
	{ "a bounce that bounces", "", BOUNCE_FAILED, 0, "", failed, 2, "",
	    { NULL }, { NULL } },
	{ "the same by its other name", "", BOUNCE_DOUBLE, 0, "", failed, 2,
	    "", { NULL }, { NULL } },
	{ "for the postmaster",
	    "notify_classes = 2bounce\n2bounce_notice_recipient = two@x\n",
	    BOUNCE_DOUBLE, 0, "", failed, 0, "double-bounce@origin.test>two@x",
	    { "Subject: Postmaster Copy: Undelivered Mail\n" }, { "secret" } },
	{ "bounce includes 2bounce", "notify_classes = bounce\n",
	    BOUNCE_DOUBLE, 0, "", failed, 0,
	    "double-bounce@origin.test>postmaster", { NULL }, { NULL } },
	{ "the end of it", "notify_classes = bounce 2bounce delay\n",
	    BOUNCE_FAILED, 0, "double-bounce@origin.test", failed, 2, "",
	    { NULL }, { NULL } },
	{ "delay", "", BOUNCE_DELAYED, 0, "al@b.test", late, 0, ">al@b.test",
	    { "Subject: Delayed Mail (still being retried)\n",
		"Action: delayed\nStatus: 4.4.1\n",
		"Original-Recipient: rfc822;b+ob@far.test\n",
		"Will-Retry-Until: Thu, 26 Nov 2026" }, { "secret" } },
	{ "delay, postmaster too", "notify_classes = delay\n", BOUNCE_DELAYED,
	    0, "al@b.test", late, 0,
	    ">al@b.test double-bounce@origin.test>postmaster", { NULL },
	    { NULL } },
	{ "no failure is wanted for delays", "", BOUNCE_DELAYED, 0, "",
	    late, 2, "", { NULL }, { NULL } },
	{ "success, only for who asked", "", BOUNCE_SUCCESS, 0, "al@b.test",
	    sent, 0, ">al@b.test",
	    { "Action: relayed\nStatus: 2.0.0\n", "bob@far.test",
		"Subject: Successful Mail Delivery Report\n" },
	    { "eve@far.test", "secret" } },
};

static void
check_text(const char *why, const char *text, const char *const *has,
    const char *const *lacks)
{
	for (int i = 0; i < 4 && has[i] != NULL; i++)
		if (strstr(text, has[i]) == NULL)
			fail_msg("%s: lacks %s:\n%s", why, has[i], text);
	for (int i = 0; i < 2 && lacks[i] != NULL; i++)
		if (strstr(text, lacks[i]) != NULL)
			fail_msg("%s: has %s:\n%s", why, lacks[i], text);
}

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct bounce_make m = { .kind = cases[i].kind,
			.ret = cases[i].ret,
			.sender = str_of(cases[i].sender) };
		char to[512] = "";
		struct rig r;

		up(&r, cases[i].main_cf);
		assert_int_equal(order(&r, m, cases[i].rcpts), 0);
		for (unsigned k = 0; k < r.n; k++)
			snprintf(to + strlen(to), sizeof(to) - strlen(to),
			    "%s%s>%s", k > 0 ? " " : "", r.sender[k],
			    r.rcpt[k]);
		if (r.status != cases[i].status ||
		    strcmp(to, cases[i].to) != 0)
			fail_msg("%s: status %d, %s", cases[i].why, r.status,
			    to);
		if (r.n > 0)
			check_text(cases[i].why, r.text[0], cases[i].has,
			    cases[i].lacks);
		assert_int_equal(r.b.njobs, 0);
		down(&r);
	}
}

/* The whole of it once, but for date and boundary. */
static void
test_whole(void **state)
{
	struct bounce_make m = { .kind = BOUNCE_FAILED, .envid = STR("e+1"),
		.sender = STR("al@b.test") };
	struct rig r;
	char *want, *mark, *date;

	(void)state;
	up(&r, "");
	assert_int_equal(order(&r, m, failed), 0);
	assert_int_equal(r.status, 0);
	mark = strstr(r.text[0], "boundary=\"");
	assert_non_null(mark);
	mark = xstrndup(mark + 10, strcspn(mark + 10, "\""));
	date = xstrndup(r.text[0], strcspn(r.text[0], "\n"));
	want = xasprintf("%s\n"
	    "From: Mail Delivery System <MAILER-DAEMON@origin.test>\n"
	    "Subject: Undelivered Mail Returned to Sender\n"
	    "To: al@b.test\n"
	    "Auto-Submitted: auto-replied\n"
	    "MIME-Version: 1.0\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\n"
	    "\tboundary=\"%s\"\n"
	    "\n"
	    "This is a message in MIME format.\n"
	    "\n--%s\n"
	    "Content-Description: Notification\n"
	    "Content-Type: text/plain; charset=us-ascii\n"
	    "\n"
	    "This is the mail system at host mx.test.\n"
	    "\n"
	    "Your message could not be delivered to the recipients below. It "
	    "is attached,\nor its header is.\n"
	    "\n"
	    "Should you need help, please write to the postmaster and include "
	    "this\nreport. The text of your own message is not needed for "
	    "that.\n"
	    "\n%40sThe mail system (Postern)\n"
	    "\n"
	    "<bob@far.test> (expanded from <alias>): host "
	    "mail.far.test[192.0.2.7]\n"
	    "    said: 550 5.1.1 <bob@far.test>: no such person (in reply to "
	    "RCPT TO\n"
	    "    command)\n"
	    "\n--%s\n"
	    "Content-Description: Delivery report\n"
	    "Content-Type: message/delivery-status\n"
	    "\n"
	    "Reporting-MTA: dns; mx.test\n"
	    "Original-Envelope-Id: e+2B1\n"
	    "X-Postern-Queue-ID: 000006B0195D0\n"
	    "X-Postern-Sender: rfc822; al@b.test\n"
	    "Arrival-Date: Sat, 21 Nov 2026 13:00:00 +0000 (UTC)\n"
	    "\n"
	    "Final-Recipient: rfc822; bob@far.test\n"
	    "Original-Recipient: rfc822; alias@origin.test\n"
	    "Action: failed\n"
	    "Status: 5.1.1\n"
	    "Remote-MTA: dns; mail.far.test\n"
	    "Diagnostic-Code: smtp; 550 5.1.1 <bob@far.test>: no such person "
	    "(in reply\n"
	    "    to RCPT TO command)\n"
	    "\n--%s\n"
	    "Content-Description: Undelivered Message\n"
	    "Content-Type: message/rfc822\n"
	    "\n"
	    "%s"
	    "\n--%s--\n", date, mark, mark, "", mark, mark, original, mark);
	assert_string_equal(r.text[0], want);
	assert_int_equal(r.flags, 0);
	assert_string_equal(said, "000006B0195D0: sender non-delivery "
	    "notification: 186A06B0195D0\n");
	free(want);
	free(mark);
	free(date);
	down(&r);
}

/* Words of strangers stay words. */
static void
test_hostile(void **state)
{
	static const struct rcpt evil[] = {
		{ "a\"b@far.test", NULL, "rfc822;x\r\nBcc: y", 0, EVENT_FAILED,
		    "9.9.9 x", "m\nta[", "said: \r\n\r\n--boundary\x1b[2J" },
		{ NULL, NULL, NULL, 0, 0, NULL, NULL, NULL },
	};
	struct bounce_make m = { .kind = BOUNCE_FAILED,
		.sender = STR("al@b.test") };
	struct rig r;

	(void)state;
	up(&r, "");
	assert_int_equal(order(&r, m, evil), 0);
	assert_int_equal(r.status, 0);
	assert_null(strstr(r.text[0], "\nBcc:"));
	assert_null(strstr(r.text[0], "\n--boundary"));
	assert_null(strchr(r.text[0], '\r'));
	assert_null(strchr(r.text[0], '\x1b'));
	assert_non_null(strstr(r.text[0], "Status: 5.0.0\n"));
	assert_non_null(strstr(r.text[0],
	    "Final-Recipient: rfc822; \"a\\\"b\"@far.test\n"));
	down(&r);
}

static void
test_utf8(void **state)
{
	struct bounce_make m = { .kind = BOUNCE_FAILED,
		.sender = STR("\xc3\xa9@b.test"), .flags = ENV_SMTPUTF8 };
	struct rig r;

	(void)state;
	up(&r, "");
	assert_int_equal(order(&r, m, failed), 0);
	assert_int_equal(r.flags, ENV_SMTPUTF8 | ENV_8BITMIME);
	assert_non_null(strstr(r.text[0], "report-type=global-delivery-st"));
	assert_non_null(strstr(r.text[0], "Content-Type: message/global\n"));
	assert_non_null(strstr(r.text[0], "utf-8; \xc3\xa9@b.test\n"));
	down(&r);
}

static void
test_threads(void **state)
{
	struct bounce_make m = { .kind = BOUNCE_FAILED,
		.sender = STR("al@b.test") };
	struct rig r;

	(void)state;
	up(&r, "enable_threaded_bounces = yes\n");
	assert_int_equal(order(&r, m, failed), 0);
	assert_non_null(strstr(r.text[0], "\nReferences: <orig@test>\n"
	    "In-Reply-To: <orig@test>\n"));
	down(&r);
}

/* --- peers ---------------------------------------------------------------- */

static void
test_refused(void **state)
{
	struct bounce_make m = { .kind = BOUNCE_FAILED,
		.sender = STR("al@b.test") };
	struct rig r;

	(void)state;
	up(&r, "");
	r.refuse = 451;
	assert_int_equal(order(&r, m, failed), 0);
	assert_int_equal(r.status, 1);
	r.refuse = 501;
	assert_int_equal(order(&r, m, failed), 0);
	assert_int_equal(r.status, 2);
	r.refuse = 0;
	submit_cleanup_down(r.intake, 0, &r.b);
	assert_int_equal(order(&r, m, failed), 0);
	assert_int_equal(r.status, 1);
	down(&r);
}

static void
test_qmgr_dies(void **state)
{
	struct bounce_make m = { .kind = BOUNCE_FAILED,
		.sender = STR("al@b.test") };
	struct rig r;

	(void)state;
	up(&r, "");
	r.silent = true;
	order(&r, m, failed);
	assert_int_equal(r.b.njobs, 1);
	orders_down(r.orders, 0, &r.b);
	submit_qmgr_down(r.spool, 0, &r.b);
	assert_int_equal(r.b.njobs, 0);
	down(&r);
}

/* An order that is none is given back. */
static void
test_nonsense(void **state)
{
	struct bounce_make m = { .kind = 77, .sender = STR("al@b.test") };
	struct rig r;

	(void)state;
	up(&r, "");
	assert_int_equal(order(&r, m, failed), 0);
	assert_int_equal(r.status, 1);
	assert_int_equal(r.b.njobs, 0);
	down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_qmgr_dies),
		cmocka_unit_test(test_nonsense),
	};

	setenv("TZ", "UTC", 1);
	date_init();
	log_sink(log_keep, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
