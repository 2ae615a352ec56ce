DAEMONS += broker
broker_SRCS := main.c admin.c grants.c introduce.c plan.c proc.c request.c
