/* SPDX-License-Identifier: ISC */
/*
 * What the tables say.
 */
#include "agent/maps.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/siphash.h"

struct maps_memo {
	char *key; /* what was asked; NULL: nothing */
	char *value;
	bool found;
	int64_t until_ms;
};

void
maps_init(struct maps *m, struct loop *l, struct chan *const *lookup)
{
	*m = (struct maps){ .loop = l, .lookup = lookup };
	arc4random_buf(m->key, sizeof(m->key));
	m->memo = xcalloc(MAPS_SLOTS, sizeof(*m->memo));
}

static void
memo_clear(struct maps_memo *e)
{
	free(e->key);
	free(e->value);
	*e = (struct maps_memo){ .key = NULL };
}

void
maps_config(struct maps *m, const struct conf *c)
{
	m->conf = c;
	for (size_t i = 0; i < MAPS_SLOTS; i++)
		memo_clear(&m->memo[i]);
}

void
maps_clear(struct maps *m)
{
	maps_config(m, NULL);
	free(m->memo);
	m->memo = NULL;
}

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

static struct maps_memo *
slot(struct maps *m, const char *key)
{
	return &m->memo[siphash(m->key, key, strlen(key)) % MAPS_SLOTS];
}

/* Takes the key over. */
static void
remember(struct maps *m, char *key, bool found, struct str value)
{
	struct maps_memo *e = slot(m, key);

	memo_clear(e);
	e->key = key;
	e->value = str_dup(value);
	e->found = found;
	e->until_ms = loop_now(m->loop) + MAPS_MS;
}

/*
 * Answer from memory, or for want of a peer.  The call then has no key, and
 * the answer was given.
 */
static bool
at_hand(struct map_call *c)
{
	struct maps_memo *e = slot(c->m, c->key);

	if (e->key != NULL && strcmp(e->key, c->key) == 0 &&
	    loop_now(c->m->loop) < e->until_ms) {
		free(c->key);
		c->fn(e->found ? MAP_FOUND : MAP_NONE, str_of(e->value),
		    c->arg);
		return true;
	}
	if (*c->m->lookup == NULL) {
		free(c->key);
		c->fn(MAP_LATER, STR("no lookup service"), c->arg);
		return true;
	}
	return false;
}

static void
answer(struct map_call *c, int status, struct str value)
{
	if (status != LOOKUP_FOUND && status != LOOKUP_NOT_FOUND) {
		free(c->key);
		c->fn(MAP_LATER, value, c->arg);
		return;
	}
	remember(c->m, c->key, status == LOOKUP_FOUND, value);
	c->fn(status == LOOKUP_FOUND ? MAP_FOUND : MAP_NONE, value, c->arg);
}

static void
on_answer(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct lookup_answer *a = rec;

	struct map_call *c = arg;

	(void)fds;
	if (type == 0)
		answer(c, -1, STR("no lookup service"));
	else
		answer(c, a->status, a->value);
}

static char *
lower(char *s)
{
	for (char *p = s; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	return s;
}

void
maps_find(struct maps *m, enum find_how how, uint8_t flags, enum param_id param,
    struct str key, struct map_call *c, map_fn *fn, void *arg)
{
	struct lookup_find q = { .how = (uint8_t)how,
		.flags = flags,
		.param = str_of(params[param].name),
		.key = key };
	struct str value;

	*c = (struct map_call){ .m = m, .fn = fn, .arg = arg };
	if (fixed(m->conf, param, &value)) {
		fn(MAP_FOUND, value, arg);
		return;
	}
	c->key = lower(
	    xasprintf("%d %d " STR_FMT, (int)param, (int)how, STR_ARG(key)));
	if (!at_hand(c))
		chan_ask(*m->lookup, LOOKUP_FIND, &q, NULL, on_answer, c);
}

/* --- users ---------------------------------------------------------------- */

static void
on_passwd(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct lookup_passwd *p = rec;
	char *value;

	(void)fds;
	if (type == 0) {
		answer(arg, -1, STR("no lookup service"));
		return;
	}
	value = xasprintf("%u:%u:" STR_FMT, (unsigned)p->uid, (unsigned)p->gid,
	    STR_ARG(p->home));
	answer(arg, p->status,
	    p->status == LOOKUP_FOUND ? str_of(value) :
					STR("user database unavailable"));
	free(value);
}

void
maps_user(struct maps *m, struct str name, struct map_call *c, map_fn *fn,
    void *arg)
{
	struct lookup_user q = { .name = name };

	*c = (struct map_call){ .m = m, .fn = fn, .arg = arg };
	c->key = xasprintf("user " STR_FMT, STR_ARG(name));
	if (!at_hand(c))
		chan_ask(*m->lookup, LOOKUP_USER, &q, NULL, on_passwd, c);
}
