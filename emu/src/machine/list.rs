//! The one list of emulated machines, from which all others follow: messages, the command line's choices, the
//! matrix, tests, the corpus.

use heapmatrix_writer::AnyTarget;

use super::arch::Arch;
use super::{Machine, amd64, arm, arm64, i386, mips, ppc64, riscv64, s390x};

/// Hands the list to a macro: `machine_list!([callback] arguments)` is
/// `callback! { {machines that have synthetic worlds} {those that have none} arguments }`, each machine as
/// `name Target table;`.
///
/// Worlds need what the runtime of Go 1.5 looks like there, beside the engine. Go 1.5 never ran on mips: it is there because no
/// other machine has 32 bits and is big-endian.
#[doc(hidden)]
#[macro_export]
macro_rules! machine_list {
    ([$($callback:tt)*] $($arguments:tt)*) => {
        $($callback)*! {
            {
                amd64 Amd64 amd64::ARCH;
                i386 I386 i386::ARCH;
                arm Arm arm::ARCH;
                ppc64 Ppc64 ppc64::PPC64;
                arm64 Arm64 arm64::ARCH;
                ppc64le Ppc64le ppc64::PPC64LE;
                mips Mips mips::MIPS;
            }
            {
                mipsle Mipsle mips::MIPSLE;
                mips64 Mips64 mips::MIPS64;
                mips64le Mips64le mips::MIPS64LE;
                riscv64 Riscv64 riscv64::ARCH;
                s390x S390x s390x::ARCH;
            }
            $($arguments)*
        }
    };
}

/// Makes a test of each function for each emulated machine that has synthetic worlds. They go by the machine's
/// name: `each_machine!(catalogue)` makes `amd64::catalogue`, which calls `catalogue(AnyTarget::Amd64)`.
#[macro_export]
macro_rules! each_machine {
    ($($case:ident),* $(,)?) => {
        $crate::machine_list! { [$crate::machine_tests] [$($case)*] worlds }
    };
}

/// As [`each_machine!`](crate::each_machine), for all machines that can be emulated.
#[macro_export]
macro_rules! each_engine {
    ($($case:ident),* $(,)?) => {
        $crate::machine_list! { [$crate::machine_tests] [$($case)*] engines }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! machine_tests {
    ({$($world:tt)*} {$($engine:tt)*} $cases:tt worlds) => {
        $crate::machine_tests! { $cases $($world)* }
    };
    ({$($world:tt)*} {$($engine:tt)*} $cases:tt engines) => {
        $crate::machine_tests! { $cases $($world)* $($engine)* }
    };
    ($cases:tt $($name:ident $target:ident $table:path;)*) => {
        $($crate::machine_tests! { @ $name $target $cases })*
    };
    (@ $name:ident $target:ident [$($case:ident)*]) => {
        mod $name {
            $(#[test]
            fn $case() {
                super::$case($crate::machine::AnyTarget::$target);
            })*
        }
    };
}

macro_rules! tables {
    ({$($world:ident $with_world:ident $world_table:path;)*} {$($engine:ident $without:ident $table:path;)*}) => {
        impl Machine {
            /// Every machine that can be emulated, those with synthetic worlds first.
            pub const ALL: &'static [AnyTarget] = &[$(AnyTarget::$with_world,)* $(AnyTarget::$without,)*];
        }

        impl crate::world::World {
            /// The machines that worlds can be built on.
            pub const MACHINES: &'static [AnyTarget] = &[$(AnyTarget::$with_world,)*];
        }

        impl Arch {
            /// The table of a target, if machines of its kind can be emulated.
            pub fn of(target: AnyTarget) -> Option<&'static Arch> {
                match target {
                    $(AnyTarget::$with_world => Some(&$world_table),)*
                    $(AnyTarget::$without => Some(&$table),)*
                    _ => None,
                }
            }
        }
    };
}
machine_list! { [tables] }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_the_place_of_their_machine() {
        for &target in AnyTarget::ALL {
            let emulated = Machine::ALL.contains(&target);
            assert_eq!(Arch::of(target).map(|arch| arch.target), emulated.then_some(target));
        }
    }

    #[test]
    fn machines_without_an_engine_are_told_which_have_one() {
        let error = Machine::new(AnyTarget::Loong64).unwrap_err();
        let (start, end) = ("no emulated machine for loong64: there are amd64, 386, arm, ", " and s390x");
        assert!(error.to_string().starts_with(start) && error.to_string().ends_with(end), "{error}");
    }
}
