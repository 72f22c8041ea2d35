"""The simulated time: starts at the real time, runs `speed` times as fast, can be advanced by a test."""
import calendar
import datetime
import threading
import time


def stamp(t):
    """RFC 3339 in UTC with microseconds, as the addressing API writes it; None stays None."""
    if t is None:
        return None
    whole = datetime.datetime.fromtimestamp(t, datetime.timezone.utc)
    return whole.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text):
    """The time that an RFC 3339 text in UTC tells; raises ValueError."""
    main, _, fraction = text.rstrip("Zz").partition(".")
    whole = calendar.timegm(time.strptime(main.replace("t", "T"), "%Y-%m-%dT%H:%M:%S"))
    return whole + (float("0." + fraction) if fraction else 0.0)


class Clock:
    """now() = start + real seconds passed x speed + what was advanced. Speed 0 is a clock that only advance() moves."""

    def __init__(self, speed=1.0, start=None, anchor=None):
        """start: the simulated time at the beginning. anchor: instead the real time at which simulated and real
        time were or will be the same, so that two clocks of one speed can run in step."""
        self._changed = threading.Condition()
        self._real = time.monotonic()
        real = time.time()
        self.anchor = real if anchor is None else float(anchor)
        self._base = self.anchor + (real - self.anchor) * speed if start is None else float(start)
        self._speed = float(speed)
        self._stopped = False

    @property
    def speed(self):
        return self._speed

    def now(self):
        """UTC seconds of simulated time."""
        with self._changed:
            return self._now()

    def _now(self):
        return self._base + (time.monotonic() - self._real) * self._speed

    def advance(self, seconds):
        """Jumps; whoever sleeps until a time that is now past wakes."""
        with self._changed:
            self._base += seconds
            self._changed.notify_all()

    def set_speed(self, speed):
        with self._changed:
            self._base, self._real = self._now(), time.monotonic()
            self._speed = float(speed)
            self._changed.notify_all()

    def stop(self):
        """Ends every sleep for good, so that threads can end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def sleep_until(self, t):
        """Waits for simulated time t; False when the clock was stopped meanwhile."""
        with self._changed:
            while not self._stopped:
                left = t - self._now()
                if left <= 0:
                    return True
                self._changed.wait(left / self._speed if self._speed else None)
            return False
