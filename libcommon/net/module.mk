# Internet addresses and lists of networks; sockets with a name.
COMMON_SRCS += net/netaddr.c net/netlist.c net/unixsock_$(PORT).c
