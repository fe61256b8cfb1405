//! Loads and stores in delay slots, after which the engine does not leave the branch.
//!
//! On MIPS the CPU's state says whether the next instruction is in the delay slot of a branch. When an access misses the
//! virtual TLB, the engine restores the state of its instruction, and code that does not expect that never clears it: the
//! next block is translated as if it began in a delay slot. Its first instruction is followed by a jump to where the last
//! branch went, or does not exist if it is a branch itself.
//!
//! So the machine stops before that block, has the CPU execute an instruction that does nothing as if in a delay slot,
//! which clears the state, and goes on where it was. The block that was translated wrongly goes, since the branch leads to
//! it for ever otherwise. Go's compilers leave delay slots empty; those of C fill them.

use std::rc::Rc;

use heapmatrix_writer::{Addr, Memory};
use unicorn_engine::{Prot as UcPerms, Unicorn, uc_error};

use super::fault::{Access, FaultKind};
use super::hooks::State;
use super::{Machine, Register};
use crate::memory::PAGE;

/// The page in which the instruction lies, by the size of pointers: beyond what a process may have, which is half of the
/// addresses of 32 bits, and 2^40 of those of 64.
const fn page(ptr_size: u64) -> u64 {
    if ptr_size == 4 { 0xffff_e000 } else { 1 << 41 }
}

/// Its place there, after what is no branch.
const OFFSET: u64 = 16;

/// `nop; j` to it`; nop`: an endless loop for a CPU that is in no delay slot.
const fn code(at: u64) -> [u32; 3] {
    [0, 0x0800_0000 | (at as u32 >> 2) & 0x03ff_ffff, 0]
}

/// Maps the instruction.
pub(super) fn map(engine: &mut Unicorn<'static, State>) -> Result<(), uc_error> {
    let target = engine.get_data().arch.target;
    let bytes = |word: u32| if target.big_endian() { word.to_be_bytes() } else { word.to_le_bytes() };
    let page = page(target.ptr_size());
    engine.mem_map(page, PAGE, UcPerms::READ | UcPerms::EXEC)?;
    engine.mem_write(page + OFFSET, code(page + OFFSET).map(bytes).as_flattened())
}

/// An access has missed the virtual TLB. Notes whether its instruction is in a delay slot.
pub(super) fn missed(engine: &Unicorn<'_, State>) {
    let State { arch, count, .. } = engine.get_data();
    let Some(branches) = arch.branches else { return };
    let mut word = [0; 4];
    let Ok(pc) = engine.reg_read(arch.pc) else { return };
    if engine.mem_read(pc.wrapping_sub(4), &mut word).is_ok() && branches(word) {
        count.miss_in_slot();
    }
}

/// Whether there is code in a page. The engine would begin to translate what is not there, and a translation that it does not end
/// spoils the next one: of a variable that says whether an instruction is in a delay slot, an old one is used.
pub(super) fn may_fetch(engine: &Unicorn<'_, State>, addr: u64) -> bool {
    let State { arch, attached, .. } = engine.get_data();
    arch.branches.is_none()
        || attached.iter().any(|region| region.is_code_at(addr))
        || addr == page(arch.target.ptr_size())
}

impl Machine {
    /// Where there is no code, if the engine has stopped because of that, and what is wrong.
    pub(super) fn failed_to_fetch(&self, pc: u64, error: uc_error) -> Option<FaultKind> {
        let (access, addr, len) = (Access::Fetch, pc, 4);
        self.arch.branches.filter(|_| error == uc_error::EXCEPTION)?;
        match self.memory.region_at(pc) {
            None => Some(FaultKind::Unmapped { access, addr, len }),
            Some(r) if r.prot().exec => None,
            Some(r) => Some(FaultKind::Protected { access, addr, len, region: r.name(), prot: r.prot() }),
        }
    }

