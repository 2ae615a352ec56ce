/* SPDX-License-Identifier: ISC */
/*
 * DNS messages (RFC 1035).  Everything here comes from whoever can reach our
 * sockets; names and their compression are c-ares' to read.
 */
#include <stdlib.h>
#include <string.h>

#include <ares.h>

#include "base/mem.h"
#include "net/netaddr.h"

#include "dns.h"

#define HEADER 12
#define RR_FIXED 10 /* type, class, TTL, length */
#define CLASS_IN 1

#define FLAG_QR 0x80
#define FLAG_TC 0x02
#define FLAG_AD 0x20 /* second byte */

#define TTL_MAX 86400
#define NEGATIVE_MAX 3600
#define NEGATIVE_DEFAULT 30 /* where the answer says nothing of it */

enum {
	RCODE_OK = 0,
	RCODE_FORMERR = 1,
	RCODE_NXDOMAIN = 3
};

/* --- answers -------------------------------------------------------------- */

struct answer *
answer_new(enum answer_status status, uint32_t ttl)
{
	struct answer *a = xcalloc(1, sizeof(*a));

	a->refs = 1;
	a->status = status;
	a->ttl = ttl;
	buf_init(&a->text, ANSWER_TEXT_MAX);
	return a;
}

struct answer *
answer_ref(struct answer *a)
{
	a->refs++;
	return a;
}

void
answer_unref(struct answer **ap)
{
	struct answer *a = *ap;

	*ap = NULL;
	if (a == NULL || --a->refs > 0)
		return;
	buf_clear(&a->text);
	free(a->rr);
	free(a->alias);
	free(a->canonical);
	free(a);
}

/* --- asking --------------------------------------------------------------- */

int
message_ask(struct buf *out, uint16_t id, const char *name, uint16_t type,
    bool edns)
{
	unsigned char *p = NULL;
	int n = 0, r;

	if (ares_create_query(name, CLASS_IN, type, id, 1, &p, &n,
		edns ? UDP_PAYLOAD : 0) != ARES_SUCCESS)
		return -1;
	/* RFC 6840 5.7: tell us whether you checked signatures. */
	if (n >= HEADER)
		p[3] |= FLAG_AD;
	r = n < HEADER ? -1 : buf_add(out, p, (size_t)n);
	ares_free_string(p);
	return r;
}

/* --- reading -------------------------------------------------------------- */

struct packet {
	const uint8_t *p;
	size_t n;
	size_t at;
};

/* One record, its data still where it came from. */
struct raw {
	char *owner; /* ares_free_string() */
	uint16_t type;
	uint16_t class;
	uint32_t ttl;
	size_t at; /* of the data */
	size_t len;
};

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* The name at an offset, or NULL; *used: bytes it takes there. */
static char *
name_at(const struct packet *k, size_t at, size_t *used)
{
	char *s = NULL;
	long n = 0;

	if (at >= k->n || k->n > INT32_MAX ||
	    ares_expand_name(k->p + at, k->p, (int)k->n, &s, &n) !=
		ARES_SUCCESS)
		return NULL;
	if (n <= 0 || (size_t)n > k->n - at || strlen(s) >= NAME_TEXT) {
		ares_free_string(s);
		return NULL;
	}
	*used = (size_t)n;
	return s;
}

static int
raw_next(struct packet *k, struct raw *r)
{
	size_t used;

	r->owner = name_at(k, k->at, &used);
	if (r->owner == NULL)
		return -1;
	k->at += used;
	if (k->n - k->at < RR_FIXED)
		goto bad;
	r->type = get16(k->p + k->at);
	r->class = get16(k->p + k->at + 2);
	r->ttl = get32(k->p + k->at + 4);
	if (r->ttl > INT32_MAX) /* RFC 2181 section 8 */
		r->ttl = 0;
	r->len = get16(k->p + k->at + 8);
	r->at = k->at + RR_FIXED;
	if (r->len > k->n - r->at)
		goto bad;
	k->at = r->at + r->len;
	return 0;
bad:
	ares_free_string(r->owner);
	r->owner = NULL;
	return -1;
}

static void
raws_free(struct raw *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ares_free_string(v[i].owner);
	free(v);
}

/* --- data in text --------------------------------------------------------- */

/* A name that ends exactly where the data ends. */
static int
put_name(const struct packet *k, const struct raw *r, size_t skip,
    struct buf *out)
{
	size_t used;
	char *s;
	int rv = -1;

