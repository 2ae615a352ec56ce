DAEMONS += smtp
smtp_SRCS := main.c body.c hello.c job.c mail.c pool.c report.c secure.c \
	service.c session.c settings.c target.c
smtp_LIBS = $(TLS_LIBS)
t_smtp_body_USES := smtp
t_smtp_body_LIBS = $(TLS_LIBS)
t_smtp_session_USES := smtp
t_smtp_session_LIBS = $(TLS_LIBS)
t_smtp_target_USES := smtp
t_smtp_target_LIBS = $(TLS_LIBS)
fuzz_smtp_reply_USES := smtp
fuzz_smtp_reply_LIBS = $(TLS_LIBS)
fuzz_smtp_body_USES := smtp
fuzz_smtp_body_LIBS = $(TLS_LIBS)
