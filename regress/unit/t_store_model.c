/* SPDX-License-Identifier: ISC */
/*
 * The store against a model of it.
 *
 * Random operations are done to the store and to a list of what must hold. At
 * a random system call the power is cut: under the store is a disk that
 * forgets.  It keeps what was there before each write and each change of a
 * name that was not yet followed by the fsync that makes it last; at the cut
 * some sectors of those writes and the latest of those changes are undone.
 * Then the store is opened again, and what it has is compared with the list.
 * That is one life; a queue has several.
 *
 * STORE_MODEL_RUNS=n (60) queues, STORE_MODEL_SEED repeats one.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/openat2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "daemons/qmgr/store.h"

/* --- the disk that forgets ------------------------------------------------ */

#define SECTOR 512

enum undo_kind {
	UNDO_NONE,
	UNDO_DATA,
	UNDO_CREATE,
	UNDO_RENAME,
	UNDO_UNLINK
};

struct undo {
	enum undo_kind kind;
	/* DATA */
	ino_t ino;
	int path_fd; /* O_PATH: does not count as a writer for a lease */
	uint64_t off;
	uint64_t old_size;
	size_t n;
	char *old;
	/* names: directories are duplicates, as inodes and as descriptors */
	ino_t dir;
	int from_dir;
	int to_dir;
	char from[64];
	char to[64];
};

static struct undo undos[20000];
static size_t nundos;
static bool disk_on;
static dev_t disk_dev;
static int grave = -1;
static unsigned graves;
static long cut_at; /* countdown; -1: never */
static uint64_t rng;

ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t off);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t off);
ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __real_unlinkat(int d, const char *name, int flags);
int __wrap_unlinkat(int d, const char *name, int flags);
long __real_syscall(long n, ...);
long __wrap_syscall(long n, ...);

static uint64_t
rnd(uint64_t n)
{
	rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (rng >> 33) % n;
}

static struct undo *
remember(enum undo_kind kind)
{
	if (nundos == NELEM(undos))
		abort();
	undos[nundos] = (struct undo){ .kind = kind,
		.path_fd = -1,
		.from_dir = -1,
		.to_dir = -1 };
	return &undos[nundos++];
}

static int
reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

/* Put back what a write replaced: some of its sectors. */
static void
undo_data(struct undo *u)
{
	int fd = reopen(u->path_fd, O_RDWR);
	uint64_t at = u->off, end = u->off + u->n;

	if (fd == -1)
		return;
	while (at < end) {
		uint64_t next = (at / SECTOR + 1) * SECTOR;

		next = next < end ? next : end;
		if (rnd(2) == 0 &&
		    __real_pwrite(fd, u->old + (at - u->off),
			(size_t)(next - at), (off_t)at) == -1)
			abort();
		at = next;
	}
	if (u->old_size < end && rnd(2) == 0 &&
	    ftruncate(fd, (off_t)u->old_size) == -1)
		abort();
	close(fd);
}

static void
undo_name(struct undo *u)
{
	if (u->kind == UNDO_CREATE)
		(void)__real_unlinkat(u->to_dir, u->to, 0);
	else if (u->kind == UNDO_RENAME)
		(void)__real_renameat(u->to_dir, u->to, u->from_dir, u->from);
	else
		(void)__real_renameat(grave, u->to, u->from_dir, u->from);
}

/* The plug is pulled: names first, the latest of them, then data. */
static void
power_cut(void)
{
	size_t names = 0, keep;

	disk_on = false;
	for (size_t i = 0; i < nundos; i++)
		names += undos[i].kind > UNDO_DATA;
	keep = rnd(names + 1);
	for (size_t i = nundos; i-- > 0;) {
		if (undos[i].kind == UNDO_DATA)
			undo_data(&undos[i]);
		else if (undos[i].kind != UNDO_NONE && names-- > keep)
			undo_name(&undos[i]);
	}
	_exit(42);
}

/* Before and after each call that changes the disk. */
static void
instant(void)
{
	if (disk_on && cut_at >= 0 && cut_at-- == 0)
		power_cut();
}

static bool
on_disk(int fd, struct stat *st)
{
	return disk_on && fstat(fd, st) == 0 && st->st_dev == disk_dev;
}

