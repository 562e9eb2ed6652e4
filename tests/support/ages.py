"""A wall clock for a process of its own that jumps when told to, by a file and sitecustomize.

The daemon reads `time.time` through `gatepost.clock.SystemClock`; a folder with
this `sitecustomize.py` on PYTHONPATH shifts it by the seconds in a file.
"""

SITE = """
import os, time
_real, _file = time.time, os.environ["CLOCK_SHIFT"]

def shifted():
    try:
        with open(_file) as file:
            return _real() + float(file.read() or 0)
    except (OSError, ValueError):
        return _real()

time.time = shifted
"""


def shifted_clock(folder):
    """Environment for a process whose wall clock is shifted, and the file that says by how much (seconds)."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE)
    shift = folder / "shift"
    shift.write_text("0")
    return {"CLOCK_SHIFT": str(shift)}, site, shift
