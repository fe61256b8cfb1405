//! Random programs on the CPU and in the interpreter: equal memory, equal registers.

mod common;

use common::both;
use common::generate::{functions, lower, start};
use heapmatrix_emu::machine::Machine;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cpu_and_interpreter_agree(functions in functions(), start in start()) {
        for &target in Machine::ALL {
            both(target, &lower(target, &functions), &start);
        }
    }
}
