COMMON_SRCS += boot/boot.c log/log.c edge/edges.c edge/ticket.c
