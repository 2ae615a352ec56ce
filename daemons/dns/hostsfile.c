/* SPDX-License-Identifier: ISC */
/*
 * The hosts file.  Root's, and read once while nothing hostile runs yet.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "mail/domain.h"
#include "net/netaddr.h"

#include "dns.h"

static void
add(struct hostsfile *h, const struct netaddr *a, struct str name)
{
	if (h->n == HOSTSFILE_MAX || name.n > DOMAIN_MAX)
		return;
	if ((h->n & (h->n - 1)) == 0)
		h->v = xreallocarray(h->v, h->n == 0 ? 1 : h->n * 2,
		    sizeof(*h->v));
	h->v[h->n].addr = *a;
	h->v[h->n++].name = str_dup_lower(name);
}

void
hostsfile_parse(struct hostsfile *h, struct str text)
{
	struct str line, word;
	struct netaddr a;

	while (str_token(&text, "\n", &line)) {
		ptrdiff_t hash = str_chr(line, '#');

		if (hash != -1)
			line = str_sub(line, 0, (size_t)hash);
		if (!str_token(&line, " \t\r", &word) ||
		    netaddr_parse(word, &a) == -1)
			continue;
		while (str_token(&line, " \t\r", &word))
			add(h, &a, word);
	}
}

void
hostsfile_read(struct hostsfile *h, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = NULL;
	size_t n = 0;

	if (fd != -1 && fd_slurp(fd, 4U << 20, &p, &n) == 0)
		hostsfile_parse(h, str_make(p, n));
	fd_close(&fd);
	free(p);
}

void
hostsfile_clear(struct hostsfile *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->v[i].name);
	free(h->v);
	*h = (struct hostsfile){ .n = 0 };
}

const char *
hostsfile_name(const struct hostsfile *h, const struct netaddr *a)
{
	for (size_t i = 0; i < h->n; i++)
		if (netaddr_same(&h->v[i].addr, a))
			return h->v[i].name;
	return NULL;
}
