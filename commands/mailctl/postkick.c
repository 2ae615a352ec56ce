/* SPDX-License-Identifier: ISC */
/*
 * postkick: wake a service.  Components wake each other; what is left for a
 * script to say is that the queue is to be looked at.
 */
#include "queue.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A word from the outside to a service, and what it means here. */
static const struct kick {
	const char *service;
	const char *request; /* letters; any of them */
	enum queue_op op;
} kicks[] = {
	{ "qmgr", "F", QOP_FLUSH_ALL },
	{ "qmgr", "DIAW", QOP_SCAN },
	{ "pickup", "W", QOP_SCAN },
	{ "flush", "W", QOP_SCAN },
};

int
cmd_postkick(int argc, char *argv[])
{
	const struct kick *k = NULL;
	struct instance in;
	struct talk t;
	struct buf why;
	uint32_t count;
	int c, error;

	while ((c = getopt(argc, argv, "c:v")) != -1) {
		if (c == 'c')
			opt.dir = optarg;
		else if (c != 'v')
			break;
	}
	if (c != -1 || argc - optind != 3)
		die("usage: postkick [-c config_dir] [-v] class service "
		    "request");
	for (size_t i = 0; i < NELEM(kicks) && k == NULL; i++)
		if (strcmp(argv[optind + 1], kicks[i].service) == 0 &&
		    argv[optind + 2][0] != '\0' &&
		    strpbrk(argv[optind + 2], kicks[i].request) != NULL)
			k = &kicks[i];
	instance_open(&in);
	if (!talk_open(&t, &in) || k == NULL)
		die("Cannot contact class %s service %s - %s", argv[optind],
		    argv[optind + 1],
		    k == NULL ?
			"there is no such service, or it needs no waking" :
			"perhaps the mail system is down");
	buf_init(&why, 4096);
	error = queue_change(&t, k->op, 0, "ALL", &count, &why);
	if (error != 0)
		die("Cannot contact class %s service %s - %s", argv[optind],
		    argv[optind + 1], buf_cstr(&why));
	buf_clear(&why);
	talk_close(&t);
	instance_clear(&in);
	return 0;
}
