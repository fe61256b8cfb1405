//! The mistakes, in the order of the reference's code: what each breaks, where it can show, and the edits that make it.
//!
//! A row is `Name where (condition on target) { "file": "right" => "wrong", … }`. The file is one of `writer/src/`,
//! where the right text occurs exactly once, however it is spaced. With «» around a part of it the rest only says
//! where; both texts are expressions, or both are statements.

mistakes! {
    /// The buffer's last bytes are never written.
    FlushForgotten {
        "dump/mod.rs": "self.out.sink.flush()" => "Ok(())",
    }
    /// The buffer is flushed one byte too early: the stream is right, the sequence of writes is not.
    FlushedEarly {
        "format/buffer.rs": "len <= self.capacity - self.nbuf" => "len < self.capacity - self.nbuf",
        "format/buffer.rs": "data.len() <= free.len()" => "data.len() < free.len()",
    }
    /// A large datum is written before the buffer that precedes it.
    LargeDataOvertake {
        "format/sink.rs": "«self.write_buf()?; self.write_large(memory, addr, len, place)» }"
            => "self.write_large(memory, addr, len, place)?; self.write_buf()",
    }
    /// What a short write has left over is lost.
    ShortWriteForgotten {
        "format/sink.rs": "data = &data[n..];" => "data = &[];",
    }
    /// An interrupted write ends the dump.
    InterruptionFatal {
        "format/sink.rs": "error.kind() == io::ErrorKind::Interrupted" => "false",
    }
    /// 128 is encoded in one byte.
    UvarintBoundary {
        "format/uvarint.rs": "let width = «Width::of_one(v)»;" => "Width::of_one(if v == 128 { 127 } else { v })",
        "format/uvarint.rs": "values.len() >= 8" => "false",
    }
    /// Numbers from 64 on have a superfluous zero byte.
    UvarintPadded {
        "format/uvarint.rs": "buf[..8].copy_from_slice(&width.encode(v).to_le_bytes());"
            => "buf[..8].copy_from_slice(&width.encode(v).to_le_bytes());
                if (0x40..0x80).contains(&v) { buf[..2].copy_from_slice(&[v as u8 | 0x80, 0]); return 2; }",
    }
    /// Lengths of contents lose their upper bits: 16 here, where `int32` takes 2 GiB to show.
    LengthTruncated {
        "dump/mod.rs": "self.sink.dumpint(«len»)?;" => "u64::from(len as u16)",
        "dump/objects.rs": "Width::of(base.0, end)?, «elemsize»)" => "u64::from(elemsize as u16)",
    }
    /// Pointers lose their upper 32 bits.
    PointerTruncated where (target.ptr_size() == 8) {
        "dump/mod.rs": "self.sink.dumpint(«p.0»)" => "p.0 & 0xffff_ffff",
        "dump/objects.rs": "Width::of(base.0, end)" => "Width::of(base.0 & 0xffff_ffff, end & 0xffff_ffff)",
        "dump/objects.rs": "base + at as u64" => "(base + at as u64) & 0xffff_ffff",
    }
    /// Memory is read in the byte order of a little-endian host.
    ByteOrderOfHost where (target.big_endian()) {
        "process/field.rs": "T::BIG_ENDIAN" => "false",
    }

    /// What the dumper changes in its own words is put there as the upper half of eight bytes, which on machines with
    /// words of eight bytes is all of it.
    OwnWordsAreUpperHalves where (target.big_endian() && target.ptr_size() == 4) {
        "process/patch.rs": "bytes.extend_from_slice(&value.to_be_bytes()[8 - size..]);"
            => "bytes.extend_from_slice(&value.to_be_bytes()[..size]);",
    }
    /// The dump begins with the header of Go 1.4.
    HeaderOfGo14 {
        "dump/mod.rs": "R::VERSION.header" => r#"b"go1.4 heap dump\n""#,
    }
    /// There is no end record.
    EofForgotten {
        "dump/mod.rs": "self.out.tag(Tag::Eof)?;" => "",
    }
    /// Every machine is called little-endian.
    ParamsLittleEndian where (target.big_endian()) {
        "dump/params.rs": "R::Target::BIG_ENDIAN" => "false",
    }
    /// Every machine is said to have pointers of 8 bytes.
    PointerSizeOfHost where (target.ptr_size() == 4) {
        "dump/params.rs": "R::Target::PTR_SIZE" => "8",
    }
    /// Every machine is called `'6'`.
    TheCharOfAmd64 where (target != AnyTarget::Amd64) {
        "go15/mod.rs": "T::THECHAR" => "b'6'",
    }
    /// The heap ends one byte too early.
    HeapEndTooLow {
        "dump/params.rs": "params.arena_used" => "params.arena_used.wrapping_sub(1)",
    }

    /// The type of an itab with an indirect value is that of the value and not of its pointer.
    PtrtoNotFollowed {
        "go15/types.rs": "self.process.get(t, GoType::kind())? & KIND_DIRECT_IFACE == 0" => "false",
    }
    /// Of the itabs that share a bucket only the first is dumped.
    ItabChainIgnored {
        "go15/types.rs": "self.process.list(h, GoItab::link(), &mut each)?;" => "if !h.is_nil() { each(h)?; }",
    }
    /// Every type is dumped again for each of its itabs.
    TypeCacheIgnored {
        "dump/itabs.rs": "typecache.touch(t, runtime.type_hash(t)?)"
            => "typecache.touch(t, runtime.type_hash(t)?) && false",
    }
    /// A type that is found in the cache stays where it is in its bucket.
    TypeCacheWithoutMoveToFront {
        "dump/typecache.rs": "bucket[..=found.unwrap_or(ASSOC - 1)].rotate_right(1); bucket[0] = t;"
            => "if found.is_none() { bucket.rotate_right(1); bucket[0] = t; }",
    }
    /// Seven bits of a type's hash choose its bucket.
    TypeCacheOf128 {
        "dump/typecache.rs": "hash as usize % «BUCKETS»" => "128",
    }
    /// The dot between package path and name is counted and not written.
    TypeNameWithoutDot {
        "dump/itabs.rs": "out.sink.dwritebyte(b'.')?;" => "",
    }
    /// The flag of types looks at their pointers only, and not at how interfaces hold them.
    TypeFlagOfPointersOnly {
        "go15/types.rs": "«kind & KIND_DIRECT_IFACE == 0» ||" => "false",
    }

    /// Spans that are not in use are dumped.
    SpanStateIgnored {
        "go15/heap.rs": "s.get(Mspan::state())? == MSPAN_IN_USE" => "true",
    }
    /// Free slots are dumped as objects.
    FreeSlotsDumped {
        "go15/objects.rs": "«!free» & low_bits" => "!0",
    }
    /// The marks of free slots are kept from span to span.
    FreeMarksKept {
        "go15/objects.rs": "self.0.fill(0);" => "",
    }
    /// The last slot of each span is left out.
    LastSlotForgotten {
        "go15/objects.rs": "(«self.n - first»).min(GROUP)" => "self.n - 1 - first",
    }
    /// The heap bitmap is read from low to high addresses.
    BitmapUpwards {
        "go15/bitmap.rs": "(self.first, self.end) = (4 * first, 4 * end);"
            => "(self.first, self.end) = (4 * first, 4 * end); described.reverse();",
    }
    /// The four words of a byte of the heap bitmap are taken in reverse.
    BitmapBitsReversed {
        "go15/bitmap.rs": r#"bytes.try_into().expect("8 bytes")"#
            => "<[u8; 8]>::try_from(bytes).unwrap().map(|byte| byte.reverse_bits().rotate_left(4))",
    }
    /// The heap bitmap is taken to have two bits for 8 bytes on every machine.
    BitmapOf64Bits where (target.ptr_size() == 4) {
        "go15/bitmap.rs": "wrapping_sub(self.arena_start.0)) / «T::PTR_SIZE»" => "8",
    }
    /// Objects are taken to end where their span ends, so that stale bits become pointers.
    EndOfObjectIgnored {
        "go15/bitmap.rs": "marks & !marks.wrapping_add(1)" => "u64::MAX",
    }
    /// The mark bit of an object's second word, which says something else, is taken for its end.
    EndOfObjectEarly {
        "go15/bitmap.rs": "0b11" => "0b1",
    }
    /// Fields of objects are numbered by words.
    FieldsInWords {
        "dump/objects.rs": "dump_pointers(pointers, «i * T::PTR_SIZE», T::PTR_SIZE" => "i",
        "dump/objects.rs": "i * T::PTR_SIZE, «T::PTR_SIZE»" => "1",
        "dump/objects.rs": "room.pointers(pointers, 0, «T::PTR_SIZE»" => "1",
    }

    /// Goroutines in system calls are dumped where they last switched stacks.
    SyscallStateIgnored {
        "go15/goroutine.rs": "syscallsp != 0" => "false",
    }
    /// Goroutine numbers lose their upper 32 bits.
    GoidTruncated {
        "dump/goroutines.rs": "gp.goid" => "u64::from(gp.goid as u32)",
    }
    /// One field, `gopc`, is read in the wrong byte order.
    GopcByteOrder {
        "dump/goroutines.rs": "gp.gopc" => "gp.gopc.swap_bytes()",
    }
    /// The finalizer goroutine is a system goroutine even while a finalizer runs.
    RunfinqAlwaysSystem {
        "go15/goroutine.rs": r#"!self.process.variable::<Bool>(symbols.fing_running, "fingRunning")?"#
            => "true",
    }
    /// Panics are dumped before defers.
    PanicsFirst {
        "dump/goroutines.rs": "runtime.defers(gp.g, |d| dumpdefer(out, gp.g, &d))?; runtime.panics(gp.g, |p| dumppanic(out, gp.g, &p))"
            => "runtime.panics(gp.g, |p| dumppanic(out, gp.g, &p))?; runtime.defers(gp.g, |d| dumpdefer(out, gp.g, &d))",
    }
    /// Each defer links to itself.
    DeferLinksItself {
        "dump/goroutines.rs": "d.link" => "d.d",
    }
    /// The entry PC of a deferred closure is the closure's address.
    DeferEntryIsClosure {
        "dump/goroutines.rs": "d.entry" => "d.func.0",
    }
    /// The dead field of panics is 1.
    PanicDeferNotZero {
        "dump/goroutines.rs": "dumpint(«0»)" => "1",
    }
    /// Negative thread numbers are dumped as 32-bit ones.
    ThreadIdUnsigned {
        "dump/params.rs": "dumpint(«id»)" => "u64::from(id as u32)",
    }

    /// A link register that was not saved yet is ignored.
    LinkRegisterIgnored where (target.uses_lr()) {
        "go15/traceback.rs": "if T::USES_LR { lr0 } else { 0 }" => "0",
    }
    /// Stack barriers are not replaced by the PCs that they stand for.
    StackBarrierNotResolved {
        "go15/traceback.rs": "lr == self.symbols.stack_barrier.0" => "false",
    }
    /// The saved BP is taken for a local variable.
    SavedBpIgnored where (target == AnyTarget::Amd64) {
        "go15/traceback.rs": "T::ANY == AnyTarget::Amd64" => "false",
    }
    /// Frames below a fault continue where they are, whether they recover or not.
    ContinpcIsPc {
        "go15/traceback.rs": "if «waspanic» { continpc" => "false",
    }
    /// Frames lack the return PC that their call has pushed.
    FrameWithoutReturnPc where (!target.uses_lr()) {
        "dump/frames.rs": "let len = «s.fp - s.sp»;"
            => "(s.fp - s.sp).saturating_sub(if R::Target::USES_LR { 0 } else { R::Target::REG_SIZE })",
    }
    /// The stack map is that of the return PC and not of the call.
    PcNotBackedUp {
        "go15/frames.rs": "if s.pc != f.entry { uintptr::<T>(s.pc.wrapping_sub(1)) } else { s.pc }" => "s.pc",
    }
    /// The stack map index -1 is not taken for 0.
    StackMapIndexMinusOne {
        "go15/frames.rs": "-1 => «0»" => "-1",
    }
    /// Stack maps of several bitmaps are taken to have no padding.
    StackMapWithoutPadding {
        "go15/symtab.rs": "(nbit as u64).div_ceil(32) * 4" => "(nbit as u64).div_ceil(8)",
    }
    /// Pointers after an odd number of tables are not aligned.
    FuncdataNotAligned where (target.ptr_size() == 8) {
        "go15/symtab.rs": "T::PTR_SIZE == 8 && p.0 & 4 != 0" => "false",
    }
    /// Tables count PCs in bytes on every machine.
    PcQuantumOfX86 where (target.pc_quantum() > 1) {
        "go15/pclntab.rs": "T::PC_QUANTUM as u32" => "1",
    }
    /// The depth of frames is not counted.
    DepthNotCounted {
        "dump/frames.rs": "depth: self.child.depth + «1»" => "0",
    }
    /// A callee without an arguments map keeps that of its own callee.
    ChildArgsNotReset {
        "dump/frames.rs": "args: «frame.args»" => "frame.args.or(self.child.args)",
    }
    /// A callee's arguments are said to be at the bottom of the frame, where the link register is.
    ArgsAtLinkRegister where (target.uses_lr()) {
        "dump/frames.rs": "uintptr::<R::Target>(s.argp.wrapping_sub(s.fp))" => "0",
    }
    /// Local variables with a bitmap are counted from the bottom of the frame.
    LocalsFromBottom {
        "dump/frames.rs": "let first = «uintptr::<R::Target>(top.wrapping_sub(size))»" => "0",
    }
    /// Local variables of known size are counted from the bottom of the frame.
    LocalsSizeFromBottom {
        "dump/frames.rs": "self.dump_words(uintptr::<R::Target>(top.wrapping_sub(size)), top, |_| true)"
            => "self.dump_words(0, size, |_| true)",
    }
    /// Functions without a name have an empty one.
    UnknownFunctionEmpty {
        "dump/frames.rs": r#"Text::Literal("unknown function")"# => r#"Text::Literal("")"#,
    }

    /// The data segment is tagged as bss.
    DataTaggedBss {
        "dump/roots.rs": "out.tag(«tag»)?; out.dumpptr(start)" => "Tag::Bss",
    }
    /// The bits of a mask are taken from the high end of each byte.
    MaskBitsReversed {
        "dump/fields.rs": "let mut bits = «byte» &" => "byte.reverse_bits()",
    }
    /// Specials are said to belong to the first object of their span.
    SpecialOffsetForgotten {
        "go15/heap.rs": "process.get(special, Special::offset())?" => "0",
    }
    /// Specials of all kinds are taken for the one that is asked for.
    SpecialKindIgnored {
        "go15/heap.rs": "process.get(special, Special::kind())? == kind" => "true",
    }
    /// Only the first block of queued finalizers is dumped.
    FinalizerBlocksForgotten {
        "go15/roots.rs": "callback(self.queued(f)?)?;"
            => "if fb == allfin { callback(self.queued(f)?)?; }",
    }
    /// The two types of a finalizer are exchanged.
    FinalizerTypesSwapped {
        "dump/roots.rs": "out.dumpptr(f.fint)?; out.dumpptr(f.ot)"
            => "out.dumpptr(f.ot)?; out.dumpptr(f.fint)",
    }

    /// Statistics lose their upper 32 bits.
    MemStatsTruncated {
        "go15/profile.rs": "alloc: «stat(Mstats::alloc())?», total" => "stat(Mstats::alloc())? & 0xffff_ffff",
    }
    /// The last of 256 pauses is missing.
    PauseMissing {
        "dump/memstats.rs": "dumpints(«&m.pause_ns»)" => "&m.pause_ns[..255]",
    }
    /// What the dump itself allocates is not in `other_sys`, though the dialect says so.
    TmpbufNotBooked {
        "go15/profile.rs": "self.defects.tmpbuf_in_other_sys" => "false",
    }
    /// The lines of callers are those of their return PCs.
    ProfilePcNotBackedUp {
        "go15/symtab.rs": "if call && pc > f.entry { pc - 1 } else { pc }" => "pc",
    }
    /// Unknown PCs of the profile are written in decimal.
    ProfilePcDecimal {
        "dump/memprof.rs": r#"format!("({pc:#x})")"# => r#"format!("({pc})")"#,
    }
    /// The number of allocations is that of the frees.
    AllocsAreFrees {
        "dump/memprof.rs": "b.allocs" => "b.frees",
    }

    // What small and clean processes do not show.

    /// The bits of a mask are numbered anew after each 2,048.
    MaskOffsetsRestart {
        "dump/fields.rs": "let word = «first + 8 * i + u64::from(bits.trailing_zeros())»"
            => "8 * i + u64::from(bits.trailing_zeros())",
    }
    /// The first 2,048 bits of a mask are read again and again.
    MaskChunkRepeated {
        "dump/fields.rs": "offset::<T>(bv.bytedata, «first / 8»)" => "0",
    }
    /// Bits after a mask's end are counted.
    MaskPaddingCounted {
        "dump/fields.rs": "«u8::MAX >> (8 - (words - 8 * i).min(8))»" => "u8::MAX",
    }
    /// The last bit of each mask is left out.
    MaskLastBitForgotten {
        "dump/fields.rs": "let n = «bv.n.max(0) as u64»;" => "bv.n.max(1) as u64 - 1",
    }
    /// Offsets of fields outside of objects have 16 bits.
    FieldOffsetsOf16Bits {
        "dump/fields.rs": "let at = «uintptr::<T>(offset.wrapping_add(word * T::PTR_SIZE))»"
            => "offset.wrapping_add(word * T::PTR_SIZE) & 0xffff",
    }
    /// Offsets of fields of objects have 16 bits.
    ObjectOffsetsOf16Bits {
        "format/room.rs": "let field = «offset + u64::from(words.trailing_zeros()) * step»;"
            => "(offset + u64::from(words.trailing_zeros()) * step) & 0xffff",
        "format/room.rs": "let width = «Width::of(offset, offset + 63 * step).filter(|width| width.len < 8)»;" => "None::<Width>",
    }
    /// The heap ends where its reservation does.
    ArenaEnd {
        "go15/heap.rs": "Mheap::arena_used()" => "Mheap::arena_end()",
    }
    /// The last span of the list is forgotten.
    LastSpanForgotten {
        "go15/heap.rs": "for i in 0..«self.nspan»" => "self.nspan.saturating_sub(1)",
    }
    /// Specials belong to slots, and not to places in them.
    SpecialRoundedDown {
        "go15/heap.rs": "u64::from(distance)" => "u64::from(distance) / self.elemsize * self.elemsize",
    }
    /// The width of all addresses of a span is that of the first one.
    WidthOfFirstAddress {
        "go15/objects.rs": "end: «self.span.end()»," => "base.0",
    }
    /// The marks of the heap bitmap are taken one bit too low.
    MarksShifted {
        "go15/bitmap.rs": "low_halves(bits >> «4»)" => "3",
    }

    /// Only the first module's functions are found.
    FirstModuleOnly {
        "go15/symtab.rs": "«m.minpc <= pc» && pc <= m.maxpc"
            => "m.minpc <= pc && std::ptr::eq(m, &self.modules[0])",
    }
    /// A module is taken to have all text from its beginning on.
    ModuleEndIgnored {
        "go15/symtab.rs": "m.minpc <= pc && «pc <= m.maxpc»" => "true",
    }
    /// Tables of PCs are those of the first module.
    TablesOfFirstModule {
        "go15/symtab.rs": "Bytes::new(&self.process, «self.modules[f.module].pclntable», off)" => "self.modules[0].pclntable",
    }
    /// Names are those of the first module.
    NamesOfFirstModule {
        "go15/symtab.rs": "let table = «self.modules[f.module].pclntable»;" => "self.modules[0].pclntable",
    }
    /// Files are those of the first module.
    FilesOfFirstModule {
        "go15/symtab.rs": "self.modules[f.module].filetab" => "self.modules[0].filetab",
    }
    /// Files are counted from 0.
    FileBefore {
        "go15/symtab.rs": "offset::<T>(filetab.array, «fileno» * <Uint32" => "fileno.saturating_sub(1)",
    }
    /// The third byte of a varint is lost.
    ThirdVarintByteLost {
        "go15/pclntab.rs": "«u32::from(b & 0x7f)».checked_shl(shift)" => "if shift == 14 { 0 } else { u32::from(b & 0x7f) }",
    }
    /// Each frame's stack map is the first of its function.
    FirstStackMapOnly {
        "go15/frames.rs": "pcdata => «pcdata»," => "pcdata.min(0)",
    }
    /// Lines have 16 bits.
    LinesOf16Bits {
        "go15/symtab.rs": "line: «line as u64»" => "line as u16 as u64",
    }
    /// The size of a bucket's objects is its hash.
    BucketSizeIsHash {
        "go15/profile.rs": "GoBucket::size()" => "GoBucket::hash()",
    }
    /// The frees of a bucket are those of the collection before.
    FreesBefore {
        "go15/profile.rs": "MemRecord::frees()" => "MemRecord::prev_frees()",
    }

    /// Sizes of types have 32 bits.
    TypeSizeOf32Bits where (target.ptr_size() == 8) {
        "go15/types.rs": "self.process.get(t, GoType::size())?" => "self.process.get(t, GoType::size())? & 0xffff_ffff",
    }
    /// The type flag comes from the byte before `kind`.
    KindInByteBefore {
        "go15/types.rs": "let kind = self.process.get(t, «GoType::kind()»)?;" => "GoType::fieldalign()",
    }
    /// The name of a type is its package's.
    TypeNameIsPackage {
        "go15/types.rs": "let name = self.process.get(x, «UncommonType::name()»)?;" => "UncommonType::pkgpath()",
    }
    /// The last bucket of the itabs' hash table is left out.
    LastItabBucketForgotten {
        "go15/types.rs": "for bucket in 0..«HASH_SIZE»" => "HASH_SIZE - 1",
    }
    /// Itabs are said to be of their interface's type.
    ItabTypeIsInterface {
        "go15/types.rs": "GoItab::_type()" => "GoItab::inter()",
    }
    /// Lengths of strings are counted in UTF-16.
    LengthsInUtf16 {
        "dump/mod.rs": "self.dumpmemrange(memory, array, len, STRING)" => "{
            let mut text = vec![0; len as usize];
            let _ = memory.read(array, &mut text);
            self.sink.dumpint(String::from_utf8_lossy(&text).encode_utf16().count() as u64)?;
            self.sink.dwrite_from(memory, array, len, STRING)
        }",
    }

    /// The first goroutine is left out.
    FirstGoroutineForgotten {
        "go15/goroutine.rs": "for i in «0»..len" => "1",
    }
    /// `waitsince` is the field before it.
    WaitSinceIsGoid {
        "go15/goroutine.rs": "G::waitsince()" => "G::goid()",
    }
    /// What a goroutine starts with is taken to be where it was created.
    StartpcIsGopc {
        "go15/goroutine.rs": "G::startpc()" => "G::gopc()",
    }
    /// `sched.ctxt` is the field before it.
    ContextIsG {
        "go15/goroutine.rs": "Gobuf::ctxt()" => "Gobuf::g()",
    }
    /// A goroutine's thread is its parameter.
    ThreadIsParameter {
        "go15/goroutine.rs": "process.get(gp, «G::m()»)" => "G::param()",
    }
    /// Deferred calls return to where their stack pointer points.
    DeferPcIsSp {
        "go15/goroutine.rs": "GoDefer::pc()" => "GoDefer::sp()",
    }
    /// A panic's argument is its type.
    PanicDataIsType {
        "go15/goroutine.rs": "Eface::data()" => "Eface::_type()",
    }
    /// Stack barriers that were hit are taken to wait still.
    HitBarriersWait {
        "go15/traceback.rs": "let next = «process.get(gp, pos)?»;" => "0",
    }
    /// Numbers that the system gives to threads have 32 bits.
    ThreadOsIdOf32Bits {
        "go15/goroutine.rs": "self.process.get(mp, GoM::procid())?" => "self.process.get(mp, GoM::procid())? & 0xffff_ffff",
    }
    /// The number of processors has 8 bits.
    CpusOf8Bits {
        "go15/mod.rs": "self.process.variable::<Int32>(self.symbols.ncpu, \"ncpu\")? as u64"
            => "self.process.variable::<Int32>(self.symbols.ncpu, \"ncpu\")? as u8 as u64",
    }

    /// The data segment begins with the data that have no pointers.
    DataFromNoptrdata {
        "go15/roots.rs": "Moduledata::data()" => "Moduledata::noptrdata()",
    }
    /// The bss segment goes on to the end of all bss.
    BssToEnd {
        "go15/roots.rs": "Moduledata::ebss()" => "Moduledata::enoptrbss()",
    }
    /// Other roots are forgotten.
    OtherRootsForgotten {
        "dump/roots.rs": "in «*other_roots» {" => "&other_roots[..0]",
    }
    /// Of a finalizer's types the first is the number of its results.
    FinalizerTypeIsResults {
        "go15/roots.rs": "process.get(special, SpecialFinalizer::fint())?"
            => "Addr(process.get(special, SpecialFinalizer::nret())?)",
    }
    /// The object of a queued finalizer is its function.
    QueuedObjectIsFunction {
        "go15/roots.rs": "GoFinalizer::arg()" => "GoFinalizer::r#fn()",
    }
    /// Blocks of queued finalizers are taken to be full.
    FinalizerBlocksFull {
        "go15/roots.rs": "let n: i32 = «self.process.get(fb, cnt)?»;" => "finalizers_per_block::<T>() as i32",
    }
    /// The pauses are the times at which they ended.
    PausesAreEnds {
        "go15/profile.rs": "Mstats::pause_ns()" => "Mstats::pause_end()",
    }
    /// The number of collections has 64 bits.
    NumgcOf64Bits {
        "go15/profile.rs": "self.process.get(self.symbols.memstats, Mstats::numgc())?.into()" => "{
            let numgc = Mstats::numgc::<T>();
            let wide = crate::process::field::Field::<T, crate::process::field::Uint64>::new(numgc.place, numgc.offset);
            self.process.get(self.symbols.memstats, wide)?
        }",
    }
}
