#!/usr/bin/python3
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Uses virt-manager as a person does, on a screen of its own, and leaves pictures of what it showed.

usage: desktop/virt_manager.py PICTURES SUBNET       (in a D-Bus session, with DISPLAY; the daemon is at qemu:///system)
"""
import os
import subprocess
import sys
import time

from screen import Screen, shows, write

URI = "qemu:///system"


def virsh(*arguments):
    return subprocess.run(["virsh", "-q", "-c", URI, *arguments], check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def until(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (seconds, what))
        time.sleep(0.3)


def networks(screen, subnet):
    host = screen.window("Connection Details")
    screen.tab(host, "Virtual Networks")
    screen.press("push button", "net-add", host)
    wizard = screen.window("Create a new virtual network")
    write(screen.find("text", "Net Name Field", wizard), "default")
    screen.press("toggle button", "IPv4 configuration", wizard)
    write(screen.find("text", "ipv4-network", wizard), subnet + ".0/24")
    write(screen.find("text", "ipv4-start", wizard), subnet + ".100")
    write(screen.find("text", "ipv4-end", wizard), subnet + ".200")
    screen.press("push button", "Finish", wizard)
    until("the network is up", lambda: "default" in virsh("net-list", "--name"))
    until("the network is shown", lambda: subnet + ".0/24" in screen.texts(host))
    # virt-manager takes a network that starts while it reads the definition for a stopped one; what comes later it learns by events.
    virsh("net-destroy", "default")
    until("the network is shown as stopped", lambda: "Inactive" in screen.texts(host))
    virsh("net-start", "default")
    until("the network is shown as running", lambda: "Active" in screen.texts(host))
    screen.picture("2-networks")


def storage(screen):
    host = screen.window("Connection Details")
    screen.tab(host, "Storage")
    screen.press("push button", "vol-new", host)
    wizard = screen.window("Add a Storage Volume")
    write(screen.field(".qcow2", wizard), "desk")
    screen.find("spin button", "", wizard).queryValue().currentValue = 1.0
    screen.press("push button", "Finish", wizard)
    until("the volume is shown", lambda: "desk.qcow2" in screen.texts(host))
    screen.picture("3-storage")
    path = virsh("vol-path", "--pool", "default", "desk.qcow2")
    screen.menu(host, "File", "Close")
    return path


def create(screen, path):
    manager = screen.window("Virtual Machine Manager")
    screen.press("push button", "New", manager)
    wizard = screen.window("New VM")
    screen.press("radio button", "Import existing disk image", wizard)
    screen.press("push button", "Forward", wizard)
    write(screen.find("text", "import-entry", wizard), path)
    system = screen.find("text", "oslist-entry", wizard)
    system.queryComponent().grabFocus()
    subprocess.run(["xdotool", "type", "--delay", "30", "generic"], check=True, timeout=20)
    time.sleep(1.5)
    subprocess.run(["xdotool", "key", "Down", "Return"], check=True, timeout=20)
    screen.press("push button", "Forward", wizard)
    memory = screen.find("spin button", "", wizard)
    memory.queryValue().currentValue = 256.0
    screen.press("push button", "Forward", wizard)
    write(screen.field("Name:", wizard), "desk")
    screen.picture("4-wizard")
    screen.press("push button", "Finish", wizard)
    until("the domain runs", lambda: "desk" in virsh("list", "--name"), 60)


def machine(screen):
    window = screen.window("desk on", 60)
    until("the console is connected", lambda: any(" on " in title.name and "desk" in title.name for title in screen.windows()))
    time.sleep(5)
    screen.picture("5-console")
    said = " ".join(screen.texts(window))
    assert "rror" not in said, said
    screen.press("radio button", "Details", window)
    for wanted in ("Overview", "Memory", "VirtIO Disk 1", "Controller USB 0"):
        screen.find("table cell", wanted, window, exact=False)
    screen.picture("6-details")
    return window


def snapshots(screen, window):
    screen.press("radio button", "Snapshots", window)
    screen.press("push button", "snapshot-add", window)
    screen.press("push button", "Finish", screen.window("Create snapshot"))
    until("the snapshot is there", lambda: virsh("snapshot-list", "desk", "--name") == "snapshot1", 60)
    screen.find("table cell", "snapshot1", window, exact=False)
    screen.picture("7-snapshots")
    screen.click("push button", "snapshot-start", window)
    screen.click("push button", "Yes")
    until("the domain went back", lambda: "restored" in virsh("domstate", "desk", "--reason")
          or "snapshot" in virsh("domstate", "desk", "--reason"), 60)
    screen.click("push button", "snapshot-delete", window)
    screen.click("push button", "Yes")
    until("the snapshot is gone", lambda: virsh("snapshot-list", "desk", "--name") == "", 60)


def delete(screen, window, path):
    screen.menu(window, "Virtual Machine", "Shut Down", "Force Off")
    screen.click("push button", "Yes")
    until("the domain is off", lambda: virsh("domstate", "desk") == "shut off")
    screen.menu(window, "Virtual Machine", "Delete")
    screen.click("push button", "Delete", screen.window("Delete"))
    screen.click("push button", "Yes")
    until("the domain is gone", lambda: virsh("list", "--all", "--name") == "")
    assert not os.path.exists(path), "the storage is still there"


def main():
    pictures, subnet = sys.argv[1:3]
    screen = Screen("virt-manager", pictures)
    program = subprocess.Popen(["virt-manager", "--no-fork", "--connect", URI], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        manager = screen.window("Virtual Machine Manager", 60)
        connection = screen.find("tree table", "vm-list", manager, 30)
        screen.row(connection, "QEMU/KVM")
        screen.menu(manager, "Edit", "Connection Details")
        screen.window("Connection Details")
        screen.picture("1-connected")
        networks(screen, subnet)
        path = storage(screen)
        create(screen, path)
        window = machine(screen)
        snapshots(screen, window)
        delete(screen, window, path)
        assert program.poll() is None, "virt-manager ended by itself"
        errors = [text for shown in screen.windows() if shows(shown) for text in screen.texts(shown) if "rror" in text]
        assert not errors, errors
    except BaseException:
        screen.picture("failed")
        raise
    finally:
        program.terminate()
        program.wait(20)


if __name__ == "__main__":
    main()
