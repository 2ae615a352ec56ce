/* SPDX-License-Identifier: ISC */
/*
 * smtpd - the SMTP server: many sessions in one loop.
 *
 * Holds:  SLOT_BROKER  grants and shutdown                  (peer: broker)
 *         gate         connections that were accepted       (peer: gate)
 *         rewrite, lookup, dns  answers to questions        (peers)
 *         qmgr         slots to write messages to, and the word that a
 *                      message is safe                      (peer: qmgr)
 *         cleanup      takes messages                       (peer: cleanup)
 *         keys         certificates; signatures of digests  (peer: keys)
 *         clients      connected sockets                    (hostile)
 * Never:  opens a path, connects, reads a message that was handed on, has a
 *         private key.
 * Whatever a client says, it gets an answer and no more memory than the limits
 * of its service.  If a peer lies or goes away, the client gets a temporary
 * failure; nothing is acknowledged without qmgr's word.
 */
#include "base/fd.h"
#include "boot/boot.h"
#include "edge/edges.h"
#include "log/log.h"

#include "peers.h"

static struct peers peers;

/* What an image has read for its copies. */
static struct service *warm[WORKER_SERVICES];

static void
asked_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	struct peer_set *ps = arg;

	(void)instance;
	(void)pid;
	peer_add(ps, ch);
}

#define ASKED(name)                                                            \
	static void name##_up(struct chan *ch, unsigned instance,              \
	    uint32_t pid, void *arg)                                           \
	{                                                                      \
		(void)arg;                                                     \
		asked_up(ch, instance, pid, &peers.name);                      \
	}                                                                      \
	static void name##_down(struct chan *ch, unsigned instance, void *arg) \
	{                                                                      \
		(void)instance;                                                \
		(void)arg;                                                     \
		peer_remove(&peers.name, ch);                                  \
	}

ASKED(rewrite)
ASKED(lookup)
ASKED(dns)

static void
cleanup_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	(void)arg;
	asked_up(ch, instance, pid, &peers.cleanup);
}

static void
cleanup_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	peers_cleanup_down(arg, ch);
}

static void
qmgr_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	(void)instance;
	(void)pid;
	peers_qmgr_up(arg, ch);
}

static void
qmgr_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)ch;
	(void)instance;
	peers_qmgr_down(arg);
}

static void
gate_down(struct chan *ch, unsigned instance, void *arg)
{
	struct peers *p = arg;

	(void)instance;
	conns_gate_gone(&p->conns, ch);
	if (p->held.gate == ch)
		fd_close(&p->held.fd);
	if (p->once && !conns_any(&p->conns))
		boot_exit(0); /* no session will come any more */
}

static struct service *
read_service(uint32_t instance, struct str name, int fd)
{
	struct conf *conf = conf_open(fd);

	if (conf == NULL)
		log_fatal("configuration of service " STR_FMT " cannot be read",
		    STR_ARG(name));
	return service_new(conf, instance, boot_conf());
}

/* What is known of its certificates; a single session may not need them. */
static void
use_keys(struct service *sv)
{
	const struct keyset *ks = keyring_set(sv->instance);

	if (peers.once)
		secure_keys_late(&sv->tls, ks);
	else
		secure_keys(&sv->tls, ks, sv->name);
}

/* Ready is who has all peers, and an answer of keys for every service. */
static void
check_ready(struct peers *p)
{
	if (!p->seen)
		return;
	for (unsigned i = 0; i < WORKER_SERVICES; i++) {
		struct service *sv = worker_find_service(&p->w, i);

		if (sv != NULL && secure_wanted(&sv->tls) &&
		    keyring_set(i)->generation == 0)
			return;
	}
	boot_ready();
	peers_ready(p);
}

static void
on_grant(const struct broker_grant *g, int fd, void *arg)
{
	struct peers *p = arg;
	struct service *sv;

	if (g->kind != GRANT_CONFIG) {
		log_warn("grant of kind %u is not for me", g->kind);
		fd_close(&fd);
		return;
	}
	sv = read_service(g->instance, g->name, fd);
	fd_close(&fd);
	use_keys(sv);
	worker_service(&p->w, sv);
}

