# Internet addresses and lists of networks; sockets with a name.
COMMON_SRCS += net/interfaces.c net/netaddr.c net/netlist.c net/notify.c \
	net/unixsock_$(PORT).c
