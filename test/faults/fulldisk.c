/*
 * LD_PRELOAD library that simulates a full disk while the file FULLDISK_FLAG exists: a write beyond the end of a
 * file under FULLDISK_DIR fails with ENOSPC, and a write within the file succeeds. While FULLDISK_NO_SYNC exists, a
 * sync of such a file fails with EIO, as after a fault of the disk.
 *
 *     cc -shared -fPIC -O2 -o fulldisk.so fulldisk.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_hit(int fd, const char *variable) {
	const char *flag = getenv(variable), *folder = getenv("FULLDISK_DIR");
	if (!flag || !folder || access(flag, F_OK)) return 0;
	char link[64], path[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	return length >= 0 && (size_t)length >= strlen(folder) && !strncmp(path, folder, strlen(folder));
}

static int has_no_room(int fd, off_t end) {
	struct stat status;
	return is_hit(fd, "FULLDISK_FLAG") && !fstat(fd, &status) && end > status.st_size;
}

static int sync_by(const char *name, int fd) {
	if (is_hit(fd, "FULLDISK_NO_SYNC")) {
		errno = EIO;
		return -1;
	}
	return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}

int fsync(int fd) {
	return sync_by("fsync", fd);
}

int fdatasync(int fd) {
	return sync_by("fdatasync", fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
	static ssize_t (*real)(int, const void *, size_t, off_t);
	if (!real) real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
	if (has_no_room(fd, offset + (off_t)length)) {
		errno = ENOSPC;
		return -1;
	}
	return real(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
	return pwrite(fd, bytes, length, offset);
}
