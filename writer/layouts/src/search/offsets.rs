//! Where the fields are by which variables are recognised.

use heapmatrix_writer::Layouts;

use super::SearchError;

/// Declares fields by their Go names: the first spelling that a release knows counts.
macro_rules! offsets {
    ($($field:ident = $($structure:literal $go:literal)|+;)*) => {
        /// Distances from the beginnings of structures, in bytes.
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Offsets {
            $(pub $field: u64,)*
            /// The distance between two elements of `mheap.central`.
            pub central_stride: u64,
            /// The size of a `finalizer`.
            pub finalizer_size: u64,
            /// The bytes of `finBlock.fin`.
            pub fin_size: u64,
            /// The size of a `bucket`, after which its stack comes.
            pub bucket_size: u64,
            /// The size of `internal/abi.RegArgs`.
            pub reg_args: u64,
            /// `waitReasonGCAssistMarking`.
            pub assist_marking: u64,
        }

        impl Offsets {
            pub(crate) fn find(layouts: &dyn Layouts) -> Result<Offsets, SearchError> {
                let field = |names: &[(&str, &str)]| {
                    let at = names.iter().find_map(|(structure, field)| layouts.field(structure, field));
                    at.ok_or_else(|| SearchError::NotMeasured(format!("{}.{}", names[0].0, names[0].1)))
                };
                let size = |name: &str| layouts.size(name).ok_or_else(|| SearchError::NotMeasured(name.to_owned()));
                Ok(Offsets {
                    $($field: field(&[$(($structure, $go)),+])?.offset,)*
                    central_stride: field(&[("runtime.mheap", "central")])?.size / SPAN_CLASSES,
                    finalizer_size: size("runtime.finalizer")?.max(1),
                    fin_size: field(&FIN)?.size,
                    bucket_size: size("runtime.bucket")?,
                    reg_args: size("internal/abi.RegArgs")?,
                    assist_marking: layouts
                        .constant("runtime.waitReasonGCAssistMarking")
                        .ok_or_else(|| SearchError::NotMeasured("waitReasonGCAssistMarking".to_owned()))?
                        as u64,
                })
            }
        }
    };
}

/// `numSpanClasses`.
pub(super) const SPAN_CLASSES: u64 = 136;
const FIN: [(&str, &str); 2] = [("runtime.finBlock", "fin"), ("runtime.finblock", "fin")];

offsets! {
    text = "runtime.moduledata" "text";
    etext = "runtime.moduledata" "etext";
    noptrdata = "runtime.moduledata" "noptrdata";
    enoptrdata = "runtime.moduledata" "enoptrdata";
    data = "runtime.moduledata" "data";
    edata = "runtime.moduledata" "edata";
    bss = "runtime.moduledata" "bss";
    ebss = "runtime.moduledata" "ebss";
    noptrbss = "runtime.moduledata" "noptrbss";
    enoptrbss = "runtime.moduledata" "enoptrbss";
    central = "runtime.mheap" "central";
    pages_in_use = "runtime.mheap" "pagesInUse";
    spanalloc = "runtime.mheap" "spanalloc";
    alloc_arg = "runtime.fixalloc" "arg";
    alloc_stat = "runtime.fixalloc" "stat";
    spanclass = "runtime.mcentral" "spanclass";
    mspan_sys = "runtime.mstats" "mspan_sys";
    gc_percent = "runtime.gcControllerState" "gcPercent";
    heap_minimum = "runtime.gcControllerState" "heapMinimum";
    heap_in_use = "runtime.gcControllerState" "heapInUse";
    g_m = "runtime.g" "m";
    goid = "runtime.g" "goid";
    m_g0 = "runtime.m" "g0";
    m_p = "runtime.m" "p";
    m_alllink = "runtime.m" "alllink";
    p_id = "runtime.p" "id";
    p_mcache = "runtime.p" "mcache";
    bucket_allnext = "runtime.bucket" "allnext";
    bucket_typ = "runtime.bucket" "typ";
    bucket_nstk = "runtime.bucket" "nstk";
    fin_alllink = "runtime.finBlock" "alllink" | "runtime.finblock" "alllink";
    fin_cnt = "runtime.finBlock" "cnt" | "runtime.finblock" "cnt";
    fin = "runtime.finBlock" "fin" | "runtime.finblock" "fin";
    finalizer_fn = "runtime.finalizer" "fn";
    finalizer_nret = "runtime.finalizer" "nret";
    finalizer_fint = "runtime.finalizer" "fint";
    finalizer_ot = "runtime.finalizer" "ot";
    type_kind = "internal/abi.Type" "Kind_" | "runtime._type" "kind";
    itab_size = "runtime.itabTableType" "size";
    itab_count = "runtime.itabTableType" "count";
    itab_entries = "runtime.itabTableType" "entries";
}
