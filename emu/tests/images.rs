//! Images of worlds: every world of the catalogue becomes the same process on a CPU and without one.

use heapmatrix_emu::image::Image;
use heapmatrix_emu::memory::GuestMemory;
use heapmatrix_emu::run::{run_interpreted, run_on_cpu};
use heapmatrix_emu::world::catalog::catalog;
use heapmatrix_writer::AnyTarget;

const TARGETS: [AnyTarget; 4] = [AnyTarget::Amd64, AnyTarget::I386, AnyTarget::Arm, AnyTarget::Ppc64];

/// The first address at which two memories differ.
fn difference(left: &GuestMemory, right: &GuestMemory) -> Option<String> {
    if left.regions().len() != right.regions().len() {
        return Some("different regions".to_owned());
    }
    left.regions().zip(right.regions()).find_map(|(l, r)| {
        let at = l.bytes().iter().zip(r.bytes()).position(|(l, r)| l != r)?;
        // What a call leaves below the stack pointer, and pieces of the link register's path, are memory too.
        Some(format!(
            "{} at {:#x}: {:#x} and {:#x}",
            l.name(),
            l.addr() + at as u64,
            l.bytes()[at],
            r.bytes()[at]
        ))
    })
}

#[test]
fn cpu_and_interpreter_leave_the_same_memory() {
    for case in catalog() {
        for target in TARGETS {
            let image = || {
                Image::build(&case.world, target).unwrap_or_else(|e| panic!("{} on {target}: {e}", case.name))
            };
            let interpreted =
                run_interpreted(image()).unwrap_or_else(|e| panic!("{} on {target}: {e}", case.name));
            let executed = run_on_cpu(image()).unwrap_or_else(|e| panic!("{} on {target}: {e}", case.name));
            assert_eq!(difference(&executed.memory, &interpreted.memory), None, "{} on {target}", case.name);
            assert_eq!(executed.locations, interpreted.locations, "{} on {target}", case.name);
        }
    }
}
