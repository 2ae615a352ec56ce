/* SPDX-License-Identifier: ISC */
/*
 * Reading a snapshot.
 *
 * The broker made it, and still it is decoded like something from the
 * network: every length is checked against what is left, and a snapshot is
 * either good as a whole or not there.
 */
#include "conf/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "conf/blob.h"
#include "conf/value.h"

struct value {
	int64_t num;
	struct str text;
	struct conf_list list;
};

struct transport {
	struct str name;
	struct value v[F_COUNT];
};

struct named {
	struct str name;
	struct value v;
};

struct conf {
	char *bytes;
	uint32_t generation;
	uint32_t self;
	struct value v[P_COUNT];
	struct conf_service *service;
	uint32_t nservice;
	struct transport *transport;
	uint32_t ntransport;
	struct named *named;
	uint32_t nnamed;
};

/* ---- decoding ---- */

static struct conf_item
get_item(struct blob_rd *r)
{
	struct conf_item it = { 0 };
	uint8_t kind = blob_get_u8(r), negate = blob_get_u8(r);
	uint32_t type = blob_get_u32(r, 1000);

	it.full = blob_get_str(r);
	it.text = it.full;
	it.type = STR("");
	it.kind = kind <= CONF_GROUP ? (enum conf_kind)kind : CONF_WORD;
	it.negate = negate == 1;
	if (kind > CONF_GROUP || negate > 1 ||
	    (kind == CONF_TABLE ? type == 0 || type >= it.full.n : type != 0)) {
		r->bad = 1;
	} else if (kind == CONF_TABLE) {
		it.type = str_sub(it.full, 0, type);
		it.text = str_sub(it.full, type + 1, it.full.n);
	}
	return it;
}

static struct conf_list
get_list(struct blob_rd *r)
{
	uint32_t n = blob_get_u32(r, BLOB_ITEMS_MAX);
	struct conf_item *v;

	/* An item takes eleven bytes at least: what is there bounds memory. */
	if (r->bad || n == 0 || n > r->rest.n / 11) {
		r->bad |= n != 0;
		return (struct conf_list){ 0 };
	}
	v = xcalloc(n, sizeof(*v));
	for (uint32_t i = 0; i < n; i++)
		v[i] = get_item(r);
	return (struct conf_list){ v, n };
}

static struct value
get_value(struct blob_rd *r)
{
	struct value v;

	v.num = blob_get_i64(r);
	v.text = blob_get_str(r);
	v.list = get_list(r);
	return v;
}

static bool
in_range(const struct param *p, int64_t num)
{
	switch (p->type) {
	case PT_BOOL:
		return num == 0 || num == 1;
	case PT_INT:
	case PT_SIZE:
	case PT_TIME:
		return num >= p->min && num <= p->max;
	default:
		return true;
	}
}

static void
get_service(struct blob_rd *r, struct conf_service *s)
{
	uint8_t flags;

	s->name = blob_get_str(r);
	s->host = blob_get_str(r);
	s->port = blob_get_str(r);
	s->port_num = (uint16_t)blob_get_u32(r, UINT16_MAX);
	s->socket = (enum conf_socket)blob_get_u32(r, CONF_PASS);
	flags = blob_get_u8(r);
	s->is_private = (flags & 1) != 0;
	s->is_privileged = (flags & 2) != 0;
	s->is_chroot = (flags & 4) != 0;
	s->wakeup_lazy = (flags & 8) != 0;
	s->wakeup = blob_get_u32(r, INT32_MAX);
	s->maxproc = blob_get_u32(r, INT32_MAX);
	s->command = blob_get_str(r);
	s->component = blob_get_str(r);
	s->args = get_list(r);
	if (flags > 15)
		r->bad = 1;
}

static void
get_services(struct blob_rd *r, struct conf *c)
{
	uint32_t n = blob_get_u32(r, BLOB_SERVICES_MAX);

	c->service = xcalloc(n + 1, sizeof(*c->service));
	for (uint32_t i = 0; i < n && !r->bad; i++, c->nservice++)
		get_service(r, &c->service[i]);
}

