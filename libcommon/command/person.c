/* SPDX-License-Identifier: ISC */
/*
 * Who a command runs as.
 */
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "command/command.h"
#include "conf/uids.h"

static int
take(struct person *p, const struct passwd *pw)
{
	if (pw == NULL)
		return -1;
	p->uid = pw->pw_uid;
	p->gid = pw->pw_gid;
	strlcpy(p->name, pw->pw_name, sizeof(p->name));
	strlcpy(p->home, pw->pw_dir, sizeof(p->home));
	strlcpy(p->shell, pw->pw_shell, sizeof(p->shell));
	return 0;
}

int
person_by_name(struct person *p, struct str name, struct buf *err)
{
	char text[65];

	if (str_copy(name, text, sizeof(text)) == 0 &&
	    take(p, getpwnam(text)) == 0)
		return 0;
	buf_printf(err, "there is no user \"" STR_FMT "\"", STR_ARG(name));
	return -1;
}

/* Whose file it stood in; a file of the system's is nobody's. */
int
person_by_owner(struct person *p, uid_t uid, const struct conf *c,
    struct buf *err)
{
	struct person owner;

	if (uid != 0 && take(p, getpwuid(uid)) == -1) {
		buf_printf(err, "there is no user with the id %u",
		    (unsigned)uid);
		return -1;
	}
	if (uid != 0 && (take(&owner, getpwnam(conf_cstr(c, P_MAIL_OWNER))) ==
	    -1 || owner.uid != uid))
		return 0;
	return person_by_name(p, conf_str(c, P_DEFAULT_PRIVS), err);
}

int
person_by_line(struct person *p, const struct pipe_args *a, struct buf *err)
{
	char group[65];
	struct group *gr;

	if (person_by_name(p, a->user, err) == -1)
		return -1;
	if (a->group.n == 0)
		return 0;
	gr = str_copy(a->group, group, sizeof(group)) == -1 ? NULL :
	    getgrnam(group);
	if (gr == NULL) {
		buf_printf(err, "there is no group \"" STR_FMT "\"",
		    STR_ARG(a->group));
		return -1;
	}
	p->gid = gr->gr_gid;
	return 0;
}

/* Never root, never one of our own users, never whoever owns the queue. */
int
person_allowed(const struct person *p, const struct conf *c,
    const struct person_rules *rules, struct buf *err)
{
	int64_t end = rules->uid_base + CONF_UIDS;
	struct passwd *owner = getpwnam(conf_cstr(c, P_MAIL_OWNER));

	if (p->uid == 0 || p->gid == 0 ||
	    (p->uid >= rules->uid_base && p->uid < end) ||
	    (p->gid >= rules->uid_base && p->gid < end) ||
	    (owner != NULL && owner->pw_uid == p->uid &&
	    rules->root)) {
		buf_printf(err, "no command is run with the rights of user "
		    "%s (%u:%u)", p->name, (unsigned)p->uid,
		    (unsigned)p->gid);
		return -1;
	}
	if (!rules->root && p->uid != rules->uid) {
		buf_printf(err, "running as user id %u, a command of user %s "
		    "cannot be run", (unsigned)rules->uid, p->name);
		return -1;
	}
	return 0;
}
