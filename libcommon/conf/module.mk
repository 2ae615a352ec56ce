# Configuration: main.cf, master.cf, and the snapshot components get.
COMMON_SRCS += \
	conf/blob.c conf/build.c conf/conf.c conf/eval.c conf/expand.c \
	conf/hostfacts.c conf/items.c conf/later.c conf/lines.c conf/maincf.c \
	conf/mastercf.c conf/names.c conf/netlist.c conf/params.c \
	conf/pipe_args.c conf/report.c conf/restrictions.c conf/uids.c conf/value.c
CPPFLAGS_libcommon += -DSBINDIR='"$(SBINDIR)"' -DLIBEXECDIR='"$(LIBEXECDIR)"'
