COMMON_SRCS += chan/chan.c chan/rec.c chan/refuse_$(PORT).c loop/loop.c
