/* SPDX-License-Identifier: ISC */
/*
 * alias_maps: the destinations of an alias, and who owns it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "mail/address.h"
#include "table/lookup.h"

#include "local.h"

struct collect {
	struct errand *e;
	enum origin origin;
	const struct alias *alias;
};

static void
on_item(const struct alias_item *it, void *arg)
{
	struct collect *c = arg;

	errand_add(c->e, it, c->origin, c->alias);
}

int
alias_items(struct errand *e, struct str text, bool lines, enum origin origin,
    const struct alias *alias, const char **why)
{
	struct collect c = { e, origin, alias };
	struct alias_parser ap;
	struct alias_item it;
	size_t max = ITEMS_MAX - e->nitems;
	int k;

	*why = "too many destinations";
	if (e->nitems >= ITEMS_MAX)
		return -1;
	if (lines)
		return dotforward_parse(text, max, on_item, &c, why) == -1 ?
		    -1 :
		    0;
	alias_parse(&ap, text, max);
	while ((k = alias_next(&ap, &it)) == 1)
		on_item(&it, &c);
	*why = ap.error;
	alias_end(&ap);
	return k;
}

/* --- owners --------------------------------------------------------------- */

/*
 * A name without a domain is one of ours.  NULL for one that is no sender, or
 * too long to be: a pattern may know any name, and one for its owner.
 */
static char *
qualify(const struct errand *e, struct str name)
{
	char *addr = str_rchr(name, '@') != -1 ?
	    str_dup(name) :
	    xasprintf(STR_FMT "@" STR_FMT, STR_ARG(name),
		STR_ARG(conf_str(e->lo->conf, P_MYORIGIN)));

	if (!addr_valid(str_of(addr))) {
		free(addr);
		addr = NULL;
	}
	return addr;
}

/* The address behind owner-list, when it is one address. */
static char *
single_address(const struct errand *e, struct str value)
{
	struct alias_parser ap;
	struct alias_item it;
	char *addr = NULL;

	alias_parse(&ap, value, 2);
	if (alias_next(&ap, &it) == 1 && it.kind == ALIAS_ADDRESS) {
		addr = qualify(e, it.text);
		if (alias_next(&ap, &it) != 0) {
			free(addr);
			addr = NULL;
		}
	}
	alias_end(&ap);
	return addr;
}

/* The owner is known, or there is none: the alias is expanded. */
static void
expand(struct errand *e)
{
	struct alias *a = e->alias;
	const char *why;
	unsigned before = e->nitems;

	e->alias = NULL;
	if (a->owner == NULL && a->parent != NULL && a->parent->owner != NULL &&
	    !conf_bool(e->lo->conf, P_RESET_OWNER_ALIAS))
		a->owner = xstrdup(a->parent->owner);
	if (alias_items(e, str_of(e->value), false, FROM_ALIAS, a, &why) == -1)
		log_warn("alias %s: %s", a->name, why);
	else if (e->nitems == before)
		log_warn("alias %s has no destinations", a->name);
	else {
		errand_next(e);
		return;
	}
	errand_settle(e, FATE_DEFERRED, "4.3.5",
	    "mail system configuration error");
}

static void
on_owner(enum map_status status, struct str value, void *arg)
{
	struct errand *e = arg;
	struct alias *a = e->alias;
	char *name;

	if (status == MAP_LATER) {
		errand_settle(e, FATE_DEFERRED, "4.3.0",
		    "alias database unavailable");
		return;
	}
	if (status == MAP_FOUND) {
		if (conf_bool(e->lo->conf, P_EXPAND_OWNER_ALIAS))
			a->owner = single_address(e, value);
		if (a->owner == NULL) {
			name = xasprintf("owner-%s", a->name);
			a->owner = qualify(e, str_of(name));
			free(name);
		}
	}
	expand(e);
}

static void
find_owner(struct errand *e)
{
	struct alias *a = e->alias;
	char *key;

	/* The owner of an owner is nobody: errors end with him. */
	if (!conf_bool(e->lo->conf, P_OWNER_REQUEST_SPECIAL) ||
	    str_casestarts(str_of(a->name), STR("owner-")) ||
	    strlen(a->name) > LOOKUP_KEY_MAX - 8) {
		expand(e);
		return;
	}
	key = xasprintf("owner-%s", a->name);
	maps_find(&e->lo->maps, FIND_PLAIN, 0, P_ALIAS_MAPS, str_of(key),
	    &e->map, on_owner, e);
	free(key);
}

/* --- the alias ------------------------------------------------------------ */

/* An alias that e->item led to; NULL: it is too deep, and e is gone. */
static struct alias *
alias_new(struct errand *e, struct str name)
{
	const struct alias *parent = e->item->alias;
	struct alias *a;

	if (parent != NULL && parent->depth >= DEPTH_MAX) {
		log_warn(STR_FMT ": possible alias database loop at " STR_FMT,
		    STR_ARG(e->job->qid), STR_ARG(name));
		errand_settle(e, FATE_BOUNCED, "5.4.6",
		    "possible alias database loop");
		return NULL;
	}
	a = xcalloc(1, sizeof(*a));
	a->name = str_dup(name);
	a->parent = parent;
	a->depth = parent == NULL ? 1 : parent->depth + 1;
	SLIST_INSERT_HEAD(&e->aliases, a, link);
	return a;
}

static void
found(struct errand *e, struct str name, struct str value)
{
	struct alias *a = alias_new(e, name);

	if (a == NULL)
		return;
	e->alias = a;
	free(e->value);
	e->value = str_dup(value);
	/* What its members' mail would come to is theirs to ask. */
	if (agent_probe(e->job))
		errand_settle(e, FATE_SENT, "2.0.0", "aliased to %.900s",
		    e->value);
	else
		find_owner(e);
}

