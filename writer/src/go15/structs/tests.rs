//! The declarations against the DWARF of real binaries that Go 1.5.4 built.

use heapmatrix_facts::Layouts;

use super::*;
use crate::target::{Amd64, Amd64p32, Arm, Arm64, I386, Mips, Ppc64, Ppc64le};

/// Declared only as far as they are dumped: their sizes are not Go's.
const PARTIAL: [&str; 3] = ["mstats", "m", "finblock"];

/// Not in the DWARF: one has no name, the other is only ever used through a pointer.
const NOT_IN_DWARF: [&str; 2] = ["central", "findfuncbucket"];

fn compare<T: Target>() {
    let facts = Layouts::of(T::GOARCH).unwrap();
    let mut compared = 0;
    for (name, size, fields) in layouts::<T>() {
        if NOT_IN_DWARF.contains(&name) {
            continue;
        }
        let structure = format!("runtime.{name}");
        for &(field, offset, _) in &fields {
            let dwarf = if field == "blank" { "_" } else { field };
            assert_eq!(Ok(offset), facts.offset(&structure, dwarf), "{}: {name}.{field}", T::GOARCH);
            compared += 1;
        }
        if PARTIAL.contains(&name) {
            // A field that is missing in the middle would have moved the later ones.
            assert!(size <= facts.size(&structure).unwrap(), "{}: sizeof {name}", T::GOARCH);
        } else {
            assert_eq!(
                fields.len(),
                facts.fields(&structure).unwrap().len(),
                "{}: fields of {name}",
                T::GOARCH
            );
            assert_eq!(Ok(size), facts.size(&structure), "{}: sizeof {name}", T::GOARCH);
        }
    }
    assert!(compared > 250, "{compared} fields were compared");
}

#[test]
fn offsets_are_those_of_real_amd64_binaries() {
    compare::<Amd64>();
}

#[test]
fn offsets_are_those_of_real_386_binaries() {
    compare::<I386>();
}

#[test]
fn offsets_are_those_of_real_arm_binaries() {
    compare::<Arm>();
}

#[test]
fn offsets_are_those_of_real_ppc64_binaries() {
    compare::<Ppc64>();
}

#[test]
fn offsets_are_those_of_real_arm64_binaries() {
    compare::<Arm64>();
}

#[test]
fn offsets_are_those_of_real_ppc64le_binaries() {
    compare::<Ppc64le>();
}

/// Go 1.5 never ran there: the layouts are those of a machine with the same alignments.
#[test]
fn offsets_of_mips_follow_from_its_alignments() {
    compare::<Mips>();
}

/// Of the last target there are no binaries.
#[test]
fn offsets_of_amd64p32_follow_from_its_registers() {
    // uintreg is 8 bytes, and 64-bit integers are aligned to 8.
    assert_eq!(Gobuf::ret::<Amd64p32>().offset, 16);
    assert_eq!(Gobuf::lr::<Amd64p32>().offset, 24);
    assert_eq!(M::procid::<Amd64p32>().offset % 8, 0);
}

#[test]
fn findfuncbucket_has_20_bytes() {
    assert_eq!(<FindFuncBucket as GoType<Amd64>>::SIZE, 20);
    assert_eq!(FindFuncBucket::subbuckets::<Arm>().offset, 4);
}

#[test]
fn a_finblock_has_room_for_as_many_finalizers_as_in_go() {
    assert_eq!(finalizers_per_block::<Amd64>(), 101);
    assert_eq!(finalizers_per_block::<I386>(), 204);
}

#[test]
fn no_args_is_all_ones() {
    assert_eq!(no_args::<Arm>(), 0xffff_ffff);
    assert_eq!(no_args::<Ppc64>(), u64::MAX);
}

#[test]
fn places_are_spelled_as_in_go() {
    let sp = G::sched::<Arm>().then(Gobuf::sp());
    assert_eq!(sp.place.to_string(), "g.sched.sp");
    assert_eq!(sp.offset, G::sched::<Arm>().offset);
    assert_eq!(Defer::r#fn::<Arm>().place.to_string(), "_defer.fn");
    assert_eq!(Field::<Arm, Ptr>::variable("allm").place.to_string(), "runtime.allm");
}
