# sendmail(1) and mailq(1).
COMMANDS += sendmail
sendmail_SRCS := main.c config.c input.c options.c post.c smtp.c
sendmail_NAMES := mailq
