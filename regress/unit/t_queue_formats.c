/* SPDX-License-Identifier: ISC */
/*
 * The formats of the queue: checksum, ids, envelopes, events, content, files.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "queue/content.h"
#include "queue/envelope.h"
#include "queue/event.h"
#include "queue/qfile.h"
#include "queue/qid.h"
#include "queue/sum.h"
#include "queue/wire.h"

#define QID UINT64_C(1795268000123456)

static void
sums(void **state)
{
	static const struct {
		const char *in;
		uint64_t seed;
		uint64_t want;
	} t[] = {
		/* From the reference implementation. */
		{ "", 0, UINT64_C(0xEF46DB3751D8E999) },
		{ "a", 0, UINT64_C(0xD24EC4F1A98C6E5B) },
		{ "abc", 0, UINT64_C(0x44BC2CF5AD770999) },
		{ "xxhash", 0, UINT64_C(0x32DD38952C4BC720) },
		{ "xxhash", 20141025, UINT64_C(0xB559B98D844E0635) },
		{ "Nobody inspects the spammish repetition", 0,
		    UINT64_C(0xFBCEA83C8A378BF1) },
	};
	char text[300];
	struct sum s;

	(void)state;
	for (size_t i = 0; i < NELEM(t); i++)
		assert_true(
		    sum64(t[i].in, strlen(t[i].in), t[i].seed) == t[i].want);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	/* In pieces of any length it is the same. */
	for (size_t piece = 1; piece < 70; piece++) {
		sum_init(&s, 9);
		for (size_t i = 0; i < sizeof(text); i += piece)
			sum_add(&s, text + i,
			    i + piece > sizeof(text) ? sizeof(text) - i :
						       piece);
		assert_true(sum_end(&s) == sum64(text, sizeof(text), 9));
	}
}

static void
qids(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"ABCDE",
		"F4240"
		"6B000000", /* a million */
		"0000006B000000",
		"0000g6B000000",
		"abcde6B000000",
		"00000"
		"0",
		"1234567890123456",
		"../../etc",
		"4Yk3X12kNsz",
		"4Yk3X12kNszBB",
		"AEIOUYz123400",
		"new.000016B000000",
		"000016B000000 ",
		"/",
		".",
	};
	struct qid_maker m = { 0 };
	char text[QID_TEXT_MAX];
	uint64_t q, last = 0;

	(void)state;
	for (int form = 0; form < 2; form++) {
		m.long_form = form == 1;
		for (int64_t us = 1; us < INT64_C(90000000000000000);
		     us = us * 3 + 12345) {
			uint64_t id = qid_next(&m, us);
			size_t n;

			if (!qid_valid(id))
				continue;
			n = qid_format(id, text);
			assert_true(n < QID_TEXT_MAX && text[n] == '\0');
			assert_int_equal(qid_parse(str_of(text), &q), 0);
			assert_true(q == id);
			for (unsigned l = 0; form == 0 && l < 5; l++)
				assert_int_equal(qid_hash(id, l), text[l]);
			/* Any other digit at the end is another id, or none. */
			text[n - 1] = text[n - 1] == 'B' ? 'C' : 'B';
			assert_true(
			    qid_parse(str_of(text), &q) == -1 || q != id);
		}
	}
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(qid_parse(str_of(bad[i]), &q), -1);
	/* A clock that stands or goes back. */
	m = (struct qid_maker){ 0 };
	for (int i = 0; i < 1000; i++) {
		q = qid_next(&m, 1795268000000000 - i * 1000);
		assert_true(q > last);
		last = q;
	}
	qid_seen(&m, 1895268000000000);
	assert_true(qid_next(&m, 1795268000000000) == 1895268000000001);
	qid_format(QID, text);
	assert_string_equal(text, "1E2406B019DA0");
}