    /// The store in a delay slot that has failed, if the engine has stopped at `pc` because of one: it goes on to where the branch
    /// leads, and may find nothing there.
    pub(super) fn failed_in_slot(&self, pc: u64, error: uc_error) -> Option<(u64, FaultKind)> {
        let wrote = matches!(error, uc_error::WRITE_UNMAPPED | uc_error::WRITE_PROT);
        if self.arch.branches.is_none() || !wrote && self.failed_to_fetch(pc, error).is_none() {
            return None;
        }
        if self.failed_store(pc).is_some() {
            return None;
        }
        let [last, before] = self.engine.get_data().count.blocks();
        let (addr, bytes) = if last.0 == pc { before } else { last };
        let slot =
            (addr + u64::from(bytes)).checked_sub(4).filter(|&slot| self.is_branch(slot.wrapping_sub(4)))?;
        Some((slot, self.failed_store(slot)?))
    }

    /// What is wrong with the store at `pc`, if there is one where nothing can be stored.
    fn failed_store(&self, pc: u64) -> Option<FaultKind> {
        let store = self.instruction(pc)?;
        let len = match store >> 26 {
            0x28 => 1,
            0x29 => 2,
            0x2a | 0x2b | 0x2e | 0x38 | 0x39 => 4,
            0x2c | 0x2d | 0x3c | 0x3d | 0x3f => 8,
            _ => return None,
        };
        let base = self.get(Register::General((store >> 21 & 0x1f) as u8)).unwrap_or(0);
        let addr = base.wrapping_add(store as i16 as u64);
        let addr = if self.arch.target.ptr_size() == 4 { addr & 0xffff_ffff } else { addr };
        let access = Access::Write;
        match self.memory.region_at(addr) {
            None => Some(FaultKind::Unmapped { access, addr, len }),
            Some(r) if r.prot().write => None,
            Some(r) => Some(FaultKind::Protected { access, addr, len, region: r.name(), prot: r.prot() }),
        }
    }

    /// The branch in whose delay slot the instruction at `pc` is, which was executed last.
    pub(super) fn branch_of(&self, pc: u64) -> Option<u64> {
        let [last, before] = self.engine.get_data().count.blocks();
        let end = |(addr, bytes): (u64, u32)| addr + u64::from(bytes);
        let entered = [last, before].into_iter().any(|block| block.0 < pc && pc < end(block));
        let alone = last.0 == pc && end(before) == pc;
        let branch = pc.wrapping_sub(4);
        ((entered || alone) && self.is_branch(branch)).then_some(branch)
    }

    fn is_branch(&self, pc: u64) -> bool {
        let mut word = [0; 4];
        self.arch
            .branches
            .is_some_and(|branches| self.memory.read(Addr(pc), &mut word).is_ok() && branches(word))
    }

    /// Brings the CPU out of the delay slot in which it believes itself, if a run has ended so. The PC stays.
    pub(super) fn leave_slot(&mut self) -> bool {
        let count = Rc::clone(&self.engine.get_data().count);
        if !count.take_missed_in_slot() {
            return false;
        }
        let (pc, clock, limit) = (self.pc(), count.clock().get(), count.limit());
        count.begin(1);
        // It ends before the block after that instruction, or cannot fetch that: the state is clear by then.
        let nothing = page(self.engine.get_data().arch.target.ptr_size()) + OFFSET;
        let _ = self.engine.emu_start(nothing, 0, 0, 0);
        count.take_reached();
        count.clock().set(clock);
        count.begin(limit.saturating_sub(clock));
        let _ = self.engine.ctl_remove_cache(pc, pc.wrapping_add(4));
        self.set_pc(pc);
        true
    }
}

#[cfg(test)]
mod tests {
    use heapmatrix_writer::AnyTarget;

    use super::*;
    use crate::machine::{Exit, Limits};
    use crate::memory::Prot;

