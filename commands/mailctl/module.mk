# mailctl(1), and the names of Postfix that are the same program.
COMMANDS += mailctl
mailctl_SRCS := main.c audit.c instance.c json.c kin.c say.c start.c status.c \
	stop.c talk.c
mailctl_LIBS := $(call pkg_libs,libcdb)
CPPFLAGS_commands += -DDATADIR='"$(DATADIR)"'