	if (r->len <= skip)
		return -1;
	s = name_at(k, r->at + skip, &used);
	if (s == NULL)
		return -1;
	if (used == r->len - skip)
		rv = buf_puts(out, s[0] == '\0' ? "." : s);
	ares_free_string(s);
	return rv;
}

static int
put_txt(const struct packet *k, const struct raw *r, struct buf *out)
{
	const uint8_t *p = k->p + r->at, *end = p + r->len;

	while (p < end) {
		size_t n = *p++;

		if (n > (size_t)(end - p))
			return -1;
		for (; n > 0; n--, p++) {
			if (*p < 0x20 || *p == 0x7f || *p == '\\')
				buf_printf(out, "\\%03u", *p);
			else
				buf_putc(out, *p);
		}
	}
	return buf_full(out) ? -1 : 0;
}

static int
put_hex(const struct packet *k, const struct raw *r, struct buf *out)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < r->len; i++) {
		buf_putc(out, hex[k->p[r->at + i] >> 4]);
		buf_putc(out, hex[k->p[r->at + i] & 0xf]);
	}
	return buf_full(out) ? -1 : 0;
}

static int
put_addr(const struct packet *k, const struct raw *r, struct rr *rr,
    struct buf *out)
{
	char text[NETADDR_TEXT];

	if (r->len != (r->type == RR_A ? 4 : 16))
		return -1;
	rr->addr.family = r->type == RR_A ? 4 : 6;
	memcpy(rr->addr.ip, k->p + r->at, r->len);
	return buf_puts(out, netaddr_text(&rr->addr, text));
}

static int
put_data(const struct packet *k, const struct raw *r, struct rr *rr,
    struct buf *out)
{
	switch (r->type) {
	case RR_A:
	case RR_AAAA:
		return put_addr(k, r, rr, out);
	case RR_MX:
		if (r->len < 3)
			return -1;
		rr->pref = get16(k->p + r->at);
		return put_name(k, r, 2, out);
	case RR_PTR:
	case RR_NS:
	case RR_CNAME:
		return put_name(k, r, 0, out);
	case RR_TXT:
		return put_txt(k, r, out);
	default:
		return put_hex(k, r, out);
	}
}

/* --- from records to an answer -------------------------------------------- */

static const struct raw *
find(const struct raw *v, size_t n, const char *owner, uint16_t type)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].type == type && v[i].class == CLASS_IN &&
		    strcasecmp(v[i].owner, owner) == 0)
			return &v[i];
	return NULL;
}

static void
lower_ttl(struct answer *a, uint32_t ttl)
{
	if (ttl < a->ttl)
		a->ttl = ttl;
}

/* Follow aliases from name; the name they end at, on the heap, or NULL. */
static char *
follow(const struct packet *k, const struct raw *v, size_t n, const char *name,
    uint16_t type, struct answer *a)
{
	char *at = xstrdup(name);
	const struct raw *r;
	struct buf b;

	buf_init(&b, NAME_TEXT);
	for (unsigned hops = 0;
	     type != RR_CNAME && find(v, n, at, type) == NULL &&
	     (r = find(v, n, at, RR_CNAME)) != NULL;
	     hops++) {
		buf_reset(&b);
		free(at);
		at = NULL;
		if (hops == CHAIN_MAX || put_name(k, r, 0, &b) == -1)
			break;
		lower_ttl(a, r->ttl);
		at = xstrdup(buf_cstr(&b));
	}
	buf_clear(&b);
	return at;
}

/*
 * Take the records of name, in the order they came.  One that is malformed is
 * left out: the others may still be of use.  Texts are kept by offset until
 * the buffer has stopped growing.
 */
static void
collect(const struct packet *k, const struct raw *v, size_t n, const char *name,
    uint16_t type, struct answer *a)
{
	size_t at;

	a->rr = xcalloc(n == 0 ? 1 : n, sizeof(*a->rr));
	for (size_t i = 0; i < n; i++) {
		struct rr *rr = &a->rr[a->n];

		at = a->text.len;
		if (v[i].type != type || v[i].class != CLASS_IN ||
		    strcasecmp(v[i].owner, name) != 0)
			continue;
		*rr = (struct rr){ .pref = 0 };
		if (put_data(k, &v[i], rr, &a->text) == -1) {
			if (buf_full(&a->text))
				break;
			buf_trim(&a->text, a->text.len - at);
			continue;
		}
		rr->text.n = a->text.len - at;
		lower_ttl(a, v[i].ttl);
		a->n++;
	}
	at = 0;
	for (size_t i = 0; i < a->n; i++) {
		size_t len = a->rr[i].text.n;

		a->rr[i].text = str_sub(buf_get(&a->text), at, at + len);
		at += len;
	}
}

