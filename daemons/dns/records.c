/* SPDX-License-Identifier: ISC */
/*
 * DNS_QUERY: the records of one type, for restrictions and checks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "dns.h"

struct records {
	LIST_ENTRY(records) link;
	struct dns *dns;
	struct chan *ch; /* NULL: the asker has gone */
	uint64_t id;
	uint16_t type;
};

static uint8_t
to_status(const struct answer *a)
{
	switch (a->status) {
	case ANSWER_OK:
	case ANSWER_EMPTY:
		return DNS_OK;
	case ANSWER_NO_NAME:
		return DNS_NOT_FOUND;
	case ANSWER_FAILED:
		break;
	}
	return DNS_LATER;
}

static void
on_records(struct answer *a, void *arg)
{
	struct records *r = arg;
	struct dns_records rec = { .status = to_status(a),
		.authentic = a->authentic,
		.ttl = a->ttl };
	struct buf b;

	buf_init(&b, DNS_HOSTS_MAX);
	for (size_t i = 0; i < a->n; i++) {
		size_t before = b.len;

		if (r->type == RR_MX)
			buf_printf(&b, "%u ", a->rr[i].pref);
		buf_str(&b, a->rr[i].text);
		buf_putc(&b, '\n');
		if (buf_full(&b)) { /* what does not fit is left out whole */
			buf_trim(&b, b.len - before);
			break;
		}
	}
	rec.records = buf_get(&b);
	if (a->status == ANSWER_FAILED)
		rec.text = STR("the name servers do not answer");
	if (r->ch != NULL)
		chan_answer(r->ch, DNS_RECORDS, r->id, &rec, NULL);
	buf_clear(&b);
	LIST_REMOVE(r, link);
	r->dns->nops--;
	free(r);
}

void
on_query(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct dns_query *q = rec;
	struct dns *d = arg;
	struct dns_records no = { .status = DNS_LATER,
		.text = STR("too many questions at a time") };
	struct str name = q->name;
	struct records *r;

	(void)fds;
	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	if (!cache_name_ok(name)) {
		no.status = DNS_BAD;
		no.text = STR("not a name");
	}
	if (no.status == DNS_BAD || d->nops >= OPS_MAX) {
		chan_answer(ch, DNS_RECORDS, id, &no, NULL);
		return;
	}
	r = xcalloc(1, sizeof(*r));
	r->dns = d;
	r->ch = ch;
	r->id = id;
	r->type = q->rrtype;
	LIST_INSERT_HEAD(&d->recordss, r, link);
	d->nops++;
	cache_find(&d->cache, name, q->rrtype, on_records, r);
}

void
records_forget(struct dns *d, const struct chan *ch)
{
	struct records *r;

	LIST_FOREACH(r, &d->recordss, link)
		if (r->ch == ch)
			r->ch = NULL;
}
