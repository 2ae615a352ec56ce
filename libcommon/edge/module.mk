COMMON_SRCS += edge/hosts.c
COMMON_SRCS += edge/control.c
