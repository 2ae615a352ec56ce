/* SPDX-License-Identifier: ISC */
#ifndef QUEUE_ENVELOPE_H
#define QUEUE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

/*
 * A message's envelope: everything about it but its content.  It has one
 * encoded form, the same bytes on channels (smtpd to cleanup to qmgr: inline
 * when small, in a sealed memory file when large), in the journal and in queue
 * files.  The form is a sequence of records (wire.h) in this order:
 *
 *	HEAD	once		times, flags, origin
 *	SENDER	once
 *	ATTR	0 or more	ascending, each at most once
 *	EDIT	0 or more	ascending offsets, not overlapping
 *	RCPT	0 or more
 *	END	once		how many EDITs and RCPTs there were
 *
 * Anything else is refused: an unknown type, a length over its maximum, an
 * order that differs, bytes left over.  All strings of the structs below are
 * borrowed from whatever was decoded or is to be encoded.
 *
 * A recipient is named by its position: 0 for the first RCPT.  Fates in event
 * records (event.h) refer to it.
 */
#define ENV_VERSION 1

/* Maxima, in bytes or in number. */
#define ENV_ADDR_MAX 2048 /* addresses, ORCPT */
#define ENV_NAME_MAX 255  /* transport */
#define ENV_NEXTHOP_MAX 1024
#define ENV_ATTR_MAX 4096	 /* value of an attribute */
#define ENV_INSERT_MAX (1 << 20) /* bytes of one edit */
#define ENV_EDITS_MAX 65536
#define ENV_RCPTS_MAX 1000000
#define ENV_HEAD_MAX (256 << 10) /* HEAD, SENDER and all ATTRs */
#define ENV_RECORD_MAX (ENV_INSERT_MAX + 64)
#define ENV_SIZE_MAX (256 << 20) /* the whole encoded form */

enum env_type {
	ENV_HEAD = 1,
	ENV_SENDER,
	ENV_ATTR,
	ENV_EDIT,
	ENV_RCPT,
	ENV_END,
};

/* Where a message comes from. */
enum env_origin {
	ENV_FROM_SMTPD = 1,
	ENV_FROM_PICKUP,
	ENV_FROM_BOUNCE,   /* a notice of ours */
	ENV_FROM_FORWARD,  /* local delivery's alias and .forward expansion */
	ENV_FROM_INTERNAL, /* probes, notices to postmaster */
	ENV_ORIGIN_LAST = ENV_FROM_INTERNAL,
};

/* Envelope flags. */
#define ENV_8BITMIME 0x0001
#define ENV_BINARYMIME 0x0002
#define ENV_SMTPUTF8 0x0004    /* asked for by the client */
#define ENV_HEADER_UTF8 0x0008 /* found by cleanup */
#define ENV_REQUIRETLS 0x0010
#define ENV_TLS_NO 0x0020    /* TLS-Required: no */
#define ENV_TRUSTED 0x0040   /* client in mynetworks or authenticated */
#define ENV_PROBE 0x0080     /* address verification: no delivery */
#define ENV_RECORD 0x0100    /* sendmail -bv, -v: report to the sender */
#define ENV_NO_FILTER 0x0200 /* do not filter (again) */
#define ENV_NO_NOTICE 0x0400 /* a failure of this goes nowhere */
#define ENV_HOLD 0x0800	     /* put on hold at commit */
#define ENV_REQUEUED 0x1000	     /* was queued before: no new copies */
#define ENV_FLAGS_ALL 0x1fff

/* DSN RET=. */
enum env_ret {
	ENV_RET_NONE,
	ENV_RET_FULL,
	ENV_RET_HDRS
};

/* DSN NOTIFY=; 0 when the client gave none. */
#define ENV_NOTIFY_NEVER 0x1
#define ENV_NOTIFY_SUCCESS 0x2
#define ENV_NOTIFY_FAILURE 0x4
#define ENV_NOTIFY_DELAY 0x8
#define ENV_NOTIFY_ALL 0xf

