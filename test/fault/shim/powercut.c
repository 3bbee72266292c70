/*
 * Preloaded into a process (LD_PRELOAD) to see, delay, hold, refuse or cut off what it does to the files below one
 * directory. A page of 64-bit numbers in a file, mapped by the process and written by whoever started it, steers it
 * while it runs. Every operation is carried out and logged under one lock, so that the log has the order in which the
 * kernel saw them; a sync is logged at its begin and at its end, because it covers what came before its begin.
 *
 *   TIDEGATE_SHIM_DIRECTORY   real path; operations on files below it count
 *   TIDEGATE_SHIM_CONTROL     file of at least 4096 bytes: the page, see enum slot
 *   TIDEGATE_SHIM_LOG         where to record operations; absent: nothing is recorded
 *   TIDEGATE_SHIM_MARKS       a file outside the directory: what is written to it is recorded as a mark
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum slot {
  DELAY_US, /* each sync takes this long */
  HOLD,     /* syncs wait while this is not 0 */
  FAIL_MASK, FAIL_FROM, FAIL_TIMES, FAIL_ERRNO, /* which kinds (1 << enum kind), from which on (1 is the next), how many */
  BUDGET,   /* bytes that all files may have, and what statfs tells of it; 0: any */
  CLOCK_MS, /* added to the wall clock */
  KILL_AT,  /* SIGKILL in place of operation number n; 0: never */
  OPERATIONS = 16, MATCHED, FAILED, USED, HELD, /* written here: counts, bytes of all files by name, threads that wait */
  UNSEEN    /* mappings through which files can be changed unseen */
};

/* Kinds of operations, for FAIL_MASK. */
enum kind { WRITE, SYNC, CREATE, RESIZE, RENAME, REMOVE };

/* Entries of the log. */
enum entry { E_CREATE = 1, E_WRITE, E_SIZE, E_RENAME, E_UNLINK, E_MKDIR, E_RMDIR, E_SYNC_BEGIN, E_SYNC_END, E_MARK, E_LINK };

struct head {
  uint32_t length; /* of the whole entry */
  uint32_t entry;
  uint64_t inode;
  uint64_t offset; /* of a write; size; number of a sync */
  int64_t result;
  uint32_t path, data; /* lengths; the path of a rename is "from\0to" */
};

#define MAX_FD 65536
enum tracking { NOT, FILE_BELOW, DIRECTORY, MARKS };
static unsigned char tracked[MAX_FD];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int64_t nothing[512], *page = nothing;
static char directory[PATH_MAX], marks[PATH_MAX];
static size_t directory_length;
static int log_fd = -1;
static uint64_t syncs;

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int add_size(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)path, (void)ftw;
  if (type == FTW_F) page[USED] += st->st_size;
  return 0;
}

__attribute__((constructor)) static void start(void) {
  const char *below = getenv("TIDEGATE_SHIM_DIRECTORY"), *control = getenv("TIDEGATE_SHIM_CONTROL");
  const char *log = getenv("TIDEGATE_SHIM_LOG"), *mark = getenv("TIDEGATE_SHIM_MARKS");
  if (!below || !control) return;
  int fd = open(control, O_RDWR | O_CLOEXEC);
  void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) { perror("powercut: TIDEGATE_SHIM_CONTROL"); _exit(97); }
  close(fd);
  if (log && (log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0) { perror("powercut: TIDEGATE_SHIM_LOG"); _exit(97); }
  if (mark) snprintf(marks, sizeof marks, "%s", mark);
  page = map;
  page[USED] = 0;
  nftw(below, add_size, 16, FTW_PHYS);
  directory_length = (size_t)snprintf(directory, sizeof directory, "%s", below);
}

/* A path without "." for a name in the working directory. */
static const char *absolute(const char *path, char *room) {
  if (path[0] == '/') return path;
  if (!getcwd(room, PATH_MAX / 2)) return path;
  strncat(room, "/", PATH_MAX - strlen(room) - 1);
  return strncat(room, path, PATH_MAX - strlen(room) - 1);
}

