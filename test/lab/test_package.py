# SPDX-License-Identifier: Apache-2.0
"""The Debian package: it builds, lintian has nothing to say, and it installs, upgrades, and goes without a trace.

The package is installed over the files of this host, in an overlay that only one mount namespace sees.
"""
import os
import shutil
import subprocess

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
INSTALLED = ["/usr/sbin/ikatd", "/usr/bin/ikat", "/usr/bin/ikat-exporter", "/usr/share/ikat/prometheus/ikat.rules.yml",
             "/lib/systemd/system/ikatd.service", "/lib/systemd/system/ikatd.socket",
             "/lib/systemd/system/ikat-exporter.service", "/usr/lib/sysusers.d/ikat.conf", "/etc/ikat/ikat.conf.example",
             "/etc/logrotate.d/ikat", "/usr/share/ikat/schema/audit.schema.json", "/usr/share/man/man8/ikatd.8.gz",
             "/usr/share/man/man5/ikat.conf.5.gz", "/usr/share/bash-completion/completions/ikat"]
IN_OVERLAY = """set -eu
mount -t tmpfs tmpfs {folder}/overlay
mkdir {folder}/overlay/upper {folder}/overlay/work {folder}/overlay/root
cd {folder}/overlay
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount -t proc proc {folder}/overlay/root/proc
mount -t tmpfs tmpfs {folder}/overlay/root/tmp
cp {package} {folder}/overlay/root/tmp/ikat.deb
cat >{folder}/overlay/root/tmp/inside
printf '#!/bin/sh\nexit 101\n' >{folder}/overlay/root/usr/sbin/policy-rc.d
chmod +x {folder}/overlay/root/usr/sbin/policy-rc.d
exec chroot {folder}/overlay/root sh /tmp/inside
"""


def run(*command, text_in=None, cwd=None):
    done = subprocess.run(command, input=text_in, cwd=cwd, check=False, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module", name="package")
def built(tmp_path_factory):
    """The .deb of this tree, built as a Debian user builds it, and its .changes."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "ikat"
    names = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    for name in filter(None, names):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(os.path.join(ROOT, name), target, follow_symlinks=False)
    environment = dict(os.environ, DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=2")
    done = subprocess.run(["dpkg-buildpackage", "-us", "-uc", "-b"], cwd=source, env=environment, check=False,
                          capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    deb, = folder.glob("ikat_*.deb")
    changes, = folder.glob("ikat_*.changes")
    return deb, changes


def inside(package, tmp_path, script):
    """Runs a script as root of a system that is this host's, and is thrown away behind it."""
    (tmp_path / "overlay").mkdir()
    around = IN_OVERLAY.format(folder=tmp_path, package=package[0])
    return run("unshare", "-m", "sh", "-c", around, text_in="set -eu\n" + script)


def test_lintian_is_silent(package):
    assert run("lintian", "--allow-root", str(package[1])) == ""


def test_installs_and_goes_without_a_trace(package, tmp_path):
    """Installed, installed again over itself with a configuration of the user's, removed, purged."""
    present = " && ".join(f"test -e {path}" for path in INSTALLED)
    gone = " && ".join(f"! test -e {path}" for path in INSTALLED if not path.startswith("/etc"))
    said = inside(package, tmp_path, f"""
        dpkg -i /tmp/ikat.deb >/dev/null
        {present}
        getent passwd ikat-engine >/dev/null && echo user
        stat -c %a /etc/ikat
        ikatd --check -c /etc/ikat && echo checked
        echo 'connections {{ a {{ remote_addrs = 192.0.2.1 }} }}' >/etc/ikat/mine.conf
        dpkg -i /tmp/ikat.deb >/dev/null
        test -e /etc/ikat/mine.conf && echo kept
        dpkg -r ikat >/dev/null
        {gone}
        test -e /etc/ikat/mine.conf && echo kept
        mkdir -p /var/log/ikat /var/lib/ikat && touch /var/log/ikat/audit.log
        dpkg -P ikat >/dev/null
        ! test -e /etc/ikat/ikat.conf.example && ! test -e /etc/logrotate.d/ikat && echo purged
        ! test -e /var/log/ikat && ! test -e /var/lib/ikat && echo clean
    """)
    assert said.split() == ["user", "750", "checked", "kept", "kept", "purged", "clean"]


# systemctl of a host where the units in /tmp/enabled are enabled, and those in /tmp/active run.
SYSTEMCTL = """#!/bin/sh
echo "$@" >>/tmp/calls
for unit; do :; done
case " $* " in
*" preset "*) echo "$unit" >>/tmp/enabled ;;
*" is-enabled "*) grep -qx "$unit" /tmp/enabled && echo enabled ;;
*" is-active "*) grep -qx "$unit" /tmp/active ;;
esac
"""
CALLS = "grep -E '(start|stop|restart) ' /tmp/calls | sed 's/--[a-z]* //g; s/ /:/g' || :; : >/tmp/calls; echo then"


def test_units_run_and_stop_with_the_package(package, tmp_path):
    """An upgrade keeps the control socket, and a removal leaves no unit behind that starts a program that is gone."""
    said = inside(package, tmp_path, f"""
        mkdir -p /run/systemd/system
        cat >/usr/bin/systemctl <<'END'
{SYSTEMCTL}END
        rm /usr/sbin/policy-rc.d
        : >/tmp/active
        : >/tmp/enabled
        dpkg -i /tmp/ikat.deb >/dev/null 2>&1
        {CALLS}
        echo ikatd.service >/tmp/active
        dpkg -i /tmp/ikat.deb >/dev/null 2>&1
        {CALLS}
        echo 'ikatd.service ikatd.socket ikat-exporter.service' | tr ' ' '\\n' | tee /tmp/enabled >/tmp/active
        touch /run/ikat.vici
        dpkg -i /tmp/ikat.deb >/dev/null 2>&1
        {CALLS}
        test -e /run/ikat.vici
        dpkg -r ikat >/dev/null 2>&1
        {CALLS}
        ! test -e /run/ikat.vici
        dpkg -P ikat >/dev/null 2>&1
        find /etc/systemd /var/lib/systemd -name 'ikat*'
    """)
    first, again, enabled, removed, purged = [part.split() for part in said.split("then\n")]
    assert first == ["start:ikatd.service"]
    assert again == ["restart:ikatd.service"]
    assert enabled == ["restart:ikatd.service", "restart:ikat-exporter.service", "start:ikatd.socket"]
    assert removed == ["stop:ikatd.socket", "stop:ikat-exporter.service", "stop:ikatd.service"]
    assert not purged


def test_files_come_from_one_place(package, tmp_path):
    """`make install` and the packages put the same files on a host, but for the library, which has no package."""
    staged = tmp_path / "staged"
    build = os.path.abspath(os.path.join(ROOT, os.environ.get("IKAT_BUILD", "build")))
    run("meson", "install", "-C", build, "--no-rebuild", "--destdir", str(staged))
    here = {os.path.basename(name) for _, _, names in os.walk(staged) for name in names}
    debs = package[0], next(package[0].parent.glob("network-manager-ikat_*.deb"))
    listed = "".join(run("dpkg-deb", "-c", str(deb)) for deb in debs)
    there = {os.path.basename(line.split()[5]).removesuffix(".gz") for line in listed.splitlines() if not line.startswith("d")}
    library = {name for name in here if name.startswith("libikat.")} | {"ikat.h"}
    assert here - library <= there and not library & there and len(library) == 7
    assert there - here == {"changelog", "copyright", "ikat", "network-manager-ikat"} - here
