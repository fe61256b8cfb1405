//! The structures, variables and constants of today's runtime, as a program's [`Layouts`] have them.

use crate::error::Place;
use crate::layouts::{Layouts, NoLayout, VariableAt};
use crate::memory::Addr;

/// A field of a structure, or a variable: an integer of up to eight bytes, or something of which parts are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// The distance from the structure's beginning, in bytes.
    pub offset: u64,
    /// In bytes.
    pub size: u64,
    /// What it is called.
    pub place: Place,
}

impl At {
    /// What begins `bytes` further on.
    pub(crate) const fn after(self, bytes: u64) -> At {
        At { offset: self.offset.wrapping_add(bytes), ..self }
    }

    /// Of its first bytes so many.
    pub(crate) const fn sized(self, size: u64) -> At {
        At { size, ..self }
    }
}

/// The first of several spellings that the program knows.
fn first<V>(
    names: &[&'static str],
    mut find: impl FnMut(&'static str) -> Option<V>,
) -> Option<(&'static str, V)> {
    names.iter().find_map(|&name| Some((name, find(name)?)))
}

/// A name without its package.
fn short(name: &'static str) -> &'static str {
    name.rsplit('.').next().unwrap_or(name)
}

fn field(
    layouts: &dyn Layouts,
    structure: &'static str,
    names: &[&'static str],
    ok: impl Fn(u64) -> bool,
) -> Result<At, NoLayout> {
    let place = |name| Place::new(short(structure), name);
    let (name, at) = first(names, |name| layouts.field(structure, name).filter(|at| ok(at.size)))
        .ok_or(NoLayout(place(names[0])))?;
    Ok(At { offset: at.offset, size: at.size, place: place(name) })
}

const fn is_integer(size: u64) -> bool {
    matches!(size, 1 | 2 | 4 | 8)
}

/// Declares structures. Of a field, `int` says that it is an integer or a pointer, `any` that parts of it are read, and `opt`
/// that it is an integer which not all releases have. The names are those of Go; where they have changed, the newest first.
macro_rules! structures {
    ($($(#[$doc:meta])* $name:ident = $($go:literal)|+ { $($field:ident: $kind:ident $($spelling:literal)|+;)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name {
            /// The whole, in bytes.
            #[allow(dead_code, reason = "not every structure is an element of something")]
            pub size: u64,
            $(pub $field: structures!(@type $kind),)*
        }

        impl $name {
            /// Looks the fields up.
            pub(crate) fn find(layouts: &dyn Layouts) -> Result<Self, NoLayout> {
                let names = &[$($go),+];
                let (go, size) = first(names, |name| layouts.size(name))
                    .ok_or(NoLayout(Place::new("package", names[0])))?;
                Ok($name { size, $($field: structures!(@find $kind layouts, go, &[$($spelling),+]),)* })
            }
        }
    )*};
    (@type opt) => { Option<At> };
    (@type $kind:ident) => { At };
    (@find int $layouts:ident, $go:ident, $names:expr) => { field($layouts, $go, $names, is_integer)? };
    (@find any $layouts:ident, $go:ident, $names:expr) => { field($layouts, $go, $names, |_| true)? };
    (@find opt $layouts:ident, $go:ident, $names:expr) => { field($layouts, $go, $names, is_integer).ok() };
}

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

/// The address and size of a variable.
pub(crate) fn variable(layouts: &dyn Layouts, names: &[&'static str]) -> Result<VariableAt, NoLayout> {
    first(names, |name| layouts.variable(name))
        .map(|(_, at)| at)
        .ok_or(NoLayout(Place::new("package", names[0])))
}

/// The value of a constant.
pub(crate) fn constant(layouts: &dyn Layouts, names: &[&'static str]) -> Result<i64, NoLayout> {
    first(names, |name| layouts.constant(name))
        .map(|(_, value)| value)
        .ok_or(NoLayout(Place::new("package", names[0])))
}

/// The sizes of the descriptions of types by their kind, after which those of methods follow (`Uncommon`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptions {
    pub array: u64,
    pub chan: u64,
    pub func: u64,
    pub interface: u64,
    pub map: u64,
    pub pointer: u64,
    pub slice: u64,
    pub structure: u64,
}

impl Descriptions {
    pub(crate) fn find(layouts: &dyn Layouts) -> Result<Self, NoLayout> {
        let size = |names: &[&'static str]| {
            first(names, |name| layouts.size(name))
                .map(|(_, size)| size)
                .ok_or(NoLayout(Place::new("package", names[0])))
        };
        Ok(Descriptions {
            array: size(&["internal/abi.ArrayType", "runtime.arraytype"])?,
            chan: size(&["internal/abi.ChanType", "runtime.chantype"])?,
            func: size(&["internal/abi.FuncType", "runtime.functype"])?,
            interface: size(&["internal/abi.InterfaceType", "runtime.interfacetype"])?,
            map: size(&[
                "internal/abi.MapType",
                "internal/abi.SwissMapType",
                "internal/abi.OldMapType",
                "runtime.maptype",
            ])?,
            pointer: size(&["internal/abi.PtrType", "runtime.ptrtype"])?,
            slice: size(&["internal/abi.SliceType", "runtime.slicetype"])?,
            structure: size(&["internal/abi.StructType", "runtime.structtype"])?,
        })
    }
}

/// Declares variables by their Go names.
macro_rules! variables {
    ($($(#[$doc:meta])* $name:ident = $($go:literal)|+ $($optional:ident)?;)*) => {
        /// The addresses of the runtime's variables.
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Variables {
            $($(#[$doc])* pub $name: variables!(@type $($optional)?),)*
        }

        impl Variables {
            pub(crate) fn find(layouts: &dyn Layouts) -> Result<Self, NoLayout> {
                Ok(Variables { $($name: variables!(@find layouts, &[$($go),+], $($optional)?),)* })
            }
        }
    };
    (@type optional) => { Option<VariableAt> };
    (@type) => { Addr };
    (@find $layouts:ident, $names:expr, optional) => { variable($layouts, $names).ok() };
    (@find $layouts:ident, $names:expr,) => { variable($layouts, $names)?.addr };
}

variables! {
    /// mheap.go.
    mheap = "runtime.mheap_";
    /// symtab.go.
    firstmoduledata = "runtime.firstmoduledata";
    /// proc.go.
    allgs = "runtime.allgs";
    /// proc.go.
    allm = "runtime.allm";
    /// mfinal.go. Whoever finds variables by what they contain finds none that is nil: there are no blocks then.
    allfin = "runtime.allfin" optional;
    /// mprof.go. Likewise.
    mbuckets = "runtime.mbuckets" optional;
    /// iface.go.
    itab_table = "runtime.itabTable";
    /// Set by the linker.
    build_version = "runtime.buildVersion";
    /// runtime2.go; `ncpu` up to Go 1.24.
    ncpu = "runtime.numCPUStartup" | "runtime.ncpu" optional;
    /// runtime2.go.
    allp = "runtime.allp" optional;
    /// mfinal.go, since Go 1.20.
    fing_status = "runtime.fingStatus" optional;
    /// mfinal.go, up to Go 1.19.
    fing_running = "runtime.fingRunning" optional;
    /// runtime2.go.
    wait_reason_strings = "runtime.waitReasonStrings" optional;
    /// mgc.go.
    gcphase = "runtime.gcphase" optional;
    /// stkframe.go: the variables of a frame of `reflect.methodValueCall`.
    reflect_objects = "runtime.methodValueCallFrameObjs" optional;
    /// heapdump.go.
    typecache = "runtime.typecache" optional;
    /// heapdump.go.
    tmpbuf = "runtime.tmpbuf" optional;
    /// heapdump.go: where a dump goes, and 0 when there is none.
    dumpfd = "runtime.dumpfd" optional;
}
