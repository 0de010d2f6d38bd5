// Single Linux calls that Swift's Glibc module does not show: variadic, GNU-only, or macros.

#ifndef MUSTER_CLINUX_H
#define MUSTER_CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// What an errno value means, as a constant text; never NULL, and unlike strerror safe in every thread.
const char *clinux_errno_text(int code);

/// A close-on-exec descriptor that becomes readable when the process ends, or -1 with errno.
int clinux_pidfd_open(pid_t process);

/// A close-on-exec pipe: descriptors[0] reads, descriptors[1] writes. Returns 0, or -1 with errno.
int clinux_pipe(int *descriptors);

/// write(2) whose EPIPE comes without the SIGPIPE that would end the program.
ssize_t clinux_write_quietly(int descriptor, const void *bytes, size_t count);

/// Starts a program with signal dispositions and mask reset, in a process group of its own where `own_group` is not 0.
///
/// `descriptors[i]` becomes descriptor i of the child; all others are closed. Returns 0, or the errno of the failure.
int clinux_spawn(
    pid_t *process, const char *executable, char *const arguments[], char *const environment[],
    const char *working_directory, const int *descriptors, size_t descriptor_count, int own_group);

/// How a process ended, without reaping it: 0 and its code or signal, 1 when it still runs, -1 with errno.
int clinux_peek_exit(pid_t process, int *code, int *signal);

#endif
