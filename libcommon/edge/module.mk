COMMON_SRCS += edge/grants.c edge/hosts.c
COMMON_SRCS += edge/control.c