/* In an image. */
static void
on_object(uint32_t instance, struct str name, int fd)
{
	struct service *sv;

	if (instance >= WORKER_SERVICES)
		return;
	warm[instance] = sv = read_service(instance, name, fd);
	secure_warm(&sv->tls, instance, sv->name);
}

/* keys told of a service's certificates, or of its ticket keys. */
static void
on_keys(const struct keyset *ks, bool tickets_only, void *arg)
{
	struct peers *p = arg;
	struct service *sv = worker_find_service(&p->w, ks->service);

	if (sv != NULL && tickets_only)
		secure_tickets(&sv->tls, ks);
	else if (sv != NULL)
		use_keys(sv);
	check_ready(p);
}

static void
on_ready(void *arg)
{
	struct peers *p = arg;

	p->seen = true;
	check_ready(p);
}

static void
on_config(void *arg)
{
	struct peers *p = arg;

	resolver_flush(&p->w.resolver);
}

static void
on_idle(void *arg)
{
	(void)arg;
	boot_exit(0);
}

/* The broker ends us after the grace; until then messages may be finished. */
static void
on_stop(int64_t grace_ms, void *arg)
{
	struct peers *p = arg;

	(void)grace_ms;
	p->conns.idle = on_idle;
	worker_stop(&p->w);
	if (!conns_any(&p->conns))
		boot_exit(0);
}

static const struct boot_peer peer_list[] = {
	{ .name = "gate",
	    .edge = &edge_gate,
	    .side = SIDE_B,
	    .on = peers_gate_on,
	    .down = gate_down },
	{ .name = "rewrite",
	    .edge = &edge_resolve,
	    .side = SIDE_A,
	    .on = peers_asked_on,
	    .up = rewrite_up,
	    .down = rewrite_down },
	{ .name = "lookup",
	    .edge = &edge_lookup,
	    .side = SIDE_A,
	    .on = peers_asked_on,
	    .up = lookup_up,
	    .down = lookup_down },
	{ .name = "dns",
	    .edge = &edge_dns,
	    .side = SIDE_A,
	    .on = peers_asked_on,
	    .up = dns_up,
	    .down = dns_down },
	{ .name = "qmgr",
	    .edge = &edge_spool,
	    .side = SIDE_A,
	    .on = peers_qmgr_on,
	    .up = qmgr_up,
	    .down = qmgr_down },
	{ .name = "cleanup",
	    .edge = &edge_intake,
	    .side = SIDE_A,
	    .on = peers_cleanup_on,
	    .up = cleanup_up,
	    .down = cleanup_down },
	{ .name = "keys",
	    .edge = &edge_keys,
	    .side = SIDE_A,
	    .on = keyring_on,
	    .up = keyring_up,
	    .down = keyring_down,
	    .optional = true },
};

static bool
is_busy(void *arg)
{
	const struct peers *p = arg;

	return conns_any(&p->conns) || p->held.gate != NULL;
}

static struct boot_hooks hooks = { .grant = on_grant,
	.config = on_config,
	.busy = is_busy,
	.work = &edge_gate,
	.leave = GATE_IDLE,
	.stop = on_stop,
	.ready = on_ready,
	.own_ready = true };

/* In a copy of an image: what that has read, and whom it makes us need. */
static void
use_image(struct peers *p)
{
	bool any = false, tables = false, tls = false;

	for (size_t i = 0; i < WORKER_SERVICES; i++) {
		if (warm[i] == NULL)
			continue;
		any = true;
		tables |= service_has_tables(warm[i]);
		tls |= secure_wanted(&warm[i]->tls);
		use_keys(warm[i]);
		worker_service(&p->w, warm[i]);
	}
	if (any)
		hooks.without = tables && tls ? STR_NONE :
		    tables		      ? STR("keys") :
		    tls			      ? STR("lookup") :
						STR("lookup keys");
}

int
main(int argc, char *argv[])
{
	boot_warm(on_object);
	tls_init(); /* once, should this be an image */
	boot_start("smtpd", argc, argv);
	peers_init(&peers, boot_loop());
	keyring_changed(on_keys, &peers);
	if (conf_is(boot_conf(), P_SMTPD_ISOLATION, "connection")) {
		hooks.once = true;
		peers_once(&peers, on_idle);
	}
	use_image(&peers);
	boot_seal(peer_list, NELEM(peer_list), &hooks, &peers);
	return boot_run();
}
