/* SPDX-License-Identifier: ISC */
/*
 * Header blocks.
 */
#include "mail/header.h"

#include "base/attr.h"

#define SENDER HEADER_IS_SENDER
#define RCPT HEADER_IS_RCPT
#define RESENT HEADER_IS_RESENT
#define EXTRACT HEADER_EXTRACT
#define DROP HEADER_DROP
#define MIME HEADER_MIME

/* clang-format off */
static const struct {
	struct str name;
	unsigned flags;
} headers[HEADER_IDS] = {
	[HEADER_OTHER] = { STR(""), 0 },
	[HEADER_MBOX_FROM] = { STR(""), 0 },
	[HEADER_APPARENTLY_TO] = { STR("Apparently-To"), RCPT },
	[HEADER_AUTHENTICATION_RESULTS] = { STR("Authentication-Results"), 0 },
	[HEADER_AUTO_SUBMITTED] = { STR("Auto-Submitted"), 0 },
	[HEADER_BCC] = { STR("Bcc"), RCPT | EXTRACT | DROP },
	[HEADER_CC] = { STR("Cc"), RCPT | EXTRACT },
	[HEADER_CONTENT_DESCRIPTION] = { STR("Content-Description"), MIME },
	[HEADER_CONTENT_DISPOSITION] = { STR("Content-Disposition"), MIME },
	[HEADER_CONTENT_ID] = { STR("Content-Id"), MIME },
	[HEADER_CONTENT_LENGTH] = { STR("Content-Length"), DROP },
	[HEADER_CONTENT_TRANSFER_ENCODING] =
	    { STR("Content-Transfer-Encoding"), MIME },
	[HEADER_CONTENT_TYPE] = { STR("Content-Type"), MIME },
	[HEADER_DATE] = { STR("Date"), 0 },
	[HEADER_DELIVERED_TO] = { STR("Delivered-To"), 0 },
	[HEADER_DISPOSITION_NOTIFICATION_TO] =
	    { STR("Disposition-Notification-To"), SENDER },
	[HEADER_DKIM_SIGNATURE] = { STR("DKIM-Signature"), 0 },
	[HEADER_ERRORS_TO] = { STR("Errors-To"), SENDER },
	[HEADER_FROM] = { STR("From"), SENDER },
	[HEADER_LIST_ID] = { STR("List-Id"), 0 },
	[HEADER_MAIL_FOLLOWUP_TO] = { STR("Mail-Followup-To"), SENDER },
	[HEADER_MESSAGE_ID] = { STR("Message-Id"), 0 },
	[HEADER_MIME_VERSION] = { STR("MIME-Version"), MIME },
	[HEADER_PRECEDENCE] = { STR("Precedence"), 0 },
	[HEADER_RECEIVED] = { STR("Received"), 0 },
	[HEADER_RECEIVED_SPF] = { STR("Received-SPF"), 0 },
	[HEADER_REPLY_TO] = { STR("Reply-To"), SENDER },
	[HEADER_RESENT_BCC] =
	    { STR("Resent-Bcc"), RCPT | EXTRACT | RESENT | DROP },
	[HEADER_RESENT_CC] = { STR("Resent-Cc"), RCPT | EXTRACT | RESENT },
	[HEADER_RESENT_DATE] = { STR("Resent-Date"), RESENT },
	[HEADER_RESENT_FROM] = { STR("Resent-From"), SENDER | RESENT },
	[HEADER_RESENT_MESSAGE_ID] = { STR("Resent-Message-Id"), RESENT },
	[HEADER_RESENT_REPLY_TO] = { STR("Resent-Reply-To"), SENDER | RESENT },
	[HEADER_RESENT_SENDER] = { STR("Resent-Sender"), SENDER | RESENT },
	[HEADER_RESENT_TO] = { STR("Resent-To"), RCPT | EXTRACT | RESENT },
	[HEADER_RETURN_PATH] = { STR("Return-Path"), SENDER | DROP },
	[HEADER_RETURN_RECEIPT_TO] = { STR("Return-Receipt-To"), SENDER },
	[HEADER_SENDER] = { STR("Sender"), SENDER },
	[HEADER_SUBJECT] = { STR("Subject"), 0 },
	[HEADER_TO] = { STR("To"), RCPT | EXTRACT },
	[HEADER_X_ORIGINAL_TO] = { STR("X-Original-To"), 0 },
};
/* clang-format on */

