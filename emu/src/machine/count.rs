//! How many instructions have been executed.
//!
//! The engine tells when a block of instructions begins, which is cheap; telling every instruction
//! is ten times slower than not counting at all. So whole blocks are counted as they begin, and when
//! the CPU stops inside of one, the instructions that it did not reach are taken off again.
//!
//! The hook on blocks is what a run costs most: it gets at its own few words alone, without the engine's
//! handle.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::rc::Rc;

use iced_x86::{Decoder, DecoderOptions};
use unicorn_engine::{HookType, Unicorn, uc_emu_stop, uc_engine, uc_error, uc_hook_add, uc_mem_read};

use super::arch::Encoding;

/// The counter, and what is known of the blocks. Shared with the engine's hooks.
#[derive(Debug)]
pub(super) struct Count {
    encoding: Encoding,
    /// Whether an instruction has a delay slot, on machines where some have.
    branches: Option<fn([u8; 4]) -> bool>,
    /// Instructions executed so far. Also the guest's time stamp counter.
    clock: Cell<u64>,
    /// The number of instructions at which to stop.
    limit: Cell<u64>,
    /// Whether the guest was stopped there.
    reached: Cell<bool>,
    /// How many blocks may still begin without counting, while the CPU only repeats an instruction to see what it does.
    paused: Cell<Option<u32>>,
    /// Whether a run is to end before the next block, because an access in a delay slot has missed the TLB.
    in_slot: Cell<bool>,
    /// What the clock is compared with when a block begins: the limit, or zero while they don't count or the next one
    /// must not begin.
    bar: Cell<u64>,
    /// The address of the block that was entered last, and its length.
    block: Cell<(u64, u32)>,
    /// The one before it, where a delay slot may be a block of its own.
    before: Cell<(u64, u32)>,
    /// How many instructions a block has, where that does not follow from its length: a cache, each
    /// block in the place that its address selects.
    known: Box<[Cell<Known>]>,
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

/// How many blocks an instruction takes that is repeated: its own, and that of a delay slot.
const REPEATS: u32 = 2;

/// The longest block in bytes: the engine ends one before it would have crossed two pages.
const LONGEST: usize = 2 * 4096;

impl Count {
    pub fn new(encoding: Encoding, branches: Option<fn([u8; 4]) -> bool>) -> Rc<Self> {
        let places = match encoding {
            Encoding::Fixed { .. } => 0,
            Encoding::X86 { .. } | Encoding::Riscv | Encoding::S390x => KNOWN,
        };
        Rc::new(Count {
            encoding,
            branches,
            clock: Cell::new(0),
            limit: Cell::new(u64::MAX),
            reached: Cell::new(false),
            paused: Cell::new(None),
            in_slot: Cell::new(false),
            bar: Cell::new(u64::MAX),
            block: Cell::new((0, 0)),
            before: Cell::new((0, 0)),
            known: vec![Cell::default(); places].into(),
        })
    }

    /// The number of instructions executed.
    pub fn clock(&self) -> &Cell<u64> {
        &self.clock
    }

    /// Begins a run that ends when so many more instructions have been executed.
    pub fn begin(&self, instructions: u64) {
        self.limit.set(self.clock.get().saturating_add(instructions));
        self.bar.set(self.limit.get());
        self.reached.set(false);
        self.leave();
    }

    /// Whether the guest was stopped at the limit since the last time this was asked.
    pub fn take_reached(&self) -> bool {
        self.reached.take()
    }

    /// The number of instructions at which to stop.
    pub fn limit(&self) -> u64 {
        self.limit.get()
    }

    /// An access in a delay slot has missed the TLB: the next block must not begin before [the CPU knows](super::slot)
    /// that the branch is over.
    pub fn miss_in_slot(&self) {
        self.in_slot.set(true);
        self.bar.set(0);
    }

    /// Whether that has happened since the last time this was asked.
    pub fn take_missed_in_slot(&self) -> bool {
        self.in_slot.take()
    }

