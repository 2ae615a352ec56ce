DAEMONS += local
local_SRCS := main.c address.c alias.c command.c dotforward.c errand.c \
	file.c forward.c named.c pass.c route.c user.c

t_local_named_USES := local
t_local_errand_USES := local
fuzz_forward_USES := local
