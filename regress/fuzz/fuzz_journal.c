/* SPDX-License-Identifier: ISC */
/*
 * Journal segments.  First the bytes as they are.  Then a segment is written
 * by the book: the first bytes say how many records with how much in them;
 * and the rest of the input is used to overwrite parts of it.  Whatever was
 * overwritten, a record that comes out must be one that went in.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemons/qmgr/journal_format.h"
#include "queue/sum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE JOURNAL_SEGMENT_MIN
#define QID UINT64_C(1795268000000000)

static void
scan(const uint8_t *p, uint64_t limit, unsigned made, const uint8_t *lens)
{
	struct journal_scan s;
	struct journal_rec r;
	struct str body, content;
	unsigned n = 0;

	if (journal_scan_init(&s, p, SIZE, limit) == -1)
		return;
	while (journal_scan_next(&s, &r, &body, &content) == 1) {
		unsigned k = (unsigned)(r.qid - QID);

		n++;
		if (made == 0)
			continue;
		if (k >= made || content.n != lens[k] * 8u || body.n != 5 ||
		    memcmp(body.p, "body!", 5) != 0)
			abort();
	}
	if (made != 0 && n > made)
		abort();
	if (s.end > SIZE)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t p[SIZE];
	struct journal_head h = { .gen = 7,
		.size = SIZE,
		.key = "0123456789abcde",
		.seed = 99,
		.prev_gen = 6,
		.prev_end = 5000 };
	uint64_t mac = journal_first_mac(&h), pos = JOURNAL_PAGE;
	unsigned made;

	memset(p, 0, sizeof(p));
	memcpy(p, data, size < SIZE ? size : SIZE);
	scan(p, 0, 0, NULL);
	scan(p, 9000, 0, NULL);
	if (size < 1 || size < 1u + data[0] % 16)
		return 0;
	made = data[0] % 16;
	memset(p, 0, sizeof(p));
	journal_put_head(&h, p);
	for (unsigned i = 0; i < made; i++) {
		uint32_t len = data[1 + i] * 8u;
		struct journal_rec r = { .type = JOURNAL_COMMIT,
			.qid = QID + i,
			.batch = i + 1,
			.body_len = 5,
			.content_len = len,
			.prev = mac };

		memcpy(p + pos + JOURNAL_RECORD, "body!", 5);
		memset(p + pos + JOURNAL_RECORD + 5, (int)i, len);
		r.sum = sum64(p + pos + JOURNAL_RECORD, 5 + len, h.seed);
		journal_put_rec(&h, &r, p + pos);
		mac = r.mac;
		pos += journal_rec_size(5, len);
		if (data[1 + i] % 2 == 0)
			pos = journal_page_up(pos);
	}
	for (size_t i = 1 + made; i + 4 <= size; i += 4) {
		size_t at = ((size_t)data[i] << 8 | data[i + 1]) % SIZE;

		/* Not the header page: its checksum is not keyed. */
		if (at >= JOURNAL_PAGE)
			p[at] = data[i + 2];
	}
	scan(p, 0, made, data + 1);
	scan(p, pos, made, data + 1);
	return 0;
}