    /// From now on blocks don't count, or do so again.
    pub fn pause(&self, paused: bool) {
        self.paused.set(paused.then_some(REPEATS));
        self.bar.set(if paused { 0 } else { self.limit.get() });
    }

    /// Forgets what is known of blocks, because code has changed.
    pub fn forget(&self) {
        for place in &self.known {
            place.take();
        }
    }

    /// Forgets which block is being executed, because the next one may begin anywhere.
    pub fn leave(&self) {
        self.before.set(self.block.replace((0, 0)));
    }

    /// The address and length of the block that was entered last.
    pub fn block(&self) -> (u64, u32) {
        self.block.get()
    }

    /// The two blocks that were entered last, the last first, on machines with delay slots.
    pub fn blocks(&self) -> [(u64, u32); 2] {
        [self.block.get(), self.before.get()]
    }

    /// Whether the block that was entered last has been executed to its end, which is at `pc`.
    pub fn completed(&self, pc: u64) -> bool {
        let (addr, bytes) = self.block.get();
        bytes > 0 && addr + u64::from(bytes) == pc
    }

    /// Takes off the instructions of the present block from `pc` on, when the CPU has stopped there
    /// before executing them.
    pub fn stopped_at(&self, engine: *mut uc_engine, pc: u64) {
        let (addr, bytes) = self.block.get();
        let end = addr + u64::from(bytes);
        if !(addr..end).contains(&pc) {
            return;
        }
        let rest = match self.encoding {
            Encoding::Fixed { bytes } => (end - pc) / bytes,
            varying => instructions(engine, varying, pc, (end - pc) as usize).into(),
        };
        self.clock.set(self.clock.get().saturating_sub(rest));
        self.leave();
    }

    /// The CPU has come to an instruction that is in no block, because the engine must not see it: as if it were one.
    pub fn enter_one(&self, pc: u64) {
        const SHORTEST: u32 = 4;
        self.block.set((pc, SHORTEST));
        self.clock.set(self.clock.get() + 1);
    }

    fn place(addr: u64) -> usize {
        (addr ^ (addr >> 13)) as usize & (KNOWN - 1)
    }

    /// How many instructions a block has that is about to be executed, where they vary in length.
    #[inline]
    fn known(&self, engine: *mut uc_engine, addr: u64, bytes: u32) -> u32 {
        let place = &self.known[Count::place(addr)];
        match place.get() {
            known if known.addr == addr && known.bytes == bytes => known.instructions,
            _ => self.learn(engine, addr, bytes),
        }
    }

    #[cold]
    fn learn(&self, engine: *mut uc_engine, addr: u64, bytes: u32) -> u32 {
        let instructions = instructions(engine, self.encoding, addr, bytes as usize);
        self.known[Count::place(addr)].set(Known { addr, bytes, instructions });
        instructions
    }

