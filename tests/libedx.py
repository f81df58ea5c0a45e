"""libedx as it is installed: exactly the public names, no state of its own, a header for C and C++; the two
programs of its manual page compile against it, publish a frame and show its maps; and tests/libedx_use
finds everything as edx.h says."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.path.abspath(os.environ.get("EDX_SRCDIR", "."))
BUILD = os.path.abspath(os.environ.get("EDX_BUILDDIR", "build"))
CC = shlex.split(os.environ.get("CC") or "cc")
SANITIZERS = shlex.split(os.environ.get("EDX_SANITIZERS", ""))
NM = shlex.split(os.environ.get("NM") or "nm")
TIMEOUT_S = 120
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wpedantic", "-Werror"]


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, **more)
    if done.returncode:
        raise AssertionError(f"{shlex.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def install(into):
    """Library, header and .pc file, as make install puts them."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    run("make", "-C", BUILD, f"DESTDIR={into}", "install-libLTLIBRARIES", "install-includeHEADERS",
        "install-nodist_pkgconfigDATA", env=environment)
    found = [folder for folder, _, files in os.walk(into) if "libedx.pc" in files]
    assert len(found) == 1, found
    return found[0]


def page_text():
    """What a reader of the page sees, without its line breaks at hyphens."""
    page = run("groff", "-mandoc", "-Tascii", "-P-cbou", os.path.join(SOURCE, "man", "libedx.3"))
    return re.sub("\x1b\\[[0-9;]*m|.\b", "", page)


def programs():
    """The programs of the page: from their first comment to the brace that ends main."""
    lines, found = page_text().splitlines(), {}
    for i, line in enumerate(lines):
        if name := re.match(r" *(/\* (\w+) ENDPOINT: .*)", line):
            margin = len(line) - len(name[1])
            text = lines[i:lines.index(" " * margin + "}", lines.index(" " * margin + "int main(int argc, char **argv)", i)) + 1]
            found[name[2]] = "\n".join(line[margin:] for line in text) + "\n"
    return found


