"""Forks simulators: python3 -m cfsim.nursery, standard input a socket (launch.py has its other end).

Most of what a simulator costs is its beginning: importing, reading the published schema, making certificates. Here that
is done once, and each simulator begins as a copy. A request is one message: the arguments as JSON, with it the files
for the simulator's output and errors, and one for two lines: its process id and, when it has ended, its exit status.
Ends, with all it made, with its client.
"""
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile

from . import __main__ as program
from . import certs, openapi, sdl

LONGEST = 65536


def prepare(directory):
    openapi.load()
    sdl.load()
    if not certs.missing():
        certs.ready = certs.Certificates(directory)
    gc.collect()
    gc.freeze()  # the copies leave these objects alone, so that their memory stays shared


def tell(file, number):
    try:
        os.write(file, b"%d\n" % number)
    except BrokenPipeError:
        pass  # nobody waits for it any more


class Nursery:
    """.control: the socket; .children: process id -> the file for its exit status."""

    def __init__(self, control):
        self.control, self.children = control, {}
        self.woken, self.wake = os.pipe()  # readable when a child has ended
        os.set_blocking(self.wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wake)

    def serve(self):
        """None when the client is gone; in a new simulator its arguments."""
        while True:
            ready, _, _ = select.select([self.control, self.woken], [], [])
            if self.woken in ready:
                os.read(self.woken, LONGEST)
                self.reap()
            if self.control in ready:
                text, files, _, _ = socket.recv_fds(self.control, LONGEST, 3)
                if not text:
                    return None
                if self.fork(*files):
                    return json.loads(text)

    def fork(self, out, err, status):
        """True in the child."""
        pid = os.fork()
        if pid:
            tell(status, pid)
            self.children[pid] = status
            os.close(out)
            os.close(err)
            return False
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for to, file in enumerate((nothing, out, err)):
            os.dup2(file, to)
        # Whoever reads a status waits for its end: no copy of one stays open here.
        self.control.detach()
        for file in (nothing, out, err, status, self.woken, self.wake, *self.children.values()):
            os.close(file)
        return True

    def reap(self, flags=os.WNOHANG):
        for pid, status in list(self.children.items()):
            ended, how = os.waitpid(pid, flags)
            if ended:
                del self.children[pid]
                tell(status, os.WEXITSTATUS(how) if os.WIFEXITED(how) else -os.WTERMSIG(how))
                os.close(status)

    def end(self):
        for pid in self.children:
            os.kill(pid, signal.SIGTERM)
        self.reap(0)


def main():
    nursery_id, directory = os.getpid(), tempfile.mkdtemp(prefix="cfmt-sim-")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # it ends when its client does, whoever else is signalled
    try:
        prepare(directory)
        nursery = Nursery(socket.socket(fileno=0))
        arguments = nursery.serve()
        if arguments is None:
            nursery.end()
    finally:
        if os.getpid() == nursery_id:
            shutil.rmtree(directory, ignore_errors=True)
    if arguments is not None:
        sys.argv[1:] = arguments
        program.main()


if __name__ == "__main__":
    main()
