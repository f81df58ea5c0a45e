"""Runs a program under what a systemd unit allows, as far as that goes without systemd.

    confined.py UNIT FOLDER PROGRAM ARGUMENT…

The system calls are filtered as SystemCallFilter=, MemoryDenyWriteExecute=, RestrictAddressFamilies=,
RestrictNamespaces=, RestrictRealtime=, RestrictSUIDSGID= and LockPersonality= of the unit say, by libseccomp. As root, nothing but
FOLDER can be written (ProtectSystem=strict), devices, /proc and homes are as the unit has them, and the program is
nobody, without capabilities. Exits with 77 where this machine cannot do it.
"""
import ctypes
import errno
import os
import re
import socket
import subprocess
import sys

NOBODY = 65534
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
CMP_EQ, CMP_MASKED_EQ = 4, 7
EXEC, WRITE = 4, 2  # of mmap's prot
NAMESPACES = 0x7E020000  # CLONE_NEW*
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
libc = ctypes.CDLL(None, use_errno=True)


def give_up(why):
    print(f"skipped: {why}")
    sys.exit(77)


def unit_of(path):
    """{key: [value…]}"""
    unit = {}
    with open(path) as f:
        for line in f:
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith("#"):
                unit.setdefault(key, []).append(value)
    return unit


def is_on(unit, key):
    return unit.get(key, ["no"])[-1] in ("yes", "true", "strict", "invisible", "pid", "closed")


# ---- system calls ----


def groups():
    """{@group: what is in it}, as systemd knows them."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], text=True,
                          capture_output=True, check=True).stdout
    return {block.split("\n", 1)[0]: re.findall(r"^ +([@a-z0-9_-]+)$", block, re.M)
            for block in re.split(r"\n(?=@)", "\n" + text) if block.startswith("@")}


def allowed_calls(unit):
    known = groups()

    def calls_of(name):
        return set().union(*map(calls_of, known[name])) if name.startswith("@") else {name}

    calls = set()
    for line in unit["SystemCallFilter"]:
        named = set().union(*map(calls_of, line.lstrip("~").split()))
        calls = calls - named if line.startswith("~") else calls | named
    return calls | calls_of("@default")


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


def conditions(unit):
    """{call: [condition…]}: allowed where one of them holds; none: never."""
    clear = lambda arg, mask: Compare(arg, CMP_MASKED_EQ, mask, 0)  # noqa: E731
    some = {"clone3": []}  # systemd makes it ENOSYS, where glibc falls back to clone
    if is_on(unit, "MemoryDenyWriteExecute"):
        some.update(mmap=[clear(2, EXEC), clear(2, WRITE)], mprotect=[clear(2, EXEC)],
                    pkey_mprotect=[clear(2, EXEC)], shmat=[clear(2, 0o100000)])
    if is_on(unit, "RestrictNamespaces"):
        some.update(clone=[clear(0, NAMESPACES)], unshare=[], setns=[])
    if is_on(unit, "RestrictRealtime"):
        some["sched_setscheduler"] = [Compare(1, CMP_EQ, policy, 0) for policy in (0, 3, 5)]
    if is_on(unit, "RestrictSUIDSGID"):
        some.update(chmod=[clear(1, 0o6000)], fchmod=[clear(1, 0o6000)], fchmodat=[clear(2, 0o6000)])
    if is_on(unit, "LockPersonality"):
        some["personality"] = []
    families = unit["RestrictAddressFamilies"][0].split()
    number = {"AF_NETLINK": 16}
    some["socket"] = [Compare(0, CMP_EQ, int(number.get(f) or getattr(socket, f)), 0)
                      for f in families]
    return some


def filter_calls(unit, seccomp, allowed):
    denied = getattr(errno, unit.get("SystemCallErrorNumber", ["EPERM"])[0])
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ERRNO | denied))
    some = conditions(unit)
    for call in sorted(allowed):
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            continue  # of another machine
        for condition in some.get(call, [None]):
            n = 0 if condition is None else 1
            if seccomp.seccomp_rule_add_array(context, ALLOW, number, n,
                                              condition and ctypes.byref(condition)):
                raise OSError(f"seccomp: no rule for {call}")
    clone3 = seccomp.seccomp_syscall_resolve_name(b"clone3")
    seccomp.seccomp_rule_add_array(context, ERRNO | errno.ENOSYS, clone3, 0, None)
    if seccomp.seccomp_load(context):  # sets no_new_privs, too
        raise OSError("seccomp: cannot load the filter")


# ---- what it sees of the system ----


def mount(source, target, kind, flags, data=None):
    if libc.mount(*(x and os.fsencode(x) for x in (source, target, kind)), flags,
                  data and os.fsencode(data)):
        raise OSError(ctypes.get_errno(), f"mount {target}: {os.strerror(ctypes.get_errno())}")


def mounts():
    with open("/proc/self/mountinfo") as f:
        return [line.split()[4].encode().decode("unicode_escape") for line in f]


def hide_system(unit, folder):
    """A mount namespace in which folder alone can be written."""
    if libc.unshare(0x00020000 | 0x08000000 | 0x04000000):  # mounts, IPC, host name
        give_up(f"no namespace of its own: {os.strerror(ctypes.get_errno())}")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount(folder, folder, None, MS_BIND)
    if is_on(unit, "ProtectSystem"):
        for path in mounts():
            if path != folder and not path.startswith(("/proc", "/sys", "/dev")):
                try:
                    mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY)
                except OSError:
                    pass  # one that lies beneath another
    if is_on(unit, "ProtectHome") and not folder.startswith("/home"):
        for path in ("/home", "/root"):
            if os.path.isdir(path):
                mount("tmpfs", path, "tmpfs", MS_RDONLY, "mode=000")
    if is_on(unit, "ProcSubset"):
        mount("proc", "/proc", "proc", 0, "subset=pid,hidepid=invisible")


def drop_privileges(unit):
    assert unit["CapabilityBoundingSet"] == [""] and unit["AmbientCapabilities"] == [""]
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def main():
    unit, folder, program = unit_of(sys.argv[1]), os.path.realpath(sys.argv[2]), sys.argv[3:]
    try:
        seccomp = ctypes.CDLL("libseccomp.so.2")
        allowed = allowed_calls(unit)
    except (OSError, subprocess.CalledProcessError) as e:
        give_up(f"no libseccomp, or no systemd-analyze: {e}")
    os.umask(int(unit["UMask"][0], 8))
    if os.getuid() == 0:
        try:
            hide_system(unit, folder)
        except OSError as e:
            give_up(str(e))
    os.chdir(folder)
    libc.prctl(1, 9, 0, 0, 0)  # dies with its parent
    if os.getuid() == 0:
        drop_privileges(unit)
        libc.prctl(1, 9, 0, 0, 0)  # a change of user has cleared it
    filter_calls(unit, seccomp, allowed)
    os.execv(program[0], program)


main()
