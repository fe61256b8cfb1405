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

use unicorn_engine::{Prot as UcPerms, Unicorn, uc_error};

use super::Machine;
use super::hooks::State;
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
    let State { arch, count, attached, .. } = engine.get_data();
    let Some(branches) = arch.branches else { return };
    let mut word = [0; 4];
    let Ok(pc) = engine.reg_read(arch.pc) else { return };
    // Code that the guest writes itself is hooked all over, with which the engine's translator does not survive this.
    if !attached.iter().any(|region| region.is_constant_at(pc)) {
        return;
    }
    if engine.mem_read(pc.wrapping_sub(4), &mut word).is_ok() && branches(word) {
        count.miss_in_slot();
    }
}

impl Machine {
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
    use heapmatrix_writer::{Addr, AnyTarget, Memory};

    use super::*;
    use crate::machine::{Exit, Limits, Register};
    use crate::memory::Prot;

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
        for target in [AnyTarget::Mips, AnyTarget::Mipsle, AnyTarget::Mips64, AnyTarget::Mips64le] {
            let big = target.big_endian();
            let bytes = |word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
            let mut machine = Machine::new(target).unwrap();
            machine.memory_mut().map("code", 0x1_0000, 0x1000, Prot::READ_EXEC).unwrap();
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
        for target in [AnyTarget::Mips, AnyTarget::Mipsle, AnyTarget::Mips64, AnyTarget::Mips64le] {
            let big = target.big_endian();
            let bytes = |word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
            let mut machine = Machine::new(target).unwrap();
            machine.memory_mut().map("code", 0x1_0000, 0x1000, Prot::READ_EXEC).unwrap();
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
        for target in [AnyTarget::Mips, AnyTarget::Mipsle, AnyTarget::Mips64, AnyTarget::Mips64le] {
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
}
