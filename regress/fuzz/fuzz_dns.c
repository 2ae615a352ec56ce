/* SPDX-License-Identifier: ISC */
/*
 * What a name server may send: the bytes as they are, and as what follows a
 * header and a question that are ours.  And next hops, and packed hosts.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemons/dns/dns.h"
#include "edge/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
check_answer(const struct answer *a, uint16_t type)
{
	const char *base = buf_get(&a->text).p;
	size_t total = 0;

	must(a->refs == 1 && a->n <= ANSWER_RRS_MAX && a->ttl <= 86400);
	must(a->status == ANSWER_OK || a->n == 0);
	must(a->alias == NULL || (a->n == 0 && a->status == ANSWER_OK));
	must(a->n > 0 || a->alias != NULL || a->status != ANSWER_OK);
	for (size_t i = 0; i < a->n; i++) {
		const struct rr *rr = &a->rr[i];

		must(rr->text.n == 0 || rr->text.p == base + total);
		total += rr->text.n;
		must(total <= a->text.len);
		must(str_chr(rr->text, '\n') == -1 || type == RR_TXT);
		must(type != RR_A || rr->addr.family == 4);
		must(type != RR_AAAA || rr->addr.family == 6);
		if (rr->addr.family != 0)
			(void)vet_addr(&rr->addr);
	}
}

static void
read_it(struct str packet, uint16_t id, const char *name, uint16_t type)
{
	struct answer *a;

	switch (message_read(packet, id, name, type, &a)) {
	case MESSAGE_ANSWER:
		must(a != NULL);
		check_answer(a, type);
		answer_unref(&a);
		break;
	case MESSAGE_STRANGER:
	case MESSAGE_CUT:
	case MESSAGE_NO_EDNS:
	case MESSAGE_REFUSED:
		must(a == NULL);
		break;
	}
}

static void
behind_question(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = { RR_A, RR_MX, RR_AAAA, RR_TXT, RR_PTR,
		RR_CNAME, 52, RR_NS };
	uint16_t type;
	struct buf b;
	size_t at;

	if (size < 8)
		return;
	type = types[data[0] % 8];
	buf_init(&b, size + 1024);
	must(message_ask(&b, 0x1234, "a.example", type, false) == 0);
	at = b.off;
	b.base[at + 2] |= (char)0x80;
	b.base[at + 3] = (char)(data[1] & 0x2f);
	for (size_t i = 0; i < 6; i++) /* how many records, it says */
		b.base[at + 6 + i] = (char)(i % 2 == 0 ? 0 : data[2 + i]);
	buf_add(&b, data + 8, size - 8);
	read_it(buf_get(&b), 0x1234, "a.example", type);
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_make(data, size), rest = s;
	struct dns_host h;
	struct hop hop;

	if (size >= 2)
		read_it(s, (uint16_t)(data[0] << 8 | data[1]), "a.example",
		    RR_MX);
	behind_question(data, size);
	while (hop_next(&rest, 25, &hop) == 1)
		must(hop.port != 0 &&
		    (hop.addr.family != 0 || cache_name_ok(hop.host)));
	rest = s;
	while (hosts_next(&rest, &h) == 1)
		must(h.name.n <= HOSTS_NAME_MAX && rest.n < size);
	return 0;
}