enum header_id
header_lookup(struct str name)
{
	int first;

	if (name.n == 0)
		return HEADER_OTHER;
	/* Length and first letter leave about one name to be compared. */
	first = ascii_lower((unsigned char)name.p[0]);
	for (int id = HEADER_APPARENTLY_TO; id < HEADER_IDS; id++)
		if (headers[id].name.n == name.n &&
		    ascii_lower((unsigned char)headers[id].name.p[0]) ==
			first &&
		    str_caseeq(headers[id].name, name))
			return id;
	return HEADER_OTHER;
}

const char *
header_name(enum header_id id)
{
	return (unsigned)id < HEADER_IDS ? headers[id].name.p : "";
}

unsigned
header_flags(enum header_id id)
{
	return (unsigned)id < HEADER_IDS ? headers[id].flags : 0;
}

void
header_iter_init(struct header_iter *it, struct str msg, size_t limit,
    bool whole)
{
	*it =
	    (struct header_iter){ .msg = msg, .limit = limit, .whole = whole };
}

bool
header_split(struct str line, struct str *name, struct str *value)
{
	size_t i = 0, end;

	while (i < line.n && ascii_isgraph((unsigned char)line.p[i]) &&
	    line.p[i] != ':')
		i++;
	end = i;
	while (i < line.n && ascii_isblank((unsigned char)line.p[i]))
		i++;
	if (end == 0 || i == line.n || line.p[i] != ':')
		return false;
	i++;
	while (i < line.n && ascii_isblank((unsigned char)line.p[i]))
		i++;
	*name = str_sub(line, 0, end);
	*value = str_sub(line, i, line.n);
	return true;
}

/*
 * Behind the LF of the line at from.  Without one: the end of the message, or
 * 0 when more may come.
 */
static size_t
line_end(const struct header_iter *it, size_t from)
{
	const char *lf;

	lf = memchr(it->msg.p + from, '\n', it->msg.n - from);
	if (lf != NULL)
		return (size_t)(lf - it->msg.p) + 1;
	return it->whole ? it->msg.n : 0;
}

/* A line without its LF or CR LF. */
static struct str
chomp(struct str s)
{
	if (s.n > 0 && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n > 0 && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

/*
 * Behind the last line of the header whose first line ends at end, or 0.
 */
static size_t
fold_end(const struct header_iter *it, size_t end)
{
	while (end < it->msg.n && ascii_isblank((unsigned char)it->msg.p[end]))
		if ((end = line_end(it, end)) == 0)
			return 0;
	/* The next byte decides; a window that ends here has not got it. */
	return end < it->msg.n || it->whole ? end : 0;
}

static bool
is_mbox_from(const struct header_iter *it, struct str line)
{
	return it->pos == 0 &&
	    (str_starts(line, STR("From ")) || str_starts(line, STR(">From ")));
}

enum header_result
header_next(struct header_iter *it, struct header *out)
{
	struct str line, text;
	size_t end, off = it->pos;

	*out = (struct header){ .off = off };
	if (off >= it->msg.n)
		return it->whole ? HEADER_END : HEADER_MORE;
	if ((end = line_end(it, off)) == 0)
		return HEADER_MORE;
	line = chomp(str_sub(it->msg, off, end));
	if (line.n == 0) {
		it->blank = true;
		it->pos = end;
		return HEADER_END;
	}
	/* A header first: "From :" is one, in an old spelling. */
	if (header_split(line, &out->name, &out->value)) {
		if ((end = fold_end(it, end)) == 0)
			return HEADER_MORE;
		out->id = header_lookup(out->name);
	} else if (is_mbox_from(it, line)) {
		out->id = HEADER_MBOX_FROM;
		out->value = line;
	} else
		return HEADER_END;
	text = chomp(str_sub(it->msg, off, end));
	if (text.n > it->limit) {
		text.n = it->limit;
		out->clipped = true;
	}
	off = (size_t)(out->value.p - text.p);
	out->value = str_sub(text, off, text.n);
	out->end = it->pos = end;
	it->fields++;
	return HEADER_FIELD;
}

size_t
header_unfold(struct str value, char *dst, size_t size)
{
	size_t n = 0;

	if (size == 0)
		return 0;
	for (size_t i = 0; i < value.n && n + 1 < size; i++) {
		char c = value.p[i];

		if (c == '\n')
			continue;
		if (c == '\r' && i + 1 < value.n && value.p[i + 1] == '\n')
			continue;
		dst[n++] = c == '\0' ? '?' : c;
	}
	dst[n] = '\0';
	return n;
}
