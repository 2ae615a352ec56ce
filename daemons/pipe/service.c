/* SPDX-License-Identifier: ISC */
/*
 * Lines of master.cf.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"

#include "pipe.h"

struct service *
service_find(struct piped *p, struct str name)
{
	struct service *s;

	LIST_FOREACH(s, &p->services, link)
		if (str_eq(name, str_of(s->name)))
			return s;
	return NULL;
}

static void
service_read(struct service *s, struct conf *c)
{
	const struct conf_service *self = conf_self(c);
	struct buf err;

	buf_init(&err, 512);
	conf_free(&s->conf);
	s->conf = c;
	free(s->bad);
	s->bad = NULL;
	if (self == NULL)
		buf_puts(&err, "there is no such line");
	else
		pipe_args_read(self->args, &s->args, &err);
	if (err.len > 0) {
		s->bad = xstrdup(buf_cstr(&err));
		log_error("transport %s in master.cf: %s", s->name, s->bad);
	}
	buf_clear(&err);
}

void
service_forget(struct piped *p)
{
	struct service *s;

	LIST_FOREACH(s, &p->services, link) {
		free(s->bad);
		s->bad = xstrdup("not in master.cf");
	}
}

void
service_take(struct piped *p, uint32_t number, struct str name, int fd)
{
	struct conf *c = conf_open(fd);
	struct service *s = service_find(p, name);

	if (c == NULL)
		return;
	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		s->name = str_dup(name);
		LIST_INSERT_HEAD(&p->services, s, link);
	}
	s->number = number;
	service_read(s, c);
}
