/* SPDX-License-Identifier: ISC */
/*
 * Address lists: offsets in order and inside the text, addresses that keep
 * the promises of mail/address.h and read the same when quoted.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mail/addrlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
check_addr(struct str addr)
{
	struct addrlist_item item;
	struct buf quoted, again;
	struct addrlist l;

	must(addr_valid(addr));
	buf_init(&quoted, ADDR_QUOTED_MAX);
	buf_init(&again, ADDR_MAX);
	must(addr_quote(&quoted, addr) == 0);
	addrlist_init(&l, buf_get(&quoted));
	must(addrlist_next(&l, &item));
	must(addrlist_addr(&l, &item, &again) == ADDR_OK);
	must(str_eq(buf_get(&again), addr));
	buf_clear(&quoted);
	buf_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	struct addrlist_item item;
	struct addrlist l;
	size_t last = 0, n = 0;
	struct buf b;

	buf_init(&b, ADDR_MAX);
	addrlist_init(&l, text);
	while (addrlist_next(&l, &item)) {
		must(++n <= size);
		must(last <= item.off && item.off < item.end &&
		    item.end <= size);
		must(item.off <= item.spec_off &&
		    item.spec_off <= item.spec_end &&
		    item.spec_end <= item.end);
		last = item.end;
		if (addrlist_addr(&l, &item, &b) == ADDR_OK)
			check_addr(buf_get(&b));
		else
			must(buf_get(&b).n == 0);
	}
	must(!addrlist_next(&l, &item));
	buf_clear(&b);
	return 0;
}
