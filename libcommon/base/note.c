/* SPDX-License-Identifier: ISC */
#include "base/note.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

struct note {
	char edge[32];
	char record[32];
	char who[96];
	char what[96];
};

static_assert(sizeof(struct note) == NOTE_SIZE, "what is read back");

static struct note nowhere, *note = &nowhere;

int
note_make(void)
{
	int fd = memfd_new("note");

	if (fd != -1 && ftruncate(fd, NOTE_SIZE) == -1)
		fd_close(&fd);
	return fd;
}

int
note_again(int fd)
{
	static const struct note empty;

	return pwrite(fd, &empty, sizeof(empty), 0) == (ssize_t)sizeof(empty) ?
	    0 :
	    -1;
}

void
note_open(int fd)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size != NOTE_SIZE)
		return;
	p = mmap(NULL, NOTE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		note = p;
	close(fd);
}

static void
put(char *to, size_t size, struct str s)
{
	size_t n = s.n < size - 1 ? s.n : size - 1;

	if (n > 0)
		memcpy(to, s.p, n);
	to[n] = '\0';
}

void
note_record(const char *edge, const char *record, struct str about)
{
	put(note->edge, sizeof(note->edge), str_of(edge));
	put(note->record, sizeof(note->record), str_of(record));
	put(note->who, sizeof(note->who), STR(""));
	put(note->what, sizeof(note->what), about);
}

void
note_about(struct str who, struct str what)
{
	note->edge[0] = note->record[0] = '\0';
	put(note->who, sizeof(note->who), who);
	put(note->what, sizeof(note->what), what);
}

static void
get(const char *from, size_t size, const char *before, struct buf *out)
{
	size_t n = strnlen(from, size);

	if (n > 0)
		buf_puts(out, before);
	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)from[i];

		buf_putc(out,
		    ascii_isalnum(c) ||
			    (c != 0 && strchr("._-:[]@/+=", c) != NULL) ?
			(char)c :
			'?');
	}
}

void
note_read(int fd, struct buf *out)
{
	struct note n;

	/* Once: it may change while it is looked at. */
	if (fd_pread_all(fd, &n, sizeof(n), 0) != (ssize_t)sizeof(n))
		return;
	get(n.record, sizeof(n.record), "record ", out);
	get(n.edge, sizeof(n.edge), " of ", out);
	get(n.who, sizeof(n.who), out->len > 0 ? " " : "", out);
	get(n.what, sizeof(n.what), out->len > 0 ? " " : "", out);
}
