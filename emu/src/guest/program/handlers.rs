//! The handlers of [steps](super::steps): what malloc.go, mgcsweep.go, mheap.go and mfinal.go do to the
//! runtime's structures, in the guest's instructions.
//!
//! V0 is the cursor: every handler finds its step there and leaves it at the next one. The comments
//! give the reference's statements.

use super::code::{Code, Whose};
use super::steps::Handlers;
use crate::guest::ir::Op::{self, *};
use crate::guest::ir::Reg::{self, *};
use crate::guest::ir::Width::{B1, Word};
use crate::image::facts::FactError;
use crate::image::heap::{FREE, IN_USE};
use crate::image::sizes::PAGE_SHIFT;

/// `0xdeaddeaddeaddead`, which the sweeper leaves in the second word: "needs to be zeroed".
const NEEDS_ZEROING: u64 = 0xdead_dead_dead_dead;

/// Addresses that the handlers work on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machinery {
    /// `mheap_.arena_start`.
    pub arena_start: u64,
    /// The array of `h_spans`.
    pub spans_lookup: u64,
    /// `finq`, `finc` and `allfin`.
    pub finq: u64,
    /// See [`finq`](Machinery::finq).
    pub finc: u64,
    /// See [`finq`](Machinery::finq).
    pub allfin: u64,
    /// A cell with the address of the next block that `persistentalloc` would give to `queuefinalizer`.
    pub finblock_pool: u64,
    /// Bytes from one such block to the next.
    pub finblock_size: i32,
    /// Finalizers in a block.
    pub finblock_capacity: u64,
    /// The cell that receives the address of the entry that was queued last.
    pub queued: u64,
    /// A cell in which a handler keeps the cursor when it needs its register.
    pub spill: u64,
}

impl Code {
    fn handler(&mut self, name: &'static str, label: crate::guest::ir::Label) {
        self.function(Whose::Image(name), label, 1);
    }

    /// `dst = operand i of the step`.
    fn operand(&self, dst: Reg, i: i32) -> Op {
        Load(dst, V0, i * self.word(), Word)
    }

    /// Goes to the next step, which is `words` further on.
    fn next_step(&mut self, words: i32, dispatch: crate::guest::ir::Label) {
        self.emit(&[AddImm(V0, words * self.word()), Jump(dispatch)]);
    }

    /// `dst = h_spans[offset >> _PageShift]`, where `dst` holds the offset in the arena.
    fn lookup_span(&mut self, dst: Reg, scratch: Reg, spans_lookup: u64) {
        self.emit(&[
            ShrImm(dst, PAGE_SHIFT as u8),
            ShlImm(dst, self.word_shift()),
            Imm(scratch, spans_lookup),
            Add(dst, scratch),
            Load(dst, dst, 0, Word),
        ]);
    }

    /// `heapBitsForAddr`: `bitp` becomes the address of the bitmap byte, and `offset`, which holds an
    /// offset in the arena, the index of the word in that byte.
    fn heap_bits_for_offset(&mut self, offset: Reg, bitp: Reg, scratch: Reg, arena_start: u64) {
        self.emit(&[
            ShrImm(offset, self.word_shift()),
            Mov(scratch, offset),
            ShrImm(scratch, 2),
            Imm(bitp, arena_start - 1),
            Sub(bitp, scratch),
            Imm(scratch, 3),
            And(offset, scratch),
        ]);
    }
}