/* How long nothing may be remembered: the SOA in the authority section. */
static uint32_t
negative_ttl(struct packet *k, unsigned count)
{
	uint32_t ttl = NEGATIVE_DEFAULT;

	for (unsigned i = 0; i < count && i < ANSWER_RRS_MAX; i++) {
		struct raw r;

		if (raw_next(k, &r) == -1)
			break;
		if (r.type == RR_SOA && r.class == CLASS_IN && r.len >= 22) {
			uint32_t min = get32(k->p + r.at + r.len - 4);

			ttl = r.ttl < min ? r.ttl : min;
			ares_free_string(r.owner);
			break;
		}
		ares_free_string(r.owner);
	}
	return ttl < NEGATIVE_MAX ? ttl : NEGATIVE_MAX;
}

static struct answer *
make_answer(struct packet *k, const char *name, uint16_t type)
{
	unsigned count = get16(k->p + 6), n = 0;
	bool no_name = (k->p[3] & 0xf) == RCODE_NXDOMAIN;
	struct raw *v;
	struct answer *a = answer_new(ANSWER_OK, TTL_MAX);
	char *end;

	if (count > ANSWER_RRS_MAX)
		count = ANSWER_RRS_MAX;
	v = xcalloc(count + 1, sizeof(*v));
	while (n < count && raw_next(k, &v[n]) == 0)
		n++;
	a->authentic = (k->p[3] & FLAG_AD) != 0;
	end = follow(k, v, n, name, type, a);
	if (end != NULL)
		collect(k, v, n, end, type, a);
	if (end == NULL) {
		a->status = ANSWER_FAILED; /* aliases in a circle */
		a->ttl = FAILED_TTL;
	} else if (a->n == 0 && !no_name && strcasecmp(end, name) != 0) {
		a->alias = end; /* not all of the chain was in here */
		end = NULL;
	} else if (a->n > 0 && strcasecmp(end, name) != 0) {
		a->canonical = end;
		end = NULL;
	} else if (a->n == 0) {
		a->status = no_name ? ANSWER_NO_NAME : ANSWER_EMPTY;
		if (n == get16(k->p + 6))
			lower_ttl(a, negative_ttl(k, get16(k->p + 8)));
		else
			a->ttl = FAILED_TTL;
	}
	free(end);
	raws_free(v, n);
	return a;
}

/* Is this the answer to the question with this id? */
static bool
is_ours(struct packet *k, uint16_t id, const char *name, uint16_t type)
{
	size_t used;
	char *s;
	bool same;

	if (k->n < HEADER || get16(k->p) != id || (k->p[2] & FLAG_QR) == 0 ||
	    (k->p[2] & 0x78) != 0)
		return false;
	/* A server that does not understand may leave the question out. */
	if (get16(k->p + 4) == 0 && (k->p[3] & 0xf) != RCODE_OK &&
	    (k->p[3] & 0xf) != RCODE_NXDOMAIN)
		return true;
	if (get16(k->p + 4) != 1)
		return false;
	s = name_at(k, HEADER, &used);
	if (s == NULL)
		return false;
	same = strcasecmp(s, name) == 0;
	ares_free_string(s);
	k->at = HEADER + used + 4;
	return same && k->n >= k->at && get16(k->p + k->at - 4) == type &&
	    get16(k->p + k->at - 2) == CLASS_IN;
}

enum message_result
message_read(struct str packet, uint16_t id, const char *name, uint16_t type,
    struct answer **out)
{
	struct packet k = { (const uint8_t *)packet.p, packet.n, 0 };

	*out = NULL;
	if (!is_ours(&k, id, name, type))
		return MESSAGE_STRANGER;
	switch (k.p[3] & 0xf) {
	case RCODE_OK:
	case RCODE_NXDOMAIN:
		break;
	case RCODE_FORMERR:
		return MESSAGE_NO_EDNS;
	default:
		return MESSAGE_REFUSED;
	}
	if ((k.p[2] & FLAG_TC) != 0)
		return MESSAGE_CUT;
	*out = make_answer(&k, name, type);
	return MESSAGE_ANSWER;
}
