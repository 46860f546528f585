# SPDX-License-Identifier: Apache-2.0
# The project's own configure switches: warnings, sanitizers, coverage, fault injection, completions.

AC_DEFUN([RKY_COMPILER_FLAGS], [
AC_ARG_ENABLE([werror],
  [AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors (default: no; CI uses it)])],
  [rky_werror=$enableval], [rky_werror=no])
AC_ARG_ENABLE([sanitizers],
  [AS_HELP_STRING([--enable-sanitizers=LIST], [build with sanitizers, e.g. address,undefined or thread (default: none)])],
  [rky_sanitizers=$enableval], [rky_sanitizers=no])
AC_ARG_ENABLE([coverage],
  [AS_HELP_STRING([--enable-coverage], [instrument for gcov (default: no)])],
  [rky_coverage=$enableval], [rky_coverage=no])

AX_APPEND_COMPILE_FLAGS([-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes dnl
  -Wmissing-prototypes -Wvla -Wformat=2 -Wduplicated-cond -Wlogical-op dnl
  -Wnull-dereference -Wwrite-strings -Wcast-qual -Wundef -Wpointer-arith -Wimplicit-fallthrough],
  [WARN_CFLAGS], [-Werror])
WARN_CXXFLAGS="-Wall -Wextra"
AS_IF([test "x$rky_werror" = xyes],
  [WARN_CFLAGS="$WARN_CFLAGS -Werror"; WARN_CXXFLAGS="$WARN_CXXFLAGS -Werror"])

SAN_FLAGS=
AS_IF([test "x$rky_sanitizers" != xno], [
  SAN_FLAGS="-fsanitize=$rky_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"
  # These are for C++, and clang links that part of its runtime only where clang++ links.
  AX_CHECK_COMPILE_FLAG([-fno-sanitize=vptr,function],
    [SAN_FLAGS="$SAN_FLAGS -fno-sanitize=vptr,function"], [], [-Werror])
  AX_CHECK_LINK_FLAG([-fsanitize=$rky_sanitizers], [],
    [AC_MSG_ERROR([the compiler cannot link with -fsanitize=$rky_sanitizers])])
  AC_DEFINE([RKY_SANITIZED], [1], [Built with a sanitizer])
])
HARDEN_CFLAGS=
HARDEN_LDFLAGS=
AS_IF([test "x$rky_sanitizers" = xno && test "x$rky_coverage" = xno], [
  AX_APPEND_COMPILE_FLAGS([-fstack-protector-strong -fPIE], [HARDEN_CFLAGS], [-Werror])
  AX_APPEND_LINK_FLAGS([-Wl,-z,relro -Wl,-z,now -pie], [HARDEN_LDFLAGS])
])
# The TOML parser is all the C++ there is; its library is linked in where there is an archive of it,
# because loading the shared one costs every start a millisecond.
LIBSTDCXX=-lstdc++
AS_IF([test "x$rky_sanitizers" = xno && test "x$rky_coverage" = xno], [
  AC_MSG_CHECKING([for a static libstdc++])
  rky_archive=`$CXX -print-file-name=libstdc++.a 2>/dev/null`
  AS_CASE([$rky_archive],
    [/*], [LIBSTDCXX="$rky_archive"
           AC_MSG_RESULT([$rky_archive])],
    [AC_MSG_RESULT([no])])
])
COVERAGE_FLAGS=
AS_IF([test "x$rky_coverage" = xyes], [COVERAGE_FLAGS="-O0 --coverage"])
AC_SUBST([WARN_CFLAGS])
AC_SUBST([WARN_CXXFLAGS])
AC_SUBST([SAN_FLAGS])
AC_SUBST([HARDEN_CFLAGS])
AC_SUBST([HARDEN_LDFLAGS])
AC_SUBST([COVERAGE_FLAGS])
AC_SUBST([LIBSTDCXX])
])

AC_DEFUN([RKY_ARG_FAULT_INJECTION], [
AC_ARG_ENABLE([fault-injection],
  [AS_HELP_STRING([--enable-fault-injection], [compile the named fault points that the crash tests drive (default: no)])],
  [rky_fault_injection=$enableval], [rky_fault_injection=no])
AS_IF([test "x$rky_fault_injection" = xyes],
  [AC_DEFINE([RKY_FAULT_INJECTION], [1], [Named fault points are compiled in])])
AM_CONDITIONAL([FAULT_INJECTION], [test "x$rky_fault_injection" = xyes])
])

AC_DEFUN([RKY_COMPLETION_DIRS], [
AC_ARG_WITH([bashcompletiondir],
  [AS_HELP_STRING([--with-bashcompletiondir=DIR], [where bash completions go (default: DATADIR/bash-completion/completions)])],
  [bashcompletiondir=$withval], [bashcompletiondir='${datadir}/bash-completion/completions'])
AC_SUBST([bashcompletiondir])
AC_SUBST([zshcompletiondir], ['${datadir}/zsh/site-functions'])
AC_SUBST([fishcompletiondir], ['${datadir}/fish/vendor_completions.d'])
])
