/* SPDX-License-Identifier: ISC */
/*
 * From configuration files to snapshots.
 */
#include "conf/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "conf/blob.h"
#include "conf/eval.h"
#include "conf/items.h"
#include "conf/names.h"
#include "conf/value.h"

#define VALUE_MAX (1 << 20)

/* ---- files ---- */

static void
start(struct build *b, const char *dir)
{
	*b = (struct build){ 0 };
	if (dir == NULL)
		dir = getenv("MAIL_CONFIG");
	if (dir == NULL || *dir == '\0')
		dir = SYSCONFDIR;
	b->dir = xstrdup(dir);
	maincf_init(&b->main);
	maincf_init(&b->over);
	mastercf_init(&b->master);
	report_init(&b->rep);
}

static char *
read_file(struct build *b, const char *name, char **path, size_t *n)
{
	char *text = NULL;
	int fd;

	*path = xasprintf("%s/%s", b->dir, name);
	fd = open(*path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 || fd_slurp(fd, MAINCF_SIZE_MAX, &text, n) == -1) {
		report_add(&b->rep, REPORT_ERROR, *path, 0,
		    "name the directory with -c or MAIL_CONFIG",
		    "cannot be read: %s", strerror(errno));
		text = NULL;
	}
	fd_close(&fd);
	return text;
}

void
build_load(struct build *b, const char *dir)
{
	char *path, *text;
	size_t n;

	start(b, dir);
	hostfacts_init(&b->host);
	text = read_file(b, "main.cf", &path, &n);
	if (text != NULL)
		maincf_parse(&b->main, path, str_make(text, n), &b->rep);
	free(text);
	free(path);
	text = read_file(b, "master.cf", &path, &n);
	if (text != NULL)
		mastercf_parse(&b->master, path, str_make(text, n), &b->rep);
	free(text);
	free(path);
}

void
build_parse(struct build *b, const char *dir, struct str main,
    struct str master)
{
	start(b, dir);
	maincf_parse(&b->main, "main.cf", main, &b->rep);
	mastercf_parse(&b->master, "master.cf", master, &b->rep);
	b->host.hostname = xstrdup("localhost");
	b->host.cpus = 1;
}

void
build_clear(struct build *b)
{
	free(b->dir);
	maincf_clear(&b->main);
	maincf_clear(&b->over);
	mastercf_clear(&b->master);
	hostfacts_clear(&b->host);
	report_clear(&b->rep);
}

/* ---- values ---- */

/* A value on its way into the snapshot. */
struct making {
	struct build *b;
	struct eval e;
	struct buf *out;
	int rc; /* -1 once something was wrong */
};

static int
wrong(struct making *m, const char *name, const struct maincf_entry *at,
    const char *advice, struct str text, const char *what)
{
	return report_add(&m->b->rep, REPORT_ERROR,
	    at == NULL ? NULL : at->file, at == NULL ? 0 : at->line, advice,
	    "%s: \"" STR_FMT "\" %s", name, STR_ARG(str_sub(text, 0, 80)),
	    what);
}

static int
check_range(struct making *m, const struct param *p, const char *name,
    const struct maincf_entry *at, struct str text, int64_t num)
{
	int64_t unit = p->type == PT_TIME ? 1000 : 1;
	char advice[100];

	if (num >= p->min && num <= p->max)
		return 0;
	snprintf(advice, sizeof(advice), "from %lld to %lld%s",
	    (long long)(p->min / unit), (long long)(p->max / unit),
	    p->type == PT_TIME ? " seconds" : "");
	return wrong(m, name, at, advice, text, "is out of range");
}

