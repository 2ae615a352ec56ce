COMMON_SRCS += chan/chan.c chan/rec.c loop/loop.c
