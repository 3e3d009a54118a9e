"""The seccomp filter of system calls that an agent may not make, for bubblewrap's `--seccomp`.

It is a deny list, since a coding agent runs compilers, shells and interpreters whose calls are not known in advance. It
refuses calls that reach what namespaces do not separate (keys, host-side sockets, the kernel's settings), that give
rights inside a new namespace, or whose kernel code is large and has often had vulnerabilities. Calls that are newer
than the list fail with ENOSYS. Programs fall back to older calls for all of these.

The filter is classic BPF over `struct seccomp_data` (linux/seccomp.h): the call's number at offset 0, the architecture
at 4, the low half of argument i at 16 + 8·i. The checked arguments are 32 bits wide in the kernel. Numbers are from the
kernel's tables for x86-64 and the generic one (aarch64); those from 424 on are the same in both.
"""

import errno
import struct
from collections.abc import Collection

REFUSED: dict[str, tuple[int | None, int | None]] = {
    # Keys: keyrings belong to users and sessions, not to a namespace.
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # Interfaces of the kernel that are large and that no agent needs.
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "userfaultfd": (323, 282), "perf_event_open": (298, 241), "bpf": (321, 280), "fanotify_init": (300, 262),
    "modify_ldt": (154, None), "uselib": (134, None), "memfd_secret": (447, 447), "remap_file_pages": (216, 234),
    # Namespaces and mounts.
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467), "statmount": (457, 457), "listmount": (458, 458),
    "open_by_handle_at": (304, 265), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    # Other processes, and memory and page cache that are shared with them.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "cachestat": (451, 451), "move_pages": (279, 239),
    "migrate_pages": (256, 238), "lookup_dcookie": (212, 18),
    # The kernel's modules, log, clock and switches.
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "syslog": (103, 116), "acct": (163, 89), "swapon": (167, 224),
    "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161), "setdomainname": (171, 162),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "iopl": (172, None), "ioperm": (173, None), "vhangup": (153, 58), "nfsservctl": (180, 42), "ustat": (136, None),
    "sysfs": (139, None), "_sysctl": (156, None), "create_module": (174, None), "get_kernel_syms": (177, None),
    "query_module": (178, None),
}  # fmt: skip
"""Numbers of the refused calls on x86-64 and aarch64; None where the architecture lacks the call."""

FAMILIES = {"unix": 1, "inet": 2, "inet6": 10}
"""Allowed socket families. Others, such as vsock (to the hypervisor), netlink, packet and alg, are refused."""
PROTOCOLS = {"by type": 0, "tcp": 6, "udp": 17}
"""Allowed protocols of sockets."""

NEWEST = 469
"""The highest number of a system call in Linux 6.18, for which the list was made."""

_NEW_NAMESPACES = 0x7E020000
"""The flags CLONE_NEW… for cgroup, UTS, IPC, user, PID, network and mount namespaces. CLONE_NEWTIME (bit 7) is no flag
of clone(2)."""
_CLONE, _CLONE3, _SOCKET, _SOCKETPAIR = (56, 220), 435, (41, 198), (53, 199)
_IOCTL, _TIOCSTI, _TIOCLINUX = (16, 29), 0x5412, 0x541C
_PERSONALITY, _ASK, _LINUX = (135, 92), 0xFFFFFFFF, 0

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "arm64": 0xC00000B7}
_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000

Instruction = tuple[int, int, int, int]
"""A BPF instruction: code, jump if true, jump if false, constant."""


class UnsupportedMachine(OSError):
    """There is no table of system calls for this machine."""


def filter_program(machine: str) -> bytes:
    """Return the filter as BPF bytes.

    Args:
        machine: The architecture, as in `os.uname().machine`.

    Raises:
        UnsupportedMachine: There is no table for this architecture.
    """
    if machine not in _AUDIT:
        raise UnsupportedMachine(f"no table of system calls for {machine!r}; there is one for x86_64 and aarch64")
    column = 0 if machine == "x86_64" else 1
    code: list[Instruction] = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _AUDIT[machine]), (_RETURN, 0, 0, _KILL)]
    # This also refuses the x32 ABI, whose numbers begin at 2³⁰. clone3 is refused because its flags are in memory,
    # where the filter cannot read them.
    code += [(_LOAD, 0, 0, 0), (_ABOVE, 0, 1, NEWEST), _refusal(errno.ENOSYS)]
    code += [(_EQUAL, 0, 1, _CLONE3), _refusal(errno.ENOSYS)]
    for numbers in REFUSED.values():
        number = numbers[column]
        if number is not None:
            code += [(_EQUAL, 0, 1, number), _refusal(errno.EPERM)]
    code += _for_call(_CLONE[column], [_argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), _refusal(errno.EPERM)])
    family = [_argument(0), *_one_of(FAMILIES.values(), errno.EAFNOSUPPORT)]
    code += _for_call(_SOCKETPAIR[column], family)
    code += _for_call(_SOCKET[column], [*family, _argument(2), *_one_of(PROTOCOLS.values(), errno.EPROTONOSUPPORT)])
    # Both insert characters into a terminal's input.
    terminal_input = [(_EQUAL, 1, 0, _TIOCSTI), (_EQUAL, 0, 1, _TIOCLINUX), _refusal(errno.EPERM)]
    code += _for_call(_IOCTL[column], [_argument(1), *terminal_input])
    code += _for_call(_PERSONALITY[column], [_argument(0), *_one_of((_ASK, _LINUX), errno.EPERM)])
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _argument(index: int) -> Instruction:
    """Load the low half of a system call's argument."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _refusal(error: int) -> Instruction:
    """Make the call fail with an error number."""
    return (_RETURN, 0, 0, _ERRNO | error)


def _one_of(values: Collection[int], error: int) -> list[Instruction]:
    """Refuse the call, with an error number, unless the loaded argument is one of `values`."""
    # An equal value jumps over the remaining comparisons and the refusal.
    comparisons = [(_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [*comparisons, _refusal(error)]


def _for_call(number: int, block: list[Instruction]) -> list[Instruction]:
    """Apply `block` to one system call, and allow the call if no instruction of the block returns."""
    return [(_EQUAL, 0, len(block) + 1, number), *block, (_RETURN, 0, 0, _ALLOW)]
