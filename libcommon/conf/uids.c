/* SPDX-License-Identifier: ISC */
/*
 * User ids of components.
 */
#include "conf/uids.h"

#include <string.h>

#include "base/attr.h"

/*
 * This only ever grows at its end, because files are owned by these numbers.
 */
static const char *const components[] = { "launcher", "broker", "logd", "gate",
	"smtpd", "dns", "lookup", "rewrite", "cleanup", "qmgr", "smtp", "local",
	"virtual", "mailbox", "bounce", "pickup", "control", "keys", "auth",
	"mailauth", "pipe", "anvil" };

int64_t
conf_component_uid(int64_t base, const char *component)
{
	for (size_t i = 0; i < NELEM(components); i++)
		if (strcmp(component, components[i]) == 0)
			return base + (int64_t)i;
	return -1;
}
