/* SPDX-License-Identifier: ISC */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/buf.h"
#include "base/siphash.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/dns.h"
#include "edge/ticket.h"
#include "loop/loop.h"
#include "net/netlist.h"

/*
 * dns in parts: the bytes of the protocol (message.c), questions on their way
 * to the resolvers (resolver.c, sockets.c, tcp.c), what was answered lately
 * (cache.c), and what peers ask for on top of that: routes (route.c,
 * route_parse.c, with vet.c and self.c), names of clients (named.c), records
 * (records.c).  None of them knows of boot.h, so tests drive them with socket
 * pairs.
 *
 * Why not all of c-ares: its engine wants to make its sockets when it needs
 * them, in a call that must return one, whereas ours come from the broker some
 * turns of the loop later.  Feeding it from a pool works until the pool is
 * empty; and retries, timeouts and the choice of ports would be its own.  A
 * stub resolver's transactions are few lines, and so these are ours; what is
 * easily got wrong, the names of the wire format with their compression, is
 * c-ares'.
 */

/* A name in text, as c-ares writes it: odd bytes escaped. */
#define NAME_TEXT 1025

enum {
	RR_A = 1,
	RR_NS = 2,
	RR_CNAME = 5,
	RR_SOA = 6,
	RR_PTR = 12,
	RR_MX = 15,
	RR_TXT = 16,
	RR_AAAA = 28,
	RR_OPT = 41,
};

/* --- random.c: numbers that nobody guesses -------------------------------- */

uint32_t random_u32(void);
/* Below n, which is not 0. */
uint32_t random_below(uint32_t n);

/* --- message.c: questions and answers in bytes ---------------------------- */

#define ANSWER_RRS_MAX 256    /* records looked at in a message */
#define ANSWER_TEXT_MAX 49152 /* of what is kept of them, in text */
#define CHAIN_MAX 16	      /* aliases followed */

enum answer_status {
	ANSWER_OK,	/* there are records, or an alias to go on with */
	ANSWER_EMPTY,	/* the name exists, and has none of this type */
	ANSWER_NO_NAME, /* it does not exist */
	ANSWER_FAILED,	/* nobody knows now */
};

struct rr {
	uint16_t pref;	     /* MX */
	struct netaddr addr; /* A, AAAA */
	struct str text;     /* in the form of edge/dns.h; MX: the name alone */
};

struct answer {
	unsigned refs;
	enum answer_status status;
	bool authentic;
	uint32_t ttl; /* seconds */
	size_t n;
	struct rr *rr;
	char *alias; /* OK without records: where to look instead, or NULL */
	char *canonical; /* the name the records are of, if another one */
	struct buf text; /* what rr[].text points into */
};

struct answer *answer_new(enum answer_status status, uint32_t ttl);
struct answer *answer_ref(struct answer *a);
void answer_unref(struct answer **ap);

/* Bytes of a question.  0, or -1 when name cannot be asked for. */
int message_ask(struct buf *out, uint16_t id, const char *name, uint16_t type,
    bool edns);

enum message_result {
	MESSAGE_ANSWER,	  /* *out is set */
	MESSAGE_STRANGER, /* not the answer to this question: keep waiting */
	MESSAGE_CUT,	  /* it did not fit: ask over TCP */
	MESSAGE_NO_EDNS,  /* FORMERR: ask without EDNS */
	MESSAGE_REFUSED,  /* this server has no answer; another may */
};

/*
 * Read what a server sent.  It is an answer when id and question are the ones
 * that were asked.
 */
enum message_result message_read(struct str packet, uint16_t id,
    const char *name, uint16_t type, struct answer **out);

/* --- resolver.c: one question on its way ---------------------------------- */

#define SERVERS_MAX 16
#define POOL 4 /* UDP sockets a server: as many source ports at a time */
#define SOCKET_USES 250	 /* questions sent before a socket is replaced */
#define SOCKET_MS 60000	 /* age at which one in use is replaced */
#define QUERIES_MAX 4000 /* on their way at a time */
#define TCP_MAX 32
#define UDP_PAYLOAD 1232

TAILQ_HEAD(query_list, query);

