//! Straight code, of which the engine must not make one block.
//!
//! On MIPS each instruction of a block takes a temporary of the translator's that it does not give back. It has room for
//! some 350 of them, does not look, and writes on. Instructions with a hook become so much code that a block ends before
//! that: so all long runs of instructions without a branch get one, which does nothing.

use unicorn_engine::{UcHookId, Unicorn, uc_error};

use super::hooks::State;
use crate::memory::{PAGE, Region};

/// How many instructions a block may have without hooks.
const LONGEST: u64 = 256;

/// Hooks on long runs, of instructions of which `ends_block` knows the branches.
pub(super) fn hook(
    engine: &mut Unicorn<'static, State>,
    region: &Region,
    ends_block: fn(u32) -> bool,
) -> Result<Vec<UcHookId>, uc_error> {
    let big = engine.get_data().arch.target.big_endian();
    // What the guest itself can write is not looked at again.
    let runs = match region.prot().write {
        true => vec![(region.addr(), region.end())],
        false => runs(region.addr(), region.bytes(), big, ends_block),
    };
    let mut hooks = Vec::new();
    for (from, to) in runs {
        hooks.push(engine.add_code_hook(from, to - 1, |_, _, _| {})?);
        let _ = engine.ctl_remove_cache(from, to);
    }
    Ok(hooks)
}

/// Where there is straight code for too long. Pages end blocks too.
fn runs(start: u64, code: &[u8], big: bool, ends_block: fn(u32) -> bool) -> Vec<(u64, u64)> {
    let mut runs = Vec::new();
    for (page, code) in (start..).step_by(PAGE as usize).zip(code.chunks(PAGE as usize)) {
        let mut from = page;
        let words = code.chunks_exact(4).map(|word| {
            let word = [word[0], word[1], word[2], word[3]];
            if big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        });
        let ends = (page..).step_by(4).zip(words).filter(|&(_, word)| ends_block(word)).map(|(at, _)| at + 4);
        for to in ends.chain([page + code.len() as u64]) {
            if to - from > 4 * LONGEST {
                runs.push((from, to));
            }
            from = to;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_are_found_in_each_page() {
        let branch = |word: u32| word == 1;
        let mut words = vec![0_u32; 3 * 1024];
        // The first page has none, the second one after a branch in its middle, the third is cut short.
        (0..1024).step_by(200).for_each(|at| words[at] = 1);
        words[1024 + 400] = 1;
        words[1024 + 600] = 1;
        words.truncate(2 * 1024 + 100);
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let (page, at) = (0x1_1000, |word: u64| 0x1_1000 + 4 * word);
        assert_eq!(runs(0x1_0000, &code, true, branch), [(page, at(401)), (at(601), at(1024))]);
    }
}
