# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""virt-manager, unmodified, on a screen that nobody sees."""
import os
import shutil
import subprocess

from harness import HERE, Failure, Skip, test

NEEDED = ("virt-manager", "Xvfb", "dbus-run-session", "xdotool", "import", "unshare")
PICTURES = os.path.join(HERE, ".cache", "virt-manager")

# The daemon's sockets where clients look for them, for the programs of this session alone.
SESSION = """
mkdir -p /run/libvirt && mount -t tmpfs none /run/libvirt &&
ln -s "$1/run/libvirt-sock" "$1/run/libvirt-sock-ro" /run/libvirt/ &&
export DISPLAY=":$2" && { Xvfb "$DISPLAY" -screen 0 1280x1000x24 -nolisten tcp & } &&
screen=$! && for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e "/tmp/.X11-unix/X$2" ] && break; sleep 0.5; done
shift 2; dbus-run-session -- "$@"; status=$?
kill $screen; exit $status
"""


@test("virt-manager connects, makes a network, a volume and a machine, shows it, takes and deletes snapshots, and removes it all",
      seconds=240)
def virt_manager(t):
    missing = [name for name in NEEDED if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        raise Skip("needs root and %s" % ", ".join(missing or NEEDED))
    if subprocess.run(["/usr/bin/python3", "-c", "import pyatspi"], capture_output=True, check=False).returncode:
        raise Skip("needs python3-pyatspi")
    host = t.daemon()
    images = t.path("images")
    os.mkdir(images)
    # Where there is no pool of this name, virt-manager makes one in /var/lib/libvirt/images.
    host.virsh("pool-define-as", "default", "dir", "--target", images)
    host.virsh("pool-start", "default")
    home = t.path("home")
    os.mkdir(home, 0o700)
    os.makedirs(PICTURES, exist_ok=True)
    subnet = "10.%d.%d" % (128 + os.getpid() % 100, os.getpid() // 100 % 250)
    environment = dict(
        os.environ, HOME=home, XDG_RUNTIME_DIR=home, GSETTINGS_BACKEND="memory", GTK_MODULES="gail:atk-bridge",
        LC_ALL="C.UTF-8", LIBGL_ALWAYS_SOFTWARE="1")
    try:
        ended = subprocess.run(
            ["unshare", "-m", "sh", "-c", SESSION, "sh", host.root, str(2000 + os.getpid() % 10000), "/usr/bin/python3",
             os.path.join(HERE, "IntegrationTests", "desktop", "virt_manager.py"), PICTURES, subnet],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False)
        if ended.returncode:
            raise Failure("status %d: %s" % (ended.returncode, (ended.stdout + ended.stderr)[-3000:]))
    finally:
        host.run(["virsh", "-q", "-c", host.uri, "net-destroy", "default"])