class Libedx(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="edx")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.root = os.path.join(cls.folder, "root")
        pc = install(cls.root)
        cls.env = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=cls.root, PKG_CONFIG_PATH=pc)
        cls.lib = os.path.dirname(pc)
        cls.flags = run("pkg-config", "--cflags", "--libs", "libedx", env=cls.env).split()
        cls.env["LD_LIBRARY_PATH"] = cls.lib
        with open(os.path.join(SOURCE, "lib", "edx.h"), encoding="utf-8") as f:
            cls.header = f.read()

    def setUp(self):
        self.daemon = None
        self.here = tempfile.mkdtemp(dir=self.folder)

    def tearDown(self):
        if self.daemon:
            self.daemon.kill()
            self.daemon.communicate()

    def end(self, name):
        return f"ipc://{self.here}/{name}.socket"

    def start_daemon(self, *settings):
        ends = [f"{what}.endpoint={self.end(what)}" for what in ("ingest", "publish", "control")]
        arguments = [a for s in (*ends, f"output.dir={self.here}/runs", *settings) for a in ("-s", s)]
        self.daemon = subprocess.Popen([os.path.join(BUILD, "edxd"), "-c", os.devnull, *arguments],
                                       stderr=subprocess.PIPE, text=True)
        while "ready" not in (line := self.daemon.stderr.readline()):
            self.assertTrue(line, "edxd ended")

    def stop_daemon(self):
        self.daemon.terminate()
        self.daemon.communicate(timeout=TIMEOUT_S)
        self.assertEqual(self.daemon.returncode, 0)

    def compile(self, name, text):
        source, program = os.path.join(self.here, name + ".c"), os.path.join(self.here, name)
        with open(source, "w", encoding="utf-8") as f:
            f.write(text)
        run(*CC, "-std=c11", *WARNINGS, *SANITIZERS, source, "-o", program, *self.flags, env=self.env)
        return program

    def test_names(self):
        """Library, map, header and manual page name the same functions, and there is nothing else."""
        public = {line.split()[-1].split("@")[0] for line in
                  run(*NM, "-D", "--defined-only", os.path.join(self.lib, "libedx.so")).splitlines()
                  if " A " not in line}
        declared = set(re.findall(r"\b(edx_\w+)\(", re.sub(r"/\*.*?\*/", "", self.header, flags=re.S)))
        with open(os.path.join(SOURCE, "lib", "libedx.map"), encoding="utf-8") as f:
            mapped = set(re.findall(r"edx_\w+", f.read()))
        with open(os.path.join(SOURCE, "man", "libedx.3"), encoding="utf-8") as f:
            documented = set(re.findall(r"^\.Fn (edx_\w+)", f.read(), flags=re.M))
        self.assertGreater(len(declared), 20)
        self.assertEqual(mapped, declared)
        self.assertEqual(documented, declared)
        if not SANITIZERS:
            self.assertEqual(public, declared)

    def test_no_state(self):
        """Nothing that can be written but what the compiler puts into every library."""
        if SANITIZERS:
            self.skipTest("sanitizers keep state in the library")
        table = run("objdump", "-t", os.path.join(self.lib, "libedx.so"))
        state = {line.split()[-1] for line in table.splitlines()
                 if re.search(r" O \.(data|bss|tdata|tbss)\s", line)}
        self.assertIn(" O .rodata", table)
        self.assertEqual(state - {"__dso_handle", "completed.0", "__TMC_END__", "__cpu_model",
                                  "__cpu_features2"}, set())

    def test_soname(self):
        dynamic = run("readelf", "-d", os.path.join(self.lib, "libedx.so"))
        self.assertIn("[libedx.so.1]", dynamic)
        needed = re.findall(r"NEEDED.*\[(\w+)", dynamic)
        self.assertLessEqual(set(needed) - {"libasan", "libubsan", "libtsan", "libgcov"},
                             {"libzmq", "libc", "libm", "libmsgpackc", "libgcc_s", "ld"})

    def test_header(self):
        """Alone, in the oldest C that has its types, and in C++."""
        for language, standard in (("c", "c99"), ("c++", "c++11")):
            with self.subTest(language):
                run(*CC, "-x", language, f"-std={standard}", *WARNINGS, "-fsyntax-only",
                    os.path.join(SOURCE, "lib", "edx.h"))

    def test_page(self):
        texts = programs()
        self.assertEqual(set(texts), {"publish", "show"})
        for name, text in texts.items():
            self.assertLess(text.count("\n"), 60, name)
        publish, show = (self.compile(name, texts[name]) for name in ("publish", "show"))
        self.start_daemon("ingest.pattern=pull")
        run(publish, self.end("ingest"), env=self.env)
        pictures = run(show, self.end("publish"), env=self.env)
        self.assertEqual(pictures.splitlines(), self.expected())
        self.stop_daemon()

    def expected(self):
        """publish.c puts 40 counts on every pixel of the disc, silver left of the middle; edxd bins 2 x 2."""
        lines = []
        for name, half in (("Ag_La", range(0, 8)), ("Au_Ma", range(8, 16))):
            counts = [[40 * ((y - 8)**2 + (x - 8)**2 < 256 // 9 and x in half) for x in range(16)]
                      for y in range(16)]
            binned = [[sum(counts[2 * y + i][2 * x + j] for i in (0, 1) for j in (0, 1))
                       for x in range(8)] for y in range(8)]
            lines.append(f"{name}: up to {max(map(max, binned)):.1f} net counts")
            lines += ["".join(" .:*#"[int(4.999 * n / 160)] for n in row) for row in binned]
        return lines

    def test_use(self):
        self.start_daemon("ingest.pattern=router", "ingest.bind=true", "analysis.bin_pixels=1",
                          "analysis.bin_energy=1")
        program = os.path.join(BUILD, "tests", "libedx_use")
        said = run(program, self.end("ingest"), self.end("publish"), self.end("control"), env=self.env)
        self.assertIn(" 0 failures", said)
        self.stop_daemon()


if __name__ == "__main__":
    for tool in ("groff", "pkg-config", "make", "objdump", "readelf"):
        if not shutil.which(tool):
            print(f"skipped: no {tool} here")
            sys.exit(77)
    unittest.main()
