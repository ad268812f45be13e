/*
 * LD_PRELOAD library that simulates a full disk while the file FULLDISK_FLAG exists: a write beyond the end of a
 * file under FULLDISK_DIR fails with ENOSPC, and a write within the file succeeds.
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

static int has_no_room(int fd, off_t end) {
	const char *flag = getenv("FULLDISK_FLAG"), *folder = getenv("FULLDISK_DIR");
	if (!flag || !folder || access(flag, F_OK)) return 0;
	char link[64], path[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length < 0 || (size_t)length < strlen(folder) || strncmp(path, folder, strlen(folder))) return 0;
	struct stat status;
	return !fstat(fd, &status) && end > status.st_size;
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
