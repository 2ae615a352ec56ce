COMMON_SRCS += agent/boxes.c agent/job.c agent/maps.c agent/report.c
