# mailctl(1), and the names of Postfix that are the same program.
COMMANDS += mailctl
mailctl_SRCS := main.c audit.c audit_html.c check.c check_pipe.c explain.c \
	follow.c graph.c \
	graph_data.c graph_html.c graph_layout.c html.c prove.c instance.c json.c \
	kin.c kin_$(PORT).c offline.c postcat.c postfix.c postkick.c postlock.c \
	postlog.c postqueue.c postsuper.c queue.c queue_cmd.c say.c show.c show_drop.c \
	start.c status.c survey.c stop.c talk.c \
	trace.c
mailctl_NAMES := postcat postfix postkick postlock postlog postqueue postsuper
mailctl_LIBS = $(TABLE_LIBS) -lm
CPPFLAGS_commands += -DDATADIR='"$(DATADIR)"'
t_mailctl_json_USES := cmd-mailctl
fuzz_control_USES := cmd-mailctl
