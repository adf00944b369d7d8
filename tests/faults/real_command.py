"""Run the real command with a shot armed: real_command.py SHOT JOURNAL ARGUMENTS, where SHOT is JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from holes import Shot

from automix.cli import main

if __name__ == "__main__":
    Shot(**json.loads(sys.argv[1])).arm(Path(sys.argv[2]), "command")
    main(sys.argv[3:])
