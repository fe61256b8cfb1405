//! What released runtimes do wrong: recognised, counted, and told apart from what is new.

use std::fmt;

use heapmatrix_reader::Releases;
use heapmatrix_reader::laws::Fault;

/// A fault that released runtimes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Known {
    /// One that shows in the structure of a dump.
    Law(Fault),
    /// Pointers in variables whose addresses are taken are in no frame's fields: since Go 1.12 the stack maps leave such
    /// variables to the list of stack objects, which the dump does not look at. (`dumpframe`)
    StackVariables,
    /// A type that has methods and no name, such as `*main.square`, is named by its package and a dot, as `main.`.
    /// (`dumptype`)
    PointerTypeName,
    /// A slot that is larger than its object has fields after the object's end, as though there were more elements of its
    /// type: the type's pointers are listed over and over up to the slot's end. (`makeheapobjbv`)
    FieldsBeyondType,
    /// What the goroutine that dumps waits for is what it waited for before: "dumping heap" is noted down for the thread's
    /// scheduling goroutine. (`writeheapdump_m`)
    DumperWaitReason,
    /// A goroutine that leaves a system call while the world is stopped makes the dump throw: the case falls through to
    /// that of a bad status. (`dumpgs`)
    LeavingSyscall,
}

impl Known {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Known::Law(fault) => fault.name(),
            Known::StackVariables => "stack-variables",
            Known::PointerTypeName => "pointer-type-name",
            Known::FieldsBeyondType => "fields-beyond-type",
            Known::DumperWaitReason => "dumper-wait-reason",
            Known::LeavingSyscall => "leaving-syscall",
        }
    }

    /// The releases that have it.
    pub const fn releases(self) -> Releases {
        match self {
            Known::Law(fault) => fault.releases(),
            Known::StackVariables => Releases::since(12),
            Known::PointerTypeName => Releases::since(7),
            Known::FieldsBeyondType => Releases::since(22),
            Known::DumperWaitReason => Releases::between(5, 20),
            Known::LeavingSyscall => Releases::since(26),
        }
    }

    /// What is wrong, and why.
    pub fn statement(self) -> String {
        let text = match self {
            Known::Law(fault) => return fault.statement(),
            Known::StackVariables => {
                "Pointers in variables whose addresses are taken are in no frame's fields: the stack maps leave such \
                 variables to the list of stack objects, which the dump does not look at. (`dumpframe`)"
            }
            Known::PointerTypeName => {
                "A type that has methods and no name, such as `*main.square`, is named by its package and a dot. (`dumptype`)"
            }
            Known::FieldsBeyondType => {
                "A slot that is larger than its object has fields after the object's end, as though there were more elements \
                 of its type: the type's pointers are listed over and over up to the slot's end. (`makeheapobjbv`)"
            }
            Known::DumperWaitReason => {
                "What the goroutine that dumps waits for is what it waited for before: \"dumping heap\" is noted down for \
                 the thread's scheduling goroutine. (`writeheapdump_m`)"
            }
            Known::LeavingSyscall => {
                "A goroutine that leaves a system call while the world is stopped makes the dump throw: the case falls \
                 through to that of a bad status. (`dumpgs`)"
            }
        };
        text.to_owned()
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "known since go1.{}: {}", self.releases().first(), self.name())
    }
}
