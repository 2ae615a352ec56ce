COMMON_SRCS += edge/hosts.c
