//! In what the releases differ, found out once, when a process is opened.
//!
//! What a release has is told by what its layouts have: nothing after this asks for a version.

use super::layout::{
    ArrayType, At, Bucket, Defer, Descriptions, FinBlock, Finalizer, G, Gobuf, Itab, ItabTable, M,
    MemRecordCycle, Mheap, Mspan, Panic, Special, SpecialFinalizer, SpecialProfile, StackObjectRecord,
    StructField, StructType, Type, Variables, constant,
};
use super::symtab::Tables;
use crate::error::Place;
use crate::layouts::{Layouts, NoLayout, VariableAt};
use crate::memory::Addr;

/// The number of a function that the runtime knows (`funcID`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Known(pub u64);

/// What the runtime calls by number; a release lacks what is nil.
#[derive(Clone, Copy, Debug)]
pub(super) struct FuncIds {
    pub sigpanic: Option<Known>,
    pub async_preempt: Option<Known>,
    pub debug_call: Option<Known>,
    pub cgocallback: Option<Known>,
    pub runtime_main: Option<Known>,
    pub handle_async_event: Option<Known>,
    pub corostart: Option<Known>,
    pub run_finalizers: Option<Known>,
    pub run_cleanups: Option<Known>,
}

/// Where it is said which words of the heap are pointers.
#[derive(Clone, Debug)]
pub(super) enum Pointers {
    /// Up to Go 1.19: two bits a word in `heapArena.bitmap`, whether it is a pointer and whether the object goes on.
    TwoBits { bitmap: At },
    /// Go 1.20 and 1.21: a bit a word in `heapArena.bitmap`, and one for each word of that in `heapArena.noMorePtrs`.
    OneBit { bitmap: At, no_more_ptrs: At },
    /// Since Go 1.22: at the end of the span, or in the type that an object begins with.
    Headers(Box<Headers>),
}

/// See [`Pointers::Headers`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Headers {
    /// `mspan.largeType`.
    pub large_type: At,
    /// `spanInlineMarkBits`, in bytes, which take the end of spans of small objects where Green Tea is on; otherwise 0.
    pub inline_marks: u64,
    /// What masks may have to be built of.
    pub on_demand: Option<OnDemand>,
}

/// Since Go 1.24: masks of large types that are made when they are first asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnDemand {
    /// `TFlagGCMaskOnDemand`.
    pub flag: u64,
    pub array: ArrayType,
    pub structure: StructType,
    pub field: StructField,
}

/// How it is told that a finalizer runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Finalizing {
    /// Up to Go 1.19: `fingRunning`.
    Running(Addr),
    /// `fingStatus`, and its bit.
    Status(Addr, u64),
    /// Where neither is to be found: there is a frame that is not the runtime's.
    Frames,
}

/// Where it is said that an interface holds a value itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direct {
    /// `kindDirectIface`, up to Go 1.25.
    Kind(u64),
    /// `TFlagDirectIface`.
    TFlag(u64),
}

/// The heap's division into arenas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arenas {
    pub l1_bits: u64,
    pub l2_bits: u64,
    /// `heapArenaBytes`.
    pub bytes: u64,
    /// `arenaBaseOffset`.
    pub base_offset: u64,
}

/// How a runtime is laid out.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub variables: Variables,
    pub tables: Tables,
    pub func_ids: FuncIds,
    pub top_frame: u64,
    pub sp_write: u64,
    pub arenas: Arenas,
    pub pointers: Pointers,
    pub finalizing: Finalizing,
    pub direct: Direct,
    /// What `isFree` compares an index with: `freeindex` since Go 1.25, `freeIndexForScan` before.
    pub free_from: At,
    pub kind_special_finalizer: u64,
    pub kind_special_profile: u64,
    /// `waitReasonDumpingHeap`.
    pub dumping_heap: Option<u64>,
    pub g: G,
    pub gobuf: Gobuf,
    pub defer: Defer,
    pub panic: Panic,
    pub m: M,
    pub mheap: Mheap,
    pub mspan: Mspan,
    pub special: Special,
    pub stack_object: StackObjectRecord,
    pub special_finalizer: SpecialFinalizer,
    pub special_profile: SpecialProfile,
    pub fin_block: FinBlock,
    pub finalizer: Finalizer,
    pub bucket: Bucket,
    pub mem_record_cycle: MemRecordCycle,
    pub itab_table: ItabTable,
    pub itab: Itab,
    pub typ: Type,
    pub descriptions: Descriptions,
}

