//! Core files that QEMU's user-mode emulation writes when its guest crashes.
//!
//! They name no files, and have no read-only pages of the program: these come from the executable.

use std::fs;
use std::process::Command;

use heapmatrix_emu::machine::AnyTarget;

use crate::heap::is_all_there;
use crate::{busy, has, ok, refused, sound, stderr, toolchains};

/// QEMU's name of a machine.
fn qemu(target: AnyTarget) -> String {
    let machine = match target.goarch() {
        "amd64" => "x86_64",
        "386" => "i386",
        "arm64" => "aarch64",
        "mipsle" => "mipsel",
        "mips64le" => "mips64el",
        same => same,
    };
    format!("qemu-{machine}")
}

fn a_core_of_qemu_is_dumped(target: AnyTarget) {
    match target {
        AnyTarget::I386 => return eprintln!("NOT RUN: programs with threads fail under qemu-i386"),
        AnyTarget::Riscv64 => return eprintln!("NOT RUN: qemu-riscv64 writes no core files"),
        _ => {}
    }
    let qemu = qemu(target);
    if !has(&qemu) {
        return;
    }
    for (i, go) in toolchains().iter().enumerate() {
        let program = busy(go, target.goarch());
        let what = format!("{} under {qemu}", go.display());
        let dir = program.file("cores");
        fs::create_dir(&dir).unwrap();
        let mut command = Command::new("sh");
        // The limit that most systems have is no core file at all.
        command.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh", &qemu, program.path(), "crash"]);
        let output = command.current_dir(&dir).env("GOTRACEBACK", "crash").output().unwrap();
        // Programs of some releases fail under QEMU: those of Go 1.22 for mips64. The distribution's do not.
        if !output.stdout.starts_with(b"ready") {
            let why = stderr(&output).lines().next().unwrap_or_default().to_owned();
            assert!(i > 0, "{what}: {why}");
            eprintln!("NOT RUN: {what}: {why}");
            continue;
        }
        let files = fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path().display().to_string());
        let (guests, hosts): (Vec<_>, Vec<_>) = files.partition(|path| path.contains("/qemu_"));
        let [core] = &guests[..] else { panic!("{what}: {guests:?}: {}", stderr(&output)) };

        let dump = program.file("dump");
        let message = refused(&["dump", core, "-o", &dump]);
        assert!(message.contains(", which was run as ") && message.contains("--exe"), "{what}: {message}");
        let report = ok(&["dump", core, "--exe", program.path(), "-o", &dump, "--json"]);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(
            (&report["arch"], &report["not_unwound"]),
            (&target.goarch().into(), &0.into()),
            "{report}"
        );
        assert!(report["goroutines"].as_u64() > Some(6), "{what}: {report}");
        let bytes = fs::read(&dump).unwrap();
        sound(&bytes, &what);
        is_all_there(core, &program, &bytes, &what);
        // The kernel's core file beside it, if there is one, is of the emulator.
        for host in hosts {
            let message = refused(&["dump", &host, "--exe", program.path(), "-o", &dump]);
            assert!(message.contains("is of qemu-") && message.contains("itself"), "{what}: {message}");
        }
    }
}

heapmatrix_emu::each_engine!(a_core_of_qemu_is_dumped);