static void
get_transports(struct blob_rd *r, struct conf *c)
{
	uint32_t n = blob_get_u32(r, BLOB_SERVICES_MAX);

	c->transport = xcalloc(n + 1, sizeof(*c->transport));
	for (uint32_t i = 0; i < n && !r->bad; i++, c->ntransport++) {
		struct transport *t = &c->transport[i];

		t->name = blob_get_str(r);
		for (int f = 0; f < F_COUNT; f++)
			t->v[f] = get_value(r);
	}
}

static void
get_named(struct blob_rd *r, struct conf *c)
{
	uint32_t n = blob_get_u32(r, BLOB_NAMED_MAX);

	if (n > r->rest.n / 20) {
		r->bad |= n != 0;
		return;
	}
	c->named = xcalloc(n + 1, sizeof(*c->named));
	for (uint32_t i = 0; i < n && !r->bad; i++, c->nnamed++) {
		c->named[i].name = blob_get_str(r);
		c->named[i].v = get_value(r);
		if (i > 0 &&
		    str_cmp(c->named[i - 1].name, c->named[i].name) >= 0)
			r->bad = 1;
	}
}

static int
decode(struct blob_rd *r, struct conf *c)
{
	if (!str_starts(r->rest, STR(BLOB_MAGIC)))
		return -1;
	r->rest = str_sub(r->rest, 8, r->rest.n);
	if ((uint64_t)blob_get_i64(r) != blob_declaration())
		return -1;
	c->generation = blob_get_u32(r, UINT32_MAX);
	c->self = blob_get_u32(r, UINT32_MAX);
	for (int i = 0; i < P_COUNT && !r->bad; i++) {
		c->v[i] = get_value(r);
		if (!in_range(&params[i], c->v[i].num))
			r->bad = 1;
	}
	get_services(r, c);
	get_transports(r, c);
	get_named(r, c);
	if (c->self != BLOB_NONE && c->self >= c->nservice)
		return -1;
	return r->bad || r->rest.n != 0 ? -1 : 0;
}

/* Takes the bytes. */
static struct conf *
conf_take(char *bytes, size_t n)
{
	struct conf *c = xcalloc(1, sizeof(*c));
	struct blob_rd r = { .rest = str_make(bytes, n) };

	c->bytes = bytes;
	if (n > BLOB_MAX || decode(&r, c) == -1) {
		conf_free(&c);
		errno = EINVAL;
	}
	return c;
}

struct conf *
conf_open(int fd)
{
	char *bytes;
	size_t n;

	if (fd_slurp(fd, BLOB_MAX, &bytes, &n) == -1)
		return NULL;
	return conf_take(bytes, n);
}

struct conf *
conf_from(const void *p, size_t n)
{
	char *bytes;

	if (n > BLOB_MAX) {
		errno = EINVAL;
		return NULL;
	}
	bytes = xmalloc(n + 1);
	memcpy(bytes, p, n);
	return conf_take(bytes, n);
}

/* The items of a list are ours, though lent as const. */
static void
list_free(struct conf_list list)
{
	free((void *)(uintptr_t)list.v);
}

void
conf_free(struct conf **cp)
{
	struct conf *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	for (size_t i = 0; i < P_COUNT; i++)
		list_free(c->v[i].list);
	for (size_t i = 0; c->service != NULL && i <= c->nservice; i++)
		list_free(c->service[i].args);
	for (size_t i = 0; c->transport != NULL && i <= c->ntransport; i++)
		for (int f = 0; f < F_COUNT; f++)
			list_free(c->transport[i].v[f].list);
	for (size_t i = 0; c->named != NULL && i <= c->nnamed; i++)
		list_free(c->named[i].v.list);
	free(c->service);
	free(c->transport);
	free(c->named);
	free(c->bytes);
	free(c);
}

uint32_t
conf_generation(const struct conf *c)
{
	return c->generation;
}

/* ---- values ---- */

static const struct value *
value_of(const struct conf *c, enum param_id id, unsigned types)
{
	if ((unsigned)id >= P_COUNT || (types & 1U << params[id].type) == 0) {
		fprintf(stderr, "conf: %s asked for as another type\n",
		    (unsigned)id >= P_COUNT ? "?" : params[id].name);
		__builtin_trap(); /* abort() would be a violation */
	}
	return &c->v[id];
}

