/* SPDX-License-Identifier: ISC */
/*
 * Who may post mail: authorized_submit_users.
 */
#include <pwd.h>
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"

#include "pickup.h"

static int
known_id(const struct users *old, struct str name, uint32_t *uid)
{
	for (size_t i = 0; i < old->n; i++) {
		if (old->v[i].name == NULL ||
		    !str_eq(name, str_of(old->v[i].name)))
			continue;
		*uid = old->v[i].uid;
		return 0;
	}
	return -1;
}

/* A login name or a number; -1 when it is neither. */
static int
user_id(const struct users *old, struct str name, uint32_t *uid)
{
	uint64_t n;
	char *s;
	struct passwd *pw;

	if (str_u64(name, UINT32_MAX, &n) == 0) {
		*uid = (uint32_t)n;
		return 0;
	}
	if (old != NULL)
		return known_id(old, name, uid);
	s = str_dup(name);
	pw = getpwnam(s);
	free(s);
	if (pw == NULL)
		return -1;
	*uid = (uint32_t)pw->pw_uid;
	return 0;
}

static void
add(struct users *u, const struct conf_item *item, const struct users *old)
{
	struct user_rule r = { .negate = item->negate };

	if (item->kind == CONF_TABLE && str_eq(item->type, STR("static")))
		r.any = true;
	else if (item->kind == CONF_TABLE) {
		log_warn("authorized_submit_users: " STR_FMT
			 ": tables cannot be asked here; nobody is in it",
		    STR_ARG(item->full));
		return;
	} else if (user_id(old, item->text, &r.uid) == -1) {
		log_warn("authorized_submit_users: " STR_FMT ": %s",
		    STR_ARG(item->text),
		    old == NULL ? "no such user" :
				  "a new name is known after a restart");
		return;
	} else
		r.name = str_dup(item->text);
	u->v[u->n++] = r;
}

void
users_init(struct users *u, struct conf_list list, const struct users *old)
{
	*u = (struct users){ .v = xcalloc(list.n + 1, sizeof(*u->v)) };
	for (size_t i = 0; i < list.n; i++)
		add(u, &list.v[i], old);
}

void
users_clear(struct users *u)
{
	for (size_t i = 0; i < u->n; i++)
		free(u->v[i].name);
	free(u->v);
	*u = (struct users){ .v = NULL };
}

bool
users_may(const struct users *u, uint32_t uid)
{
	/* root can read every mailbox; it may write to one as well. */
	if (uid == 0)
		return true;
	for (size_t i = 0; i < u->n; i++)
		if (u->v[i].any || u->v[i].uid == uid)
			return !u->v[i].negate;
	return false;
}
