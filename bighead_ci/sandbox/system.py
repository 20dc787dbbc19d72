"""What every program needs of a Linux system, and what says nothing about anybody."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/opt/venv")
SETTINGS = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/mime.types",
    "/etc/fonts",
    "/etc/OpenCL",
)
NETWORK = (
    "/etc/resolv.conf",
    "/run/systemd/resolve/stub-resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/ca-certificates",
)
"""Needed to find and to trust other machines."""
PROCESSORS = ("/sys/devices/system/cpu", "/sys/devices/system/node")
MACHINE = (
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/version",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/cap_last_cap",
    "/proc/sys/vm/overcommit_memory",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def system_paths(*, network: bool) -> list[str]:
    """Of the system, those that are there."""
    return [path for path in (*PROGRAMS, *SETTINGS, *(NETWORK if network else ())) if Path(path).exists()]


def outermost(paths: Iterable[Path]) -> list[Path]:
    """Without those that lie below another one or are part of the system: they are there with it."""
    seen: list[Path] = []
    for path in sorted({*paths}, key=lambda one: len(one.parts)):
        if not any(path.is_relative_to(one) for one in seen) and not path.is_relative_to("/usr"):
            seen.append(path)
    return seen
