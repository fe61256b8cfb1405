//! Misaligned loads and stores of MIPS, which the kernel executes, and the branches in whose delay slots they may be.

use super::super::errno::Errno;
use super::super::user::Order;
use super::frame::{general, load, set_general, store};
use crate::machine::Machine;

/// A function's return address.
const RA: usize = 31;

/// Loads and stores of programs that are misaligned are executed by the kernel (arch/mips/kernel/unaligned.c): Go 1.22
/// has one in `runtime.netpollinit`. Not those of floating-point registers, of which the machine tells nothing.
pub fn align(machine: &mut Machine) -> Option<Result<(), Errno>> {
    /// How many bytes, and what becomes of them.
    enum Access {
        Signed(usize),
        Unsigned(usize),
        Store(usize),
    }
    let branch = machine.pc();
    let next = leads_to(machine, branch);
    if let Some(Leads { link: Some(register), .. }) = next {
        set_general(machine, register, branch.wrapping_add(8));
    }
    let pc = if next.is_some() { branch.wrapping_add(4) } else { branch };
    let instruction = machine.instruction(pc)?;
    let access = match instruction >> 26 {
        0x21 => Access::Signed(2),
        0x23 => Access::Signed(4),
        0x25 => Access::Unsigned(2),
        0x27 => Access::Unsigned(4),
        0x29 => Access::Store(2),
        0x2b => Access::Store(4),
        0x37 => Access::Unsigned(8),
        0x3f => Access::Store(8),
        _ => return None,
    };
    let (base, register) = ((instruction >> 21 & 0x1f) as usize, (instruction >> 16 & 0x1f) as usize);
    let target = machine.target();
    let order = Order { word: target.ptr_size(), big: target.big_endian() };
    let addr = general(machine, base).wrapping_add(instruction as i16 as u64);
    let addr = if order.word == 4 { addr & 0xffff_ffff } else { addr };
    let done = match access {
        Access::Signed(size) | Access::Unsigned(size) => load(machine, order, addr, size, 1).map(|loaded| {
            let unused = 64 - 8 * size as u32;
            let value = match access {
                Access::Signed(_) => ((loaded[0] << unused) as i64 >> unused) as u64,
                _ => loaded[0],
            };
            if register != 0 {
                set_general(machine, register, value);
            }
        }),
        Access::Store(size) => {
            let (bytes, len) = order.encode(general(machine, register), size);
            store(machine, order, addr, &bytes[..len])
        }
    };
    if done.is_ok() {
        if next.is_some() {
            machine.executed(pc);
        }
        machine.executed(next.map_or(pc.wrapping_add(4), |next| next.to));
    }
    Some(done)
}

/// Where a branch leads.
struct Leads {
    to: u64,
    /// The register that gets the address after the delay slot.
    link: Option<usize>,
}

/// Where the branch at `pc` leads, if there is one (arch/mips/kernel/branch.c). Not those on conditions of floating-point
/// numbers, of which the machine tells nothing.
fn leads_to(machine: &Machine, pc: u64) -> Option<Leads> {
    let instruction = machine.instruction(pc)?;
    let narrow = machine.target().ptr_size() == 4;
    let number = |at: u32| (instruction >> at & 0x1f) as usize;
    let value = |register: usize| {
        let value = general(machine, register);
        if narrow { i64::from(value as i32) } else { value as i64 }
    };
    let (s, t) = (|| value(number(21)), || value(number(16)));
    let after = pc.wrapping_add(8);
    let near = pc.wrapping_add(4).wrapping_add(((instruction as i16 as i64) << 2) as u64);
    let far = pc.wrapping_add(4) & !0xfff_ffff | u64::from(instruction & 0x03ff_ffff) << 2;
    let (taken, to, link) = match (instruction >> 26, number(16), instruction & 0x3f) {
        // jr, jalr
        (0x00, _, 0x08) => (true, s() as u64, None),
        (0x00, _, 0x09) => (true, s() as u64, Some(number(11)).filter(|&register| register != 0)),
        // bltz, bgez, likely and not, with a link or not
        (0x01, kind @ (0x00 | 0x02 | 0x10 | 0x12), _) => (s() < 0, near, (kind >= 0x10).then_some(RA)),
        (0x01, kind @ (0x01 | 0x03 | 0x11 | 0x13), _) => (s() >= 0, near, (kind >= 0x10).then_some(RA)),
        // j, jal
        (0x02, ..) => (true, far, None),
        (0x03, ..) => (true, far, Some(RA)),
        // beq, bne, blez, bgtz, likely and not
        (0x04 | 0x14, ..) => (s() == t(), near, None),
        (0x05 | 0x15, ..) => (s() != t(), near, None),
        (0x06 | 0x16, ..) => (s() <= 0, near, None),
        (0x07 | 0x17, ..) => (s() > 0, near, None),
        _ => return None,
    };
    let to = if taken { to } else { after };
    Some(Leads { to: if narrow { to & 0xffff_ffff } else { to }, link })
}

#[cfg(test)]
mod tests {
    use heapmatrix_writer::AnyTarget;

    use super::super::of;
    use super::*;
    use crate::machine::{Exit, FaultKind, Limits};
    use crate::memory::Prot;

