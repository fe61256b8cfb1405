//! What a record and a field begin with (heapdump.go's constants).

/// The end of a list of fields (`fieldKindEol`).
pub const FIELD_KIND_EOL: u64 = 0;
/// A pointer field (`fieldKindPtr`): the only kind that Go 1.5 writes.
pub const FIELD_KIND_PTR: u64 = 1;
/// An interface field (`fieldKindIface`): written by Go 1.3, never by Go 1.5.
pub const FIELD_KIND_IFACE: u64 = 2;
/// An empty-interface field (`fieldKindEface`): written by Go 1.3, never by Go 1.5.
pub const FIELD_KIND_EFACE: u64 = 3;

/// The kinds of record, by the tag that each begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Tag {
    /// The end of the dump.
    Eof = 0,
    /// An object of the heap.
    Object = 1,
    /// A root that is none of the other kinds; Go 1.5 knows the record and never writes it.
    OtherRoot = 2,
    /// A type.
    Type = 3,
    /// A goroutine.
    Goroutine = 4,
    /// A stack frame of the goroutine before it.
    StackFrame = 5,
    /// The parameters of the machine and of the dump.
    Params = 6,
    /// A finalizer that is registered with an object.
    Finalizer = 7,
    /// An itab, and the type of the interface's data word.
    Itab = 8,
    /// An operating system thread.
    OsThread = 9,
    /// The memory statistics.
    MemStats = 10,
    /// A finalizer that is ready to run.
    QueuedFinalizer = 11,
    /// The data segment.
    Data = 12,
    /// The bss segment.
    Bss = 13,
    /// A deferred call.
    Defer = 14,
    /// A panic under way.
    Panic = 15,
    /// A bucket of the memory profile.
    MemProf = 16,
    /// A sampled object, and its bucket.
    AllocSample = 17,
}

impl Tag {
    /// Every tag, in the order of its number.
    pub const ALL: [Tag; 18] = [
        Tag::Eof,
        Tag::Object,
        Tag::OtherRoot,
        Tag::Type,
        Tag::Goroutine,
        Tag::StackFrame,
        Tag::Params,
        Tag::Finalizer,
        Tag::Itab,
        Tag::OsThread,
        Tag::MemStats,
        Tag::QueuedFinalizer,
        Tag::Data,
        Tag::Bss,
        Tag::Defer,
        Tag::Panic,
        Tag::MemProf,
        Tag::AllocSample,
    ];
}

#[cfg(test)]
mod tests {
    use super::Tag;

    #[test]
    fn tags_are_numbered_as_in_the_reference() {
        for (number, tag) in Tag::ALL.into_iter().enumerate() {
            assert_eq!(tag as usize, number, "{tag:?}");
        }
    }
}
