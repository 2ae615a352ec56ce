DAEMONS += keys
keys_SRCS := main.c service.c sign.c tickets.c
keys_LIBS = $(TLS_LIBS)
t_keys_USES := keys
t_keys_LIBS = $(TLS_LIBS)
