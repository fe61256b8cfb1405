//! Where the Go 1.5 runtime keeps what a heap dump needs.

use crate::memory::Addr;

/// A symbol that the image does not have, and that no heap dump can be written without.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image has no symbol {0}: it is stripped, or its runtime is not Go 1.5's")]
pub struct MissingSymbol(pub &'static str);

macro_rules! symbols {
    ($($(#[$doc:meta])* $field:ident = $name:literal $($optional:ident)?;)*) => {
        /// The addresses of the runtime's variables and of the functions that it knows by address.
        ///
        /// Variables: the address *of* the variable. Functions: their entry PC.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Symbols {
            $($(#[$doc])* pub $field: Addr,)*
        }

        impl Symbols {
            /// The symbols' names in a Go binary's symbol table, in the order of the fields.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// Takes the addresses from a symbol table.
            ///
            /// # Errors
            /// [`MissingSymbol`] names the first symbol that `lookup` does not know; the ones whose
            /// documentation says "may be absent" become nil instead.
            pub fn from_lookup(mut lookup: impl FnMut(&str) -> Option<Addr>) -> Result<Self, MissingSymbol> {
                Ok(Symbols { $($field: symbols!(@get lookup, $name $($optional)?),)* })
            }

            /// Each symbol's name and its address, which is nil for one that is absent.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, Addr)> {
                [$(($name, self.$field)),*].into_iter()
            }
        }
    };
    (@get $lookup:ident, $name:literal) => { $lookup($name).ok_or(MissingSymbol($name))? };
    (@get $lookup:ident, $name:literal optional) => { $lookup($name).unwrap_or(Addr::NIL) };
}

symbols! {
    /// `var mheap_ mheap` (mheap.go).
    mheap = "runtime.mheap_";
    /// `var h_allspans []*mspan` (mheap.go).
    h_allspans = "runtime.h_allspans";
    /// `var allgs []*g` (proc.go).
    allgs = "runtime.allgs";
    /// `var allglen uintptr` (runtime2.go).
    allglen = "runtime.allglen";
    /// `var allm *m` (runtime2.go).
    allm = "runtime.allm";
    /// `var memstats mstats` (mstats.go).
    memstats = "runtime.memstats";
    /// `var firstmoduledata moduledata` (symtab.go).
    firstmoduledata = "runtime.firstmoduledata";
    /// `var allfin *finblock` (mfinal.go): every block, whether in the queue or not.
    allfin = "runtime.allfin";
    /// `var fingRunning bool` (mfinal.go).
    fing_running = "runtime.fingRunning";
    /// `var mbuckets *bucket` (mprof.go).
    mbuckets = "runtime.mbuckets";
    /// `var hash [hashSize]*itab` (iface.go).
    itab_hash = "runtime.hash";
    /// `var ncpu int32` (runtime2.go).
    ncpu = "runtime.ncpu";
    /// `var goexperiment string` (set by the linker). May be absent.
    goexperiment = "runtime.goexperiment" optional;
    /// `var framepointer_enabled bool` (runtime2.go). May be absent: it is then false.
    framepointer_enabled = "runtime.framepointer_enabled" optional;
    /// `var typecache [typeCacheBuckets]typeCacheBucket` (heapdump.go). May be absent.
    typecache = "runtime.typecache" optional;
    /// `var tmpbuf []byte` (heapdump.go). May be absent.
    tmpbuf = "runtime.tmpbuf" optional;
    /// `var buf [bufSize]byte` (heapdump.go). May be absent.
    buf = "runtime.buf" optional;
    /// `var nbuf uintptr` (heapdump.go). May be absent.
    nbuf = "runtime.nbuf" optional;
    /// `var dumpfd uintptr` (heapdump.go). May be absent.
    dumpfd = "runtime.dumpfd" optional;
    /// `var freemark [_PageSize / 8]bool` (heapdump.go). May be absent.
    freemark = "runtime.freemark" optional;
    /// `func goexit` (asm): the outermost frame of every goroutine.
    goexit = "runtime.goexit";
    /// `func jmpdefer` (asm).
    jmpdefer = "runtime.jmpdefer";
    /// `func mcall` (asm).
    mcall = "runtime.mcall";
    /// `func morestack` (asm).
    morestack = "runtime.morestack";
    /// `func mstart` (proc1.go).
    mstart = "runtime.mstart";
    /// `func rt0_go` (asm).
    rt0_go = "runtime.rt0_go";
    /// `func sigpanic` (os1_*.go / sigpanic_unix.go).
    sigpanic = "runtime.sigpanic";
    /// `func systemstack` (asm).
    systemstack = "runtime.systemstack";
    /// `func stackBarrier` (asm): what an installed stack barrier returns to.
    stack_barrier = "runtime.stackBarrier";
    /// `func runfinq` (mfinal.go).
    runfinq = "runtime.runfinq";
    /// `func backgroundgc` (mgc.go).
    backgroundgc = "runtime.backgroundgc";
    /// `func bgsweep` (mgcsweep.go).
    bgsweep = "runtime.bgsweep";
    /// `func forcegchelper` (proc.go).
    forcegchelper = "runtime.forcegchelper";
    /// `func timerproc` (time.go).
    timerproc = "runtime.timerproc";
    /// `func gcBgMarkWorker` (mgc.go).
    gc_bg_mark_worker = "runtime.gcBgMarkWorker";
}