static int
check_number(struct making *m, const struct param *p, const char *name,
    const struct maincf_entry *at, struct str text, int64_t *num)
{
	bool yes;

	switch (p->type) {
	case PT_BOOL:
		if (value_bool(text, &yes) == -1)
			return wrong(m, name, at, "write yes or no", text,
			    "is neither yes nor no");
		*num = yes;
		return 0;
	case PT_INT:
		if (value_int(text, num) == -1)
			return wrong(m, name, at, "write a whole number", text,
			    "is not a number");
		break;
	case PT_SIZE:
		if (value_size(text, num) == -1)
			return wrong(m, name, at,
			    "write bytes, or a number with k, m or g", text,
			    "is not a size");
		break;
	case PT_TIME:
		if (value_time(text, param_unit(p), num) == -1)
			return wrong(m, name, at,
			    "write a number with s, m, h, d or w", text,
			    "is not a time");
		break;
	case PT_ENUM:
		if (!value_word(text, p->words, num))
			return wrong(m, name, at, p->words, text,
			    "is not one of the words this parameter knows");
		return 0;
	default:
		return 0;
	}
	return check_range(m, p, name, at, text, *num);
}

static int
check_words(struct making *m, const struct param *p,
    const struct maincf_entry *at, const struct items *it)
{
	for (size_t i = 0; i < it->n; i++)
		if (!value_word(str_of(it->v[i].full), p->words, NULL))
			return wrong(m, p->name, at, p->words,
			    str_of(it->v[i].full),
			    "is not one of the words this parameter knows");
	return 0;
}

static bool
is_list(enum param_type type)
{
	return type == PT_SET || type == PT_LIST || type == PT_MATCH ||
	    type == PT_NETS || type == PT_MAPS || type == PT_RULES;
}

/* Check a value against its declaration and write it. */
static void
put_value(struct making *m, const struct param *p, const char *name,
    const struct maincf_entry *at, struct str text)
{
	struct items it = { .name = name, .at = at, .rep = &m->b->rep };
	int64_t num = 0;

	text = str_trim(text);
	if (check_number(m, p, name, at, text, &num) == -1)
		m->rc = -1;
	/*
	 * What this version does not support is nobody's to read: a default
	 * below a directory with a blank in its name is no error there.
	 */
	if (is_list(p->type) && p->status != PS_LATER &&
	    items_parse(&it, p->type, text) == -1)
		m->rc = -1;
	if (p->type == PT_SET && check_words(m, p, at, &it) == -1)
		m->rc = -1;
	if (p->type == PT_RULES && at != NULL)
		items_check_rules(&it, str_of(eval_raw(&m->e,
		    P_SMTPD_RESTRICTION_CLASSES)));
	blob_i64(m->out, num);
	blob_str(m->out, text);
	items_write(&it, m->out);
	items_clear(&it);
}

/* myorigin = /etc/mailname: the domain is in the first line there. */
static void
read_myorigin(struct making *m, const struct maincf_entry *at,
    struct buf *value)
{
	struct str line, rest;
	char *text;
	size_t n;
	int fd;

	fd = open(buf_cstr(value), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 || fd_slurp(fd, VALUE_MAX, &text, &n) == -1) {
		m->rc = wrong(m, "myorigin", at,
		    "a value that begins with / is a file that holds the name",
		    buf_get(value), "cannot be read");
		fd_close(&fd);
		return;
	}
	fd_close(&fd);
	rest = str_make(text, n);
	buf_reset(value);
	if (str_token(&rest, "\r\n", &line) &&
	    memchr(line.p, '\0', line.n) == NULL)
		buf_str(value, str_trim(line));
	free(text);
}

static void
put_param(struct making *m, enum param_id id)
{
	const struct maincf_entry *at = eval_param_entry(&m->e, id);
	struct buf value;

	buf_init(&value, VALUE_MAX);
	if (eval_param(&m->e, id, &value) == -1)
		m->rc = -1;
	if (id == P_MYORIGIN && str_starts(buf_get(&value), STR("/")))
		read_myorigin(m, at, &value);
	put_value(m, &params[id], params[id].name, at, buf_get(&value));
	buf_clear(&value);
}

/* ---- services ---- */

static void
put_args(struct making *m, const struct service *s)
{
	struct items it = { .name = s->name, .rep = &m->b->rep };
	bool options = true;

	for (size_t i = 0; i < s->nargs; i++) {
		struct str w = str_of(s->args[i]);
		bool group = w.p[0] == '{';

		if (options && str_starts(w, STR("-o"))) {
			if (w.n == 2)
				i++;
			continue;
		}
		options = options && w.p[0] == '-';
		if (it.n % 16 == 0)
			it.v = xreallocarray(it.v, it.n + 16, sizeof(*it.v));
		it.v[it.n++] =
		    (struct item){ .kind = group ? CONF_GROUP : CONF_WORD,
			    .full = str_dup(group ? value_unbrace(w) : w) };
	}
	items_write(&it, m->out);
	items_clear(&it);
}

