//! Processes of this machine, dumped while they run.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::heap::is_all_there;
use crate::{busy, go, ok, refused, sound, stderr, toolchains};

/// Whether processes of this machine can be stopped; says so if not.
pub fn can_stop() -> bool {
    let can = cfg!(target_os = "linux");
    if !can {
        eprintln!("NOT RUN: processes that run can be dumped on Linux alone");
    }
    can
}

/// The machine's architecture, as Go spells it.
pub fn goarch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// A program that runs, and is ready.
pub struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    pub fn start(path: &str, args: &[&str]) -> Running {
        let mut command = Command::new(path);
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut running = Running { lines: BufReader::new(child.stdout.take().unwrap()), child };
        assert_eq!(running.line(), "ready");
        running
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Has it dump itself to a path. Returns for how many seconds.
    fn dump_itself(&mut self, path: &str) -> f64 {
        writeln!(self.child.stdin.as_mut().unwrap(), "{path}").unwrap();
        self.line().parse().unwrap()
    }

    /// What `/proc/PID/status` says of a field.
    fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How programs are linked: at a place, or for any; and what is left out of them.
const LINKED: [&[&str]; 5] =
    [&[], &["-buildmode=pie"], &["-ldflags=-w"], &["-ldflags=-s -w"], &["-buildmode=pie", "-ldflags=-s -w"]];

fn is_stripped(flags: &[&str]) -> bool {
    flags.contains(&"-ldflags=-s -w")
}

#[test]
fn a_process_is_dumped_while_it_runs_and_goes_on() {
    if !can_stop() {
        return;
    }
    for (go, flags) in toolchains().into_iter().flat_map(|go| LINKED.map(|flags| (go.clone(), flags))) {
        let program = go::Program::build_with(&go, "tests/outside/busy", goarch(), flags);
        let what = format!("{} {flags:?}", go.display());
        let running = Running::start(program.path(), &["stay"]);
        let dump = program.file("dump");
        for _ in 0..5 {
            let report = ok(&["dump", "--pid", &running.pid(), "-o", &dump, "--json"]);
            let report: serde_json::Value = serde_json::from_str(&report).unwrap();
            assert_eq!(report["not_unwound"], 0, "{what}: {report}");
            assert_eq!(report["not_found"].is_array(), is_stripped(flags), "{what}: {report}");
            assert!(report["stopped"]["seconds"].as_f64().unwrap() > 0.0, "{what}: {report}");
            sound(&fs::read(&dump).unwrap(), &what);
            assert_eq!(running.status("TracerPid"), "0", "{what}");
            assert!(["R (running)", "S (sleeping)"].contains(&running.status("State").as_str()), "{what}");
        }
    }
}

/// The core file that the kernel writes when a program crashes.
#[test]
fn a_core_of_the_kernel_is_dumped() {
    if !can_stop() {
        return;
    }
    for (go, flags) in toolchains().into_iter().flat_map(|go| LINKED.map(|flags| (go.clone(), flags))) {
        let program = go::Program::build_with(&go, "tests/outside/busy", goarch(), flags);
        let what = format!("{} {flags:?}", go.display());
        let (cores, dump) = (program.file("cores"), program.file("dump"));
        fs::create_dir(&cores).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh", program.path(), "crash"]);
        let output = command.current_dir(&cores).env("GOTRACEBACK", "crash").output().unwrap();
        assert!(output.stdout.starts_with(b"ready"), "{what}: {}", stderr(&output));
        let Some(core) = fs::read_dir(&cores).unwrap().next() else {
            let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
            return eprintln!("NOT RUN: the kernel writes core files elsewhere: {}", pattern.trim_end());
        };
        let core = core.unwrap().path().display().to_string();
        let report = ok(&["dump", &core, "-o", &dump, "--json"]);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!((&report["arch"], &report["not_unwound"]), (&goarch().into(), &0.into()), "{report}");
        let bytes = fs::read(&dump).unwrap();
        sound(&bytes, &what);
        // What is there it says itself, in a variable that has a symbol.
        if !is_stripped(flags) {
            is_all_there(&core, &program, &bytes, &what);
        }
    }
}

/// A pipe that nobody reads fills up, a disk is full: the process goes on all the same. And it goes on when the command is
/// killed or interrupted.
#[test]
fn a_process_is_never_left_stopped() {
    if !can_stop() {
        return;
    }
    for go in toolchains() {
        let (program, what) = (busy(&go, goarch()), go.display());
        let running = Running::start(program.path(), &["stay"]);
        let command = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_heapmatrix"));
            command
                .args(["dump", "--pid", &running.pid(), "-o", "-"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            command.spawn().unwrap()
        };
        let mut blocked = command();
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert_eq!(blocked.try_wait().unwrap(), None, "it waits for its output");
        assert_eq!(running.status("TracerPid"), "0");
        blocked.kill().unwrap();
        blocked.wait().unwrap();
        for delay in 0..20 {
            for signal in ["-KILL", "-INT", "-TERM"] {
                let mut interrupted = command();
                std::thread::sleep(std::time::Duration::from_millis(delay));
                let killed = Command::new("kill").args([signal, &interrupted.id().to_string()]).status();
                assert!(killed.unwrap().success());
                assert!(!interrupted.wait().unwrap().success());
            }
        }
        let message = refused(&["dump", "--pid", &running.pid(), "-o", "/dev/full"]);
        assert!(message.contains("cannot write /dev/full"), "{what}: {message}");
        assert_eq!(running.status("TracerPid"), "0");
        assert!(!running.status("State").starts_with(['t', 'T']), "{}", running.status("State"));
    }
}

/// A process of 100 MB stands still for less than a quarter of the time for which it stops its own world for a dump.
#[test]
fn a_process_stands_still_for_less_than_its_own_dump_takes() {
    if !can_stop() {
        return;
    }
    for go in toolchains() {
        let program = busy(&go, goarch());
        let [own, dump] = ["own", "dump"].map(|name| program.file(name));
        let mut running = Running::start(program.path(), &["hold", "100"]);
        let report = ok(&["dump", "--pid", &running.pid(), "-o", &dump, "--json"]);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let stood = report["stopped"]["seconds"].as_f64().unwrap();
        let own = running.dump_itself(&own);
        eprintln!(
            "{}: stood still for {stood:.3} s, its own dump takes {own:.3} s: {:.2}",
            go.display(),
            stood / own
        );
        assert!(4.0 * stood < own, "{}: {stood} s, {own} s", go.display());
    }
}
