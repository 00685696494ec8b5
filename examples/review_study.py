"""Open the review app on a study, on this machine only; stop it with Ctrl+C."""

import subprocess
from pathlib import Path

from medcl.review.launch import command

study = Path("demo-output/study")

subprocess.run(command(study, study / "store", port=None), check=False)
