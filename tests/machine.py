"""See to a Chromium for the tests of the studio page: the machine's own, Debian's, or Playwright's; else say so."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    if any(map(shutil.which, NAMES)):
        return 0
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
        if subprocess.run(["apt-get", "install", "-qq", "-y", "chromium"], check=False, **quiet).returncode == 0:
            return 0
    if subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False).returncode == 0:
        return 0
    print("No Chromium could be found or installed; the tests of the studio page will say so.", file=sys.stderr)
    return 1 if os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
