//! The oracles that need no model, on the catalogue of hand-written worlds.

use heapmatrix::matrix::{self, EMULATED};
use heapmatrix::oracle::{isomorphism, laws, memories, reencode};
use heapmatrix_emu::image::Image;
use heapmatrix_emu::run::run_interpreted;
use heapmatrix_emu::world::catalog::catalog;
use heapmatrix_writer::{AnyTarget, Options};

/// Laws, re-encoding and two memories, which take one machine.
fn catalogue(target: AnyTarget) {
    let mut failures = Vec::new();
    for case in catalog() {
        let mut fail = |what: String| failures.push(format!("{} ({}): {what}", case.name, case.shows));
        let finished = matrix::build(&case.world, target).unwrap();
        let interpreted = run_interpreted(Image::build(&case.world, target).unwrap()).unwrap();
        if let Err(difference) = memories::check(&finished.memory, &interpreted.memory) {
            fail(format!("CPU and interpreter: {difference}"));
        }
        let dump = matrix::dump(&finished, &Options::default()).unwrap();
        if let Err(violation) = laws::check(&case.world, &dump) {
            fail(violation.to_string());
        }
        if let Err(difference) = reencode::reencode(&dump) {
            fail(difference.to_string());
        }
    }
    assert!(failures.is_empty(), "{target}:\n{}", failures.join("\n"));
}

#[test]
fn four_machines_make_the_same_graph() {
    let mut failures = Vec::new();
    for case in catalog() {
        let graphs = EMULATED.map(|target| {
            let finished = matrix::build(&case.world, target).unwrap();
            let dump = matrix::dump(&finished, &Options::default()).unwrap();
            isomorphism::graph(&case.world, &finished.locations, &dump).unwrap()
        });
        if let Err(difference) = isomorphism::check(&graphs) {
            failures.push(format!("{} ({}): {difference}", case.name, case.shows));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

macro_rules! on_each_machine {
    ($($name:ident: $target:ident),*) => {
        $(mod $name {
            #[test]
            fn catalogue() {
                super::catalogue(super::AnyTarget::$target);
            }
        })*
    };
}

on_each_machine!(amd64: Amd64, i386: I386, arm: Arm, ppc64: Ppc64);