static int is_below(const char *path) {
  return directory_length > 0 && strncmp(path, directory, directory_length) == 0 &&
         (path[directory_length] == '/' || path[directory_length] == 0);
}

static int kind_of_fd(int fd) { return fd >= 0 && fd < MAX_FD ? tracked[fd] : NOT; }
static uint64_t inode_of(int fd) { struct stat st; return fstat(fd, &st) == 0 ? (uint64_t)st.st_ino : 0; }
static int64_t size_of(int fd) { struct stat st; return fstat(fd, &st) == 0 ? (int64_t)st.st_size : 0; }

/* Call with the lock held, so that entries stand in the order of what they tell of. */
static void record(enum entry entry, uint64_t inode, uint64_t offset, int64_t result, const char *path, size_t path_length, const void *data, size_t length) {
  if (log_fd < 0) return;
  struct head head = {(uint32_t)(sizeof head + path_length + length), entry, inode, offset, result, (uint32_t)path_length, (uint32_t)length};
  struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, path_length}, {(void *)data, length}};
  REAL(writev);
  ssize_t wrote = real(log_fd, parts, 3);
  if (wrote != (ssize_t)head.length) { perror("powercut: the log cannot be written"); _exit(97); }
}

/* Counts an operation; the error that it has to end with, or 0. */
static int verdict(enum kind kind) {
  int64_t number = ++page[OPERATIONS];
  if (page[KILL_AT] != 0 && number == page[KILL_AT]) kill(getpid(), SIGKILL), pause();
  if (!(page[FAIL_MASK] & (1 << kind))) return 0;
  int64_t matched = ++page[MATCHED];
  if (matched < page[FAIL_FROM] || matched >= page[FAIL_FROM] + page[FAIL_TIMES]) return 0;
  page[FAILED]++;
  return (int)page[FAIL_ERRNO];
}

/* How much of a growth the budget has room for. */
static int64_t room_for(int64_t growth) {
  if (page[BUDGET] == 0 || growth <= 0 || page[USED] + growth <= page[BUDGET]) return growth;
  page[FAILED]++;
  int64_t room = page[BUDGET] - page[USED];
  return room > 0 ? room : 0;
}

#define REFUSE(error) do { pthread_mutex_unlock(&lock); errno = (error); return -1; } while (0)

static int after_open(int fd, const char *path, int flags, int existed) {
  if (fd < 0 || fd >= MAX_FD) return fd;
  if (marks[0] && strcmp(path, marks) == 0) { tracked[fd] = MARKS; return fd; }
  struct stat st;
  if (!is_below(path) || fstat(fd, &st) != 0) { tracked[fd] = NOT; return fd; }
  tracked[fd] = S_ISDIR(st.st_mode) ? DIRECTORY : FILE_BELOW;
  if (!existed) record(E_CREATE, st.st_ino, st.st_mode & 07777, 0, path, strlen(path), NULL, 0);
  else if ((flags & O_TRUNC) && tracked[fd] == FILE_BELOW) record(E_SIZE, st.st_ino, 0, 0, NULL, 0, NULL, 0);
  return fd;
}

static int open_with(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
  char room[PATH_MAX];
  const char *full = absolute(path, room);
  if (!is_below(full)) {
    int fd = real(path, flags, mode);
    return after_open(fd, full, flags, 1);
  }
  pthread_mutex_lock(&lock);
  struct stat st;
  int existed = lstat(full, &st) == 0, error = 0;
  if (!existed && (flags & O_CREAT)) error = verdict(CREATE);
  else if (existed && (flags & O_TRUNC) && S_ISREG(st.st_mode)) error = verdict(RESIZE);
  if (error) REFUSE(error);
  int fd = real(path, flags, mode);
  if (fd >= 0 && existed && (flags & O_TRUNC)) page[USED] -= st.st_size;
  after_open(fd, full, flags, existed);
  pthread_mutex_unlock(&lock);
  return fd;
}

