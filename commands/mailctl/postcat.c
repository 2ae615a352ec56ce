/* SPDX-License-Identifier: ISC */
/*
 * postcat: queue files, as text.
 */
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static void NORETURN
usage(void)
{
	die("usage: postcat [-b (body text)] [-c config_dir] [-d (decimal "
	    "record type)] [-e (envelope records)] [-h (header text)] [-q "
	    "(access queue)] [-v] [file(s)...]");
}

/* A queue file must be read at any place: standard input has to be a file. */
static int
cat_file(const char *name, int fd, unsigned flags)
{
	struct shown m = { .fd = fd, .file = true, .name = name };

	if (fd == -1)
		die("open %s: %s", name, strerror(errno));
	if (is_drop(fd))
		return show_drop(fd, name, flags);
	return show_message(&m, flags);
}

/* What mailq shows of a file in maildrop is its name; -1: there is none. */
static int
cat_dropped(const struct instance *in, const char *name, unsigned flags)
{
	char path[512];
	int fd, rc;

	if (name[0] == '.' || strchr(name, '/') != NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/maildrop/%s", in->queue_dir, name);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return -1;
	rc = cat_file(path, fd, flags) == -1;
	fd_close(&fd);
	return rc;
}

static int
cat_queued(char *const ids[], unsigned flags)
{
	struct instance in;
	struct talk t;
	struct buf why;
	int bad = 0, e, k;

	instance_open(&in);
	if (!talk_queue(&t, &in, NULL))
		die("open queue file %s: Permission denied", ids[0]);
	buf_init(&why, 4096);
	for (; *ids != NULL; ids++) {
		k = cat_dropped(&in, *ids, flags);
		if (k != -1) {
			bad |= k;
			continue;
		}
		buf_reset(&why);
		e = show_queued(&t, *ids, flags, &why);
		if (e == EINVAL)
			die("bad mail queue ID: %s", *ids);
		if (e == EACCES)
			die("open queue file %s: Permission denied", *ids);
		if (e != 0 && e != EBADMSG)
			die("open queue file %s: %s", *ids, strerror(e));
		bad |= e != 0;
	}
	buf_clear(&why);
	talk_close(&t);
	instance_clear(&in);
	return bad ? EXIT_BAD : 0;
}

int
cmd_postcat(int argc, char *argv[])
{
	unsigned flags = 0;
	bool queued = false;
	int c, bad = 0, fd;

	while ((c = getopt(argc, argv, "bc:dehoqrv")) != -1) {
		switch (c) {
		case 'b':
			flags |= SHOW_BODY;
			break;
		case 'c':
			opt.dir = optarg;
			break;
		case 'd':
			flags |= SHOW_TYPES;
			break;
		case 'e':
			flags |= SHOW_ENVELOPE;
			break;
		case 'h':
			flags |= SHOW_HEADER;
			break;
		case 'o':
			flags |= SHOW_OFFSETS;
			break;
		case 'q':
			queued = true;
			break;
		case 'r': /* there are no pointers to follow */
		case 'v':
			break;
		default:
			usage();
		}
	}
	if ((flags & (SHOW_ENVELOPE | SHOW_HEADER | SHOW_BODY)) == 0)
		flags |= SHOW_ENVELOPE | SHOW_HEADER | SHOW_BODY;
	if (queued && optind == argc)
		usage();
	if (queued)
		return cat_queued(argv + optind, flags);
	if (optind == argc)
		return cat_file("stdin", STDIN_FILENO, flags) == -1;
	for (; optind < argc; optind++) {
		fd = open(argv[optind], O_RDONLY | O_CLOEXEC);
		bad |= cat_file(argv[optind], fd, flags) == -1;
		fd_close(&fd);
	}
	return bad ? EXIT_BAD : 0;
}
