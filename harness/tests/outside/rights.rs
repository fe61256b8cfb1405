//! Processes that cannot be dumped, or not by everybody: one line says why, and what to do.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::live::{Running, can_stop, goarch};
use crate::{busy, has, refused, stderr, toolchains};

const HEAPMATRIX: &str = env!("CARGO_BIN_EXE_heapmatrix");

/// A child that ends with the test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn status(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

/// The error of a command, in one line.
fn said(output: &Output) -> String {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    message
}

fn dump_of(pid: u32) -> String {
    refused(&["dump", "--pid", &pid.to_string(), "-o", "/dev/null"])
}

#[test]
fn numbers_that_are_of_no_process_are_told() {
    if !can_stop() {
        return;
    }
    assert!(dump_of(4_194_304).contains("there is no process 4194304"));
    for bad in ["0", "-1", "x"] {
        refused(&["dump", "--pid", bad, "-o", "dump"]);
    }
    let message = refused(&["dump", "--pid", "1", "--exe", "x", "-o", "dump"]);
    assert!(message.contains("cannot be used with"), "{message}");
    // The command itself.
    let own =
        Command::new("sh").args(["-c", "exec \"$0\" dump --pid $$ -o dump", HEAPMATRIX]).output().unwrap();
    assert!(said(&own).contains("is this one"), "{}", stderr(&own));
    // A thread of this test.
    let own = std::process::id();
    let thread = std::thread::spawn(move || {
        let tids = fs::read_dir("/proc/self/task").unwrap();
        let mut tids = tids.filter_map(|tid| tid.unwrap().file_name().to_str()?.parse::<u32>().ok());
        dump_of(tids.find(|&tid| tid != own).unwrap())
    });
    let message = thread.join().unwrap();
    assert!(message.contains(&format!("is a thread of process {own}")), "{message}");
    // A child that has ended, of which nobody has taken note.
    let ended = Ending(Command::new("true").spawn().unwrap());
    until("a zombie", || status(ended.0.id()).contains("State:\tZ"));
    let message = dump_of(ended.0.id());
    assert!(message.contains("has ended"), "{message}");
    // In a container there are none.
    match fs::read_to_string("/proc/2/comm") {
        Ok(name) if name == "kthreadd\n" => {
            let message = dump_of(2);
            assert!(message.contains("process 2 is a thread of the kernel"), "{message}");
        }
        _ => eprintln!("NOT RUN: no thread of the kernel is to be seen here"),
    }
}

#[test]
fn a_process_that_is_traced_is_told() {
    if !can_stop() || !has("gdb") {
        return;
    }
    let Some(go) = toolchains().pop() else { return };
    let program = busy(&go, goarch());
    let running = Running::start(program.path(), &["stay"]);
    let pid: u32 = running.pid().parse().unwrap();
    let mut gdb = Command::new("gdb");
    gdb.args(["-q", "-nx", "-ex", "set debuginfod enabled off", "-p", &pid.to_string()]);
    let gdb = Ending(gdb.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    until("gdb", || !status(pid).contains("TracerPid:\t0"));
    let message = dump_of(pid);
    assert!(message.contains(&format!("is traced by process {}", gdb.0.id())), "{message}");
}

/// Somebody else's process, and one that root may not stop for want of a capability.
#[test]
fn who_may_not_stop_a_process_is_told_who_may() {
    if !can_stop() {
        return;
    }
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        let message = dump_of(1);
        assert!(
            message.contains("process 1 belongs to the user 0: run this as that user, or as root"),
            "{message}"
        );
        return;
    }
    if !has("setpriv") {
        return;
    }
    let child = Ending(Command::new("sleep").arg("1000").spawn().unwrap());
    let args = ["dump", "--pid", &child.0.id().to_string(), "-o", "dump"];
    // Where everybody can run it.
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = dir.path().join("heapmatrix");
    fs::copy(HEAPMATRIX, &copy).unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let output = Command::new("setpriv").args(nobody).arg(&copy).args(args).output().unwrap();
    assert!(said(&output).contains("belongs to the user 0: run this as that user, or as root"), "{output:?}");
    let without = ["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"];
    // One that drops a capability of its own is a match for this, so the process must have it.
    let output = Command::new("setpriv").args(without).arg(HEAPMATRIX).args(args).output().unwrap();
    assert!(said(&output).contains("docker run --cap-add SYS_PTRACE"), "{output:?}");
}

/// What is wrong with the output is told before the process is stopped.
#[test]
fn places_that_cannot_be_written_are_told() {
    if !can_stop() {
        return;
    }
    for go in toolchains() {
        let program = busy(&go, goarch());
        let running = Running::start(program.path(), &["stay"]);
        let message = refused(&["dump", "--pid", &running.pid(), "-o", "/no/dump/is/written/here"]);
        assert!(message.contains("cannot write /no/dump/is/written/here"), "{message}");
    }
}
