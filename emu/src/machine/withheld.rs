//! Instructions that are withheld from the engine, and executed by the host: those that read a clock, and those that the
//! engine executes wrongly. The engine's clocks are the host's, or stand still; the machine's counts instructions.

use heapmatrix_writer::{Addr, Memory};
use unicorn_engine::{UcHookId, Unicorn, uc_error};

use super::Machine;
use super::fault::FaultKind;
use super::hooks::{self, State, Stop};
use crate::memory::Region;

/// Which instructions are withheld, all of one length, and how the host executes them.
pub(super) struct Withheld {
    /// Whether an instruction is withheld, of which the machine's order makes an integer.
    pub matches: fn(u64) -> bool,
    /// Executes one at a time on the clock. Not if it would fail: then the engine may, in its way.
    pub execute: fn(&mut Machine, u64, u64) -> bool,
    /// How many bytes they have.
    pub bytes: usize,
    /// On how many bytes instructions are aligned.
    pub align: usize,
}

/// Hooks on all instructions of a region that are withheld. What the guest writes itself is not seen.
pub(super) fn hook(engine: &mut Unicorn<'static, State>, region: &Region) -> Result<Vec<UcHookId>, uc_error> {
    let big = engine.get_data().arch.target.big_endian();
    let mut ids = Vec::new();
    for withheld in engine.get_data().arch.withheld {
        let windows = region.bytes().windows(withheld.bytes).step_by(withheld.align);
        for (pc, bytes) in (region.addr()..).step_by(withheld.align).zip(windows) {
            if (withheld.matches)(integer(bytes, big)) {
                ids.push(hooks::on_withheld(engine, pc)?);
                let _ = engine.ctl_remove_cache(pc, pc + bytes.len() as u64);
            }
        }
    }
    Ok(ids)
}

/// The integer that a few bytes make.
fn integer(bytes: &[u8], big: bool) -> u64 {
    let add = |value, &byte| value << 8 | u64::from(byte);
    if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
}

impl Machine {
    /// Executes the instruction at which the engine has stopped, if it is one that is withheld: where it goes on.
    pub(super) fn execute_withheld(&mut self) -> Option<u64> {
        let stop = self.engine.get_data().stop?;
        let pc = match stop {
            Stop::Withheld => self.pc(),
            Stop::Illegal => self.raised_at(self.pc(), FaultKind::Illegal),
            _ => return None,
        };
        let Some((withheld, instruction)) = self.withheld_at(pc) else {
            // Another instruction may be there since.
            return (stop == Stop::Withheld).then(|| self.leave_to_engine(pc));
        };
        let next = pc.wrapping_add(withheld.bytes as u64);
        self.stopped_at(next);
        let clock = self.engine.get_data().count.clock().get();
        if !(withheld.execute)(self, instruction, clock) {
            self.engine.get_data().count.clock().set(clock - 1);
            return Some(self.leave_to_engine(pc));
        }
        self.engine.get_data_mut().stop = None;
        self.set_pc(next);
        Some(next)
    }

    /// The instruction at an address, if it is one that is withheld.
    fn withheld_at(&self, pc: u64) -> Option<(&'static Withheld, u64)> {
        self.arch.withheld.iter().find_map(|withheld| {
            let mut bytes = [0; 8];
            let bytes = &mut bytes[..withheld.bytes];
            self.memory.read(Addr(pc), bytes).ok()?;
            let instruction = integer(bytes, self.arch.target.big_endian());
            (withheld.matches)(instruction).then_some((withheld, instruction))
        })
    }

    fn leave_to_engine(&mut self, pc: u64) -> u64 {
        self.stopped_at(pc);
        let state = self.engine.get_data_mut();
        (state.stop, state.passing) = (None, Some(pc));
        self.set_pc(pc);
        pc
    }
}
