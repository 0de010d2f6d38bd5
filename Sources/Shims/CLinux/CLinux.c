#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *clinux_errno_text(int code) {
    const char *text = strerrordesc_np(code);
    return text == NULL ? "unknown error" : text;
}

int clinux_pidfd_open(pid_t process) {
    return (int)syscall(SYS_pidfd_open, process, 0);
}

int clinux_pipe(int *descriptors) {
    return pipe2(descriptors, O_CLOEXEC);
}

ssize_t clinux_write_quietly(int descriptor, const void *bytes, size_t count) {
    sigset_t broken_pipe, before, pending;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    ssize_t result = write(descriptor, bytes, count);
    int code = errno;
    if (result == -1 && code == EPIPE && !sigismember(&pending, SIGPIPE)) {
        struct timespec none = {0, 0};
        while (sigtimedwait(&broken_pipe, NULL, &none) == -1 && errno == EINTR) {}
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return result;
}

int clinux_spawn(
    pid_t *process, const char *executable, char *const arguments[], char *const environment[],
    const char *working_directory, const int *descriptors, size_t descriptor_count, int own_group) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int result = posix_spawn_file_actions_init(&actions);
    if (result != 0) return result;
    result = posix_spawnattr_init(&attributes);
    if (result != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return result;
    }
    // Moved above every target first, so that no dup2 overwrites a source that is still needed.
    int base = 64;
    for (size_t i = 0; i < descriptor_count && result == 0; i++) {
        if (descriptors[i] >= base) base = descriptors[i] + 1;
    }
    for (size_t i = 0; i < descriptor_count && result == 0; i++) {
        result = posix_spawn_file_actions_adddup2(&actions, descriptors[i], base + (int)i);
    }
    for (size_t i = 0; i < descriptor_count && result == 0; i++) {
        result = posix_spawn_file_actions_adddup2(&actions, base + (int)i, (int)i);
    }
    if (result == 0) result = posix_spawn_file_actions_addclosefrom_np(&actions, (int)descriptor_count);
    if (result == 0 && working_directory != NULL) {
        result = posix_spawn_file_actions_addchdir_np(&actions, working_directory);
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (result == 0) result = posix_spawnattr_setsigmask(&attributes, &none);
    if (result == 0) result = posix_spawnattr_setsigdefault(&attributes, &all);
    if (result == 0) result = posix_spawnattr_setpgroup(&attributes, 0);
    if (result == 0) {
        short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
        if (own_group) flags |= POSIX_SPAWN_SETPGROUP;
        result = posix_spawnattr_setflags(&attributes, flags);
    }
    if (result == 0) result = posix_spawn(process, executable, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

int clinux_peek_exit(pid_t process, int *code, int *signal) {
    siginfo_t status = {0};
    int result;
    do {
        result = waitid(P_PID, (id_t)process, &status, WEXITED | WNOHANG | WNOWAIT);
    } while (result == -1 && errno == EINTR);
    if (result == -1) return -1;
    if (status.si_pid == 0) return 1;
    *code = status.si_code == CLD_EXITED ? status.si_status : 0;
    *signal = status.si_code == CLD_EXITED ? 0 : status.si_status;
    return 0;
}
