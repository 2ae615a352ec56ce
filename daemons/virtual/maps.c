/* SPDX-License-Identifier: ISC */
/*
 * What the tables say of an address.
 *
 * lookup looks whether a table has changed once a second; for that long its
 * answers are good here too, and a busy mailbox costs no question a message.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/siphash.h"

#include "virtual.h"

/* A parameter that is one static: table has its answer in the configuration. */
static bool
fixed(const struct conf *c, enum param_id param, struct str *out)
{
	struct conf_list l = conf_list(c, param);

	if (l.n != 1 || l.v[0].kind != CONF_TABLE ||
	    !str_eq(l.v[0].type, STR("static")) || l.v[0].text.n == 0 ||
	    l.v[0].text.p[0] == '{')
		return false;
	*out = l.v[0].text;
	return true;
}

/* Parameter and address in one, the address in lower case. */
static char *
memo_name(enum param_id param, struct str addr)
{
	char *key = xasprintf("%d " STR_FMT, (int)param, STR_ARG(addr));

	for (char *p = key; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	return key;
}

static struct memo *
memo_slot(struct virtual *v, const char *key)
{
	uint64_t h = siphash(v->memo_key.key, key, strlen(key));

	if (v->memo == NULL)
		v->memo = xcalloc(MEMO_SLOTS, sizeof(*v->memo));
	return &v->memo[h % MEMO_SLOTS];
}

static void
memo_clear(struct memo *m)
{
	free(m->key);
	free(m->value);
	*m = (struct memo){ .key = NULL };
}

static void
on_answer(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct lookup_answer *a = rec;
	struct map_call *c = arg;
	struct memo *m;
	bool found;

	(void)fds;
	if (type == 0 ||
	    (a->status != LOOKUP_FOUND && a->status != LOOKUP_NOT_FOUND)) {
		free(c->key);
		c->fn(MAP_LATER,
		    type == 0 ? STR("no lookup service") : a->value, c->arg);
		return;
	}
	found = a->status == LOOKUP_FOUND;
	m = memo_slot(c->v, c->key);
	memo_clear(m);
	m->key = c->key;
	m->value = str_dup(a->value);
	m->found = found;
	m->until_ms = loop_now(c->v->loop) + MEMO_MS;
	c->fn(found ? MAP_FOUND : MAP_NONE, a->value, c->arg);
}

void
maps_find(struct virtual *v, enum param_id param, struct str addr,
    struct map_call *c,
    void (*fn)(enum map_status status, struct str value, void *arg), void *arg)
{
	struct lookup_find q = { .how = FIND_ADDRESS,
		.param = str_of(params[param].name),
		.key = addr };
	struct str value;
	struct memo *m;

	if (fixed(v->conf, param, &value)) {
		fn(MAP_FOUND, value, arg);
		return;
	}
	*c = (struct map_call){ .v = v, .param = param, .fn = fn, .arg = arg };
	c->key = memo_name(param, addr);
	m = memo_slot(v, c->key);
	if (m->key != NULL && strcmp(m->key, c->key) == 0 &&
	    loop_now(v->loop) < m->until_ms) {
		free(c->key);
		fn(m->found ? MAP_FOUND : MAP_NONE, str_of(m->value), arg);
	} else if (v->lookup == NULL) {
		free(c->key);
		fn(MAP_LATER, STR("no lookup service"), arg);
	} else {
		chan_ask(v->lookup, LOOKUP_FIND, &q, NULL, on_answer, c);
	}
}

void
maps_forget(struct virtual *v)
{
	if (v->memo == NULL)
		return;
	for (size_t i = 0; i < MEMO_SLOTS; i++)
		memo_clear(&v->memo[i]);
}