    /// Each machine, with code that the guest cannot write and with code that it can, which is hooked all over.
    fn each() -> impl Iterator<Item = (AnyTarget, Prot)> {
        let targets = [AnyTarget::Mips, AnyTarget::Mipsle, AnyTarget::Mips64, AnyTarget::Mips64le];
        let writable = Prot { read: true, write: true, exec: true };
        targets.into_iter().flat_map(move |target| [Prot::READ_EXEC, writable].map(|prot| (target, prot)))
    }

    /// Branches of three kinds, with the first access to a page in the delay slot of each; the first is followed by an
    /// addition, the second by a branch.
    const PROGRAM: [u32; 14] = [
        0x3c09_0002, // lui t1, 2
        0x0411_0009, // bgezal zero, function
        0x8d28_0000, // lw t0, 0(t1)
        0x1000_0002, // back: b there
        0x8d2a_1000, // lw t2, 4096(t1)
        0x0000_000d, // break
        0x256b_0001, // there: addiu t3, t3, 1
        0x256b_0002, // addiu t3, t3, 2
        0x0000_000c, // syscall
        0x0000_0000, // nop
        0x0000_0000, // nop
        0x256b_0004, // function: addiu t3, t3, 4
        0x03e0_0008, // jr ra
        0xad2b_2000, // sw t3, 8192(t1)
    ];

    #[test]
    fn the_first_access_to_a_page_may_be_in_a_delay_slot() {
        for (target, prot) in each() {
            let big = target.big_endian();
            let bytes = |word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
            let mut machine = Machine::new(target).unwrap();
            machine.memory_mut().map("code", 0x1_0000, 0x1000, prot).unwrap();
            machine.memory_mut().map("data", 0x2_0000, 0x3000, Prot::READ_WRITE).unwrap();
            machine.memory_mut().write(0x1_0000, PROGRAM.map(bytes).as_flattened()).unwrap();
            machine.memory_mut().write(0x2_0000, &bytes(0x1234)).unwrap();
            machine.memory_mut().write(0x2_1000, &bytes(0x5678)).unwrap();
            let mut pc = 0x1_0000;
            // In pieces that end anywhere, and as a whole.
            for limits in [Limits::instructions(1), Limits::instructions(3), Limits::NONE] {
                machine.set(Register::General(11), 0).unwrap();
                let before = machine.instructions();
                let end = loop {
                    match machine.run(pc, limits).unwrap_or_else(|fault| panic!("{target}: {fault}")) {
                        Exit::Limit { pc: at } => pc = at,
                        exit => break exit,
                    }
                };
                assert_eq!(end, Exit::Trap { pc: 0x1_0024 }, "{target}");
                let registers = [8, 10, 11].map(|r| machine.get(Register::General(r)).unwrap());
                assert_eq!(registers, [0x1234, 0x5678, 7], "{target}");
                let mut stored = [0; 4];
                machine.memory().read(Addr(0x2_2000), &mut stored).unwrap();
                assert_eq!(stored, bytes(4), "{target}");
                assert_eq!(machine.instructions() - before, 11, "{target}");
                // What the engine knows of pages is forgotten when the map changes.
                machine.memory_mut().unmap(0x2_0000, 0x3000).unwrap();
                machine.memory_mut().map("data", 0x2_0000, 0x3000, Prot::READ_WRITE).unwrap();
                machine.memory_mut().write(0x2_0000, &bytes(0x1234)).unwrap();
                machine.memory_mut().write(0x2_1000, &bytes(0x5678)).unwrap();
                pc = 0x1_0000;
            }
        }
    }

    /// Once, the access in the slot is the first one to its page: the branch goes to another branch, over and over.
    const LOOP: [u32; 9] = [
        0x3c09_0002, // lui t1, 2
        0x1000_0001, // b again
        0x240a_0005, // addiu t2, zero, 5
        0x1540_0003, // again: bne t2, zero, on
        0x8d28_0000, // lw t0, 0(t1)
        0x0000_000c, // syscall
        0x0000_000d, // break
        0x1000_fffb, // on: b again
        0x254a_ffff, // addiu t2, t2, -1
    ];

