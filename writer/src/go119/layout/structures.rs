//! The structures, and the fields that are read of each.

use super::{At, field, first, is_integer};
use crate::error::Place;
use crate::layouts::{Layouts, NoLayout};

structures! {
    /// symtab.go.
    Moduledata = "runtime.moduledata" {
        pc_header: int "pcHeader";
        funcnametab: any "funcnametab";
        cutab: any "cutab";
        filetab: any "filetab";
        pctab: any "pctab";
        pclntable: any "pclntable";
        ftab: any "ftab";
        findfunctab: int "findfunctab";
        minpc: int "minpc";
        maxpc: int "maxpc";
        text: int "text";
        data: int "data";
        edata: int "edata";
        bss: int "bss";
        ebss: int "ebss";
        types: int "types";
        etypes: int "etypes";
        rodata: int "rodata";
        gofunc: int "gofunc";
        textsectmap: any "textsectmap";
        gcdatamask: any "gcdatamask";
        gcbssmask: any "gcbssmask";
        next: int "next";
    }

    /// symtab.go.
    PcHeader = "runtime.pcHeader" {
        min_lc: int "minLC";
    }

    /// symtab.go.
    Textsect = "runtime.textsect" {
        vaddr: int "vaddr";
        end: int "end";
        baseaddr: int "baseaddr";
    }

    /// symtab.go.
    Functab = "runtime.functab" {
        entryoff: int "entryoff";
        funcoff: int "funcoff";
    }

    /// symtab.go.
    Findfuncbucket = "runtime.findfuncbucket" {
        idx: int "idx";
        subbuckets: any "subbuckets";
    }

    /// runtime2.go.
    Func = "runtime._func" {
        entry_off: int "entryOff" | "entryoff";
        name_off: int "nameOff" | "nameoff";
        args: int "args";
        deferreturn: int "deferreturn";
        pcsp: int "pcsp";
        pcfile: int "pcfile";
        pcln: int "pcln";
        npcdata: int "npcdata";
        cu_offset: int "cuOffset";
        func_id: int "funcID";
        flag: int "flag";
        nfuncdata: int "nfuncdata";
    }

    /// stack.go.
    Stackmap = "runtime.stackmap" {
        n: int "n";
        nbit: int "nbit";
        bytedata: any "bytedata";
    }

    /// stack.go; the size of what has pointers is below 0 where a program describes it.
    StackObjectRecord = "runtime.stackObjectRecord" {
        off: int "off";
        object_size: int "size";
        ptr_bytes: int "ptrBytes" | "_ptrBytes" | "ptrdata" | "_ptrdata";
        gcdataoff: int "gcdataoff";
    }

    /// stack.go.
    Bitvector = "runtime.bitvector" {
        n: int "n";
        bytedata: int "bytedata";
    }

    /// runtime2.go.
    G = "runtime.g" {
        stack: any "stack";
        panic: int "_panic";
        defer: int "_defer";
        m: int "m";
        sched: any "sched";
        syscallsp: int "syscallsp";
        syscallpc: int "syscallpc";
        atomicstatus: int "atomicstatus";
        goid: int "goid";
        waitsince: int "waitsince";
        waitreason: int "waitreason";
        gopc: int "gopc";
        startpc: int "startpc";
        running_cleanups: opt "runningCleanups";
    }

    /// runtime2.go.
    Gobuf = "runtime.gobuf" {
        sp: int "sp";
        pc: int "pc";
        ctxt: int "ctxt";
        lr: opt "lr";
        ret: opt "ret";
    }

    /// runtime2.go.
    Defer = "runtime._defer" {
        sp: int "sp";
        pc: int "pc";
        func: int "fn";
        link: int "link";
    }

    /// runtime2.go.
    Panic = "runtime._panic" {
        arg: any "arg";
        link: int "link";
    }

    /// runtime2.go.
    M = "runtime.m" {
        g0: int "g0";
        gsignal: opt "gsignal";
        vdso_sp: opt "vdsoSP";
        vdso_pc: opt "vdsoPC";
        curg: int "curg";
        id: int "id";
        procid: int "procid";
        alllink: int "alllink";
    }

    /// mheap.go.
    Mheap = "runtime.mheap" {
        sweepgen: int "sweepgen";
        allspans: any "allspans";
        arenas: any "arenas";
    }

    /// mheap.go.
    Mspan = "runtime.mspan" {
        start_addr: int "startAddr";
        npages: int "npages";
        freeindex: int "freeindex";
        free_index_for_scan: int "freeIndexForScan";
        nelems: int "nelems";
        alloc_bits: int "allocBits";
        gcmark_bits: int "gcmarkBits";
        alloc_count: opt "allocCount";
        alloc_count_before_cache: opt "allocCountBeforeCache";
        sweepgen: int "sweepgen";
        spanclass: int "spanclass";
        state: int "state";
        elemsize: int "elemsize";
        specials: int "specials";
        large_type: opt "largeType";
    }

    /// mheap.go.
    Special = "runtime.special" {
        next: int "next";
        offset: int "offset";
        kind: int "kind";
    }

    /// mheap.go.
    SpecialFinalizer = "runtime.specialfinalizer" {
        func: int "fn";
        fint: int "fint";
        ot: int "ot";
    }

    /// mheap.go.
    SpecialProfile = "runtime.specialprofile" {
        b: int "b";
    }

    /// mfinal.go.
    FinBlock = "runtime.finBlock" | "runtime.finblock" {
        alllink: int "alllink";
        cnt: int "cnt";
        fin: any "fin";
    }

    /// mfinal.go.
    Finalizer = "runtime.finalizer" {
        func: int "fn";
        arg: int "arg";
        fint: int "fint";
        ot: int "ot";
    }

    /// mprof.go.
    Bucket = "runtime.bucket" {
        typ: int "typ";
        allnext: int "allnext";
        bucket_size: int "size";
        nstk: int "nstk";
    }

    /// mprof.go.
    MemRecordCycle = "runtime.memRecordCycle" {
        allocs: int "allocs";
        frees: int "frees";
    }

    /// iface.go.
    ItabTable = "runtime.itabTableType" {
        table_size: int "size";
        entries: any "entries";
    }

    /// internal/abi's iface.go; runtime2.go up to Go 1.22.
    Itab = "internal/abi.ITab" | "runtime.itab" {
        typ: int "Type" | "_type";
    }

    /// internal/abi's type.go; runtime's type.go up to Go 1.20.
    Type = "internal/abi.Type" | "runtime._type" {
        type_size: int "Size_" | "size";
        ptr_bytes: int "PtrBytes" | "ptrdata";
        hash: int "Hash" | "hash";
        tflag: int "TFlag" | "tflag";
        kind: int "Kind_" | "kind";
        gc_data: int "GCData" | "gcdata";
        str: int "Str" | "str";
    }

    /// See [`Type`].
    ArrayType = "internal/abi.ArrayType" | "runtime.arraytype" {
        elem: int "Elem" | "elem";
        len: int "Len" | "len";
    }

    /// See [`Type`].
    StructType = "internal/abi.StructType" | "runtime.structtype" {
        fields: any "Fields" | "fields";
    }

    /// See [`Type`].
    StructField = "internal/abi.StructField" | "runtime.structfield" {
        typ: int "Typ" | "typ";
        offset: int "Offset" | "offset" | "offsetAnon";
    }
}
