/* SPDX-License-Identifier: ISC */
/*
 * Commands and files that tables name: "|command" and /file of an alias, what
 * mailbox_command_maps has for a user.
 *
 * local names an alias and a command; the tables must say that this alias runs
 * that command.  Only then is it signed, together with the owner of the file it
 * stands in: the launcher has it run for nobody who cannot show that.  With
 * files it is the same, but that the process which writes them looks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "table/alias_value.h"

#include "lookupd.h"

#define ITEMS_MAX 100000

/* A question whose tables are on their way. */
struct command {
	struct wait wait;
	TAILQ_ENTRY(command) link;
	struct lookupd *lk;
	struct chan *ch; /* NULL: gone */
	uint64_t id;
	enum command_kind kind;
	char *key, *text;
	struct tables ts;
	uint32_t owners[TABLE_MEMBERS_MAX];
};

static TAILQ_HEAD(, command) commands = TAILQ_HEAD_INITIALIZER(commands);

/* By the key that the process has which is made for this owner's directory. */
static uint64_t
file_ticket(const struct lookupd *lk, uint32_t uid, struct str path,
    uint32_t expires)
{
	struct str dir, name = ticket_file_name(path, &dir);
	struct ticket_key k;
	uint64_t ticket;
	struct buf b;

	buf_init(&b, KEY_NAME_MAX);
	buf_printf(&b, "%u:" STR_FMT, (unsigned)uid, STR_ARG(dir));
	k = ticket_file_key(&lk->command_key, buf_get(&b));
	ticket = !k.have || buf_full(&b) ? 0 :
	    ticket_command(&k, COMMAND_FILE, 0, STR_NONE, name, expires);
	buf_clear(&b);
	return ticket;
}

void
command_sign(struct lookupd *lk, struct chan *ch, uint64_t id,
    enum command_kind kind, uint32_t uid, struct str user, struct str text)
{
	struct lookup_signed a = { .status = LOOKUP_FOUND,
		.uid = uid,
		.expires = ticket_expiry(),
		.text = text };

	if (!lk->command_key.have || text.n == 0 ||
	    text.n > COMMAND_TEXT_MAX) {
		a.status = LOOKUP_LATER;
		a.text = STR_NONE;
	} else if (kind == COMMAND_FILE) {
		a.ticket = file_ticket(lk, uid, text, a.expires);
	} else {
		a.ticket = ticket_command(&lk->command_key, (uint8_t)kind, uid,
		    user, text, a.expires);
	}
	chan_answer(ch, LOOKUP_SIGNED, id, &a, NULL);
}

bool
command_stands(struct str value, enum command_kind kind, struct str text)
{
	enum alias_kind what = kind == COMMAND_FILE ? ALIAS_FILE :
						      ALIAS_COMMAND;
	struct alias_parser ap;
	struct alias_item it;
	bool found = false;

	alias_parse(&ap, value, ITEMS_MAX);
	while (!found && alias_next(&ap, &it) == 1)
		found = it.kind == what && str_eq(it.text, text);
	alias_end(&ap);
	return found;
}

static void
refuse(struct command *c, enum lookup_status status)
{
	struct lookup_signed a = { .status = (uint8_t)status };

	chan_answer(c->ch, LOOKUP_SIGNED, c->id, &a, NULL);
}

static void
answer(struct command *c)
{
	bool maps = c->kind == COMMAND_MAPS;
	struct str key = str_of(c->key);
	enum table_answer r;
	struct buf value;
	size_t which = 0;

	buf_init(&value, LOOKUP_VALUE_MAX);
	r = tables_get(&c->ts, key, &value, &which);
	if (r == TABLE_LATER) {
		log_warn("%s: %s", maps ? "mailbox_command_maps" : "alias_maps",
		    c->ts.reason);
		refuse(c, LOOKUP_LATER);
	} else if (maps && r == TABLE_FOUND) {
		command_sign(c->lk, c->ch, c->id, COMMAND_MAPS, 0, key,
		    str_trim(buf_get(&value)));
	} else if (!maps && r == TABLE_FOUND &&
	    command_stands(buf_get(&value), c->kind, str_of(c->text))) {
		command_sign(c->lk, c->ch, c->id, c->kind, c->owners[which],
		    STR_NONE, str_of(c->text));
	} else {
		if (!maps)
			log_warn("security: local asked for a %s that "
				 "alias %s does not name",
			    c->kind == COMMAND_FILE ? "file" : "command",
			    c->key);
		refuse(c, LOOKUP_NOT_FOUND);
	}
	buf_clear(&value);
}

static struct str
param_of(const struct command *c)
{
	return c->kind == COMMAND_MAPS ? STR("mailbox_command_maps") :
					 STR("alias_maps");
}

static int
add_table(void *arg, struct str spec)
{
	struct command *c = arg;
	struct entry *e;

	if (c->ts.n == TABLE_MEMBERS_MAX)
		return -1;
	e = entry_get(c->lk, spec, param_flags(param_of(c)));
	if (!entry_ready(e, &c->wait))
		return 0;
	c->owners[c->ts.n] = entry_owner(e);
	c->ts.t[c->ts.n++] = entry_table(e);
	return 1;
}

static void
resume(struct wait *w)
{
	struct command *c = (struct command *)w;
	size_t n;
	int r;

	c->ts = (struct tables){ .n = 0 };
	r = param_tables(c->lk, param_of(c), STR_NONE, add_table, c, &n);
	if (r == 0)
		return; /* for the next of its tables */
	if (c->ch != NULL && r == 1)
		answer(c);
	else if (c->ch != NULL)
		refuse(c, LOOKUP_LATER);
	TAILQ_REMOVE(&commands, c, link);
	free(c->key);
	free(c->text);
	free(c);
}

void
command_ask(struct chan *ch, uint64_t id, const void *rec, UNUSED int *fds,
    void *arg)
{
	const struct lookup_command *q = rec;
	struct lookupd *lk = arg;
	struct command *c;

	if (strcmp(lk->asker(ch), "local") != 0 ||
	    (q->kind != COMMAND_ALIAS && q->kind != COMMAND_FILE &&
		q->kind != COMMAND_MAPS)) {
		chan_drop(ch, "a command is not its business");
		return;
	}
	if (q->path.n > 0) {
		include_command(lk, ch, id, q);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->wait.fn = resume;
	c->lk = lk;
	c->ch = ch;
	c->id = id;
	c->kind = (enum command_kind)q->kind;
	c->key = str_dup(q->key);
	c->text = str_dup(q->text);
	TAILQ_INSERT_TAIL(&commands, c, link);
	resume(&c->wait);
}

void
command_forget(struct chan *ch)
{
	struct command *c;

	TAILQ_FOREACH(c, &commands, link)
		if (c->ch == ch)
			c->ch = NULL;
}
