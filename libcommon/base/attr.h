/* SPDX-License-Identifier: ISC */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

/*
 * The compiler attributes we use, spelled once.
 */
#define PRINTFLIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN __attribute__((noreturn))
#define WARN_UNUSED __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

#endif