/*
 * Attributes: texts that a message may have.  The number is the position
 * in this list, so a new one goes to the end.  The name shows in postcat.
 */
/* clang-format off */
#define ENV_ATTRS(A)						\
	A(ENVID, "envid")		/* DSN ENVID=, decoded */	\
	A(CLIENT_NAME, "client_name")				\
	A(CLIENT_REVERSE, "reverse_client_name")		\
	A(CLIENT_ADDR, "client_address")			\
	A(CLIENT_PORT, "client_port")				\
	A(CLIENT_HELO, "helo_name")				\
	A(CLIENT_PROTO, "protocol_name")			\
	A(SERVER_ADDR, "server_address")			\
	A(SERVER_PORT, "server_port")				\
	A(SASL_METHOD, "sasl_method")				\
	A(SASL_USER, "sasl_username")				\
	A(SASL_SENDER, "sasl_sender")				\
	A(TLS, "tls")			/* protocol and cipher */	\
	A(TLS_SUBJECT, "tls_subject")	/* of a verified certificate */	\
	A(MAIL_AUTH, "mail_auth")	/* MAIL FROM AUTH= */	\
	A(VERP, "verp_delimiters")				\
	A(CONTENT_FILTER, "content_filter")			\
	A(REDIRECT, "redirect")					\
	A(LOG_ORIGIN, "log_client_name")	/* by XFORWARD */	\
	A(LOG_ADDR, "log_client_address")			\
	A(LOG_PORT, "log_client_port")				\
	A(LOG_HELO, "log_helo_name")				\
	A(LOG_PROTO, "log_protocol_name")			\
	A(LOG_IDENT, "log_ident")	/* queue id upstream */	\
	A(SERVICE, "service")		/* that took it in */	\
	A(CONTEXT, "rewrite_context")				\
	A(UID, "uid")			/* local submission */	\
	A(USER, "user")						\
	A(FULLNAME, "fullname")					\
	A(MESSAGE_ID, "message_id")				\
	A(PARENT, "parent_id")		/* queue id this one arose from */ \
	A(HOLD_REASON, "hold_reason")				\
	A(DELIVER_BY, "deliver_by")				\
	A(WARN_TEXT, "warning")		/* from a restriction or filter */ \
	A(RECEIVED_SIZE, "declared_size")
/* clang-format on */

enum env_attr {
#define ENV_ATTR_ENUM(id, name) ENV_A_##id,
	ENV_ATTRS(ENV_ATTR_ENUM) ENV_NATTRS
#undef ENV_ATTR_ENUM
};

/* The name postcat prints and milters ask for; NULL for a bad number. */
const char *env_attr_name(unsigned attr);

struct envelope {
	int64_t arrival_us; /* wall clock */
	uint32_t flags;
	enum env_origin origin;
	enum env_ret ret;
	struct str sender;	     /* empty: the null sender */
	struct str attr[ENV_NATTRS]; /* .p NULL: has none */
};

/* Rcpt flags. */
#define ENV_RCPT_BCC 0x1      /* added by a *_bcc_maps or always_bcc */
#define ENV_RCPT_ADDED 0x2    /* by a milter or filter */
#define ENV_RCPT_EXPANDED 0x4 /* by virtual_alias_maps */
#define ENV_RCPT_FLAGS_ALL 0x7

struct env_rcpt {
	uint64_t ticket; /* rewrite's seal on the route; 0: to be resolved */
	uint32_t flags;
	uint32_t notify;      /* ENV_NOTIFY_... */
	struct str addr;      /* where it goes */
	struct str orig;      /* as first received, for Delivered-To and logs */
	struct str orcpt;     /* DSN, "type;address", decoded; may be empty */
	struct str transport; /* empty: to be resolved */
	struct str nexthop;
};

/*
 * Replace del bytes of the content at offset off by the bytes of ins.
 */
