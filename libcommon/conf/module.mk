# Configuration: main.cf, master.cf, and the snapshot components get.
COMMON_SRCS += conf/params.c
CPPFLAGS_libcommon += -DSBINDIR='"$(SBINDIR)"' -DLIBEXECDIR='"$(LIBEXECDIR)"'
