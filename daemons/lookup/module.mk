DAEMONS += lookup
lookup_SRCS := main.c command.c find.c include.c params.c passwd.c tables.c
lookup_LIBS = $(TABLE_LIBS)
t_lookup_USES := lookup libsandbox
t_lookup_LIBS = $(TABLE_LIBS)