static void
note_write(int fd, size_t n, uint64_t off, const struct stat *st)
{
	struct undo *u = remember(UNDO_DATA);
	int rd = reopen(fd, O_RDONLY);

	u->ino = st->st_ino;
	u->path_fd = reopen(fd, O_PATH);
	u->off = off;
	u->n = n;
	u->old_size = (uint64_t)st->st_size;
	u->old = xcalloc(1, n);
	if (rd == -1 || fd_pread_all(rd, u->old, n, (off_t)off) == -1)
		abort();
	close(rd);
}

ssize_t
__wrap_pwrite(int fd, const void *p, size_t n, off_t off)
{
	struct stat st;
	ssize_t rc;

	instant();
	if (on_disk(fd, &st))
		note_write(fd, n, (uint64_t)off, &st);
	rc = __real_pwrite(fd, p, n, off);
	instant();
	return rc;
}

/* Only ever to the end of a file that is being appended to. */
ssize_t
__wrap_write(int fd, const void *p, size_t n)
{
	struct stat st;

	if (on_disk(fd, &st) && S_ISREG(st.st_mode)) {
		instant();
		note_write(fd, n, (uint64_t)st.st_size, &st);
	}
	return __real_write(fd, p, n);
}

static int
synced(int fd)
{
	struct stat st;

	instant();
	if (!on_disk(fd, &st))
		return 0;
	for (size_t i = 0; i < nundos; i++) {
		struct undo *u = &undos[i];

		if ((u->kind == UNDO_DATA && u->ino == st.st_ino) ||
		    (u->kind > UNDO_DATA && u->dir == st.st_ino)) {
			if (u->path_fd != -1)
				close(u->path_fd);
			free(u->old);
			u->kind = UNDO_NONE;
			u->path_fd = -1;
			u->old = NULL;
		}
	}
	instant();
	return 0;
}

int
__wrap_fsync(int fd)
{
	return disk_on ? synced(fd) : 0;
}

int
__wrap_fdatasync(int fd)
{
	return disk_on ? synced(fd) : 0;
}

/* Split a name of several components: the directory it is in, its last. */
static int
parent_of(int dir, const char *name, char last[64], ino_t *ino)
{
	const char *slash = strrchr(name, '/');
	char path[128] = ".";
	struct stat st;
	int fd;

	if (slash != NULL) {
		memcpy(path, name, (size_t)(slash - name));
		path[slash - name] = '\0';
	}
	snprintf(last, 64, "%s", slash == NULL ? name : slash + 1);
	fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1 && fstat(fd, &st) == 0)
		*ino = st.st_ino;
	return fd;
}

int
__wrap_renameat(int a, const char *from, int b, const char *to)
{
	int rc;

	instant();
	rc = __real_renameat(a, from, b, to);
	if (rc == 0 && disk_on) {
		struct undo *u = remember(UNDO_RENAME);
		ino_t unused;

		u->from_dir = parent_of(a, from, u->from, &unused);
		u->to_dir = parent_of(b, to, u->to, &u->dir);
	}
	instant();
	return rc;
}

int
__wrap_unlinkat(int d, const char *name, int flags)
{
	struct undo *u;

	instant();
	if (!disk_on)
		return __real_unlinkat(d, name, flags);
	if (faccessat(d, name, F_OK, AT_SYMLINK_NOFOLLOW) == -1)
		return -1;
	u = remember(UNDO_UNLINK);
	u->from_dir = parent_of(d, name, u->from, &u->dir);
	snprintf(u->to, sizeof(u->to), "%u", graves++);
	return __real_renameat(d, name, grave, u->to);
}

long
__wrap_syscall(long n, ...)
{
	long v[4];
	va_list ap;
	const struct open_how *how;
	bool is_new = false;
	long rc;

	va_start(ap, n);
	for (int i = 0; i < 4; i++)
		v[i] = va_arg(ap, long);
	va_end(ap);
	how = (const struct open_how *)(uintptr_t)v[2];
	if (n == SYS_openat2 && disk_on && (how->flags & O_CREAT) != 0) {
		instant();
		is_new = faccessat((int)v[0], (const char *)(uintptr_t)v[1],
			     F_OK, 0) == -1;
	}
	rc = __real_syscall(n, v[0], v[1], v[2], v[3]);
	if (is_new && rc != -1) {
		struct undo *u = remember(UNDO_CREATE);

		u->to_dir = parent_of((int)v[0], (const char *)(uintptr_t)v[1],
		    u->to, &u->dir);
	}
	return rc;
}

/* --- time, so that a seed says all ---------------------------------------- */

int64_t __wrap_clock_ms(void);
int64_t __wrap_clock_wall_us(void);

static int64_t now_us;

