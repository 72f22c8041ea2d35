"""What can happen to the store from outside: how each fault is made, and its cause taken away."""
import contextlib
import ctypes
import os
import shutil
import sqlite3
import struct
import subprocess
import sys

from httpd import ASAN, IS_ROOT, grp_of, wait_for
from locks import commit_lock

MEMORY = "512m"  # of a tmpfs that is not full: well above what health calls little
_private = None

# Preloaded into httpd: shifts the real-time clock and fails writes below /state/, as the control
# file (two 64-bit integers, mapped) says at that moment.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
static volatile long long none[2], *control = none;
__attribute__((constructor)) static void setup(void)
{
    int fd = open(CONTROL, O_RDONLY | O_CLOEXEC);
    void *m = fd < 0 ? MAP_FAILED : mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
    if (m != MAP_FAILED) control = m;
    if (fd >= 0) close(fd);
}
static int bad(int fd)
{
    char link[64], path[512];
    ssize_t n;
    if (!control[1]) return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n < 0) return 0;
    path[n] = 0;
    if (!strstr(path, "/state/")) return 0;
    errno = (int)control[1];
    return 1;
}
#define REAL(type, name) static type (*real)(); if (!real) real = (type (*)())dlsym(RTLD_NEXT, name)
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o)
{ REAL(ssize_t, "pwrite64"); return bad(fd) ? -1 : real(fd, b, n, o); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o)
{ REAL(ssize_t, "pwrite"); return bad(fd) ? -1 : real(fd, b, n, o); }
int ftruncate64(int fd, off64_t n)
{ REAL(int, "ftruncate64"); return bad(fd) ? -1 : real(fd, n); }
int ftruncate(int fd, off_t n)
{ REAL(int, "ftruncate"); return bad(fd) ? -1 : real(fd, n); }
int fdatasync(int fd)
{ REAL(int, "fdatasync"); return bad(fd) ? -1 : real(fd); }
int clock_gettime(clockid_t id, struct timespec *ts)
{
    REAL(int, "clock_gettime");
    int rc = real(id, ts);
    if (rc == 0 && id == CLOCK_REALTIME) ts->tv_sec += control[0];
    return rc;
}
int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    REAL(int, "gettimeofday");
    int rc = real(tv, tz);
    if (rc == 0 && tv) tv->tv_sec += control[0];
    return rc;
}
time_t time(time_t *t)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    if (t) *t = ts.tv_sec;
    return ts.tv_sec;
}
"""


class Shim:
    """A server whose clock and whose writes obey us; before its start."""

    def __init__(self, server):
        self.control = server.path("control")
        self.set()
        source = server.write("shim.c", SHIM)
        library = server.path("shim.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-w", "-o", library, source, "-ldl",
                        f'-DCONTROL="{self.control}"'], check=True, capture_output=True)
        plain = server.env

        def env():
            full = plain()
            full["LD_PRELOAD"] = (full["LD_PRELOAD"] + ":" if ASAN else "") + library
            return full

        server.env = env

    def set(self, offset=0, error=0):
        fd = os.open(self.control, os.O_RDWR | os.O_CREAT, 0o644)  # in place: it is mapped
        os.pwrite(fd, struct.pack("qq", offset, error), 0)
        os.close(fd)


# ---- mounts --------------------------------------------------------------------------------------


def private_mounts():
    """What this process and its servers mount from now on ends with them, however they end."""
    global _private
    if _private is None:
        libc = ctypes.CDLL(None, use_errno=True)
        _private = IS_ROOT and libc.unshare(0x00020000) == 0 and mount("--make-rprivate", "/")
    return _private


def mount(*args):
    return subprocess.run(["mount", *args], capture_output=True).returncode == 0


def state_dir(server):
    return os.path.dirname(server.db)


def make_state(server):
    path = state_dir(server)
    if not os.path.isdir(path):
        os.mkdir(path)
    if IS_ROOT:
        shutil.chown(path, server.user, grp_of(server.user))
    os.chmod(path, 0o2770)


def on_tmpfs(server):
    """The state directory becomes a file system of its own."""
    make_state(server)
    assert mount("-t", "tmpfs", "-o", f"size={MEMORY}", "tmpfs", state_dir(server))
    make_state(server)


def resize(server, spare):
    """spare: bytes left free; None: plenty."""
    def resized():
        info = os.statvfs(state_dir(server))
        used = (info.f_blocks - info.f_bfree) * info.f_frsize
        size = MEMORY if spare is None else max(used + spare, 4096)
        return mount("-o", f"remount,size={size}", state_dir(server))

    wait_for(resized, 5, "a moment in which the server takes no more room")


def unmount(server):
    subprocess.run(["umount", "-l", state_dir(server)], capture_output=True)


# ---- the database's files ------------------------------------------------------------------------


def files(server):
    """The database and its side files that are there."""
    return [p for p in (server.db, server.db + "-wal", server.db + "-shm") if os.path.exists(p)]


def to_file(server):
    """Everything committed stands in the database file itself, nothing in the WAL."""
    with commit_lock(server), contextlib.closing(sqlite3.connect(server.db, timeout=5)) as db:
        assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def overwrite(path, offset, data):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(data)


def exchange(a, b):
    """At no moment is there no file of that name: the leader would make one."""
    libc = ctypes.CDLL(None, use_errno=True)
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    assert libc.renameat2(here, a.encode(), here, b.encode(), swap) == 0, ctypes.get_errno()


class Fault:
    """words: what 503 and health may call it. heals: the product makes a new store by itself, and
    what the old one held is gone by nature. phases: when it can be made."""

    words = ()
    heals = False
    keeps = True
    phases = ("start", "graceful", "serving")
    cfmt = ()

    def __init__(self, server, phase):
        self.s = server
        self.phase = phase

    def before(self):
        """Before the server's first start."""

    def make(self):
        raise NotImplementedError

    def mend(self):
        pass

    def after(self):
        """Whatever happened."""