static void
make(struct buf *b, uint32_t nedits, uint32_t nrcpts)
{
	struct envelope e = { .arrival_us = 1795268000123456,
		.flags = ENV_8BITMIME,
		.origin = ENV_FROM_SMTPD,
		.ret = ENV_RET_HDRS,
		.sender = STR("a@b") };

	e.attr[ENV_A_CLIENT_NAME] = STR("mail.example.org");
	e.attr[ENV_A_ENVID] = STR("");
	assert_int_equal(env_put_head(b, &e), 0);
	for (uint32_t i = 0; i < nedits; i++) {
		struct env_edit d = { i * 10, 3, STR("new") };

		assert_int_equal(env_put_edit(b, &d), 0);
	}
	for (uint32_t i = 0; i < nrcpts; i++) {
		char a[64];
		struct env_rcpt r = { .ticket = i,
			.flags = ENV_RCPT_BCC,
			.notify = ENV_NOTIFY_NEVER,
			.orcpt = STR("rfc822;x"),
			.transport = STR("smtp"),
			.nexthop = STR("example") };

		snprintf(a, sizeof(a), "r%u@example.com", i);
		r.addr = str_of(a);
		assert_int_equal(env_put_rcpt(b, &r), 0);
	}
	assert_int_equal(env_put_end(b, nedits, nrcpts), 0);
}

static void
want_all(struct env_reader *r, uint32_t nedits, uint32_t nrcpts)
{
	struct envelope e;
	struct env_edit d;
	struct env_rcpt rc;
	uint32_t n = 0;

	assert_int_equal(env_read_head(r, &e), 0);
	assert_true(e.arrival_us == 1795268000123456);
	assert_true(str_eq(e.sender, STR("a@b")));
	assert_true(str_eq(e.attr[ENV_A_CLIENT_NAME], STR("mail.example.org")));
	assert_true(e.attr[ENV_A_ENVID].p != NULL);
	assert_true(e.attr[ENV_A_ENVID].n == 0);
	assert_null(e.attr[ENV_A_TLS].p);
	while (env_read_edit(r, &d) == 1) {
		assert_true(d.off == n * 10 && d.del == 3);
		assert_true(str_eq(d.ins, STR("new")));
		n++;
	}
	assert_int_equal(n, nedits);
	for (n = 0; env_read_rcpt(r, &rc) == 1; n++) {
		assert_true(rc.ticket == n);
		assert_true(rc.addr.n > 0 && rc.addr.p[0] == 'r');
	}
	assert_int_equal(n, nrcpts);
	assert_int_equal(env_read_rcpt(r, &rc), 0);
}

static void
envelopes(void **state)
{
	struct env_reader r;
	struct env_counts c;
	struct env_place at;
	struct env_rcpt rc;
	struct envelope e;
	struct buf b;
	int fd;

	(void)state;
	buf_init(&b, 64 << 20);
	make(&b, 50, 20000);
	env_open(&r, buf_get(&b));
	want_all(&r, 50, 20000);
	fd = memfd_from("env", buf_get(&b).p, b.len);
	assert_int_not_equal(fd, -1);
	env_open_fd(&r, fd, 0, b.len);
	want_all(&r, 50, 20000);
	env_close(&r);
	/* Recipients in windows. */
	env_open_fd(&r, fd, 0, b.len);
	assert_int_equal(env_read_head(&r, &e), 0);
	for (int i = 0; i < 12345; i++)
		assert_int_equal(env_read_rcpt(&r, &rc), 1);
	at = env_tell(&r);
	env_close(&r);
	env_open_fd(&r, fd, 0, b.len);
	assert_int_equal(env_read_head(&r, &e), 0);
	assert_int_equal(env_seek(&r, &at), 0);
	for (unsigned i = 12345; i < 20000; i++) {
		assert_int_equal(env_read_rcpt(&r, &rc), 1);
		assert_true(rc.ticket == i);
	}
	assert_int_equal(env_read_rcpt(&r, &rc), 0);
	env_close(&r);
	/* Edits against the size of the content. */
	env_open(&r, buf_get(&b));
	assert_int_equal(env_check(&r, 493, NULL, &c), 0);
	assert_true(c.nedits == 50 && c.nrcpts == 20000);
	assert_true(c.edited_size == 493);
	env_open(&r, buf_get(&b));
	assert_int_equal(env_check(&r, 492, NULL, &c), -1);
	close(fd);
	buf_clear(&b);
}