int64_t
__wrap_clock_ms(void)
{
	return now_us / 1000;
}

int64_t
__wrap_clock_wall_us(void)
{
	return now_us++;
}

/* --- the model ------------------------------------------------------------ */

/* What must hold for a message, in memory that a cut does not touch. */
struct entry {
	uint64_t qid;
	uint32_t size;
	bool acked;
	bool ending;   /* its removal was asked for */
	bool held;     /* hold() was acknowledged, */
	bool unsure;   /* or is being changed right now */
	bool released; /* which need not last over a cut */
	bool hand;
};

#define ENTRIES 2000

struct model {
	size_t n;
	struct entry e[ENTRIES];
	char what[200]; /* the first thing that did not hold */
};

static struct model *model;
static struct store *st;

static struct entry *
entry(uint64_t qid)
{
	for (size_t i = 0; i < model->n; i++) {
		if (model->e[i].qid == qid)
			return &model->e[i];
	}
	return NULL;
}

static void
wrong(uint64_t qid, const char *text)
{
	if (model->what[0] == '\0')
		snprintf(model->what, sizeof(model->what), "%llx: %s",
		    (unsigned long long)qid, text);
}

static void
wrong_call(uint64_t qid, const char *call)
{
	char text[100];

	snprintf(text, sizeof(text), "%s: %s", call, strerror(errno));
	wrong(qid, text);
}

static void
say(uint64_t qid, const char *text, void *arg)
{
	(void)arg;
	wrong(qid, text);
}

static void
open_store(int dirfd)
{
	const char *why = "";
	struct store_opts o;

	store_opts_init(&o);
	o.segment_size = 128 << 10;
	o.segments_max = 3;
	o.large = 16 << 10;
	o.age_ms = 0;
	o.lazy_ms = 0;
	o.hash_depth = 2;
	o.log = say;
	st = store_open(dirfd, &o, NULL, &why);
	if (st == NULL)
		wrong(0, why);
}

static void
on_found(uint64_t qid, void *arg)
{
	(void)arg;
	if (entry(qid) != NULL)
		entry(qid)->hand = true;
	else
		wrong(qid, "was never made");
}

static void
on_commit(uint64_t qid, int error, void *arg)
{
	(void)arg;
	if (error != 0) {
		wrong(qid, strerror(error));
		return;
	}
	entry(qid)->acked = true;
	entry(qid)->hand = true;
}

static void
create(void)
{
	static const uint32_t sizes[] = { 0, 100, 1000, 5000, 12000, 20000 };
	struct envelope e = { .arrival_us = 1, .origin = ENV_FROM_PICKUP };
	struct env_rcpt r = { .addr = STR("user@example.com") };
	struct store_new nw;
	struct entry *x = &model->e[model->n];
	struct buf b;
	char *p;

	if (model->n == ENTRIES ||
	    store_create(st, rnd(5) == 0 ? 16 << 10 : 0, &nw) == -1)
		return;
	*x = (struct entry){ .qid = nw.qid, .size = sizes[rnd(NELEM(sizes))] };
	model->n++;
	p = xcalloc(1, x->size + 1);
	memset(p, (int)(nw.qid % 251), x->size);
	if (fd_write_all(nw.fd, p, x->size) == -1)
		abort();
	free(p);
	if (!nw.file && memfd_seal(nw.fd) == -1)
		abort();
	close(nw.fd);
	buf_init(&b, 4096);
	if (env_put_head(&b, &e) == -1 || env_put_rcpt(&b, &r) == -1 ||
	    env_put_end(&b, 0, 1) == -1)
		abort();
	if (store_commit(st, nw.qid, buf_get(&b), -1, on_commit, NULL) == -1)
		wrong_call(nw.qid, "commit");
	buf_clear(&b);
}

static void
on_moved(uint64_t qid, int error, void *arg)
{
	struct entry *x = entry(qid);

	if (error != 0)
		wrong(qid, strerror(error));
	x->unsure = false;
	x->hand = false;
	x->held = arg != NULL;
}

static void
on_loaded(uint64_t qid, int error, void *arg)
{
	(void)arg;
	if (error != 0)
		wrong(qid, strerror(error));
	else
		entry(qid)->hand = true;
}