    #[test]
    fn the_kernel_executes_what_is_misaligned() {
        for target in [AnyTarget::Mips, AnyTarget::Mipsle, AnyTarget::Mips64, AnyTarget::Mips64le] {
            let (big, wide) = (target.big_endian(), target.ptr_size() == 8);
            // sw t0, 1(t1); lh t2, 1(t1); lhu t3, 1(t1); lw t4, 1(t1); syscall; and sd, ld with 64 bits
            let mut code = vec![0, 0xad28_0001, 0x852a_0001, 0x952b_0001, 0x8d2c_0001];
            code.extend(if wide { vec![0xfd28_0009, 0xdd2d_0009] } else { vec![] });
            code.push(0x0c);
            let bytes = |word: &u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
            let code: Vec<u8> = code.iter().flat_map(bytes).collect();
            let mut machine = Machine::new(target).unwrap();
            machine.memory_mut().map("code", 0x1_0000, 0x1000, Prot::READ_EXEC).unwrap();
            machine.memory_mut().map("data", 0x2_0000, 0x1000, Prot::READ_WRITE).unwrap();
            machine.memory_mut().write(0x1_0000, &code).unwrap();
            set_general(&mut machine, 8, 0x8899_aabb);
            set_general(&mut machine, 9, 0x2_0000);
            let (mut pc, mut fixed) = (0x1_0000, 0);
            loop {
                match machine.run(pc, Limits::NONE) {
                    Ok(Exit::Trap { pc }) => break assert_eq!(pc, 0x1_0000 + code.len() as u64),
                    Err(fault) => {
                        assert!(matches!(fault.kind, FaultKind::Misaligned { .. }), "{fault}");
                        assert_eq!(fault.pc, 0x1_0004 + 4 * fixed, "{target}");
                        assert_eq!((of(target).unwrap().align)(&mut machine), Some(Ok(())), "{target}");
                        (pc, fixed) = (machine.pc(), fixed + 1);
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(fixed, if wide { 6 } else { 4 });
            assert_eq!(machine.instructions(), code.len() as u64 / 4, "{target}");
            let half = if big { 0x8899 } else { 0xaabb };
            let narrow = |value: u64| if wide { value } else { value & 0xffff_ffff };
            let signed =
                |value: u64, bits: u32| narrow(((value << (64 - bits)) as i64 >> (64 - bits)) as u64);
            let loaded = [10, 11, 12].map(|register| general(&machine, register));
            assert_eq!(loaded, [signed(half, 16), half, signed(0x8899_aabb, 32)], "{target}");
            assert!(!wide || general(&machine, 13) == 0x8899_aabb);
        }
    }

    /// A misaligned store in the delay slot of each kind of branch, taken or not, with a link or not: what the branch does is
    /// done, too.
    #[test]
    fn the_branch_before_is_executed_too() {
        const NEAR: u64 = 0x1_0000 + 4 + 4 * 16;
        const AFTER: u64 = 0x1_0008;
        // $8 is 7, $9 the address, $10 is -1, $11 where registers lead, $0 zero.
        let branches: [(u32, u64, bool); 16] = [
            (0x1108_0010, NEAR, false),     // beq $8, $8
            (0x110a_0010, AFTER, false),    // beq $8, $10
            (0x150a_0010, NEAR, false),     // bne $8, $10
            (0x1940_0010, NEAR, false),     // blez $10
            (0x1900_0010, AFTER, false),    // blez $8
            (0x1d00_0010, NEAR, false),     // bgtz $8
            (0x1d40_0010, AFTER, false),    // bgtz $10
            (0x0540_0010, NEAR, false),     // bltz $10
            (0x0500_0010, AFTER, false),    // bltz $8
            (0x0501_0010, NEAR, false),     // bgez $8
            (0x0541_0010, AFTER, false),    // bgez $10
            (0x0511_0010, NEAR, true),      // bgezal $8
            (0x0800_4100, 0x1_0400, false), // j
            (0x0c00_4100, 0x1_0400, true),  // jal
            (0x0160_0008, 0x1_0600, false), // jr $11
            (0x0160_f809, 0x1_0600, true),  // jalr $11
        ];
        for target in [AnyTarget::Mips, AnyTarget::Mipsle, AnyTarget::Mips64, AnyTarget::Mips64le] {
            let big = target.big_endian();
            let bytes = |word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
            for (branch, to, links) in branches {
                let mut machine = Machine::new(target).unwrap();
                machine.memory_mut().map("code", 0x1_0000, 0x1000, Prot::READ_EXEC).unwrap();
                machine.memory_mut().map("data", 0x2_0000, 0x1000, Prot::READ_WRITE).unwrap();
                let code = [branch, 0xad28_0001].into_iter().chain([0x0c; 1000]); // sw $8, 1($9)
                let code: Vec<u8> = code.flat_map(bytes).collect();
                machine.memory_mut().write(0x1_0000, &code).unwrap();
                for (register, value) in [(8, 7), (9, 0x2_0000), (10, u64::MAX), (11, 0x1_0600)] {
                    set_general(&mut machine, register, value);
                }
                let fault = machine.run(0x1_0000, Limits::NONE).unwrap_err();
                assert!(matches!(fault.kind, FaultKind::Misaligned { .. }), "{target}: {branch:#x}: {fault}");
                assert_eq!(fault.pc, 0x1_0000, "{target}: {branch:#x}");
                assert_eq!((of(target).unwrap().align)(&mut machine), Some(Ok(())), "{target}: {branch:#x}");
                assert_eq!(machine.pc(), to, "{target}: {branch:#x}");
                assert_eq!(general(&machine, RA), if links { AFTER } else { 0 }, "{target}: {branch:#x}");
                assert_eq!(machine.instructions(), 2, "{target}: {branch:#x}");
                let stored = &machine.memory().region_at(0x2_0000).unwrap().bytes()[1..5];
                assert_eq!(stored, bytes(7), "{target}: {branch:#x}");
                // The CPU is in no branch any more.
                assert_eq!(
                    machine.run(to, Limits::NONE),
                    Ok(Exit::Trap { pc: to + 4 }),
                    "{target}: {branch:#x}"
                );
            }
        }
    }
}
