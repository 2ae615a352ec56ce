DAEMONS += pipe
pipe_SRCS := main.c deliver.c service.c
