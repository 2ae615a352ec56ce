DAEMONS += dns
dns_SRCS := main.c cache.c config.c hostsfile.c message.c named.c random.c \
	records.c resolver.c route.c route_parse.c self.c sockets.c tcp.c vet.c
dns_LIBS := $(call pkg_libs,libcares)
t_dns_route_USES := dns
t_dns_route_LIBS := $(dns_LIBS)
t_dns_resolver_USES := dns
t_dns_resolver_LIBS := $(dns_LIBS)
fuzz_dns_USES := dns
fuzz_dns_LIBS := $(dns_LIBS)