/* Whatever single byte changes or is missing, decoding ends with an answer. */
static void
envelopes_hurt(void **state)
{
	struct env_reader r;
	struct env_counts c;
	struct buf b;
	unsigned refused = 0;

	(void)state;
	buf_init(&b, 1 << 20);
	make(&b, 2, 3);
	for (size_t i = 0; i < b.len; i++) {
		char *copy = xmalloc(b.len);

		memcpy(copy, buf_get(&b).p, b.len);
		env_open(&r, str_make(copy, i));
		assert_int_equal(env_check(&r, 1000, NULL, &c), -1);
		copy[i] ^= 0x55;
		env_open(&r, str_make(copy, b.len));
		refused += env_check(&r, 1000, NULL, &c) == -1;
		free(copy);
	}
	assert_true(refused > b.len / 3);
	/* A byte too many. */
	(void)buf_putc(&b, 0);
	env_open(&r, buf_get(&b));
	assert_int_equal(env_check(&r, 1000, NULL, &c), -1);
	buf_clear(&b);
}

static void
envelope_limits(void **state)
{
	static char big[ENV_INSERT_MAX + 1];
	struct envelope e = { .origin = ENV_FROM_PICKUP };
	struct env_rcpt r = { .addr = STR_NONE };
	struct env_edit d = { 0, 0, str_make(big, sizeof(big)) };
	struct buf b;

	(void)state;
	buf_init(&b, 8 << 20);
	assert_int_equal(env_put_rcpt(&b, &r), -1);
	r.addr = str_make(big, ENV_ADDR_MAX + 1);
	assert_int_equal(env_put_rcpt(&b, &r), -1);
	r.addr = str_make(big, ENV_ADDR_MAX);
	assert_int_equal(env_put_rcpt(&b, &r), 0);
	assert_int_equal(env_put_edit(&b, &d), -1);
	d.ins.n--;
	assert_int_equal(env_put_edit(&b, &d), 0);
	e.flags = ENV_FLAGS_ALL + 1;
	assert_int_equal(env_put_head(&b, &e), -1);
	e.flags = 0;
	for (int i = 0; i < ENV_NATTRS; i++)
		e.attr[i] = str_make(big, ENV_ATTR_MAX);
	buf_reset(&b);
	assert_int_equal(env_put_head(&b, &e), 0);
	assert_true(b.len < ENV_HEAD_MAX);
	e.attr[3].n++;
	assert_int_equal(env_put_head(&b, &e), -1);
	buf_clear(&b);
}

static void
events(void **state)
{
	static const uint64_t keys[] = { 7, 8 };
	static const struct event_range g[] = { { 0, 3 }, { 9, 1 } };
	struct event e = { .type = EVENT_FATE,
		.time_us = 5,
		.fate = EVENT_FAILED,
		.ranges = g,
		.nranges = 2,
		.dsn = STR("5.1.1"),
		.mta = STR("mx.example"),
		.reason = STR("no such user") };
	struct event d = { .type = EVENT_DEFER,
		.due_us = 99,
		.attempts = 4,
		.keys = keys,
		.nkeys = 2,
		.reason = STR("later") };
	struct event x;
	struct str in;
	struct buf b;
	size_t first, whole;

	(void)state;
	buf_init(&b, 1 << 20);
	assert_int_equal(event_put(&b, QID, &e), 0);
	first = b.len;
	assert_int_equal(event_put(&b, QID, &d), 0);
	whole = b.len;
	in = buf_get(&b);
	assert_int_equal(event_get(&in, QID, &x), 1);
	assert_true(x.type == EVENT_FATE && x.fate == EVENT_FAILED);
	assert_true(x.nranges == 2 && event_range(&x, 1).first == 9);
	assert_true(str_eq(x.reason, STR("no such user")));
	assert_int_equal(event_get(&in, QID, &x), 1);
	assert_true(x.due_us == 99 && x.nkeys == 2 && event_key(&x, 1) == 8);
	assert_int_equal(event_get(&in, QID, &x), 0);
	/* Torn, changed, or of another message. */
	for (size_t i = 1; i < whole; i++) {
		in = str_make(buf_get(&b).p, i);
		while (event_get(&in, QID, &x) == 1)
			;
		assert_true(in.n > 0 || i == first);
		in = buf_get(&b);
		b.base[i] ^= 0x10;
		while (event_get(&in, QID, &x) == 1)
			;
		assert_true(in.n > 0);
		b.base[i] ^= 0x10;
	}
	in = buf_get(&b);
	assert_int_equal(event_get(&in, QID + 1, &x), -1);
	/* What may not be. */
	e.nranges = 0;
	assert_int_equal(event_put(&b, QID, &e), -1);
	assert_int_equal(b.len, whole);
	d.nkeys = EVENT_KEYS_MAX + 1;
	assert_int_equal(event_put(&b, QID, &d), -1);
	assert_int_equal(b.len, whole);
	buf_clear(&b);
}

