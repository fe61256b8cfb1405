//! Instructions that the engine must not see.
//!
//! Its translator does not survive some: it ends the process by an assertion, or follows a pointer to nothing. It translates
//! ahead, so they need not be reached: it is enough that they follow what is. So they are made exits, before which it stops
//! translating and the guest stops. There the host executes what it can; the others are illegal for the guest.
//!
//! A page's are looked for whenever the engine looks up where its code is, which it does before it translates any of it. Whoever
//! writes to the page takes its code out of the engine's TLB, so that they are looked for again: the guest, since an entry for
//! writing replaces one for code, and the host, since it has the TLB flushed.

use std::collections::BTreeSet;

use unicorn_engine::{Unicorn, uc_error};

use super::Machine;
use super::hooks::{State, Stop};
use crate::memory::PAGE;

/// The instructions of an architecture.
pub(super) struct Poison {
    /// Adds the offsets of those that begin and end in some code.
    pub find: fn(code: &[u8], found: &mut Vec<usize>),
    /// How many bytes of one may lie in the next page.
    pub overlap: usize,
}

/// What is known of them in a guest.
#[derive(Default)]
pub(super) struct Known {
    /// Their addresses.
    at: BTreeSet<u64>,
    /// The pages that have been looked at and that the guest cannot change.
    constant: BTreeSet<u64>,
    /// Whether the engine had to be stopped, since it may have begun to translate one already.
    late: bool,
}

impl Known {
    /// A region is no longer what it was.
    pub fn forget(&mut self, addr: u64, len: u64) {
        self.constant.retain(|page| !(addr..addr + len).contains(page));
    }
}

/// How many there may be in the pages of a guest, since the engine takes all of them whenever one is new. There are some in ten
/// thousand random words, and hardly any in code.
const MOST: usize = 4096;

const PAGE_BYTES: usize = PAGE as usize;

/// The most that an [overlap](Poison::overlap) may be.
const MOST_OVERLAP: usize = 16;

/// The guest is about to execute code of a page. Whether it may: not if it has too many of them, and not yet if the engine may be
/// in the middle of one, which lies at the page's start or across it and was not known before.
pub(super) fn fetched(engine: &mut Unicorn<'_, State>, addr: u64) -> bool {
    let State { arch, poison: known, attached, .. } = engine.get_data();
    let Some(Poison { find, overlap }) = arch.poison else { return true };
    let page = addr & !(PAGE - 1);
    if known.constant.contains(&page) {
        return true;
    }
    let constant = attached.iter().any(|region| region.is_constant_at(page));
    let start = page.wrapping_sub(overlap as u64);
    let mut code = [0; PAGE_BYTES + 2 * MOST_OVERLAP];
    let code = &mut code[..PAGE_BYTES + 2 * overlap];
    // Of pages that are not there the engine knows better what to say.
    let (before, rest) = code.split_at_mut(overlap);
    let (own, after) = rest.split_at_mut(PAGE_BYTES);
    for (at, part) in [(start, before), (page, own), (page.wrapping_add(PAGE), after)] {
        let _ = engine.mem_read(at, part);
    }
    let mut found = Vec::new();
    find(code, &mut found);
    found.sort_unstable();
    let found: Vec<u64> = found.into_iter().map(|at| start.wrapping_add(at as u64)).collect();
    let range = start..=page | (PAGE - 1);
    let known = &mut engine.get_data_mut().poison;
    if constant {
        known.constant.insert(page);
    }
    if known.at.range(range.clone()).eq(&found) {
        return true;
    }
    known.late = found.iter().any(|at| *at <= page && !known.at.contains(at));
    known.at.retain(|at| !range.contains(at));
    known.at.extend(found);
    let may = known.at.len() <= MOST && !known.late;
    set(engine).is_ok() && may
}

fn set(engine: &mut Unicorn<'_, State>) -> Result<(), uc_error> {
    let exits: Vec<u64> = engine.get_data().poison.at.iter().copied().collect();
    engine.ctl_set_exits(&exits)
}

impl Machine {
    /// Has them looked for again in all code, some of which the host has written.
    pub(super) fn look_for_poison_again(&mut self) {
        if self.arch.poison.is_some() {
            self.engine.get_data_mut().poison.constant.clear();
            // Fails only on a handle that is no engine.
            let _ = self.engine.ctl_flush_tlb();
        }
    }

    /// There is no code any more.
    pub(super) fn forget_poison(&mut self) {
        if !std::mem::take(&mut self.engine.get_data_mut().poison).at.is_empty() {
            let _ = set(&mut self.engine);
        }
    }

    /// Whether the engine was stopped only to make an exit known to it, and goes on.
    pub(super) fn knows_late(&mut self) -> bool {
        let known = &mut self.engine.get_data_mut().poison;
        std::mem::take(&mut known.late) && known.at.len() <= MOST
    }

    /// Whether the engine has stopped at an exit where another instruction is by now, and goes on. Otherwise, if it has stopped
    /// at an exit, that is an instruction that it cannot execute.
    pub(super) fn leave_exit(&mut self, pc: u64) -> bool {
        let State { stop, poison: known, .. } = self.engine.get_data();
        if stop.is_some() || !known.at.contains(&pc) {
            return false;
        }
        fetched(&mut self.engine, pc);
        let state = self.engine.get_data_mut();
        if state.poison.at.contains(&pc) {
            state.stop = Some(Stop::Illegal);
            state.count.enter_one(pc);
            return false;
        }
        // The engine has a block of no bytes there, and perhaps one that ends there.
        let _ = self.engine.ctl_remove_cache(pc.saturating_sub(4), pc.saturating_add(4));
        true
    }
}
