//! Hooks on executable regions, put there when a region is new or was rewritten, and taken away with it.

use std::collections::BTreeMap;

use unicorn_engine::{UcHookId, Unicorn, uc_error};

use super::hooks::State;
use crate::memory::{GuestMemory, Region};

/// The hooks on each executable region, by its address and length.
#[derive(Default)]
pub(super) struct Hooked(BTreeMap<(u64, u64), Vec<UcHookId>>);

impl Hooked {
    /// Looks at the regions that are new or have been `rewritten`.
    pub fn update(
        &mut self,
        engine: &mut Unicorn<'static, State>,
        memory: &GuestMemory,
        rewritten: &[(u64, u64)],
    ) -> Result<(), uc_error> {
        let hook = engine.get_data().arch.hook_code.expect("whoever has no hooks does not ask for them");
        let mut old = std::mem::take(&mut self.0);
        for region in memory.regions().filter(|region| region.prot().exec) {
            let place = (region.addr(), region.len());
            let changed =
                rewritten.iter().any(|&(addr, len)| addr < region.end() && addr + len > region.addr());
            let hooks = match old.remove(&place) {
                Some(hooks) if !changed => hooks,
                before => {
                    remove(engine, before.unwrap_or_default());
                    hook(engine, region)?
                }
            };
            self.0.insert(place, hooks);
        }
        old.into_values().for_each(|hooks| remove(engine, hooks));
        Ok(())
    }
}

fn remove(engine: &mut Unicorn<'static, State>, hooks: Vec<UcHookId>) {
    for hook in hooks {
        // Fails only for hooks that are not there.
        let _ = engine.remove_hook(hook);
    }
}

/// Puts hooks on the code of a region, as it is now.
pub(super) type HookCode = fn(&mut Unicorn<'static, State>, &Region) -> Result<Vec<UcHookId>, uc_error>;