struct usock {
	TAILQ_ENTRY(usock) link;
	struct server *server;
	struct watch watch;
	struct query_list queries; /* waiting for an answer here */
	int64_t born;
	unsigned uses;
	int fd;
	bool retired; /* closed when nobody waits any more */
	bool busy;    /* being read: not freed before that ends */
};
TAILQ_HEAD(usock_list, usock);

struct server {
	struct resolver *rs;
	uint16_t index; /* what the broker calls it */
	struct usock_list socks;
	unsigned nfresh;    /* not retired */
	unsigned asked;	    /* for this many the broker has been asked */
	int64_t sick_until; /* it did not answer */
	int64_t refused;    /* when the broker had none to give */
	bool gone;	    /* not of the current configuration */
};

/*
 * Ask the broker for a socket.  When it answers, resolver_udp(to, ...) or
 * resolver_tcp(to, ...) is to be called.
 */
typedef void resolver_want_fn(unsigned index, bool tcp, void *to, void *arg);

struct resolver {
	struct loop *loop;
	resolver_want_fn *want;
	void *want_arg;
	struct server *server[SERVERS_MAX];
	size_t nservers;
	struct server *counting; /* the broker was asked: is there one more? */
	bool counted;		 /* all are known */
	struct query_list idle;	 /* queries that wait for a socket, or TCP */
	size_t nqueries;
	unsigned ntcp;
	struct timer tick;
	struct timer again; /* to ask the broker again */
	bool ticking;
};

typedef void query_fn(struct answer *a, void *arg);

enum query_where {
	QUERY_WAITS, /* for a socket */
	QUERY_UDP,
	QUERY_TCP_SOCKET, /* the broker was asked for one */
	QUERY_TCP,
};

struct query {
	TAILQ_ENTRY(query) link; /* of a usock, or of resolver.idle */
	struct resolver *rs;
	query_fn *fn;
	void *arg;
	char *name;
	uint16_t type;
	uint16_t id;
	enum query_where where;
	struct usock *sock;
	struct server *server;
	unsigned tries;	   /* servers asked so far */
	unsigned refusals; /* of them, how many said they cannot say */
	int64_t deadline;  /* of this try */
	int64_t end;	   /* of all tries */
	bool edns;
	/* TCP */
	int fd;
	struct watch watch;
	struct buf io;
	bool sent;
};

void resolver_init(struct resolver *rs, struct loop *l, resolver_want_fn *want,
    void *arg);
void resolver_clear(struct resolver *rs);

/* The configuration is new: find out anew what servers there are. */
void resolver_restart(struct resolver *rs);

/*
 * The broker's answer: a descriptor, which is taken over, or -1, with unknown
 * when there is no such server.
 */
void resolver_udp(void *to, int fd, bool unknown);
void resolver_tcp(void *to, int fd);

/*
 * Ask for a name in text.  fn is called once, later, and borrows the answer,
 * which is never NULL.
 */
void resolver_ask(struct resolver *rs, const char *name, uint16_t type,
    query_fn *fn, void *arg);

/* Between its parts. */
void query_try(struct query *q); /* the next server, or the end */
void query_done(struct query *q, struct answer *a); /* takes a; frees q */
void query_got(struct query *q, struct str packet, bool tcp);
void query_unlink(struct query *q);
void server_sick(struct server *s);

/* --- sockets.c: sockets from the broker ----------------------------------- */

void sock_add(struct server *s, int fd);
/* A socket to send on, or NULL: one is on its way. */
struct usock *sock_pick(struct server *s);
void sock_send(struct usock *u, struct query *q);
void sock_release(struct usock *u); /* after a query left it */
void server_free(struct server **sp);

/* --- tcp.c ---------------------------------------------------------------- */

void tcp_ask(struct query *q);
void tcp_come(struct query *q, int fd);
void tcp_end(struct query *q);

/* --- cache.c: what was asked lately --------------------------------------- */

#define CACHE_BUCKETS 8192
#define CACHE_MAX 20000
#define CACHE_BYTES (32U << 20)
#define FAILED_TTL 5 /* seconds a failure is remembered */

struct cache_entry;
TAILQ_HEAD(cache_list, cache_entry);
LIST_HEAD(cache_bucket, cache_entry);

struct cache {
	struct resolver *rs;
	struct loop *loop;
	struct cache_bucket bucket[CACHE_BUCKETS];
	struct cache_list lru; /* known answers, the latest used at the end */
	size_t n, bytes;
	uint8_t secret[SIPHASH_KEY];
};

