DAEMONS += local
local_SRCS := main.c address.c alias.c dotforward.c errand.c expand.c \
	file.c forward.c route.c user.c

t_local_expand_USES := local libcommon
t_local_errand_USES := local libcommon
fuzz_forward_USES := local libcommon