#define T(type) (1U << (type))
#define T_ALL (~0U)
#define T_LISTS                                                           \
	(T(PT_SET) | T(PT_LIST) | T(PT_MATCH) | T(PT_NETS) | T(PT_MAPS) | \
	    T(PT_RULES))

bool
conf_bool(const struct conf *c, enum param_id id)
{
	return value_of(c, id, T(PT_BOOL))->num != 0;
}

int64_t
conf_int(const struct conf *c, enum param_id id)
{
	return value_of(c, id, T(PT_INT))->num;
}

int64_t
conf_size(const struct conf *c, enum param_id id)
{
	return value_of(c, id, T(PT_SIZE))->num;
}

int64_t
conf_ms(const struct conf *c, enum param_id id)
{
	return value_of(c, id, T(PT_TIME))->num;
}

int64_t
conf_secs(const struct conf *c, enum param_id id)
{
	return conf_ms(c, id) / 1000;
}

struct str
conf_str(const struct conf *c, enum param_id id)
{
	return value_of(c, id, T_ALL)->text;
}

const char *
conf_cstr(const struct conf *c, enum param_id id)
{
	return value_of(c, id, T_ALL)->text.p;
}

bool
conf_is(const struct conf *c, enum param_id id, const char *word)
{
	return str_caseeq(value_of(c, id, T(PT_ENUM) | T(PT_STR))->text,
	    str_of(word));
}

bool
conf_has(const struct conf *c, enum param_id id, const char *word)
{
	struct conf_list list = value_of(c, id, T(PT_SET) | T(PT_LIST))->list;

	for (size_t i = 0; i < list.n; i++)
		if (str_caseeq(list.v[i].text, str_of(word)))
			return true;
	return false;
}

struct conf_list
conf_list(const struct conf *c, enum param_id id)
{
	return value_of(c, id, T_LISTS)->list;
}

/* ---- by name ---- */

static const struct named *
named_find(const struct conf *c, struct str name)
{
	uint32_t lo = 0, hi = c->nnamed;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int cmp = str_cmp(name, c->named[mid].name);

		if (cmp == 0)
			return &c->named[mid];
		if (cmp < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

bool
conf_named(const struct conf *c, struct str name, struct str *out)
{
	const struct named *f = named_find(c, name);

	*out = f == NULL ? STR("") : f->v.text;
	return f != NULL;
}

struct conf_list
conf_named_list(const struct conf *c, struct str name)
{
	const struct named *f = named_find(c, name);

	return f == NULL ? (struct conf_list){ 0 } : f->v.list;
}

/* ---- families ---- */

static const struct value *
family_value(const struct conf *c, enum family_id id, struct str transport)
{
	for (uint32_t i = 0; i < c->ntransport; i++)
		if (str_eq(c->transport[i].name, transport))
			return &c->transport[i].v[id];
	return &c->v[families[id].dflt];
}

int64_t
conf_transport_int(const struct conf *c, enum family_id id,
    struct str transport)
{
	return family_value(c, id, transport)->num;
}

int64_t
conf_transport_ms(const struct conf *c, enum family_id id, struct str transport)
{
	return family_value(c, id, transport)->num;
}

struct str
conf_transport_str(const struct conf *c, enum family_id id,
    struct str transport)
{
	return family_value(c, id, transport)->text;
}

/* ---- master.cf ---- */

const struct conf_service *
conf_self(const struct conf *c)
{
	return c->self == BLOB_NONE ? NULL : &c->service[c->self];
}

const struct conf_service *
conf_service(const struct conf *c, size_t i)
{
	return i < c->nservice ? &c->service[i] : NULL;
}

const struct conf_service *
conf_service_find(const struct conf *c, struct str name,
    enum conf_socket socket)
{
	for (uint32_t i = 0; i < c->nservice; i++)
		if (c->service[i].socket == socket &&
		    str_eq(c->service[i].name, name))
			return &c->service[i];
	return NULL;
}