static void
in_hand(struct entry *x)
{
	int64_t now = clock_wall_us();
	struct event_range g = { 0, 1 };
	struct event e = { .type = EVENT_FATE,
		.fate = EVENT_TRIED,
		.ranges = &g,
		.nranges = 1 };
	struct event d = { .type = EVENT_DEFER,
		.time_us = now,
		.due_us = now + (int64_t)rnd(100) * 1000000 };

	switch (rnd(8)) {
	case 0:
	case 1:
		if (store_event(st, x->qid, &e) == -1)
			wrong_call(x->qid, "event");
		break;
	case 2:
		x->unsure = true;
		if (store_hold(st, x->qid, STR("x"), on_moved, model) == -1)
			wrong_call(x->qid, "hold");
		break;
	case 3:
	case 4:
		x->unsure = true;
		if (store_defer(st, x->qid, &d, NULL, 0, on_moved, NULL) == -1)
			wrong_call(x->qid, "defer");
		break;
	case 5:
		store_park(st, x->qid);
		x->hand = false;
		break;
	default:
		x->ending = true;
		if (store_remove(st, x->qid) == -1)
			wrong_call(x->qid, "remove");
	}
}

static void
step(void)
{
	struct entry *x;
	struct store_due d;

	if (rnd(3) == 0 || model->n == 0) {
		create();
		return;
	}
	if (rnd(6) == 0) {
		if (store_due_next(st, clock_wall_us() + 60000000, &d) == 1 &&
		    store_load(st, d.qid, on_loaded, NULL) == -1)
			wrong_call(d.qid, "load");
		return;
	}
	x = &model->e[rnd(model->n)];
	if (!x->acked || x->ending || x->unsure)
		return;
	if (x->hand)
		in_hand(x);
	else if (x->held) {
		x->unsure = true;
		x->held = false;
		x->released = true;
		if (store_release(st, x->qid) == -1)
			wrong_call(x->qid, "release");
		x->unsure = false;
	}
}

/* A life, to its sudden end. */
static void
live(int dirfd, long calls)
{
	disk_on = true;
	cut_at = calls;
	open_store(dirfd);
	if (st != NULL && store_recover(st, on_found, NULL) == -1)
		wrong(0, "recover");
	for (int i = 0; i < 400 && model->what[0] == '\0'; i++) {
		for (uint64_t k = rnd(5); k > 0; k--)
			step();
		store_flush(st);
		now_us += 10000;
		(void)store_tick(st, clock_ms());
	}
	/* It came to its end before the cut: a proper stop. */
	store_close(&st);
	_exit(model->what[0] == '\0' ? 43 : 1);
}

/* --- after the cut -------------------------------------------------------- */

static void
look(uint64_t qid, enum store_state state)
{
	struct entry *x = entry(qid);
	struct store_content c;
	char *p;

	if (x == NULL) {
		wrong(qid, "was never made");
		return;
	}
	if (x->held && !x->ending && state != STORE_HOLD)
		wrong(qid, "is not on hold any more");
	if (state == STORE_HOLD && !x->held && !x->unsure && !x->released)
		wrong(qid, "is on hold");
	if (store_content(st, qid, &c) == -1) {
		wrong(qid, "has no content");
		return;
	}
	p = xcalloc(1, x->size + 1);
	if (c.size != x->size ||
	    fd_pread_all(c.fd, p, c.size, (off_t)c.off) != (ssize_t)c.size)
		wrong(qid, "has another size");
	for (uint32_t i = 0; i < x->size; i++) {
		if ((uint8_t)p[i] != qid % 251) {
			wrong(qid, "has other content");
			break;
		}
	}
	free(p);
	close(c.fd);
	/* From now on this is what is so; being there, it was accepted. */
	x->acked = true;
	x->hand = x->unsure = x->ending = x->released = false;
	x->held = state == STORE_HOLD;
}

static bool there[ENTRIES];
static bool yielded[ENTRIES];

static void
look_found(uint64_t qid, void *arg)
{
	(void)arg;
	look(qid, STORE_FLIGHT);
	if (entry(qid) != NULL)
		there[entry(qid) - model->e] = true;
}

static void
look_state(enum store_state state)
{
	struct store_walk *w = store_walk_state(st, state);
	struct store_due d;

	while (w != NULL && store_walk_next(w, &d) == 1) {
		struct store_info info;

		if (state == STORE_CORRUPT) {
			wrong(d.qid, "is in corrupt");
			continue;
		}
		if (entry(d.qid) != NULL)
			entry(d.qid)->hand = false;
		/* Found in the journal; it got a file since. */
		if (store_info(st, d.qid, &info) == 0 && info.in_hand)
			continue;
		if (entry(d.qid) != NULL && there[entry(d.qid) - model->e])
			wrong(d.qid, "is there twice");
		if (store_load(st, d.qid, on_loaded, NULL) == -1)
			wrong(d.qid, "cannot be loaded");
		store_flush(st);
		look(d.qid, state);
		if (entry(d.qid) == NULL)
			continue;
		there[entry(d.qid) - model->e] = true;
		if (state != STORE_HOLD && !yielded[entry(d.qid) - model->e])
			wrong(d.qid, "is not in the index");
	}
	store_walk_free(&w);
}

