"""Hands on the store's locks, from outside: what a stuck or foreign program does to us."""
import contextlib
import fcntl
import os
import sqlite3
import struct

from httpd import wait_for

F_OFD_SETLK = getattr(fcntl, "F_OFD_SETLK", 37)


WRITE = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def taken(fd):
    try:
        fcntl.fcntl(fd, F_OFD_SETLK, WRITE)
    except OSError:
        return False
    return True


def lock_file(server):
    return os.open(server.db + ".lock", os.O_RDWR | os.O_CLOEXEC)


def commit_lock_is_free(server):
    """Nobody has it at this moment."""
    fd = lock_file(server)
    try:
        return taken(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def commit_lock(server):
    """Holds <db>.lock as a stopped holder would."""
    fd = lock_file(server)
    try:
        wait_for(lambda: taken(fd), 5, "the commit lock")  # others hold it for milliseconds
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def foreign_writer(server):
    """A program that knows nothing of our lock holds SQLite's write lock."""
    db = sqlite3.connect(server.db, timeout=10, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")
    finally:
        db.close()
