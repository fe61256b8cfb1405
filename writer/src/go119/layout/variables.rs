//! The variables.

use super::variable;
use crate::layouts::{Layouts, NoLayout, VariableAt};
use crate::memory::Addr;

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
