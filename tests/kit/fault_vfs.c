/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VFS shim behind fault_vfs.h. Each file of ours is our header with the real file behind it in
 * the same block, as SQLite allocates it; every method either breaks or calls the real one.
 */
#include "config.h"

#include "tests/kit/fault_vfs.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* directly behind this struct */
};

static struct {
    sqlite3_vfs *real;
    unsigned ops;
    uint64_t nth, seen;
    enum rky_fault_kind kind;
    bool persistent, hit;
} fault;

/* Whether this operation breaks. */
static bool breaks(enum rky_fault_op op)
{
    if ((fault.ops & (unsigned)op) == 0)
        return false;
    fault.seen++;
    if (fault.nth == 0 || fault.seen < fault.nth || (fault.seen > fault.nth && !fault.persistent))
        return false;
    fault.hit = true;
    return true;
}

static int broken(int io_code)
{
    if (fault.kind == RKY_FAULT_KILL)
        (void)kill(getpid(), SIGKILL);
    errno = fault.kind == RKY_FAULT_ENOSPC ? ENOSPC : EIO;
    return fault.kind == RKY_FAULT_ENOSPC && io_code == SQLITE_IOERR_WRITE ? SQLITE_FULL : io_code;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct fault_file *)file)->real;
}

static int fault_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int fault_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset)
{
    if (breaks(RKY_FAULT_READ))
        return broken(SQLITE_IOERR_READ);
    return real_of(file)->pMethods->xRead(real_of(file), bytes, count, offset);
}

static int fault_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
    sqlite3_file *real = real_of(file);
    if (breaks(RKY_FAULT_WRITE)) {
        (void)real->pMethods->xWrite(real, bytes, count / 2, offset);
        return broken(SQLITE_IOERR_WRITE);
    }
    return real->pMethods->xWrite(real, bytes, count, offset);
}

static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (breaks(RKY_FAULT_TRUNCATE))
        return broken(SQLITE_IOERR_TRUNCATE);
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int fault_sync(sqlite3_file *file, int flags)
{
    if (breaks(RKY_FAULT_SYNC))
        return broken(SQLITE_IOERR_FSYNC);
    (void)file;
    (void)flags;
    return SQLITE_OK;
}

static int fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int fault_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int fault_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int fault_check_reserved(sqlite3_file *file, int *held)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), held);
}

static int fault_control(sqlite3_file *file, int op, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int fault_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int fault_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int fault_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory)
{
    if (breaks(RKY_FAULT_SHARE)) {
        *memory = NULL;
        return broken(SQLITE_IOERR_SHMMAP);
    }
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, memory);
}

static int fault_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void fault_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int fault_shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

/* Version 2: without memory-mapped reads, which would pass by fault_read(). */
static const sqlite3_io_methods FAULT_METHODS = {
    .iVersion = 2,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check_reserved,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector_size,
    .xDeviceCharacteristics = fault_characteristics,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                      int *ret_flags)
{
    struct fault_file *ours = (struct fault_file *)file;
    (void)vfs;
    ours->base.pMethods = NULL;
    if (breaks(RKY_FAULT_OPEN))
        return broken(SQLITE_CANTOPEN);
    ours->real = (sqlite3_file *)(ours + 1);
    int rc = fault.real->xOpen(fault.real, name, ours->real, flags, ret_flags);
    if (ours->real->pMethods != NULL)
        ours->base.pMethods = &FAULT_METHODS;
    return rc;
}

static int fault_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
    (void)vfs;
    if (breaks(RKY_FAULT_DELETE))
        return broken(SQLITE_IOERR_DELETE);
    (void)sync_directory;
    return fault.real->xDelete(fault.real, name, 0);
}

static int fault_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_result)
{
    (void)vfs;
    return fault.real->xAccess(fault.real, name, flags, ret_result);
}

static int fault_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *ret_name)
{
    (void)vfs;
    return fault.real->xFullPathname(fault.real, name, size, ret_name);
}

static int fault_randomness(sqlite3_vfs *vfs, int size, char *ret_bytes)
{
    (void)vfs;
    return fault.real->xRandomness(fault.real, size, ret_bytes);
}

static int fault_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return fault.real->xSleep(fault.real, us);
}

static int fault_current_time(sqlite3_vfs *vfs, sqlite3_int64 *ret_time)
{
    (void)vfs;
    return fault.real->xCurrentTimeInt64(fault.real, ret_time);
}

static int fault_last_error(sqlite3_vfs *vfs, int size, char *text)
{
    (void)vfs;
    (void)size;
    (void)text;
    return errno;
}

void rky_fault_vfs_install(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .zName = "rky-fault",
        .xOpen = fault_open,
        .xDelete = fault_delete,
        .xAccess = fault_access,
        .xFullPathname = fault_full_pathname,
        .xRandomness = fault_randomness,
        .xSleep = fault_sleep,
        .xGetLastError = fault_last_error,
        .xCurrentTimeInt64 = fault_current_time,
    };
    fault.real = sqlite3_vfs_find(NULL);
    if (fault.real == NULL || fault.real == &vfs)
        abort();
    vfs.szOsFile = (int)sizeof(struct fault_file) + fault.real->szOsFile;
    vfs.mxPathname = fault.real->mxPathname;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
        abort();
}

void rky_fault_vfs_arm(unsigned ops, uint64_t nth, enum rky_fault_kind kind, bool persistent)
{
    fault.ops = ops;
    fault.nth = nth;
    fault.seen = 0;
    fault.kind = kind;
    fault.persistent = persistent;
    fault.hit = false;
}

void rky_fault_vfs_disarm(void)
{
    fault.ops = 0;
}

bool rky_fault_vfs_hit(void)
{
    return fault.hit;
}

uint64_t rky_fault_vfs_count(void)
{
    return fault.seen;
}
