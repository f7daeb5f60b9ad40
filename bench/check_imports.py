"""Compiles and imports every script below bench/, as a script of its folder, without running it: a name that moved is found here and not on the
day of a measurement. Needs no data. Scripts whose packages are in no list but requirements-setfit.txt are passed over where these are missing.

    check_imports.py
"""

import re
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def optional():
    lines = (HERE / "peers" / "requirements-setfit.txt").read_text(encoding="utf-8").splitlines()
    return {re.split(r"[=<>\[ ]", line, maxsplit=1)[0].replace("-", "_").lower() for line in lines if line and not line.startswith("#")}


def fault_of(script):
    """What goes wrong on importing the script, or None."""
    path, arguments = list(sys.path), list(sys.argv)
    sys.path.insert(0, str(script.parent))
    sys.argv = [str(script)]
    try:
        runpy.run_path(str(script), run_name="imported")
    except ModuleNotFoundError as fault:
        return None if (fault.name or "").split(".")[0].lower() in optional() else fault
    except (Exception, SystemExit) as fault:  # whatever a script does at its top
        return fault
    finally:
        sys.path[:], sys.argv[:] = path, arguments
    return None


def main():
    scripts = sorted(HERE.rglob("*.py"))
    faults = 0
    for script in scripts:
        fault = fault_of(script)
        if fault:
            faults += 1
            print(f"{script.relative_to(HERE.parent)}: {type(fault).__name__}: {fault}", file=sys.stderr)
    print(f"{len(scripts)} scripts of bench/, {faults} cannot be imported")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
