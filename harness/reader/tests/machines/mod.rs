//! The machines that there are golden dumps of.

/// Makes a test of each function for each machine, by the machine's name.
macro_rules! each_machine {
    ($($case:ident),*) => {
        crate::machines::each_machine! { @ [$($case)*]
            amd64 "amd64" i386 "386" arm "arm" ppc64 "ppc64" arm64 "arm64" ppc64le "ppc64le"
            mips "mips"
        }
    };
    (@ $cases:tt $($name:ident $arch:literal)*) => {
        $(crate::machines::each_machine! { @@ $name $arch $cases })*

        /// No machine's dumps are left out.
        #[test]
        fn there_are_tests_of_every_machine() {
            let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/golden");
            let names = std::fs::read_dir(golden).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
            let mut there: Vec<String> = names.filter(|name| name != "worlds").collect();
            let mut tested = [$($arch),*];
            there.sort();
            tested.sort_unstable();
            assert_eq!(there, tested);
        }
    };
    (@@ $name:ident $arch:literal [$($case:ident)*]) => {
        mod $name {
            $(#[test]
            fn $case() {
                super::$case($arch);
            })*
        }
    };
}
pub(crate) use each_machine;
