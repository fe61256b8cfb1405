//! Wrong writers: mistakes that a port of heapdump.go could make, each a switch.
//!
//! A test harness is worth what it catches. With the feature `wrong-writers`, which the harness's tests
//! turn on and nothing else does, the writer makes one of these mistakes when it is told to, and the tests
//! hold that it is noticed. Without the feature every switch is a constant `false`.
//!
//! In the code a switch stands where the mistake would be made: `wrong!(EofForgotten)`.

use crate::format::uvarint::MAX_LEN;

/// Whether the writer is to make this mistake, here where it can be made.
macro_rules! wrong {
    ($wrong:ident $(&& $here:expr)?) => {
        $crate::wrong::made($crate::wrong::Wrong::$wrong) $(&& $here)?
    };
}
pub(crate) use wrong;

macro_rules! wrongs {
    ($($(#[doc = $doc:literal])+ $wrong:ident,)*) => {
        /// A mistake, and what is wrong in the dumps of a writer that makes it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Wrong {
            $($(#[doc = $doc])+ $wrong,)*
        }

        #[cfg(feature = "wrong-writers")]
        impl Wrong {
            /// Every mistake, in the order of the reference's code.
            pub const ALL: &[Wrong] = &[$(Wrong::$wrong),*];

            /// What is wrong in the dumps.
            pub fn breaks(self) -> &'static str {
                match self { $(Wrong::$wrong => concat!($($doc),+).trim(),)* }
            }
        }
    };
}

wrongs! {
    /// The buffer's last bytes are never written.
    FlushForgotten,
    /// The buffer is flushed one byte too early: the stream is right, the sequence of writes is not.
    FlushedEarly,
    /// A large datum is written before the buffer that precedes it.
    LargeDataOvertake,
    /// What a short write has left over is lost.
    ShortWriteForgotten,
    /// An interrupted write ends the dump.
    InterruptionFatal,
    /// 128 is encoded in one byte.
    UvarintBoundary,
    /// Numbers from 64 on have a superfluous zero byte.
    UvarintPadded,
    /// Lengths of contents lose their upper bits: 16 here, where `int32` takes 2 GiB to show.
    LengthTruncated,
    /// Pointers lose their upper 32 bits.
    PointerTruncated,
    /// Memory is read in the byte order of a little-endian host.
    ByteOrderOfHost,

    /// The dump begins with the header of Go 1.4.
    HeaderOfGo14,
    /// There is no end record.
    EofForgotten,
    /// Every machine is called little-endian.
    ParamsLittleEndian,
    /// Every machine is said to have pointers of 8 bytes.
    PointerSizeOfHost,
    /// Every machine is called `'6'`.
    TheCharOfAmd64,
    /// The heap ends one byte too early.
    HeapEndTooLow,

    /// The type of an itab with an indirect value is that of the value and not of its pointer.
    PtrtoNotFollowed,
    /// Of the itabs that share a bucket only the first is dumped.
    ItabChainIgnored,
    /// Every type is dumped again for each of its itabs.
    TypeCacheIgnored,
    /// A type that is found in the cache stays where it is in its bucket.
    TypeCacheWithoutMoveToFront,
    /// Seven bits of a type's hash choose its bucket.
    TypeCacheOf128,
    /// The dot between package path and name is counted and not written.
    TypeNameWithoutDot,
    /// The flag of types looks at their pointers only, and not at how interfaces hold them.
    TypeFlagOfPointersOnly,

    /// Spans that are not in use are dumped.
    SpanStateIgnored,
    /// Free slots are dumped as objects.
    FreeSlotsDumped,
    /// The marks of free slots are kept from span to span.
    FreeMarksKept,
    /// The last slot of each span is left out.
    LastSlotForgotten,
    /// The heap bitmap is read from low to high addresses.
    BitmapUpwards,
    /// The four words of a byte of the heap bitmap are taken in reverse.
    BitmapBitsReversed,
    /// The heap bitmap is taken to have two bits for 8 bytes on every machine.
    BitmapOf64Bits,
    /// Objects are taken to end where their span ends, so that stale bits become pointers.
    EndOfObjectIgnored,
    /// The mark bit of an object's second word, which says something else, is taken for its end.
    EndOfObjectEarly,
    /// Fields of objects are numbered by words.
    FieldsInWords,

    /// Goroutines in system calls are dumped where they last switched stacks.
    SyscallStateIgnored,
    /// Goroutine numbers lose their upper 32 bits.
    GoidTruncated,
    /// One field, `gopc`, is read in the wrong byte order.
    GopcByteOrder,
    /// The finalizer goroutine is a system goroutine even while a finalizer runs.
    RunfinqAlwaysSystem,
    /// Panics are dumped before defers.
    PanicsFirst,
    /// Each defer links to itself.
    DeferLinksItself,
    /// The entry PC of a deferred closure is the closure's address.
    DeferEntryIsClosure,
    /// The dead field of panics is 1.
    PanicDeferNotZero,
    /// Negative thread numbers are dumped as 32-bit ones.
    ThreadIdUnsigned,

    /// A link register that was not saved yet is ignored.
    LinkRegisterIgnored,
    /// Stack barriers are not replaced by the PCs that they stand for.
    StackBarrierNotResolved,
    /// The saved BP is taken for a local variable.
    SavedBpIgnored,
    /// Frames below a fault continue where they are, whether they recover or not.
    ContinpcIsPc,
    /// Frames lack the return PC that their call has pushed.
    FrameWithoutReturnPc,
    /// The stack map is that of the return PC and not of the call.
    PcNotBackedUp,
    /// The stack map index -1 is not taken for 0.
    StackMapIndexMinusOne,
    /// Stack maps of several bitmaps are taken to have no padding.
    StackMapWithoutPadding,
    /// Pointers behind an odd number of tables are not aligned.
    FuncdataNotAligned,
    /// Tables count PCs in bytes on every machine.
    PcQuantumOfX86,
    /// The depth of frames is not counted.
    DepthNotCounted,
    /// A callee without an arguments map keeps that of its own callee.
    ChildArgsNotReset,
    /// A callee's arguments are said to be at the bottom of the frame, where the link register is.
    ArgsAtLinkRegister,
    /// Local variables with a bitmap are counted from the bottom of the frame.
    LocalsFromBottom,
    /// Local variables of known size are counted from the bottom of the frame.
    LocalsSizeFromBottom,
    /// Functions without a name have an empty one.
    UnknownFunctionEmpty,

    /// The data segment is tagged as bss.
    DataTaggedBss,
    /// The bits of a mask are taken from the high end of each byte.
    MaskBitsReversed,
    /// Specials are said to belong to the first object of their span.
    SpecialOffsetForgotten,
    /// Specials of all kinds are taken for the one that is asked for.
    SpecialKindIgnored,
    /// Only the first block of queued finalizers is dumped.
    FinalizerBlocksForgotten,
    /// The two types of a finalizer are exchanged.
    FinalizerTypesSwapped,

    /// Statistics lose their upper 32 bits.
    MemStatsTruncated,
    /// The last of 256 pauses is missing.
    PauseMissing,
    /// What the dump itself allocates is not in `other_sys`, though the dialect says so.
    TmpbufNotBooked,
    /// The lines of callers are those of their return PCs.
    ProfilePcNotBackedUp,
    /// Unknown PCs of the profile are written in decimal.
    ProfilePcDecimal,
    /// The number of allocations is that of the frees.
    AllocsAreFrees,
}

#[cfg(feature = "wrong-writers")]
mod switch {
    use std::cell::Cell;

    use super::Wrong;

    thread_local! {
        static MADE: Cell<Option<Wrong>> = const { Cell::new(None) };
    }

    pub(crate) fn made(wrong: Wrong) -> bool {
        MADE.get() == Some(wrong)
    }

    /// Runs `f` while the writer makes a mistake, in this thread.
    pub fn making<R>(wrong: Wrong, f: impl FnOnce() -> R) -> R {
        /// Ends the mistake even when `f` panics.
        struct End(Option<Wrong>);
        impl Drop for End {
            fn drop(&mut self) {
                MADE.set(self.0);
            }
        }
        let _end = End(MADE.replace(Some(wrong)));
        f()
    }
}

#[cfg(feature = "wrong-writers")]
pub(crate) use switch::made;
#[cfg(feature = "wrong-writers")]
pub use switch::making;

#[cfg(not(feature = "wrong-writers"))]
#[inline(always)]
pub(crate) const fn made(_: Wrong) -> bool {
    false
}

/// The bits of four words in each half of a byte, in reverse.
#[cold]
pub(crate) fn reversed(bits: u64) -> u64 {
    let bytes = bits.to_be_bytes().map(|byte| byte.reverse_bits().rotate_left(4));
    u64::from_be_bytes(bytes)
}

/// Makes two bytes of a uvarint that is one byte, if it is 64 or more; gives the number of bytes.
#[cold]
pub(crate) fn pad(buf: &mut [u8; MAX_LEN]) -> usize {
    if buf[0] < 0x40 {
        return 1;
    }
    buf[0] |= 0x80;
    buf[1] = 0;
    2
}

/// The low 32 bits of a number, if that is the mistake to make.
#[inline(always)]
pub(crate) fn truncated(wrong: bool, number: u64) -> u64 {
    if wrong { number & 0xffff_ffff } else { number }
}
