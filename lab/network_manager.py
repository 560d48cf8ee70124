# SPDX-License-Identifier: Apache-2.0
"""NetworkManager on a host of the lab, with a message bus and folders of its own.

The program comes out of its package, which is unpacked and never installed: an installed one would take over the
interfaces of this machine. It runs in a mount namespace in which /etc, /run and /var/lib are new, with a host name
of its own, and in the network namespace of its host: it sees neither the bus nor the interfaces nor the resolv.conf of
this machine.
"""
import os

from lab.daemons import Program
from lab.interop.package import package
from lab.net import BUILD, ROOT
from lab.run import run

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <auth>EXTERNAL</auth>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{unpacked}/usr/share/dbus-1/system.d/org.freedesktop.NetworkManager.conf</include>
  <include>{root}/dist/nm/nm-ikat-service.conf</include>
</busconfig>
"""
SETTINGS = """[main]
plugins=keyfile
no-auto-default=*
rc-manager=file
dns=default
hostname-mode=none
[logging]
level=INFO
domains=ALL,VPN_PLUGIN:INFO
"""
# `$1`: a folder of this lab, which stays in sight. /sys without write access: NetworkManager waits for no udev then.
START = r"""set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/lab /mnt/etc
mount --bind "$1" /mnt/lab
mount -t tmpfs tmpfs /run
mkdir -p "$1" /run/dbus
mount --move /mnt/lab "$1"
cp -r "$2/." /mnt/etc
cp /etc/passwd /etc/group /etc/ld.so.cache /mnt/etc
mount --bind /mnt/etc /etc
mount -t tmpfs tmpfs /var/lib
mount -o remount,ro /sys
dbus-daemon --config-file=/etc/bus.conf --fork --nopidfile
exec "$3/usr/sbin/NetworkManager" --debug
"""


def unpacked():
    """Where the package of NetworkManager is unpacked."""
    target = os.path.abspath(os.path.join(BUILD, "network-manager"))
    if not os.path.exists(os.path.join(target, "usr/sbin/NetworkManager")):
        run("dpkg", "-x", package("network-manager"), target + ".new")
        os.rename(target + ".new", target)
    return target


class NetworkManager(Program):
    """NetworkManager with the VPN connections of ikat, which talk to `ikatd`."""

    def __init__(self, ikatd):
        super().__init__(ikatd.lab, ikatd.host, "network-manager")
        self.ikatd = ikatd

    def start(self):
        """Starts it, and waits until it answers."""
        etc = self.lab.path(self.name + ".etc")
        os.makedirs(os.path.join(etc, "NetworkManager/VPN"))
        os.makedirs(os.path.join(etc, "NetworkManager/conf.d"))
        files = {"bus.conf": BUS.format(unpacked=unpacked(), root=ROOT), "resolv.conf": "",
                 "NetworkManager/NetworkManager.conf": SETTINGS,
                 "NetworkManager/VPN/nm-ikat-service.name": self._name_file(),
                 "NetworkManager/conf.d/ikat.conf": read("dist/nm/nm-ikat-devices.conf")}
        for name, text in files.items():
            with open(os.path.join(etc, name), "w", encoding="utf-8") as file:
                file.write(text)
        self._launch(["unshare", "-u", "-m", "sh", "-c", START, "sh", self.lab.directory, etc, unpacked()], {})
        return self

    def _name_file(self):
        """The file of the package, with the programs of the build directory."""
        programs = self.lab.path("nm-programs")
        os.makedirs(programs)
        for name, arguments in (("service", f"-s {self.ikatd.socket}"), ("auth-dialog", "")):
            path = os.path.join(programs, "nm-ikat-" + name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(f'#!/bin/sh\nexec {os.path.abspath(BUILD)}/src/nm/nm-ikat-{name} {arguments} "$@"\n')
            os.chmod(path, 0o755)
        return read("dist/nm/nm-ikat-service.name.in").replace("@libexecdir@", programs)

    def _answers(self):
        return self.nmcli("-t", "-f", "RUNNING", "general", check=False).strip() == "running"

    def inside(self, *words, **options):
        """Runs a command where NetworkManager is."""
        return run("nsenter", "-t", str(self.process.pid), "-m", "-n", *words, **options)

    def nmcli(self, *words, **options):
        """The nmcli of the package."""
        return self.inside(os.path.join(unpacked(), "usr/bin/nmcli"), *words, **options)


def read(name):
    """A file of the source."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()
