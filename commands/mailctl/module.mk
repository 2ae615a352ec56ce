# mailctl(1), and the names of Postfix that are the same program.
COMMANDS += mailctl
mailctl_SRCS := main.c instance.c say.c start.c stop.c
mailctl_LIBS := $(call pkg_libs,libcdb)
CPPFLAGS_commands += -DDATADIR='"$(DATADIR)"'