    #[test]
    fn a_branch_leads_to_the_right_block_ever_after() {
        for (target, prot) in each() {
            let big = target.big_endian();
            let bytes = |word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
            let mut machine = Machine::new(target).unwrap();
            machine.memory_mut().map("code", 0x1_0000, 0x1000, prot).unwrap();
            machine.memory_mut().map("data", 0x2_0000, 0x1000, Prot::READ_WRITE).unwrap();
            machine.memory_mut().write(0x1_0000, LOOP.map(bytes).as_flattened()).unwrap();
            let exit = machine.run(0x1_0000, Limits::instructions(1000));
            assert_eq!(exit.unwrap_or_else(|f| panic!("{target}: {f}")), Exit::Trap { pc: 0x1_0018 });
            assert_eq!(machine.instructions(), 26, "{target}");
        }
    }

    /// The last addresses that a process may have are its own.
    #[test]
    fn a_guest_may_have_all_its_memory() {
        for (target, _) in each() {
            let big = target.big_endian();
            let bytes = |word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
            let mut machine = Machine::new(target).unwrap();
            let last = if target.ptr_size() == 4 { 0x7fff_f000 } else { (1 << 40) - 0x1000 };
            machine.memory_mut().map("code", last, 0x1000, Prot::READ_EXEC).unwrap();
            if last != 0x7fff_f000 {
                machine.memory_mut().map("data", 0x7fff_f000, 0x1000, Prot::READ_WRITE).unwrap();
            }
            let code = [0x2409_0007, 0x0000_000c]; // li t1, 7; syscall
            machine.memory_mut().write(last, code.map(bytes).as_flattened()).unwrap();
            let exit =
                machine.run(last, Limits::instructions(100)).unwrap_or_else(|f| panic!("{target}: {f}"));
            assert_eq!(exit, Exit::Trap { pc: last + 8 }, "{target}");
            assert_eq!(machine.get(Register::General(9)).unwrap(), 7, "{target}");
        }
    }

    fn machine(target: AnyTarget, prot: Prot, at: &[(u64, &[u32])]) -> Machine {
        let big = target.big_endian();
        let bytes = |word: &u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
        let mut machine = Machine::new(target).unwrap();
        machine.memory_mut().map("code", 0x1_0000, 0x2000, prot).unwrap();
        for (addr, code) in at {
            let code: Vec<u8> = code.iter().flat_map(bytes).collect();
            machine.memory_mut().write(*addr, &code).unwrap();
        }
        machine
    }

    /// A guest that goes where there is no code, and goes on elsewhere, as after a signal.
    #[test]
    fn the_engine_survives_a_jump_to_nowhere() {
        const ADD: u32 = 0x256b_0001; // addiu t3, t3, 1
        const TRAP: u32 = 0x0000_000c;
        for (target, prot) in each() {
            // j, jr t9, jalr t9, b
            for jump in [0x0800_003c, 0x0320_0008, 0x0320_f809, 0x1000_4000] {
                let mut machine =
                    machine(target, prot, &[(0x1_0000, &[jump, ADD]), (0x1_0100, &[ADD, TRAP])]);
                machine.memory_mut().map("data", 0xa_0000, 0x1000, Prot::READ_WRITE).unwrap();
                for (nth, nowhere) in [0xf000_0000, 0xa_0000].into_iter().enumerate() {
                    machine.set(Register::General(25), nowhere).unwrap();
                    for _ in 0..2 {
                        let fault = machine.run(0x1_0000, Limits::NONE).unwrap_err();
                        let (FaultKind::Unmapped { access, addr, len }
                        | FaultKind::Protected { access, addr, len, .. }) = fault.kind
                        else {
                            panic!("{target}: {jump:#x}: {fault}")
                        };
                        assert_eq!((access, addr, len), (Access::Fetch, fault.pc, 4), "{target}: {jump:#x}");
                        let by_register = jump >> 16 == 0x0320;
                        assert!(!by_register || fault.pc == nowhere, "{target}: {jump:#x}: {fault}");
                        let exit = machine.run(0x1_0100, Limits::NONE);
                        assert_eq!(exit, Ok(Exit::Trap { pc: 0x1_0108 }), "{target}: {jump:#x}");
                    }
                    // Two instructions before each fault, and two after it.
                    assert_eq!(machine.instructions(), 8 * (nth as u64 + 1), "{target}: {jump:#x}");
                }
            }
        }
    }