/* What waits is found by its time, once the index has been checked. */
static void
look_due(void)
{
	struct store_stats stats;
	struct store_due d;
	int rc;

	do {
		now_us += 10000;
		store_tick(st, clock_ms());
		store_stats(st, &stats);
	} while (stats.checking);
	while ((rc = store_due_next(st, now_us + 400000000000, &d)) == 1 ||
	    (rc == -1 && errno == EAGAIN)) {
		if (rc == 1 && entry(d.qid) != NULL)
			yielded[entry(d.qid) - model->e] = true;
	}
}

/* Exit 0 when all that must hold holds. */
static void
inspect(int dirfd)
{
	disk_on = false;
	model->what[0] = '\0';
	open_store(dirfd);
	if (st != NULL && store_recover(st, look_found, NULL) == -1)
		wrong(0, "recover");
	look_due();
	for (enum store_state s = STORE_INCOMING; s <= STORE_CORRUPT; s++)
		look_state(s);
	for (size_t i = 0; i < model->n; i++) {
		struct entry *x = &model->e[i];

		if (x->acked && !x->ending && !there[i])
			wrong(x->qid, "is lost");
		/* What is gone is gone, for good. */
		if (!there[i])
			x->acked = false;
		x->hand = false;
	}
	store_close(&st);
	_exit(model->what[0] == '\0' ? 0 : 1);
}

static int
remove_one(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
	(void)sb, (void)type, (void)ftw;
	return remove(path);
}

/* In a process of its own; its exit status. */
static int
apart(void (*fn)(int dirfd, long calls), int dirfd, long calls)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		fn(dirfd, calls);
		_exit(99);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		return 98;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void
inspect_apart(int dirfd, long unused)
{
	(void)unused;
	inspect(dirfd);
}

static int
one_queue(uint64_t seed, unsigned *cuts)
{
	char dir[] = "/tmp/t_store_model.XXXXXX", sub[64];
	int dirfd, rc = 0;
	struct stat sb;

	if (mkdtemp(dir) == NULL)
		return 97;
	snprintf(sub, sizeof(sub), "%s/grave", dir);
	if (mkdir(sub, 0700) == -1)
		return 97;
	grave = open(sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(sub, sizeof(sub), "%s/spool", dir);
	if (mkdir(sub, 0700) == -1)
		return 97;
	dirfd = open(sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fstat(dirfd, &sb);
	disk_dev = sb.st_dev;
	memset(model, 0, sizeof(*model));
	for (int life = 0; life < 4 && rc == 0; life++) {
		rng = seed * 1000 + (unsigned)life;
		now_us = INT64_C(1795268000000000) + life * 60000000;
		rc = apart(live, dirfd,
		    rnd(10) == 0 ? -1 : (long)rnd(rnd(2) == 0 ? 400 : 3000));
		if (rc == 42 || rc == 43) {
			*cuts += rc == 42;
			rc = apart(inspect_apart, dirfd, 0);
		} else if (rc == 0)
			rc = 96;
	}
	if (rc != 0)
		print_message("# seed %llu: exit %d: %s\n",
		    (unsigned long long)seed, rc, model->what);
	close(grave);
	close(dirfd);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return rc;
}

static void
queues(void **state)
{
	const char *runs = getenv("STORE_MODEL_RUNS");
	const char *seed = getenv("STORE_MODEL_SEED");
	unsigned n = runs == NULL ? 60 : (unsigned)atoi(runs);
	unsigned cuts = 0, bad = 0;

	(void)state;
	if (seed != NULL) {
		assert_int_equal(one_queue((uint64_t)atoll(seed), &cuts), 0);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		bad += one_queue(i + 1, &cuts) != 0;
	print_message("# %u queues, %u power cuts\n", n, cuts);
	assert_int_equal(bad, 0);
	/* It was a test at all. */
	assert_true(cuts > n);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(queues),
	};

	model = mmap(NULL, sizeof(*model), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (model == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
