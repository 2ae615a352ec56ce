/* SPDX-License-Identifier: ISC */
/*
 * What it means that a command ended as it did.
 */
#include <string.h>

#include "agent/run.h"
#include "mail/dsn.h"

/* sysexits(3), from EX_USAGE on. */
#define FIRST_EXIT 64
static const struct {
	const char *dsn, *text;
} exits[] = {
	{ "5.3.0", "command line usage error" },
	{ "5.6.0", "data format error" },
	{ "5.3.0", "cannot open input" },
	{ "5.1.1", "user unknown" },
	{ "5.1.2", "host name unknown" },
	{ "5.3.0", "service unavailable" },
	{ "5.3.0", "internal software error" },
	{ "4.3.0", "system resource problem" },
	{ "5.3.0", "critical OS file missing" },
	{ "5.2.0", "can't create user output file" },
	{ "5.3.0", "input/output error" },
	{ "4.3.0", "temporary failure" },
	{ "5.5.0", "remote error in protocol" },
	{ "5.7.0", "permission denied" },
	{ "5.3.5", "local configuration error" },
};

/* Command output on one line, nothing in it that means something to a log. */
static void
put_output(struct buf *text, const char *before, struct str output)
{
	if (output.n == 0)
		return;
	buf_puts(text, before);
	for (size_t i = 0; i < output.n && text->len < RUN_TEXT_MAX - 1; i++) {
		unsigned char c = (unsigned char)output.p[i];

		buf_putc(text, c == '\n' ? ' ' : c < ' ' || c > '~' ? '_' : c);
	}
}

static void
set(struct agent_fate *f, const char *dsn)
{
	f->dsn = str_of(dsn);
	f->fate = dsn[0] == '4' ? FATE_DEFERRED : FATE_BOUNCED;
}

/* Output that begins with `5.1.1 ` and the like says it itself. */
static bool
said(struct str *output, struct agent_fate *f)
{
	struct str all = *output;
	struct dsn code;

	if (dsn_take(output, &code) == -1 || code.class == 2) {
		*output = all;
		return false;
	}
	f->dsn = str_trim(str_sub(all, 0, (size_t)(output->p - all.p)));
	f->fate = code.class == 4 ? FATE_DEFERRED : FATE_BOUNCED;
	return true;
}

static void
exited(const struct run_done *d, int feed_error, struct buf *text,
    struct agent_fate *f)
{
	struct str output = d->output;

	if (d->code == 0 && feed_error != 0) {
		set(f, "4.3.0");
		buf_printf(text, "message cannot be read: %s",
		    strerror(feed_error));
	} else if (d->code == 0) {
		f->fate = FATE_SENT;
		f->dsn = STR("2.0.0");
		put_output(text, "", d->output);
	} else if (said(&output, f)) {
		put_output(text, "", str_trim(output));
	} else if (d->code >= FIRST_EXIT &&
	    d->code < FIRST_EXIT + NELEM(exits)) {
		set(f, exits[d->code - FIRST_EXIT].dsn);
		buf_puts(text, exits[d->code - FIRST_EXIT].text);
		put_output(text, ". Command output: ", d->output);
	} else {
		set(f, "5.3.0");
		buf_printf(text, "Command died with status %u: \"" STR_FMT
				 "\"",
		    d->code, STR_ARG(d->command));
		put_output(text, ". Command output: ", d->output);
	}
}

void
run_fate(const struct run_done *d, int feed_error, struct buf *text,
    struct agent_fate *f)
{
	*f = (struct agent_fate){ .fate = FATE_DEFERRED, .dsn = STR("4.3.0") };
	switch ((enum run_how)d->how) {
	case RUN_EXITED:
		exited(d, feed_error, text, f);
		break;
	case RUN_SIGNALED:
		set(f, "5.3.0");
		buf_printf(text, "Command died with signal %u: \"" STR_FMT
				 "\"",
		    d->code, STR_ARG(d->command));
		put_output(text, ". Command output: ", d->output);
		break;
	case RUN_TIMEOUT:
		set(f, "5.3.0");
		buf_printf(text, "Command time limit exceeded: \"" STR_FMT
				 "\"",
		    STR_ARG(d->command));
		put_output(text, ". Command output: ", d->output);
		break;
	case RUN_FAILED:
		buf_puts(text, "temporary failure");
		put_output(text, ". Command output: ", d->output);
		break;
	default:
		buf_puts(text, "temporary failure. The command's end is not "
			       "understood");
		break;
	}
	f->text = buf_get(text);
}
