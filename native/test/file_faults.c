// Makes the n-th file operation of a process fail, or records all of them: preloaded by the tests of what survives.
//
//   ATTUNE_FAULT_FOLDER   operations on what lies in this folder count, and no others
//   ATTUNE_FAULT_COUNTS   a file that holds how many there were, one 64-bit number a kind, in the order of the enum
//   ATTUNE_FAULT_KIND     open, write, sync, rename or map
//   ATTUNE_FAULT_AT       which one of that kind fails, from 1
//   ATTUNE_FAULT_HOW      error: it alone fails, with EIO
//                         full: it and all writes after it fail, with ENOSPC; half of it was written
//                         kill: half of it is done, and the process dies by SIGKILL
//   ATTUNE_FAULT_RECORD   a file for all operations that change something, in the order in which they were done:
//                         a letter, two strings and two numbers each, and the bytes that were written
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { OPEN, WRITE, SYNC, RENAME, MAP, KINDS };
static const char* const names[KINDS] = {"open", "write", "sync", "rename", "map"};

enum { FILES = 1 << 16 };
static char* paths[FILES]; // of open files that count; else null
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static size_t folder_length; // 0: nothing counts
static _Atomic uint64_t own_counts[KINDS];
static _Atomic uint64_t* counts = own_counts;
static int fault_kind = -1;
static uint64_t fault_at;
static const char* fault_how = "error";
static atomic_int is_full;
static int record = -1;

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) *(void**)&real = dlsym(RTLD_NEXT, #name)

static int real_open(const char* path, int flags, mode_t mode) {
  REAL(int, open, const char*, int, ...);
  return real(path, flags, mode);
}

static ssize_t real_write(int file, const void* bytes, size_t size) {
  REAL(ssize_t, write, int, const void*, size_t);
  return real(file, bytes, size);
}

static void* real_map(void* at, size_t size, int protection, int flags, int file, off_t offset) {
  REAL(void*, mmap, void*, size_t, int, int, int, off_t);
  return real(at, size, protection, flags, file, offset);
}

__attribute__((constructor)) static void begin(void) {
  const char* under = getenv("ATTUNE_FAULT_FOLDER");
  if (!under || !realpath(under, folder)) return;
  const char* kind = getenv("ATTUNE_FAULT_KIND");
  for (int i = 0; kind && i < KINDS; i++) {
    if (!strcmp(kind, names[i])) fault_kind = i;
  }
  if (getenv("ATTUNE_FAULT_AT")) fault_at = strtoull(getenv("ATTUNE_FAULT_AT"), NULL, 10);
  if (getenv("ATTUNE_FAULT_HOW")) fault_how = getenv("ATTUNE_FAULT_HOW");
  const char* shared = getenv("ATTUNE_FAULT_COUNTS");
  int file = shared ? real_open(shared, O_RDWR | O_CREAT, 0644) : -1;
  if (file >= 0 && ftruncate(file, sizeof own_counts) == 0) {
    void* mapped = real_map(NULL, sizeof own_counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) counts = mapped;
  }
  const char* journal = getenv("ATTUNE_FAULT_RECORD");
  if (journal) record = real_open(journal, O_WRONLY | O_CREAT | O_APPEND, 0644);
  folder_length = strlen(folder);
}

// The whole path, if it counts; else null. The caller frees it.
static char* counted(int at, const char* path) {
  if (!folder_length || !path) return NULL;
  char whole[2 * PATH_MAX];
  if (path[0] == '/') {
    snprintf(whole, sizeof whole, "%s", path);
  } else if (at == AT_FDCWD) {
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) return NULL;
    snprintf(whole, sizeof whole, "%s/%s", here, path);
  } else if (at >= 0 && at < FILES && paths[at]) {
    snprintf(whole, sizeof whole, "%s/%s", paths[at], path);
  } else {
    return NULL;
  }
  int inside = !strncmp(whole, folder, folder_length) && (whole[folder_length] == '/' || !whole[folder_length]);
  return inside ? strdup(whole) : NULL;
}

static const char* path_of(int file) { return file >= 0 && file < FILES ? paths[file] : NULL; }

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// Whether this one is to fail; errno is set then. One that dies returns only where half of it can be done first.
static int fails(enum kind kind) {
  uint64_t number = atomic_fetch_add(&counts[kind], 1) + 1;
  if (kind == WRITE && atomic_load(&is_full)) {
    errno = ENOSPC;
    return 1;
  }
  if ((int)kind != fault_kind || number != fault_at) return 0;
  if (!strcmp(fault_how, "kill") && kind != WRITE) die();
  if (!strcmp(fault_how, "full")) {
    atomic_store(&is_full, 1);
    errno = ENOSPC;
  } else {
    errno = EIO;
  }
  return 1;
}