/// Writes the dispatcher and all handlers but that of the last step. The dispatcher expects the cursor in V0.
pub(crate) fn handlers(
    code: &mut Code,
    machinery: &Machinery,
    dispatch: crate::guest::ir::Label,
    end: crate::guest::ir::Label,
) -> Result<Handlers, FactError> {
    let handlers = Handlers {
        allocate: code.label(),
        allocate_large: code.label(),
        set_type: code.label(),
        free: code.label(),
        free_large: code.label(),
        copy: code.label(),
        set: code.label(),
        push: code.label(),
        add_special: code.label(),
        queue_finalizer: code.label(),
        run_finalizers: code.label(),
        end,
    };
    code.handler("runtime.gogo", dispatch);
    code.emit(&[Load(V1, V0, 0, Word), JumpReg(V1)]);
    code.handler("runtime.mallocgc", handlers.allocate);
    allocate(code, dispatch)?;
    code.handler("runtime.largeAlloc", handlers.allocate_large);
    allocate_large(code, dispatch)?;
    code.handler("runtime.heapBitsSetType", handlers.set_type);
    set_type(code, machinery, dispatch);
    code.handler("runtime.mSpan_Sweep", handlers.free);
    free(code, machinery, dispatch)?;
    code.handler("runtime.mHeap_Free", handlers.free_large);
    free_large(code, dispatch)?;
    code.handler("runtime.memmove", handlers.copy);
    copy(code, dispatch);
    code.handler("runtime.writebarrierptr", handlers.set);
    set(code, dispatch);
    code.handler("runtime.additab", handlers.push);
    push(code, dispatch);
    code.handler("runtime.addspecial", handlers.add_special);
    add_special(code, machinery, dispatch)?;
    code.handler("runtime.queuefinalizer", handlers.queue_finalizer);
    queue_finalizer(code, machinery, dispatch)?;
    code.handler("runtime.wakefing", handlers.run_finalizers);
    run_finalizers(code, machinery, dispatch)?;
    Ok(handlers)
}

type Dispatch = crate::guest::ir::Label;

fn allocate(code: &mut Code, dispatch: Dispatch) -> Result<(), FactError> {
    let word = code.word();
    let (again, refill, clear, done) = (code.label(), code.label(), code.label(), code.label());
    code.emit(&[code.operand(V1, 1), Load(V2, V1, 0, Word)]); // s = c.alloc[sizeclass]
    code.bind(again);
    code.load(V3, V2, "runtime.mspan", "freelist")?; // v = s.freelist
    code.emit(&[JumpIfZero(V3, refill), Load(V4, V3, 0, Word)]);
    code.store(V4, V2, "runtime.mspan", "freelist")?; // s.freelist = v.next
    code.load(V4, V2, "runtime.mspan", "ref")?;
    code.emit(&[AddImm(V4, 1)]);
    code.store(V4, V2, "runtime.mspan", "ref")?; // s.ref++
    code.emit(&[
        Imm(V4, 0),
        Store(V4, V3, 0, Word), // v.next = 0
        code.operand(V5, 2),
        Imm(V4, 2 * word as u64 + 1),
        JumpIfBelow(V5, V4, done),
        Load(V4, V3, word, Word),
        JumpIfZero(V4, done), // if size > 2*ptrSize && x[1] != 0
        Mov(V1, V3),
        Add(V5, V3),
        Imm(V4, 0),
    ]);
    code.bind(clear); // memclr(v, size)
    code.emit(&[Store(V4, V1, 0, Word), AddImm(V1, word), JumpIfBelow(V1, V5, clear)]);
    code.bind(done);
    code.emit(&[code.operand(V4, 3), Store(V3, V4, 0, Word)]);
    code.next_step(4, dispatch);
    code.bind(refill); // mCache_Refill: the next span of the central list
    code.load(V2, V2, "runtime.mspan", "next")?;
    code.emit(&[Store(V2, V1, 0, Word), Jump(again)]);
    Ok(())
}

fn allocate_large(code: &mut Code, dispatch: Dispatch) -> Result<(), FactError> {
    code.emit(&[code.operand(V1, 1), Imm(V2, IN_USE)]);
    code.store(V2, V1, "runtime.mspan", "state")?;
    code.load(V2, V1, "runtime.mspan", "start")?;
    code.load(V3, V1, "runtime.mspan", "npages")?;
    code.emit(&[ShlImm(V2, PAGE_SHIFT as u8), ShlImm(V3, PAGE_SHIFT as u8)]);
    code.store(V3, V1, "runtime.mspan", "elemsize")?; // s.elemsize = s.npages << _PageShift
    code.emit(&[Add(V3, V2)]);
    code.store(V3, V1, "runtime.mspan", "limit")?;
    code.emit(&[code.operand(V4, 2), Store(V2, V4, 0, Word)]);
    code.next_step(3, dispatch);
    Ok(())
}