static void
contents(void **state)
{
	static const struct {
		const char *in;
		struct env_edit e[4];
		size_t n;
		const char *want; /* NULL: refused */
	} t[] = {
		{ "A: b\n\nx\n", { { 0 } }, 0, "A: b\n\nx\n" },
		{ "A: b\n\nx\n", { { 0, 0, STR("R: z\n") } }, 1,
		    "R: z\nA: b\n\nx\n" },
		{ "A: b\n\nx\n", { { 0, 5, STR("") } }, 1, "\nx\n" },
		{ "A: b\n\nx\n", { { 0, 5, STR("C\n") }, { 8, 0, STR("y") } },
		    2, "C\n\nx\ny" },
		{ "abc",
		    { { 1, 0, STR("1") }, { 1, 1, STR("2") },
			{ 2, 0, STR("3") } },
		    3, "a123c" },
		{ "abc", { { 0, 3, STR("") } }, 1, "" },
		{ "", { { 0, 0, STR("x") } }, 1, "x" },
		{ "abc", { { 2, 2, STR("") } }, 1, NULL },
		{ "abc", { { 4, 0, STR("") } }, 1, NULL },
		{ "abc", { { 1, 1, STR("") }, { 1, 0, STR("") } }, 2, NULL },
	};
	struct content c;
	char got[64];

	(void)state;
	for (size_t i = 0; i < NELEM(t); i++) {
		char *with = xasprintf("??%s??", t[i].in);
		int fd = memfd_from("c", with, strlen(with));
		int rc =
		    content_init(&c, fd, 2, strlen(t[i].in), t[i].e, t[i].n);

		assert_int_equal(rc, t[i].want == NULL ? -1 : 0);
		for (int round = 0; rc == 0 && round < 2; round++) {
			size_t n = 0;
			ssize_t k;

			/* Byte by byte, then by lines. */
			while ((k = content_read(&c, got + n, 1)) == 1)
				n++;
			assert_int_equal(k, 0);
			assert_int_equal(n, strlen(t[i].want));
			assert_int_equal(n, content_size(&c));
			assert_memory_equal(got, t[i].want, n);
			content_rewind(&c);
		}
		if (rc == 0) {
			struct str line;
			size_t n = 0;
			int part;

			while (content_line(&c, &line, &part) == 1) {
				memcpy(got + n, line.p, line.n);
				n += line.n;
				if ((part & CONTENT_LAST) != 0)
					got[n++] = '\n';
			}
			assert_int_equal(n, strlen(t[i].want));
			assert_memory_equal(got, t[i].want, n);
			content_clear(&c);
		}
		close(fd);
		free(with);
	}
}

/* Lines around the size of the window, rejoined without loss. */
static void
long_lines(void **state)
{
	static const int sizes[] = { 1, 100, CONTENT_WINDOW - 1, CONTENT_WINDOW,
		CONTENT_WINDOW + 1, CONTENT_WINDOW * 3 + 7 };

	(void)state;
	for (size_t i = 0; i < NELEM(sizes); i++) {
		size_t n = (size_t)sizes[i], total = n + 6, seen = 0, lines = 0;
		char *p = xmalloc(total);
		struct content c;
		struct str line;
		int fd, part;

		memset(p, 'x', total);
		p[n] = '\n';
		memcpy(p + n + 1, "tail\n", 5);
		fd = memfd_from("c", p, total);
		assert_int_equal(content_init(&c, fd, 0, total, NULL, 0), 0);
		while (content_line(&c, &line, &part) == 1) {
			assert_memory_equal(line.p, p + seen, line.n);
			assert_int_equal((part & CONTENT_FIRST) != 0,
			    seen == 0 || seen == n + 1);
			seen += line.n;
			if ((part & CONTENT_LAST) != 0) {
				seen++;
				lines++;
			}
		}
		assert_int_equal(seen, total);
		assert_int_equal(lines, 2);
		content_clear(&c);
		/* A descriptor that has less than promised is an error. */
		assert_int_equal(content_init(&c, fd, 0, total + 1, NULL, 0),
		    0);
		while ((part = content_next(&c, &line)) == 1)
			;
		assert_int_equal(part, -1);
		assert_int_equal(errno, EIO);
		content_clear(&c);
		close(fd);
		free(p);
	}
}