static void put(const void* bytes, size_t size) {
  const char* from = bytes;
  while (size > 0) {
    ssize_t done = real_write(record, from, size);
    if (done <= 0) abort(); // a journal with holes would prove nothing
    from += done;
    size -= (size_t)done;
  }
}

static void note(char what, const char* path, const char* other, uint64_t number, const void* bytes, size_t size) {
  if (record < 0) return;
  uint32_t lengths[2] = {(uint32_t)strlen(path), other ? (uint32_t)strlen(other) : 0};
  uint64_t numbers[2] = {number, size};
  put(&what, 1);
  put(lengths, sizeof lengths);
  put(path, lengths[0]);
  put(other ? other : "", lengths[1]);
  put(numbers, sizeof numbers);
  if (bytes) put(bytes, size);
}

static int opened(int at, const char* path, int flags, mode_t mode) {
  static int (*real)(int, const char*, int, ...);
  if (!real) *(void**)&real = dlsym(RTLD_NEXT, "openat");
  char* whole = counted(at, path);
  if (!whole) return real(at, path, flags, mode);
  if (fails(OPEN)) {
    free(whole);
    return -1;
  }
  pthread_mutex_lock(&mutex);
  int is_new = access(whole, F_OK) != 0;
  int file = real(at, path, flags, mode);
  int error = errno;
  if (file >= 0 && file < FILES) {
    free(paths[file]);
    paths[file] = strdup(whole);
    if (is_new && (flags & O_CREAT)) {
      note('c', whole, NULL, 0, NULL, 0);
    } else if (flags & O_TRUNC) {
      note('t', whole, NULL, 0, NULL, 0);
    }
  }
  pthread_mutex_unlock(&mutex);
  free(whole);
  errno = error;
  return file;
}

#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | O_TMPFILE)) { \
    va_list more; \
    va_start(more, flags); \
    mode = va_arg(more, mode_t); \
    va_end(more); \
  }

int open(const char* path, int flags, ...) {
  MODE(flags)
  return opened(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE(flags)
  return opened(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int at, const char* path, int flags, ...) {
  MODE(flags)
  return opened(at, path, flags, mode);
}
int openat64(int at, const char* path, int flags, ...) {
  MODE(flags)
  return opened(at, path, flags | O_LARGEFILE, mode);
}

int close(int file) {
  REAL(int, close, int);
  if (path_of(file)) {
    pthread_mutex_lock(&mutex);
    free(paths[file]);
    paths[file] = NULL;
    pthread_mutex_unlock(&mutex);
  }
  return real(file);
}

static off_t place(int file) {
  int flags = fcntl(file, F_GETFL);
  struct stat status;
  if (flags >= 0 && (flags & O_APPEND) && fstat(file, &status) == 0) return status.st_size;
  return lseek(file, 0, SEEK_CUR);
}

// Writes at an offset, or where the file stands (-1).
static ssize_t written(int file, const void* bytes, size_t size, off_t offset) {
  REAL(ssize_t, pwrite, int, const void*, size_t, off_t);
  const char* path = path_of(file);
  int faulty = path && fails(WRITE);
  int error = errno;
  if (faulty && !strcmp(fault_how, "error")) {
    errno = error;
    return -1;
  }
  if (faulty) size /= 2;
  if (path) pthread_mutex_lock(&mutex);
  off_t at = path && offset < 0 ? place(file) : offset;
  ssize_t done = offset < 0 ? real_write(file, bytes, size) : real(file, bytes, size, offset);
  if (path) {
    int after = errno;
    if (done > 0) note('w', path, NULL, (uint64_t)at, bytes, (size_t)done);
    pthread_mutex_unlock(&mutex);
    errno = after;
  }
  if (faulty) {
    if (!strcmp(fault_how, "kill")) die();
    errno = error;
    return -1;
  }
  return done;
}

ssize_t write(int file, const void* bytes, size_t size) {
  return path_of(file) ? written(file, bytes, size, -1) : real_write(file, bytes, size);
}
ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) { return written(file, bytes, size, offset); }
ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t offset) { return written(file, bytes, size, offset); }
ssize_t writev(int file, const struct iovec* parts, int count) {
  REAL(ssize_t, writev, int, const struct iovec*, int);
  if (!path_of(file)) return real(file, parts, count);
  // What a caller gives in parts is one operation here; a short count makes it come again with the rest.
  for (int i = 0; i < count; i++) {
    if (parts[i].iov_len > 0) return written(file, parts[i].iov_base, parts[i].iov_len, -1);
  }
  return 0;
}