fn set_type(code: &mut Code, machinery: &Machinery, dispatch: Dispatch) {
    let (aligned, write, done) = (code.label(), code.label(), code.label());
    code.emit(&[code.operand(V1, 1), Load(V1, V1, 0, Word), Imm(V2, machinery.arena_start), Sub(V1, V2)]);
    code.heap_bits_for_offset(V1, V2, V3, machinery.arena_start);
    code.emit(&[JumpIfZero(V1, aligned), code.operand(V3, 4), code.operand(V4, 5), Jump(write)]);
    code.bind(aligned);
    code.emit(&[code.operand(V3, 2), code.operand(V4, 3)]);
    code.bind(write);
    code.emit(&[
        JumpIfEq(V3, V4, done),
        Load(V1, V2, 0, B1),
        Load(V5, V3, 0, B1),
        And(V1, V5),
        Load(V5, V3, 1, B1),
        Or(V1, V5),
        Store(V1, V2, 0, B1), // *hbitp = *hbitp & keep | set
        AddImm(V2, -1),       // hbitp = subtract1(hbitp)
        AddImm(V3, 2),
        Jump(write),
    ]);
    code.bind(done);
    code.emit(&[code.operand(V0, 6), Jump(dispatch)]);
}

fn free(code: &mut Code, machinery: &Machinery, dispatch: Dispatch) -> Result<(), FactError> {
    let word = code.word();
    let more_than_two_words = 2 * word as u64 + 1;
    let [aligned, pair, link, small, push] = [(); 5].map(|()| code.label());
    code.emit(&[
        code.operand(V1, 1),
        Load(V1, V1, 0, Word),
        Mov(V2, V1),
        Imm(V3, machinery.arena_start),
        Sub(V2, V3),
        Mov(V5, V2),
    ]);
    code.lookup_span(V2, V3, machinery.spans_lookup);
    // heapBitsSweepSpan: objects of one word keep their bits, the others lose those of the first words.
    code.emit(&[code.operand(V3, 2), Imm(V4, word as u64 + 1)]);
    if word == 8 {
        code.emit(&[JumpIfBelow(V3, V4, link)]);
    }
    code.heap_bits_for_offset(V5, V4, V3, machinery.arena_start);
    code.emit(&[
        JumpIfZero(V5, aligned),
        Load(V5, V4, 0, B1),
        Imm(V3, 0x33),
        And(V5, V3),
        Store(V5, V4, 0, B1),
        code.operand(V3, 2),
        Imm(V5, more_than_two_words),
        JumpIfBelow(V3, V5, link),
        Imm(V5, 0),
        Store(V5, V4, -1, B1), // *subtract1(bitp) = 0
        Jump(link),
    ]);
    code.bind(aligned);
    code.emit(&[
        code.operand(V3, 2),
        Imm(V5, more_than_two_words),
        JumpIfBelow(V3, V5, pair),
        Imm(V5, 0),
        Store(V5, V4, 0, B1),
        Jump(link),
    ]);
    code.bind(pair);
    code.emit(&[Load(V5, V4, 0, B1), Imm(V3, 0xcc), And(V5, V3), Store(V5, V4, 0, B1)]);
    code.bind(link);
    code.emit(&[
        code.operand(V3, 2),
        Imm(V5, more_than_two_words),
        JumpIfBelow(V3, V5, small),
        Imm(V5, NEEDS_ZEROING),
        Store(V5, V1, word, Word),
        Jump(push),
    ]);
    code.bind(small);
    code.emit(&[Imm(V5, word as u64 + 1), JumpIfBelow(V3, V5, push), Imm(V5, 0), Store(V5, V1, word, Word)]);
    code.bind(push);
    code.load(V3, V2, "runtime.mspan", "freelist")?;
    code.emit(&[Store(V3, V1, 0, Word)]); // end.next = s.freelist
    code.store(V1, V2, "runtime.mspan", "freelist")?; // s.freelist = start
    code.load(V3, V2, "runtime.mspan", "ref")?;
    code.emit(&[AddImm(V3, -1)]);
    code.store(V3, V2, "runtime.mspan", "ref")?;
    code.next_step(3, dispatch);
    Ok(())
}