static void
put_service(struct making *m, const struct service *s, int64_t process_limit)
{
	bool is_private = s->is_private != 0 && s->socket != CONF_INET;
	unsigned flags = 0;

	flags |= is_private ? 1 : 0;
	flags |= s->is_unprivileged == 0 ? 2 : 0;
	flags |= s->is_chroot == 1 ? 4 : 0;
	flags |= s->wakeup_lazy ? 8 : 0;
	blob_str(m->out, str_of(s->name));
	blob_str(m->out, str_of(s->host));
	blob_str(m->out, str_of(s->port));
	blob_u32(m->out, s->port_num);
	blob_u32(m->out, (uint32_t)s->socket);
	blob_u8(m->out, (uint8_t)flags);
	blob_u32(m->out, s->wakeup == -1 ? 0 : (uint32_t)s->wakeup);
	blob_u32(m->out,
	    (uint32_t)(s->maxproc == -1 ? process_limit : s->maxproc));
	blob_str(m->out, str_of(s->command));
	blob_str(m->out, str_of(s->component == NULL ? "" : s->component));
	put_args(m, s);
}

static int64_t
process_limit(struct making *m)
{
	struct buf value;
	int64_t n = 100;

	buf_init(&value, VALUE_MAX);
	if (eval_param(&m->e, P_DEFAULT_PROCESS_LIMIT, &value) == -1 ||
	    value_int(buf_get(&value), &n) == -1 || n < 0 || n > INT32_MAX)
		n = 100; /* reported with the parameter itself */
	buf_clear(&value);
	return n;
}

static void
resolve_ports(struct making *m)
{
	size_t errors = m->b->rep.errors;
	struct buf known;

	buf_init(&known, VALUE_MAX);
	eval_param(&m->e, P_KNOWN_TCP_PORTS, &known);
	mastercf_resolve(&m->b->master, buf_get(&known), &m->b->rep);
	buf_clear(&known);
	if (m->b->rep.errors > errors)
		m->rc = -1;
}

static void
put_services(struct making *m)
{
	int64_t limit = process_limit(m);

	resolve_ports(m);
	blob_u32(m->out, (uint32_t)m->b->master.n);
	for (size_t i = 0; i < m->b->master.n; i++)
		put_service(m, &m->b->master.v[i], limit);
}

/* ---- families ---- */

static void
put_family(struct making *m, enum family_id id, struct str transport)
{
	struct param p = params[families[id].dflt];
	const struct maincf_entry *at;
	struct buf value;
	const char *raw;
	char *name;

	name = xasprintf(STR_FMT "%s", STR_ARG(transport), families[id].suffix);
	at = eval_entry(&m->e, str_of(name));
	raw =
	    at == NULL ? eval_family_default(&m->e, id, transport) : at->value;
	p.name = name;
	buf_init(&value, VALUE_MAX);
	if (eval_text(&m->e, str_of(raw), at, &value) == -1)
		m->rc = -1;
	put_value(m, &p, name, at, buf_get(&value));
	buf_clear(&value);
	free(name);
}

static void
put_transports(struct making *m)
{
	const struct mastercf *cf = &m->b->master;
	uint32_t n = 0;

	for (size_t i = 0; i < cf->n; i++)
		n += cf->v[i].socket == CONF_UNIX;
	blob_u32(m->out, n);
	for (size_t i = 0; i < cf->n; i++) {
		struct str name = str_of(cf->v[i].name);

		if (cf->v[i].socket != CONF_UNIX)
			continue;
		blob_str(m->out, name);
		for (int f = 0; f < F_COUNT; f++)
			put_family(m, (enum family_id)f, name);
	}
}

/* ---- names without a declaration ---- */