#define MODE(flags) mode_t mode = 0; if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }
int open(const char *path, int flags, ...) { MODE(flags) REAL(open); return open_with(real, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) REAL(open64); return open_with(real, path, flags, mode); }

int close(int fd) {
  REAL(close);
  if (fd >= 0 && fd < MAX_FD) tracked[fd] = NOT;
  return real(fd);
}

/* All ways to write come here: to an offset, or (negative) to where the file stands. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t offset) {
  REAL(pwritev);
  static __typeof__(&writev) real_writev;
  if (!real_writev) real_writev = (__typeof__(&writev))dlsym(RTLD_NEXT, "writev");
  int tracking = kind_of_fd(fd);
  if (tracking == NOT || tracking == DIRECTORY) return offset < 0 ? real_writev(fd, parts, count) : real(fd, parts, count, offset);
  size_t length = 0;
  for (int i = 0; i < count; i++) length += parts[i].iov_len;
  char *bytes = malloc(length + 1);
  if (!bytes) { errno = ENOMEM; return -1; }
  for (int i = 0, at = 0; i < count; at += (int)parts[i++].iov_len) memcpy(bytes + at, parts[i].iov_base, parts[i].iov_len);
  pthread_mutex_lock(&lock);
  off_t at = offset >= 0 ? offset : (fcntl(fd, F_GETFL) & O_APPEND) ? size_of(fd) : lseek(fd, 0, SEEK_CUR);
  int error = tracking == MARKS ? 0 : verdict(WRITE);
  int64_t size = size_of(fd), growth = tracking == MARKS ? 0 : (int64_t)at + (int64_t)length - size;
  int64_t room = room_for(growth);
  if (!error && growth > 0 && room < growth && (int64_t)length - (growth - room) <= 0) error = ENOSPC;
  ssize_t wrote = -1;
  if (!error) {
    /* A disk that runs full takes what it has room for and says so with a short count. */
    struct iovec part = {bytes, growth > 0 ? length - (size_t)(growth - room) : length};
    wrote = offset < 0 ? real_writev(fd, &part, 1) : real(fd, &part, 1, offset);
    error = wrote < 0 ? errno : 0;
  }
  if (wrote > 0) {
    if (tracking == FILE_BELOW && at + wrote > size) page[USED] += at + wrote - size;
    record(tracking == MARKS ? E_MARK : E_WRITE, inode_of(fd), (uint64_t)at, wrote, NULL, 0, bytes, (size_t)wrote);
  }
  pthread_mutex_unlock(&lock);
  free(bytes);
  if (error) errno = error;
  return wrote;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  REAL(write);
  if (kind_of_fd(fd) == NOT) return real(fd, bytes, length);
  struct iovec part = {(void *)bytes, length};
  return write_parts(fd, &part, 1, -1);
}
ssize_t writev(int fd, const struct iovec *parts, int count) { return write_parts(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) { return write_parts(fd, parts, count, offset); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) { return write_parts(fd, parts, count, offset); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  struct iovec part = {(void *)bytes, length};
  return write_parts(fd, &part, 1, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return pwrite(fd, bytes, length, offset); }

static int resize(int (*real)(int, off_t), int fd, off_t size) {
  if (kind_of_fd(fd) != FILE_BELOW) return real(fd, size);
  pthread_mutex_lock(&lock);
  int error = verdict(RESIZE);
  int64_t growth = (int64_t)size - size_of(fd);
  if (!error && room_for(growth) < growth) error = ENOSPC;
  if (error) REFUSE(error);
  int result = real(fd, size);
  if (result == 0) {
    page[USED] += growth;
    record(E_SIZE, inode_of(fd), (uint64_t)size, 0, NULL, 0, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  return result;
}
int ftruncate(int fd, off_t size) { REAL(ftruncate); return resize(real, fd, size); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); return resize(real, fd, size); }
int posix_fallocate(int fd, off_t offset, off_t length) {
  REAL(posix_fallocate);
  if (kind_of_fd(fd) != FILE_BELOW) return real(fd, offset, length);
  if ((off_t)size_of(fd) >= offset + length) return 0;
  return ftruncate(fd, offset + length) == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return posix_fallocate(fd, offset, length); }
int fallocate(int fd, int mode, off_t offset, off_t length) {
  REAL(fallocate);
  if (kind_of_fd(fd) != FILE_BELOW) return real(fd, mode, offset, length);
  if (mode != 0) { errno = EOPNOTSUPP; return -1; }
  return (errno = posix_fallocate(fd, offset, length)) == 0 ? 0 : -1;
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return fallocate(fd, mode, offset, length); }

static int sync_with(int (*real)(int), int fd) {
  int tracking = kind_of_fd(fd);
  if (tracking != FILE_BELOW && tracking != DIRECTORY) return real(fd);
  uint64_t inode = inode_of(fd);
  pthread_mutex_lock(&lock);
  int error = verdict(SYNC);
  uint64_t number = ++syncs;
  record(E_SYNC_BEGIN, inode, number, 0, NULL, 0, NULL, 0);
  page[HELD]++;
  pthread_mutex_unlock(&lock);
  while (page[HOLD] != 0) usleep(1000);
  if (page[DELAY_US] > 0) usleep((useconds_t)page[DELAY_US]);
  int result = error ? -1 : real(fd);
  if (!error && result != 0) error = errno;
  pthread_mutex_lock(&lock);
  page[HELD]--;
  record(E_SYNC_END, inode, number, result, NULL, 0, NULL, 0);
  pthread_mutex_unlock(&lock);
  if (error) errno = error;
  return result;
}
int fsync(int fd) { REAL(fsync); return sync_with(real, fd); }
int fdatasync(int fd) { REAL(fdatasync); return sync_with(real, fd); }

/* An operation on one name. */
#define BY_NAME(path, kind, call, success)                    \
  char room[PATH_MAX];                                        \
  const char *full = absolute(path, room);                    \
  if (!is_below(full)) return call;                           \
  struct stat st = {0};                                       \
  pthread_mutex_lock(&lock);                                  \
  int known = lstat(full, &st), error = known == 0 || kind == CREATE ? verdict(kind) : 0; \
  if (error) REFUSE(error);                                   \
  int result = call, failed = errno;                          \
  if (result == 0) { success; }                               \
  pthread_mutex_unlock(&lock);                                \
  errno = failed;                                             \
  return result;

#define GONE record(S_ISDIR(st.st_mode) ? E_RMDIR : E_UNLINK, st.st_ino, 0, 0, full, strlen(full), NULL, 0); \
  if (S_ISREG(st.st_mode)) page[USED] -= st.st_size

int unlink(const char *path) { REAL(unlink); BY_NAME(path, REMOVE, real(path), GONE) }
int remove(const char *path) { REAL(remove); BY_NAME(path, REMOVE, real(path), GONE) }
int rmdir(const char *path) { REAL(rmdir); BY_NAME(path, REMOVE, real(path), GONE) }
int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  BY_NAME(path, CREATE, real(path, mode), lstat(full, &st); record(E_MKDIR, st.st_ino, st.st_mode & 07777, 0, full, strlen(full), NULL, 0))
}
int truncate(const char *path, off_t size) {
  REAL(truncate);
  BY_NAME(path, RESIZE, real(path, size), page[USED] += (int64_t)size - st.st_size; record(E_SIZE, st.st_ino, (uint64_t)size, 0, NULL, 0, NULL, 0))
}
int unlinkat(int at, const char *path, int flags) {
  REAL(unlinkat);
  char base[PATH_MAX] = "", whole[2 * PATH_MAX], link[64];
  if (path[0] == '/' || at == AT_FDCWD) return flags & AT_REMOVEDIR ? rmdir(path) : unlink(path);
  snprintf(link, sizeof link, "/proc/self/fd/%d", at);
  ssize_t length = readlink(link, base, sizeof base - 1);
  if (length < 0) return real(at, path, flags);
  snprintf(whole, sizeof whole, "%.*s/%s", (int)length, base, path);
  return flags & AT_REMOVEDIR ? rmdir(whole) : unlink(whole);
}

static int two_names(int (*real)(const char *, const char *), enum entry entry, const char *from, const char *to) {
  char room_from[PATH_MAX], room_to[PATH_MAX], both[2 * PATH_MAX];
  const char *full_from = absolute(from, room_from), *full_to = absolute(to, room_to);
  if (!is_below(full_from) && !is_below(full_to)) return real(from, to);
  pthread_mutex_lock(&lock);
  int error = verdict(RENAME);
  if (error) REFUSE(error);
  struct stat st = {0}, old = {0};
  lstat(full_from, &st);
  int replaced = lstat(full_to, &old) == 0 && old.st_ino != st.st_ino && S_ISREG(old.st_mode);
  int result = real(from, to), failed = errno;
  if (result == 0) {
    if (replaced && entry == E_RENAME) page[USED] -= old.st_size;
    if (entry == E_LINK) page[USED] += st.st_size;
    int length = snprintf(both, sizeof both, "%s%c%s", full_from, 0, full_to);
    record(entry, st.st_ino, 0, 0, both, (size_t)length, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  errno = failed;
  return result;
}
int rename(const char *from, const char *to) { REAL(rename); return two_names(real, E_RENAME, from, to); }
int link(const char *from, const char *to) { REAL(link); return two_names(real, E_LINK, from, to); }

/* What a disk of so many bytes has free. */
#define OF_BUDGET(path, st)                                                              \
  char room[PATH_MAX];                                                                   \
  int result = real(path, st);                                                           \
  if (result == 0 && page[BUDGET] != 0 && is_below(absolute(path, room))) {              \
    int64_t left = page[BUDGET] > page[USED] ? page[BUDGET] - page[USED] : 0;            \
    (st)->f_bavail = (st)->f_bfree = (uint64_t)(left / (int64_t)(st)->f_bsize);          \
  }                                                                                      \
  return result;
int statfs(const char *path, struct statfs *st) { REAL(statfs); OF_BUDGET(path, st) }
int statfs64(const char *path, struct statfs64 *st) { REAL(statfs64); OF_BUDGET(path, st) }

/* SQLite maps its WAL index, which a power cut loses anyway; any other shared mapping would change files unseen. */
void *mmap64(void *where, size_t length, int protection, int flags, int fd, off64_t offset) {
  REAL(mmap64);
  if (kind_of_fd(fd) == FILE_BELOW && (flags & MAP_SHARED) && (protection & PROT_WRITE)) {
    char link[64], name[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, name, sizeof name - 1);
    if (size < 4 || strcmp(name + size - 4, "-shm") != 0) page[UNSEEN]++;
  }
  return real(where, length, protection, flags, fd, offset);
}

int gettimeofday(struct timeval *time, void *zone) {
  REAL(gettimeofday);
  int result = real(time, zone);
  if (page[CLOCK_MS] != 0) {
    int64_t us = (int64_t)time->tv_sec * 1000000 + time->tv_usec + page[CLOCK_MS] * 1000;
    time->tv_sec = us / 1000000, time->tv_usec = us % 1000000;
  }
  return result;
}
int clock_gettime(clockid_t clock, struct timespec *time) {
  REAL(clock_gettime);
  int result = real(clock, time);
  if (result == 0 && clock == CLOCK_REALTIME && page[CLOCK_MS] != 0) {
    int64_t ns = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + page[CLOCK_MS] * 1000000;
    time->tv_sec = ns / 1000000000, time->tv_nsec = ns % 1000000000;
  }
  return result;
}
time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
