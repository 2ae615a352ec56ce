DAEMONS += launcher
launcher_SRCS := main.c borrow.c config.c files.c image.c limit.c listen.c \
	spawn.c watch.c
CPPFLAGS_daemons += -DDATADIR='"$(DATADIR)"'
launcher_LIBS := $(call pkg_libs,libseccomp libcap-ng)
