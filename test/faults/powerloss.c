/*
 * LD_PRELOAD library that simulates the worst case of a power loss: all writes that were not synced are lost.
 *
 * Each file opened under POWERLOSS_DIR gets a shadow of the same name in POWERLOSS_SHADOW. The shadow receives
 * writes only when the file is synced, so after a kill -9 it has the content that survives the power loss.
 *
 * Writes through mmap are not seen. SQLite uses mmap only for its -shm file, which it rebuilds as it opens:
 * https://www.sqlite.org/walformat.html
 *
 *     cc -shared -fPIC -O2 -o powerloss.so powerloss.c -ldl -lpthread
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DESCRIPTORS = 65536, NAME = 256, PATH = 4096 };

/* Change of a file that is not synced yet: bytes written at an offset, or a new length. */
struct change {
	enum { WRITTEN, TRUNCATED } kind;
	off_t offset;
	size_t length;
	struct change *next;
	char bytes[];
};

struct file {
	char name[NAME];
	ino_t inode;
	struct change *first, *last;
	struct file *next;
};

static struct file *files;
static struct file *opened[DESCRIPTORS];
/* Set for descriptors opened with O_SYNC or O_DSYNC, whose writes are synced as they return. */
static char syncs_itself[DESCRIPTORS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Looks up the C library's function that ours of the same name replaces. */
#define REAL(result, name, ...)             \
	static result (*real)(__VA_ARGS__); \
	if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int real_open(const char *path, int flags, mode_t mode) {
	REAL(int, "open", const char *, int, ...);
	return real(path, flags, mode);
}

static ssize_t real_pwrite(int fd, const void *bytes, size_t length, off_t offset) {
	REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
	return real(fd, bytes, length, offset);
}

static int real_ftruncate(int fd, off_t length) {
	REAL(int, "ftruncate", int, off_t);
	return real(fd, length);
}

static const char *base_name(const char *path) {
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static int is_ours(const char *path) {
	const char *folder = getenv("POWERLOSS_DIR");
	return folder && !strncmp(path, folder, strlen(folder));
}

static void shadow_path(char *path, const char *name) {
	snprintf(path, PATH, "%s/%s", getenv("POWERLOSS_SHADOW"), name);
}

static int open_shadow(const struct file *file) {
	char path[PATH];
	shadow_path(path, file->name);
	return real_open(path, O_WRONLY | O_CREAT, 0644);
}

static void to_shadow(int shadow, int kind, off_t offset, const void *bytes, size_t length) {
	int failed = kind == WRITTEN ? real_pwrite(shadow, bytes, length, offset) < 0
	                             : real_ftruncate(shadow, (off_t)length) != 0;
	if (failed) perror("powerloss: the shadow cannot be written");
}

static void note_opened(int fd, const char *path, int flags) {
	if (fd < 0 || fd >= DESCRIPTORS) return;
	opened[fd] = NULL;
	if (!is_ours(path)) return;
	const char *name = base_name(path);
	size_t length = strlen(name);
	if (length > 4 && !strcmp(name + length - 4, "-shm")) return;
	struct stat status;
	if (fstat(fd, &status) || !S_ISREG(status.st_mode)) return;
	pthread_mutex_lock(&lock);
	struct file *file = files;
	/* Compare the name too, because an inode can be reused under another name. */
	while (file && (file->inode != status.st_ino || strcmp(file->name, name))) file = file->next;
	if (!file) {
		file = calloc(1, sizeof *file);
		snprintf(file->name, NAME, "%s", name);
		file->inode = status.st_ino;
		file->next = files;
		files = file;
	}
	opened[fd] = file;
	syncs_itself[fd] = (flags & (O_DSYNC | O_SYNC)) != 0;
	pthread_mutex_unlock(&lock);
}

static void note_change(int fd, int kind, off_t offset, const void *bytes, size_t length) {
	struct file *file = fd >= 0 && fd < DESCRIPTORS ? opened[fd] : NULL;
	if (!file) return;
	if (syncs_itself[fd] && kind == WRITTEN) {
		int shadow = open_shadow(file);
		to_shadow(shadow, kind, offset, bytes, length);
		close(shadow);
		return;
	}
	size_t stored = kind == WRITTEN ? length : 0;
	struct change *change = malloc(sizeof *change + stored);
	change->kind = kind;
	change->offset = offset;
	change->length = length;
	change->next = NULL;
	memcpy(change->bytes, bytes ? bytes : "", stored);
	pthread_mutex_lock(&lock);
	if (file->last) file->last->next = change;
	else file->first = change;
	file->last = change;
	pthread_mutex_unlock(&lock);
}

static void note_synced(int fd) {
	struct file *file = fd >= 0 && fd < DESCRIPTORS ? opened[fd] : NULL;
	if (!file) return;
	pthread_mutex_lock(&lock);
	int shadow = open_shadow(file);
	for (struct change *change = file->first; change;) {
		to_shadow(shadow, change->kind, change->offset, change->bytes, change->length);
		struct change *done = change;
		change = change->next;
		free(done);
	}
	file->first = file->last = NULL;
	close(shadow);
	pthread_mutex_unlock(&lock);
}

static void note_removed(const char *path) {
	if (!is_ours(path)) return;
	REAL(int, "unlink", const char *);
	char shadow[PATH];
	shadow_path(shadow, base_name(path));
	real(shadow);
	pthread_mutex_lock(&lock);
	for (struct file *file = files; file; file = file->next)
		if (!strcmp(file->name, base_name(path))) file->inode = 0;
	pthread_mutex_unlock(&lock);
}

static void note_vector(int fd, const struct iovec *parts, int count, off_t offset) {
	for (int index = 0; index < count; index++) {
		note_change(fd, WRITTEN, offset, parts[index].iov_base, parts[index].iov_len);
		offset += (off_t)parts[index].iov_len;
	}
}

/* ---- functions that replace the C library's ---- */

static mode_t mode_of(int flags, va_list rest) {
	return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(rest, int) : 0;
}

int open(const char *path, int flags, ...) {
	va_list rest;
	va_start(rest, flags);
	int fd = real_open(path, flags, mode_of(flags, rest));
	va_end(rest);
	note_opened(fd, path, flags);
	return fd;
}

int open64(const char *path, int flags, ...) {
	REAL(int, "open64", const char *, int, ...);
	va_list rest;
	va_start(rest, flags);
	int fd = real(path, flags, mode_of(flags, rest));
	va_end(rest);
	note_opened(fd, path, flags);
	return fd;
}

int openat(int folder, const char *path, int flags, ...) {
	REAL(int, "openat", int, const char *, int, ...);
	va_list rest;
	va_start(rest, flags);
	int fd = real(folder, path, flags, mode_of(flags, rest));
	va_end(rest);
	note_opened(fd, path, flags);
	return fd;
}

int close(int fd) {
	REAL(int, "close", int);
	if (fd >= 0 && fd < DESCRIPTORS) opened[fd] = NULL;
	return real(fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
	ssize_t written = real_pwrite(fd, bytes, length, offset);
	if (written > 0) note_change(fd, WRITTEN, offset, bytes, (size_t)written);
	return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
	return pwrite(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) {
	REAL(ssize_t, "write", int, const void *, size_t);
	ssize_t written = real(fd, bytes, length);
	if (written > 0 && fd >= 0 && fd < DESCRIPTORS && opened[fd])
		note_change(fd, WRITTEN, lseek(fd, 0, SEEK_CUR) - written, bytes, (size_t)written);
	return written;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
	REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t);
	ssize_t written = real(fd, parts, count, offset);
	if (written > 0) note_vector(fd, parts, count, offset);
	return written;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
	return pwritev(fd, parts, count, offset);
}

int ftruncate(int fd, off_t length) {
	int failed = real_ftruncate(fd, length);
	if (!failed) note_change(fd, TRUNCATED, 0, NULL, (size_t)length);
	return failed;
}

int ftruncate64(int fd, off64_t length) {
	return ftruncate(fd, length);
}

int fsync(int fd) {
	REAL(int, "fsync", int);
	int failed = real(fd);
	if (!failed) note_synced(fd);
	return failed;
}

int fdatasync(int fd) {
	REAL(int, "fdatasync", int);
	int failed = real(fd);
	if (!failed) note_synced(fd);
	return failed;
}

int unlink(const char *path) {
	REAL(int, "unlink", const char *);
	int failed = real(path);
	if (!failed) note_removed(path);
	return failed;
}
