//! Programs that may lie anywhere, and those that a dynamic linker loads.

use std::fs;

use heapmatrix_emu::linux::{ExitStatus, LoadError, Options, Outcome, Process, Recorder};
use heapmatrix_writer::AnyTarget;

use super::each;
use super::guest::{Guest, ORIGIN, Shape};

/// Where programs that may lie anywhere begin in their files. Not at 0, where libraries begin that are no programs.
const BEGIN: u64 = 0x1000;

/// Code that ends with a status, wherever it lies.
fn ends_with(target: AnyTarget, status: u64) -> Vec<u8> {
    Guest::new(target).exit_anywhere(status).code()
}

fn load(elf: &[u8], options: Options) -> Result<Process, LoadError> {
    Process::load(elf, options, Box::new(Recorder::default()))
}

fn status(process: &mut Process) -> u8 {
    match process.run(None).unwrap() {
        Outcome::Ended(ExitStatus::Exited(status)) => status,
        other => panic!("{}: {other:?}", process.target()),
    }
}

#[test]
fn a_program_that_may_lie_anywhere_runs() {
    each(|target| {
        let shape = Shape { addr: BEGIN, movable: true, interpreter: None };
        let mut process = load(&shape.elf(target, &ends_with(target, 7)), Options::default()).unwrap();
        assert!(process.pc() > ORIGIN, "{target}: it lies at {:#x}", process.pc());
        assert_eq!(process.pc() % 0x1000, BEGIN % 0x1000);
        assert_eq!(status(&mut process), 7, "{target}");
    });
}

#[test]
fn a_library_is_no_program() {
    each(|target| {
        let shape = Shape { addr: 0, movable: true, interpreter: None };
        let error = load(&shape.elf(target, &ends_with(target, 7)), Options::default()).err().unwrap();
        assert!(error.to_string().contains("a shared library without an entry point"), "{error}");
    });
}

#[test]
fn a_dynamic_linker_comes_from_the_sysroot() {
    each(|target| {
        let path = "/lib/the-linker.so";
        let sysroot = tempfile::tempdir().unwrap();
        fs::create_dir(sysroot.path().join("lib")).unwrap();
        let host = sysroot.path().join("lib/the-linker.so");
        let with_sysroot = || Options { sysroot: Some(sysroot.path().to_owned()), ..Options::default() };
        for (movable, addr) in [(false, ORIGIN), (true, BEGIN)] {
            let shape = Shape { addr, movable, interpreter: Some(path) };
            let program = shape.elf(target, &ends_with(target, 7));
            let linker = Shape { addr: BEGIN, movable: true, interpreter: None };
            let refused = |options: Options| load(&program, options).err().unwrap().to_string();

            let _ = fs::remove_file(&host);
            let says = refused(Options::default());
            assert!(says.contains(path) && says.contains("--sysroot"), "{target}: {says}");
            let says = refused(with_sysroot());
            assert!(says.contains("/lib/the-linker.so is not in the folder"), "{target}: {says}");

            let other = if target == AnyTarget::Arm { AnyTarget::I386 } else { AnyTarget::Arm };
            fs::write(&host, linker.elf(other, &ends_with(other, 9))).unwrap();
            let says = refused(with_sysroot());
            assert!(says.contains(&format!("is for {other}, and the program for {target}")), "{says}");
            fs::write(&host, "no linker").unwrap();
            assert!(refused(with_sysroot()).contains("is not an ELF file"));
            fs::write(&host, shape.elf(target, &ends_with(target, 9))).unwrap();
            assert!(refused(with_sysroot()).contains("is no dynamic linker"));

            // It runs first, and all that this one does is to end.
            fs::write(&host, linker.elf(target, &ends_with(target, 9))).unwrap();
            let mut process = load(&program, with_sysroot()).unwrap();
            assert_eq!(status(&mut process), 9, "{target}");
        }
    });
}

/// The lowest bit of an address says so on arm.
#[test]
fn a_program_of_thumb_code_is_refused() {
    let shape = Shape { addr: BEGIN, movable: true, interpreter: None };
    let mut elf = shape.elf(AnyTarget::Arm, &ends_with(AnyTarget::Arm, 7));
    let entry = 24;
    elf[entry] |= 1;
    let error = load(&elf, Options::default()).err().expect("Thumb code").to_string();
    assert!(error.contains("Thumb"), "{error}");
}
