"""A seccomp filter: which system calls a confined process does not have. Standard library only, see `confine`.

Numbers are those of the kernel's headers; `aarch64` follows its generic table.
"""

from __future__ import annotations

import errno
import platform
import struct

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16
"""Offsets in what the filter sees; of an argument the lower half (both machines are little-endian)."""
_X32 = 0x40000000
"""From here on x86_64 has a second table of the same calls."""
_NEW_NAMESPACES = 0x7E020080
"""CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_INTERNET = (2, 10, 16)
"""AF_INET, AF_INET6, AF_NETLINK (by which names are looked up)."""
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# name: (x86_64, aarch64); None where the machine has no such call.
_KERNEL = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "vhangup": (153, 58),
    "personality": (135, 92),
    "iopl": (172, None),
    "ioperm": (173, None),
}
"""What no program that computes needs, and what has been a way out of sandboxes."""
_SHARED = {
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "truncate": (76, 45),
    "setpriority": (141, 140),
}
"""What reaches other processes and files of the same user where no namespace stands between, and Landlock neither."""
_PRETENDED = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}
"""Landlock does not hold them; they succeed and do nothing, since copying a file calls them."""
_SIGNALS = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
}
_CLONE, _CLONE3, _SOCKET, _PRLIMIT = (56, 220), (435, 435), (41, 198), (302, 261)


def machine_is_known() -> bool:
    """Whether there is a table of this machine's system calls."""
    return platform.machine() in _MACHINES


def namespaces_filter() -> bytes:
    """The filter of a process that namespaces hold: only what reaches the kernel itself is taken away."""
    return _filter(_KERNEL, {}, sockets=None, own_limits=False)


def kernel_filter(*, network: bool, signals: bool) -> bytes:
    """The filter of a process that Landlock holds and no namespace.

    Args:
        network: Leave sockets of the internet.
        signals: Leave signals, since Landlock keeps them within.
    """
    denied = _KERNEL | _SHARED | ({} if signals else _SIGNALS)
    return _filter(denied, _PRETENDED, sockets=_INTERNET if network else (), own_limits=True)


Calls = dict[str, tuple[int, int]] | dict[str, tuple[int, int | None]]


def _filter(denied: Calls, pretended: Calls, *, sockets: tuple[int, ...] | None, own_limits: bool) -> bytes:
    architecture, column = _MACHINES[platform.machine()]
    refuse, nothing = ERRNO | errno.EPERM, ERRNO
    code = [(_LOAD, 0, 0, _MACHINE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, KILL), (_LOAD, 0, 0, _NUMBER)]
    if column == 0:
        code += _when(_AT_LEAST, _X32, [(_RETURN, 0, 0, ERRNO | errno.ENOSYS)])
    for calls, answer in ((denied, refuse), (pretended, nothing)):
        for numbers in calls.values():
            number = numbers[column]
            if number is not None:
                code += _when(_EQUAL, number, [(_RETURN, 0, 0, answer)])
    # What clone3 is asked is not in its arguments: libraries then ask clone.
    code += _when(_EQUAL, _CLONE3[column], [(_RETURN, 0, 0, ERRNO | errno.ENOSYS)])
    flagged = [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), (_RETURN, 0, 0, refuse)]
    code += _when(_EQUAL, _CLONE[column], [*flagged, (_RETURN, 0, 0, ALLOW)])
    if sockets is not None:
        families = [one for family in sockets for one in _when(_EQUAL, family, [(_RETURN, 0, 0, ALLOW)])]
        asked = [(_LOAD, 0, 0, _FIRST_ARGUMENT), *families, (_RETURN, 0, 0, refuse)]
        code += _when(_EQUAL, _SOCKET[column], asked)
    if own_limits:
        mine = [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 1, 0, 0), (_RETURN, 0, 0, refuse), (_RETURN, 0, 0, ALLOW)]
        code += _when(_EQUAL, _PRLIMIT[column], mine)
    code.append((_RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("HBBI", *one) for one in code)


def _when(test: int, value: int, then: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    return [(test, 0, len(then), value), *then]
