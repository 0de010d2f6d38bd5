#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
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

int clinux_sync_file_system(int descriptor) {
    return syncfs(descriptor);
}

int clinux_exchange(const char *one, const char *other) {
    return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
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

static int spawn(
    pid_t *process, const char *executable, char *const arguments[], char *const environment[],
    const char *working_directory, const int *descriptors, size_t descriptor_count, short more_flags) {
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
        result = posix_spawnattr_setflags(&attributes, flags | more_flags);
    }
    if (result == 0) result = posix_spawn(process, executable, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

int clinux_spawn(
    pid_t *process, const char *executable, char *const arguments[], char *const environment[],
    const char *working_directory, const int *descriptors, size_t descriptor_count, int own_group) {
    short flags = own_group ? POSIX_SPAWN_SETPGROUP : 0;
    return spawn(
        process, executable, arguments, environment, working_directory, descriptors, descriptor_count, flags);
}

int clinux_spawn_session(
    pid_t *process, const char *executable, char *const arguments[], char *const environment[],
    const char *working_directory, const int *descriptors, size_t descriptor_count) {
    return spawn(
        process, executable, arguments, environment, working_directory, descriptors, descriptor_count,
        POSIX_SPAWN_SETSID);
}

// What the child of clinux_start was at when something failed; sent through a pipe as one number.
enum { AT_SIGNALS, AT_GROUP, AT_DESCRIPTORS, AT_LIMITS, AT_USER, AT_FOLDER, AT_PARENT, AT_PROGRAM, STEPS };

static const char *const step_texts[STEPS] = {
    "reset the signals of", "make a process group for", "arrange the descriptors of", "set the limits of",
    "change the user of", "enter the folder of", "bind to its parent", "start",
};

// The user is changed by plain system calls: glibc's functions speak to the other threads of a process first, which
// a child of fork has not, and take locks to do so.
static int change_user(const struct clinux_process *what) {
    if (syscall(SYS_setgroups, what->group_count, what->groups) == -1) return -1;
    if (syscall(SYS_setresgid, what->group, what->group, what->group) == -1) return -1;
    if (syscall(SYS_setresuid, what->user, what->user, what->user) == -1) return -1;
    // Must not be possible any more, else somebody's security module plays tricks on us.
    if (what->user != 0 && syscall(SYS_setresuid, -1, 0, -1) != -1) {
        errno = EPERM;
        return -1;
    }
    return 0;
}

static int arrange_descriptors(const struct clinux_process *what, int *report) {
    int count = (int)what->descriptor_count;
    int base = count + 1;
    for (int i = 0; i < count; i++) {
        if (what->descriptors[i] >= base) base = what->descriptors[i] + 1;
    }
    if (*report >= base) base = *report + 1;
    // Moved above every target first, so that no dup2 overwrites a source that is still needed.
    for (int i = 0; i < count; i++) {
        if (dup2(what->descriptors[i], base + i) == -1) return -1;
    }
    if (dup3(*report, base + count, O_CLOEXEC) == -1) return -1;
    for (int i = 0; i < count; i++) {
        if (dup2(base + i, i) == -1) return -1;
    }
    if (dup3(base + count, count, O_CLOEXEC) == -1) return -1;
    *report = count;
    if (syscall(SYS_close_range, (unsigned)count + 1, ~0U, 0) == 0) return 0;
    struct rlimit open_files;
    rlim_t last = getrlimit(RLIMIT_NOFILE, &open_files) == 0 ? open_files.rlim_max : 65536;
    for (rlim_t i = (rlim_t)count + 1; i < last && i < 1048576; i++) close((int)i);
    return 0;
}

static int set_limits(const struct clinux_process *what) {
    for (size_t i = 0; i < what->limit_count; i++) {
        struct rlimit limit = {what->limits[i].value, what->limits[i].value};
        if (setrlimit(what->limits[i].resource, &limit) == -1) return -1;
    }
    return 0;
}

// The child, up to its program; returns the step that failed, with errno.
static int become(const struct clinux_process *what, int *report, pid_t parent) {
    struct sigaction usual = {.sa_handler = SIG_DFL};
    // 32 and 33 are glibc's own, KILL and STOP cannot be changed: those failures mean nothing.
    for (int number = 1; number < 65; number++) sigaction(number, &usual, NULL);
    sigset_t none;
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) == -1) return AT_SIGNALS;
    if (setpgid(0, 0) == -1) return AT_GROUP;
    if (arrange_descriptors(what, report) == -1) return AT_DESCRIPTORS;
    umask(what->creation_mask);
    if (set_limits(what) == -1) return AT_LIMITS;
    if (what->changes_user && change_user(what) == -1) return AT_USER;
    if (what->working_directory != NULL && chdir(what->working_directory) == -1) return AT_FOLDER;
    // After the change of user, which would undo it.
    if (what->parent_end_signal != 0) {
        if (prctl(PR_SET_PDEATHSIG, what->parent_end_signal) == -1) return AT_PARENT;
        if (getppid() != parent) {
            errno = ESRCH;
            return AT_PARENT;
        }
    }
    execve(what->executable, what->arguments, what->environment);
    return AT_PROGRAM;
}

int clinux_start(const struct clinux_process *what, pid_t *process, const char **step) {
    *step = step_texts[AT_PROGRAM];
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) == -1) return errno;
    // No handler of ours may run in the child.
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        int report = pipe_ends[1];
        int failed = become(what, &report, parent);
        int message[2] = {failed, errno};
        // Less than PIPE_BUF: written whole or not at all, and then the parent sees the end without a message.
        ssize_t ignored = write(report, message, sizeof message);
        (void)ignored;
        _exit(127);
    }
    int code = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(pipe_ends[1]);
    if (child == -1) {
        close(pipe_ends[0]);
        return code;
    }
    int message[2] = {0, 0};
    ssize_t count;
    do {
        count = read(pipe_ends[0], message, sizeof message);
    } while (count == -1 && errno == EINTR);
    close(pipe_ends[0]);
    if (count == 0) {
        *process = child;
        return 0;
    }
    while (waitpid(child, NULL, 0) == -1 && errno == EINTR) {}
    if (count != sizeof message) return EIO;
    if (message[0] >= 0 && message[0] < STEPS) *step = step_texts[message[0]];
    return message[1];
}

int clinux_memory_file(void) {
    return memfd_create("muster", MFD_CLOEXEC);
}

int clinux_become_subreaper(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

int clinux_become_unreadable(void) {
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int clinux_signal_descriptor(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) sigaddset(&set, signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1) return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int clinux_next_signal(int descriptor) {
    struct signalfd_siginfo information;
    ssize_t count;
    do {
        count = read(descriptor, &information, sizeof information);
    } while (count == -1 && errno == EINTR);
    return count == sizeof information ? (int)information.ssi_signo : 0;
}

pid_t clinux_ended_child(void) {
    siginfo_t status = {0};
    int result;
    do {
        result = waitid(P_ALL, 0, &status, WEXITED | WNOHANG | WNOWAIT);
    } while (result == -1 && errno == EINTR);
    return result == 0 ? status.si_pid : 0;
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
