DAEMONS += cleanup
cleanup_SRCS := main.c alias.c bcc.c edits.c head.c message.c missing.c question.c rcpts.c \
	settings.c
t_cleanup_message_USES := cleanup libsandbox
fuzz_cleanup_USES := cleanup libsandbox
