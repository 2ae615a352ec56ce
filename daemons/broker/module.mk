DAEMONS += broker
broker_SRCS := main.c admin.c introduce.c launch.c plan.c proc.c request.c
t_broker_USES := broker libsandbox
