"""Limits on a worker's time: its processor time, and the time in which it could run and sleeps.

Wall time depends on how busy the machine is, not only on the controller. So while a worker is silent, the host asks
the zygote for the worker's processor time before and after the zygote has used some processor time itself. In that
time a runnable worker gets a share of the processor, however busy the machine is; a worker that used almost none is
asleep or blocked, and that time is charged to it as well.
"""

from dataclasses import InitVar, dataclass
from typing import NamedTuple

from sandbox.backends.base import Limits

LOOK_SECONDS = 1.0
"""Seconds between measurements of a worker; less for short limits."""
RUNNING = 0.1
"""Least processor time of a runnable worker, as a share of the zygote's own during a measurement."""
BUSY = 0.05
"""Processor time, as a share of wall time, from which a worker counts as running without a closer measurement."""
HOSTED = 0.1
"""Largest share of a measurement that the worker may have waited for the host; above it, sleep is not charged."""


class _PendingMeasurement(NamedTuple):
    """State of the clock when the zygote was asked for a measurement."""

    turn: float | None
    """Start of the worker's turn then."""
    at: float
    hosted: float
    """Seconds that the worker had waited for the host."""


class ClockReading(NamedTuple):
    """The zygote's measurement of a worker, in seconds of processor time."""

    before: float
    """The worker's, before the zygote used `burnt`."""
    after: float
    """The worker's, after that."""
    burnt: float
    """The zygote's own in between; 0 for a quick measurement, which only reads the worker's."""


@dataclass
class WorkerClock:
    """The time of one worker, in seconds; times of the host are those of `time.monotonic`."""

    limits: Limits
    now: InitVar[float]
    """Time of the worker's start."""
    turn: float | None = None
    """Start of the worker's turn, when it was sent a job or a reply; None while it waits for the host."""
    used: float = 0.0
    """Its processor time at the last measurement."""
    host: float = 0.0
    """Processor time of the host for its frames."""
    _idle: float = 0.0
    _idle_in_turn: float = 0.0
    _used_before: float | None = None
    """Its processor time at the first measurement of this turn."""
    _measured_at: float = 0.0
    """Time of the last measurement."""
    _pending: "_PendingMeasurement | None" = None
    """The measurement that the zygote has not answered yet."""
    _suspect: bool = False
    """Whether it used so little time that the next measurement is a close one."""
    _hosted: float = 0.0
    """Time that the worker waited for the host before this turn."""
    _ended: float = 0.0
    """End of the last turn, where the worker waits for the host."""

    def __post_init__(self, now: float) -> None:
        """Start to wait for the host."""
        self._measured_at = self._ended = now

    def begin_turn(self, now: float) -> None:
        """Note that the worker was sent a job or a reply."""
        if self.turn is None:
            self._hosted += now - self._ended
        self.turn = now
        self._idle_in_turn, self._used_before = 0.0, None

    def end_turn(self, now: float) -> None:
        """Note that the worker sent a frame."""
        self.turn, self._ended = None, now

    def ask(self, now: float) -> bool | None:
        """Return the measurement to ask the zygote for now: True for a close one, False for a quick one, None for none.

        Also asked where the worker has just acted: a worker that sleeps between short frames is rarely seen otherwise.
        """
        if self._pending is not None or now - self._measured_at < self._every:
            return None
        self._pending = _PendingMeasurement(self.turn, now, self._waited(now))
        return self._suspect

    def _waited(self, now: float) -> float:
        """Return the time that the worker has waited for the host."""
        return self._hosted + (now - self._ended if self.turn is None else 0.0)

    @property
    def _every(self) -> float:
        return min(LOOK_SECONDS, self.limits.reply_seconds / 4)

    def take(self, reading: ClockReading | None, now: float) -> str | None:
        """Take the zygote's measurement; return a message about the limit that is exceeded, None if none is.

        Args:
            reading: The measurement; None where processor time cannot be measured, and wall time is used instead.
            now: The host's time.
        """
        pending, self._pending = self._pending, None
        assert pending is not None  # noqa: S101 - the zygote answers what it is asked
        if reading is not None and not reading.burnt and reading.after - self.used < BUSY * (now - self._measured_at):
            self._suspect = True
            return None
        hosted = self._waited(now) - pending.hosted
        # A host that was busy for long did not measure the worker meanwhile: charge two periods at most.
        since = min(now - self._measured_at, 2 * self._every)
        in_turn = min(since, now - self.turn) if self.turn is not None and self.turn == pending.turn else 0.0
        self._measured_at, self._suspect = now, False
        used = 0.0 if reading is None else reading.after
        if reading is not None and not reading.burnt:
            asleep = False
        elif hosted > HOSTED * (now - pending.at):
            # It may have slept only because it waited for the host.
            asleep = False
        else:
            asleep = reading is None or reading.after - reading.before < RUNNING * reading.burnt
        if asleep:
            self._idle += since
            self._idle_in_turn += in_turn
        if self._used_before is None:
            self._used_before = used
        self.used = used
        return self.passed()

    def passed(self) -> str | None:
        """Return a message about the limit that the worker has exceeded; None if it has exceeded none."""
        limits = self.limits
        began = self.used if self._used_before is None else self._used_before
        if self.used - began + self._idle_in_turn > limits.reply_seconds:
            return f"did not act within {limits.reply_seconds:g} s of processor time or sleep (limit reply_seconds)"
        if self.used + self._idle > limits.repeat_seconds:
            return f"took more than {limits.repeat_seconds:g} s of processor time or sleep (limit repeat_seconds)"
        if self.host > limits.repeat_seconds:
            return f"its frames cost the host more than {limits.repeat_seconds:g} s (limit repeat_seconds)"
        return None
