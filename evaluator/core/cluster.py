"""What crosses between whoever runs a run and the machines of a cluster: records as JSON, and the pieces of files.

Nothing else does, and nothing is unpickled. A machine is asked a question and answers with frames: one byte that says
what the rest is, a record or a piece of the file that was announced last.
"""

import struct
from typing import Any

import msgspec

from evaluator.core.coordinates import MACHINE, Record
from evaluator.core.errors import FwevalError, IncompleteEvidence, Unavailable, UsageError
from evaluator.core.records import Result, Step

PIECE = b"+"  # the first byte of a frame that is a piece of a file; a record's own is that of JSON
PIECE_BYTES = 2 << 20
_LENGTH = struct.Struct("!I")
_MOST_BYTES = 64 << 20  # of a frame


class Sent(Record, frozen=True, kw_only=True, tag="file"):
    """A file or, without a digest, a folder that follows in pieces: where it belongs, below a folder both know."""

    name: str  # relative, with "/"
    bytes: int = 0
    sha256: str = ""
    executable: bool = False


# What a machine can be asked ------------------------------------------------------------------------------------------


class AskSurvey(Record, frozen=True, kw_only=True, tag="survey"):
    """What it can do, for plans about these scenarios."""

    scenarios: tuple[dict[str, Any], ...] = ()


class AskDoctor(Record, frozen=True, kw_only=True, tag="doctor"):
    """What `fweval doctor` says there."""


class Bring(Record, frozen=True, kw_only=True, tag="bring"):
    """To fetch data packages of scenarios, and make environments of tools."""

    scenarios: tuple[dict[str, Any], ...] = ()
    environments: tuple[str, ...] = ()


class Keep(Record, frozen=True, kw_only=True, tag="keep"):
    """To keep files that follow, each behind its record, below its place; each is digested when all of it is there."""


class Tidy(Record, frozen=True, kw_only=True, tag="tidy"):
    """To remove what steps that have ended, or were killed, left behind."""


class Do(Record, frozen=True, kw_only=True, tag="do"):
    """To do steps, in turns with each other where there are several; their folders follow as files."""

    job: int
    steps: tuple[Step, ...]
    node: str  # what it is called
    host: str = ""
    machine: str = MACHINE  # the kind that it is, as the steps have it
    given: dict[str, str] = msgspec.field(default_factory=dict)  # a path of the person's -> its name below the place
    plugins: tuple[str, ...] = ()  # folders of plug-ins from outside, by their names below the place
    worker: tuple[str, ...] | None = None  # what does a step; None: as always
    quiet_s: float = 0.0  # how long it may wait until others leave the machine alone


class Cancel(Record, frozen=True, kw_only=True, tag="cancel"):
    """To stop a job, as if a person had interrupted it."""

    job: int


Question = AskSurvey | AskDoctor | Bring | Keep | Tidy | Do | Cancel


# What it answers ------------------------------------------------------------------------------------------------------


class Heard(Record, frozen=True, kw_only=True, tag="heard"):
    """What is heard of a job: a line for people, or how much of what is to be measured has been."""

    note: str = ""
    share: float | None = None


class Answer(Record, frozen=True, kw_only=True, tag="answer"):
    """The answer, as plain values; the last frame."""

    value: Any = None


class Refused(Record, frozen=True, kw_only=True, tag="refused"):
    """Why there is none, for people; the last frame."""

    message: str
    remedy: str | None = None
    kind: str = "incomplete"

    def error(self, node: str) -> FwevalError:
        """Return it as an error of ours, which names the machine."""
        made = {"usage": UsageError, "unavailable": Unavailable}.get(self.kind, IncompleteEvidence)
        return made(f"{node}: {self.message}" if node else self.message, remedy=self.remedy)


class Done(Record, frozen=True, kw_only=True, tag="done"):
    """How the steps of a job ended, behind all their files; the last frame."""

    results: tuple[Result, ...]
    quiet_s: float = 0.0  # what is left of what it might wait