static int
by_name(const void *a, const void *b)
{
	const struct maincf_entry *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void
put_named(struct making *m, const struct names *names)
{
	static const struct param any = { .name = "", .type = PT_RULES };
	const struct maincf *layers[3] = { m->e.over,
		m->e.self == NULL ? NULL : &m->e.self->opts, m->e.main };
	const struct maincf_entry **v = NULL;
	struct buf value;
	size_t n = 0;

	for (size_t l = 0; l < 3; l++)
		for (size_t i = 0; layers[l] != NULL && i < layers[l]->n; i++) {
			const struct maincf_entry *e = &layers[l]->v[i];
			enum name_kind kind;

			kind = names_kind(names, str_of(e->name));
			if ((kind != NAME_USER && kind != NAME_TABLE) ||
			    eval_entry(&m->e, str_of(e->name)) != e)
				continue;
			v = xreallocarray(v, n + 1, sizeof(*v));
			v[n++] = e;
		}
	if (n > 0)
		qsort(v, n, sizeof(*v), by_name);
	blob_u32(m->out, (uint32_t)n);
	buf_init(&value, VALUE_MAX);
	for (size_t i = 0; i < n; i++) {
		struct items it = { .name = v[i]->name, .at = v[i] };
		struct report quiet;

		buf_reset(&value);
		if (eval_text(&m->e, str_of(v[i]->value), v[i], &value) == -1)
			m->rc = -1;
		/* It may be meant for a list or not: then there is none. */
		report_init(&quiet);
		it.rep = &quiet;
		if (items_parse(&it, any.type, buf_get(&value)) == -1)
			items_clear(&it);
		report_clear(&quiet);
		if (names_class(names, str_of(v[i]->name))) {
			it.rep = &m->b->rep;
			items_check_rules(&it, str_of(names->classes));
		}
		blob_str(m->out, str_of(v[i]->name));
		blob_i64(m->out, 0);
		blob_str(m->out, buf_get(&value));
		items_write(&it, m->out);
		items_clear(&it);
	}
	buf_clear(&value);
	free(v);
}

/* ---- snapshots ---- */

static int
snapshot(struct build *b, const struct names *names, const struct service *self,
    uint32_t generation, struct buf *out)
{
	struct making m = { .b = b,
		.out = out,
		.e = { .main = &b->main,
		    .over = &b->over,
		    .self = self,
		    .host = &b->host,
		    .dir = b->dir,
		    .rep = &b->rep } };

	buf_puts(out, BLOB_MAGIC);
	blob_i64(out, (int64_t)blob_declaration());
	blob_u32(out, generation);
	blob_u32(out,
	    self == NULL ? BLOB_NONE : (uint32_t)(self - b->master.v));
	for (int id = 0; id < P_COUNT; id++)
		put_param(&m, (enum param_id)id);
	put_services(&m);
	put_transports(&m);
	put_named(&m, names);
	eval_clear(&m.e);
	if (buf_full(out))
		m.rc = report_add(&b->rep, REPORT_ERROR, b->dir, 0, NULL,
		    "the configuration is too large");
	return m.rc;
}

int
build_snapshot(struct build *b, const struct service *self, uint32_t generation,
    struct buf *out)
{
	struct names names;
	int rc;

	names_init(&names, b);
	rc = snapshot(b, &names, self, generation, out);
	names_clear(&names);
	return rc;
}

int
build_memfd(struct build *b, const struct service *self, uint32_t generation)
{
	struct buf out;
	int fd = -1;

	buf_init(&out, BUILD_MAX);
	if (build_snapshot(b, self, generation, &out) == 0)
		fd = memfd_from("conf", buf_get(&out).p, buf_get(&out).n);
	buf_clear(&out);
	return fd;
}

size_t
build_check(struct build *b)
{
	struct names names;
	struct buf out;

	buf_init(&out, BUILD_MAX);
	names_init(&names, b);
	names_check(&names, b);
	mastercf_check(&b->master, &b->rep);
	snapshot(b, &names, NULL, 0, &out);
	for (size_t i = 0; i < b->master.n; i++) {
		if (b->master.v[i].opts.n == 0)
			continue; /* the same as without a service */
		buf_reset(&out);
		snapshot(b, &names, &b->master.v[i], 0, &out);
	}
	names_clear(&names);
	buf_clear(&out);
	return b->rep.errors;
}
