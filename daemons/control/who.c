/* SPDX-License-Identifier: ISC */
/*
 * Who may ask: decided by the user id that the kernel reports.
 */
#include <pwd.h>
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"

#include "control.h"

#define USERS_MAX 65536

/*
 * Names of users are only needed where the configuration lists some; a system
 * with more users than this gives names to the first ones.
 */
void
who_read(struct control *c)
{
	size_t cap = 0;
	struct passwd *pw;

	setpwent();
	while ((pw = getpwent()) != NULL && c->nusers < USERS_MAX) {
		if (c->nusers == cap) {
			cap = cap == 0 ? 64 : cap * 2;
			c->users =
			    xreallocarray(c->users, cap, sizeof(*c->users));
		}
		c->users[c->nusers].uid = pw->pw_uid;
		c->users[c->nusers++].name = xstrdup(pw->pw_name);
	}
	endpwent();
}

static bool
has_name(const struct control *c, uid_t uid, struct str name)
{
	for (size_t i = 0; i < c->nusers; i++)
		if (c->users[i].uid == uid &&
		    str_eq(name, str_of(c->users[i].name)))
			return true;
	return false;
}

/*
 * The first item that fits decides.  `static:anyone' fits everybody, whatever
 * stands behind the colon; a user without a name is called `unknown'.
 */
static bool
listed(const struct control *c, uid_t uid, enum param_id id)
{
	struct conf_list list = conf_list(c->conf, id);
	bool known = false;

	for (size_t i = 0; i < c->nusers && !known; i++)
		known = c->users[i].uid == uid;
	for (size_t i = 0; i < list.n; i++) {
		const struct conf_item *it = &list.v[i];

		if (it->kind == CONF_TABLE) {
			if (str_eq(it->type, STR("static")))
				return !it->negate;
			log_warn("%s: " STR_FMT ": only static: and names of "
				 "users are looked at here",
			    params[id].name, STR_ARG(it->full));
			return false;
		}
		if (has_name(c, uid, it->text) ||
		    (!known && str_eq(it->text, STR("unknown"))))
			return !it->negate;
	}
	return false;
}

bool
who_may(const struct control *c, uid_t uid, enum right right)
{
	if (uid == 0 || uid == c->owner)
		return true;
	switch (right) {
	case MAY_LIST:
		return listed(c, uid, P_AUTHORIZED_MAILQ_USERS);
	case MAY_FLUSH:
		return listed(c, uid, P_AUTHORIZED_FLUSH_USERS);
	case MAY_ALL:
		break;
	}
	return false;
}