    /// An access in the delay slot of each kind of branch that fails, wherever the branch leads: the machine stands at the
    /// branch, and goes on there when the access can be done.
    #[test]
    fn a_fault_in_a_delay_slot_is_the_branches() {
        const TRAP: u32 = 0x0000_000c;
        // lw t0, 0(t1); sw t0, 0(t1); sb t0, 0(t1)
        let accesses = [
            (0x8d28_0000, Access::Read, 4),
            (0xad28_0000, Access::Write, 4),
            (0xa128_0000, Access::Write, 1),
        ];
        // b, j, jal, bgezal zero, jr t9, jalr t9, bne t9, zero (taken), beq t9, zero (not)
        let branches = [
            0x1000_0004,
            0x0800_4005,
            0x0c00_4005,
            0x0411_0004,
            0x0320_0008,
            0x0320_f809,
            0x1720_0004,
            0x1320_0004,
        ];
        for (target, prot) in each() {
            for ((instruction, access, len), branch) in
                accesses.into_iter().flat_map(|a| branches.map(|b| (a, b)))
            {
                let what = format!("{target}: {instruction:#x} after {branch:#x}");
                let code = [branch, instruction, TRAP, TRAP, TRAP, TRAP];
                let mut machine = machine(target, prot, &[(0x1_0000, &code)]);
                machine.set(Register::General(9), 0xa_0000).unwrap();
                machine.set(Register::General(25), 0x1_0014).unwrap();
                for _ in 0..3 {
                    let fault = machine.run(0x1_0000, Limits::NONE).unwrap_err();
                    let kind = FaultKind::Unmapped { access, addr: 0xa_0000, len };
                    assert_eq!((fault.pc, fault.kind, machine.pc()), (0x1_0000, kind, 0x1_0000), "{what}");
                    assert_eq!(machine.instructions(), 0, "{what}");
                }
                machine.memory_mut().map("data", 0xa_0000, 0x1000, Prot::READ_WRITE).unwrap();
                let end = if branch == 0x1320_0004 { 0x1_000c } else { 0x1_0018 };
                assert_eq!(machine.run(0x1_0000, Limits::NONE), Ok(Exit::Trap { pc: end }), "{what}");
                assert_eq!(machine.instructions(), 3, "{what}");
            }
            // The branch leads nowhere; the page can only be read; the delay slot is in the next page.
            let store = 0xad28_0000;
            for at in [0x1_0000, 0x1_0ffc] {
                let mut machine = machine(target, prot, &[(at, &[0x0320_0008, store])]);
                machine.memory_mut().map("data", 0xa_0000, 0x1000, Prot::READ).unwrap();
                machine.set(Register::General(9), 0xa_0000).unwrap();
                machine.set(Register::General(25), 0xf000_0000).unwrap();
                for _ in 0..3 {
                    let fault = machine.run(at, Limits::NONE).unwrap_err();
                    assert!(
                        matches!(fault.kind, FaultKind::Protected { addr: 0xa_0000, len: 4, .. }),
                        "{target}: {fault}"
                    );
                    assert_eq!(fault.pc, at, "{target}: {fault}");
                }
            }
        }
    }
}
