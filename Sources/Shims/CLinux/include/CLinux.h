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

/// One resource limit of setrlimit(2), hard and soft alike.
struct clinux_limit {
    int resource;
    uint64_t value;
};

/// A process that is not like its parent: another user, limits, its end bound to its parent's.
struct clinux_process {
    const char *executable;
    char *const *arguments;
    char *const *environment;
    /// Entered as the user; NULL stays where the parent is.
    const char *working_directory;
    /// `descriptors[i]` becomes descriptor i of the child; all others are closed.
    const int *descriptors;
    size_t descriptor_count;
    /// Not 0: become `user` with `group` and the supplementary `groups`, for good. Else nothing of that is touched.
    int changes_user;
    uid_t user;
    gid_t group;
    const gid_t *groups;
    size_t group_count;
    mode_t creation_mask;
    const struct clinux_limit *limits;
    size_t limit_count;
    /// The signal that the child gets when its parent ends; 0 for none.
    int parent_end_signal;
};

/// Starts a process in a process group of its own, with signal dispositions and mask reset.
///
/// Returns 0 once the program runs, or the errno of the failure, with `step` saying in a constant text what was tried.
/// To be called where only one thread runs: the child does nothing but async-signal-safe calls.
int clinux_start(const struct clinux_process *what, pid_t *process, const char **step);

/// clinux_spawn, but the child leads a session of its own, without a terminal.
int clinux_spawn_session(
    pid_t *process, const char *executable, char *const arguments[], char *const environment[],
    const char *working_directory, const int *descriptors, size_t descriptor_count);

/// A close-on-exec file that is in no folder and only in memory, or -1 with errno.
int clinux_memory_file(void);

/// Waits until everything that was written to the file system of the descriptor is on the disk. Returns 0, or -1 with errno.
int clinux_sync_file_system(int descriptor);

/// Swaps what two paths of one file system mean, in one step. Returns 0, or -1 with errno.
int clinux_exchange(const char *one, const char *other);

/// From now on orphans among our descendants become our children. Returns 0, or -1 with errno.
int clinux_become_subreaper(void);

/// From now on nobody but root may look into our memory. Returns 0, or -1 with errno.
int clinux_become_unreadable(void);

/// Blocks the signals and returns a close-on-exec, non-blocking descriptor that they can be read from, or -1 with errno.
int clinux_signal_descriptor(const int *signals, size_t count);

/// The next signal of such a descriptor, or 0 where there is none.
int clinux_next_signal(int descriptor);

/// A child that has ended and was not waited for yet, without reaping it: 0 where there is none.
pid_t clinux_ended_child(void);

/// How a process ended, without reaping it: 0 and its code or signal, 1 when it still runs, -1 with errno.
int clinux_peek_exit(pid_t process, int *code, int *signal);

#endif
