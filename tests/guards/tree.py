"""The tree that the guards look at: its files, C split into code, comments and strings."""
import functools
import os
import re

SKIPPED_DIRS = {".git", "build", "autom4te.cache", "build-aux", "m4", ".libs", ".deps", "__pycache__",
                ".pytest_cache"}

_TOKENS = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", re.S)


class Skip(Exception):
    """A guard cannot look here; says why."""


class CFile:
    """A C file: code has comments and the inside of strings blanked out, line numbers kept."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.strings = []  # (line, content) in order; adjacent literals joined
        self.code = self._split()

    def _split(self):
        def blank(match):
            token = match.group(0)
            if token.startswith('"'):
                line = self.text.count("\n", 0, match.start()) + 1
                joined = self.strings and not re.sub(
                    r"/\*.*?\*/|\s", "", self.text[self.end:match.start()], flags=re.S)
                if joined:
                    first, content = self.strings[-1]
                    self.strings[-1] = (first, content + token[1:-1])
                else:
                    self.strings.append((line, token[1:-1]))
                self.end = match.end()
                return '""'
            if token.startswith("'"):
                return "' '"
            return "\n" * token.count("\n")
        self.end = 0
        return _TOKENS.sub(blank, self.text)

    @functools.cached_property
    def includes(self):
        """(line, name) of every #include."""
        found = re.finditer(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', self.text, re.M)
        return [(self.text.count("\n", 0, m.start()) + 1, m.group(1)) for m in found]


class Tree:
    def __init__(self, root, builddir):
        self.root = root
        self.builddir = builddir

    def files(self, *tops, ext=None):
        """Paths relative to the root below the tops, sorted."""
        found = []
        for top in tops:
            full = os.path.join(self.root, top)
            if os.path.isfile(full):
                found.append(top)
            for dirpath, dirs, names in os.walk(full):
                dirs[:] = [d for d in dirs if d not in SKIPPED_DIRS]
                found += [os.path.relpath(os.path.join(dirpath, n), self.root) for n in names]
        return sorted(f for f in set(found) if ext is None or f.endswith(ext))

    def sources(self):
        """What is built and shipped: no tests."""
        return [f for f in self.files("mod_cfmt.c", "include", "src", "tools")
                if f.endswith((".c", ".h"))]

    def exists(self, path):
        return os.path.exists(os.path.join(self.root, path))

    @functools.lru_cache(maxsize=None)
    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as f:
            return f.read()

    @functools.lru_cache(maxsize=None)
    def c(self, path):
        return CFile(path, self.read(path))

    def binary(self, name):
        """A built binary, or None: libtool keeps the real one in .libs."""
        for path in (os.path.join(self.builddir, ".libs", name), os.path.join(self.builddir, name)):
            if os.path.isfile(path):
                return path
        return None
