//! What the engine does not survive, each in a process of its own.

use std::process::Command;

use super::*;
use unicorn_engine::{Arch, Mode, RegisterS390X, TlbEntry};

/// What the child is to execute, and by which machine.
const CASE: &str = "HEAPMATRIX_CANARY_CASE";

/// An instruction, as a name and bytes in hexadecimal.
const SOUND: [&str; 5] = [
    "arm64 0004400e", // fmaxnm v0.4h, v0.4h, v0.4h
    "s390x b3150000", // sqdbr %f0, %f0
    "mips 25080001",  // addiu t0, t0, 1
    "amd64 0fabc1",   // bts %eax, %ecx
    "386 0fbae001",   // bt $1, %eax
];
const DEADLY: [&str; 10] = [
    // Of arm64, three registers and two of which no operation is allocated, and two of one value.
    "arm64 002c400e",
    "arm64 003cc02e",
    "arm64 0008780e",
    "arm64 00f8f97e",
    "arm64 00f8f85e",
    // sqxbr %f0, %f0; rxsbgt %r0, %r0, 0, 0
    "s390x b3160000",
    "s390x ec0080000057",
    // lock bts %eax, %ecx; lock bt $1, %eax
    "amd64 f00fabc1",
    "386 f00fbae001",
    // j to where there is no code, and anything else afterwards
    "mips 0800003c",
];

/// Translates one instruction, and what ends a block after it.
#[test]
fn a_child_executes_one_instruction() {
    let cases = std::env::var(CASE).map_or(SOUND.map(str::to_owned).to_vec(), |case| vec![case]);
    for case in cases {
        let (name, hex) = case.split_once(' ').unwrap();
        let mut code: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let mut e = if name == "arm64" {
            code.extend([1, 0, 0, 0xd4]); // svc #0
            let mut e = Unicorn::new_with_data(Arch::ARM64, Mode::ARM, Seen::default()).unwrap();
            e.ctl_set_cpu_model(3).unwrap();
            e.mem_map(CODE, 0x1000, Prot::READ | Prot::EXEC).unwrap();
            e.mem_write(CODE, &code).unwrap();
            raw::stop_at_traps(&mut e, AnyTarget::Arm64, |seen, number| seen.interrupt = number);
            e
        } else if name == "amd64" || name == "386" {
            let target = if name == "386" { AnyTarget::I386 } else { AnyTarget::Amd64 };
            code.extend([0xcd, 0x80]); // int 0x80
            let mut e = trapping(target, &code);
            e.emu_start(CODE, 0, 0, 0).unwrap();
            assert_eq!(e.get_data().interrupt, Some(0x80), "{case}");
            continue;
        } else if name == "mips" {
            code.extend([0, 0, 0, 0, 0, 0, 0, 0x0c]); // nop; syscall
            let mut e = raw::engine(AnyTarget::Mips, Seen::default());
            e.ctl_set_tlb_type(TlbType::VIRTUAL).unwrap();
            let grant = |_: &mut Unicorn<'_, Seen>, paddr, _| {
                Some(TlbEntry { paddr, perms: Prot::READ | Prot::EXEC })
            };
            e.add_tlb_hook(1, 0, grant).unwrap();
            e.mem_map(CODE, 0x1000, Prot::READ | Prot::EXEC).unwrap();
            e.mem_write(CODE, &code).unwrap();
            e.add_block_hook(1, 0, |_, _, _| {}).unwrap();
            raw::stop_at_traps(&mut e, AnyTarget::Mips, |seen, number| seen.interrupt = number);
            let _ = e.emu_start(CODE, 0, 0, 0);
            e.emu_start(CODE + 4, 0, 0, 0).unwrap();
            assert_eq!(e.get_data().interrupt, Some(17), "{case}");
            continue;
        } else {
            code.extend([0x0a, 0]); // svc 0
            let mut e = trapping(AnyTarget::S390x, &code);
            e.reg_write(RegisterS390X::CR0, 3 << 17).unwrap();
            e
        };
        e.emu_start(CODE, 0, 0, 0).unwrap();
        assert_eq!(e.get_data().interrupt, Some(2), "{case}");
    }
}

/// If not: `poison` of an architecture may go.
#[cfg(unix)]
#[test]
fn the_engine_does_not_survive_some_instructions() {
    use std::os::unix::process::ExitStatusExt;

    for case in DEADLY {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "poison::a_child_executes_one_instruction"])
            .env(CASE, case)
            .output()
            .unwrap();
        assert!(output.status.signal().is_some(), "{case}: {}", output.status);
    }
}
