COMMON_SRCS += loop/pool.c