void cache_init(struct cache *c, struct loop *l, struct resolver *rs);
void cache_clear(struct cache *c);

/*
 * Records of a name (in any case, without a dot at its end).  fn is called
 * once, perhaps before this returns, and borrows the answer.  Aliases have
 * been followed.
 */
void cache_find(struct cache *c, struct str name, uint16_t type, query_fn *fn,
    void *arg);

/* May the name be asked for at all?  Letters, digits, '-', '_' in labels. */
bool cache_name_ok(struct str name);

/* --- hostsfile.c: the system's hosts file, read before we are sealed ------ */

struct hosts_entry {
	struct netaddr addr;
	char *name; /* lower case */
};

struct hostsfile {
	struct hosts_entry *v;
	size_t n;
};

#define HOSTSFILE_MAX 10000

void hostsfile_parse(struct hostsfile *h, struct str text);
void hostsfile_read(struct hostsfile *h, const char *path);
void hostsfile_clear(struct hostsfile *h);
/* The name that comes first for an address, or NULL. */
const char *hostsfile_name(const struct hostsfile *h, const struct netaddr *a);

/* --- self.c: is that us? -------------------------------------------------- */

#define SELF_MAX 256

struct self {
	struct netaddr v[SELF_MAX]; /* port 0: any port mail arrives at */
	size_t n;
	uint16_t ports[SELF_MAX]; /* where mail arrives */
	size_t nports;
	char *hostname;
	char *names[64]; /* of inet_interfaces, proxy_interfaces */
	size_t nnames;
};

void self_init(struct self *s, const struct conf *c);
void self_clear(struct self *s);
bool self_is_name(const struct self *s, struct str name);
bool self_is_addr(const struct self *s, const struct netaddr *a);
/* Would a connection to this port be one to a mail server? */
bool self_is_port(const struct self *s, uint16_t port);

/* --- vet.c: where may mail be sent? --------------------------------------- */

enum vet {
	VET_PUBLIC,
	VET_PRIVATE, /* loopback, link-local, private: only if configured */
	VET_NEVER,   /* no host: this network, multicast, reserved */
};

enum vet vet_addr(const struct netaddr *a);
/* ::ffff:192.0.2.1 is 192.0.2.1: the kernel would connect there. */
void vet_unmap(struct netaddr *a);

/* --- the component -------------------------------------------------------- */

struct settings {
	bool ipv4, ipv6;
	bool ignore_mx_error;
	bool no_dns;		   /* disable_dns_lookups */
	struct netlist private;	   /* smtp_private_networks */
	struct conf_list fallback; /* smtp_fallback_relay: configured hops */
	struct self self;
};

LIST_HEAD(route_list, route);
LIST_HEAD(named_list, named);
LIST_HEAD(records_list, records);

struct dns {
	struct loop *loop;
	struct resolver resolver;
	struct cache cache;
	struct hostsfile hosts;
	struct settings settings;
	struct ticket_key route_key;
	struct ticket_key address_key;
	struct route_list routes;
	struct named_list nameds;
	struct records_list recordss;
	size_t nops; /* questions of peers being worked on */
};

#define OPS_MAX 20000 /* then the answer is DNS_LATER */

void dns_init(struct dns *d, struct loop *l, resolver_want_fn *want, void *arg);
void dns_clear(struct dns *d);
/* conf is borrowed until the next call. */
void dns_config(struct dns *d, const struct conf *conf);
/* A channel has gone: nobody waits for its answers. */
void dns_forget(struct dns *d, const struct chan *ch);

/* Handlers of the edge; arg is struct dns. */
void
on_route(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg);
void
on_name(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg);
void
on_query(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg);

void route_forget(struct dns *d, const struct chan *ch);
void named_forget(struct dns *d, const struct chan *ch);
void records_forget(struct dns *d, const struct chan *ch);

/* --- route_parse.c -------------------------------------------------------- */

/* One next hop of a list. */
struct hop {
	struct str host;     /* borrowed; without brackets */
	struct netaddr addr; /* of a literal, family 0 otherwise */
	uint16_t port;
	bool bracket; /* no MX lookup */
};

/* Cut the next one.  1, 0 at the end, -1 when it is none. */
int hop_next(struct str *list, uint16_t port, struct hop *out);

#endif
