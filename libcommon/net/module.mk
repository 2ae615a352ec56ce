# Internet addresses and lists of networks.
COMMON_SRCS += net/netaddr.c net/netlist.c
