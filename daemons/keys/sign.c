/* SPDX-License-Identifier: ISC */
/*
 * Questions.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"

#include "keys.h"

#define WARN_MS 60000

static struct asker *
find_asker(struct keys *k, const struct chan *ch)
{
	struct asker *a;

	TAILQ_FOREACH(a, &k->askers, link)
		if (a->ch == ch)
			return a;
	return NULL;
}

void
asker_up(struct keys *k, struct chan *ch, const char *component)
{
	struct asker *a = xcalloc(1, sizeof(*a));
	struct service *sv;

	chan_prompt(ch, KEYS_PROMPT_US);
	a->ch = ch;
	a->component = component;
	a->tokens = SIGN_BURST;
	a->filled_ms = loop_now(k->loop);
	a->warned_ms = a->filled_ms - WARN_MS;
	TAILQ_INSERT_TAIL(&k->askers, a, link);
	TAILQ_FOREACH(sv, &k->services, link)
		if (sv->loaded && strcmp(sv->component, component) == 0)
			service_tell(sv, ch);
}

void
asker_down(struct keys *k, const struct chan *ch)
{
	struct asker *a = find_asker(k, ch);

	if (a == NULL)
		return;
	TAILQ_REMOVE(&k->askers, a, link);
	free(a);
}

/* Take a token of the asker's. */
static bool
charge(struct keys *k, struct asker *a)
{
	int64_t now = loop_now(k->loop);

	a->tokens += (double)(now - a->filled_ms) * SIGN_RATE / 1000;
	if (a->tokens > SIGN_BURST)
		a->tokens = SIGN_BURST;
	a->filled_ms = now;
	if (a->tokens >= 1) {
		a->tokens -= 1;
		return true;
	}
	a->refused++;
	if (now - a->warned_ms >= WARN_MS) {
		log_warn("%s asks for too many signatures: %" PRIu64
			 " were refused",
		    a->component, a->refused);
		a->warned_ms = now;
	}
	return false;
}

void
on_sign(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	const struct keys_sign *q = rec;
	struct tls_sign sign = { .key = q->key,
		.padding = q->padding,
		.digest = q->digest,
		.tbs = q->tbs };
	struct keys_signed a = { .signature = STR_NONE };
	struct keys *k = arg;
	struct service *sv = service_find(k, q->service);
	struct asker *who = find_asker(k, ch);
	struct held *h;
	struct buf out;

	(void)fds;
	if (sv != NULL && strcmp(sv->component, who->component) != 0) {
		chan_drop(ch, "asked for a signature with another's key");
		return;
	}
	buf_init(&out, KEYS_SIGNATURE_MAX);
	h = sv == NULL ? NULL : service_key(sv, q->key);
	if (charge(k, who) && h != NULL &&
	    tls_key_sign(h->key, &sign, &out) == 0)
		a.signature = buf_get(&out);
	chan_answer(ch, KEYS_SIGNED, id, &a, NULL);
	buf_clear(&out);
}
