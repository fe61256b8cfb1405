//! Instructions that are withheld from the engine, and executed by the host: those that read a clock. The engine's clocks
//! are the host's, or stand still; the machine's counts instructions.

use unicorn_engine::{UcHookId, Unicorn, uc_error};

use super::Machine;
use super::fault::FaultKind;
use super::hooks::{self, State, Stop};
use crate::memory::Region;

/// Which instructions are withheld, all of four bytes, and how the host executes them.
#[derive(Clone, Copy)]
pub(super) struct Withheld {
    /// Whether an instruction is withheld.
    pub matches: fn(u32) -> bool,
    /// Executes one at a time on the clock. Not if it would fail: then the engine may, in its way.
    pub execute: fn(&mut Machine, u32, u64) -> bool,
    /// On how many bytes instructions are aligned.
    pub align: usize,
}

/// Hooks on all instructions of a region that are withheld. What the guest writes itself is not seen.
pub(super) fn hook(engine: &mut Unicorn<'static, State>, region: &Region) -> Result<Vec<UcHookId>, uc_error> {
    let Some(withheld) = engine.get_data().arch.withheld else { return Ok(Vec::new()) };
    let big = engine.get_data().arch.target.big_endian();
    let mut found = Vec::new();
    for at in (0..region.bytes().len().saturating_sub(3)).step_by(withheld.align) {
        let word: [u8; 4] = region.bytes()[at..at + 4].try_into().expect("four bytes");
        let word = if big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) };
        if (withheld.matches)(word) {
            found.push(region.addr() + at as u64);
        }
    }
    let mut ids = Vec::new();
    for pc in found {
        ids.push(hooks::on_withheld(engine, pc)?);
        let _ = engine.ctl_remove_cache(pc, pc + 4);
    }
    Ok(ids)
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
        let withheld = self.arch.withheld?;
        let Some(instruction) = self.instruction(pc).filter(|&word| (withheld.matches)(word)) else {
            // Another instruction may be there since.
            return (stop == Stop::Withheld).then(|| self.leave_to_engine(pc));
        };
        let next = pc.wrapping_add(4);
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

    fn leave_to_engine(&mut self, pc: u64) -> u64 {
        self.stopped_at(pc);
        let state = self.engine.get_data_mut();
        (state.stop, state.passing) = (None, Some(pc));
        self.set_pc(pc);
        pc
    }
}