// Who copies inside the kernel is told that there is no such thing, and writes.
ssize_t sendfile(int to, int from, off_t* offset, size_t size) {
  REAL(ssize_t, sendfile, int, int, off_t*, size_t);
  if (!path_of(to)) return real(to, from, offset, size);
  errno = ENOSYS;
  return -1;
}
ssize_t sendfile64(int to, int from, off64_t* offset, size_t size) { return sendfile(to, from, offset, size); }
ssize_t copy_file_range(int from, off64_t* from_at, int to, off64_t* to_at, size_t size, unsigned flags) {
  REAL(ssize_t, copy_file_range, int, off64_t*, int, off64_t*, size_t, unsigned);
  if (!path_of(to)) return real(from, from_at, to, to_at, size, flags);
  errno = ENOSYS;
  return -1;
}

static int synced(int file, int (*real)(int)) {
  const char* path = path_of(file);
  if (!path) return real(file);
  if (fails(SYNC)) return -1;
  pthread_mutex_lock(&mutex);
  int result = real(file);
  if (result == 0) note('s', path, NULL, 0, NULL, 0);
  pthread_mutex_unlock(&mutex);
  return result;
}

int fsync(int file) {
  REAL(int, fsync, int);
  return synced(file, real);
}
int fdatasync(int file) {
  REAL(int, fdatasync, int);
  return synced(file, real);
}

static int moved(int at, const char* from, int to_at, const char* to) {
  REAL(int, renameat, int, const char*, int, const char*);
  char* whole = counted(at, from);
  char* target = counted(to_at, to);
  int result = -1;
  if (!whole || !target) {
    result = real(at, from, to_at, to);
  } else if (!fails(RENAME)) {
    pthread_mutex_lock(&mutex);
    result = real(at, from, to_at, to);
    int error = errno;
    if (result == 0) note('r', whole, target, 0, NULL, 0);
    pthread_mutex_unlock(&mutex);
    errno = error;
  }
  int error = errno;
  free(whole);
  free(target);
  errno = error;
  return result;
}

int rename(const char* from, const char* to) { return moved(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int at, const char* from, int to_at, const char* to) { return moved(at, from, to_at, to); }

// Removals and new folders never fail here: what survives a failed one survives that it was not tried yet.
static int changed(char what, int at, const char* path, int (*real)(int, const char*, unsigned), unsigned number) {
  char* whole = counted(at, path);
  if (!whole) return real(at, path, number);
  pthread_mutex_lock(&mutex);
  int result = real(at, path, number);
  int error = errno;
  if (result == 0) note(what, whole, NULL, 0, NULL, 0);
  pthread_mutex_unlock(&mutex);
  free(whole);
  errno = error;
  return result;
}

static int real_unlinkat(int at, const char* path, unsigned flags) {
  REAL(int, unlinkat, int, const char*, int);
  return real(at, path, (int)flags);
}
static int real_mkdirat(int at, const char* path, unsigned mode) {
  REAL(int, mkdirat, int, const char*, mode_t);
  return real(at, path, (mode_t)mode);
}

int unlink(const char* path) { return changed('u', AT_FDCWD, path, real_unlinkat, 0); }
int rmdir(const char* path) { return changed('u', AT_FDCWD, path, real_unlinkat, AT_REMOVEDIR); }
int unlinkat(int at, const char* path, int flags) { return changed('u', at, path, real_unlinkat, (unsigned)flags); }
int mkdir(const char* path, mode_t mode) { return changed('d', AT_FDCWD, path, real_mkdirat, mode); }
int mkdirat(int at, const char* path, mode_t mode) { return changed('d', at, path, real_mkdirat, mode); }

static int truncated(int file, off_t size) {
  REAL(int, ftruncate, int, off_t);
  const char* path = path_of(file);
  if (!path) return real(file, size);
  pthread_mutex_lock(&mutex);
  int result = real(file, size);
  if (result == 0) note('t', path, NULL, (uint64_t)size, NULL, 0);
  pthread_mutex_unlock(&mutex);
  return result;
}

int ftruncate(int file, off_t size) { return truncated(file, size); }
int ftruncate64(int file, off64_t size) { return truncated(file, size); }

static void* mapped(void* at, size_t size, int protection, int flags, int file, off_t offset) {
  const char* path = path_of(file);
  if (path && fails(MAP)) return MAP_FAILED;
  if (path && (protection & PROT_WRITE) && (flags & MAP_SHARED)) note('m', path, NULL, 0, NULL, 0);
  return real_map(at, size, protection, flags, file, offset);
}

void* mmap(void* at, size_t size, int protection, int flags, int file, off_t offset) {
  return mapped(at, size, protection, flags, file, offset);
}
void* mmap64(void* at, size_t size, int protection, int flags, int file, off64_t offset) {
  return mapped(at, size, protection, flags, file, offset);
}
