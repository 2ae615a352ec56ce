/* SPDX-License-Identifier: ISC */
/*
 * What the configuration says of cleanup.
 */
#include "base/attr.h"

#include "cleanup.h"

static_assert(HEADER_IDS <= 64, "a bit for each header");

/* Headers to be dropped: by bit where the name is a standard one. */
static void
read_drop(struct settings *s, const struct conf *c)
{
	s->drop_all = conf_list(c, P_MESSAGE_DROP_HEADERS);
	s->drop = 0;
	for (size_t i = 0; i < s->drop_all.n; i++) {
		enum header_id id = header_lookup(s->drop_all.v[i].text);

		if (id != HEADER_OTHER)
			s->drop |= HEAD_BIT(id);
	}
}

void
settings_read(struct settings *s, const struct conf *c)
{
	read_drop(s, c);
	s->header_max = (size_t)conf_size(c, P_HEADER_SIZE_LIMIT);
	s->size_max = (uint64_t)conf_size(c, P_MESSAGE_SIZE_LIMIT);
	s->hops_max = (unsigned)conf_int(c, P_HOPCOUNT_LIMIT);
	s->always_missing = conf_bool(c, P_ALWAYS_ADD_MISSING_HEADERS);
	s->undisclosed = conf_str(c, P_UNDISCLOSED_RECIPIENTS_HEADER);
	s->from_obsolete = conf_is(c, P_HEADER_FROM_FORMAT, "obsolete");
	s->duplicates_max = (size_t)conf_int(c, P_DUPLICATE_FILTER_LIMIT);
	s->keep_original = conf_bool(c, P_ENABLE_ORIGINAL_RECIPIENT);
	s->append_origin = conf_bool(c, P_APPEND_AT_MYORIGIN);
	s->append_dot = conf_bool(c, P_APPEND_DOT_MYDOMAIN);
	s->bang = conf_bool(c, P_SWAP_BANGPATH);
	s->percent = conf_bool(c, P_ALLOW_PERCENT_HACK);
	s->tokens_max = (unsigned)conf_int(c, P_HEADER_ADDRESS_TOKEN_LIMIT);
	s->hostname = conf_str(c, P_MYHOSTNAME);
	s->origin = conf_str(c, P_MYORIGIN);
	s->mail_name = conf_str(c, P_MAIL_NAME);
	s->aliases = conf_list(c, P_VIRTUAL_ALIAS_MAPS).n > 0;
	s->alias_total = (unsigned)conf_int(c, P_VIRTUAL_ALIAS_EXPANSION_LIMIT);
	s->alias_depth = (unsigned)conf_int(c, P_VIRTUAL_ALIAS_RECURSION_LIMIT);
	s->alias_length =
	    (size_t)conf_int(c, P_VIRTUAL_ALIAS_ADDRESS_LENGTH_LIMIT);
	s->alias_ext = conf_has(c, P_PROPAGATE_UNMATCHED_EXTENSIONS, "virtual");
	s->delimiter = conf_str(c, P_RECIPIENT_DELIMITER);
	s->destinations = conf_list(c, P_MYDESTINATION);
	s->bcc = conf_str(c, P_ALWAYS_BCC);
	s->bcc_sender = conf_list(c, P_SENDER_BCC_MAPS).n > 0;
	s->bcc_rcpt = conf_list(c, P_RECIPIENT_BCC_MAPS).n > 0;
}
