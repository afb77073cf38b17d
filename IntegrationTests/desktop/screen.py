# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Finding and pressing things in the windows of one GTK program, through its accessibility interface (AT-SPI)."""
import os
import subprocess
import time

import pyatspi


class NotShown(Exception):
    """What was looked for is not on the screen."""


class Screen:
    def __init__(self, program, pictures):
        self.program, self.pictures = program, pictures

    def windows(self):
        found = []
        for program in pyatspi.Registry.getDesktop(0):
            if program and program.name == self.program:
                found += [window for window in program if window]
        return found

    def window(self, title, seconds=20):
        """The window whose title contains this."""
        return self._wait(seconds, "window '%s'" % title, lambda: next(
            (window for window in self.windows() if title.lower() in window.name.lower() and shows(window)), None))

    def find(self, role, name, within=None, seconds=15, exact=True):
        """What of this role and name is shown, and can be used."""
        def look():
            for root in [within] if within else self.windows():
                for node in nodes(root):
                    try:
                        if (node.getRoleName() == role and (node.name == name if exact else name in node.name)
                                and shows(node, pyatspi.STATE_SENSITIVE)):
                            return node
                    except Exception:  # pylint: disable=broad-except -- it may go while it is looked at
                        continue
            return None
        return self._wait(seconds, "%s '%s'" % (role, name), look)

    def press(self, role, name, within=None, seconds=15):
        self.find(role, name, within, seconds).queryAction().doAction(0)
        time.sleep(0.3)

    def click(self, role, name, within=None, seconds=15):
        """As `press`, with the mouse: what opens a dialog that is waited for does not answer AT-SPI until that is closed."""
        place = self.find(role, name, within, seconds).queryComponent().getExtents(pyatspi.DESKTOP_COORDS)
        subprocess.run(["xdotool", "mousemove", str(place.x + min(place.width, 40) // 2), str(place.y + place.height // 2),
                        "sleep", "0.2", "click", "1"], check=True, timeout=20)
        time.sleep(0.5)

    def menu(self, window, *names):
        for name in names[:-1]:
            self.click("menu", name, window)
        self.click("menu item", names[-1], window)

    def tab(self, window, name):
        tab = self.find("page tab", name, window)
        tab.parent.querySelection().selectChild(tab.getIndexInParent())
        time.sleep(0.3)

    def field(self, label, window):
        """The text field that shares its panel with a label."""
        panel = self.find("label", label, window).parent
        return next(node for node in nodes(panel) if node.getRoleName() == "text" and shows(node))

    def row(self, table, name):
        """Selects the row of a tree whose cell contains this."""
        cell = self.find("table cell", name, table, exact=False)
        while cell.parent != table:
            cell = cell.parent
        rows = table.queryTable()
        rows.addRowSelection(rows.getRowAtIndex(cell.getIndexInParent()))
        time.sleep(0.3)

    def texts(self, window):
        """Everything that the window says now."""
        return [node.name for node in nodes(window) if node.name and shows(node)]

    def picture(self, name):
        subprocess.run(["import", "-window", "root", os.path.join(self.pictures, name + ".png")], check=True, timeout=20)

    def _wait(self, seconds, what, look):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            time.sleep(0.2)
        raise NotShown("no %s after %g s; there are the windows %s" % (what, seconds, [window.name for window in self.windows()]))


def write(field, text):
    field.queryEditableText().setTextContents(text)
    time.sleep(0.2)


def nodes(node, depth=0):
    yield node
    if depth < 40:
        try:
            children = [child for child in node if child]
        except Exception:  # pylint: disable=broad-except -- it may go while it is looked at
            return
        for child in children:
            yield from nodes(child, depth + 1)


def shows(node, also=None):
    try:
        state = node.getState()
        return state.contains(pyatspi.STATE_SHOWING) and (also is None or state.contains(also))
    except Exception:  # pylint: disable=broad-except -- it may go while it is looked at
        return False
