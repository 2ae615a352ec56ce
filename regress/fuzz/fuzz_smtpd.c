/* SPDX-License-Identifier: ISC */
/*
 * A whole dialogue through an SMTP session.
 *
 * The first bytes choose the service's options and the behaviour of peers; of
 * the rest, a byte 0x00 followed by n is an event other than input (time
 * passes, a peer vanishes, ...), anything else is what the client sends, in
 * pieces whose sizes the second byte decides.  After each step: memory is
 * bounded, and what was submitted is a proper envelope with its content.
 */
#include <stdint.h>

#include "../unit/smtpd_fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
check_submitted(struct fake *f)
{
	struct env_counts counts;
	struct env_reader r;
	struct envelope e;

	if (f->envelope == NULL)
		return;
	env_open(&r, str_make(f->envelope, f->envelope_len));
	check(env_check(&r, f->content_len, &e, &counts) == 0);
	env_close(&r);
	check(counts.nrcpts > 0);
	check(f->content_len > 0 &&
	    memchr(f->content, '\n', f->content_len) != NULL);
	free(f->envelope);
	f->envelope = NULL;
}

static void
check_bounds(struct fake *f)
{
	struct session *s = f->s;

	if (s == NULL)
		return;
	check(s->in.len <= IN_MAX + s->sv->line_max);
	check(s->out.len <= OUT_HIGH * 16);
	check(!buf_full(&s->in) && !buf_full(&s->out));
	if (s->mail != NULL) {
		check(s->mail->content.cap <= 512 << 10);
		check(s->mail->rcpts.cap <= 8 << 20);
	}
	check(
	    (s->state == ST_DATA) == (s->state == ST_DATA && s->mail != NULL));
}

static void
event(struct fake *f, uint8_t what)
{
	switch (what % 16) {
	case 0:
		f->now += 1000;
		break;
	case 1:
		f->now += WAIT_ANSWER_MS;
		break;
	case 2:
		f->silent = !f->silent;
		break;
	case 3:
		f->hold_word = !f->hold_word;
		break;
	case 4:
		slots_down(&f->w.slots);
		break;
	case 5:
		f->no_qmgr = !f->no_qmgr;
		break;
	case 6:
		f->no_cleanup = !f->no_cleanup;
		break;
	case 7:
		f->no_rewrite = !f->no_rewrite;
		break;
	case 8:
		resolver_flush(&f->w.resolver);
		break;
	case 9:
		worker_stop(&f->w);
		break;
	case 10:
		f->refuse_code = f->refuse_code ? 0 : 450;
		break;
	case 11:
		f->table_fails = f->table_fails ? 0 : LOOKUP_LATER;
		break;
	case 12:
		slots_via_lost(&f->w.slots, NULL);
		break;
	case 13:
		f->w.full = !f->w.full;
		break;
	case 14:
		if (f->s != NULL)
			session_hangup(f->s);
		break;
	default:
		break;
	}
	worker_tick(&f->w);
	fake_settle(f);
}

static void
configure(struct fake *f, uint8_t a, uint8_t b)
{
	fake_relay_rules(f);
	f->sv->delay_reject = (a & 1) == 0;
	f->sv->strict = (a & 2) != 0;
	f->sv->bare = (enum bare_newline)((a >> 2) & 3);
	f->sv->forbid_pipelining = (a & 16) != 0;
	f->sv->hard_errors = (a & 32) != 0 ? 20 : 1000000;
	f->sv->size_max = (a & 64) != 0 ? 1000 : 10240000;
	f->sv->helo_required = (a & 128) != 0;
	if (b & 1)
		fake_rules(f, &f->sv->client,
		    "check_client_access hash:x, "
		    "reject_unknown_client_hostname",
		    ACCESS_CLIENT);
	if (b & 2)
		fake_rules(f, &f->sv->sender,
		    "reject_unlisted_sender, "
		    "warn_if_reject reject_non_fqdn_sender, hash:x",
		    ACCESS_SENDER);
	if (b & 4)
		fake_rules(f, &f->sv->data,
		    "reject_unauth_pipelining, "
		    "reject_multi_recipient_bounce",
		    ACCESS_NONE);
	if (b & 8)
		fake_rules(f, &f->sv->end, "check_sender_access hash:x",
		    ACCESS_NONE);
	f->sv->unlisted_sender = (b & 16) != 0;
	f->sv->rcpt_max = (b & 32) != 0 ? 2 : 1000;
	f->table[0][0] = "192.0.2.7";
	f->table[0][1] = "reject_non_fqdn_helo_hostname, dunno, check_helo_"
			 "access hash:x";
	f->table[1][0] = "a@b";
	f->table[1][1] = "DEFER_IF_PERMIT x";
	f->table[2][0] = "hold@b";
	f->table[2][1] = "HOLD";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake f; /* large */
	size_t step;

	if (size < 3)
		return 0;
	fake_init(&f);
	configure(&f, data[0], data[1]);
	step = data[2] == 0 ? size : data[2];
	fake_connect(&f, "192.0.2.7");
	data += 3;
	size -= 3;
	while (size > 0) {
		size_t n = 0;

		if (data[0] == 0 && size > 1) {
			event(&f, data[1]);
			n = 2;
		} else {
			while (n < size && n < step && (n == 0 || data[n] != 0))
				n++;
			if (f.s != NULL && session_listens(f.s))
				fake_input(&f, str_make(data, n));
		}
		data += n;
		size -= n;
		buf_reset(&f.out);
		buf_reset(&f.log);
		check_bounds(&f);
		check_submitted(&f);
	}
	fake_clear(&f);
	return 0;
}
