/* SPDX-License-Identifier: ISC */
/*
 * Components that are there when there is work for them: the broker is asked
 * for one when the first work comes, and it leaves when it has been idle.
 */
#include "boot/boot.h"
#include "sandbox/policy.h"

#include "qmgr.h"

#define AGAIN_MS 5000 /* after the broker said no */

static void
on_again(void *arg)
{
	struct demand *d = arg;

	d->asked = false;
	qmgr_touch(d->q);
}

static void
on_wanted(int error, void *arg)
{
	struct demand *d = arg;

	if (error == 0)
		return; /* it comes, or the broker goes on trying */
	timer_set(&d->again, AGAIN_MS);
	if (d->refused != NULL)
		d->refused(d->q);
}

void
demand_init(struct demand *d, struct qmgr *q, const char *component,
    void (*refused)(struct qmgr *q))
{
	const struct policy *policy = policy_find(str_of(component));

	*d = (struct demand){ .q = q, .component = component,
		.refused = refused };
	/* One that always runs comes by itself, and may not be asked for. */
	d->always = policy == NULL || !policy->demand;
	timer_init(&d->again, q->loop, on_again, d);
}

void
demand_ask(struct demand *d)
{
	if (d->always || d->asked || d->q->stopping)
		return;
	d->asked = true;
	boot_want(d->component, 0, false, on_wanted, d);
}

void
demand_met(struct demand *d)
{
	d->asked = false;
	timer_cancel(&d->again);
}