impl Shape {
    /// Finds it out.
    pub(super) fn probe(layouts: &dyn Layouts) -> Result<Shape, NoLayout> {
        let variables = Variables::find(layouts)?;
        let (mspan, gobuf) = (Mspan::find(layouts)?, Gobuf::find(layouts)?);
        let number = |names: &[&'static str]| constant(layouts, names).map(|value| value as u64);
        Ok(Shape {
            tables: Tables::find(layouts)?,
            func_ids: FuncIds::probe(layouts),
            top_frame: number(&["internal/abi.FuncFlagTopFrame", "runtime.funcFlag_TOPFRAME"])?,
            sp_write: number(&["internal/abi.FuncFlagSPWrite", "runtime.funcFlag_SPWRITE"])?,
            arenas: Arenas {
                l1_bits: number(&["runtime.arenaL1Bits"])?,
                l2_bits: number(&["runtime.arenaL2Bits"])?,
                bytes: number(&["runtime.heapArenaBytes"])?.max(1),
                base_offset: number(&["runtime.arenaBaseOffsetUintptr"])?,
            },
            pointers: Pointers::probe(layouts, &mspan)?,
            finalizing: Finalizing::probe(layouts, &variables)?,
            direct: match number(&["internal/abi.TFlagDirectIface"]) {
                Ok(flag) => Direct::TFlag(flag),
                Err(_) => Direct::Kind(number(&["runtime.kindDirectIface", "internal/abi.KindDirectIface"])?),
            },
            // The field went, and the other way to compare came, with the same release.
            free_from: match gobuf.ret {
                None => mspan.freeindex,
                Some(_) => mspan.free_index_for_scan,
            },
            kind_special_finalizer: number(&["runtime._KindSpecialFinalizer"])?,
            kind_special_profile: number(&["runtime._KindSpecialProfile"])?,
            dumping_heap: number(&["runtime.waitReasonDumpingHeap"]).ok(),
            g: G::find(layouts)?,
            gobuf,
            defer: Defer::find(layouts)?,
            panic: Panic::find(layouts)?,
            m: M::find(layouts)?,
            mheap: Mheap::find(layouts)?,
            special: Special::find(layouts)?,
            stack_object: StackObjectRecord::find(layouts)?,
            special_finalizer: SpecialFinalizer::find(layouts)?,
            special_profile: SpecialProfile::find(layouts)?,
            fin_block: FinBlock::find(layouts)?,
            finalizer: Finalizer::find(layouts)?,
            bucket: Bucket::find(layouts)?,
            mem_record_cycle: MemRecordCycle::find(layouts)?,
            itab_table: ItabTable::find(layouts)?,
            itab: Itab::find(layouts)?,
            typ: Type::find(layouts)?,
            descriptions: Descriptions::find(layouts)?,
            mspan,
            variables,
        })
    }
}

impl FuncIds {
    fn probe(layouts: &dyn Layouts) -> Self {
        let id = |names: &[&'static str]| constant(layouts, names).ok().map(|value| Known(value as u64));
        FuncIds {
            sigpanic: id(&["internal/abi.FuncID_sigpanic", "runtime.funcID_sigpanic"]),
            async_preempt: id(&["internal/abi.FuncID_asyncPreempt", "runtime.funcID_asyncPreempt"]),
            debug_call: id(&["internal/abi.FuncID_debugCallV2", "runtime.funcID_debugCallV2"]),
            cgocallback: id(&["internal/abi.FuncID_cgocallback", "runtime.funcID_cgocallback"]),
            runtime_main: id(&["internal/abi.FuncID_runtime_main", "runtime.funcID_runtime_main"]),
            handle_async_event: id(&[
                "internal/abi.FuncID_handleAsyncEvent",
                "runtime.funcID_handleAsyncEvent",
            ]),
            corostart: id(&["internal/abi.FuncID_corostart"]),
            run_finalizers: id(&[
                "internal/abi.FuncID_runFinalizers",
                "internal/abi.FuncID_runfinq",
                "runtime.funcID_runfinq",
            ]),
            run_cleanups: id(&["internal/abi.FuncID_runCleanups"]),
        }
    }
}

impl Pointers {
    fn probe(layouts: &dyn Layouts, mspan: &Mspan) -> Result<Self, NoLayout> {
        if let Some(large_type) = mspan.large_type {
            let on_demand = match constant(layouts, &["internal/abi.TFlagGCMaskOnDemand"]) {
                Ok(flag) => Some(OnDemand {
                    flag: flag as u64,
                    array: ArrayType::find(layouts)?,
                    structure: StructType::find(layouts)?,
                    field: StructField::find(layouts)?,
                }),
                Err(_) => None,
            };
            let inline_marks = layouts.size("runtime.spanInlineMarkBits").unwrap_or(0);
            return Ok(Pointers::Headers(Box::new(Headers { large_type, inline_marks, on_demand })));
        }
        let at = |name| {
            let place = Place::new("heapArena", name);
            let at = layouts.field("runtime.heapArena", name).ok_or(NoLayout(place))?;
            Ok(At { offset: at.offset, size: at.size, place })
        };
        let bitmap = at("bitmap")?;
        Ok(match at("noMorePtrs") {
            Ok(no_more_ptrs) => Pointers::OneBit { bitmap, no_more_ptrs },
            Err(_) => Pointers::TwoBits { bitmap },
        })
    }
}

impl Finalizing {
    fn probe(layouts: &dyn Layouts, variables: &Variables) -> Result<Self, NoLayout> {
        match (variables.fing_status, variables.fing_running) {
            (Some(VariableAt { addr, .. }), _) => {
                Ok(Finalizing::Status(addr, constant(layouts, &["runtime.fingRunningFinalizer"])? as u64))
            }
            (None, Some(VariableAt { addr, .. })) => Ok(Finalizing::Running(addr)),
            (None, None) => Ok(Finalizing::Frames),
        }
    }
}
