//! The structures of Go 1.5.4's runtime that a heap dump reads, in Go's order and spelling.

use super::arch::CacheLine;
use crate::go15::arch::Target;
use crate::process::field::*;
use crate::process::uintptr;

/// `_PageShift`: log2 of the heap's page size in bytes (malloc.go).
pub(crate) const PAGE_SHIFT: u32 = 13;
/// `_PageSize`, in bytes (malloc.go).
pub(crate) const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;
/// `_FinBlockSize`, in bytes (mgc.go).
const FIN_BLOCK_SIZE: u64 = 4096;
/// `_NoArgs`, as a target's `uintptr` (stubs.go): the `sp` of a defer that has no arguments.
pub(crate) const fn no_args<T: Target>() -> u64 {
    uintptr::<T>(u64::MAX)
}

go_structs! {
    /// mheap.go.
    Mheap = mheap {
        lock: Uintptr,
        free: Array<Mspan, 128>,
        freelarge: Mspan,
        busy: Array<Mspan, 128>,
        busylarge: Mspan,
        allspans: Ptr,
        gcspans: Ptr,
        nspan: Uint32,
        sweepgen: Uint32,
        sweepdone: Uint32,
        spans: Ptr,
        spans_mapped: Uintptr,
        spanBytesAlloc: Uint64,
        pagesSwept: Uint64,
        sweepPagesPerByte: Uint64,
        largefree: Uint64,
        nlargefree: Uint64,
        nsmallfree: Array<Uint64, 67>,
        bitmap: Uintptr,
        bitmap_mapped: Uintptr,
        arena_start: Uintptr,
        arena_used: Uintptr,
        arena_end: Uintptr,
        arena_reserved: Bool,
        central: Array<PaddedMcentral, 67>,
        spanalloc: Fixalloc,
        cachealloc: Fixalloc,
        specialfinalizeralloc: Fixalloc,
        specialprofilealloc: Fixalloc,
        speciallock: Uintptr,
    }

    /// mheap.go.
    Mspan = mspan {
        next: Ptr,
        prev: Ptr,
        start: Uintptr,
        npages: Uintptr,
        freelist: Ptr,
        sweepgen: Uint32,
        divMul: Uint32,
        r#ref: Uint16,
        sizeclass: Uint8,
        incache: Bool,
        state: Uint8,
        needzero: Uint8,
        divShift: Uint8,
        divShift2: Uint8,
        elemsize: Uintptr,
        unusedsince: Int64,
        npreleased: Uintptr,
        limit: Uintptr,
        speciallock: Uintptr,
        specials: Ptr,
        baseMask: Uintptr,
    }

    /// mcentral.go.
    Mcentral = mcentral {
        lock: Uintptr,
        sizeclass: Int32,
        nonempty: Mspan,
        empty: Mspan,
    }

    /// The elements of `mheap.central`, a structure without a name.
    PaddedMcentral = central {
        mcentral: Mcentral,
        pad: CacheLine,
    }

    /// mfixalloc.go.
    Fixalloc = fixalloc {
        size: Uintptr,
        first: Ptr,
        arg: Ptr,
        list: Ptr,
        chunk: Ptr,
        nchunk: Uint32,
        inuse: Uintptr,
        stat: Ptr,
    }

    /// mcache.go.
    Gclink = gclink {
        next: Ptr,
    }

    /// mheap.go.
    Special = special {
        next: Ptr,
        offset: Uint16,
        kind: Uint8,
    }

    /// mheap.go.
    SpecialFinalizer = specialfinalizer {
        special: Special,
        r#fn: Ptr,
        nret: Uintptr,
        fint: Ptr,
        ot: Ptr,
    }

    /// mheap.go.
    SpecialProfile = specialprofile {
        special: Special,
        b: Ptr,
    }

    /// mstats.go, as far as it is dumped.
    Mstats = mstats {
        alloc: Uint64,
        total_alloc: Uint64,
        sys: Uint64,
        nlookup: Uint64,
        nmalloc: Uint64,
        nfree: Uint64,
        heap_alloc: Uint64,
        heap_sys: Uint64,
        heap_idle: Uint64,
        heap_inuse: Uint64,
        heap_released: Uint64,
        heap_objects: Uint64,
        stacks_inuse: Uint64,
        stacks_sys: Uint64,
        mspan_inuse: Uint64,
        mspan_sys: Uint64,
        mcache_inuse: Uint64,
        mcache_sys: Uint64,
        buckhash_sys: Uint64,
        gc_sys: Uint64,
        other_sys: Uint64,
        next_gc: Uint64,
        last_gc: Uint64,
        pause_total_ns: Uint64,
        pause_ns: Array<Uint64, 256>,
        pause_end: Array<Uint64, 256>,
        numgc: Uint32,
    }

    /// type.go.
    Type = _type {
        size: Uintptr,
        ptrdata: Uintptr,
        hash: Uint32,
        _unused: Uint8,
        align: Uint8,
        fieldalign: Uint8,
        kind: Uint8,
        alg: Ptr,
        gcdata: Ptr,
        _string: Ptr,
        x: Ptr,
        ptrto: Ptr,
        zero: Ptr,
    }

    /// type.go.
    UncommonType = uncommontype {
        name: Ptr,
        pkgpath: Ptr,
        mhdr: Slice,
    }

    /// runtime2.go.
    Itab = itab {
        inter: Ptr,
        _type: Ptr,
        link: Ptr,
        bad: Int32,
        unused: Int32,
        fun: Array<Uintptr, 1>,
    }

    /// runtime2.go.
    Eface = eface {
        _type: Ptr,
        data: Ptr,
    }

    /// runtime2.go.
    Funcval = funcval {
        r#fn: Uintptr,
    }

    /// runtime2.go.
    Stack = stack {
        lo: Uintptr,
        hi: Uintptr,
    }

    /// runtime2.go.
    Stkbar = stkbar {
        savedLRPtr: Uintptr,
        savedLRVal: Uintptr,
    }

    /// runtime2.go.
    Gobuf = gobuf {
        sp: Uintptr,
        pc: Uintptr,
        g: Ptr,
        ctxt: Ptr,
        ret: Uintreg,
        lr: Uintptr,
        bp: Uintptr,
    }

    /// runtime2.go, as far as it is dumped.
    G = g {
        stack: Stack,
        stackguard0: Uintptr,
        stackguard1: Uintptr,
        _panic: Ptr,
        _defer: Ptr,
        m: Ptr,
        stackAlloc: Uintptr,
        sched: Gobuf,
        syscallsp: Uintptr,
        syscallpc: Uintptr,
        stkbar: Slice,
        stkbarPos: Uintptr,
        param: Ptr,
        atomicstatus: Uint32,
        stackLock: Uint32,
        goid: Int64,
        waitsince: Int64,
        waitreason: GoString,
        schedlink: Ptr,
        preempt: Bool,
        paniconfault: Bool,
        preemptscan: Bool,
        gcscandone: Bool,
        gcscanvalid: Bool,
        throwsplit: Bool,
        raceignore: Uint8,
        sysblocktraced: Bool,
        sysexitticks: Int64,
        sysexitseq: Uint64,
        lockedm: Ptr,
        sig: Uint32,
        writebuf: Slice,
        sigcode0: Uintptr,
        sigcode1: Uintptr,
        sigpc: Uintptr,
        gopc: Uintptr,
        startpc: Uintptr,
        racectx: Uintptr,
        waiting: Ptr,
        readyg: Ptr,
        gcalloc: Uintptr,
        gcscanwork: Int64,
    }

    /// runtime2.go, as far as it is dumped.
    M = m {
        g0: Ptr,
        morebuf: Gobuf,
        divmod: Uint32,
        procid: Uint64,
        gsignal: Ptr,
        sigmask: Array<Uintptr, 4>,
        tls: Array<Uintptr, 4>,
        mstartfn: Ptr,
        curg: Ptr,
        caughtsig: Ptr,
        p: Ptr,
        nextp: Ptr,
        id: Int32,
        mallocing: Int32,
        throwing: Int32,
        preemptoff: GoString,
        locks: Int32,
        softfloat: Int32,
        dying: Int32,
        profilehz: Int32,
        helpgc: Int32,
        spinning: Bool,
        blocked: Bool,
        inwb: Bool,
        printlock: Uint8,
        fastrand: Uint32,
        ncgocall: Uint64,
        ncgo: Int32,
        park: Uintptr,
        alllink: Ptr,
    }

    /// runtime2.go.
    Defer = _defer {
        siz: Int32,
        started: Bool,
        sp: Uintptr,
        pc: Uintptr,
        r#fn: Ptr,
        _panic: Ptr,
        link: Ptr,
    }

    /// runtime2.go.
    Panic = _panic {
        argp: Ptr,
        arg: Eface,
        link: Ptr,
        recovered: Bool,
        aborted: Bool,
    }

    /// runtime2.go.
    Func = _func {
        entry: Uintptr,
        nameoff: Int32,
        args: Int32,
        frame: Int32,
        pcsp: Int32,
        pcfile: Int32,
        pcln: Int32,
        npcdata: Int32,
        nfuncdata: Int32,
    }

    /// symtab.go.
    Moduledata = moduledata {
        pclntable: Slice,
        ftab: Slice,
        filetab: Slice,
        findfunctab: Uintptr,
        minpc: Uintptr,
        maxpc: Uintptr,
        text: Uintptr,
        etext: Uintptr,
        noptrdata: Uintptr,
        enoptrdata: Uintptr,
        data: Uintptr,
        edata: Uintptr,
        bss: Uintptr,
        ebss: Uintptr,
        noptrbss: Uintptr,
        enoptrbss: Uintptr,
        end: Uintptr,
        gcdata: Uintptr,
        gcbss: Uintptr,
        typelinks: Slice,
        modulename: GoString,
        modulehashes: Slice,
        gcdatamask: Bitvector,
        gcbssmask: Bitvector,
        next: Ptr,
    }

    /// symtab.go.
    Functab = functab {
        entry: Uintptr,
        funcoff: Uintptr,
    }

    /// symtab.go.
    FindFuncBucket = findfuncbucket {
        idx: Uint32,
        subbuckets: Array<Uint8, 16>,
    }

    /// symtab.go.
    Stackmap = stackmap {
        n: Int32,
        nbit: Int32,
        bytedata: Array<Uint8, 1>,
    }

    /// stack2.go.
    Bitvector = bitvector {
        n: Int32,
        bytedata: Ptr,
    }

    /// mfinal.go.
    Finalizer = finalizer {
        r#fn: Ptr,
        arg: Ptr,
        nret: Uintptr,
        fint: Ptr,
        ot: Ptr,
    }

    /// mfinal.go, without the array `fin` that its last field is the first element of.
    Finblock = finblock {
        alllink: Ptr,
        next: Ptr,
        cnt: Int32,
        blank: Int32,
        fin: Finalizer,
    }

    /// mprof.go.
    Bucket = bucket {
        next: Ptr,
        allnext: Ptr,
        typ: Uintptr,
        hash: Uintptr,
        size: Uintptr,
        nstk: Uintptr,
    }

    /// mprof.go.
    MemRecord = memRecord {
        allocs: Uintptr,
        frees: Uintptr,
        alloc_bytes: Uintptr,
        free_bytes: Uintptr,
        prev_allocs: Uintptr,
        prev_frees: Uintptr,
        prev_alloc_bytes: Uintptr,
        prev_free_bytes: Uintptr,
        recent_allocs: Uintptr,
        recent_frees: Uintptr,
        recent_alloc_bytes: Uintptr,
        recent_free_bytes: Uintptr,
    }
}

/// `len(finblock.fin)`.
pub(crate) const fn finalizers_per_block<T: Target>() -> u64 {
    (FIN_BLOCK_SIZE - Finblock::fin::<T>().offset) / <Finalizer as GoType<T>>::SIZE
}

#[cfg(test)]
mod tests;