Frame = Heard | Answer | Refused | Done | Sent


def encoded(record: Record) -> bytes:
    """Return a record as a frame."""
    return msgspec.json.encode(record)


def refused(error: FwevalError) -> Refused:
    """Return an error of ours as a record."""
    kinds = {UsageError: "usage", Unavailable: "unavailable"}
    return Refused(message=error.message, remedy=error.remedy, kind=kinds.get(type(error), "incomplete"))


# Frames on their way --------------------------------------------------------------------------------------------------


def framed(frame: bytes) -> bytes:
    """Return a frame as it travels: behind its length. The empty one says that none follow."""
    return _LENGTH.pack(len(frame)) + frame


class Unframer:
    """Takes frames out of what arrives, however it was cut."""

    def __init__(self) -> None:
        self._had = bytearray()
        self.ended = False  # the empty frame has arrived

    def take(self, arrived: bytes) -> list[bytes]:
        """Return the frames that are whole by now; `ValueError` for what is none."""
        self._had += arrived
        found: list[bytes] = []
        start = 0
        while not self.ended and len(self._had) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._had, start)
            if length > _MOST_BYTES:
                raise ValueError(f"a frame of {length:,} bytes")
            if length == 0:
                self.ended = True
            elif len(self._had) - start - _LENGTH.size < length:
                break
            else:
                found.append(bytes(self._had[start + _LENGTH.size : start + _LENGTH.size + length]))
            start += _LENGTH.size + length
        del self._had[:start]
        return found


# What a run asks the process that holds the line to a cluster ---------------------------------------------------------


class Connect(Record, frozen=True, kw_only=True, tag="connect"):
    """To reach the cluster, and a process of ours on each of its machines."""

    on: str  # as `--on` has it
    who: str = ""  # what others are told who want the cluster meanwhile
    exclusive: bool = True  # for a run, of which there is one at a time


class Ask(Record, frozen=True, kw_only=True, tag="ask"):
    """A question to a machine."""

    id: int
    node: str
    question: Question


class Begin(Record, frozen=True, kw_only=True, tag="begin"):
    """A job for a machine."""

    node: str
    question: Do
    place: str  # the folder of all step folders here
    needed: tuple[str, ...] = ()  # folders there that it needs
    share: float = 1.0  # of the machine that it takes: all of it, where something is measured
    files: dict[str, str] = msgspec.field(default_factory=dict)  # name below the place -> path here, of what is given


class Close(Record, frozen=True, kw_only=True, tag="close"):
    """To let go of the cluster."""


Order = Connect | Ask | Begin | Close


class Found(Record, frozen=True, kw_only=True):
    """A machine of the cluster; without a process of ours, why."""

    name: str
    address: str
    here: bool = False  # it is the one that fweval runs on
    refused: str | None = None
    remedy: str | None = None


class Connected(Record, frozen=True, kw_only=True, tag="connected"):
    """The machines that were found."""

    nodes: tuple[Found, ...]


class Said(Record, frozen=True, kw_only=True, tag="said"):
    """What a machine answered."""

    id: int
    frames: tuple[Heard | Answer | Refused, ...]


class OfJob(Record, frozen=True, kw_only=True, tag="job"):
    """What comes of a job; `Refused` and `Done` end it."""

    job: int
    what: Heard | Refused | Done


class JobLost(Record, frozen=True, kw_only=True, tag="job lost"):
    """A job that ended with its machine, or with the process there that held it."""

    job: int
    why: str


class NodeGone(Record, frozen=True, kw_only=True, tag="node gone"):
    """A machine that is not there any more."""

    node: str
    why: str


class ClusterGone(Record, frozen=True, kw_only=True, tag="cluster gone"):
    """Nothing can be reached any more."""

    why: str


Report = Connected | Said | OfJob | JobLost | NodeGone | ClusterGone | Refused
