DAEMONS += smtpd
smtpd_LIBS = $(TLS_LIBS)
smtpd_SRCS := main.c chunk.c conn.c data.c etrn.c mail.c peers.c reply.c resolver.c \
	restrict.c restrict_access.c restrict_dns.c restrict_rules.c rules.c secure.c service.c \
	session.c slots.c submit.c verbs.c worker.c
t_smtpd_session_USES := smtpd
t_smtpd_session_LIBS = $(TLS_LIBS)
t_smtpd_conn_USES := smtpd
t_smtpd_conn_LIBS = $(TLS_LIBS)
t_smtpd_data_USES := smtpd
t_smtpd_data_LIBS = $(TLS_LIBS)
t_smtpd_restrict_USES := smtpd
t_smtpd_restrict_LIBS = $(TLS_LIBS)
t_smtpd_names_USES := smtpd
t_smtpd_names_LIBS = $(TLS_LIBS)
fuzz_smtpd_USES := smtpd
fuzz_smtpd_LIBS = $(TLS_LIBS)
