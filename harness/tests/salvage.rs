//! Dumps with every defect of Go 1.5, of worlds whose types have names: what is salvaged has lost the names, and
//! nothing else.

use heapmatrix::matrix;
use heapmatrix_emu::world::catalog::catalog;
use heapmatrix_emu::world::{Size, Uncommon, World};
use heapmatrix_reader::{Dump, Record, Text, Version, salvage};
use heapmatrix_writer::{AnyTarget, Defects, Dialect};

/// Worlds by hand and by chance.
fn worlds() -> impl Iterator<Item = (String, World)> {
    // One world has all size classes: a megabyte of objects, which are all alike here.
    let by_hand = catalog().into_iter().filter(|case| case.name != "size_classes");
    let by_hand = by_hand.map(|case| (case.name.to_owned(), case.world));
    let by_chance = (0..8).map(|seed| (format!("seed {seed}"), World::generate_sized(seed, Size::SMALL)));
    by_hand.chain(by_chance)
}

/// Gives every type a name, so that Go 1.5 loses it.
fn name_types(world: &mut World) {
    for (i, ty) in world.types.iter_mut().enumerate() {
        let (pkg_path, name) = (Some("example.com/pkg".to_owned()), Some(format!("T{i}")));
        ty.uncommon = Some(Uncommon { pkg_path, name });
    }
}

/// A dump as it is, but with the names of types left out.
fn without_names(dump: &[u8]) -> (Vec<u8>, Vec<u64>) {
    let (mut out, mut types) = (Version::Go15.header().to_vec(), Vec::new());
    for record in Dump::new(dump).unwrap().records() {
        let (_, mut record) = record.unwrap();
        if let Record::Type(ty) = &mut record {
            ty.name = Text::default();
            types.push(ty.address);
        }
        record.write_to(&mut out).unwrap();
    }
    (out, types)
}

fn loses_names_alone(target: AnyTarget) {
    let mut names = 0;
    for (name, mut world) in worlds() {
        name_types(&mut world);
        let finished = matrix::build(&world, target).unwrap_or_else(|error| panic!("{name}: {error}"));
        let dump = |defects| matrix::dump(&finished, defects).unwrap();
        let exact = dump(Dialect::Go15Exact.defects());
        let (expected, types) =
            without_names(&dump(Defects { type_names_by_address: false, ..Defects::ALL }));

        let salvage = salvage(&exact).unwrap();
        assert_eq!(salvage.cut(), None, "{name}");
        let lost: Vec<u64> = salvage.lost_names().map(|lost| lost.address).collect();
        assert_eq!(lost, types, "{name}");
        let mut saved = Vec::new();
        salvage.write_to(&mut saved).unwrap();
        let same = saved.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        assert!(
            saved == expected,
            "{name}: other bytes from {same} on, of {} and {}",
            saved.len(),
            expected.len()
        );
        names += lost.len();
    }
    assert!(names > 50, "{names} names are lost");
}

heapmatrix_emu::each_machine!(loses_names_alone);
