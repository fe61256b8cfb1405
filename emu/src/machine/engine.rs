//! A new engine, as all machines need it.

use std::rc::Rc;

use unicorn_engine::{TlbType, Unicorn, uc_error};

use super::arch::Arch;
use super::count;
use super::hooks::{self, State};
use super::slot;

/// An engine of an architecture, without memory.
pub(super) fn new(arch: &'static Arch) -> Result<Unicorn<'static, State>, uc_error> {
    let (uc_arch, mode) = arch.engine;
    let mut engine = Unicorn::new_with_data(uc_arch, mode, State::new(arch))?;
    if let Some(model) = arch.model {
        engine.ctl_set_cpu_model(model)?;
    }
    // The CPU's own address translation needs page tables in guest memory on ppc64; elsewhere its misses
    // cost three times as much, and amd64's physical addresses lack the upper bits.
    engine.ctl_set_tlb_type(TlbType::VIRTUAL)?;
    hooks::on_tlb_miss(&mut engine)?;
    (arch.start)(&mut engine)?;
    // No address ends a run, not even zero: a guest that goes there has gone astray.
    engine.ctl_exits_enable()?;
    engine.ctl_set_exits(&[])?;
    let count = Rc::clone(&engine.get_data().count);
    count::on_block(&mut engine, &count)?;
    hooks::on_interrupt(&mut engine)?;
    if arch.branches.is_some() {
        slot::map(&mut engine)?;
    }
    Ok(engine)
}