/* A file with an envelope, content and an event; returns where events begin. */
static uint64_t
build_file(int fd, struct buf *env, const char *content)
{
	struct event e = { .type = EVENT_RELEASE, .time_us = 1 };
	struct qfile q = { .qid = QID, .env_off = QFILE_HEADER };
	uint8_t head[QFILE_HEADER];
	struct buf ev;

	q.env_len = env->len;
	q.content_off = q.env_off + q.env_len;
	q.content_len = strlen(content);
	q.committed = q.content_off + q.content_len;
	q.env_sum = sum64(buf_get(env).p, env->len, QID);
	q.content_sum = sum64(content, strlen(content), QID);
	assert_int_equal(qfile_header(&q, head), 0);
	buf_init(&ev, 1000);
	assert_int_equal(event_put(&ev, QID, &e), 0);
	assert_int_equal(fd_write_all(fd, head, sizeof(head)), 0);
	assert_int_equal(fd_write_all(fd, buf_get(env).p, env->len), 0);
	assert_int_equal(fd_write_all(fd, content, strlen(content)), 0);
	assert_int_equal(fd_write_all(fd, buf_get(&ev).p, ev.len), 0);
	buf_clear(&ev);
	return q.committed;
}

static enum qfile_state
verify(int fd, struct qfile *q)
{
	enum qfile_state s = qfile_open(fd, QID, q);

	if (s == QFILE_OK)
		s = qfile_verify_env(fd, q, NULL);
	if (s == QFILE_OK)
		s = qfile_verify_content(fd, q);
	return s;
}

static void
files(void **state)
{
	int fd = memfd_new("q");
	struct buf env, ev;
	struct qfile q;
	uint64_t end, committed;
	uint8_t c;

	(void)state;
	buf_init(&env, 10000);
	buf_init(&ev, 10000);
	make(&env, 1, 2);
	committed = build_file(fd, &env, "Subject: x\n\nhello\n");
	assert_int_equal(verify(fd, &q), QFILE_OK);
	assert_true(q.committed == committed);
	assert_int_equal(qfile_events(fd, &q, &ev, &end), 0);
	assert_true(ev.len > 0 && end == committed + ev.len);
	assert_int_equal(qfile_open(fd, QID + 1, &q), QFILE_ID_BAD);
	/* No byte of what was committed can change unseen. */
	for (uint64_t i = 0; i < committed; i++) {
		assert_int_equal(pread(fd, &c, 1, (off_t)i), 1);
		c ^= 0x40;
		assert_int_equal(pwrite(fd, &c, 1, (off_t)i), 1);
		assert_int_not_equal(verify(fd, &q), QFILE_OK);
		c ^= 0x40;
		assert_int_equal(pwrite(fd, &c, 1, (off_t)i), 1);
	}
	assert_int_equal(verify(fd, &q), QFILE_OK);
	/* A torn event is as if it had not been; nor is less committed. */
	assert_int_equal(ftruncate(fd, (off_t)end - 1), 0);
	assert_int_equal(verify(fd, &q), QFILE_OK);
	assert_int_equal(qfile_events(fd, &q, &ev, &end), 0);
	assert_true(ev.len == 0 && end == committed);
	assert_int_equal(ftruncate(fd, (off_t)committed - 1), 0);
	assert_int_equal(verify(fd, &q), QFILE_SHORT);
	assert_int_equal(ftruncate(fd, 20), 0);
	assert_int_equal(verify(fd, &q), QFILE_SHORT);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(verify(fd, &q), QFILE_EMPTY);
	assert_int_equal(ftruncate(fd, 5000), 0);
	assert_int_equal(verify(fd, &q), QFILE_EMPTY);
	assert_int_equal(pwrite(fd, "From someone", 12, 0), 12);
	assert_int_equal(verify(fd, &q), QFILE_NOT);
	close(fd);
	buf_clear(&env);
	buf_clear(&ev);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums),
		cmocka_unit_test(qids),
		cmocka_unit_test(envelopes),
		cmocka_unit_test(envelopes_hurt),
		cmocka_unit_test(envelope_limits),
		cmocka_unit_test(events),
		cmocka_unit_test(contents),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
