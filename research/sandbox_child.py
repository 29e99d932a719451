"""The part of the sandbox that runs inside it; a script of the standard library only.

    parent ──> launcher: gives up root, unshares ──> init of the namespace ──> the program
                                                       mounts                   limits, Landlock,
                                                                                seccomp, exec

The launcher reads its job from standard input as JSON (`research.sandbox` writes it) and exits as
the program does, with 128 + N where signal N ended it, and with `NOT_SET_UP` and a line on standard
error where the sandbox could not be made.  Nothing is run outside of it.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys

NOT_SET_UP = 125
NOBODY = 65534
_LIBC = ctypes.CDLL(None, use_errno=True)

# <linux/sched.h>, <linux/mount.h>, <linux/prctl.h>
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)  # fmt: skip
_NAMESPACES = _NEWNS | _NEWUTS | _NEWIPC | _NEWUSER | _NEWPID | _NEWNET
_ANY_NAMESPACE = _NAMESPACES | 0x02000000  # and that of control groups
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446

# system calls that are refused, by machine: the number under which the kernel names the machine,
# then the numbers of the calls
_MACHINES = {
    "x86_64": (0xC000003E, {
        "socket": 41, "ptrace": 101, "setpgid": 109, "setsid": 112, "mount": 165, "umount2": 166,
        "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272, "perf_event_open": 298,
        "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321,
        "userfaultfd": 323, "io_uring_setup": 425, "pidfd_getfd": 438,
    }, {"kill": 62, "rt_sigqueueinfo": 129, "tkill": 200, "tgkill": 234, "pidfd_send_signal": 424},
        56),
    "aarch64": (0xC00000B7, {
        "socket": 198, "ptrace": 117, "setpgid": 154, "setsid": 157, "mount": 40, "umount2": 39,
        "add_key": 217, "request_key": 218, "keyctl": 219, "unshare": 97, "perf_event_open": 241,
        "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280,
        "userfaultfd": 282, "io_uring_setup": 425, "pidfd_getfd": 438,
    }, {"kill": 129, "rt_sigqueueinfo": 138, "tkill": 130, "tgkill": 131, "pidfd_send_signal": 424},
        220),
}  # fmt: skip
_CLONE3 = 435  # its flags are out of a filter's sight: said not to exist, so that clone is used


def main() -> None:
    """Sets the sandbox up and runs the program in it."""
    with open(0, encoding="utf-8", closefd=False) as file:
        job = json.load(file)
    try:
        if job["drop"]:
            _open_to_all(job["readable"])
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            _checked(_LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")  # so /proc/self is ours
        if job["namespaces"]:
            _unshare()
            _exit_as(_fork(lambda: _init(job)))
        _exit_as(_fork(lambda: _program(job)))
    except (OSError, ValueError) as error:
        _give_up(error)


def _open_to_all(readable: list[str]) -> None:
    """Where root's own folders (as /root) hide what the program needs, puts an empty folder in
    their place, for this process and its children, that holds nothing but that."""
    hidden: dict[str, list[str]] = {}
    for path in sorted(readable):
        ancestor = ""
        for name in path.strip("/").split("/")[:-1]:
            ancestor += f"/{name}"
            if not os.stat(ancestor).st_mode & 1:
                hidden.setdefault(ancestor, []).append(path)
                break
    if not hidden:
        return
    _checked(_LIBC.unshare(_NEWNS), "unshare")
    _mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    for ancestor, paths in hidden.items():
        handles = {path: os.open(path, os.O_PATH) for path in paths if os.path.exists(path)}
        _mount(b"tmpfs", os.fsencode(ancestor), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=0755")
        for path, handle in handles.items():
            if os.path.exists(path):
                continue  # inside of another
            here = f"/proc/self/fd/{handle}"
            if os.path.isdir(here):
                os.makedirs(path)
            else:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
            _mount(here.encode(), os.fsencode(path), None, _MS_BIND | _MS_REC, None)
            os.close(handle)


def _unshare() -> None:
    user, group = os.getuid(), os.getgid()
    _checked(_LIBC.unshare(_NAMESPACES), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"),
                       ("gid_map", f"{group} {group} 1")):  # fmt: skip
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _init(job: dict) -> None:
    """The first process of the namespaces: when it ends, the kernel ends all others there."""
    _checked(_LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "death signal")
    _mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    read_only = struct.pack("QQQQ", 1 | 2, 0, 0, 0)  # and no set-user-id programs
    _checked(
        _LIBC.syscall(_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, read_only, len(read_only)),
        "read-only mounts",
    )
    folder, flags = os.fsencode(job["folder"]), _MS_NOSUID | _MS_NODEV
    size = f"size={job['file_bytes']},nr_inodes=4096,mode=0700".encode()
    _mount(b"tmpfs", folder, b"tmpfs", flags, size)
    try:
        _mount(b"proc", b"/proc", b"proc", flags, None)
    except OSError:  # where parts of /proc are hidden from us: then all of it
        _mount(b"tmpfs", b"/proc", b"tmpfs", flags, b"size=4096")
    _exit_as(_fork(lambda: _program(job)))


def _program(job: dict) -> None:
    """Writes the program's files, takes its rights away, and becomes the program."""
    os.chdir(job["folder"])  # its tmpfs, where there is one
    for name, text in job["files"].items():
        path = os.path.join(job["folder"], name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
    stdin = os.memfd_create("stdin")
    os.write(stdin, job["stdin"].encode(errors="surrogatepass"))
    os.lseek(stdin, 0, os.SEEK_SET)
    os.dup2(stdin, 0)
    os.closerange(3, 256)
    for limit, value in (
        (resource.RLIMIT_CPU, (job["cpu_seconds"], job["cpu_seconds"] + 1)),
        (resource.RLIMIT_AS, job["memory_bytes"]),
        (resource.RLIMIT_FSIZE, job["file_bytes"]),
        (resource.RLIMIT_NPROC, job["processes"] + 2),  # the launcher and init count too
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        soft, hard = value if isinstance(value, tuple) else (value, value)
        _, most = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(limit, (soft, hard))
    _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    if job["landlock"]:
        _landlock(job["readable"], job["folder"])
    if job["seccomp"]:
        _seccomp(refuse_signals=not job["namespaces"])
    os.execve(job["python"], [job["python"], "-s", "-B", job["main"]], job["environment"])


# ---- Landlock: which files may be read (https://docs.kernel.org/userspace-api/landlock.html) -----


def landlock_version() -> int:
    """The kernel's version of Landlock's interface; 0 or less where there is none."""
    return _LIBC.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)


def _landlock(readable: list[str], folder: str) -> None:
    version = landlock_version()
    rights = 13 + (version >= 2) + (version >= 3) + (version >= 5)
    everything = (1 << rights) - 1
    # TCP from version 4 on; signals and abstract sockets out of the sandbox from 6 on
    size = 8 if version < 4 else 16 if version < 6 else 24
    attributes = struct.pack("QQQ", everything, 3, 3)[:size]
    rules = _checked(
        _LIBC.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0), "Landlock"
    )
    execute, write_file, read_file, read_folder = 1, 2, 4, 8
    granted = [(path, execute | read_file | read_folder) for path in readable]
    granted += [(path, read_file | write_file)
                for path in ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")]  # fmt: skip
    granted.append((folder, everything))
    for path, allowed in granted:
        try:
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        if not os.path.isdir(path):
            allowed &= execute | write_file | read_file
        rule = struct.pack("=Qi", allowed, beneath)
        _checked(_LIBC.syscall(_LANDLOCK_ADD, rules, 1, rule, 0), f"Landlock of {path}")
        os.close(beneath)
    _checked(_LIBC.syscall(_LANDLOCK_RESTRICT, rules, 0), "Landlock")
    os.close(rules)


# ---- seccomp: which system calls are refused ---------------------------------------------------


def has_seccomp() -> bool:
    """Whether the system calls of this machine are known here."""
    return sys.platform == "linux" and platform.machine() in _MACHINES


def _seccomp(refuse_signals: bool) -> None:
    """Installs a filter (classic BPF): refused calls fail with EPERM, those of another machine's
    numbering end the process."""
    architecture, refused, signals, clone = _MACHINES[platform.machine()]
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, eperm, enosys, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
    numbers = [*refused.values(), *(signals.values() if refuse_signals else ())]
    code = [
        (load, 0, 0, 4), (equal, 1, 0, architecture), (answer, 0, 0, kill),
        (load, 0, 0, 0), (at_least, 0, 1, 0x40000000), (answer, 0, 0, kill),
        (equal, 0, 1, _CLONE3), (answer, 0, 0, enosys),
    ]  # fmt: skip
    for number in numbers:
        code += [(equal, 0, 1, number), (answer, 0, 0, eperm)]
    code += [
        (equal, 0, 3, clone), (load, 0, 0, 16), (any_bit, 0, 1, _ANY_NAMESPACE),
        (answer, 0, 0, eperm), (answer, 0, 0, allow),
    ]  # fmt: skip
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    filter_ = struct.pack("HP", len(code), ctypes.addressof(program))
    _checked(_LIBC.prctl(_PR_SET_SECCOMP, 2, filter_, 0, 0), "seccomp")


# ---- small things -------------------------------------------------------------------------------


def _mount(
    source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes | None
) -> None:
    result = _LIBC.mount(source, target, kind, ctypes.c_ulong(flags), data)
    _checked(result, f"mount {target.decode()}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _fork(inside) -> int:
    """Runs something in a child that never comes back from it; waits for the child."""
    child = os.fork()
    if child == 0:
        try:
            inside()
        except BaseException as error:
            _give_up(error)
        os._exit(NOT_SET_UP)
    while True:  # the init of a namespace is also the parent of its orphans
        done, status = os.wait()
        if done == child:
            return status


def _exit_as(status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _give_up(error: BaseException) -> None:
    os.write(2, f"sandbox: {error}\n".encode(errors="replace"))
    os._exit(NOT_SET_UP)


if __name__ == "__main__":
    main()
