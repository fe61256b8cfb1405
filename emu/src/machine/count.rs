//! How many instructions have been executed.
//!
//! The engine tells when a block of instructions begins, which is cheap; telling every instruction
//! is ten times slower than not counting at all. So whole blocks are counted as they begin, and when
//! the CPU stops inside of one, the instructions that it did not reach are taken off again.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use iced_x86::{Decoder, DecoderOptions};
use unicorn_engine::{TranslationBlock, Unicorn, uc_error};

use super::arch::Encoding;

/// The counter, and what is known of the blocks.
#[derive(Debug)]
pub(super) struct Count {
    encoding: Encoding,
    /// Instructions executed so far; shared with the guest's time stamp counter.
    clock: Rc<Cell<u64>>,
    /// The addresses of the block that was entered last.
    block: Range<u64>,
    /// How many instructions a block has, where that does not follow from its length: a cache, each
    /// block in the place that its address selects.
    known: Vec<Known>,
}

/// A block's address, length and number of instructions.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    addr: u64,
    bytes: u32,
    instructions: u32,
}

/// Places in the cache of blocks, a power of two.
const KNOWN: usize = 1 << 13;

impl Count {
    pub fn new(encoding: Encoding) -> Self {
        let known = match encoding {
            Encoding::Fixed { .. } => Vec::new(),
            Encoding::X86 { .. } => vec![Known::default(); KNOWN],
        };
        Count { encoding, clock: Rc::default(), block: 0..0, known }
    }

    /// The number of instructions executed, as a clock that can be shared.
    pub fn clock(&self) -> &Rc<Cell<u64>> {
        &self.clock
    }

    /// Forgets what is known of blocks, because code has changed.
    pub fn forget(&mut self) {
        self.known.fill(Known::default());
    }

    /// Forgets which block is being executed, because the next one may begin anywhere.
    pub fn leave(&mut self) {
        self.block = 0..0;
    }

    /// Whether the block that was entered last has been executed to its end, which is at `pc`.
    pub fn completed(&self, pc: u64) -> bool {
        !self.block.is_empty() && self.block.end == pc
    }

    fn place(addr: u64) -> usize {
        (addr ^ (addr >> 13)) as usize & (KNOWN - 1)
    }
}

/// Gives a hook access to the counter in its engine.
pub(super) trait Counting {
    fn count(&mut self) -> &mut Count;
}

/// Counts a block as it begins.
pub(super) fn enter<S: Counting>(engine: &mut Unicorn<'_, S>, addr: u64, bytes: u32) {
    let count = engine.get_data_mut().count();
    count.block = addr..addr + u64::from(bytes);
    let instructions = match count.encoding {
        Encoding::Fixed { bytes: each } => u64::from(bytes) / each,
        Encoding::X86 { .. } => match count.known[Count::place(addr)] {
            known if known.addr == addr && known.bytes == bytes => u64::from(known.instructions),
            _ => learn(engine, addr, bytes),
        },
    };
    let clock = &engine.get_data_mut().count().clock;
    clock.set(clock.get() + instructions);
}

/// Asks the engine how many instructions the block that it is about to execute has.
fn learn<S: Counting>(engine: &mut Unicorn<'_, S>, addr: u64, bytes: u32) -> u64 {
    let instructions = translate(engine, addr).map_or(0, |block| block.icount.into());
    let count = engine.get_data_mut().count();
    count.known[Count::place(addr)] = Known { addr, bytes, instructions };
    instructions.into()
}

/// Takes off the instructions of the present block from `pc` on, when the CPU has stopped there
/// before executing them.
pub(super) fn stopped_at<S: Counting>(engine: &mut Unicorn<'_, S>, pc: u64) {
    let count = engine.get_data_mut().count();
    if !count.block.contains(&pc) {
        return;
    }
    let end = count.block.end;
    let rest = match count.encoding {
        Encoding::Fixed { bytes } => (end - pc) / bytes,
        Encoding::X86 { bits } => between(engine, bits, pc, end),
    };
    let count = engine.get_data_mut().count();
    count.clock.set(count.clock.get().saturating_sub(rest));
    count.leave();
}

/// The number of x86 instructions from `pc` to the end of the block that it lies in.
///
/// The engine could be asked only by having it translate from `pc` on, which need not end where the block
/// does, nor before memory does.
fn between<S>(engine: &Unicorn<'_, S>, bits: u32, pc: u64, end: u64) -> u64 {
    // It has been translated, and so is there.
    let code = engine.mem_read_as_vec(pc, (end - pc) as usize).unwrap_or_default();
    let mut decoder = Decoder::with_ip(bits, &code, pc, DecoderOptions::NONE);
    let mut count = 0;
    while decoder.can_decode() {
        count += 1;
        // What is no instruction is the last of its block, whatever its bytes look like.
        if decoder.decode().is_invalid() {
            break;
        }
    }
    count
}

/// The engine's translation of the block at an address.
fn translate<S>(engine: &Unicorn<'_, S>, addr: u64) -> Result<TranslationBlock, uc_error> {
    let mut block = TranslationBlock { pc: 0, icount: 0, size: 0 };
    engine.ctl_request_cache(addr, Some(&mut block))?;
    Ok(block)
}
