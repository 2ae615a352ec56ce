DAEMONS += command
command_SRCS := main.c env.c expand.c start.c
t_command_expand_USES := command libsandbox