static void
none(struct errand *e)
{
	errand_target(e, TO_USER, str_of(e->name), str_of(e->addr), false,
	    e->item);
	errand_next(e);
}

static bool
answered(struct errand *e, enum map_status status, struct str value)
{
	if (status != MAP_LATER)
		return true;
	log_warn(STR_FMT ": alias_maps: " STR_FMT, STR_ARG(e->job->qid),
	    STR_ARG(value));
	errand_settle(e, FATE_DEFERRED, "4.3.0", "alias database unavailable");
	return false;
}

static struct str
bare(const struct errand *e)
{
	struct str name = str_of(e->name);

	return str_sub(name, 0, lookup_ext(name, e->lo->delimiter));
}

/*
 * The name without its extension.  An alias of that name that led here means
 * the user.
 */
static void
on_bare(enum map_status status, struct str value, void *arg)
{
	struct errand *e = arg;
	const struct alias *a;

	if (!answered(e, status, value))
		return;
	if (status == MAP_NONE) {
		none(e);
		return;
	}
	for (a = e->item->alias; a != NULL; a = a->parent)
		if (str_caseeq(bare(e), str_of(a->name))) {
			none(e);
			return;
		}
	found(e, bare(e), value);
}

static void
on_full(enum map_status status, struct str value, void *arg)
{
	struct errand *e = arg;

	if (!answered(e, status, value))
		return;
	if (status == MAP_FOUND)
		found(e, str_of(e->name), value);
	else if (bare(e).n < strlen(e->name))
		maps_find(&e->lo->maps, FIND_PLAIN, 0, P_ALIAS_MAPS, bare(e),
		    &e->map, on_bare, e);
	else
		none(e);
}

void
alias_find(struct errand *e)
{
	if (!e->lo->have_aliases) {
		none(e);
		return;
	}
	maps_find(&e->lo->maps, FIND_PLAIN, 0, P_ALIAS_MAPS, str_of(e->name),
	    &e->map, on_full, e);
}

/* --- what lookup vouches for ---------------------------------------------- */

bool
alias_sign(struct errand *e, enum command_kind kind, chan_answer_fn *fn)
{
	const struct target *t = e->target;
	struct lookup_command q = { .kind = (uint8_t)kind,
		.key = str_of(t->alias),
		.path = str_of(t->file),
		.text = str_of(t->text) };

	if (e->lo->lookup == NULL || q.key.n > LOOKUP_KEY_MAX ||
	    q.path.n > 512)
		return false;
	chan_ask(e->lo->lookup, LOOKUP_COMMAND, &q, NULL, fn, e);
	return true;
}

/* --- :include: ------------------------------------------------------------ */

#define INCLUDE_MAX (4 << 20) /* bytes of a list */
#define INCLUDE_TRIES 3	      /* it may be edited while it is read */

static void ask_include(struct errand *e);

static void
give_up(struct errand *e, const char *why, struct str more)
{
	log_warn(STR_FMT ": :include:%s: %s" STR_FMT, STR_ARG(e->job->qid),
	    e->item->text, why, STR_ARG(more));
	buf_clear(&e->text);
	errand_settle(e, FATE_DEFERRED, "4.3.0",
	    "cannot read an :include: file");
}

static void
on_include(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct lookup_text *t = rec;
	struct errand *e = arg;
	const char *why = "cannot be read now";
	struct alias *a;
	int r;

	(void)fds;
	if (type == 0 || t->status != LOOKUP_FOUND) {
		give_up(e, "", type == 0 ? STR("no lookup service") : t->text);
		return;
	}
	if (e->text.len > 0 && t->stamp != e->stamp) {
		buf_clear(&e->text);
		if (++e->tries > INCLUDE_TRIES)
			give_up(e, "it changes while it is read", STR_NONE);
		else
			ask_include(e);
		return;
	}
	e->stamp = t->stamp;
	if (buf_str(&e->text, t->text) == -1) {
		give_up(e, "it is too long", STR_NONE);
		return;
	}
	if (t->more) {
		ask_include(e);
		return;
	}
	/* Its items are those of an alias of the same name and owner. */
	a = alias_new(e, str_of(e->item->alias->name));
	if (a == NULL)
		return;
	if (a->parent->owner != NULL)
		a->owner = xstrdup(a->parent->owner);
	free(e->reading);
	e->reading = xstrdup(e->item->text);
	r = alias_items(e, buf_get(&e->text), true, FROM_INCLUDE, a, &why);
	free(e->reading);
	e->reading = NULL;
	if (r == -1) {
		give_up(e, why, STR_NONE);
		return;
	}
	buf_clear(&e->text);
	errand_next(e);
}

/* The next piece. */
static void
ask_include(struct errand *e)
{
	struct lookup_include q = { .alias = str_of(e->item->alias->name),
		.path = str_of(e->item->text),
		.offset = e->text.len };

	if (e->lo->lookup == NULL)
		give_up(e, "no lookup service", STR_NONE);
	else
		chan_ask(e->lo->lookup, LOOKUP_INCLUDE, &q, NULL, on_include,
		    e);
}

/*
 * lookup has the file opened, with the rights of the alias file's owner, if a
 * table of alias_maps says that this alias includes it, or another file did
 * that was read for it; so a local that was captured can name no file.
 */
void
alias_include(struct errand *e)
{
	e->tries = 0;
	buf_clear(&e->text);
	buf_init(&e->text, INCLUDE_MAX);
	if (strlen(e->item->text) > 512 ||
	    strlen(e->item->alias->name) > LOOKUP_KEY_MAX)
		give_up(e, "its name is too long", STR_NONE);
	else
		ask_include(e);
}