struct env_edit {
	uint64_t off;
	uint64_t del;
	struct str ins;
};

/* --- encoding ------------------------------------------------------------ */

/*
 * Each adds its records to b.  -1, with b full or unchanged, when a maximum is
 * exceeded or a value is not allowed.  The order of calls is the order above.
 */
int env_put_head(struct buf *b, const struct envelope *e) WARN_UNUSED;
int env_put_edit(struct buf *b, const struct env_edit *e) WARN_UNUSED;
int env_put_rcpt(struct buf *b, const struct env_rcpt *r) WARN_UNUSED;
int env_put_end(struct buf *b, uint32_t nedits, uint32_t nrcpts) WARN_UNUSED;

/* --- decoding ------------------------------------------------------------ */

/*
 * A reader over the encoded form in memory, or in windows of a descriptor.
 * Strings it yields from memory live as long as that memory; those from
 * a descriptor until the next call.
 *
 * Start with env_open() or env_open_fd(), then env_read_head(), then
 * env_read_edit() until it answers 0, then env_read_rcpt() until it answers 0.
 * The answer 0 of the latter means that END was there, that its counts are
 * right and that nothing follows.  Edits may be left unread.
 */
struct env_reader {
	struct str in; /* what is not yet decoded */
	uint64_t base; /* offset of in.p in the encoded form */
	uint64_t left; /* bytes of the form behind in */
	uint32_t nedits;
	uint32_t nrcpts;  /* decoded so far */
	uint64_t edit_at; /* the next edit must not be before this */
	int state;
	int fd;		 /* -1: all is in memory */
	bool own_fd;	 /* env_close() closes it */
	bool part;	 /* see env_open_part() */
	uint64_t fd_off; /* of the form's next unread byte */
	char *win;	 /* heap, for a descriptor */
	size_t win_cap;
};

void env_open(struct env_reader *r, struct str form);

/*
 * The form is at off, size bytes.  End with env_close(), which leaves fd
 * alone unless own_fd was set meanwhile.
 */
void env_open_fd(struct env_reader *r, int fd, uint64_t off, uint64_t size);
void env_close(struct env_reader *r);

/*
 * A part of a form, in memory: EDIT and RCPT records by themselves, as jobs of
 * delivery agents have them.  Read without a head; 0 at the end of it.
 */
void env_open_part(struct env_reader *r, struct str part);

/* 0, or -1 when refused (errno EINVAL) or unreadable (its errno). */
int env_read_head(struct env_reader *r, struct envelope *out) WARN_UNUSED;

/* 1 and one in *out, 0 when there is none left, -1 as above. */
int env_read_edit(struct env_reader *r, struct env_edit *out) WARN_UNUSED;
int env_read_rcpt(struct env_reader *r, struct env_rcpt *out) WARN_UNUSED;

/*
 * A place between two recipients, to go on from later: env_tell() of a reader,
 * env_seek() of another one over the same form after its env_read_head().
 */
struct env_place {
	uint64_t off;
	uint32_t nedits;
	uint32_t nrcpts; /* position of the next recipient */
};

struct env_place env_tell(const struct env_reader *r);
int env_seek(struct env_reader *r, const struct env_place *at) WARN_UNUSED;

/*
 * Check a whole form, content_size being the size of the content that the
 * edits apply to.  0, or -1 as above.  head and the counts may be NULL.
 */
struct env_counts {
	uint32_t nedits;
	uint32_t nrcpts;
	uint64_t edited_size; /* of the content with edits applied */
};

int env_check(struct env_reader *r, uint64_t content_size,
    struct envelope *head, struct env_counts *out) WARN_UNUSED;

/*
 * All edits of a form as a heap array for content.h; the strings are borrowed
 * from the form, which must be in memory.  -1 when refused.
 */
int env_edits(struct str form, struct env_edit **out, size_t *n) WARN_UNUSED;

#endif
