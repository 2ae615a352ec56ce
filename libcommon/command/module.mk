COMMON_SRCS += command/order.c command/person.c command/vouch.c
