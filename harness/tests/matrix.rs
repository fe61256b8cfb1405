//! The catalogue of hand-written worlds on every machine. Each test names its architecture, so that
//! `cargo test ppc64` runs a slice.

use heapmatrix::matrix;
use heapmatrix::oracle::model;
use heapmatrix_emu::image::Image;
use heapmatrix_emu::world::Status;
use heapmatrix_emu::world::catalog::catalog;
use heapmatrix_writer::{AnyTarget, Defects, Options, write_heap_dump};

/// Every world of the catalogue comes back from its dump.
fn catalogue(target: AnyTarget) {
    let mut failures = Vec::new();
    for case in catalog() {
        let result = matrix::build(&case.world, target).and_then(|finished| {
            let dump = matrix::dump(&finished, Defects::NONE)?;
            Ok(model::check(&case.world, &finished.locations, &dump)?)
        });
        if let Err(error) = result {
            failures.push(format!("{} ({}): {error}", case.name, case.shows));
        }
    }
    assert!(failures.is_empty(), "{} worlds fail on {target}:\n{}", failures.len(), failures.join("\n"));
}

/// An image holds nothing of its world before the guest has run: the model must say so.
fn guest_that_did_not_run(target: AnyTarget) {
    let mut checked = 0;
    for case in catalog() {
        let mut image = Image::build(&case.world, target).unwrap();
        // Freed objects leave nothing behind that a dump shows, and dead goroutines are not dumped.
        let objects = case.world.objects.iter().any(|object| object.freed_after.is_none());
        let goroutines = case.world.goroutines.iter().any(|g| g.status != Status::Dead);
        if !objects && !goroutines {
            continue;
        }
        image.locations.read_objects(&image.memory).unwrap();
        let mut dump = Vec::new();
        let written = write_heap_dump(target, &image.memory, &image.symbols, &Options::default(), &mut dump);
        let held = written.is_ok() && model::check(&case.world, &image.locations, &dump).is_ok();
        assert!(!held, "{}: nobody noticed that the guest did not run on {target}", case.name);
        checked += 1;
    }
    assert!(checked > 20, "only {checked} worlds have anything for a guest to do");
}

heapmatrix_emu::each_machine!(catalogue, guest_that_did_not_run);