fn free_large(code: &mut Code, dispatch: Dispatch) -> Result<(), FactError> {
    code.emit(&[code.operand(V1, 1), Imm(V2, FREE)]);
    code.store(V2, V1, "runtime.mspan", "state")?;
    code.next_step(2, dispatch);
    Ok(())
}

fn copy(code: &mut Code, dispatch: Dispatch) {
    let word = code.word();
    let again = code.label();
    code.emit(&[
        code.operand(V1, 1),
        Load(V1, V1, 0, Word),
        code.operand(V2, 2),
        Add(V1, V2),
        code.operand(V3, 3),
        AddImm(V0, 4 * word),
    ]);
    code.bind(again);
    code.emit(&[
        JumpIfEq(V0, V3, dispatch), // the data ends where the next step begins
        Load(V2, V0, 0, Word),
        Store(V2, V1, 0, Word),
        AddImm(V0, word),
        AddImm(V1, word),
        Jump(again),
    ]);
}

fn set(code: &mut Code, dispatch: Dispatch) {
    code.emit(&[
        code.operand(V1, 1),
        Load(V1, V1, 0, Word),
        code.operand(V2, 2),
        Add(V1, V2),
        code.operand(V3, 3),
        Load(V3, V3, 0, Word),
        code.operand(V4, 4),
        Add(V3, V4),
        Store(V3, V1, 0, Word),
    ]);
    code.next_step(5, dispatch);
}

fn push(code: &mut Code, dispatch: Dispatch) {
    code.emit(&[
        code.operand(V1, 1),
        Load(V2, V1, 0, Word),
        code.operand(V3, 3),
        Store(V2, V3, 0, Word), // node.link = head
        code.operand(V4, 2),
        Store(V4, V1, 0, Word), // head = node
    ]);
    code.next_step(4, dispatch);
}

/// The list is ordered by offset, then by kind: both make one key.
fn add_special(code: &mut Code, machinery: &Machinery, dispatch: Dispatch) -> Result<(), FactError> {
    let (again, splice) = (code.label(), code.label());
    code.emit(&[
        Imm(V5, machinery.spill),
        Store(V0, V5, 0, Word),
        code.operand(V1, 1),
        code.operand(V4, 2),
        Load(V4, V4, 0, Word),
        Mov(V2, V4),
        Imm(V3, machinery.arena_start),
        Sub(V2, V3),
    ]);
    code.lookup_span(V2, V3, machinery.spans_lookup); // span = mHeap_LookupMaybe(p)
    code.load(V3, V2, "runtime.mspan", "start")?;
    code.emit(&[ShlImm(V3, PAGE_SHIFT as u8), Sub(V4, V3)]);
    code.store(V4, V1, "runtime.special", "offset")?; // s.offset = p - span.start<<_PageShift
    code.load(V3, V1, "runtime.special", "kind")?;
    let specials = code.offset("runtime.mspan", "specials")?;
    let next = code.offset("runtime.special", "next")?;
    code.emit(&[ShlImm(V4, 8), Or(V4, V3), Mov(V5, V2), AddImm(V5, specials)]); // t = &span.specials
    code.bind(again);
    code.emit(&[Load(V2, V5, 0, Word), JumpIfZero(V2, splice)]); // x = *t
    code.load(V3, V2, "runtime.special", "offset")?;
    code.load(V0, V2, "runtime.special", "kind")?;
    code.emit(&[
        ShlImm(V3, 8),
        Or(V3, V0),
        JumpIfBelow(V4, V3, splice),
        Mov(V5, V2),
        AddImm(V5, next), // t = &x.next
        Jump(again),
    ]);
    code.bind(splice);
    code.emit(&[
        Store(V2, V1, next, Word), // s.next = *t
        Store(V1, V5, 0, Word),    // *t = s
        Imm(V5, machinery.spill),
        Load(V0, V5, 0, Word),
    ]);
    code.next_step(3, dispatch);
    Ok(())
}

