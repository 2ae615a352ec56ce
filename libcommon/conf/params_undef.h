/* SPDX-License-Identifier: ISC */
/*
 * Forget the macros that an includer of params_all.def made.  Included
 * several times, so without a guard.
 */
#undef PARAM
#undef PARAM_BOOL
#undef PARAM_INT
#undef PARAM_SIZE
#undef PARAM_TIME
#undef PARAM_STR
#undef PARAM_RAW
#undef PARAM_ENUM
#undef PARAM_SET
#undef PARAM_LIST
#undef PARAM_MATCH
#undef PARAM_NETS
#undef PARAM_MAPS
#undef PARAM_RULES
#undef PARAM_GROUP
