//! What is true of arm64.

use super::*;
use unicorn_engine::{Arch, Mode, RegisterARM64};

/// If not: arm64 must be set up for floating point, as arm is. In this engine it is on from the beginning.
#[test]
fn arm64_floating_point_is_on() {
    let code = [0x20, 0x28, 0x62, 0x1e, 1, 0, 0, 0xd4]; // fadd d0, d1, d2; svc #0
    let mut e = trapping(AnyTarget::Arm64, &code);
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!(e.get_data().interrupt, Some(2));
    let mut m = machine(AnyTarget::Arm64, &code);
    assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 8 }));
}

/// If not: the CPU model in the set-up of arm64. The default one has no atomic instructions of ARMv8.1, which Go uses
/// wherever it sees them.
#[test]
fn arm64_atomics_need_the_biggest_model() {
    let code = [0x02, 0x00, 0x21, 0xb8, 1, 0, 0, 0xd4]; // ldadd w1, w2, [x0]; svc #0
    let mut e = trapping(AnyTarget::Arm64, &code);
    e.reg_write(RegisterARM64::X0, DATA).unwrap();
    e.emu_start(CODE, 0, 0, 0).unwrap();
    assert_eq!((e.get_data().interrupt, e.reg_read(RegisterARM64::PC)), (Some(1), Ok(CODE)));

    let mut m = machine(AnyTarget::Arm64, &code);
    m.memory_mut().write(DATA, &[40]).unwrap();
    m.set(Register::General(0), DATA).unwrap();
    m.set(Register::General(1), 2).unwrap();
    assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 8 }));
    assert_eq!((m.get(Register::General(2)), m.memory().region_at(DATA).unwrap().bytes()[0]), (Ok(40), 42));
}

/// If not: the counters of arm64 need not be replaced. They read the host's clock, so that no two runs are alike.
#[test]
fn counters_of_arm64_come_from_the_host_unless_replaced() {
    for (name, counter) in [("CNTPCT_EL0", 0x20), ("CNTVCT_EL0", 0x40)] {
        let code = [counter, 0xe0, 0x3b, 0xd5, 1, 0, 0, 0xd4]; // mrs x0, counter; svc #0
        let mut e = trapping(AnyTarget::Arm64, &code);
        let mut read = || {
            e.emu_start(CODE, 0, 0, 0).unwrap();
            assert_eq!(e.get_data().interrupt, Some(2), "{name} is read");
            e.reg_read(RegisterARM64::X0).unwrap()
        };
        let first = read();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(read() > first, "{name}");
        // The machine's counts instructions.
        let mut m = machine(AnyTarget::Arm64, &code);
        m.run(CODE, Limits::NONE).unwrap();
        assert_eq!(m.get(Register::General(0)), Ok(2), "{name}");
    }
}

/// If not: the random numbers of arm64 need not be replaced. The biggest model has them, and takes them from the host.
#[test]
fn random_numbers_of_arm64_come_from_the_host_unless_replaced() {
    let code = [0x00, 0x24, 0x3b, 0xd5, 0x20, 0x24, 0x3b, 0xd5, 1, 0, 0, 0xd4]; // mrs x0, RNDR; mrs x0, RNDRRS; svc #0
    let own = || {
        let mut m = machine(AnyTarget::Arm64, &code);
        m.set(Register::Flags, 0xf << 28).unwrap();
        m.run(CODE, Limits::NONE).unwrap();
        assert_eq!(m.get(Register::Flags), Ok(0), "there was one");
        m.get(Register::General(0)).unwrap()
    };
    assert_eq!(own(), own());

    let host = || {
        let mut e = Unicorn::new_with_data(Arch::ARM64, Mode::ARM, Seen::default()).unwrap();
        e.ctl_set_cpu_model(3).unwrap();
        e.mem_map(CODE, 0x1000, Prot::READ | Prot::EXEC).unwrap();
        e.mem_write(CODE, &code).unwrap();
        raw::stop_at_traps(&mut e, AnyTarget::Arm64, |seen, number| seen.interrupt = number);
        e.emu_start(CODE, 0, 0, 0).unwrap();
        assert_eq!(e.get_data().interrupt, Some(2));
        e.reg_read(RegisterARM64::X0).unwrap()
    };
    assert_ne!(host(), host());
}

/// If not: a program on arm64 may read the host's time by another way than the two counters.
#[test]
fn other_clocks_of_arm64_stand_still_or_do_not_exist() {
    for (name, bytes) in [
        ("PMCCNTR_EL0", [0x00, 0x9d, 0x3b, 0xd5]),
        ("CNTVCTSS_EL0", [0xc0, 0xe0, 0x3b, 0xd5]),
        ("CNTPCTSS_EL0", [0xa0, 0xe0, 0x3b, 0xd5]),
    ] {
        let read = || {
            let mut m = machine(AnyTarget::Arm64, &[bytes, [1, 0, 0, 0xd4]].concat());
            m.run(CODE, Limits::NONE).map(|_| m.get(Register::General(0)).unwrap())
        };
        let first = read();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert_eq!(read(), first, "{name}");
    }
}

/// If not: `Arch::rests` is false of arm64. `yield` and `wfe` do nothing to a run there, and `wfi` ends it after itself.
#[test]
fn hints_to_rest_are_nothing_on_arm64_except_wfi() {
    for (name, hint, number) in [("yield", 0x3f, Some(2)), ("wfe", 0x5f, Some(2)), ("wfi", 0x7f, None)] {
        let mut e = trapping(AnyTarget::Arm64, &[hint, 0x20, 3, 0xd5, 1, 0, 0, 0xd4]);
        assert_eq!(e.emu_start(CODE, 0, 0, 0), Ok(()), "{name}");
        let pc = if number.is_some() { CODE + 8 } else { CODE + 4 };
        assert_eq!((e.get_data().interrupt, e.reg_read(RegisterARM64::PC)), (number, Ok(pc)), "{name}");
        let mut m = machine(AnyTarget::Arm64, &[hint, 0x20, 3, 0xd5, 1, 0, 0, 0xd4]);
        assert_eq!(m.run(CODE, Limits::NONE), Ok(Exit::Trap { pc: CODE + 8 }), "{name}");
    }
}
