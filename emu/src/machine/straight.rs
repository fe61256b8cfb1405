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

/// What an instruction means for the block that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InBlock {
    Straight,
    /// The next one is not executed.
    Skips,
    Ends,
}

/// Hooks on long runs.
pub(super) fn hook(
    engine: &mut Unicorn<'static, State>,
    region: &Region,
    in_block: fn(u32) -> InBlock,
) -> Result<Vec<UcHookId>, uc_error> {
    let big = engine.get_data().arch.target.big_endian();
    // What the guest itself can write is not looked at again.
    let runs = match region.prot().write {
        true => vec![(region.addr(), region.end())],
        false => runs(region.addr(), region.bytes(), big, in_block),
    };
    let mut hooks = Vec::new();
    for (from, to) in runs {
        hooks.push(engine.add_code_hook(from, to - 1, |_, _, _| {})?);
        let _ = engine.ctl_remove_cache(from, to);
    }
    Ok(hooks)
}

/// Where there is straight code for too long. Pages end blocks too.
fn runs(start: u64, code: &[u8], big: bool, in_block: fn(u32) -> InBlock) -> Vec<(u64, u64)> {
    let mut runs = Vec::new();
    for (page, code) in (start..).step_by(PAGE as usize).zip(code.chunks(PAGE as usize)) {
        let mut from = page;
        let words = code.chunks_exact(4).map(|word| {
            let word = [word[0], word[1], word[2], word[3]];
            if big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        });
        // What may be skipped, for whoever comes from before it, is no end.
        let meanings = words.scan(InBlock::Straight, |before, word| {
            let after = std::mem::replace(before, in_block(word));
            Some((after, *before))
        });
        let ends = (page + 4..).step_by(4).zip(meanings);
        let ends = ends.filter_map(|(at, (after, meaning))| {
            (meaning == InBlock::Ends && after != InBlock::Skips).then_some(at)
        });
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
    use heapmatrix_writer::AnyTarget;

    use super::*;
    use crate::machine::{Exit, Limits, Machine};
    use crate::memory::Prot;

    #[test]
    fn long_runs_are_found_in_each_page() {
        let branch = |word| match word {
            1 => InBlock::Ends,
            2 => InBlock::Skips,
            _ => InBlock::Straight,
        };
        let mut words = vec![0_u32; 3 * 1024];
        // The first page has none, the second one after a branch in its middle, the third is cut short.
        (0..1024).step_by(200).for_each(|at| words[at] = 1);
        words[1024 + 400] = 1;
        words[1024 + 600] = 1;
        // A branch that is skipped is no end.
        words[1024 + 500] = 2;
        words[1024 + 501] = 1;
        words.truncate(2 * 1024 + 100);
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let (page, at) = (0x1_1000, |word: u64| 0x1_1000 + 4 * word);
        assert_eq!(runs(0x1_0000, &code, true, branch), [(page, at(401)), (at(601), at(1024))]);
    }

    /// Branches that compare a register with itself, or zero with zero, and their like with a branch in the delay slot, which
    /// is skipped.
    #[test]
    fn branches_that_are_never_taken_end_no_block() {
        const BRANCH: u32 = 0x1000_ffff;
        const SYSCALL: u32 = 0x0000_000c;
        // bne, bgtz, bltz; bnel, bgtzl, bltzl, bltzall
        let never =
            [0x1400_0000, 0x14a5_0000, 0x1c00_0000, 0x0400_0000].map(|word| (word, 0)).into_iter().chain(
                [0x5400_0000, 0x54a5_0000, 0x5c00_0000, 0x0402_0000, 0x0412_0000].map(|word| (word, BRANCH)),
            );
        for target in [AnyTarget::Mips, AnyTarget::Mipsle, AnyTarget::Mips64, AnyTarget::Mips64le] {
            let big = target.big_endian();
            let bytes = |word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
            for (word, slot) in never.clone() {
                let mut machine = Machine::new(target).unwrap();
                machine.memory_mut().map("code", 0x1_0000, 0x1000, Prot::READ_EXEC).unwrap();
                let code = [word, slot].repeat(511).into_iter().chain([SYSCALL]);
                let code: Vec<u8> = code.flat_map(bytes).collect();
                machine.memory_mut().write(0x1_0000, &code).unwrap();
                let exit = machine.run(0x1_0000, Limits::NONE);
                let exit = exit.unwrap_or_else(|fault| panic!("{target}: {word:#x}: {fault}"));
                assert_eq!(exit, Exit::Trap { pc: 0x1_0000 + 4 * 1023 }, "{target}: {word:#x}");
            }
        }
    }
}