class Full(Fault):
    words = ("full",)

    def before(self):
        on_tmpfs(self.s)

    def make(self):
        to_file(self.s)
        resize(self.s, 0)

    def mend(self):
        resize(self.s, None)

    def after(self):
        unmount(self.s)


class ReadOnly(Fault):
    """The kernel refuses to remount what is open for writing, so while serving the writes fail."""
    words = ("readonly", "io")

    def before(self):
        self.shim = Shim(self.s) if self.phase == "serving" else None

    def make(self):
        if self.shim:
            self.shim.set(error=30)  # EROFS
            return
        place = state_dir(self.s)
        assert mount("--bind", place, place) and mount("-o", "remount,bind,ro", place)

    def mend(self):
        if self.shim:
            self.shim.set()
        else:
            assert mount("-o", "remount,bind,rw", state_dir(self.s))

    def after(self):
        if not self.shim:
            unmount(self.s)


class Broken(ReadOnly):
    """The disk answers EIO."""
    words = ("io",)
    phases = ("serving",)

    def make(self):
        self.shim.set(error=5)


class Locked(Fault):
    words = ("busy",)
    cfmt = ("CfmtCommitTimeout 500ms",)

    def make(self):
        self.holder = subprocess.Popen(
            [sys.executable, "-c", "import sqlite3, sys\n"
             "db = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)\n"
             "db.execute('BEGIN EXCLUSIVE')\nprint('held', flush=True)\nsys.stdin.read()\n"
             "db.execute('ROLLBACK')", self.s.db], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"held\n"

    def mend(self):
        self.after()

    def after(self):
        if getattr(self, "holder", None):
            self.holder.communicate()
            self.holder = None


class Garbled(Fault):
    """Bytes of the file are wrong for a while."""
    words = ("corrupt",)

    def make(self):
        to_file(self.s)
        with open(self.s.db, "rb") as f:
            self.saved = f.read()
        self.spoil()

    def spoil(self):
        overwrite(self.s.db, 0, b"no SQLite header any more " * 4)

    def mend(self):
        overwrite(self.s.db, 0, self.saved)


class GarbledPages(Garbled):
    def spoil(self):
        overwrite(self.s.db, 4096, b"\xa5garbage" * ((len(self.saved) - 4096) // 8))


class Truncated(Garbled):
    def spoil(self):
        os.truncate(self.s.db, 4096 * 3)


class Emptied(Garbled):
    """Nothing is left of it, and its bytes come back later."""
    words = ("corrupt", "foreign", "older", "io")
    phases = ("serving",)

    def spoil(self):
        os.truncate(self.s.db, 0)


class Replaced(Fault):
    """Somebody moves a database of another program over it; the right one comes back."""
    words = ("foreign",)

    def make(self):
        to_file(self.s)
        other = self.s.path("other.db")
        with contextlib.closing(sqlite3.connect(other)) as db:
            db.execute("PRAGMA application_id = 77")
            db.execute("CREATE TABLE somebody_elses(x)")
            db.commit()
        self.s.chown_user(other)
        os.chmod(other, 0o660)
        exchange(other, self.s.db)

    def mend(self):
        exchange(self.s.path("other.db"), self.s.db)


class Newer(Fault):
    words = ("newer",)

    def say(self, number):
        with commit_lock(self.s), contextlib.closing(sqlite3.connect(self.s.db, timeout=5)) as db:
            db.execute("UPDATE meta SET value = ? WHERE name = 'min_code'", (number,))
            db.commit()

    def make(self):
        self.say(999)

    def mend(self):
        self.say(1)


class Gone(Fault):
    """The directory is renamed away, and back."""
    words = ("missing",)
    phases = ("serving",)

    def make(self):
        os.rename(state_dir(self.s), self.s.path("away"))

    def mend(self):
        os.rename(self.s.path("away"), state_dir(self.s))


class NoDirectory(Gone):
    """And a file stands in its place, so that nobody makes it anew."""
    phases = ("start", "graceful", "serving")

    def make(self):
        super().make()
        self.s.write("state", "no directory\n")

    def mend(self):
        os.unlink(self.s.path("state"))
        super().mend()


class Deleted(Fault):
    heals = True
    keeps = False

    def make(self):
        for path in files(self.s):
            os.unlink(path)


class DeletedAlone(Deleted):
    """The database, but neither -wal nor -shm."""

    def make(self):
        os.unlink(self.s.db)


class DeletedWal(Deleted):
    """What was checkpointed is still there. (A server that stops removes it anyway.)"""
    keeps = True
    phases = ("graceful", "serving")

    def make(self):
        to_file(self.s)
        os.unlink(self.s.db + "-wal")


class DeletedHotWal(Deleted):
    """With rows that stand nowhere else, but the living processes hold it: they salvage them."""
    keeps = True
    phases = ("serving",)

    def make(self):
        os.unlink(self.s.db + "-wal")


class Restored(Deleted):
    """A good copy is moved over it while everything runs."""

    def make(self):
        to_file(self.s)
        copy = self.s.path("copy.db")
        shutil.copyfile(self.s.db, copy)
        self.s.chown_user(copy)
        os.chmod(copy, 0o660)
        for path in files(self.s)[1:]:
            os.unlink(path)
        os.rename(copy, self.s.db)


FAULTS = {"full": Full, "read-only": ReadOnly, "I/O error": Broken, "locked": Locked,
          "garbage header": Garbled, "garbage pages": GarbledPages, "truncated": Truncated,
          "emptied": Emptied,
          "replaced": Replaced, "newer": Newer, "renamed directory": Gone,
          "no directory": NoDirectory, "deleted": Deleted, "deleted alone": DeletedAlone,
          "deleted wal": DeletedWal, "deleted hot wal": DeletedHotWal, "restored": Restored}