fn queue_finalizer(code: &mut Code, machinery: &Machinery, dispatch: Dispatch) -> Result<(), FactError> {
    let (grow, have, put) = (code.label(), code.label(), code.label());
    let word_shift = code.word_shift();
    code.emit(&[Imm(V1, machinery.finq), Load(V2, V1, 0, Word), JumpIfZero(V2, grow)]);
    code.load(V3, V2, "runtime.finblock", "cnt")?;
    code.emit(&[Imm(V4, machinery.finblock_capacity), JumpIfBelow(V3, V4, put)]);
    code.bind(grow); // finq == nil || finq.cnt == len(finq.fin)
    let alllink = code.offset("runtime.finblock", "alllink")?;
    code.emit(&[Imm(V3, machinery.finc), Load(V4, V3, 0, Word)]);
    let new = code.label();
    code.emit(&[JumpIfZero(V4, new)]);
    code.bind(have); // block = finc
    code.load(V5, V4, "runtime.finblock", "next")?;
    code.emit(&[Store(V5, V3, 0, Word)]); // finc = block.next
    code.store(V2, V4, "runtime.finblock", "next")?; // block.next = finq
    code.emit(&[Store(V4, V1, 0, Word), Mov(V2, V4)]); // finq = block
    code.load(V3, V2, "runtime.finblock", "cnt")?;
    code.emit(&[Jump(put)]);
    code.bind(new); // finc = persistentalloc(_FinBlockSize)
    code.emit(&[
        Imm(V5, machinery.finblock_pool),
        Load(V4, V5, 0, Word),
        AddImm(V4, machinery.finblock_size),
        Store(V4, V5, 0, Word),
        AddImm(V4, -machinery.finblock_size),
        Imm(V1, machinery.allfin),
        Load(V5, V1, 0, Word),
        Store(V5, V4, alllink, Word), // finc.alllink = allfin
        Store(V4, V1, 0, Word),       // allfin = finc
        Imm(V1, machinery.finq),
        Store(V4, V3, 0, Word),
        Jump(have),
    ]);
    code.bind(put); // f = &finq.fin[finq.cnt]; finq.cnt++
    let fin = code.offset("runtime.finblock", "fin")?;
    code.emit(&[Mov(V4, V3), AddImm(V3, 1)]);
    code.store(V3, V2, "runtime.finblock", "cnt")?;
    code.emit(&[
        Mov(V5, V4),
        ShlImm(V5, 2),
        Add(V4, V5),
        ShlImm(V4, word_shift), // an entry has five words
        Add(V4, V2),
        AddImm(V4, fin),
        Imm(V5, machinery.queued),
        Store(V4, V5, 0, Word),
    ]);
    code.next_step(1, dispatch);
    Ok(())
}

/// Entries are run from the last to the first and the blocks go to `finc`; what is in them stays.
fn run_finalizers(code: &mut Code, machinery: &Machinery, dispatch: Dispatch) -> Result<(), FactError> {
    let (again, done) = (code.label(), code.label());
    code.emit(&[
        Imm(V1, machinery.finq),
        Load(V2, V1, 0, Word), // fb = finq
        Imm(V3, 0),
        Store(V3, V1, 0, Word), // finq = nil
        Imm(V5, machinery.finc),
    ]);
    code.bind(again);
    code.emit(&[JumpIfZero(V2, done)]);
    code.store(V3, V2, "runtime.finblock", "cnt")?; // fb.cnt = 0
    code.load(V4, V2, "runtime.finblock", "next")?; // next = fb.next
    code.emit(&[Load(V1, V5, 0, Word)]);
    code.store(V1, V2, "runtime.finblock", "next")?; // fb.next = finc
    code.emit(&[Store(V2, V5, 0, Word), Mov(V2, V4), Jump(again)]); // finc = fb; fb = next
    code.bind(done);
    code.next_step(1, dispatch);
    Ok(())
}