    /// A block begins where the limit has been reached, where blocks do not count, or where the CPU is in no state to execute
    /// it. Whether that is all.
    ///
    /// In the delay slot of a branch, which may be in a block of its own, nothing stops: the CPU is in the middle of the
    /// branch, and could not go on elsewhere. A guest that jumps into a slot is in no branch.
    #[cold]
    fn at_bar(&self, engine: *mut uc_engine, addr: u64) -> bool {
        if let Some(left) = self.paused.get() {
            self.paused.set(Some(left.saturating_sub(1)));
            if left == 0 {
                // The instruction has not failed again, and the guest would run on for ever.
                // SAFETY: as below.
                let _ = unsafe { uc_emu_stop(engine) };
            }
            return true;
        }
        let (before, bytes) = self.block.get();
        if let Some(branches) = self.branches
            && before + u64::from(bytes) == addr
        {
            let mut word = [0; 4];
            // SAFETY: the engine is the hook's own, and the buffer is as long as is said.
            let read = unsafe { uc_mem_read(engine, addr.wrapping_sub(4), word.as_mut_ptr().cast(), 4) };
            if read == uc_error::OK && branches(word) {
                return false;
            }
        }
        self.leave();
        self.reached.set(!self.in_slot.get());
        // SAFETY: the engine is the hook's own. Fails only on a handle that is no engine.
        let _ = unsafe { uc_emu_stop(engine) };
        true
    }
}

/// Has the engine count blocks, and stop before the one that begins at the limit.
pub(super) fn on_block<S>(engine: &mut Unicorn<'static, S>, count: &Rc<Count>) -> Result<(), uc_error> {
    let callback: Block = match count.encoding {
        Encoding::Fixed { .. } if count.branches.is_some() => enter::<true, true>,
        Encoding::Fixed { .. } => enter::<true, false>,
        Encoding::X86 { .. } | Encoding::Riscv | Encoding::S390x => enter::<false, false>,
    };
    let mut id = 0;
    // SAFETY: the callback has the type that the engine wants of one for blocks. The counter is owned by the
    // engine's data, which outlives the engine's use of hooks, and is only ever borrowed shared.
    unsafe {
        uc_hook_add(
            engine.get_handle(),
            &mut id,
            HookType::BLOCK.0 as c_int,
            callback as *mut c_void,
            Rc::as_ptr(count).cast_mut().cast(),
            1,
            0,
        )
    }
    .and(Ok(()))
}

type Block = unsafe extern "C" fn(*mut uc_engine, u64, u32, *mut c_void);

/// Counts a block as it begins, whose instructions all have four bytes or vary, and may have delay slots.
///
/// # Safety
/// `count` must point to a [`Count`], and `engine` to an engine that is in a hook.
unsafe extern "C" fn enter<const FOUR: bool, const SLOTS: bool>(
    engine: *mut uc_engine,
    addr: u64,
    bytes: u32,
    count: *mut c_void,
) {
    // SAFETY: the caller vouches for the pointer.
    let count = unsafe { &*count.cast::<Count>() };
    let done = count.clock.get();
    if done >= count.bar.get() && count.at_bar(engine, addr) {
        return;
    }
    let before = count.block.replace((addr, bytes));
    if SLOTS {
        count.before.set(before);
    }
    let instructions = if FOUR { bytes / 4 } else { count.known(engine, addr, bytes) };
    count.clock.set(done + u64::from(instructions));
}

/// The number of instructions in the `len` bytes of a block from `pc` to its end.
///
/// The engine could be asked for a whole block, but of a part only by having it translate from `pc` on, which
/// need not end where the block does, nor before memory does.
fn instructions(engine: *mut uc_engine, encoding: Encoding, pc: u64, len: usize) -> u32 {
    let mut code = [0; LONGEST];
    let code = &mut code[..len.min(LONGEST)];
    // What has been translated is there, so this does not fail.
    // SAFETY: the buffer is as long as is said.
    let _ = unsafe { uc_mem_read(engine, pc, code.as_mut_ptr().cast(), code.len() as u64) };
    match encoding {
        Encoding::Fixed { bytes } => (len as u64 / bytes) as u32,
        Encoding::X86 { bits } => x86_instructions(bits, pc, code),
        // The last two bits are set of those that have four bytes.
        Encoding::Riscv => steps(code, |first| if first & 3 == 3 { 4 } else { 2 }),
        // The first two bits are clear of those that have two bytes, and set of those that have six.
        Encoding::S390x => steps(code, |first| match first >> 6 {
            0 => 2,
            3 => 6,
            _ => 4,
        }),
    }
}

/// How many instructions there are whose first byte says how long they are.
fn steps(code: &[u8], length: fn(u8) -> usize) -> u32 {
    let (mut at, mut count) = (0, 0);
    while let Some(&first) = code.get(at) {
        at += length(first);
        count += 1;
    }
    count
}

fn x86_instructions(bits: u32, pc: u64, code: &[u8]) -> u32 {
    let mut decoder = Decoder::with_ip(bits, code, pc, DecoderOptions::NONE);
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
